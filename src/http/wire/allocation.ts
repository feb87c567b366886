/** Allocations on the wire: the requests for them, and how one looks. */
import { z } from 'zod';
import { limits } from '../../limits.ts';
import {
  addressInput,
  addressOutput,
  arenaName,
  bandName,
  cidrOutput,
  externalId,
  countOutput,
  integerInput,
  integerOutput,
  labels,
  leaseId,
  named,
  pageFields,
  owner,
  policy,
  revision,
  timestamp,
  ttlSeconds,
} from './field.ts';

const allocFields = {
  size: integerInput(
    'Number of addresses, rounded up to the quantum. Exactly one of `size` and `prefixLength`.',
  ).exactOptional(),
  prefixLength: z
    .int('must be an integer from 0 to 128')
    .min(0, 'must be at least 0')
    .max(128, 'must be at most 128')
    .exactOptional()
    .meta({
      description:
        'A naturally aligned block of 2^(width − prefixLength) addresses: 24 is a /24 in IPv4.',
    }),
  band: bandName.exactOptional().meta({
    description:
      'The band that the block has to lie in. Without one it keeps out of those that are exclusive.',
  }),
  policy: policy.exactOptional().meta({ description: "Instead of the arena's policy." }),
  labels: labels.exactOptional(),
  owner: owner.exactOptional(),
  externalId: externalId.exactOptional(),
  lease: leaseId.exactOptional().meta({
    description: 'The lease that is to hold the allocation, which is freed when that ends.',
  }),
  ttlSeconds: ttlSeconds.exactOptional().meta({
    description:
      'Makes a lease of so many seconds for this allocation, with its owner and labels, which ends ' +
      'with its last allocation. Not together with `lease`.',
  }),
  reuse: z.boolean({ error: 'must be true or false' }).exactOptional().meta({
    description:
      'Where no free segment fits, take addresses that rest, those first that rest longest.',
  }),
  validateOnly: z
    .boolean({ error: 'must be true or false' })
    .exactOptional()
    .meta({
      description:
        'Allocate nothing and tell what the answer would be, with status 200: `createdAt` is now ' +
        'and `revision` is 0. `ETag` is that of the arena with its sources: the same request with ' +
        'it as `If-Match` gives the same answer, or 412.',
    }),
};

const waitSeconds = z
  .int(`must be an integer from 0 to ${limits.waitSecondsMax}`)
  .min(0, 'must be at least 0')
  .max(limits.waitSecondsMax, `must be at most ${limits.waitSecondsMax}`)
  .exactOptional()
  .meta({
    description:
      'For how long to wait for room where there is none: first come, first served among those ' +
      'that what becomes free can serve. 0, the default: not at all.',
  });

const constraintFields = {
  align: integerInput(
    'The base is `phase` modulo this: a power of two, or any multiple of the quantum.',
  ).exactOptional(),
  phase: integerInput('Less than `align`, a multiple of the quantum.').exactOptional(),
  nocross: integerInput(
    'The block crosses no multiple of this power of two, which is at least the size.',
  ).exactOptional(),
  min: addressInput('Lowest address the block may contain, inclusive.').exactOptional(),
  max: addressInput('Highest address the block may contain, inclusive.').exactOptional(),
  address: addressInput('The base, exactly.').exactOptional(),
};

/** What is said of a constraint where there can be none. */
function constrained(issue: z.core.$ZodRawIssue): string | undefined {
  const those = issue.code === 'unrecognized_keys' ? issue.keys : [];
  const all = those.length > 0 && those.every((key) => Object.hasOwn(constraintFields, key));
  return all ? 'is a field of xalloc, not of alloc' : undefined;
}

export const allocRequest = named(
  'AllocRequest',
  z.strictObject({ ...allocFields, waitSeconds }, { error: constrained }),
  {
    description: 'An allocation anywhere in the arena.',
    examples: [
      { size: '256' },
      { prefixLength: 24, owner: 'node-17', labels: { env: 'prod' } },
      { size: '1', waitSeconds: 30 },
    ],
  },
);

export const xallocRequest = named(
  'XallocRequest',
  z.strictObject({ ...allocFields, waitSeconds, ...constraintFields }),
  {
    description: 'An allocation under a constraint.',
    examples: [
      { size: '4096', align: '0x1000', nocross: '0x10000' },
      { size: '1', address: '10.0.0.1' },
      { prefixLength: 24, min: '10.1.0.0', max: '10.1.255.255' },
    ],
  },
);

