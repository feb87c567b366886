/**
 * An engine's arenas rebuilt from the parts of a snapshot, in bulk: every index is made in one pass
 * over what comes in order of address, as `snapshot.ts` gives it.
 *
 * The parts come from a file, and each is already known to be well formed. What is asserted here is
 * that they agree with one another: a state that contradicts itself is never served.
 */
import { Arena } from './arena.ts';
import { assert, unreachable } from './assert.ts';
import { areBands } from './bands.ts';
import { HOLDINGS_MAX } from './leases.ts';
import type { Leases, LeaseTerms } from './leases.ts';
import { BUSY, HELD } from './narrow/segments.ts';
import { areOwnerLimits, countedOwners } from './owners.ts';
import type { QuantumCache } from './quantum-cache.ts';
import { RESTING } from './snapshot.ts';
import type {
  AboutsPart,
  ArenaPart,
  LeasedPart,
  SavedSlab,
  SavedSpan,
  SegmentsPart,
  SnapshotPart,
} from './snapshot.ts';
import type { Column, Found, Loading } from './space.ts';
import type { SpanStretch } from './spans.ts';
import type { State } from './state.ts';

/** Fills the arenas part by part. */
export class Restore {
  readonly #state: State;
  /** Numbers of the leases, in order of id. */
  readonly #leases: number[] = [];
  #open: ArenaRestore | undefined;

  constructor(state: State) {
    this.#state = state;
  }

  /** Takes the next part. Throws AssertionError where it contradicts those before it. */
  take(part: SnapshotPart): void {
    if (part.type === 'leases') return this.#take(part.leases);
    if (part.type === 'arena') {
      this.#open?.end();
      this.#open = new ArenaRestore(this.#create(part), this.#state.leases, this.#leases);
      return;
    }
    const open = this.#open;
    assert(open?.name === part.arena, `the part is of '${part.arena}', which is being restored`);
    switch (part.type) {
      case 'spans':
        return open.spans(part.spans);
      case 'slabs':
        return open.slabs(part.slabs);
      case 'segments':
        return open.segments(part);
      case 'abouts':
        return open.abouts(part);
      case 'leased':
        return open.leased(part);
      case 'gaps':
        return open.gaps(part.ordinals);
      default:
        return unreachable(part);
    }
  }

