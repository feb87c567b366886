/** Events on the wire: one flat form for all types, because unions break generated clients. */
import { z } from 'zod';
import { eventTypes } from '../event-representation.ts';
import { band, ownerLimitOutput } from './arena.ts';
import {
  addressOutput,
  arenaName,
  cidrOutput,
  countOutput,
  externalId,
  integerOutput,
  labels,
  leaseId,
  named,
  notation,
  owner,
  policy,
  revision,
  timestamp,
  ttlSeconds,
  width,
} from './field.ts';

const rangeFields = {
  end: addressOutput('Last address, inclusive.').exactOptional(),
  size: integerOutput('Number of addresses.').exactOptional(),
  cidr: cidrOutput().exactOptional(),
};

export const staticSpan = named(
  'StaticSpan',
  z.object({
    base: addressOutput('First address.'),
    ...rangeFields,
    end: addressOutput('Last address, inclusive.'),
    size: integerOutput('Number of addresses.'),
  }),
  {
    description: 'A span that an arena was created with.',
    examples: [{ base: '10.0.0.0', end: '10.0.255.255', size: '65536', cidr: '10.0.0.0/16' }],
  },
);

const rests = z
  .literal(true)
  .exactOptional()
  .meta({ description: 'There if what was freed rests, for the time of the arena it is in.' });

export const restedRange = named(
  'RestedRange',
  z.object({
    arena: arenaName.exactOptional(),
    base: addressOutput('First address.'),
    ...rangeFields,
    end: addressOutput('Last address, inclusive.'),
    size: integerOutput('Number of addresses.'),
  }),
  {
    description: 'Addresses that rest no longer.',
    examples: [{ base: '10.0.0.0', end: '10.0.0.255', size: '256', cidr: '10.0.0.0/24' }],
  },
);

export const movedSpan = named(
  'MovedSpan',
  z.object({
    arena: arenaName.meta({ description: 'The arena that imported or released the span.' }),
    source: arenaName.meta({ description: 'The arena that it came from or went back to.' }),
    base: addressOutput('First address.'),
    ...rangeFields,
    end: addressOutput('Last address, inclusive.'),
    size: integerOutput('Number of addresses.'),
    rests,
  }),
  {
    description: 'A span that moved between an arena and its source.',
    examples: [
      {
        arena: 'team-a.pods',
        source: 'pods',
        base: '10.0.16.0',
        end: '10.0.31.255',
        size: '4096',
        cidr: '10.0.16.0/20',
      },
    ],
  },
);

export const piece = named(
  'Piece',
  z.object({
    address: addressOutput('First address.'),
    ...rangeFields,
    end: addressOutput('Last address, inclusive.'),
    size: integerOutput('Number of addresses.'),
  }),
  {
    description: 'A range that a split made an allocation, or that was one before a merge.',
    examples: [{ address: '10.0.0.0', end: '10.0.0.63', size: '64', cidr: '10.0.0.0/26' }],
  },
);

export const freedRange = named(
  'FreedRange',
  z.object({ arena: arenaName, ...piece.shape, rests }),
  {
    description: 'A range that a lease held, and that its end has freed.',
    examples: [{ arena: 'ids', address: '7', end: '7', size: '1' }],
  },
);

export const endedLease = named(
  'EndedLease',
  z.object({
    lease: leaseId,
    freed: z
      .array(freedRange)
      .exactOptional()
      .meta({ description: 'What it held, in the order in which it was freed.' }),
  }),
  {
    description: 'A lease that has ended, with all that it held.',
    examples: [{ lease: '3f0c9a52-61d8-4d7e-9a3b-0c2f5f1f7e11' }],
  },
);

/** The fields of what happens to allocations, also within a batch. */
const allocationFields = {
  arena: arenaName.exactOptional(),
  address: addressOutput('First address of the range.').exactOptional(),
  ...rangeFields,
  previousSize: integerOutput('With resized: the size before.').exactOptional(),
  pieces: z.array(piece).exactOptional().meta({
    description: 'With allocationSplit and allocationsMerged: the smaller ranges, in order.',
  }),
  owner: owner.exactOptional(),
  labels: labels.exactOptional(),
  externalId: externalId.exactOptional(),
  lease: leaseId
    .exactOptional()
    .meta({ description: 'The lease that was created or renewed, or that holds the range.' }),
  ttlSeconds: ttlSeconds.exactOptional().meta({
    description: 'The time that the lease has from now on; with allocated, the lease is a new one.',
  }),
  policy: policy.exactOptional(),
  imported: z.array(movedSpan).exactOptional().meta({
    description: 'Spans that arenas took from their sources for this, in order.',
  }),
  released: z.array(movedSpan).exactOptional().meta({
    description: 'Spans that arenas gave back to their sources because of this, in order.',
  }),
  rests,
  reused: restedRange.exactOptional().meta({
    description: 'With allocated: the range taken early, of the arena or one it imports from.',
  }),
};

