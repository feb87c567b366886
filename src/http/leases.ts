/** Routes of leases: create, list, get, renew, revoke. */
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { assert } from '../engine/assert.ts';
import type { Engine } from '../engine/engine.ts';
import { refuse } from '../engine/refusal.ts';
import type { LeaseView } from '../engine/view.ts';
import { limits } from '../limits.ts';
import {
  answer,
  createdHeaders,
  etagHeader,
  noQuery,
  omissibleBody,
  problems,
  type App,
} from './contract.ts';
import { cursorAt, keyOf } from './cursor.ts';
import { labelFilter, matchesLabels, readLabels, type LabelMatch } from './label-filter.ts';
import type { Answer } from './mutation.ts';
import { sendRefusal } from './problem.ts';
import { etagOf, leaseRepresentation } from './representation.ts';
import { conditionOf, ifMatchHeaders, pageQuery, type RouteDependencies } from './route.ts';
import { leaseId, owner } from './wire/field.ts';
import { createLeaseRequest, lease, leasePage, renewLeaseRequest } from './wire/lease.ts';

const tags = ['Leases'];
const leaseParams = z.object({ lease: leaseId });

export function leaseRoutes(app: App, dependencies: RouteDependencies): void {
  createLeaseRoute(app, dependencies);
  listLeasesRoute(app, dependencies);
  getLeaseRoute(app, dependencies);
  renewLeaseRoute(app, dependencies);
  revokeLeaseRoute(app, dependencies);
}

function createLeaseRoute(app: App, { mutate }: RouteDependencies): void {
  const schema = {
    operationId: 'createLease',
    tags,
    summary: 'Create a lease',
    description: 'It holds nothing yet: name it in alloc and xalloc, of any arenas.',
    querystring: noQuery,
    body: createLeaseRequest,
    response: {
      201: answer('The lease.', lease, createdHeaders),
      ...problems(400, 401, 413, 415, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.post('/v1/leases', { schema }, async (request, reply) => {
    const { labels = {}, ...terms } = request.body;
    const id = randomUUID();
    return mutate(reply, {
      command: { type: 'createLease', at: Date.now(), lease: id, ...terms, labels },
      read: (engine) => engine.lease(id),
      answer: (view) => ({ ...leaseAnswer(201, view), location: `/v1/leases/${id}` }),
    });
  });
}

function leaseAnswer(status: 200 | 201, view: LeaseView | undefined): Answer {
  assert(view !== undefined, 'a lease is there after it was created or renewed');
  return { status, etag: etagOf(view.revision), body: leaseRepresentation(view) };
}

const listQuery = z.strictObject({
  ...pageQuery,
  label: labelFilter,
  owner: owner.exactOptional().meta({ description: 'Only of this owner.' }),
});

interface Filter {
  readonly labels: readonly LabelMatch[];
  readonly owner: string | undefined;
}

interface Page {
  readonly views: readonly LeaseView[];
  /** The id after which the next page begins, if there is one. */
  readonly next?: string;
}

function listLeasesRoute(app: App, { sequencer }: RouteDependencies): void {
  const schema = {
    operationId: 'listLeases',
    tags,
    summary: 'List leases',
    description:
      'In the order of their ids, those that match all filters. A page looks at no more than ' +
      `${limits.pageScanMax} leases; it may be short, even empty, and still have a next one.`,
    querystring: listQuery,
    response: {
      200: answer('A page of leases.', leasePage),
      ...problems(400, 401, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/leases', { schema }, async (request, reply) => {
    const { limit, cursor, owner, label = [] } = request.query;
    const query = ['listLeases', owner, ...label];
    const after = cursor === undefined ? '' : keyOf(cursor, query);
    const filter = { owner, labels: readLabels(label) };
    const page = await sequencer.read((engine) => pageOf(engine, filter, after, limit));
    return reply.code(200).send({
      items: page.views.map(leaseRepresentation),
      ...(page.next !== undefined && { nextCursor: cursorAt(page.next, query) }),
    });
  });
}

function pageOf(engine: Engine, filter: Filter, after: string, limit: number): Page {
  const views: LeaseView[] = [];
  let looked = 0;
  let last = after;
  let next: string | undefined;
  engine.walkLeases(after, (view) => {
    if (views.length === limit || looked === limits.pageScanMax) {
      next = last;
      return false;
    }
    looked += 1;
    last = view.id;
    if (matches(view, filter)) views.push(view);
    return true;
  });
  return { views, ...(next !== undefined && { next }) };
}

function matches({ owner, labels }: LeaseView, filter: Filter): boolean {
  if (filter.owner !== undefined && owner !== filter.owner) return false;
  return matchesLabels(labels, filter.labels);
}

function getLeaseRoute(app: App, { sequencer }: RouteDependencies): void {
  const schema = {
    operationId: 'getLease',
    tags,
    summary: 'Get a lease',
    description: 'How long it has still, and how many allocations it holds.',
    params: leaseParams,
    querystring: noQuery,
    response: {
      200: answer('The lease.', lease, etagHeader),
      ...problems(400, 401, 404, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/leases/:lease', { schema }, async (request, reply) => {
    const id = request.params.lease;
    const view = await sequencer.read((engine) => engine.lease(id));
    if (view === undefined) {
      const detail = `There is no lease ${id}: it may have run out.`;
      return sendRefusal(reply, refuse('lease-not-found', detail));
    }
    reply.header('ETag', etagOf(view.revision));
    return reply.code(200).send(leaseRepresentation(view));
  });
}

function renewLeaseRoute(app: App, { mutate }: RouteDependencies): void {
  const schema = {
    operationId: 'renewLease',
    tags,
    summary: 'Renew a lease',
    description:
      'Its time begins anew. That costs no commit of the disk, unless `ttlSeconds` is another one ' +
      'than before, because after a restart every lease has its full time again.',
    params: leaseParams,
    querystring: noQuery,
    body: omissibleBody(renewLeaseRequest),
    response: {
      200: answer('The lease, renewed.', lease, etagHeader),
      ...problems(400, 401, 404, 413, 415, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.post('/v1/leases/:lease/renew', { schema }, async (request, reply) => {
    const id = request.params.lease;
    return mutate(reply, {
      command: { type: 'renewLease', at: Date.now(), lease: id, ...request.body },
      read: (engine) => engine.lease(id),
      answer: (view) => leaseAnswer(200, view),
    });
  });
}

function revokeLeaseRoute(app: App, { mutate }: RouteDependencies): void {
  const schema = {
    operationId: 'revokeLease',
    tags,
    summary: 'End a lease',
    description: 'All that it holds is freed, in all arenas at once.',
    params: leaseParams,
    querystring: noQuery,
    headers: ifMatchHeaders,
    response: {
      204: { description: 'The lease has ended, and what it held is free.' },
      ...problems(400, 401, 404, 412, 413, 415, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.delete('/v1/leases/:lease', { schema }, async (request, reply) => {
    const id = request.params.lease;
    const condition = conditionOf(request.headers);
    return mutate(reply, {
      command: { type: 'revokeLease', at: Date.now(), lease: id, ...condition },
      read: () => undefined,
      answer: () => ({ status: 204 }),
    });
  });
}
