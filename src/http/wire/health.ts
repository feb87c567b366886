/** Liveness and readiness on the wire. */
import { z } from 'zod';
import { named, revision } from './field.ts';

export const liveness = named('Liveness', z.object({ status: status('ok') }), {
  description: 'The process runs.',
  examples: [{ status: 'ok' }],
});

export const readiness = named(
  'Readiness',
  z.object({
    status: status('ready'),
    revision: revision.meta({ description: 'The last revision, durable.' }),
  }),
  { description: 'Requests are answered.', examples: [{ status: 'ready', revision: 3 }] },
);

/** Text is not JSON, so that it has no component. */
export const metricsText = z.string().meta({ description: 'A line for each metric.' });

function status<T extends string>(text: T) {
  return z.literal(text).meta({
    description: 'Always this; failures are problems.',
    // Generators know `enum` better than `const`.
    override: ({ jsonSchema }: { jsonSchema: Record<string, unknown> }) => {
      jsonSchema['enum'] = [text];
      delete jsonSchema['const'];
    },
  });
}