  /** Nothing more comes, and nothing in the state is younger than `revision`. */
  end(revision: number): void {
    this.#open?.end();
    this.#open = undefined;
    for (const arena of this.#state.arenas.values()) {
      assert(arena.revision <= revision, `'${arena.name}' is as old as the snapshot`);
      const held = arena.allocations.held - importedFrom(this.#state.arenas, arena);
      assert(held === 0, `what arenas have imported from '${arena.name}' is theirs`);
    }
    const { leases } = this.#state;
    for (const lease of this.#leases) {
      const id = leases.id(lease);
      assert(leases.revision(lease) <= revision, `lease ${id} is as old as the snapshot`);
      assert(leases.size(lease) <= HOLDINGS_MAX, `lease ${id} holds no more than a lease can`);
      const empty = leases.size(lease) === 0 && leases.endsWhenEmpty(lease);
      assert(!empty, `lease ${id} was made for an allocation, and has one`);
    }
  }

  #take(saved: readonly LeaseTerms[]): void {
    const { leases } = this.#state;
    assert(this.#state.arenas.size === 0, 'leases come before arenas');
    for (const terms of saved) {
      const last = this.#leases.at(-1);
      assert(last === undefined || leases.id(last) < terms.id, 'leases are in the order of ids');
      this.#leases.push(leases.create(terms));
    }
  }

  #create(part: ArenaPart): Arena {
    const { arena: name, source, createdAt, revision } = part;
    assert(!this.#state.arenas.has(name), `'${name}' is restored once`);
    const arena = new Arena(part, createdAt, revision, this.#state);
    assert(part.cursor <= arena.limit, 'the cursor lies in the space');
    assert(areBands(part, part.bands ?? []), 'bands are in order, of whole quanta, in the space');
    assert(areOwnerLimits(part.ownerLimits ?? []), 'limits of owners are in order');
    arena.cursor = part.cursor;
    this.#state.arenas.set(name, arena);
    if (source !== undefined) {
      const above = this.#state.arenas.get(source);
      assert(above !== undefined && above !== arena, `the source of '${name}' comes before it`);
      above.children.add(name);
    }
    return arena;
  }
}

/** How many imported spans there are below an arena, each of which must be busy in it. */
function importedFrom(arenas: ReadonlyMap<string, Arena>, source: Arena): number {
  let spans = 0;
  for (const name of source.children) {
    for (const { base, size, imported } of arenas.get(name)!.spans.from(0n)) {
      if (!imported) continue;
      spans++;
      const above = source.allocationAt(base);
      assert(above?.size === size, `the span of '${name}' at ${base} is busy in its source`);
      const { importedBy } = source.allocations.about(above.id);
      assert(importedBy === name, `the span at ${base} is that of '${name}' in its source`);
    }
  }
  return spans;
}

/** One arena, from its settings until its last segment is filed. */
class ArenaRestore {
  readonly #arena: Arena;
  readonly #slabs: SavedSlab[] = [];
  #stretches: readonly SpanStretch[] = [];
  /** Bases of the spans that are said to be idle. */
  readonly #idle = new Set<bigint>();
  #loading: Loading | undefined;
  /** Cached pieces, as segments. */
  #held = 0;
  readonly #leases: Leases;
  readonly #leaseNumbers: readonly number[];
  /** Whether an allocation has an external id. */
  #named = false;
  /** Places of the allocations under leases, in order, and the numbers of those. */
  readonly #leased: number[] = [];
  readonly #leasedBy: number[] = [];
  /** Since when what rests does so, in order of address. */
  readonly #restingSince: number[] = [];

  constructor(arena: Arena, leases: Leases, leaseNumbers: readonly number[]) {
    this.#arena = arena;
    this.#leases = leases;
    this.#leaseNumbers = leaseNumbers;
  }

  get name(): string {
    return this.#arena.name;
  }

  spans(saved: readonly SavedSpan[]): void {
    const arena = this.#arena;
    assert(this.#loading === undefined, 'spans come before segments');
    for (const { base, size, imported, revision, idleSince } of saved) {
      assert((base | size) % arena.quantum === 0n, 'a span is made of whole quanta');
      assert(size > 0n && base + size <= arena.limit, 'a span lies in the space');
      assert(arena.spans.end <= base, 'spans are in order');
      assert(revision <= arena.revision, 'a span is no younger than its arena');
      assert(!imported || arena.source !== undefined, 'what is imported has a source');
      if (idleSince !== undefined) this.#idle.add(base);
      arena.spans.add({ base, size, imported, revision, busy: 0, idleSince: idleSince ?? 0 });
    }
  }

  slabs(saved: readonly SavedSlab[]): void {
    const { cache, quantum } = this.#arena;
    assert(this.#loading === undefined, 'slabs come before segments');
    assert(cache !== undefined, 'a slab belongs to a quantum cache');
    for (const slab of saved) {
      const { base, pieceSize } = slab;
      const last = this.#slabs.at(-1);
      assert((base | pieceSize) % quantum === 0n, 'a slab is made of whole quanta');
      assert(
        cache.pieceSizeOf(pieceSize) === pieceSize,
        'a piece has a size that slabs are cut into',
      );
      assert(last === undefined || last.base + cache.slabSize <= base, 'slabs are in order');
      this.#slabs.push(slab);
    }
  }

  segments({ sizes, states, createdAt, revisions, restingSince = [] }: SegmentsPart): void {
    const arena = this.#arena;
    const young = isOver(revisions, arena.revision) || isOver(restingSince, arena.revision);
    assert(!young, 'an allocation is no younger than its arena');
    for (let i = 0; i < restingSince.length; i++) this.#restingSince.push(restingSince[i]!);
    const first = arena.allocations.load(createdAt, revisions, restingSince.length);
    let next = first;
    const ids = new Uint32Array(states.length);
    for (let i = 0; i < ids.length; i++) {
      const state = states[i]!;
      if (state === HELD) this.#held++;
      if (state !== BUSY && state !== RESTING) continue;
      const formerly = state === RESTING || revisions[next - first] !== 0;
      assert(formerly, 'a busy segment has an allocation', i);
      ids[i] = next++;
    }
    assert(next - first === createdAt.length, 'every busy segment has an allocation');
    const held = restingSince.length === 0 ? states : Uint8Array.from(states, heldIfResting);
    this.#load().segments({ sizes, states: held, ids });
  }

  abouts({ ordinals, abouts }: AboutsPart): void {
    const { allocations } = this.#arena;
    assert(ordinals.length === abouts.length, 'what is known is known of an allocation');
    for (const [i, about] of abouts.entries()) {
      allocations.describe(ordinals[i]!, about);
      if (about.externalId !== undefined) this.#named = true;
    }
  }

  leased({ ordinals, leases }: LeasedPart): void {
    const { allocations } = this.#arena;
    for (let i = 0; i < ordinals.length; i++) {
      const ordinal = ordinals[i]!;
      const { count, retired } = allocations;
      assert(ordinal < count + retired, 'what is under a lease comes before that is said');
      assert(ordinal > (this.#leased.at(-1) ?? -1), 'what is under leases is in order');
      const lease = this.#leaseNumbers[leases[i]!];
      assert(lease !== undefined, 'an allocation is under a lease that there is');
      this.#leased.push(ordinal);
      this.#leasedBy.push(lease);
    }
  }

  gaps(ordinals: Column): void {
    this.#load().gaps(ordinals);
  }

  /** Checks that nothing is missing and makes what follows from the whole. */
  end(): void {
    const { cache, spans } = this.#arena;
    const busy = this.#load().end();
    for (const [i, { imported }] of this.#stretches.entries()) {
      if (imported === undefined) continue;
      const idle = this.#idle.delete(imported.base);
      assert(idle === (busy[i] === 0), `the span at ${imported.base} is idle if it is wholly free`);
      spans.occupy(imported, busy[i]!);
    }
    assert(this.#idle.size === 0, 'only an imported span is idle');
    this.#rest();
    let held = 0;
    if (cache !== undefined) for (const slab of this.#slabs) held += this.#fill(cache, slab);
    assert(held === this.#held, 'a cached segment is a piece of a slab');
    if (this.#leased.length > 0) this.#hold();
    if (this.#named) this.#name();
    if (this.#arena.owners !== undefined) this.#arena.owners = countedOwners(this.#arena);
  }

  /** Finds where the external ids are. */
  #name(): void {
    const { allocations, space } = this.#arena;
    space.walk(0n, ({ base, state, id }) => {
      const externalId = state === BUSY ? allocations.about(id).externalId : undefined;
      if (externalId !== undefined) allocations.name(externalId, base);
      return true;
    });
  }

  /** Puts allocations under their leases. */
  #hold(): void {
    const arena = this.#arena;
    let ordinal = 0;
    let next = 0;
    arena.space.walk(0n, ({ base, state, id }) => {
      if (state < BUSY || id === 0 || ordinal++ !== this.#leased[next]) return true;
      const { importedBy } = arena.allocations.about(id);
      assert(
        state === BUSY && importedBy === undefined,
        'what is held, or rests, is under no lease',
      );
      arena.allocations.setHolding(id, this.#leases.load(this.#leasedBy[next++]!, arena, base));
      return next < this.#leased.length;
    });
    assert(next === this.#leased.length, 'what is under a lease is there');
  }

  /** Puts what rests in order: by since when, which leaves equals in order of address. */
  #rest(): void {
    const since = this.#restingSince;
    if (since.length === 0) return;
    const { space, rests, allocations } = this.#arena;
    const found: Found[] = [];
    space.resting((one) => found.push(one));
    assert(found.length === since.length, 'what rests does so since a revision');
    const order = since.map((_, i) => i).toSorted((a, b) => since[a]! - since[b]!);
    for (const i of order) {
      const { base, size, id } = found[i]!;
      const { importedBy } = allocations.about(id);
      assert(importedBy === undefined, 'what rests is held by no arena');
      rests.add(id, base, size, since[i]!);
    }
  }

  #load(): Loading {
    if (this.#loading === undefined) {
      const arena = this.#arena;
      this.#stretches = [...arena.spans.stretches()];
      // As it would have become: only instantfit never asks for an order, nor cuts a slab.
      const ordered = arena.tuning.policy !== 'instantfit' || this.#slabs.length > 0;
      this.#loading = arena.fill(this.#stretches, ordered);
    }
    return this.#loading;
  }

  /** Makes a slab from the segments it consists of; returns how many of them are cached. */
  #fill(cache: QuantumCache, { base, pieceSize }: SavedSlab): number {
    const end = base + cache.slabSize;
    const busy: boolean[] = [];
    let held = 0;
    let resting = 0;
    let at = base;
    this.#arena.space.walk(base, (piece) => {
      const size = end - at < pieceSize ? end - at : pieceSize;
      assert(piece.base === at && piece.size === size, 'the pieces of a slab are of one size');
      assert(piece.state === BUSY || piece.state === HELD, 'a piece is in use or cached');
      // Of a piece that rests, too, the slab says that it is in use.
      const used = piece.id !== 0;
      assert(!used || size === pieceSize, 'what is left of a slab is not in use');
      if (!used) held++;
      else if (piece.state === HELD) resting++;
      if (size === pieceSize) busy.push(used);
      at += size;
      return at < end;
    });
    assert(at === end && busy.includes(true), 'a slab is whole, and not without a piece in use');
    cache.load({ base, size: cache.slabSize }, pieceSize, busy, resting);
    return held;
  }
}

function isOver(values: Column, most: number): boolean {
  for (let i = 0; i < values.length; i++) if (values[i]! > most) return true;
  return false;
}

function heldIfResting(state: number): number {
  return state === RESTING ? HELD : state;
}
