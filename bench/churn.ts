/**
 * Churn: a steady number of live allocations, a random one of which is freed and allocated anew.
 * The order of the draws is that of the C allocator's bench (the slot, then the size), and so are
 * the phases: fill, as many warm-up pairs as there are live allocations, then what is measured.
 * Constraints are drawn after the size.
 */
import { Operation } from './operation.ts';
import { Xorshift32 } from './random.ts';
import { UNBOUNDED } from './subject.ts';
import type { Ask, Subject } from './subject.ts';
import type { Workload } from './workload.ts';

/** Sets the size of an operation, and its constraint where it has one. */
type Request = (operation: Operation, random: Xorshift32) => void;

export class Churn implements Workload {
  readonly span: number;
  readonly slots: number;
  readonly warmUp: number;
  readonly cycle = 1;
  readonly #random = new Xorshift32();
  readonly #request: Request;

  constructor(live: number, span: number, request: Request) {
    this.span = span;
    this.slots = live;
    this.warmUp = live;
    this.#request = request;
  }

  setUp(subject: Subject): void {
    const operation = new Operation();
    for (let slot = 0; slot < this.slots; slot++) {
      this.#request(operation, this.#random);
      subject.alloc(slot, operation.size, operation.ask);
    }
  }

  draw(operation: Operation, subject: Subject): void {
    const slot = this.#random.below(this.slots);
    operation.drop = subject.sizeOf(slot) === 0 ? -1 : slot;
    operation.take = slot;
    this.#request(operation, this.#random);
  }
}

export const uniform: Request = (operation, random) => {
  operation.size = 1 + random.below(64);
};

const prefixes: readonly Ask[] = Array.from({ length: 11 }, (_, k) => {
  return { align: 2 ** k, phase: 0, nocross: 0, from: 0, to: UNBOUNDED };
});

export const prefix: Request = (operation, random) => {
  const ask = prefixes[random.below(prefixes.length)]!;
  operation.size = ask.align;
  operation.ask = ask;
};

export function within(to: number): Request {
  return always({ align: 16, phase: 0, nocross: 0, from: 0, to });
}

export function constrained(from: number, to: number): Request {
  return always({ align: 16, phase: 8, nocross: 1024, from, to });
}

function always(ask: Ask): Request {
  return (operation, random) => {
    operation.size = 1 + random.below(64);
    operation.ask = ask;
  };
}

/** So far apart that every request has a start: impossible ones are a workload of their own. */
const boundaries = [0, 256, 512, 2048] as const;

/** Of `span` units; windows are half as long. */
export function mixed(span: number): Request {
  return (operation, random) => {
    operation.size = 1 + random.below(64);
    const align = 2 ** random.below(8);
    const phase = random.below(align);
    const nocross = boundaries[random.below(boundaries.length)]!;
    const from = random.below(span / 2);
    operation.ask = { align, phase, nocross, from, to: from + span / 2 };
  };
}
