/** History on the wire: who held what, from when until when. */
import { z } from 'zod';
import { endings } from '../../history/history.ts';
import {
  addressOutput,
  arenaName,
  cidrOutput,
  externalId,
  integerOutput,
  labels,
  leaseId,
  named,
  owner,
  pageFields,
  revision,
  timestamp,
} from './field.ts';

export const period = named(
  'Period',
  z.object({
    arena: arenaName,
    address: addressOutput('First address.'),
    end: addressOutput('Last address, inclusive.'),
    size: integerOutput('Number of addresses.'),
    cidr: cidrOutput().exactOptional(),
    owner: owner.exactOptional(),
    labels,
    externalId: externalId.exactOptional(),
    lease: leaseId.exactOptional().meta({ description: 'The lease that it was under.' }),
    importedBy: arenaName
      .exactOptional()
      .meta({ description: 'The arena that held the range as one of its spans.' }),
    grantedAt: timestamp.exactOptional().meta({
      description:
        'When the range was allocated: earlier than `heldFrom` where the allocation was changed ' +
        'since. Absent where that was before all that is known. RFC 3339, UTC.',
    }),
    heldFrom: timestamp.exactOptional().meta({
      description: 'When the period began; absent as `grantedAt` is. RFC 3339, UTC.',
    }),
    heldUntil: timestamp
      .exactOptional()
      .meta({ description: 'When it ended; absent while it lasts. RFC 3339, UTC.' }),
    revision: revision
      .exactOptional()
      .meta({ description: 'The revision at which it began; absent as `grantedAt` is.' }),
    endRevision: revision
      .exactOptional()
      .meta({ description: 'The revision at which it ended; absent while it lasts.' }),
    ended: z
      .string()
      .exactOptional()
      .meta({
        description:
          `Why it ended: ${endings.join(', ')}. After resized and updated the allocation was held ` +
          'on, in the next period. Later versions may have more. Absent while it lasts.',
      }),
  }),
  {
    description:
      'A time in which a range was held with the same size, owner and labels. What changes any of ' +
      'them ends one period and begins the next.',
    examples: [
      {
        arena: 'pods',
        address: '10.0.0.0',
        end: '10.0.0.255',
        size: '256',
        cidr: '10.0.0.0/24',
        owner: 'node-17',
        labels: {},
        grantedAt: '2026-01-01T00:00:00.000Z',
        heldFrom: '2026-01-01T00:00:00.000Z',
        heldUntil: '2026-01-02T00:00:00.000Z',
        revision: 2,
        endRevision: 40,
        ended: 'freed',
      },
    ],
  },
);

export type WirePeriod = z.output<typeof period>;

export const periodPage = named(
  'PeriodPage',
  z.object({
    ...pageFields(period, 'places, and of one place, or address, the newest first'),
    revision: revision.meta({ description: 'Everything up to this revision is regarded.' }),
    trimmedRevision: revision.meta({
      description: 'What ended up to this revision is no longer known; 0: everything is.',
    }),
    completeRevision: revision.meta({
      description:
        'From this revision on it is known who held what at any time. It is above ' +
        '`trimmedRevision` where the history was made anew after records were trimmed: what was ' +
        'held since before may then be missing, or without its owner.',
    }),
  }),
  {
    description: 'A page of periods.',
    examples: [{ items: [], revision: 40, trimmedRevision: 0, completeRevision: 0 }],
  },
);
