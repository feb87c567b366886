/**
 * The contract: how the zod schemas of the wire drive Fastify and the OpenAPI document.
 *
 * Requests are validated by zod, after a step that makes up for what a URL and JSON can't say:
 * text in a query becomes a number, a boolean or a list where the schema asks for one, and a JSON
 * integer becomes the string that a wide integer is on the wire. The step is compiled from the
 * schema once, as is the acceptor, for which most requests need no zod.
 *
 * Replies are written by fast-json-stringify, compiled from the same schemas. They are not parsed
 * first: that costs ten times as much, and the tests parse every reply instead. Fields that a
 * schema does not list are dropped.
 */
import type stringifierOf from 'fast-json-stringify';
import type { FastifySchemaCompiler, FastifyInstance, RawServerDefault } from 'fastify';
import type { FastifyBaseLogger, FastifySerializerCompiler } from 'fastify';
import type { FastifyZodOpenApiTypeProvider } from 'fastify-zod-openapi';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { z } from 'zod';
import { assert } from '../engine/assert.ts';
import { acceptorOf } from './acceptor.ts';
import { InvalidInput, pointerTo, type InputError } from './invalid-input.ts';
import { problem, problemCodes } from './wire/problem.ts';
import { wide } from './wire/field.ts';

/** The Fastify instance that routes are added to, typed by the wire schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  FastifyZodOpenApiTypeProvider
>;

/** Changes an object in place, or says what is wrong with one of its fields. */
type Prepare = (value: Record<string, unknown>) => InputError | undefined;

/** How the document names bodies that need not be sent. */
export const omissibleBodies = new Set<string | undefined>();

/** A body without required fields, of a request that makes sense without it: absent, it has none. */
export function omissibleBody<S extends z.ZodType>(schema: S): S {
  const name = schema.meta()?.id;
  assert(name !== undefined, 'every body has a name');
  omissibleBodies.add(name);
  return schema;
}

/** Where the errors of each part of a request point to. */
const partPointers: Readonly<Record<string, readonly string[]>> = {
  body: [],
  querystring: ['query'],
  params: ['path'],
  headers: ['headers'],
};

export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart = '' }) => {
  const prefix = partPointers[httpPart] ?? [];
  const prepare = prepareOf(schema, httpPart);
  const accepts = acceptorOf(schema);
  const mayBeAbsent = httpPart === 'body' && omissibleBodies.has(schema.meta()?.id);
  return (value: unknown) => {
    // Null is what the framework has where there is no body.
    if (httpPart === 'body' && (value === undefined || value === null)) {
      return mayBeAbsent ? { value: {} } : { error: bodyMissing() };
    }
    // Without a value that takes its place: in place of headers it would be merged with them.
    if (accepts?.(value) === true) return true;
    const unprepared = isObject(value) ? prepare?.(value) : undefined;
    if (unprepared !== undefined) return { error: new InvalidInput([unprepared]) };
    if (prepare !== undefined && accepts?.(value) === true) return true;
    const result = schema.safeParse(value);
    if (result.success) return { value: result.data };
    return {
      error: new InvalidInput(result.error.issues.flatMap((i) => errorsOf(i, prefix, value))),
    };
  };
};

const require = createRequire(import.meta.url);

type Stringify = (value: unknown) => string;
const stringifiers = new WeakMap<object, Stringify>();
/** Schemas of replies that no reply has needed yet. */
const uncompiled = new Set<z.ZodType>();

/** Compiles when the first reply is written: together they would be a tenth of a large start. */
export const serializerCompiler: FastifySerializerCompiler<unknown> = ({ schema }) => {
  if (!(schema instanceof z.ZodType)) return JSON.stringify;
  if (!stringifiers.has(schema)) uncompiled.add(schema);
  let stringify: Stringify | undefined;
  return (value) => (stringify ??= stringifier(schema))(value);
};

/**
 * Compiles one of the serialisers that no reply has needed yet, some milliseconds. False where
 * there is none.
 */
export function compileSerializer(): boolean {
  for (const schema of uncompiled) {
    stringifier(schema);
    return true;
  }
  return false;
}

