/** Requests that wait for room, on the wire. */
import { z } from 'zod';
import {
  addressOutput,
  countOutput,
  integerOutput,
  labels,
  named,
  owner,
  pageFields,
  policy,
  timestamp,
} from './field.ts';

export const waiter = named(
  'Waiter',
  z.object({
    size: integerOutput('Number of addresses asked for.'),
    align: integerOutput('The base has to be `phase` modulo this.').exactOptional(),
    phase: integerOutput('See `align`.').exactOptional(),
    nocross: integerOutput('The block must not cross a multiple of this.').exactOptional(),
    min: addressOutput('Lowest address the block may contain.').exactOptional(),
    max: addressOutput('Highest address the block may contain.').exactOptional(),
    address: addressOutput('The base asked for.').exactOptional(),
    policy: policy.exactOptional().meta({ description: "Instead of the arena's policy." }),
    labels,
    owner: owner.exactOptional(),
    since: timestamp,
    remainingSeconds: countOutput('Until it waits no longer, rounded up.'),
  }),
  {
    description: 'A request that waits for room.',
    examples: [
      {
        size: '256',
        align: '256',
        labels: {},
        owner: 'node-17',
        since: '2026-01-01T00:00:00.000Z',
        remainingSeconds: 12,
      },
    ],
  },
);

export type Waiter = z.output<typeof waiter>;

export const waiterPage = named('WaiterPage', z.object(pageFields(waiter, 'arrival')), {
  description: 'A page of requests that wait.',
  examples: [{ items: [] }],
});
