/** Owners of what is allocated in an arena, on the wire. */
import { z } from 'zod';
import { countOutput, integerOutput, named, owner, pageFields } from './field.ts';

export const holder = named(
  'Owner',
  z.object({
    owner,
    allocated: integerOutput('Addresses in its allocations.'),
    allocations: countOutput('How many these are.'),
    limit: integerOutput(
      'Most addresses that it may hold; absent where no limit is set. Less than `allocated` where the ' +
        'limit was lowered in the meantime.',
    ).exactOptional(),
  }),
  {
    description: 'Who holds how much of an arena.',
    examples: [{ owner: 'team-a', allocated: '192', allocations: 3, limit: '256' }],
  },
);

export type Owner = z.output<typeof holder>;

export const ownerPage = named('OwnerPage', z.object(pageFields(holder, 'names')), {
  description: 'A page of owners.',
  examples: [{ items: [] }],
});