/** The serialiser of a schema, compiled when it is first asked for. */
export function stringifier(schema: z.ZodType): Stringify {
  let stringify = stringifiers.get(schema);
  if (stringify === undefined) {
    const json = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' });
    // Not imported: with what it brings it takes longer to load than the framework.
    const compile = require('fast-json-stringify') as typeof stringifierOf;
    stringify = compile(json as Parameters<typeof stringifierOf>[0]);
    stringifiers.set(schema, stringify);
    uncompiled.delete(schema);
  }
  return stringify;
}

type Headers = Readonly<Record<string, { type: 'string'; description: string; example: string }>>;

/** A reply with a JSON body, as Fastify and the document need it. */
export function answer<S extends z.ZodType>(description: string, schema: S, headers?: Headers) {
  return {
    description,
    // The library's type wants header objects; the swagger plugin makes those of the schemas.
    ...(headers !== undefined && { headers: headers as never }),
    content: { 'application/json': { schema } },
  };
}

export const etagHeader: Headers = {
  ETag: { type: 'string', description: 'The revision, quoted, for If-Match.', example: '"7"' },
};

const locationHeader: Headers = {
  Location: { type: 'string', description: 'Where it is.', example: '/v1/arenas/pods' },
};

export const createdHeaders: Headers = { ...locationHeader, ...etagHeader };

type ProblemStatus = (typeof problemCodes)[keyof typeof problemCodes][0];
type ProblemAnswer = {
  description: string;
  content: { 'application/problem+json': { schema: typeof problem } };
};

/** The replies of the given error statuses, each a Problem, described by the codes it can carry. */
export function problems<S extends ProblemStatus>(...statuses: S[]): Record<S, ProblemAnswer> {
  const answers = statuses.map((status) => {
    const codes = Object.entries(problemCodes)
      .filter(([code, [of]]) => of === status && code !== 'route-not-found')
      .map(([code]) => `\`${code}\``);
    const content = { 'application/problem+json': { schema: problem } };
    return [status, { description: `${codes.join(', ')}.`, content }];
  });
  return Object.fromEntries(answers) as Record<S, ProblemAnswer>;
}

/** Parameters of a route without a query: unknown ones are refused, so that typos are noticed. */
export const noQuery = z.strictObject({});

function bodyMissing(): InvalidInput {
  return new InvalidInput([{ pointer: '', detail: 'a JSON object is needed as the body' }]);
}

function errorsOf(
  issue: z.core.$ZodIssue,
  prefix: readonly string[],
  value: unknown,
): InputError[] {
  const path = [...prefix, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    // What is known is said once.
    const [brief = ''] = issue.message.split(';');
    return issue.keys.map((key, i) => ({
      pointer: pointerTo([...path, key]),
      detail: i === 0 ? issue.message : brief,
    }));
  }
  if (issue.code === 'invalid_key') {
    // The rule that the key of a record broke is the issue inside.
    return [{ pointer: pointerTo(path), detail: issue.issues[0]?.message ?? issue.message }];
  }
  // Only a parameter or header that was repeated comes as a list.
  const [name] = issue.path;
  const given = prefix.length > 0 && isObject(value) ? value[String(name)] : undefined;
  const repeated = issue.code === 'invalid_type' && Array.isArray(given);
  return [{ pointer: pointerTo(path), detail: repeated ? 'must be given once' : issue.message }];
}

const english = z.locales.en().localeError;

/**
 * What is said of fields that are not known, and of a value of the wrong type, where a schema has no
 * words of its own for that.
 */
z.config({
  localeError(issue) {
    if (issue.code === 'unrecognized_keys') return notKnown(issue.inst);
    if (issue.code !== 'invalid_type') return english(issue);
    if (issue.input === undefined) return 'is missing';
    const expected = issue.expected === 'number' ? 'integer' : issue.expected;
    return `must be ${/^[aeiou]/.test(expected) ? 'an' : 'a'} ${expected}`;
  },
});

function notKnown(schema: unknown): string {
  const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  return known.length === 0
    ? 'is not a known field'
    : `is not a known field; known are ${known.join(', ')}`;
}

/** Compiles what is done to an object before zod sees it; undefined where nothing is. */
function prepareOf(schema: z.ZodType, httpPart: string): Prepare | undefined {
  if (!(schema instanceof z.ZodObject)) return undefined;
  if (httpPart === 'body') return prepareBody(schema);
  if (httpPart === 'querystring') return prepareQuery(schema);
  return undefined;
}

