/**
 * One operation of a workload. An operation frees the block of a slot, or asks for one, or both in
 * this order; both together are a *pair*. There is one object a run, written over by every draw, so
 * that drawing costs no garbage.
 */
import type { Ask } from './subject.ts';

export class Operation {
  /** Slot to free first, or -1. */
  drop = -1;
  /** Slot to take a block into, or -1. */
  take = -1;
  size = 0;
  ask: Ask | undefined;
  /** Size of the block that goes back to its place if the request is refused; 0 means none does. */
  back = 0;
}
