/**
 * Events as clients see them: which arenas an event touches, and its fields on the wire. The table
 * has an entry for every type of event, which the compiler enforces; a new type is added there.
 */
import type { Range } from '../engine/command.ts';
import type { BatchEvent, Event, Imported, Released } from '../engine/event.ts';
import { formatAddress, formatCidr, type AddressSpace } from './notation.ts';
import { bandsRepresentation, ownerLimitsRepresentation } from './representation.ts';
import type { BatchedWireEvent, MovedSpan, WireEvent } from './wire/event.ts';

/** The address space that an arena which the event touches had at its revision. */
export type SpaceOf = (arena: string) => AddressSpace;

type Fields = Omit<WireEvent, 'revision' | 'at' | 'type'>;
/** What an event can show that is part of a batch. */
type PartFields = Omit<BatchedWireEvent, 'type'>;

interface Kind<E, F = Fields> {
  /** Names of all arenas of which something changed. */
  readonly touches: (event: E) => Iterable<string>;
  /** The fields of the type; those of what is empty or unset are left out. */
  readonly fields: (event: E, spaceOf: SpaceOf) => F;
}

type EventOf<T extends Event['type']> = Omit<Extract<Event, { type: T }>, 'at'>;
type FieldsOf<T> = T extends BatchEvent['type'] ? PartFields : Fields;

