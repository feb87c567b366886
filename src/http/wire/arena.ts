/** Arenas on the wire: the request to create one, the changes one takes, and how one looks. */
import { z } from 'zod';
import { limits } from '../../limits.ts';
import {
  addressInput,
  addressOutput,
  arenaName,
  bandName,
  countOutput,
  integerInput,
  integerOutput,
  labels,
  named,
  owner,
  pageFields,
  notation,
  policy,
  revision,
  timestamp,
  width,
} from './field.ts';
import { rangeFields } from './span.ts';

const importSize = integerInput(
  'Least size of a span taken from the source; a multiple of the quantum.',
);
const largeImport = z
  .boolean({ error: 'must be true or false' })
  .meta({ description: 'Ask the source for 16 times the size first.' });
const keepSpans = z
  .int(`must be an integer from 0 to ${limits.keepSpansMax}`)
  .min(0, 'must be at least 0')
  .max(limits.keepSpansMax, `must be at most ${limits.keepSpansMax}`)
  .meta({ description: 'How many wholly free imported spans are kept rather than released.' });
const releaseAfterSeconds = z
  .int(`must be an integer from 0 to ${limits.releaseAfterSecondsMax}`)
  .min(0, 'must be at least 0')
  .max(limits.releaseAfterSecondsMax, `must be at most ${limits.releaseAfterSecondsMax}`)
  .meta({ description: 'How long a wholly free imported span is kept; 0 releases it at once.' });
const quarantineSeconds = z
  .int(`must be an integer from 0 to ${limits.quarantineSecondsMax}`)
  .min(0, 'must be at least 0')
  .max(limits.quarantineSecondsMax, `must be at most ${limits.quarantineSecondsMax}`)
  .meta({
    description: 'How long what is freed rests before it can be granted again; 0 for not at all.',
  });
const limit = integerInput('Most addresses that may be allocated at any time.');
const ownerLimit = integerInput(
  'Most addresses that any one owner may hold at any time; 2^128 for no limit.',
);

export const ownerLimitInput = named(
  'OwnerLimitRequest',
  z.strictObject({
    owner,
    limit: integerInput('Most addresses that it may hold at any time; 0 for none at all.'),
  }),
  {
    description: 'The limit of one owner.',
    examples: [{ owner: 'team-a', limit: '4096' }],
  },
);

export const ownerLimitOutput = named(
  'OwnerLimit',
  z.object({ owner, limit: integerOutput('Most addresses that it may hold at any time.') }),
  {
    description: 'The limit of one owner.',
    examples: [{ owner: 'team-a', limit: '4096' }],
  },
);

export type OwnerLimit = z.output<typeof ownerLimitOutput>;

const ownerLimits = z
  .array(ownerLimitInput, { error: 'must be a list of limits' })
  .max(limits.ownerLimitsMax, `must have at most ${limits.ownerLimitsMax} limits`);

const exclusive = z
  .boolean({ error: 'must be true or false' })
  .meta({ description: 'Whether only requests that name the band get blocks in it.' });

export const bandInput = named(
  'BandRequest',
  z.strictObject({
    name: bandName,
    min: addressInput('First address, a multiple of the quantum.'),
    max: addressInput('Last address, inclusive.'),
    exclusive: exclusive.default(false),
  }),
  {
    description: 'A named part of an arena.',
    examples: [{ name: 'static', min: '10.0.0.0', max: '10.0.0.255', exclusive: true }],
  },
);

export const band = named(
  'Band',
  z.object({
    name: bandName,
    min: addressOutput('First address.'),
    max: addressOutput('Last address, inclusive.'),
    exclusive,
  }),
  {
    description: 'A named part of an arena.',
    examples: [{ name: 'static', min: '10.0.0.0', max: '10.0.0.255', exclusive: true }],
  },
);

export type Band = z.output<typeof band>;

const bands = z
  .array(bandInput, { error: 'must be a list of bands' })
  .max(limits.bandsMax, `must have at most ${limits.bandsMax} bands`);

export const initialSpan = named('InitialSpan', z.strictObject(rangeFields), {
  description: 'A span to begin with: `base` and `size`, `base` and `end`, or `cidr`.',
  examples: [{ cidr: '10.0.0.0/8' }],
});

export const createArenaRequest = named(
  'CreateArenaRequest',
  z.strictObject({
    name: arenaName,
    notation: notation.default('decimal'),
    width: width.exactOptional().meta({
      description: '32 with the ipv4 notation, 128 with ipv6, otherwise 64 unless given.',
    }),
    quantum: integerInput(
      'Smallest unit, a power of two; 1 unless given. Every base and size is a multiple of it.',
    ).exactOptional(),
    policy: policy.default('instantfit'),
    source: arenaName
      .exactOptional()
      .meta({ description: 'The arena that this one imports spans from.' }),
    importSize: importSize.exactOptional(),
    largeImport: largeImport.default(false),
    keepSpans: keepSpans.default(0),
    releaseAfterSeconds: releaseAfterSeconds.default(0),
    quarantineSeconds: quarantineSeconds.default(0),
    quantumCacheMax: integerInput(
      'Largest size served from quantum caches: a multiple of the quantum, at most 16 quanta; ' +
        '0, the default, means none.',
    ).exactOptional(),
    limit: limit.exactOptional(),
    ownerLimit: ownerLimit.exactOptional(),
    ownerLimits: ownerLimits
      .exactOptional()
      .meta({ description: 'Limits of single owners, instead of `ownerLimit`.' }),
    bands: bands.exactOptional().meta({ description: 'Named parts, which do not overlap.' }),
    labels: labels.exactOptional(),
    spans: z
      .array(initialSpan)
      .max(limits.spansPerRequestMax, `must have at most ${limits.spansPerRequestMax} spans`)
      .exactOptional()
      .meta({ description: 'The spans to begin with.' }),
  }),
  {
    description: 'An arena to create.',
    examples: [
      { name: 'pods', notation: 'ipv4', spans: [{ cidr: '10.0.0.0/8' }], labels: { env: 'prod' } },
      { name: 'ports', width: 32, policy: 'nextfit', spans: [{ base: '30000', end: '32767' }] },
      { name: 'team-a.pods', notation: 'ipv4', source: 'pods', importSize: '4096', keepSpans: 1 },
      {
        name: 'lab',
        notation: 'ipv4',
        spans: [{ cidr: '10.9.0.0/20' }],
        ownerLimit: '256',
        ownerLimits: [{ owner: 'ci', limit: '2048' }],
      },
      { name: 'vlans', spans: [{ base: '2', end: '4094' }], quarantineSeconds: 3600 },
    ],
  },
);

