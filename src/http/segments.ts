/** Routes of segments: list, and whatis. */
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { z } from 'zod';
import { assert } from '../engine/assert.ts';
import type { Engine } from '../engine/engine.ts';
import { refuse } from '../engine/refusal.ts';
import type { AllocationView, SegmentView } from '../engine/view.ts';
import { arenaSpace } from './address-space.ts';
import { answer, noQuery, problems, type App } from './contract.ts';
import { addressOf, cursorAt } from './cursor.ts';
import { formatAddress, parseAddress } from './notation.ts';
import { arenaNotFound, sendRefusal } from './problem.ts';
import { segmentRepresentation, whatisRepresentation, type LocatedStep } from './representation.ts';
import { arenaParams, pageQuery, type RouteDependencies } from './route.ts';
import { addressInput, arenaName } from './wire/field.ts';
import { segmentPage, whatis } from './wire/segment.ts';

const tags = ['Segments'];

export function segmentRoutes(app: App, dependencies: RouteDependencies): void {
  listSegmentsRoute(app, dependencies);
  whatisRoute(app, dependencies);
}

function listSegmentsRoute(app: App, { sequencer, spaces }: RouteDependencies): void {
  const schema = {
    operationId: 'listSegments',
    tags,
    summary: 'List the segments of an arena',
    description: 'In the order of their addresses, free ones included: the map of the arena.',
    params: arenaParams,
    querystring: z.strictObject(pageQuery),
    response: {
      200: answer('A page of segments.', segmentPage),
      ...problems(400, 401, 404, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/arenas/:arena/segments', { schema }, async (request, reply) => {
    const { arena } = request.params;
    const { limit, cursor } = request.query;
    const space = await spaces.of(arena);
    if (space === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const query = ['listSegments', arena];
    const from = cursor === undefined ? 0n : addressOf(cursor, query, space);
    const views = await sequencer.read((engine) =>
      engine.arena(arena) === undefined ? undefined : segmentsOf(engine, arena, from, limit + 1),
    );
    if (views === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const next = views[limit];
    return reply.code(200).send({
      items: views.slice(0, limit).map((view) => segmentRepresentation(view, space)),
      ...(next !== undefined && { nextCursor: cursorAt(next.address.toString(), query) }),
    });
  });
}

function segmentsOf(engine: Engine, arena: string, from: bigint, count: number): SegmentView[] {
  const views: SegmentView[] = [];
  engine.walkSegments(arena, from, (view) => {
    views.push(view);
    return views.length < count;
  });
  return views;
}

interface Found {
  readonly path: LocatedStep[];
  readonly allocation: AllocationView | undefined;
}

function whatisRoute(app: App, { sequencer, spaces }: RouteDependencies): void {
  const schema = {
    operationId: 'whatis',
    tags,
    summary: 'Tell what an address is',
    description: 'Follows imports from the arena down to the one that holds the address now.',
    params: z.object({ arena: arenaName, address: addressInput('Any address.') }),
    querystring: noQuery,
    response: {
      200: answer('What the address is.', whatis),
      ...problems(400, 401, 404, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/arenas/:arena/whatis/:address', { schema }, async (request, reply) => {
    const { arena } = request.params;
    const space = await spaces.of(arena);
    if (space === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const address = parseAddress(request.params.address, space, '/path/address');
    const found = await sequencer.read((engine) =>
      engine.arena(arena) === undefined ? 'no arena' : find(engine, arena, address),
    );
    if (found === 'no arena') return sendRefusal(reply, arenaNotFound(arena));
    if (found === undefined) {
      const detail = `No span of ${arena} holds ${formatAddress(address, space)}.`;
      return sendRefusal(reply, refuse('span-not-found', detail));
    }
    const [asked, ...rest] = found.path;
    assert(asked !== undefined, 'the path of whatis has a step');
    return reply.code(200).send(whatisRepresentation(address, [asked, ...rest], found.allocation));
  });
}

function find(engine: Engine, arena: string, address: bigint): Found | undefined {
  const view = engine.whatis(arena, address);
  if (view === undefined) return undefined;
  const path = view.path.map((step) => {
    const space = arenaSpace(engine, step.arena);
    assert(space !== undefined, 'a step of whatis is in an arena that is there');
    return { step, space };
  });
  return { path, allocation: view.allocation };
}
