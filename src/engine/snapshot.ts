/**
 * The state of the engine as a sequence of plain parts, for a checkpoint: what `restore.ts` rebuilds
 * an engine from. First the leases. For each arena, a source before those that import from it: the arena itself, its
 * spans, the slabs of its quantum cache, its segments with what is known of the busy ones and the
 * leases that they are under, and the
 * order in which the free ones are filed, which decides what instantfit takes next.
 *
 * The parts say what is so, and nothing that follows from it: no index, counter or name by which
 * memory is handed out. The same events give the same parts, however the engine came to them. The
 * parts are made one at a time and are bounded, so that writing them can be interleaved with other
 * work; the state must not change meanwhile.
 */
import type { About } from './allocations.ts';
import type { Arena } from './arena.ts';
import type { CreateArena } from './command.ts';
import type { Leases, LeaseTerms } from './leases.ts';
import { HELD } from './narrow/segments.ts';
import type { Slab } from './quantum-cache.ts';
import type { Column, Quanta } from './space.ts';
import type { Span } from './spans.ts';
import type { State } from './state.ts';

export type SnapshotPart =
  | LeasesPart
  | ArenaPart
  | SpansPart
  | SlabsPart
  | SegmentsPart
  | AboutsPart
  | LeasedPart
  | GapsPart;

/** In order of id, over all such parts. The allocations say what they hold. */
export interface LeasesPart {
  readonly type: 'leases';
  readonly leases: readonly LeaseTerms[];
}

/** The settings of an arena and what it remembers; the parts up to the next one of these are its. */
export interface ArenaPart extends Omit<CreateArena, 'type' | 'spans'> {
  readonly type: 'arena';
  readonly createdAt: number;
  readonly revision: number;
  /** End of the last nextfit grant. */
  readonly cursor: bigint;
}

/** In order of address, over all such parts of an arena; so are slabs and segments. */
export interface SpansPart {
  readonly type: 'spans';
  readonly arena: string;
  readonly spans: readonly SavedSpan[];
}
/** The segments say what is busy; `idleSince` is of wholly free imported spans alone. */
export interface SavedSpan extends Omit<Span, 'busy' | 'idleSince'> {
  readonly idleSince?: number;
}

export interface SlabsPart {
  readonly type: 'slabs';
  readonly arena: string;
  readonly slabs: readonly SavedSlab[];
}
/** The size is the arena's; the segments say which pieces are in use, or rest. */
export type SavedSlab = Omit<Slab, 'size' | 'used' | 'resting' | 'busy'>;

/** Segments side by side, where no span ends; void between spans is left out. */
export interface SegmentsPart {
  readonly type: 'segments';
  readonly arena: string;
  /** In quanta. */
  readonly sizes: Column<Quanta>;
  /** FREE, BUSY or HELD, as in `narrow/segments.ts`, or RESTING: a state for each size. */
  readonly states: Column;
  /**
   * When the busy and the resting ones were allocated, in milliseconds since 1970; 0 of what rests and
   * is no former allocation.
   */
  readonly createdAt: Column;
  /** Revisions of the busy and the resting ones; 0 likewise. */
  readonly revisions: Column;
  /** Revisions since which the resting ones do so; absent where none does. */
  readonly restingSince?: Column;
}

/** Of a saved segment: HELD with an id, of which the id is not saved. */
export const RESTING = 4;

/** What is known of allocations, resting former ones included, beyond that, where something is. */
export interface AboutsPart {
  readonly type: 'abouts';
  readonly arena: string;
  /** Places among those of the arena, and all else that rests, in order of address, from 0, ascending. */
  readonly ordinals: Column;
  readonly abouts: readonly About[];
}

/** Allocations under leases. */
export interface LeasedPart {
  readonly type: 'leased';
  readonly arena: string;
  /** Places among the allocations of the arena in order of address, from 0, ascending. */
  readonly ordinals: Column;
  /** Places among the leases in order of id, from 0. */
  readonly leases: Column;
}

/** Free segments in the order in which they are filed: the one freed longest ago first. */
export interface GapsPart {
  readonly type: 'gaps';
  readonly arena: string;
  /** Places among the free segments of the arena in order of address, from 0. */
  readonly ordinals: Column;
}

/** Segments of one part: at 25 bytes each, as text, about 100 KiB. */
const SEGMENTS_MAX = 4096;
/** Spans or slabs of one part, which take more: 150 bytes each at most. */
const SPANS_MAX = 1024;
const LEASES_MAX = 1024;
/** Characters of labels, owners and names in one part, but for the last one's. */
const ABOUT_CHARACTERS_MAX = 65_536;

/** The parts of the whole state. It must not change meanwhile. */
export function* snapshotOf({ arenas, leases }: State): Generator<SnapshotPart> {
  for (const terms of inLots(termsOf(leases), LEASES_MAX, charactersOf)) {
    yield { type: 'leases', leases: terms };
  }
  const ordinals = leases.held > 0 ? leases.ordinals() : new Uint32Array(0);
  // In the order of their creation, which only arenas that exist can be a source in.
  for (const arena of arenas.values()) yield* arenaParts(arena, ordinals);
}

function* termsOf(leases: Leases): Generator<LeaseTerms> {
  for (const lease of leases.after('')) yield leases.terms(lease);
}

