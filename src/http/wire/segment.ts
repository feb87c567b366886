/** Segments on the wire, and whatis: the way from an arena down to the segment of an address. */
import { z } from 'zod';
import { allocation } from './allocation.ts';
import { addressOutput, arenaName, integerOutput, named, pageFields } from './field.ts';

const segmentFields = {
  address: addressOutput('First address.'),
  end: addressOutput('Last address, inclusive.'),
  size: integerOutput('Number of addresses.'),
  state: z
    .enum(['free', 'busy', 'resting', 'cached'])
    .meta({ description: "resting: freed, not yet reusable. cached: in a quantum cache's slab." }),
};

export const segment = named('Segment', z.object(segmentFields), {
  description: 'A part of a span.',
  examples: [{ address: '10.0.0.0', end: '10.0.0.255', size: '256', state: 'busy' }],
});

export type Segment = z.output<typeof segment>;

export const segmentPage = named('SegmentPage', z.object(pageFields(segment, 'addresses')), {
  description: 'A page of segments.',
  examples: [{ items: [{ address: '100', end: '199', size: '100', state: 'free' }] }],
});

export const whatisStep = named('WhatisStep', z.object({ arena: arenaName, ...segmentFields }), {
  description: 'The segment of one arena that holds the address.',
  examples: [
    { arena: 'pods', address: '10.0.0.0', end: '10.0.15.255', size: '4096', state: 'busy' },
  ],
});

export const whatis = named(
  'Whatis',
  z.object({
    arena: arenaName,
    address: addressOutput('The address asked for.'),
    state: segmentFields.state,
    segment,
    offset: integerOutput("The address less the segment's first address."),
    allocation: allocation.exactOptional(),
    path: z.array(whatisStep).meta({
      description:
        'From the arena asked down to the leaf: each next arena imported the segment before it. ' +
        '`state`, `segment`, `offset` and `allocation` are of the last step.',
    }),
  }),
  {
    description: 'What an address is.',
    examples: [
      {
        arena: 'pods',
        address: '10.0.0.7',
        state: 'free',
        segment: { address: '10.0.0.0', end: '10.0.0.255', size: '256', state: 'free' },
        offset: '7',
        path: [
          { arena: 'pods', address: '10.0.0.0', end: '10.0.0.255', size: '256', state: 'free' },
        ],
      },
    ],
  },
);

export type Whatis = z.output<typeof whatis>;
