/** What still fits, on the wire. */
import { z } from 'zod';
import { arenaName, countOutput, integerOutput, named, revision } from './field.ts';
import { limitedBy, retryAfterSeconds } from './problem.ts';

export const orderCount = named(
  'OrderCount',
  z.object({
    order: z.int().min(0).max(128).meta({ description: 'The order k.' }),
    holes: countOutput('Free segments of 2^k addresses or more, but less than 2^(k+1).'),
  }),
  { description: 'How many free segments have a size of one order.', examples: [fourHoles()] },
);

export const fits = named(
  'Fits',
  z.object({
    arena: arenaName,
    size: integerOutput('Size of a block, rounded up to the quantum.'),
    count: integerOutput(
      'Blocks that the free segments of the arena have room for side by side, and that its limit allows, and ' +
        'that of the `owner` given.',
    ),
    atLeast: z.boolean().meta({
      description:
        'Whether there may be more: where there are too many free segments, not all are looked at.',
    }),
    importable: integerOutput(
      'Of an arena with a source: blocks beyond those that imports may serve, at most.',
    ).exactOptional(),
    free: integerOutput('Free addresses in the arena.'),
    largestFree: integerOutput('Size of the largest free segment.'),
    largestFitting: integerOutput(
      'The largest size that the same request would be granted with now, imports included.',
    ),
    fragmentation: z.number().min(0).max(1).meta({
      description: '1 − largestFree / free: 0 where what is free is one segment, or nothing is.',
    }),
    holes: countOutput('Free segments.'),
    resting: integerOutput('Addresses of the arena that were freed and are not yet reusable.'),
    limitedBy,
    retryAfterSeconds,
    histogram: z
      .array(orderCount)
      .meta({ description: 'Free segments by the order of their sizes, in ascending order.' }),
    revision: revision.meta({ description: 'The revision of the state that was looked at.' }),
  }),
  {
    description: 'What there is room for in an arena.',
    examples: [
      {
        arena: 'pods',
        size: '64',
        count: '5',
        atLeast: false,
        free: '400',
        largestFree: '300',
        largestFitting: '300',
        fragmentation: 0.25,
        holes: 5,
        resting: '0',
        histogram: [fourHoles(), { order: 8, holes: 1 }],
        revision: 12,
      },
    ],
  },
);

export type FitsReport = z.output<typeof fits>;

function fourHoles() {
  return { order: 4, holes: 4 };
}
