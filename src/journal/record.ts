/**
 * Records: the text of one event, one line of versioned JSON with bigints as decimal strings.
 *
 * `{"v":1,"type":"freed","at":1763798400000,"arena":"pods","base":"167772160","size":"256"}`
 *
 * What a record says is kept for as long as the data: a field may not change its meaning within a
 * version, and everything about a record that is not recognised is refused rather than skipped.
 * Empty labels and empty lists of imported and released spans are left out, because allocating and
 * freeing are most of all records. Labels of an *update* are never left out while they are there:
 * there absence means "unchanged" and an empty object means "none any more".
 *
 * Of like events that follow one another in a batch, and of like ranges that end together, only the first
 * is written, with the bases of the others, see runs.ts:
 *
 * `{"type":"allocated","arena":"vlans","base":"7","size":"1","policy":"bestfit","more":"8,9"}`
 *
 * The record of a request that had an idempotency key has one more field at its end, which is not of
 * the event: see keyed.ts.
 */
import { alike, rangesAlike } from '../engine/alike.ts';
import { assert } from '../engine/assert.ts';
import {
  notations,
  policies,
  widths,
  type Draft,
  type Labels,
  type Range,
  type Tuning,
} from '../engine/command.ts';
import type {
  BatchEvent,
  EndedLease,
  Event,
  FreedRange,
  Imported,
  Released,
  Reused,
} from '../engine/event.ts';
import {
  anyText,
  band,
  count,
  decimal,
  fieldSet,
  flag,
  isObject,
  labels,
  list,
  omittedWhile,
  oneOf,
  optional,
  ownerLimit,
  RecordError,
  required,
  spaceEnd,
  struct,
  taken,
  text,
  written,
  Misfit,
  yes,
  type Codec,
  type FieldSet,
} from './codec.ts';
import { keyedDigestOf } from './keyed.ts';
import { aboveSpace, runs } from './runs.ts';

export { RecordError } from './codec.ts';

const version = 1;

/** Encodes one event as one line. An event that could not be decoded again is an AssertionError. */
export function encode(event: Event): string {
  // The fields of an event's type take exactly that event; the compiler can't follow the lookup.
  const fields = fieldSets[event.type] as FieldSet<object> | undefined;
  assert(fields !== undefined, 'the type of an event is known', event.type);
  return written('event', () => `{"v":${version},"type":"${event.type}"${fields.write(event)}}`);
}

/** Decodes what {@link encode} wrote; throws {@link RecordError} for anything else. */
export function decode(body: string): Event {
  const raw = parse(body);
  const { v, type } = raw;
  if (!Number.isSafeInteger(v) || (v as number) < 1) {
    throw new RecordError('malformed', 'v: expected the version of the record, an integer from 1');
  }
  if (v !== version) {
    throw new RecordError('unknown-version', `v: version ${String(v)}, known is ${version}`);
  }
  if (typeof type !== 'string') {
    throw new RecordError('malformed', 'type: expected the type of the event, a string');
  }
  if (!Object.hasOwn(fieldSets, type)) {
    throw new RecordError('unknown-type', `type: ${JSON.stringify(type)} is not known`);
  }
  const fields = fieldSets[type as Event['type']] as FieldSet<object>;
  if (raw['keyed'] === undefined) return readFields(fields, raw, type);
  const { keyed, ...event } = raw;
  const digest = keyedDigestOf(body);
  if (digest === undefined || keyed !== digest || !/^[0-9a-f]{64}$/.test(digest)) {
    throw new RecordError('malformed', 'keyed: expected a digest, as the last field');
  }
  return readFields(fields, event, type);
}

function readFields(
  fields: FieldSet<object>,
  raw: Readonly<Record<string, unknown>>,
  type: string,
): Event {
  const event = taken('event', () => fields.read(raw, { type }, ['v', 'type'])) as Event;
  if (event.type !== 'batched') return event;
  // In the record only the batch says when it was.
  for (const part of event.events as readonly Draft<BatchEvent>[]) part.at = event.at;
  return event;
}

function parse(body: string): Readonly<Record<string, unknown>> {
  let raw: unknown;
  try {
    raw = JSON.parse(body);
  } catch (cause) {
    throw new RecordError('malformed', 'record: not JSON', { cause });
  }
  if (!isObject(raw)) throw new RecordError('malformed', 'record: expected an object');
  return raw;
}

type EventOf<T extends Event['type']> = Omit<Extract<Event, { type: T }>, 'type'>;

const range = struct<Range>({ base: required(decimal), size: required(decimal) }, outsideSpace);

const imported = struct<Imported>(
  {
    arena: required(text),
    source: required(text),
    base: required(decimal),
    size: required(decimal),
  },
  outsideSpace,
);