export const batchedEvent = named(
  'BatchedEvent',
  z.object({
    type: z.string().meta({ description: 'What the operation did, as in an Event.' }),
    ...allocationFields,
  }),
  {
    description: 'What one operation of a batch did; its time and revision are those of the batch.',
    examples: [{ type: 'freed', arena: 'ids', address: '7', end: '7', size: '1' }],
  },
);

export const event = named(
  'Event',
  z.object({
    revision: revision.meta({ description: 'Place in the total order of all changes.' }),
    at: timestamp.meta({ description: 'When it was decided. RFC 3339, UTC.' }),
    type: z.string().meta({
      description:
        `What happened: one of ${eventTypes.join(', ')}. Later versions may have more; ` +
        'pass over what you do not know.',
    }),
    ...allocationFields,
    count: countOutput('With allFreed: how many allocations were freed.').exactOptional(),
    reason: z
      .enum(['expired', 'revoked'])
      .exactOptional()
      .meta({ description: 'With leasesEnded: why.' }),
    ended: z
      .array(endedLease)
      .exactOptional()
      .meta({ description: 'With leasesEnded: which, in the order in which they ended.' }),
    rested: z
      .array(restedRange)
      .exactOptional()
      .meta({ description: 'With restsEnded: the ranges, in the order in which they were freed.' }),
    events: z
      .array(batchedEvent)
      .exactOptional()
      .meta({ description: 'With batched: what its operations did, in their order.' }),
    notation: notation.exactOptional(),
    width: width.exactOptional(),
    quantum: integerOutput('With arenaCreated: the smallest unit.').exactOptional(),
    quantumCacheMax: integerOutput(
      'With arenaCreated: the largest size served from quantum caches.',
    ).exactOptional(),
    source: arenaName
      .exactOptional()
      .meta({ description: 'With arenaCreated: the arena that it imports from.' }),
    importSize: integerOutput('Least size of a span taken from the source.').exactOptional(),
    largeImport: z
      .boolean()
      .exactOptional()
      .meta({ description: 'Whether 16 times the size is asked for first.' }),
    keepSpans: countOutput('Wholly free imported spans that are kept.').exactOptional(),
    releaseAfterSeconds: countOutput('How long such spans are kept.').exactOptional(),
    quarantineSeconds: countOutput('How long what is freed rests.').exactOptional(),
    limit: integerOutput('Most that may be allocated at any time.').exactOptional(),
    ownerLimit: integerOutput('Most that any one owner may hold at any time.').exactOptional(),
    ownerLimits: z.array(ownerLimitOutput).exactOptional().meta({
      description: 'Limits of single owners, all that there are; empty where there are none now.',
    }),
    bands: z.array(band).exactOptional().meta({
      description: 'Named parts of the arena, all that there are; empty where there are none now.',
    }),
    spans: z
      .array(staticSpan)
      .exactOptional()
      .meta({ description: 'With arenaCreated: its static spans.' }),
  }),
  {
    description:
      'Something that happened: one request, whatever it touched. Which fields there are depends ' +
      'on the type; an absent one is unset, unchanged or empty. Addresses are in the notation ' +
      'that the arena had at that revision.',
    examples: [
      {
        revision: 8,
        at: '2026-01-01T00:00:00.000Z',
        type: 'allocated',
        arena: 'team-a.pods',
        address: '10.0.16.0',
        end: '10.0.16.63',
        size: '64',
        cidr: '10.0.16.0/26',
        owner: 'web',
        policy: 'instantfit',
        imported: [
          {
            arena: 'team-a.pods',
            source: 'pods',
            base: '10.0.16.0',
            end: '10.0.31.255',
            size: '4096',
            cidr: '10.0.16.0/20',
          },
        ],
      },
      {
        revision: 9,
        at: '2026-01-01T00:00:01.000Z',
        type: 'freed',
        arena: 'pods',
        address: '10.0.7.64',
        end: '10.0.7.163',
        size: '100',
      },
    ],
  },
);

export type WireEvent = z.output<typeof event>;
export type BatchedWireEvent = z.output<typeof batchedEvent>;
export type MovedSpan = z.output<typeof movedSpan>;

/** The stream is no JSON, so that it has no component; what each event has as data is one. */
export const eventStream = z.string().meta({
  description: 'Server-sent events; the `data` of each is an Event, as JSON on one line.',
  override: ({ jsonSchema }: { jsonSchema: Record<string, unknown> }) => {
    jsonSchema['contentMediaType'] = 'text/event-stream';
    jsonSchema['contentSchema'] = { $ref: '#/components/schemas/Event' };
  },
});
