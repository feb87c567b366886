/**
 * Requests that nothing could serve, even if the arena were empty: every start that their align and
 * phase allow lies too near before a boundary that they may not cross. The segments are there and
 * large enough, so only a look at what the request means, or at an index of it, can tell. Phases
 * vary, so that there are more kinds of them than are worth an index each.
 */
import type { Operation } from './operation.ts';
import { Xorshift32 } from './random.ts';
import { UNBOUNDED } from './subject.ts';
import type { Ask, Subject } from './subject.ts';
import type { Workload } from './workload.ts';

const SIZE = 64;
const BOUNDARY = 128;

/** From the phase after which a block of SIZE crosses, to the last. */
const asks: readonly Ask[] = Array.from({ length: BOUNDARY - SIZE - 1 }, (_, i) => {
  const phase = BOUNDARY - SIZE + 1 + i;
  return { align: BOUNDARY, phase, nocross: BOUNDARY, from: 0, to: UNBOUNDED };
});

export class Impossible implements Workload {
  readonly span: number;
  readonly slots: number;
  readonly warmUp: number;
  readonly cycle = 1;
  readonly #random = new Xorshift32();

  constructor(live: number) {
    this.span = live * 2 * SIZE * 2;
    // One more, which a request would fill if it were not refused.
    this.slots = live + 1;
    this.warmUp = Math.min(live, 10_000);
  }

  /** Blocks, and between them free segments, of twice the size that is asked for. */
  setUp(subject: Subject): void {
    for (let slot = 0; slot < this.slots - 1; slot++) {
      subject.takeAt(slot, slot * 4 * SIZE, 2 * SIZE);
    }
  }

  draw(operation: Operation): void {
    operation.take = this.slots - 1;
    operation.size = SIZE;
    operation.ask = asks[this.#random.below(asks.length)];
  }
}