const released = struct<Released>(
  {
    arena: required(text),
    source: required(text),
    base: required(decimal),
    size: required(decimal),
    rests: optional(yes),
  },
  outsideSpace,
);

const reused = struct<Reused>(
  {
    arena: required(text),
    base: required(decimal),
    size: required(decimal),
    noPiece: optional(yes),
  },
  outsideSpace,
);

const changes = struct<Partial<Tuning>>({
  policy: optional(oneOf(policies)),
  importSize: optional(decimal),
  largeImport: optional(flag),
  keepSpans: optional(count),
  releaseAfterSeconds: optional(count),
  quarantineSeconds: optional(count),
  limit: optional(decimal),
  ownerLimit: optional(decimal),
  ownerLimits: optional(list(ownerLimit)),
  bands: optional(list(band)),
  labels: optional(labels),
});

// Shared by all records without labels: there may be millions of them in memory.
const noLabels: Labels = Object.freeze({});
const labelsOrNone = omittedWhile(labels, noLabels, (value) => Object.keys(value).length === 0);
const spansOrNone = emptyOmitted(list(range));
const importedOrNone = emptyOmitted(list(imported));
const releasedOrNone = emptyOmitted(list(released));

const freedRange = struct<FreedRange>(
  {
    arena: required(text),
    base: required(decimal),
    size: required(decimal),
    rests: optional(yes),
  },
  outsideSpace,
);
const ended = struct<EndedLease>({
  lease: required(text),
  freed: emptyOmitted(runs(freedRange, rangesAlike)),
});

/** What nearly every event begins with. */
const head = { at: required(count), arena: required(text) };

// Fields of the events that a batch may consist of, beside the head.
const allocatedFields = {
  base: required(decimal),
  size: required(decimal),
  policy: required(oneOf(policies)),
  labels: labelsOrNone,
  owner: optional(anyText),
  externalId: optional(text),
  lease: optional(text),
  ttlSeconds: optional(count),
  imported: importedOrNone,
  slab: optional(range),
  reused: optional(reused),
};
const freedFields = {
  base: required(decimal),
  size: required(decimal),
  rests: optional(yes),
  released: releasedOrNone,
};
const keptFields = { base: required(decimal), size: required(decimal) };
const resizedFields = {
  base: required(decimal),
  size: required(decimal),
  previousSize: required(decimal),
  rests: optional(yes),
};
const splitFields = {
  base: required(decimal),
  size: required(decimal),
  pieces: required(list(range)),
};
const mergedFields = {
  base: required(decimal),
  size: required(decimal),
  parts: required(list(range)),
  labels: optional(labels),
};
const renewedFields = { lease: required(text), ttlSeconds: optional(count) };
const updatedFields = {
  address: required(decimal),
  labels: optional(labels),
  owner: optional(anyText),
};

const undeletedFields = {
  base: required(decimal),
  size: required(decimal),
  createdAt: optional(count),
  labels: optional(labels),
  owner: optional(anyText),
  externalId: optional(anyText),
};

type PartOf<T extends BatchEvent['type']> = Omit<Extract<BatchEvent, { type: T }>, 'type' | 'at'>;

/** The parts of a batch: events without their time, which is that of the batch. */
const partSets: { readonly [T in BatchEvent['type']]: FieldSet<PartOf<T>> } = {
  allocated: fieldSet<PartOf<'allocated'>>(
    { arena: required(text), ...allocatedFields },
    outsideSpace,
  ),
  allocationKept: fieldSet<PartOf<'allocationKept'>>(
    { arena: required(text), ...keptFields },
    outsideSpace,
  ),
  freed: fieldSet<PartOf<'freed'>>({ arena: required(text), ...freedFields }, outsideSpace),
  resized: fieldSet<PartOf<'resized'>>({ arena: required(text), ...resizedFields }, outsideSpace),
  allocationSplit: fieldSet<PartOf<'allocationSplit'>>(
    { arena: required(text), ...splitFields },
    outsideSpace,
  ),
  allocationsMerged: fieldSet<PartOf<'allocationsMerged'>>(
    { arena: required(text), ...mergedFields },
    outsideSpace,
  ),
  allocationUpdated: fieldSet<PartOf<'allocationUpdated'>>({
    arena: required(text),
    ...updatedFields,
  }),
  leaseRenewed: fieldSet<PartOf<'leaseRenewed'>>(renewedFields),
  undeleted: fieldSet<PartOf<'undeleted'>>(
    { arena: required(text), ...undeletedFields },
    outsideSpace,
  ),
};

/** An event of a batch. */
function writePart(event: BatchEvent): string {
  const fields = partSets[event.type] as FieldSet<object> | undefined;
  assert(fields !== undefined, 'an event can be part of a batch', event.type);
  return `{"type":"${event.type}"${fields.write(event)}}`;
}

