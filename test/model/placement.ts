/**
 * Placement of one block inside one free segment, by arithmetic simple enough to be checked by
 * reading. This is the part of the naive model that every policy rests on, so it knows nothing of
 * indexes or classes: it takes a segment and a wish and says which base is the lowest or the
 * highest. `placement.test.ts` holds it against a scan over every unit.
 */
import type { Constraint } from '../../src/engine/command.ts';

export interface Segment {
  readonly base: bigint;
  readonly size: bigint;
}

/** A request with every default filled in; all numbers are addresses, not quanta. */
export interface Wish {
  /** Rounded up to the quantum. */
  readonly size: bigint;
  readonly quantum: bigint;
  readonly align: bigint;
  readonly phase: bigint;
  readonly nocross?: bigint;
  readonly min: bigint;
  readonly max: bigint;
  readonly address?: bigint;
  /** Ranges, in one of which the block has to lie; anywhere where absent. In order, and apart. */
  readonly windows?: readonly Segment[];
}

/** The request as a wish, or the JSON pointer of the first field that makes it invalid. */
export function wishOf(
  size: bigint,
  constraint: Constraint,
  quantum: bigint,
  width: number,
): Wish | string {
  const top = 1n << BigInt(width);
  if (size <= 0n || size > top) return '/size';
  const rounded = ceil(size, quantum);
  const align = constraint.align ?? quantum;
  if (align <= 0n || (!isPowerOfTwo(align) && align % quantum !== 0n)) return '/align';
  const phase = constraint.phase ?? 0n;
  if (phase < 0n || (phase > 0n && phase >= align) || phase % quantum !== 0n) return '/phase';
  const { nocross, address } = constraint;
  if (nocross !== undefined && (!isPowerOfTwo(nocross) || nocross < rounded)) return '/nocross';
  const min = constraint.min ?? 0n;
  const max = constraint.max ?? top - 1n;
  if (min >= top) return '/min';
  if (max >= top) return '/max';
  if (min > max) return '/min';
  if (address !== undefined && address >= top) return '/address';
  if (address !== undefined && address % quantum !== 0n) return '/address';
  const met = align < quantum ? quantum : align;
  return {
    size: rounded,
    quantum,
    align: met,
    phase,
    min,
    max,
    ...(nocross === undefined ? {} : { nocross }),
    ...(address === undefined ? {} : { address }),
  };
}

/** The lowest base at or above `from` at which the block lies in the segment as wished. */
export function lowest(segment: Segment, wish: Wish, from = 0n): bigint | undefined {
  for (const part of partsOf(segment, wish)) {
    const base = lowestIn(part, wish, from);
    if (base !== undefined) return base;
  }
  return undefined;
}

/** The highest base at which the block lies in the segment as wished. */
export function highest(segment: Segment, wish: Wish): bigint | undefined {
  for (const part of partsOf(segment, wish).toReversed()) {
    const base = highestIn(part, wish);
    if (base !== undefined) return base;
  }
  return undefined;
}

/** What of the segment lies in the windows. */
function partsOf(segment: Segment, { windows, size }: Wish): Segment[] {
  // It goes without saying, but not without time: most segments are too small.
  if (segment.size < size) return [];
  if (windows === undefined) return [segment];
  return windows.map(({ base, size }) => {
    const start = larger(base, segment.base);
    return { base: start, size: smaller(base + size, segment.base + segment.size) - start };
  });
}

function lowestIn(segment: Segment, wish: Wish, from: bigint): bigint | undefined {
  const bounds = boundsOf(segment, wish);
  let base = congruentUp(larger(bounds.first, from), wish);
  for (let tries = periodOf(wish); tries > 0n && base <= bounds.last; tries--) {
    if (!crosses(base, wish)) return base;
    // Every start up to the next boundary crosses that same boundary, so none is skipped.
    base = congruentUp((base / wish.nocross! + 1n) * wish.nocross!, wish);
  }
  return undefined;
}

function highestIn(segment: Segment, wish: Wish): bigint | undefined {
  const bounds = boundsOf(segment, wish);
  let base = congruentDown(bounds.last, wish);
  for (let tries = periodOf(wish); tries > 0n && base >= bounds.first; tries--) {
    if (!crosses(base, wish)) return base;
    const boundary = ((base + wish.size - 1n) / wish.nocross!) * wish.nocross!;
    base = congruentDown(boundary - wish.size, wish);
  }
  return undefined;
}

/** Whether a block at `base` meets every constraint, wherever it lies. */
export function meets(base: bigint, wish: Wish): boolean {
  return (
    base % wish.quantum === 0n &&
    base % wish.align === wish.phase &&
    !crosses(base, wish) &&
    base >= wish.min &&
    base + wish.size - 1n <= wish.max &&
    partsOf({ base, size: wish.size }, wish).some(({ size }) => size === wish.size) &&
    (wish.address === undefined || base === wish.address)
  );
}

export function floor(value: bigint, unit: bigint): bigint {
  return (value / unit) * unit;
}

export function ceil(value: bigint, unit: bigint): bigint {
  return ((value + unit - 1n) / unit) * unit;
}

export function isPowerOfTwo(value: bigint): boolean {
  return value > 0n && (value & (value - 1n)) === 0n;
}

/** First and last base that keep the block inside the segment, min, max and the address. */
function boundsOf(segment: Segment, wish: Wish): { first: bigint; last: bigint } {
  const end = smaller(segment.base + segment.size, wish.max + 1n);
  const first = larger(segment.base, wish.min);
  const last = end - wish.size;
  if (wish.address === undefined) return { first, last };
  return { first: larger(first, wish.address), last: smaller(last, wish.address) };
}

function congruentUp(value: bigint, { align, phase }: Wish): bigint {
  return value <= phase ? phase : ceil(value - phase, align) + phase;
}

/** Negative when there is none. */
function congruentDown(value: bigint, { align, phase }: Wish): bigint {
  return value < phase ? -1n : floor(value - phase, align) + phase;
}

function crosses(base: bigint, { size, nocross }: Wish): boolean {
  return nocross !== undefined && base / nocross !== (base + size - 1n) / nocross;
}

/**
 * After this many starts every further one repeats an earlier one. A start is decided by its residue
 * modulo `nocross`, and the next start by the residue of the boundary modulo `align`; both recur with
 * a period of the one over their greatest common divisor. Without a boundary the first start decides.
 */
function periodOf({ align, nocross }: Wish): bigint {
  if (nocross === undefined) return 1n;
  let [a, b] = [align, nocross];
  while (b > 0n) [a, b] = [b, a % b];
  return smaller(align, nocross) / a + 1n;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