export const updateArenaRequest = named(
  'UpdateArenaRequest',
  z.strictObject({
    policy: policy.exactOptional(),
    importSize: importSize.exactOptional(),
    largeImport: largeImport.exactOptional(),
    keepSpans: keepSpans.exactOptional(),
    releaseAfterSeconds: releaseAfterSeconds.exactOptional(),
    quarantineSeconds: quarantineSeconds.exactOptional(),
    limit: limit.exactOptional(),
    ownerLimit: ownerLimit.exactOptional(),
    ownerLimits: ownerLimits.exactOptional().meta({
      description: 'All that there are to be; what is held already stays, whatever the limit.',
    }),
    bands: bands
      .exactOptional()
      .meta({ description: 'All that there are to be; what is allocated stays where it is.' }),
    labels: labels.exactOptional(),
  }),
  {
    description: 'The settings to change, at least one. Labels are replaced as a whole.',
    examples: [{ policy: 'bestfit' }, { limit: '65536', labels: { env: 'staging' } }],
  },
);

export const arena = named(
  'Arena',
  z.object({
    name: arenaName,
    notation,
    width,
    quantum: integerOutput('Smallest unit.'),
    policy,
    source: arenaName.exactOptional().meta({ description: 'The arena this one imports from.' }),
    importSize: integerOutput('Least size of a span taken from the source.').exactOptional(),
    largeImport,
    keepSpans,
    releaseAfterSeconds,
    quarantineSeconds,
    quantumCacheMax: integerOutput('Largest size served from quantum caches; 0 means none.'),
    limit: integerOutput('Most addresses that may be allocated at any time.').exactOptional(),
    ownerLimit: integerOutput(
      'Most addresses that any one owner may hold at any time.',
    ).exactOptional(),
    ownerLimits: z
      .array(ownerLimitOutput)
      .exactOptional()
      .meta({ description: 'Limits of single owners instead, in the order of the owners.' }),
    bands: z
      .array(band)
      .exactOptional()
      .meta({ description: 'Named parts, in the order of their addresses.' }),
    labels,
    size: integerOutput('Addresses in all spans: allocated + free + resting + cached.'),
    allocated: integerOutput('Addresses in allocations.'),
    free: integerOutput('Addresses in free segments.'),
    resting: integerOutput('Addresses freed but not yet reusable.'),
    cached: integerOutput('Addresses in slabs of quantum caches that are not allocated.'),
    largestFree: integerOutput('Size of the largest free segment.'),
    allocations: countOutput('Allocations, the spans of arenas that import included.'),
    spans: countOutput('Spans.'),
    holes: countOutput('Free segments.'),
    waiting: countOutput('Requests to this arena that wait for room.'),
    createdAt: timestamp,
    revision,
  }),
  {
    description: 'A named set of unsigned integers with a quantum and a default policy.',
    examples: [
      {
        name: 'pods',
        notation: 'ipv4',
        width: 32,
        quantum: '1',
        policy: 'instantfit',
        largeImport: false,
        keepSpans: 0,
        releaseAfterSeconds: 0,
        quarantineSeconds: 0,
        quantumCacheMax: '0',
        labels: { env: 'prod' },
        size: '16777216',
        allocated: '256',
        free: '16776960',
        resting: '0',
        cached: '0',
        largestFree: '16776960',
        allocations: 1,
        spans: 1,
        holes: 1,
        waiting: 0,
        createdAt: '2026-01-01T00:00:00.000Z',
        revision: 3,
      },
    ],
  },
);

export type Arena = z.output<typeof arena>;

export const arenaPage = named('ArenaPage', z.object(pageFields(arena, 'names')), {
  description: 'A page of arenas.',
  examples: [{ items: [] }],
});

export const checkReport = named(
  'CheckReport',
  z.object({
    arena: arenaName,
    ok: z.boolean().meta({ description: 'Whether every invariant holds.' }),
    segments: countOutput('Segments walked.'),
    allocations: countOutput('Allocations walked.'),
    spans: countOutput('Spans walked.'),
    problems: z.array(z.string()).meta({ description: 'What is wrong, a sentence each.' }),
    revision: revision.meta({ description: 'The revision of the state that was checked.' }),
  }),
  {
    description: 'The result of walking an arena and checking its invariants.',
    examples: [
      { arena: 'pods', ok: true, segments: 2, allocations: 1, spans: 1, problems: [], revision: 3 },
    ],
  },
);

export type CheckReport = z.output<typeof checkReport>;
