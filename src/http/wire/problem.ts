/** Problems: the one form of every error, as in RFC 9457. */
import { z } from 'zod';
import { integerOutput, named, owner } from './field.ts';

/** Every code a client can meet, with its HTTP status and title, in the document's order. */
export const problemCodes = {
  'invalid-request': [400, 'The request is invalid'],
  'cursor-mismatch': [400, 'The cursor belongs to another query'],
  'invalid-reference': [400, 'A reference leads nowhere'],
  unauthorized: [401, 'A valid bearer token is needed'],
  'route-not-found': [404, 'There is no such route'],
  'arena-not-found': [404, 'There is no such arena'],
  'span-not-found': [404, 'There is no such span'],
  'allocation-not-found': [404, 'There is no such allocation'],
  'lease-not-found': [404, 'There is no such lease'],
  'band-not-found': [404, 'There is no such band'],
  'method-not-allowed': [405, 'The route has no such method'],
  'request-timeout': [408, 'The request did not arrive in time'],
  exhausted: [409, 'No free segment fits'],
  'band-required': [409, 'The range is in an exclusive band'],
  overlap: [409, 'The range overlaps another'],
  taken: [409, 'The address is taken'],
  resting: [409, 'The address rests'],
  'arena-exists': [409, 'The arena exists'],
  'arena-busy': [409, 'The arena is in use'],
  'allocation-busy': [409, 'The allocation is in use'],
  'not-adjacent': [409, 'The allocations are not side by side'],
  'not-alike': [409, 'The allocations differ'],
  'size-mismatch': [409, 'The size is not that of the allocation'],
  'external-id-taken': [409, 'The external id is that of another allocation'],
  'lease-full': [409, 'The lease holds as many allocations as it can'],
  'owner-mismatch': [409, 'The owner is not that of the allocation'],
  'limit-exceeded': [409, 'A limit would be passed'],
  'idempotency-in-progress': [409, 'A request with this key is being served'],
  'revision-trimmed': [410, 'The revision is no longer stored'],
  'precondition-failed': [412, 'The revision is another one'],
  'payload-too-large': [413, 'The body is too large'],
  'unsupported-media-type': [415, 'The body must be application/json'],
  'never-fits': [422, 'The request could never be granted'],
  'idempotency-mismatch': [422, 'The key was used for another request'],
  'too-many-requests': [429, 'Too many requests'],
  'headers-too-large': [431, 'The headers are too large'],
  internal: [500, 'Internal error'],
  'journal-unavailable': [503, 'The journal is unavailable'],
  'too-many-keys': [503, 'Too many idempotency keys are held'],
  'history-unavailable': [503, 'The history is not available now'],
  'not-ready': [503, 'Not ready'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof problemCodes;

const codes = Object.keys(problemCodes) as [ProblemCode, ...ProblemCode[]];

/** What is in the way of a request for which there is no room. */
export const limitedBy = z
  .array(z.string())
  .exactOptional()
  .meta({
    description:
      'The constraints without any one of which the request would be granted now: `align` (also ' +
      'that of a prefix), `phase`, `nocross`, `min`, `max`; `band` is the one given, or exclusive ' +
      'ones that are kept out of; `limit` is that of the arena or of a source; `ownerLimit`, of ' +
      'fits, that of the owner given; `resting` says that it would be granted if nothing rested. Absent where no single one is in the way. More may come.',
  });

/** When there may be room. */
export const retryAfterSeconds = z
  .int()
  .min(0)
  .exactOptional()
  .meta({
    description:
      'The first rest of the arena or of one that it imports from ends in so many seconds, or its ' +
      'first lease, unless that is renewed; the earliest of them. Absent where none is known.',
  });

export const exhaustion = named(
  'Exhaustion',
  z.object({
    free: integerOutput('Free addresses in the arena.'),
    largestFree: integerOutput('Size of the largest free segment.'),
    largestFitting: integerOutput(
      'The largest size that the same request would be granted with now, imports included.',
    ),
    limitedBy,
    resting: integerOutput('Addresses of the arena that were freed and are not yet reusable.'),
    retryAfterSeconds,
  }),
  {
    description: 'Why an exhausted arena could not serve the request.',
    examples: [
      { free: '96', largestFree: '64', largestFitting: '32', limitedBy: ['align'], resting: '0' },
    ],
  },
);

export const exceeded = named(
  'ExceededLimit',
  z.object({
    owner: owner.exactOptional().meta({
      description: 'Whose limit it is; absent where it is the `limit` of the arena.',
    }),
    limit: integerOutput('Most addresses that may be allocated, or held by the owner.'),
    held: integerOutput(
      'Addresses that are; more than `limit` where that was lowered in the meantime.',
    ),
  }),
  {
    description: 'The limit that the request would have passed.',
    examples: [{ owner: 'team-a', limit: '256', held: '192' }],
  },
);

export const inputError = named(
  'InputError',
  z.object({
    pointer: z.string().meta({
      description:
        'JSON pointer into the body, or below /query, /path or /headers. Empty for the whole body.',
    }),
    detail: z.string().meta({ description: 'What is wrong and how to put it right.' }),
  }),
  {
    description: 'One thing that is wrong with the request.',
    examples: [{ pointer: '/size', detail: 'must be at least 1' }],
  },
);

export const problem = named(
  'Problem',
  z.object({
    type: z.string().meta({ description: 'A URN made of the code; stable.' }),
    title: z.string().meta({ description: 'The same for every problem of this code.' }),
    status: z.int().min(400).max(599).meta({ description: 'The HTTP status.' }),
    detail: z.string().meta({ description: 'What happened this time, for a person.' }),
    code: z.enum(codes).meta({ description: 'The kind of problem, for a program.' }),
    errors: z
      .array(inputError)
      .exactOptional()
      .meta({ description: 'With invalid-request: each thing that is wrong.' }),
    exhaustion: exhaustion.exactOptional(),
    exceeded: exceeded.exactOptional(),
    operation: z.int().min(0).exactOptional().meta({
      description: 'Of a batch: the operation that was refused, from 0. None was done.',
    }),
  }),
  {
    description: 'An error, in the form of RFC 9457.',
    examples: [
      {
        type: 'urn:vmemd:problem:exhausted',
        title: 'No free segment fits',
        status: 409,
        detail: 'arena "pods" has no free segment of 64 addresses that is aligned to 64',
        code: 'exhausted',
        exhaustion: { free: '96', largestFree: '32', largestFitting: '32', resting: '0' },
      },
      {
        type: 'urn:vmemd:problem:invalid-request',
        title: 'The request is invalid',
        status: 400,
        detail: '/size: must be at least 1',
        code: 'invalid-request',
        errors: [{ pointer: '/size', detail: 'must be at least 1' }],
      },
    ],
  },
);

export type Problem = z.output<typeof problem>;