function readPart(raw: Readonly<Record<string, unknown>>): BatchEvent {
  const { type } = raw;
  if (typeof type !== 'string' || !Object.hasOwn(partSets, type)) {
    throw new Misfit(`${JSON.stringify(type)} is not known`, 'type', 'unknown-type');
  }
  const fields = partSets[type as BatchEvent['type']] as FieldSet<object>;
  return fields.read(raw, { type }, ['type']) as BatchEvent;
}

/** The events of a batch, like ones that follow one another as one. */
const parts: Codec<readonly BatchEvent[]> = runs<BatchEvent>(
  {
    write: writePart,
    read(raw) {
      if (!isObject(raw)) throw new Misfit('expected an object');
      return readPart(raw);
    },
  },
  alike,
);

const fieldSets: { readonly [T in Event['type']]: FieldSet<EventOf<T>> } = {
  arenaCreated: fieldSet<EventOf<'arenaCreated'>>({
    ...head,
    notation: required(oneOf(notations)),
    width: required(oneOf(widths)),
    quantum: required(decimal),
    policy: required(oneOf(policies)),
    source: optional(text),
    importSize: optional(decimal),
    largeImport: required(flag),
    keepSpans: required(count),
    releaseAfterSeconds: required(count),
    quarantineSeconds: omittedWhile(count, 0, (seconds) => seconds === 0),
    quantumCacheMax: required(decimal),
    limit: optional(decimal),
    ownerLimit: optional(decimal),
    ownerLimits: optional(list(ownerLimit)),
    bands: optional(list(band)),
    labels: labelsOrNone,
    spans: spansOrNone,
  }),
  arenaUpdated: fieldSet<EventOf<'arenaUpdated'>>({
    ...head,
    changes: required(changes),
    released: releasedOrNone,
  }),
  arenaDestroyed: fieldSet<EventOf<'arenaDestroyed'>>({
    ...head,
    released: releasedOrNone,
    notation: optional(oneOf(notations)),
    width: optional(oneOf(widths)),
  }),
  spanAdded: fieldSet<EventOf<'spanAdded'>>(
    { ...head, base: required(decimal), size: required(decimal) },
    outsideSpace,
  ),
  spanRemoved: fieldSet<EventOf<'spanRemoved'>>(
    { ...head, base: required(decimal), size: required(decimal), released: releasedOrNone },
    outsideSpace,
  ),
  allocated: fieldSet<EventOf<'allocated'>>({ ...head, ...allocatedFields }, outsideSpace),
  allocationKept: fieldSet<EventOf<'allocationKept'>>({ ...head, ...keptFields }, outsideSpace),
  freed: fieldSet<EventOf<'freed'>>({ ...head, ...freedFields }, outsideSpace),
  allFreed: fieldSet<EventOf<'allFreed'>>({
    ...head,
    count: required(count),
    rests: optional(yes),
    released: releasedOrNone,
  }),
  resized: fieldSet<EventOf<'resized'>>({ ...head, ...resizedFields }, outsideSpace),
  allocationSplit: fieldSet<EventOf<'allocationSplit'>>({ ...head, ...splitFields }, outsideSpace),
  allocationsMerged: fieldSet<EventOf<'allocationsMerged'>>(
    { ...head, ...mergedFields },
    outsideSpace,
  ),
  allocationUpdated: fieldSet<EventOf<'allocationUpdated'>>({ ...head, ...updatedFields }),
  undeleted: fieldSet<EventOf<'undeleted'>>({ ...head, ...undeletedFields }, outsideSpace),
  restsEnded: fieldSet<EventOf<'restsEnded'>>({
    ...head,
    ended: required(runs(range, rangesAlike)),
    released: releasedOrNone,
  }),
  spansReleased: fieldSet<EventOf<'spansReleased'>>({ ...head, released: releasedOrNone }),
  leaseCreated: fieldSet<EventOf<'leaseCreated'>>({
    at: required(count),
    lease: required(text),
    ttlSeconds: required(count),
    labels: labelsOrNone,
    owner: optional(anyText),
  }),
  leaseRenewed: fieldSet<EventOf<'leaseRenewed'>>({ at: required(count), ...renewedFields }),
  leasesEnded: fieldSet<EventOf<'leasesEnded'>>({
    at: required(count),
    reason: required(oneOf(['expired', 'revoked'])),
    ended: required(list(ended)),
    released: releasedOrNone,
  }),
  batched: fieldSet<EventOf<'batched'>>({ at: required(count), events: required(parts) }),
};

function outsideSpace({ base, size }: Range): string | undefined {
  if (size === 0n) return 'a range of size 0';
  return base + size > spaceEnd ? aboveSpace : undefined;
}

function emptyOmitted<T>(codec: Codec<readonly T[]>) {
  const none: readonly T[] = Object.freeze([]);
  return omittedWhile(codec, none, (value) => value.length === 0);
}
