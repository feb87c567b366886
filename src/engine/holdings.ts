/**
 * Which allocations leases hold. A holding, an allocation under a lease, is a row of numbers, named by
 * its place. The holdings of a lease form a ring without an order of their own, which is named by one
 * of them. A million holdings are no work for the garbage collector: what they refer to are arenas
 * by number.
 */
import { Addresses } from './addresses.ts';
import type { Arena } from './arena.ts';
import { growth } from './growth.ts';
import { Numbered } from './numbered.ts';

/** An allocation under a lease. */
export interface Holding {
  readonly arena: Arena;
  readonly base: bigint;
}

// Places in a row.
const ROW = 2;
/** The number of the lease; 0 in a row that is in nobody's use. */
const LEASE = 0;
/** The next one of the ring, or of the rows that are in nobody's use. */
const NEXT = 1;
const PREVIOUS = 2;
const ARENA = 3;

export class Holdings {
  #rows = new Uint32Array(8 << ROW);
  readonly #bases = new Addresses();
  /** Rows that were ever in use; that with the number 0 is none. */
  #used = 1;
  /** The first row that is in nobody's use any more; 0 where there is none. */
  #spare = 0;
  readonly #arenas = new Numbered<Arena>();
  /** Allocations under leases, in all arenas. */
  count = 0;

  /** Adds a holding to the ring that `first` is of, or makes a ring of it, for 0. */
  add(first: number, lease: number, arena: Arena, base: bigint): number {
    const holding = this.#take();
    const rows = this.#rows;
    const next = first === 0 ? holding : first;
    const last = first === 0 ? holding : rows[(first << ROW) | PREVIOUS]!;
    const at = holding << ROW;
    rows[at | LEASE] = lease;
    rows[at | ARENA] = this.#arenas.use(arena);
    rows[at | NEXT] = next;
    rows[at | PREVIOUS] = last;
    rows[(next << ROW) | PREVIOUS] = holding;
    rows[(last << ROW) | NEXT] = holding;
    this.#bases.set(holding, base);
    this.count++;
    return holding;
  }

  /** Takes a holding out of its ring; returns the one behind it, 0 where it was alone. */
  remove(holding: number): number {
    const rows = this.#rows;
    const at = holding << ROW;
    const next = rows[at | NEXT]!;
    const previous = rows[at | PREVIOUS]!;
    rows[(previous << ROW) | NEXT] = next;
    rows[(next << ROW) | PREVIOUS] = previous;
    this.#arenas.disuse(rows[at | ARENA]!);
    rows[at | LEASE] = 0;
    rows[at | NEXT] = this.#spare;
    this.#spare = holding;
    this.count--;
    return next === holding ? 0 : next;
  }

  lease(holding: number): number {
    return this.#rows[(holding << ROW) | LEASE]!;
  }

  arena(holding: number): Arena {
    return this.#arenas.get(this.#rows[(holding << ROW) | ARENA]!);
  }

  base(holding: number): bigint {
    return this.#bases.get(holding);
  }

  /** All of a ring, beginning with `first`; nothing for 0. */
  *ring(first: number): Generator<Holding> {
    let holding = first;
    while (holding !== 0) {
      yield { arena: this.arena(holding), base: this.base(holding) };
      holding = this.#rows[(holding << ROW) | NEXT]!;
      if (holding === first) return;
    }
  }

  /** A row for a new holding: the one that was given up last, as a trial that is taken back expects. */
  #take(): number {
    const spare = this.#spare;
    if (spare !== 0) {
      this.#spare = this.#rows[(spare << ROW) | NEXT]!;
      return spare;
    }
    const capacity = this.#rows.length >>> ROW;
    if (this.#used === capacity) {
      const rows = new Uint32Array(growth(capacity, 4 << ROW) << ROW);
      rows.set(this.#rows);
      this.#rows = rows;
    }
    return this.#used++;
  }
}
