/**
 * Idempotency keys in the OpenAPI document: every mutation takes the header, may answer as before,
 * and may refuse because of the key. It is said here for all of them, because it is done for all of
 * them in one place.
 */
import { isMutation } from './idempotency.ts';
import { problems } from './contract.ts';

/** What is read and added to; the document has more. */
interface Document {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Operation {
  parameters?: object[];
  readonly responses: Record<string, { description?: string; headers?: Record<string, object> }>;
}

const parameter = {
  in: 'header',
  name: 'idempotency-key',
  required: false,
  schema: { type: 'string' },
  description:
    'A name for this request, of the client’s own: 1 to 255 printable ASCII characters, such as a ' +
    'UUID, with or without quotes. When it is sent again with the same key, within 24 hours at ' +
    'least, it is not done again, but answered as the first time. A request that was refused may ' +
    'be sent again with its key, and is then done.',
};

const replayed = {
  schema: { type: 'string' },
  description: 'On an answer that was given before to the same idempotency key: `true`.',
  example: 'true',
};

/** Adds to each mutation what its idempotency key brings with it; returns the same document. */
export function documentKeys<D extends object>(document: D): D {
  for (const [url, operations] of Object.entries((document as Document).paths ?? {})) {
    for (const [method, operation] of Object.entries(operations)) {
      if (isMutation({ method: method.toUpperCase(), url })) documentKey(operation);
    }
  }
  return document;
}

function documentKey(operation: Operation): void {
  operation.parameters = [...(operation.parameters ?? []), parameter];
  const { responses } = operation;
  const problem = responses['500'];
  for (const [status, { description }] of Object.entries(problems(409, 422))) {
    responses[status] ??= { ...problem, description };
  }
  for (const [status, response] of Object.entries(responses)) {
    if (status.startsWith('2')) {
      response.headers = { ...response.headers, 'Idempotency-Replayed': replayed };
    }
  }
}
