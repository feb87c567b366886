/** The route of requests that wait for room: list. */
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { z } from 'zod';
import type { WaiterView } from '../waiting-room.ts';
import { answer, problems, type App } from './contract.ts';
import { cursorAt, keyOf } from './cursor.ts';
import { invalidInput } from './invalid-input.ts';
import { formatAddress, type AddressSpace } from './notation.ts';
import { arenaNotFound, sendRefusal } from './problem.ts';
import { arenaParams, pageQuery, type RouteDependencies } from './route.ts';
import { waiterPage, type Waiter } from './wire/waiter.ts';

export function waiterRoutes(app: App, { sequencer, spaces }: RouteDependencies): void {
  const schema = {
    operationId: 'listWaiters',
    tags: ['Allocations'],
    summary: 'List requests that wait for room',
    description: 'Those to this arena, in the order of their arrival.',
    params: arenaParams,
    querystring: z.strictObject(pageQuery),
    response: {
      200: answer('A page of requests.', waiterPage),
      ...problems(400, 401, 404, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/arenas/:arena/waiters', { schema }, async (request, reply) => {
    const { arena } = request.params;
    const { limit, cursor } = request.query;
    const space = await spaces.of(arena);
    if (space === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const after = cursor === undefined ? 0 : arrivalOf(keyOf(cursor, ['listWaiters', arena]));
    const views = await sequencer.read((engine) =>
      engine.headroom(arena) === undefined
        ? undefined
        : sequencer.room.list(arena, after, limit + 1),
    );
    if (views === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const page = views.slice(0, limit);
    const last = page.at(-1);
    const more = views.length > limit && last !== undefined;
    return reply.code(200).send({
      items: page.map((view) => waiterRepresentation(view, space)),
      ...(more && { nextCursor: cursorAt(String(last.arrival), ['listWaiters', arena]) }),
    });
  });
}

function arrivalOf(key: string): number {
  if (!/^[1-9][0-9]{0,15}$/.test(key)) throw invalidInput('/query/cursor', 'is not a cursor');
  return Number(key);
}

function waiterRepresentation(view: WaiterView, space: AddressSpace): Waiter {
  const { size, constraint, policy, labels, owner, at } = view.command;
  const { align, phase, nocross, min, max, address } = constraint;
  return {
    size: size.toString(),
    ...(align !== undefined && { align: align.toString() }),
    ...(phase !== undefined && { phase: phase.toString() }),
    ...(nocross !== undefined && { nocross: nocross.toString() }),
    ...(min !== undefined && { min: formatAddress(min, space) }),
    ...(max !== undefined && { max: formatAddress(max, space) }),
    ...(address !== undefined && { address: formatAddress(address, space) }),
    ...(policy !== undefined && { policy }),
    labels,
    ...(owner !== undefined && { owner }),
    since: new Date(at).toISOString(),
    remainingSeconds: view.remainingSeconds,
  };
}