const kinds: { readonly [T in Event['type']]: Kind<EventOf<T>, FieldsOf<T>> } = {
  arenaCreated: {
    touches: ({ arena }) => [arena],
    fields: (event, spaceOf) => ({
      arena: event.arena,
      notation: event.notation,
      width: event.width,
      quantum: event.quantum.toString(),
      quantumCacheMax: event.quantumCacheMax.toString(),
      ...(event.source !== undefined && { source: event.source }),
      ...tuningOf(event, spaceOf(event.arena)),
      ...listed('spans', event.spans, (span) => spanOf(span, spaceOf(event.arena))),
    }),
  },
  arenaUpdated: {
    touches: ({ arena, released }) => [arena, ...arenasOf(released)],
    fields: ({ arena, changes, released }, spaceOf) => ({
      arena,
      ...tuningOf(changes, spaceOf(arena)),
      ...listed('released', released, (span) => movedOf(span, spaceOf)),
    }),
  },
  arenaDestroyed: {
    touches: ({ arena, released }) => [arena, ...arenasOf(released)],
    fields: ({ arena, released }, spaceOf) => ({
      arena,
      ...listed('released', released, (span) => movedOf(span, spaceOf)),
    }),
  },
  spanAdded: {
    touches: ({ arena }) => [arena],
    fields: (event, spaceOf) => rangeOf(event, spaceOf),
  },
  spanRemoved: {
    touches: ({ arena, released }) => [arena, ...arenasOf(released)],
    fields: (event, spaceOf) => ({
      ...rangeOf(event, spaceOf),
      ...listed('released', event.released, (span) => movedOf(span, spaceOf)),
    }),
  },
  allocated: {
    // What rested lies in the arena, or in one of those that it imports through.
    touches: ({ arena, imported }) => [arena, ...arenasOf(imported)],
    fields: (event, spaceOf) => ({
      ...rangeOf(event, spaceOf),
      ...(event.owner !== undefined && { owner: event.owner }),
      ...(Object.keys(event.labels).length > 0 && { labels: event.labels }),
      ...(event.externalId !== undefined && { externalId: event.externalId }),
      ...(event.lease !== undefined && { lease: event.lease }),
      ...(event.ttlSeconds !== undefined && { ttlSeconds: event.ttlSeconds }),
      policy: event.policy,
      ...listed('imported', event.imported, (span) => movedOf(span, spaceOf)),
      ...(event.reused !== undefined && {
        reused: { arena: event.reused.arena, ...spanOf(event.reused, spaceOf(event.reused.arena)) },
      }),
    }),
  },
  allocationKept: {
    touches: () => [],
    fields: (event, spaceOf) => rangeOf(event, spaceOf),
  },
  freed: {
    touches: ({ arena, released }) => [arena, ...arenasOf(released)],
    fields: (event, spaceOf) => ({
      ...rangeOf(event, spaceOf),
      ...restsOf(event),
      ...listed('released', event.released, (span) => movedOf(span, spaceOf)),
    }),
  },
  allFreed: {
    touches: ({ arena, released }) => [arena, ...arenasOf(released)],
    fields: ({ arena, count, released, ...event }, spaceOf) => ({
      arena,
      count,
      ...restsOf(event),
      ...listed('released', released, (span) => movedOf(span, spaceOf)),
    }),
  },
  resized: {
    touches: ({ arena }) => [arena],
    fields: (event, spaceOf) => ({
      ...rangeOf(event, spaceOf),
      previousSize: event.previousSize.toString(),
      ...restsOf(event),
    }),
  },
  allocationSplit: {
    touches: ({ arena }) => [arena],
    fields: (event, spaceOf) => ({
      ...rangeOf(event, spaceOf),
      ...listed('pieces', event.pieces, (piece) => pieceOf(piece, spaceOf(event.arena))),
    }),
  },
  allocationsMerged: {
    touches: ({ arena }) => [arena],
    fields: (event, spaceOf) => ({
      ...rangeOf(event, spaceOf),
      ...listed('pieces', event.parts, (part) => pieceOf(part, spaceOf(event.arena))),
      ...(event.labels !== undefined && { labels: event.labels }),
    }),
  },
  allocationUpdated: {
    touches: ({ arena }) => [arena],
    fields: ({ arena, address, owner, labels }, spaceOf) => ({
      arena,
      address: formatAddress(address, spaceOf(arena)),
      ...(owner !== undefined && { owner }),
      ...(labels !== undefined && { labels }),
    }),
  },
  undeleted: {
    touches: ({ arena }) => [arena],
    fields: (event, spaceOf) => ({
      ...rangeOf(event, spaceOf),
      ...(event.owner !== undefined && { owner: event.owner }),
      ...(Object.keys(event.labels ?? {}).length > 0 && { labels: event.labels }),
      ...(event.externalId !== undefined && { externalId: event.externalId }),
    }),
  },
  restsEnded: {
    touches: ({ arena, released }) => [arena, ...arenasOf(released)],
    fields: ({ arena, ended, released }, spaceOf) => ({
      arena,
      ...listed('rested', ended, (range) => spanOf(range, spaceOf(arena))),
      ...listed('released', released, (span) => movedOf(span, spaceOf)),
    }),
  },
  spansReleased: {
    touches: ({ arena, released }) => [arena, ...arenasOf(released)],
    fields: ({ arena, released }, spaceOf) => ({
      arena,
      ...listed('released', released, (span) => movedOf(span, spaceOf)),
    }),
  },
  leaseCreated: {
    touches: () => [],
    fields: ({ lease, ttlSeconds, owner, labels }) => ({
      lease,
      ttlSeconds,
      ...(owner !== undefined && { owner }),
      ...(Object.keys(labels).length > 0 && { labels }),
    }),
  },
  leaseRenewed: {
    touches: () => [],
    fields: ({ lease, ttlSeconds }) => ({
      lease,
      ...(ttlSeconds !== undefined && { ttlSeconds }),
    }),
  },
  leasesEnded: {
    touches: ({ ended, released }) => [
      ...ended.flatMap(({ freed }) => freed.map(({ arena }) => arena)),
      ...arenasOf(released),
    ],
    fields: ({ reason, ended, released }, spaceOf) => ({
      reason,
      ended: ended.map(({ lease, freed }) => ({
        lease,
        ...listed('freed', freed, (range) => ({ ...rangeOf(range, spaceOf), ...restsOf(range) })),
      })),
      ...listed('released', released, (span) => movedOf(span, spaceOf)),
    }),
  },
  batched: {
    touches: ({ events }) => events.flatMap((event) => [...kindOf(event).touches(event)]),
    fields: ({ events }, spaceOf) => ({
      events: events.map((event) => ({
        type: event.type,
        ...kindOf(event).fields(event, spaceOf),
      })),
    }),
  },
};

