/**
 * Times of single operations, in nanoseconds. Reading the clock costs about as much as the fastest
 * operations measured, so the cost is measured too: the median difference of two readings with
 * nothing between them is subtracted from every sample, and a sample is never below zero. What
 * remains is the clock's own jitter, some ten nanoseconds; means are therefore taken from runs
 * without any reading inside.
 */
const CALIBRATIONS = 100_000;

/** Nanoseconds since the process began. */
export function now(): number {
  return performance.now() * 1e6;
}

/** What two readings cost, in nanoseconds. */
export function clockCost(): number {
  const samples = new Samples(CALIBRATIONS, 0);
  for (let i = 0; i < CALIBRATIONS; i++) {
    const before = now();
    samples.add(now() - before);
  }
  return samples.summary().p50;
}

/** In nanoseconds. */
export interface Summary {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** At most `capacity` samples; what comes later is only compared with the longest. */
export class Samples {
  readonly #values: Float64Array;
  readonly #cost: number;
  #max = 0;
  count = 0;

  /** `cost` is subtracted from every sample. */
  constructor(capacity: number, cost: number) {
    this.#values = new Float64Array(capacity);
    this.#cost = cost;
  }

  add(elapsed: number): void {
    const value = elapsed > this.#cost ? elapsed - this.#cost : 0;
    if (this.count < this.#values.length) this.#values[this.count++] = value;
    if (value > this.#max) this.#max = value;
  }

  summary(): Summary {
    const sorted = this.#values.subarray(0, this.count).toSorted();
    return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), max: this.#max };
  }
}

/** The value that a share of `sorted` is at most; 0 of nothing. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return 0;
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : (quantile(sorted, 0.5) + (sorted[middle] ?? 0)) / 2;
}
