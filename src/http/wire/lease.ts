/** Leases on the wire: the requests for them, and how one looks. */
import { z } from 'zod';
import { countOutput, labels, leaseId, named, owner, pageFields, revision } from './field.ts';
import { timestamp, ttlSeconds } from './field.ts';

export const createLeaseRequest = named(
  'CreateLeaseRequest',
  z.strictObject({
    ttlSeconds,
    owner: owner.exactOptional().meta({ description: 'Who has the lease, in your own words.' }),
    labels: labels.exactOptional(),
  }),
  {
    description: 'A lease to create.',
    examples: [{ ttlSeconds: 60, owner: 'node-17' }],
  },
);

export const renewLeaseRequest = named(
  'RenewLeaseRequest',
  z.strictObject({
    ttlSeconds: ttlSeconds
      .exactOptional()
      .meta({ description: 'From now on, instead of the one that it has.' }),
  }),
  { description: 'The time begins anew.', examples: [{}, { ttlSeconds: 300 }] },
);

export const lease = named(
  'Lease',
  z.object({
    id: leaseId,
    ttlSeconds,
    expiresAt: timestamp.meta({
      description:
        'When it runs out unless it is renewed before, RFC 3339, UTC: by the clock of the service.',
    }),
    remainingSeconds: countOutput('Whole seconds until then; by no clock of a calendar.'),
    allocations: countOutput('How many allocations it holds, in all arenas together.'),
    owner: owner.exactOptional(),
    labels,
    createdAt: timestamp,
    revision,
  }),
  {
    description: 'A time for which allocations are held, and after which all of them are freed.',
    examples: [
      {
        id: '3f0c9a52-61d8-4d7e-9a3b-0c2f5f1f7e11',
        ttlSeconds: 60,
        expiresAt: '2026-01-01T00:01:00.000Z',
        remainingSeconds: 60,
        allocations: 2,
        owner: 'node-17',
        labels: {},
        createdAt: '2026-01-01T00:00:00.000Z',
        revision: 5,
      },
    ],
  },
);

export type Lease = z.output<typeof lease>;

export const leasePage = named('LeasePage', z.object(pageFields(lease, 'ids')), {
  description: 'A page of leases.',
  examples: [{ items: [] }],
});