export const updateAllocationRequest = named(
  'UpdateAllocationRequest',
  z.strictObject({ labels: labels.exactOptional(), owner: owner.exactOptional() }),
  {
    description: 'What to change, at least one field. Labels are replaced as a whole.',
    examples: [{ owner: 'node-18' }, { labels: { env: 'staging' } }],
  },
);

export const resizeRequest = named(
  'ResizeRequest',
  z.strictObject({ size: integerInput('The new number of addresses; the base stays.') }),
  { description: 'A new size for an allocation.', examples: [{ size: '512' }] },
);

const atMostPieces = `must have at most ${limits.splitPiecesMax} sizes`;

export const splitRequest = named(
  'SplitRequest',
  z.strictObject({
    sizes: z
      .array(integerInput('Number of addresses of a piece, a multiple of the quantum.'), {
        error: 'must be a list of sizes',
      })
      .min(2, 'must have at least 2 sizes')
      .max(limits.splitPiecesMax, atMostPieces)
      .exactOptional()
      .meta({
        description: 'Sizes of the pieces in order of address; together that of the whole.',
      }),
    size: integerInput(
      'Size of each piece, a multiple of the quantum of which the whole is a multiple. Exactly one ' +
        'of `sizes` and `size`.',
    ).exactOptional(),
  }),
  {
    description: 'What an allocation is to become.',
    examples: [{ sizes: ['64', '192'] }, { size: '64' }],
  },
);

export const mergeRequest = named(
  'MergeRequest',
  z.strictObject({
    with: z
      .array(addressInput('First address of another allocation.'), {
        error: 'must be a list of addresses',
      })
      .min(1, 'must have at least 1 address')
      .max(limits.mergePartsMax - 1, `must have at most ${limits.mergePartsMax - 1} addresses`)
      .exactOptional()
      .meta({
        description: 'The allocations above, each right behind another one, in any order.',
      }),
    end: addressInput(
      'Last address of all: every allocation up to here. Exactly one of `with` and `end`.',
    ).exactOptional(),
    labels: labels
      .exactOptional()
      .meta({ description: 'Of the one that they become; needed where theirs differ.' }),
  }),
  {
    description: 'What an allocation is to become one with.',
    examples: [{ with: ['10.0.0.64', '10.0.0.128'] }, { end: '10.0.0.255' }],
  },
);

export const undeleteRequest = named(
  'UndeleteRequest',
  z.strictObject({ owner: owner.exactOptional() }),
  {
    description: 'The owner that the allocation had, if it had one.',
    examples: [{ owner: 'node-17' }, {}],
  },
);

export const allocation = named(
  'Allocation',
  z.object({
    arena: arenaName,
    address: addressOutput('First address.'),
    end: addressOutput('Last address, inclusive.'),
    size: integerOutput('Number of addresses.'),
    cidr: cidrOutput().exactOptional(),
    labels,
    owner: owner.exactOptional(),
    importedBy: arenaName
      .exactOptional()
      .meta({ description: 'The arena that holds this range as one of its spans.' }),
    externalId: externalId.exactOptional(),
    lease: leaseId
      .exactOptional()
      .meta({ description: 'The lease that holds it, with the end of which it is freed.' }),
    expiresAt: timestamp
      .exactOptional()
      .meta({ description: 'When that lease runs out unless it is renewed, RFC 3339, UTC.' }),
    createdAt: timestamp,
    revision,
  }),
  {
    description: 'A busy segment with what is known about it.',
    examples: [
      {
        arena: 'pods',
        address: '10.0.0.0',
        end: '10.0.0.255',
        size: '256',
        cidr: '10.0.0.0/24',
        labels: { env: 'prod' },
        owner: 'node-17',
        createdAt: '2026-01-01T00:00:00.000Z',
        revision: 3,
      },
    ],
  },
);

export type Allocation = z.output<typeof allocation>;

export const allocationPage = named(
  'AllocationPage',
  z.object(pageFields(allocation, 'addresses')),
  { description: 'A page of allocations.', examples: [{ items: [] }] },
);

export const foundPage = named(
  'FoundPage',
  z.object(pageFields(allocation, 'arenas and addresses')),
  { description: 'A page of allocations of all arenas.', examples: [{ items: [] }] },
);

export const splitReport = named(
  'SplitReport',
  z.object({
    items: z
      .array(allocation)
      .meta({ description: 'The pieces, in the order of their addresses.' }),
    revision,
  }),
  { description: 'What an allocation was split into.', examples: [{ items: [], revision: 41 }] },
);

export const freedReport = named(
  'FreedReport',
  z.object({ freed: countOutput('Allocations that were freed.'), revision }),
  { description: 'The result of freeing everything.', examples: [{ freed: 12, revision: 40 }] },
);
