/** The leases of a dump, which come before the arenas, and what is put under them afterwards. */
import { HOLDINGS_MAX } from '../engine/leases.ts';
import type { SnapshotPart } from '../engine/snapshot.ts';
import { invalidInput } from '../http/invalid-input.ts';
import type { DumpLine } from './dump-line.ts';

interface LoadedLease {
  /** Among all, in order of id. */
  readonly place: number;
  /** The number of its line. */
  readonly line: number;
  readonly endsWhenEmpty: boolean;
  /** Allocations that it holds so far. */
  holds: number;
}

export class LeaseLoader {
  readonly #onPart: (part: SnapshotPart) => void;
  readonly #leases = new Map<string, LoadedLease>();
  #last = '';

  constructor(onPart: (part: SnapshotPart) => void) {
    this.#onPart = onPart;
  }

  /** `revision` is that of the dump. Throws InvalidInput. */
  lease(line: DumpLine<'lease'>, number: number, revision: number): void {
    const { type: _type, createdAt, endsWhenEmpty = false, ...terms } = line;
    if (terms.id <= this.#last) throw invalidInput('/id', 'the leases are not in order of id');
    if (terms.revision > revision) {
      throw invalidInput('/revision', `must be at most that of the dump, ${revision}`);
    }
    this.#last = terms.id;
    this.#leases.set(terms.id, { place: this.#leases.size, line: number, endsWhenEmpty, holds: 0 });
    const lease = { ...terms, createdAt: Date.parse(createdAt), endsWhenEmpty };
    this.#onPart({ type: 'leases', leases: [lease] });
  }

  /** Puts an allocation under a lease; gives the place of that. Throws InvalidInput. */
  hold(id: string): number {
    const lease = this.#leases.get(id);
    if (lease === undefined) {
      throw invalidInput('/lease', `there is no lease ${id} on an earlier line`);
    }
    if (++lease.holds > HOLDINGS_MAX) {
      throw invalidInput('/lease', `holds more than ${HOLDINGS_MAX} allocations: use several`);
    }
    return lease.place;
  }

  /** All allocations were given. Throws InvalidInput. */
  end(): void {
    for (const { line, endsWhenEmpty, holds } of this.#leases.values()) {
      if (!endsWhenEmpty || holds > 0) continue;
      const what = `the lease on line ${line} ends when it is empty, and holds nothing`;
      throw invalidInput('', `${what}: remove the line, or leave endsWhenEmpty out`);
    }
  }
}
