/**
 * An arena 99.9 % full: a random block is freed, and one is asked for that is larger while there is
 * less taken than there should be, and smaller otherwise. Most of the larger ones are refused; the
 * freed block then goes back to where it was, so that the arena stays as full as it is.
 */
import type { Operation } from './operation.ts';
import { Xorshift32 } from './random.ts';
import type { Subject } from './subject.ts';
import type { Workload } from './workload.ts';

const SIZE_MAX = 64;

export class Full implements Workload {
  readonly span: number;
  readonly slots: number;
  readonly warmUp: number;
  readonly cycle = 1;
  readonly #random = new Xorshift32();
  readonly #sizes: Uint8Array;
  /** Units taken at the beginning, and kept. */
  #level = 0;

  constructor(live: number) {
    this.slots = live;
    this.warmUp = live;
    this.#sizes = new Uint8Array(live);
    for (let slot = 0; slot < live; slot++) {
      this.#sizes[slot] = 1 + this.#random.below(SIZE_MAX);
      this.#level += this.#sizes[slot]!;
    }
    this.span = Math.ceil(this.#level / 0.999);
  }

  setUp(subject: Subject): void {
    let unit = 0;
    for (let slot = 0; slot < this.slots; slot++) {
      subject.takeAt(slot, unit, this.#sizes[slot]!);
      unit += this.#sizes[slot]!;
    }
  }

  draw(operation: Operation, subject: Subject): void {
    const slot = this.#random.below(this.slots);
    const size = subject.sizeOf(slot);
    operation.drop = slot;
    operation.take = slot;
    operation.back = size;
    const shrinks = subject.used >= this.#level;
    operation.size = shrinks
      ? 1 + this.#random.below(size)
      : size + this.#random.below(SIZE_MAX + 1 - size);
  }
}
