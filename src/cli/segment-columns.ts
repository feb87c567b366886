/**
 * The segments of one arena on the way into the parts of a snapshot, with what is known of the busy
 * and the resting ones. A part goes on as soon as it is full.
 */
import type { About } from '../engine/allocations.ts';
import type { Range } from '../engine/command.ts';
import { BUSY, FREE, HELD } from '../engine/narrow/segments.ts';
import { RESTING } from '../engine/snapshot.ts';
import type { ArenaPart, SnapshotPart } from '../engine/snapshot.ts';
import type { Quanta } from '../engine/space.ts';

const savedStates = { free: FREE, busy: BUSY, cached: HELD, resting: RESTING };
const segmentsPerPart = 4096;
const aboutsPerPart = 256;

export class SegmentColumns {
  /** Where the free segments begin. */
  readonly gaps: bigint[] = [];
  readonly #arena: ArenaPart;
  readonly #shift: bigint;
  readonly #onPart: (part: SnapshotPart) => void;
  #sizes: Quanta[] = [];
  #states: number[] = [];
  #createdAt: number[] = [];
  #revisions: number[] = [];
  #ordinals: number[] = [];
  #abouts: About[] = [];
  #leased: number[] = [];
  #leases: number[] = [];
  #restingSince: number[] = [];
  #known = 0;

  constructor(arena: ArenaPart, onPart: (part: SnapshotPart) => void) {
    this.#arena = arena;
    this.#shift = BigInt(arena.quantum.toString(2).length - 1);
    this.#onPart = onPart;
  }

  segment(state: keyof typeof savedStates, { base, size }: Range): void {
    if (this.#sizes.length === segmentsPerPart) this.flush();
    const quanta = size >> this.#shift;
    const small = quanta <= BigInt(Number.MAX_SAFE_INTEGER);
    this.#sizes.push(small ? Number(quanta) : quanta);
    this.#states.push(savedStates[state]);
    if (state === 'free') this.gaps.push(base);
  }

  /** The segment that came last rests since this revision; `known` follows. */
  resting(since: number): void {
    this.#restingSince.push(since);
  }

  /** What is known of the busy or resting segment that came last; its lease by the place among all. */
  known(createdAt: number, revision: number, about: About, lease: number | undefined): void {
    this.#createdAt.push(createdAt);
    this.#revisions.push(revision);
    const { labels, owner, importedBy, externalId, ...others } = about;
    // Does not compile where more is known of an allocation than its line says.
    others satisfies Record<string, never>;
    const named = owner !== undefined || importedBy !== undefined || externalId !== undefined;
    if (named || Object.keys(labels).length > 0) {
      this.#ordinals.push(this.#known);
      this.#abouts.push(about);
    }
    if (lease !== undefined) {
      this.#leased.push(this.#known);
      this.#leases.push(lease);
    }
    this.#known += 1;
  }

  flush(): void {
    const { arena } = this.#arena;
    if (this.#sizes.length > 0) {
      const [sizes, states] = [this.#sizes, this.#states];
      const [createdAt, revisions] = [this.#createdAt, this.#revisions];
      this.#onPart({
        type: 'segments',
        arena,
        sizes,
        states,
        createdAt,
        revisions,
        ...(this.#restingSince.length > 0 && { restingSince: this.#restingSince }),
      });
    }
    for (let first = 0; first < this.#ordinals.length; first += aboutsPerPart) {
      const ordinals = this.#ordinals.slice(first, first + aboutsPerPart);
      const abouts = this.#abouts.slice(first, first + aboutsPerPart);
      this.#onPart({ type: 'abouts', arena, ordinals, abouts });
    }
    if (this.#leased.length > 0) {
      this.#onPart({ type: 'leased', arena, ordinals: this.#leased, leases: this.#leases });
    }
    [this.#sizes, this.#states, this.#createdAt, this.#revisions] = [[], [], [], []];
    [this.#ordinals, this.#abouts, this.#restingSince] = [[], [], []];
    [this.#leased, this.#leases] = [[], []];
  }
}
