/** Routes of arenas: create, list, get, update, destroy, check. */
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { z } from 'zod';
import { assert } from '../engine/assert.ts';
import type { Band, CreateArena, OwnerLimit, Tuning, Width } from '../engine/command.ts';
import type { ArenaView } from '../engine/view.ts';
import { answer, createdHeaders, etagHeader, noQuery, problems, type App } from './contract.ts';
import { cursorAt, keyOf } from './cursor.ts';
import { invalidInput } from './invalid-input.ts';
import type { Answer } from './mutation.ts';
import { parseAddress, parseSize, type AddressSpace } from './notation.ts';
import { arenaNotFound, sendRefusal, type FieldPointers } from './problem.ts';
import { fieldPointers, readRange } from './range.ts';
import { arenaRepresentation, etagOf } from './representation.ts';
import {
  arenaParams,
  conditionOf,
  ifMatchHeaders,
  pageQuery,
  type RouteDependencies,
} from './route.ts';
import {
  arena,
  arenaPage,
  bandInput,
  checkReport,
  createArenaRequest,
  type ownerLimitInput,
  updateArenaRequest,
} from './wire/arena.ts';

const tags = ['Arenas'];

export function arenaRoutes(app: App, dependencies: RouteDependencies): void {
  createArenaRoute(app, dependencies);
  listArenasRoute(app, dependencies);
  getArenaRoute(app, dependencies);
  updateArenaRoute(app, dependencies);
  destroyArenaRoute(app, dependencies);
  checkArenaRoute(app, dependencies);
}

