/**
 * The checkerboard: the even units of a span taken one by one, the odd ones free, and requests that
 * nothing there can serve. Every list of free segments has to be walked to its end to find that
 * out; an index must not.
 */
import { assert } from '../src/engine/assert.ts';
import type { Operation } from './operation.ts';
import { Xorshift32 } from './random.ts';
import { UNBOUNDED } from './subject.ts';
import type { Ask, Subject } from './subject.ts';
import type { Workload } from './workload.ts';

type Request = (operation: Operation, random: Xorshift32) => void;

export class Checkerboard implements Workload {
  readonly span: number;
  readonly slots: number;
  readonly warmUp: number;
  readonly cycle = 1;
  readonly #random = new Xorshift32();
  readonly #request: Request;

  constructor(live: number, request: Request) {
    this.span = live * 2;
    // One more, which a request would fill if it were not refused.
    this.slots = live + 1;
    this.warmUp = Math.min(live, 10_000);
    this.#request = request;
  }

  setUp(subject: Subject): void {
    for (let slot = 0; slot < this.slots - 1; slot++) subject.takeAt(slot, slot * 2, 1);
  }

  draw(operation: Operation, subject: Subject): void {
    operation.take = this.slots - 1;
    assert(subject.sizeOf(operation.take) === 0, 'no free segment serves a request');
    this.#request(operation, this.#random);
  }
}

export const twoUnits: Request = (operation) => {
  operation.size = 2;
};

/** Within a random window as long as half of the span, `live` units. */
export function twoUnitsWithin(live: number): Request {
  return (operation, random) => {
    const from = random.below(live);
    operation.size = 2;
    operation.ask = { align: 1, phase: 0, nocross: 0, from, to: from + live };
  };
}

/** A unit at a multiple of 2 or more: the free ones are odd. */
export function aligned(kinds: number): Request {
  const asks: readonly Ask[] = Array.from({ length: kinds }, (_, k) => {
    return { align: 2 ** (k + 1), phase: 0, nocross: 0, from: 0, to: UNBOUNDED };
  });
  return (operation, random) => {
    operation.size = 1;
    operation.ask = asks[random.below(kinds)];
  };
}
