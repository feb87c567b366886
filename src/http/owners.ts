/** The route of owners: list. */
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { z } from 'zod';
import type { OwnerView } from '../engine/view.ts';
import { answer, problems, type App } from './contract.ts';
import { cursorAt, keyOf } from './cursor.ts';
import { arenaNotFound, sendRefusal } from './problem.ts';
import { arenaParams, pageQuery, type RouteDependencies } from './route.ts';
import { ownerPage, type Owner } from './wire/owner.ts';

export function ownerRoutes(app: App, { sequencer }: RouteDependencies): void {
  const schema = {
    operationId: 'listOwners',
    tags: ['Arenas'],
    summary: 'List who holds how much of an arena',
    description:
      'Owners that have an allocation in this arena, in the order of their names by UTF-16 code units. ' +
      'Allocations without an owner, and spans of arenas that import from here, are not counted. ' +
      'The first list of an arena without limits of owners takes time in proportion to its segments.',
    params: arenaParams,
    querystring: z.strictObject(pageQuery),
    response: {
      200: answer('A page of owners.', ownerPage),
      ...problems(400, 401, 404, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/arenas/:arena/owners', { schema }, async (request, reply) => {
    const { arena } = request.params;
    const { limit, cursor } = request.query;
    const query = ['listOwners', arena];
    const after = cursor === undefined ? '' : keyOf(cursor, query);
    const views = await sequencer.read((engine) =>
      engine.arena(arena) === undefined ? undefined : engine.owners(arena, after, limit + 1),
    );
    if (views === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const page = views.slice(0, limit);
    const last = page.at(-1);
    const more = views.length > limit && last !== undefined;
    return reply.code(200).send({
      items: page.map(ownerRepresentation),
      ...(more && { nextCursor: cursorAt(last.owner, query) }),
    });
  });
}

function ownerRepresentation({ owner, allocated, allocations, limit }: OwnerView): Owner {
  return {
    owner,
    allocated: allocated.toString(),
    allocations,
    ...(limit !== undefined && { limit: limit.toString() }),
  };
}
