/** Routes that make one allocation several, and several one: split, merge. */
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import type { z } from 'zod';
import { assert } from '../engine/assert.ts';
import type { Merge, Split } from '../engine/command.ts';
import type { Engine } from '../engine/engine.ts';
import type { AllocationView } from '../engine/view.ts';
import { limits } from '../limits.ts';
import { addressPointers, allocationAnswer } from './allocations.ts';
import { answer, etagHeader, noQuery, problems, type App } from './contract.ts';
import { invalidInput } from './invalid-input.ts';
import { parseAddress, parseSize, type AddressSpace } from './notation.ts';
import { arenaNotFound, sendRefusal } from './problem.ts';
import { allocationRepresentation } from './representation.ts';
import { allocationParams, conditionOf, ifMatchHeaders, type RouteDependencies } from './route.ts';
import { allocation, mergeRequest, splitReport, splitRequest } from './wire/allocation.ts';

const tags = ['Allocations'];

/** What a split, or a merge, is asked for; also within a batch. */
type SplitInput = z.output<typeof splitRequest>;
type MergeInput = Pick<z.output<typeof mergeRequest>, 'with' | 'end'>;

export function splitRoutes(app: App, dependencies: RouteDependencies): void {
  splitRoute(app, dependencies);
  mergeRoute(app, dependencies);
}

function splitRoute(app: App, { mutate, spaces }: RouteDependencies): void {
  const schema = {
    operationId: 'split',
    tags,
    summary: 'Split an allocation',
    description:
      'It becomes several, side by side, each with its owner, labels and time of creation. No ' +
      'address is free in between.',
    params: allocationParams,
    querystring: noQuery,
    headers: ifMatchHeaders,
    body: splitRequest,
    response: {
      200: answer('The pieces.', splitReport),
      ...problems(400, 401, 404, 409, 412, 413, 415, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.post('/v1/arenas/:arena/allocations/:address/split', { schema }, async (request, reply) => {
    const { arena } = request.params;
    const space = await spaces.of(arena);
    if (space === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const address = parseAddress(request.params.address, space, '/path/address');
    const sizes = readSizes(request.body);
    const { splitPiecesMax: piecesMax } = limits;
    const condition = conditionOf(request.headers);
    return mutate(reply, {
      command: { type: 'split', at: Date.now(), arena, address, sizes, piecesMax, ...condition },
      read: (engine, event) =>
        event.type === 'allocationSplit' ? piecesOf(engine, arena, event.pieces) : undefined,
      answer: (views, revision) => {
        assert(views !== undefined, 'an allocation is split into pieces');
        const items = views.map((view) => allocationRepresentation(view, space));
        return { status: 200, body: { items, revision } };
      },
      fields: addressPointers,
    });
  });
}

function piecesOf(
  engine: Engine,
  arena: string,
  pieces: readonly { readonly base: bigint }[],
): AllocationView[] {
  return pieces.map(({ base }) => {
    const view = engine.allocation(arena, base);
    assert(view !== undefined, 'a piece is an allocation');
    return view;
  });
}

/** @throws {InvalidInput} */
export function readSizes({ sizes, size }: SplitInput): Split['sizes'] {
  if ((sizes === undefined) === (size === undefined)) {
    throw invalidInput('', 'give exactly one of sizes and size');
  }
  if (sizes === undefined) return parseSize(size ?? '', '/size');
  return sizes.map((text, index) => parseSize(text, `/sizes/${index}`));
}

function mergeRoute(app: App, { mutate, spaces }: RouteDependencies): void {
  const schema = {
    operationId: 'merge',
    tags,
    summary: 'Merge allocations',
    description:
      'Allocations side by side, of one owner and of one span (or adjacent static ones), become one. ' +
      'It has the address, owner and time of creation of the lowest, which `If-Match` is about.',
    params: allocationParams,
    querystring: noQuery,
    headers: ifMatchHeaders,
    body: mergeRequest,
    response: {
      200: answer('The allocation that they are now.', allocation, etagHeader),
      ...problems(400, 401, 404, 409, 412, 413, 415, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.post('/v1/arenas/:arena/allocations/:address/merge', { schema }, async (request, reply) => {
    const { arena } = request.params;
    const space = await spaces.of(arena);
    if (space === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const address = parseAddress(request.params.address, space, '/path/address');
    const { labels } = request.body;
    const more = { ...(labels !== undefined && { labels }), ...conditionOf(request.headers) };
    const others = readOthers(request.body, space);
    const { mergePartsMax: partsMax } = limits;
    return mutate(reply, {
      command: { type: 'merge', at: Date.now(), arena, address, others, partsMax, ...more },
      read: (engine) => engine.allocation(arena, address),
      answer: (view) => allocationAnswer(200, view, space),
      fields: addressPointers,
    });
  });
}

/** @throws {InvalidInput} */
export function readOthers(
  { with: others, end }: MergeInput,
  space: AddressSpace,
): Merge['others'] {
  if ((others === undefined) === (end === undefined)) {
    throw invalidInput('', 'give exactly one of with and end');
  }
  if (others === undefined) return { end: parseAddress(end ?? '', space, '/end') };
  return others.map((text, index) => parseAddress(text, space, `/with/${index}`));
}