function prepareBody(schema: z.ZodObject): Prepare | undefined {
  const steps = new Map<string, Prepare>();
  for (const [key, field] of Object.entries(schema.shape)) {
    const inner = unwrap(field as z.ZodType);
    if (wide.has(inner)) {
      steps.set(key, (value) => integerToText(value, key));
    } else if (inner instanceof z.ZodArray && wide.has(inner.element as z.ZodType)) {
      steps.set(key, (value) => integersToText(value, key));
    } else if (inner instanceof z.ZodArray && inner.element instanceof z.ZodObject) {
      const prepare = prepareBody(inner.element);
      if (prepare !== undefined) steps.set(key, (value) => prepareItems(value, key, prepare));
    }
  }
  if (steps.size === 0) return undefined;
  const all = inTurn([...steps.values()]);
  return (value) => {
    // Of many fields few are given. Which of several errors comes first is up to the schema.
    for (const key in value) if (steps.get(key)?.(value) !== undefined) return all(value);
    return undefined;
  };
}

function prepareItems(
  value: Record<string, unknown>,
  key: string,
  prepare: Prepare,
): InputError | undefined {
  const items = value[key];
  if (!Array.isArray(items)) return undefined;
  for (const [index, item] of items.entries()) {
    // One object many times, see repeats.ts, is changed once.
    if (index > 0 && item === items[index - 1]) continue;
    const error = isObject(item) ? prepare(item) : undefined;
    if (error !== undefined) return { ...error, pointer: `/${key}/${index}${error.pointer}` };
  }
  return undefined;
}

/**
 * A number above 2^53−1 was rounded when it was parsed, so that it can't be told which integer was
 * meant; it is refused, as is anything that is no unsigned integer.
 */
function integerToText(value: Record<string, unknown>, key: string): InputError | undefined {
  if (typeof value[key] !== 'number') return undefined;
  const number = value[key];
  if (Number.isSafeInteger(number) && number >= 0) {
    value[key] = String(number);
    return undefined;
  }
  const detail = 'must be an integer from 0 to 9007199254740991; send a larger one as a string';
  return { pointer: `/${key}`, detail };
}

function integersToText(value: Record<string, unknown>, key: string): InputError | undefined {
  const items = value[key];
  if (!Array.isArray(items)) return undefined;
  for (const index of items.keys()) {
    const error = integerToText(items as unknown as Record<string, unknown>, String(index));
    if (error !== undefined) return { ...error, pointer: `/${key}${error.pointer}` };
  }
  return undefined;
}

/** Text that is not of the form the schema asks for is left as it is, for zod to refuse. */
function prepareQuery(schema: z.ZodObject): Prepare | undefined {
  const steps: Prepare[] = [];
  for (const [key, field] of Object.entries(schema.shape)) {
    const inner = unwrap(field as z.ZodType);
    if (inner instanceof z.ZodNumber) steps.push((value) => queryNumber(value, key));
    if (inner instanceof z.ZodBoolean) steps.push((value) => queryBoolean(value, key));
    if (inner instanceof z.ZodArray) steps.push((value) => queryList(value, key));
  }
  return steps.length === 0 ? undefined : inTurn(steps);
}

function queryNumber(value: Record<string, unknown>, key: string): undefined {
  const text = value[key];
  if (typeof text === 'string' && /^(0|[1-9][0-9]{0,15})$/.test(text)) value[key] = Number(text);
}

function queryBoolean(value: Record<string, unknown>, key: string): undefined {
  if (value[key] === 'true') value[key] = true;
  else if (value[key] === 'false') value[key] = false;
}

function queryList(value: Record<string, unknown>, key: string): undefined {
  if (typeof value[key] === 'string') value[key] = [value[key]];
}

function inTurn(steps: readonly Prepare[]): Prepare {
  return (value) => {
    for (const step of steps) {
      const error = step(value);
      if (error !== undefined) return error;
    }
    return undefined;
  };
}

/** The schema inside optionals and defaults: what a value that is there has to be. */
function unwrap(schema: z.ZodType): z.ZodType {
  let inner = schema;
  while (
    inner instanceof z.ZodOptional ||
    inner instanceof z.ZodExactOptional ||
    inner instanceof z.ZodDefault
  ) {
    inner = inner.def.innerType as z.ZodType;
  }
  return inner;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
