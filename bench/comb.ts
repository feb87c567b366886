/**
 * The comb: large segments freed between small allocations that stay, so that nothing merges, and
 * blocks of any size up to the gaps' which come and go first in, first out.
 */
import type { Operation } from './operation.ts';
import { Xorshift32 } from './random.ts';
import type { Subject } from './subject.ts';
import type { Workload } from './workload.ts';

const GAP = 1024;

export class Comb implements Workload {
  readonly span: number;
  readonly slots: number;
  readonly warmUp: number;
  readonly cycle = 1;
  readonly #teeth: number;
  readonly #random = new Xorshift32();
  #next: number;

  constructor(live: number) {
    this.#teeth = live;
    this.span = live * (GAP + 1);
    // An eighth of the gaps' units is taken at a time, about.
    this.slots = live + Math.ceil(live / 4);
    this.warmUp = live;
    this.#next = live;
  }

  setUp(subject: Subject): void {
    for (let slot = 0; slot < this.#teeth; slot++) {
      subject.takeAt(slot, slot * (GAP + 1) + GAP, 1);
    }
    // The gaps are taken and freed one after the other, as a real comb comes about: so they are
    // queued by the time of their being freed.
    const spare = this.#next;
    for (let gap = 0; gap < this.#teeth; gap++) {
      subject.takeAt(spare, gap * (GAP + 1), GAP);
      subject.free(spare);
    }
  }

  draw(operation: Operation, subject: Subject): void {
    const slot = this.#next;
    this.#next = slot + 1 === this.slots ? this.#teeth : slot + 1;
    operation.drop = subject.sizeOf(slot) === 0 ? -1 : slot;
    operation.take = slot;
    operation.size = 1 + this.#random.below(GAP);
  }
}