export const eventTypes: readonly string[] = Object.keys(kinds);

/** Names of the arenas that an event touches, the sources of spans that moved included. */
export function arenasTouched(event: Event): ReadonlySet<string> {
  return new Set(kindOf(event).touches(event));
}

export function eventRepresentation(event: Event, revision: number, spaceOf: SpaceOf): WireEvent {
  const { at, type } = event;
  const fields = kindOf(event).fields(event, spaceOf);
  return { revision, at: new Date(at).toISOString(), type, ...fields };
}

/** The entry of a type takes exactly the events of it; the compiler can't follow the lookup. */
function kindOf<E extends Event | BatchEvent>({ type }: E): Kind<E, FieldsOf<E['type']>> {
  return kinds[type] as unknown as Kind<E, FieldsOf<E['type']>>;
}

function* arenasOf(spans: readonly (Imported | Released)[]): Iterable<string> {
  for (const { arena, source } of spans) {
    yield arena;
    yield source;
  }
}

function rangeOf(event: Range & { readonly arena: string }, spaceOf: SpaceOf) {
  return { arena: event.arena, ...pieceOf(event, spaceOf(event.arena)) };
}

function pieceOf(range: Range, space: AddressSpace) {
  const { base: address, ...rest } = spanOf(range, space);
  return { address, ...rest };
}

function spanOf({ base, size }: Range, space: AddressSpace) {
  const cidr = formatCidr(base, size, space);
  return {
    base: formatAddress(base, space),
    end: formatAddress(base + size - 1n, space),
    size: size.toString(),
    ...(cidr !== undefined && { cidr }),
  };
}

/** In the notation of the arena that has the span, as it lists it itself. */
function movedOf(span: Imported | Released, spaceOf: SpaceOf): MovedSpan {
  const { arena, source } = span;
  return { arena, source, ...spanOf(span, spaceOf(arena)), ...('rests' in span && restsOf(span)) };
}

function restsOf(event: { readonly rests?: true }): { rests?: true } {
  return event.rests === undefined ? {} : { rests: true };
}

type Settings = Partial<Extract<Event, { type: 'arenaUpdated' }>['changes']>;

function tuningOf(
  { importSize, limit, ownerLimit, ownerLimits, bands, labels, ...settings }: Settings,
  space: AddressSpace,
): Fields {
  const { policy, largeImport, keepSpans, releaseAfterSeconds, quarantineSeconds } = settings;
  return {
    ...(policy !== undefined && { policy }),
    ...(importSize !== undefined && { importSize: importSize.toString() }),
    ...(largeImport !== undefined && { largeImport }),
    ...(keepSpans !== undefined && { keepSpans }),
    ...(releaseAfterSeconds !== undefined && { releaseAfterSeconds }),
    ...(quarantineSeconds !== undefined && { quarantineSeconds }),
    ...(limit !== undefined && { limit: limit.toString() }),
    ...(ownerLimit !== undefined && { ownerLimit: ownerLimit.toString() }),
    ...(ownerLimits !== undefined && { ownerLimits: ownerLimitsRepresentation(ownerLimits) }),
    ...(bands !== undefined && { bands: bandsRepresentation(bands, space) }),
    ...(labels !== undefined && { labels }),
  };
}

/** A list under its name, where it is not empty. */
function listed<K extends string, T, W>(
  name: K,
  items: readonly T[],
  write: (item: T) => W,
): { [_ in K]?: W[] } {
  return items.length === 0 ? {} : ({ [name]: items.map(write) } as { [_ in K]: W[] });
}
