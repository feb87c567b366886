/**
 * Routes of all allocations of an arena at once: list and freeAll. A page of a filtered list looks
 * at a bounded number of allocations, so that a rare label in a large arena holds up nobody else; a
 * page may then be short, even empty, and still have a next one.
 */
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { z } from 'zod';
import { assert } from '../engine/assert.ts';
import type { Engine } from '../engine/engine.ts';
import type { AllocationView } from '../engine/view.ts';
import { limits } from '../limits.ts';
import { answer, noQuery, problems, type App } from './contract.ts';
import { addressOf, cursorAt } from './cursor.ts';
import { parseAddress, type AddressSpace } from './notation.ts';
import { arenaNotFound, sendRefusal } from './problem.ts';
import { allocationRepresentation } from './representation.ts';
import {
  arenaParams,
  conditionOf,
  ifMatchHeaders,
  pageQuery,
  type RouteDependencies,
} from './route.ts';
import { allocationPage, freedReport } from './wire/allocation.ts';
import { addressInput, labelKeyPattern, owner } from './wire/field.ts';

const tags = ['Allocations'];

export function allocationListRoutes(app: App, dependencies: RouteDependencies): void {
  listAllocationsRoute(app, dependencies);
  freeAllRoute(app, dependencies);
}

const listQuery = z.strictObject({
  ...pageQuery,
  label: z
    .array(
      z
        .string()
        .refine((text) => labelKeyPattern.test(labelOf(text)[0]), 'must be "key" or "key=value"'),
      { error: 'must be "key" or "key=value", once or several times' },
    )
    .max(limits.labelFiltersMax, `must be given at most ${limits.labelFiltersMax} times`)
    .exactOptional()
    .meta({
      description:
        'Only with this label: `key`, or `key=value`. Given several times, all must hold.',
    }),
  owner: owner.exactOptional().meta({ description: 'Only of this owner.' }),
  from: addressInput('Only those that begin at this address or above.').exactOptional(),
  to: addressInput('Only those that begin at this address or below.').exactOptional(),
  contains: addressInput('Only the one that holds this address.').exactOptional(),
});

type ListQuery = z.output<typeof listQuery>;

interface Filter {
  readonly labels: readonly (readonly [string, string | undefined])[];
  readonly owner: string | undefined;
  readonly from: bigint;
  readonly to: bigint | undefined;
  readonly contains: bigint | undefined;
}

interface Page {
  readonly views: readonly AllocationView[];
  /** Where the next page begins, if there is one. */
  readonly next?: bigint;
}

function listAllocationsRoute(app: App, { sequencer, spaces }: RouteDependencies): void {
  const schema = {
    operationId: 'listAllocations',
    tags,
    summary: 'List allocations of an arena',
    description:
      'In the order of their addresses, those that match all filters. A page looks at no more ' +
      `than ${limits.pageScanMax} allocations; it may be short, even empty, and still have a ` +
      'next one.',
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
    const query = identityOf(arena, request.query);
    const resume = cursor === undefined ? 0n : addressOf(cursor, query, space);
    const start = resume > filter.from ? resume : filter.from;
    const page = await sequencer.read((engine) =>
      engine.arena(arena) === undefined ? undefined : pageOf(engine, arena, filter, start, limit),
    );
    if (page === undefined) return sendRefusal(reply, arenaNotFound(arena));
    return reply.code(200).send({
      items: page.views.map((view) => allocationRepresentation(view, space)),
      ...(page.next !== undefined && { nextCursor: cursorAt(page.next.toString(), query) }),
    });
  });
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

function readFilter(query: ListQuery, space: AddressSpace): Filter {
  const { from, to, contains } = query;
  return {
    labels: (query.label ?? []).map(labelOf),
    owner: query.owner,
    from: from === undefined ? 0n : parseAddress(from, space, '/query/from'),
    to: to === undefined ? undefined : parseAddress(to, space, '/query/to'),
    contains: contains === undefined ? undefined : parseAddress(contains, space, '/query/contains'),
  };
}

/** Splits "key=value" at the first "="; a key alone has no value. */
function labelOf(text: string): [key: string, value: string | undefined] {
  const at = text.indexOf('=');
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function identityOf(arena: string, query: ListQuery): (string | undefined)[] {
  const { owner, from, to, contains, label = [] } = query;
  return ['listAllocations', arena, owner, from, to, contains, ...label];
}

function pageOf(engine: Engine, arena: string, filter: Filter, start: bigint, limit: number): Page {
  if (filter.contains !== undefined) return holderOf(engine, arena, filter, filter.contains, start);
  const views: AllocationView[] = [];
  let looked = 0;
  let next: bigint | undefined;
  engine.walkAllocations(arena, start, (view) => {
    if (filter.to !== undefined && view.address > filter.to) return false;
    if (views.length === limit || looked === limits.pageScanMax) {
      next = view.address;
      return false;
    }
    looked += 1;
    if (matches(view, filter)) views.push(view);
    return true;
  });
  return { views, ...(next !== undefined && { next }) };
}

/** At most one allocation holds an address, and the arena knows which without a walk. */
function holderOf(
  engine: Engine,
  arena: string,
  filter: Filter,
  address: bigint,
  start: bigint,
): Page {
  const segment = engine.whatis(arena, address)?.path[0];
  if (segment === undefined || segment.state !== 'busy') return { views: [] };
  const view = engine.allocation(arena, segment.address);
  if (view === undefined || view.address < start) return { views: [] };
  if (filter.to !== undefined && view.address > filter.to) return { views: [] };
  return { views: matches(view, filter) ? [view] : [] };
}

function matches(view: AllocationView, filter: Filter): boolean {
  if (filter.owner !== undefined && view.owner !== filter.owner) return false;
  return filter.labels.every(
    ([key, value]) =>
      Object.hasOwn(view.labels, key) && (value === undefined || view.labels[key] === value),
  );
}
