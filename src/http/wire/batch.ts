/** Batches on the wire: several operations in one request, and what came of each. */
import { z } from 'zod';
import { limits } from '../../limits.ts';
import { integerPattern } from '../notation.ts';
import { allocation, xallocRequest } from './allocation.ts';
import { piece } from './event.ts';
import { arenaName, leaseId, named, revision, ttlSeconds, wide } from './field.ts';

export const operationNames = [
  'alloc',
  'xalloc',
  'free',
  'resize',
  'split',
  'merge',
  'update',
  'undelete',
  'renew',
] as const;
export type OperationName = (typeof operationNames)[number];

/** `#3.end`: the last address of the block that operation 3, counted from 0, was about. */
export const referencePattern = /^#(0|[1-9][0-9]{0,4})\.(address|end|size)$/;
const reference = 'or of an earlier operation: `#0.address`, `#0.end` or `#0.size` of the first';

function integerOrReference(description: string) {
  return z
    .string('must be a string, or an integer from 0 to 9007199254740991')
    .refine(
      (text) => integerPattern.test(text) || referencePattern.test(text),
      'must be a decimal or 0x hexadecimal integer without leading zeros, or a reference like #0.size',
    )
    .meta({ description: `${description} Decimal or \`0x\` hexadecimal, ${reference}.` })
    .register(wide, { integer: true });
}

function addressOrReference(description: string) {
  return z
    .string('must be a string, or an integer from 0 to 9007199254740991')
    .min(1, 'must not be empty')
    .max(limits.addressCharactersMax, `must have at most ${limits.addressCharactersMax} characters`)
    .meta({ description: `${description} In the arena's notation, ${reference}.` })
    .register(wide, { integer: true });
}

const { validateOnly: _, ...placementFields } = xallocRequest.shape;

export const operationRequest = named(
  'Operation',
  z.strictObject({
    op: z.enum(operationNames, `must be one of ${operationNames.join(', ')}`).meta({
      description: 'What to do; the other fields are those of the operation it is named after.',
    }),
    arena: arenaName.exactOptional().meta({ description: 'Of all but renew.' }),
    ...placementFields,
    lease: leaseId.exactOptional().meta({
      description: 'Of alloc and xalloc: the lease to hold the allocation. Of renew: which.',
    }),
    size: integerOrReference(
      'As in the operation that `op` names; verified by free.',
    ).exactOptional(),
    sizes: z
      .array(integerOrReference('Number of addresses of a piece.'), 'must be a list of sizes')
      .min(2, 'must have at least 2 sizes')
      .max(limits.splitPiecesMax, `must have at most ${limits.splitPiecesMax} sizes`)
      .exactOptional()
      .meta({ description: 'Of split: sizes of the pieces in order of address.' }),
    with: z
      .array(addressOrReference('First address of another one.'), 'must be a list of addresses')
      .min(1, 'must have at least 1 address')
      .max(limits.mergePartsMax - 1, `must have at most ${limits.mergePartsMax - 1} addresses`)
      .exactOptional()
      .meta({ description: 'Of merge: the allocations above it, in any order.' }),
    end: addressOrReference('Of merge: last address of all.').exactOptional(),
    min: addressOrReference('Of xalloc: lowest address, inclusive.').exactOptional(),
    max: addressOrReference('Of xalloc: highest address, inclusive.').exactOptional(),
    address: addressOrReference(
      'The allocation, of merge the lowest; of xalloc, the base exactly.',
    ).exactOptional(),
    ifRevision: revision.exactOptional().meta({
      description:
        'Only if the revision is still this one: of the allocation, or with alloc and xalloc that ' +
        'of the ETag of the arena.',
    }),
  }),
  {
    description: 'One operation of a batch.',
    examples: [
      { op: 'xalloc', arena: 'vlans', size: '1', min: '100', max: '199' },
      { op: 'xalloc', arena: 'pods', size: '64', min: '#0.end' },
    ],
  },
);

export const batchRequest = named(
  'BatchRequest',
  z.strictObject({
    operations: z
      .array(operationRequest)
      .min(1, 'must have at least one operation')
      .max(limits.operationsMax, `must have at most ${limits.operationsMax} operations`)
      .meta({ description: 'In this order; each sees what those before it did.' }),
  }),
  {
    description: 'Operations of which all are done, or none.',
    examples: [
      {
        operations: [
          { op: 'alloc', arena: 'vlans', size: '1', owner: 'tenant-7' },
          { op: 'alloc', arena: 'pods', prefixLength: 28, owner: 'tenant-7' },
        ],
      },
    ],
  },
);

export const operationResult = named(
  'OperationResult',
  z.object({
    ...allocation.partial().shape,
    op: z.enum(operationNames).meta({ description: 'What was done.' }),
    ttlSeconds: ttlSeconds.exactOptional().meta({ description: 'With renew: of the lease.' }),
    pieces: z.array(piece).exactOptional().meta({
      description: 'With split: what it was split into, in the order of addresses.',
    }),
  }),
  {
    description:
      'The block that an operation was about, as it is after the whole batch; of one that is free ' +
      'by then, `arena`, `address`, `end` and `size`. Of a split, those of the whole, and `pieces`. Of ' +
      'a renewal, `lease`, and how long it has.',
    examples: [{ op: 'free', arena: 'pods', address: '10.0.0.0', end: '10.0.0.255', size: '256' }],
  },
);

export type OperationResult = z.output<typeof operationResult>;

export const batchReport = named(
  'BatchReport',
  z.object({
    revision,
    results: z
      .array(operationResult)
      .meta({ description: 'One for each operation, in the same order.' }),
  }),
  { description: 'What a batch did.', examples: [{ revision: 12, results: [] }] },
);
