/** Routes of spans: add, list, remove. */
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { z } from 'zod';
import { assert } from '../engine/assert.ts';
import { answer, noQuery, problems, type App } from './contract.ts';
import { addressOf, cursorAt } from './cursor.ts';
import { parseAddress } from './notation.ts';
import { arenaNotFound, sendRefusal } from './problem.ts';
import { fieldPointers, readRange } from './range.ts';
import { spanRepresentation } from './representation.ts';
import {
  arenaParams,
  conditionOf,
  ifMatchHeaders,
  pageQuery,
  type RouteDependencies,
} from './route.ts';
import { addressInput, arenaName } from './wire/field.ts';
import { addSpanRequest, span, spanPage } from './wire/span.ts';

const tags = ['Spans'];

export function spanRoutes(app: App, dependencies: RouteDependencies): void {
  addSpanRoute(app, dependencies);
  listSpansRoute(app, dependencies);
  removeSpanRoute(app, dependencies);
}

function addSpanRoute(app: App, { mutate, spaces }: RouteDependencies): void {
  const schema = {
    operationId: 'addSpan',
    tags,
    summary: 'Add a span to an arena',
    description: 'It must not overlap another one, of the arena or of those that it imports from.',
    params: arenaParams,
    querystring: noQuery,
    headers: ifMatchHeaders,
    body: addSpanRequest,
    response: {
      201: answer('The span.', span),
      ...problems(400, 401, 404, 409, 412, 413, 415, 422, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.post('/v1/arenas/:arena/spans', { schema }, async (request, reply) => {
    const { arena } = request.params;
    const space = await spaces.of(arena);
    if (space === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const range = readRange(request.body, space, '');
    const condition = conditionOf(request.headers);
    return mutate(reply, {
      command: { type: 'addSpan', at: Date.now(), arena, ...range, ...condition },
      read: (engine) => engine.span(arena, range.base),
      answer: (view) => {
        assert(view !== undefined, 'a span is there after it was added');
        return { status: 201, body: spanRepresentation(view, space) };
      },
      fields: fieldPointers(request.body, ''),
    });
  });
}

function listSpansRoute(app: App, { sequencer, spaces }: RouteDependencies): void {
  const schema = {
    operationId: 'listSpans',
    tags,
    summary: 'List the spans of an arena',
    description: 'In the order of their addresses.',
    params: arenaParams,
    querystring: z.strictObject(pageQuery),
    response: {
      200: answer('A page of spans.', spanPage),
      ...problems(400, 401, 404, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/arenas/:arena/spans', { schema }, async (request, reply) => {
    const { arena } = request.params;
    const { limit, cursor } = request.query;
    const space = await spaces.of(arena);
    if (space === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const query = ['listSpans', arena];
    const from = cursor === undefined ? 0n : addressOf(cursor, query, space);
    const views = await sequencer.read((engine) =>
      engine.arena(arena) === undefined ? undefined : engine.spans(arena, from, limit + 1),
    );
    if (views === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const next = views[limit];
    return reply.code(200).send({
      items: views.slice(0, limit).map((view) => spanRepresentation(view, space)),
      ...(next !== undefined && { nextCursor: cursorAt(String(next.base), query) }),
    });
  });
}

function removeSpanRoute(app: App, { mutate, spaces }: RouteDependencies): void {
  const base = addressInput('First address of the span.');
  const schema = {
    operationId: 'removeSpan',
    tags,
    summary: 'Remove a span',
    description: 'It must be wholly free. An imported one goes back to the source.',
    params: z.object({ arena: arenaName, base }),
    querystring: noQuery,
    headers: ifMatchHeaders,
    response: {
      204: { description: 'The span is gone.' },
      ...problems(400, 401, 404, 409, 412, 413, 415, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.delete('/v1/arenas/:arena/spans/:base', { schema }, async (request, reply) => {
    const { arena } = request.params;
    const space = await spaces.of(arena);
    if (space === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const address = parseAddress(request.params.base, space, '/path/base');
    const condition = conditionOf(request.headers);
    return mutate(reply, {
      command: { type: 'removeSpan', at: Date.now(), arena, base: address, ...condition },
      read: () => undefined,
      answer: () => ({ status: 204 }),
      fields: { '/base': '/path/base' },
    });
  });
}
