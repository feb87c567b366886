/**
 * Routes of many allocations at once: those of an arena, listed and freed, and those of all arenas.
 * A page of a filtered list looks at a bounded number of allocations, so that a rare label in a large
 * arena holds up nobody else; a page may then be short, even empty, and still have a next one.
 */
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { z } from 'zod';
import { assert } from '../engine/assert.ts';
import type { Engine } from '../engine/engine.ts';
import type { AllocationView } from '../engine/view.ts';
import { limits } from '../limits.ts';
import {
  concerns,
  filterFields,
  filterIdentity,
  readFilter,
  readWideFilter,
  searchFor,
  type WideFilter,
} from './allocation-filter.ts';
import { answer, noQuery, problems, type App } from './contract.ts';
import { addressOf, cursorAt, placeOf } from './cursor.ts';
import type { AddressSpace } from './notation.ts';
import { arenaNotFound, sendRefusal } from './problem.ts';
import { allocationRepresentation } from './representation.ts';
import {
  arenaParams,
  conditionOf,
  ifMatchHeaders,
  pageQuery,
  type RouteDependencies,
} from './route.ts';
import { allocationPage, foundPage, freedReport } from './wire/allocation.ts';
import { arenaPrefix } from './wire/field.ts';

const tags = ['Allocations'];

export function allocationListRoutes(app: App, dependencies: RouteDependencies): void {
  listAllocationsRoute(app, dependencies);
  searchAllocationsRoute(app, dependencies);
  freeAllRoute(app, dependencies);
}

const listQuery = z.strictObject({ ...pageQuery, ...filterFields });

const boundedPages =
  `A page looks at no more than ${limits.pageScanMax} allocations; it may be short, even empty, ` +
  'and still have a next one.';

function listAllocationsRoute(app: App, { sequencer, spaces }: RouteDependencies): void {
  const schema = {
    operationId: 'listAllocations',
    tags,
    summary: 'List allocations of an arena',
    description: `In the order of their addresses, those that match all filters. ${boundedPages}`,
    params: arenaParams,
    querystring: listQuery,
    response: {
      200: answer('A page of allocations.', allocationPage),
      ...problems(400, 401, 404, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/arenas/:arena/allocations', { schema }, async (request, reply) => {
    const { arena } = request.params;
    const { limit, cursor } = request.query;
    const space = await spaces.of(arena);
    if (space === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const filter = readFilter(request.query, space);
    const query = ['listAllocations', arena, ...filterIdentity(request.query)];
    const resume = cursor === undefined ? 0n : addressOf(cursor, query, space);
    const wanted = { ...searchFor(filter, resume), limit, most: limits.pageScanMax };
    const page = await sequencer.read((engine) => {
      if (engine.addressing(arena) === undefined) return undefined;
      if (filter.lease === undefined) return engine.search(arena, wanted);
      return engine.search(arena, { ...wanted, among: engine.held(filter.lease).get(arena) ?? [] });
    });
    if (page === undefined) return sendRefusal(reply, arenaNotFound(arena));
    return reply.code(200).send({
      items: page.views.map((view) => allocationRepresentation(view, space)),
      ...(page.next !== undefined && { nextCursor: cursorAt(page.next.toString(), query) }),
    });
  });
}

const searchQuery = z.strictObject({
  ...pageQuery,
  arenaPrefix: arenaPrefix.exactOptional(),
  ...filterFields,
});

function searchAllocationsRoute(app: App, { sequencer }: RouteDependencies): void {
  const schema = {
    operationId: 'searchAllocations',
    tags,
    summary: 'Search the allocations of all arenas',
    description:
      'In the order of the names of their arenas and of their addresses, those that match all ' +
      'filters. An IPv4 or IPv6 address looks at arenas of that notation, an integer at those ' +
      `whose width can hold it. ${boundedPages}`,
    querystring: searchQuery,
    response: {
      200: answer('A page of allocations.', foundPage),
      ...problems(400, 401, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/allocations', { schema }, async (request, reply) => {
    const { arenaPrefix: prefix = '', limit, cursor } = request.query;
    const filter = readWideFilter(request.query);
    const query = ['searchAllocations', prefix, ...filterIdentity(request.query)];
    const start = cursor === undefined ? { arena: prefix, address: 0n } : placeOf(cursor, query);
    const page = await sequencer.read((engine) =>
      pageOfArenas(engine, { filter, prefix, limit, most: limits.pageScanMax }, start),
    );
    const { items, next } = page;
    return reply.code(200).send({
      items: items.map(({ view, space }) => allocationRepresentation(view, space)),
      ...(next && { nextCursor: cursorAt(`${next.arena}/${next.address}`, query) }),
    });
  });
}

interface Place {
  readonly arena: string;
  readonly address: bigint;
}

interface WideSearch {
  readonly filter: WideFilter;
  readonly prefix: string;
  readonly limit: number;
  /** Most arenas and allocations that are looked at. */
  readonly most: number;
}

interface FoundPage {
  readonly items: { readonly view: AllocationView; readonly space: AddressSpace }[];
  readonly next?: Place;
}

/** Arena after arena, from a place on, until the page is full or has looked at enough. */
export function pageOfArenas(
  engine: Engine,
  { filter, prefix, limit, ...search }: WideSearch,
  start: Place,
): FoundPage {
  const items: FoundPage['items'] = [];
  let { most } = search;
  // A lease names the arenas that it has something of.
  const held = filter.lease === undefined ? undefined : engine.held(filter.lease);
  const later = held && [...held.keys()].filter((arena) => arena >= start.arena).toSorted();
  for (const arena of later ?? engine.names(start.arena)) {
    if (!arena.startsWith(prefix)) break;
    if (most <= 0) return { items, next: { arena, address: 0n } };
    // An arena costs a look by itself, so that many empty ones hold up nobody either.
    most -= 1;
    const space = engine.addressing(arena);
    if (space === undefined || !concerns(filter, space)) continue;
    const resume = arena === start.arena ? start.address : 0n;
    const bounds = searchFor(filter, resume);
    const among = held?.get(arena);
    const wanted = { ...bounds, ...(among !== undefined && { among }) };
    const found = engine.search(arena, { ...wanted, limit: limit - items.length, most });
    for (const view of found.views) items.push({ view, space });
    if (found.next !== undefined) return { items, next: { arena, address: found.next } };
    most -= found.looked;
  }
  return { items };
}

function freeAllRoute(app: App, { mutate }: RouteDependencies): void {
  const schema = {
    operationId: 'freeAll',
    tags,
    summary: 'Free all allocations of an arena',
    description: 'What arenas that import from this one hold stays: it is theirs.',
    params: arenaParams,
    querystring: noQuery,
    headers: ifMatchHeaders,
    response: {
      200: answer('How many were freed.', freedReport),
      ...problems(400, 401, 404, 409, 412, 413, 415, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.delete('/v1/arenas/:arena/allocations', { schema }, async (request, reply) => {
    const { arena } = request.params;
    return mutate(reply, {
      command: { type: 'freeAll', at: Date.now(), arena, ...conditionOf(request.headers) },
      read: (_engine, event) => (event.type === 'allFreed' ? event.count : undefined),
      answer: (freed, revision) => {
        assert(freed !== undefined, 'freeAll happens as allFreed');
        return { status: 200, body: { freed, revision } };
      },
    });
  });
}
