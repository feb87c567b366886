/**
 * The sawtooth: grows from nothing to all live allocations, frees them in the order in which they
 * came, and begins again. An index that only ever grows, or pays for shrinking, shows here.
 */
import type { Operation } from './operation.ts';
import { Xorshift32 } from './random.ts';
import type { Workload } from './workload.ts';

export class Sawtooth implements Workload {
  readonly span: number;
  readonly slots: number;
  readonly warmUp: number;
  readonly cycle: number;
  readonly #random = new Xorshift32();
  #step = 0;

  constructor(live: number) {
    this.span = live * 64;
    this.slots = live;
    this.cycle = live * 2;
    this.warmUp = this.cycle;
  }

  /** It begins with nothing. */
  setUp(): void {}

  draw(operation: Operation): void {
    const grows = this.#step < this.slots;
    const slot = grows ? this.#step : this.#step - this.slots;
    operation.take = grows ? slot : -1;
    operation.drop = grows ? -1 : slot;
    if (grows) operation.size = 1 + this.#random.below(64);
    this.#step = this.#step + 1 === this.cycle ? 0 : this.#step + 1;
  }
}