function createArenaRoute(app: App, { sequencer, mutate }: RouteDependencies): void {
  const schema = {
    operationId: 'createArena',
    tags,
    summary: 'Create an arena',
    description:
      'With its first spans, all or nothing. An arena with a `source` imports spans from it when ' +
      'its own do not suffice.',
    querystring: noQuery,
    body: createArenaRequest,
    response: {
      201: answer('The arena.', arena, createdHeaders),
      ...problems(400, 401, 404, 409, 413, 415, 422, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.post('/v1/arenas', { schema }, async (request, reply) => {
    const command = createArenaCommand(request.body);
    return mutate(reply, {
      command: { ...command, at: Date.now() },
      read: (engine) => engine.arena(command.arena),
      answer: (view) => ({
        ...arenaAnswer(201, view, sequencer),
        location: `/v1/arenas/${command.arena}`,
      }),
      fields: spanPointers(request.body),
    });
  });
}

function arenaAnswer(
  status: 200 | 201,
  view: ArenaView | undefined,
  { room }: RouteDependencies['sequencer'],
): Answer {
  assert(view !== undefined, 'an arena is there after it was created or changed');
  const body = arenaRepresentation(view, room.countIn(view.arena));
  return { status, etag: etagOf(view.revision), body };
}

type CreateArenaBody = z.output<typeof createArenaRequest>;

function createArenaCommand(body: CreateArenaBody): CreateArena {
  const space: AddressSpace = { notation: body.notation, width: widthOf(body) };
  return {
    type: 'createArena',
    arena: body.name,
    ...space,
    quantum: body.quantum === undefined ? 1n : parseSize(body.quantum, '/quantum'),
    policy: body.policy,
    ...(body.source !== undefined && { source: body.source }),
    ...readSizes(body),
    ...(body.bands !== undefined && { bands: readBands(body.bands, space) }),
    largeImport: body.largeImport,
    keepSpans: body.keepSpans,
    releaseAfterSeconds: body.releaseAfterSeconds,
    quarantineSeconds: body.quarantineSeconds,
    quantumCacheMax:
      body.quantumCacheMax === undefined ? 0n : parseSize(body.quantumCacheMax, '/quantumCacheMax'),
    labels: body.labels ?? {},
    spans: (body.spans ?? []).map((span, index) => readRange(span, space, `/spans/${index}`)),
  };
}

function widthOf({ notation, width }: CreateArenaBody): Width {
  const fixed = notation === 'ipv4' ? 32 : notation === 'ipv6' ? 128 : undefined;
  if (fixed !== undefined && width !== undefined && width !== fixed) {
    throw invalidInput('/width', `must be ${fixed} with the ${notation} notation; leave it out`);
  }
  return fixed ?? width ?? 64;
}

function readSizes(body: {
  importSize?: string | undefined;
  limit?: string | undefined;
  ownerLimit?: string | undefined;
  ownerLimits?: readonly WireOwnerLimit[] | undefined;
}): Pick<Tuning, 'importSize' | 'limit' | 'ownerLimit' | 'ownerLimits'> {
  return {
    ...(body.importSize !== undefined && { importSize: parseSize(body.importSize, '/importSize') }),
    ...(body.limit !== undefined && { limit: parseSize(body.limit, '/limit') }),
    ...(body.ownerLimit !== undefined && { ownerLimit: parseSize(body.ownerLimit, '/ownerLimit') }),
    ...(body.ownerLimits !== undefined && { ownerLimits: readOwnerLimits(body.ownerLimits) }),
  };
}

type WireOwnerLimit = z.output<typeof ownerLimitInput>;

export function readOwnerLimits(ownerLimits: readonly WireOwnerLimit[]): OwnerLimit[] {
  return ownerLimits.map(({ owner, limit }, index) => ({
    owner,
    limit: parseSize(limit, `/ownerLimits/${index}/limit`),
  }));
}

export function readBands(
  bands: readonly z.output<typeof bandInput>[],
  space: AddressSpace,
): Band[] {
  return bands.map(({ name, min, max, exclusive }, index) => ({
    name,
    min: parseAddress(min, space, `/bands/${index}/min`),
    max: parseAddress(max, space, `/bands/${index}/max`),
    exclusive,
  }));
}

function spanPointers(body: CreateArenaBody): FieldPointers {
  const all = (body.spans ?? []).map((span, index) => fieldPointers(span, `/spans/${index}`));
  return Object.assign({ '/arena': '/name' }, ...all) as FieldPointers;
}

function listArenasRoute(app: App, { sequencer }: RouteDependencies): void {
  const schema = {
    operationId: 'listArenas',
    tags,
    summary: 'List arenas',
    description: 'In the order of their names.',
    querystring: z.strictObject(pageQuery),
    response: {
      200: answer('A page of arenas.', arenaPage),
      ...problems(400, 401, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/arenas', { schema }, async (request, reply) => {
    const { limit, cursor } = request.query;
    const after = cursor === undefined ? undefined : keyOf(cursor, ['listArenas']);
    // One more than asked for tells whether there is a next page.
    const views = await sequencer.read((engine) => engine.arenas(after, limit + 1));
    const items = views.slice(0, limit);
    const last = items.at(-1);
    const more = views.length > limit && last !== undefined;
    return reply.code(200).send({
      items: items.map((view) => arenaRepresentation(view, sequencer.room.countIn(view.arena))),
      ...(more && { nextCursor: cursorAt(last.arena, ['listArenas']) }),
    });
  });
}

function getArenaRoute(app: App, { sequencer }: RouteDependencies): void {
  const schema = {
    operationId: 'getArena',
    tags,
    summary: 'Get an arena',
    description:
      'Its settings, and what it holds now: sizes, the largest free segment, how many allocations.',
    params: arenaParams,
    querystring: noQuery,
    response: {
      200: answer('The arena.', arena, etagHeader),
      ...problems(400, 401, 404, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/arenas/:arena', { schema }, async (request, reply) => {
    const name = request.params.arena;
    const view = await sequencer.read((engine) => engine.arena(name));
    if (view === undefined) return sendRefusal(reply, arenaNotFound(name));
    const body = arenaRepresentation(view, sequencer.room.countIn(name));
    return reply.code(200).header('ETag', etagOf(view.revision)).send(body);
  });
}

function updateArenaRoute(app: App, { sequencer, mutate, spaces }: RouteDependencies): void {
  const schema = {
    operationId: 'updateArena',
    tags,
    summary: 'Change settings of an arena',
    description: 'Those that are given; the others stay. Labels are replaced as a whole.',
    params: arenaParams,
    querystring: noQuery,
    headers: ifMatchHeaders,
    body: updateArenaRequest,
    response: {
      200: answer('The arena, changed.', arena, etagHeader),
      ...problems(400, 401, 404, 409, 412, 413, 415, 422, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.patch('/v1/arenas/:arena', { schema }, async (request, reply) => {
    const name = request.params.arena;
    const { importSize, limit, ownerLimit, ownerLimits, bands, ...rest } = request.body;
    const space = bands === undefined ? undefined : await spaces.of(name);
    if (bands !== undefined && space === undefined) return sendRefusal(reply, arenaNotFound(name));
    const changes: Partial<Tuning> = {
      ...rest,
      ...readSizes({ importSize, limit, ownerLimit, ownerLimits }),
      ...(bands !== undefined && { bands: readBands(bands, space!) }),
    };
    if (Object.keys(changes).length === 0) {
      throw invalidInput(
        '',
        `give at least one of ${Object.keys(updateArenaRequest.shape).join(', ')}`,
      );
    }
    const condition = conditionOf(request.headers);
    return mutate(reply, {
      command: { type: 'updateArena', at: Date.now(), arena: name, changes, ...condition },
      read: (engine) => engine.arena(name),
      answer: (view) => arenaAnswer(200, view, sequencer),
    });
  });
}

function destroyArenaRoute(app: App, { mutate, spaces }: RouteDependencies): void {
  const force = z
    .boolean({ error: 'must be true or false' })
    .default(false)
    .meta({ description: 'Free all allocations first.' });
  const schema = {
    operationId: 'destroyArena',
    tags,
    summary: 'Destroy an arena',
    description: 'It must have no allocations, unless forced, and no arena may import from it.',
    params: arenaParams,
    querystring: z.strictObject({ force }),
    headers: ifMatchHeaders,
    response: {
      204: { description: 'The arena is gone.' },
      ...problems(400, 401, 404, 409, 412, 413, 415, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.delete('/v1/arenas/:arena', { schema }, async (request, reply) => {
    const name = request.params.arena;
    const { force } = request.query;
    const condition = conditionOf(request.headers);
    return mutate(reply, {
      command: { type: 'destroyArena', at: Date.now(), arena: name, force, ...condition },
      read: (_engine, event, revision) => spaces.forget(event, revision),
      answer: () => ({ status: 204 }),
    });
  });
}

function checkArenaRoute(app: App, { sequencer }: RouteDependencies): void {
  const schema = {
    operationId: 'checkArena',
    tags,
    summary: 'Check the invariants of an arena',
    description: 'Walks the whole arena, which takes time in proportion to its segments.',
    params: arenaParams,
    querystring: noQuery,
    response: {
      200: answer('What was walked and found.', checkReport),
      ...problems(400, 401, 404, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/arenas/:arena/check', { schema }, async (request, reply) => {
    const name = request.params.arena;
    const report = await sequencer.read((engine) => {
      if (engine.arena(name) === undefined) return undefined;
      return { ...engine.check(name), revision: engine.revision };
    });
    if (report === undefined) return sendRefusal(reply, arenaNotFound(name));
    const problems = [...report.problems];
    return reply.code(200).send({ ...report, arena: name, ok: problems.length === 0, problems });
  });
}