/** The parts of one arena; `ordinals` are places of leases by their numbers. */
function* arenaParts(arena: Arena, leaseOrdinals: Uint32Array): Generator<SnapshotPart> {
  const { name, cache } = arena;
  yield arenaPart(arena);
  for (const spans of inLots(arena.spans.from(0n), SPANS_MAX)) {
    yield { type: 'spans', arena: name, spans: spans.map(savedSpan) };
  }
  for (const slabs of inLots(cache?.slabs ?? [], SPANS_MAX)) {
    yield { type: 'slabs', arena: name, slabs: slabs.map(savedSlab) };
  }
  const saving = arena.space.save();
  let allocations = 0;
  for (const { sizes, states, ids } of saving.segments(SEGMENTS_MAX)) {
    // Only busy and resting segments have an id.
    const known = ids.filter((id) => id !== 0);
    const resting = ids.filter((id, i) => id !== 0 && states[i] === HELD);
    yield {
      type: 'segments',
      arena: name,
      sizes,
      states: resting.length === 0 ? states : states.map((state, i) => savedState(state, ids[i]!)),
      createdAt: known.map((id) => arena.allocations.createdAt(id)),
      revisions: known.map((id) => arena.allocations.revision(id)),
      ...(resting.length === 0 ? {} : { restingSince: resting.map((id) => arena.rests.since(id)) }),
    };
    if (arena.allocations.described > 0) yield* aboutsParts(arena, known, allocations);
    if (arena.allocations.leased > 0) {
      const leased = leasedPart(arena, known, allocations, leaseOrdinals);
      if (leased.ordinals.length > 0) yield leased;
    }
    allocations += known.length;
  }
  for (const ordinals of saving.gaps(SEGMENTS_MAX)) yield { type: 'gaps', arena: name, ordinals };
}

function savedState(state: number, id: number): number {
  return state === HELD && id !== 0 ? RESTING : state;
}

function* aboutsParts(
  { name, allocations }: Arena,
  ids: readonly number[],
  firstOrdinal: number,
): Generator<AboutsPart> {
  let ordinals: number[] = [];
  let abouts: About[] = [];
  let characters = 0;
  for (const [i, id] of ids.entries()) {
    if (!allocations.isDescribed(id)) continue;
    const about = allocations.about(id);
    ordinals.push(firstOrdinal + i);
    abouts.push(about);
    characters += charactersOf(about);
    if (characters < ABOUT_CHARACTERS_MAX) continue;
    yield { type: 'abouts', arena: name, ordinals, abouts };
    ordinals = [];
    abouts = [];
    characters = 0;
  }
  if (ordinals.length > 0) yield { type: 'abouts', arena: name, ordinals, abouts };
}

function leasedPart(
  arena: Arena,
  ids: readonly number[],
  firstOrdinal: number,
  leaseOrdinals: Uint32Array,
): LeasedPart {
  const ordinals: number[] = [];
  const leases: number[] = [];
  for (const [i, id] of ids.entries()) {
    const lease = arena.leaseOf(id);
    if (lease === 0) continue;
    ordinals.push(firstOrdinal + i);
    leases.push(leaseOrdinals[lease]!);
  }
  return { type: 'leased', arena: arena.name, ordinals, leases };
}

function arenaPart(arena: Arena): ArenaPart {
  const { tuning } = arena;
  return present<ArenaPart>({
    type: 'arena',
    arena: arena.name,
    notation: arena.notation,
    width: arena.width,
    quantum: arena.quantum,
    source: arena.source,
    quantumCacheMax: arena.quantumCacheMax,
    policy: tuning.policy,
    importSize: tuning.importSize,
    largeImport: tuning.largeImport,
    keepSpans: tuning.keepSpans,
    releaseAfterSeconds: tuning.releaseAfterSeconds,
    quarantineSeconds: tuning.quarantineSeconds,
    limit: tuning.limit,
    ownerLimit: tuning.ownerLimit,
    ownerLimits: tuning.ownerLimits,
    bands: tuning.bands,
    labels: tuning.labels,
    createdAt: arena.createdAt,
    revision: arena.revision,
    cursor: arena.cursor,
  });
}

function savedSpan({ base, size, imported, revision, busy, idleSince }: Span): SavedSpan {
  const idle = imported && busy === 0;
  return present<SavedSpan>({
    base,
    size,
    imported,
    revision,
    idleSince: idle ? idleSince : undefined,
  });
}

function savedSlab({ base, pieceSize }: Slab): SavedSlab {
  return { base, pieceSize };
}

/** A fixed measure: what it cuts off must not depend on how a part is encoded. */
function charactersOf({ labels, owner = '', importedBy = '', externalId = '' }: About): number {
  let characters = owner.length + importedBy.length + externalId.length;
  for (const [key, value] of Object.entries(labels)) characters += key.length + value.length;
  return characters + 1;
}

/** All fields of T, the optional ones too, so that none is forgotten. */
type Complete<T> = { readonly [K in keyof T]-?: T[K] | undefined };

/** Without what is undefined: absent means unset. */
function present<T extends object>(fields: Complete<T>): T {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as T;
}

/** Lots of at most so many items, of no more characters but for those of the last one. */
function* inLots<T>(
  items: Iterable<T>,
  most: number,
  measure: (item: T) => number = () => 0,
): Generator<T[]> {
  let lot: T[] = [];
  let characters = 0;
  for (const item of items) {
    lot.push(item);
    characters += measure(item);
    if (lot.length < most && characters < ABOUT_CHARACTERS_MAX) continue;
    yield lot;
    lot = [];
    characters = 0;
  }
  if (lot.length > 0) yield lot;
}
