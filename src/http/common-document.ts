/**
 * What the OpenAPI document says of all operations alike, and of requests so that generated clients get
 * them right.
 */
import { omissibleBodies, problems } from './contract.ts';

/** What is read and added to; the document has more. */
interface Document {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
}

interface Operation {
  readonly requestBody?: RequestBody;
  readonly responses: Record<string, { description?: string; headers?: Record<string, object> }>;
}

interface RequestBody {
  required: boolean;
  readonly content: Readonly<Record<string, { readonly schema?: { readonly $ref?: string } }>>;
}

interface Schema {
  readonly properties?: Readonly<Record<string, Property>>;
}

interface Property {
  description?: string;
  default?: unknown;
}

const retryAfter = {
  schema: { type: 'integer' },
  description:
    'After so many seconds it may be worth to ask again; absent where that is not known.',
  example: 1,
};

const wwwAuthenticate = {
  schema: { type: 'string' },
  description: 'How to say who asks.',
  example: 'Bearer realm="vmemd"',
};

const headersOf: Readonly<Record<string, Record<string, object>>> = {
  401: { 'WWW-Authenticate': wwwAuthenticate },
  409: { 'Retry-After': retryAfter },
  429: { 'Retry-After': retryAfter },
  503: { 'Retry-After': retryAfter },
};

/** Adds to a document what is common to its operations; returns the same document. */
export function documentCommon<D extends object>(document: D): D {
  const { paths = {}, components } = document as Document;
  const operations = Object.values(paths).flatMap((path) => Object.values(path));
  for (const { requestBody, responses } of operations) {
    if (requestBody !== undefined) sayWhetherNeeded(requestBody);
    // The connection is told so before there is a request for a route.
    for (const [status, { description }] of Object.entries(problems(408, 431))) {
      responses[status] = { ...responses['500'], description };
    }
    for (const [status, response] of Object.entries(responses)) {
      const headers = headersOf[status];
      if (headers !== undefined) response.headers = { ...response.headers, ...headers };
    }
  }
  for (const { properties = {} } of Object.values(components?.schemas ?? {})) {
    for (const property of Object.values(properties)) sayDefault(property);
  }
  return document;
}

/** The plugin says of every body that it is needed. */
function sayWhetherNeeded(body: RequestBody): void {
  const names = Object.values(body.content).map(({ schema }) => schema?.$ref?.split('/').at(-1));
  if (names.every((name) => omissibleBodies.has(name))) body.required = false;
}

/** In words: generators take a field with a `default` for one that is always there, in requests too. */
function sayDefault(property: Property): void {
  if (property.default === undefined) return;
  property.description = `${property.description ?? ''} \`${String(property.default)}\` unless given.`;
  delete property.default;
}
