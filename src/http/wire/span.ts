/** Spans on the wire: the contiguous ranges an arena consists of. */
import { z } from 'zod';
import {
  addressInput,
  addressOutput,
  arenaName,
  cidrOutput,
  integerInput,
  integerOutput,
  named,
  pageFields,
  revision,
} from './field.ts';

/** One of: base and size; base and end; cidr. Which one is checked by the route. */
export const rangeFields = {
  base: addressInput('First address of the span.').exactOptional(),
  size: integerInput('Number of addresses, with `base`.').exactOptional(),
  end: addressInput('Last address of the span, inclusive, with `base`.').exactOptional(),
  cidr: z
    .string({ error: 'must be a string such as "10.0.0.0/8"' })
    .max(64, 'must be an address, a slash and a prefix length')
    .exactOptional()
    .meta({
      description: 'The span as a CIDR block, in arenas of the ipv4 and ipv6 notations, alone.',
    }),
};

export const addSpanRequest = named('AddSpanRequest', z.strictObject(rangeFields), {
  description: 'A span to add: `base` and `size`, `base` and `end`, or `cidr`.',
  examples: [{ cidr: '10.0.0.0/8' }, { base: '0x1000', size: '4096' }, { base: '100', end: '199' }],
});

export const span = named(
  'Span',
  z.object({
    base: addressOutput('First address.'),
    end: addressOutput('Last address, inclusive.'),
    size: integerOutput('Number of addresses.'),
    cidr: cidrOutput().exactOptional(),
    kind: z
      .enum(['static', 'imported'])
      .meta({ description: 'Added by a request, or taken from the source.' }),
    from: arenaName.exactOptional().meta({ description: 'The source of an imported span.' }),
    revision,
  }),
  {
    description: 'One contiguous range of an arena.',
    examples: [
      {
        base: '10.0.0.0',
        end: '10.255.255.255',
        size: '16777216',
        cidr: '10.0.0.0/8',
        kind: 'static',
        revision: 2,
      },
    ],
  },
);

export type Span = z.output<typeof span>;

export const spanPage = named('SpanPage', z.object(pageFields(span, 'addresses')), {
  description: 'A page of spans.',
  examples: [{ items: [{ base: '100', end: '199', size: '100', kind: 'static', revision: 2 }] }],
});
