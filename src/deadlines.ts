/**
 * When leases run out, by a steady clock. A lease's time begins anew when it is made, when it is
 * renewed, and at a start: so that what was promised before, by any clock, is never shortened. What
 * happens is told here right after it was applied; nothing here outlives the process.
 *
 * Leases that end otherwise leave their deadline behind, until it comes or a new lease gets the same
 * number; so there are never more deadlines than there were leases at a time.
 */
import { DeadlineHeap } from './deadline-heap.ts';
import type { Engine } from './engine/engine.ts';
import type { Event } from './engine/event.ts';

export class Deadlines {
  readonly #leases: Engine['leases'];
  readonly #now: () => number;
  readonly #heap = new DeadlineHeap();
  #expired = 0;

  /** `now` gives milliseconds of a clock that only goes forward, at an even pace. */
  constructor({ leases }: Pick<Engine, 'leases'>, now: () => number) {
    this.#leases = leases;
    this.#now = now;
    for (const lease of leases.after('')) this.#begin(lease);
  }

  /** Leases that have expired since the start. */
  get expired(): number {
    return this.#expired;
  }

  /** Milliseconds until the next lease runs out; negative where it did, undefined where none will. */
  get next(): number | undefined {
    for (let { first } = this.#heap; first !== undefined; { first } = this.#heap) {
      if (this.#leases.has(this.#heap.firstOwner)) return first - this.#now();
      this.#heap.take();
    }
    return undefined;
  }

  /** Told of every event, in order, when it has been applied. */
  note(event: Event): void {
    switch (event.type) {
      case 'batched':
        for (const one of event.events) this.note(one);
        return;
      case 'leaseCreated':
      case 'leaseRenewed':
        this.#begin(this.#leases.find(event.lease));
        return;
      case 'allocated':
        if (event.ttlSeconds !== undefined) this.#begin(this.#leases.find(event.lease!));
        return;
      case 'leasesEnded':
        if (event.reason === 'expired') this.#expired += event.ended.length;
        return;
      default:
    }
  }

  /**
   * Ids of leases that have run out, the first to do so first, and no more than that hold `most`
   * allocations together, or one that holds more. They are not named again, unless they are given back.
   */
  take(most: number): string[] {
    const ids: string[] = [];
    const now = this.#now();
    let allocations = 0;
    for (let { first } = this.#heap; first !== undefined && first <= now; { first } = this.#heap) {
      const { owner, deadline } = this.#heap.take();
      if (!this.#leases.has(owner)) continue;
      allocations += Math.max(1, this.#leases.size(owner));
      if (ids.length > 0 && allocations > most) {
        this.#heap.set(owner, deadline);
        break;
      }
      ids.push(this.#leases.id(owner));
    }
    return ids;
  }

  /** Takes back what was taken and has not ended. */
  giveBack(ids: readonly string[]): void {
    for (const id of ids) {
      const lease = this.#leases.find(id);
      if (lease !== 0) this.#heap.set(lease, this.#leases.deadline(lease));
    }
  }

  #begin(lease: number): void {
    // What a batch has made may have ended in the same batch.
    if (lease === 0) return;
    const deadline = this.#now() + this.#leases.ttlSeconds(lease) * 1000;
    this.#leases.setDeadline(lease, deadline);
    this.#heap.set(lease, deadline);
  }
}
