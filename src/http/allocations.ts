/** Routes of allocations: alloc, xalloc, get, update, free, resize. */
import type { FastifyReply } from 'fastify';
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { assert } from '../engine/assert.ts';
import type { Alloc, At, Draft, Labels } from '../engine/command.ts';
import type { Engine } from '../engine/engine.ts';
import type { Event } from '../engine/event.ts';
import { refuse, type Refusal } from '../engine/refusal.ts';
import type { AllocationView } from '../engine/view.ts';
import type { ArenaSpace } from './address-space.ts';
import {
  answer,
  createdHeaders,
  etagHeader,
  noQuery,
  omissibleBody,
  problems,
  stringifier,
  type App,
} from './contract.ts';
import { invalidInput } from './invalid-input.ts';
import type { Answer } from './mutation.ts';
import { formatAddress, parseAddress, parseSize, type AddressSpace } from './notation.ts';
import { placementPointers, readPlacement, readSize, type PlacementInput } from './placement.ts';
import { arenaNotFound, sendRefusal } from './problem.ts';
import { allocationPath, allocationRepresentation, etagOf } from './representation.ts';
import {
  allocationParams,
  arenaParams,
  conditionOf,
  ifMatchHeaders,
  inArena,
  type RouteDependencies,
} from './route.ts';
import {
  allocation,
  allocRequest,
  resizeRequest,
  undeleteRequest,
  updateAllocationRequest,
  xallocRequest,
} from './wire/allocation.ts';
import { integerInput } from './wire/field.ts';

const tags = ['Allocations'];
/** Where the requests about one allocation give its address. */
export const addressPointers = { '/address': '/path/address' };

export function allocationRoutes(app: App, dependencies: RouteDependencies): void {
  allocRoute(app, dependencies);
  xallocRoute(app, dependencies);
  getAllocationRoute(app, dependencies);
  updateAllocationRoute(app, dependencies);
  freeRoute(app, dependencies);
  resizeRoute(app, dependencies);
  undeleteRoute(app, dependencies);
}

/** Made anew for each route, because the document plugin keeps track of replies by identity. */
function allocResponse() {
  return {
    200: answer(
      'With validateOnly: the allocation as it would be. With an externalId: the one that has it.',
      allocation,
      etagHeader,
    ),
    201: answer('The allocation.', allocation, createdHeaders),
    ...problems(400, 401, 404, 409, 412, 413, 415, 422, 429, 500, 503),
  };
}

function allocRoute(app: App, dependencies: RouteDependencies): void {
  const schema = {
    operationId: 'alloc',
    tags,
    summary: 'Allocate anywhere in an arena',
    description: 'The policy, of the request or else of the arena, chooses the place.',
    params: arenaParams,
    querystring: noQuery,
    headers: ifMatchHeaders,
    body: allocRequest,
    response: allocResponse(),
  } satisfies FastifyZodOpenApiSchema;
  app.post('/v1/arenas/:arena/alloc', { schema }, (request, reply) =>
    inArena(request.params.arena, reply, dependencies, (space) =>
      allocate('alloc', request, reply, space, dependencies),
    ),
  );
}

function xallocRoute(app: App, dependencies: RouteDependencies): void {
  const schema = {
    operationId: 'xalloc',
    tags,
    summary: 'Allocate under a constraint',
    description: 'Like alloc, but the block has to lie where the constraint says.',
    params: arenaParams,
    querystring: noQuery,
    headers: ifMatchHeaders,
    body: xallocRequest,
    response: allocResponse(),
  } satisfies FastifyZodOpenApiSchema;
  app.post('/v1/arenas/:arena/xalloc', { schema }, (request, reply) =>
    inArena(request.params.arena, reply, dependencies, (space) =>
      allocate('xalloc', request, reply, space, dependencies),
    ),
  );
}

interface AllocInput {
  readonly params: { readonly arena: string };
  readonly body: z.output<typeof allocRequest> & PlacementInput;
  readonly headers: Parameters<typeof conditionOf>[0];
}

function allocate(
  type: Alloc['type'],
  { params: { arena }, body, headers }: AllocInput,
  reply: FastifyReply,
  space: ArenaSpace,
  { sequencer, mutate, secondsLeft }: RouteDependencies,
): Promise<void> {
  const command = {
    ...allocCommand(type, arena, body, space),
    at: Date.now(),
    ...conditionOf(headers),
  };
  if (body.waitSeconds !== undefined && command.ifRevision !== undefined) {
    throw invalidInput('/waitSeconds', 'must not be given with If-Match, which allows no change');
  }
  const fields = placementPointers(body);
  if (body.validateOnly === true) {
    return sequencer
      .read((engine) => previewOf(engine, command))
      .then((preview) => {
        if ('refused' in preview) sendRefusal(reply, preview, fields, secondsLeft);
        else {
          reply.header('ETag', etagOf(preview.tag));
          reply.code(200).send(allocationRepresentation(preview.view, space));
        }
      });
  }
  return mutate(reply, {
    command,
    read: (engine, event, revision) => {
      if (event.type === 'allocated' && event.lease === undefined) {
        return { status: 201, view: viewMade(event, revision) } as const;
      }
      assert(event.type === 'allocated' || event.type === 'allocationKept', 'there is a block');
      const status = event.type === 'allocated' ? 201 : 200;
      return { status, view: engine.allocation(arena, event.base) } as const;
    },
    answer: ({ status, view }) => allocationAnswer(status, view, space),
    fields,
    ...(body.waitSeconds !== undefined && { waitSeconds: body.waitSeconds }),
  });
}

const noLabels: Labels = Object.freeze({});

/**
 * The command of an alloc or xalloc, but for its time and condition.
 * @throws {InvalidInput} as readPlacement does, and where both a lease and a time for one are given.
 */
export function allocCommand(
  type: Alloc['type'],
  arena: string,
  input: Omit<AllocInput['body'], 'validateOnly'>,
  space: ArenaSpace,
): Alloc {
  const { size, constraint } = readPlacement(input, space);
  const { band, policy, owner, externalId, lease, ttlSeconds, reuse } = input;
  // A constrained alloc is an xalloc: it must not be served from a quantum cache's slab.
  const constrained = constraint.align !== undefined || band !== undefined;
  const { labels = noLabels } = input;
  const kind = constrained ? 'xalloc' : type;
  const command: Draft<Alloc> = { type: kind, arena, size, constraint, labels };
  if (band !== undefined) command.band = band;
  if (policy !== undefined) command.policy = policy;
  if (owner !== undefined) command.owner = owner;
  if (externalId !== undefined) command.externalId = externalId;
  if (reuse !== undefined) command.reuse = reuse;
  if (lease !== undefined) command.lease = lease;
  if (ttlSeconds === undefined) return command;
  if (lease !== undefined) {
    throw invalidInput('/ttlSeconds', 'must not be given together with lease, which has its own');
  }
  // A lease of its own, by a new id.
  command.lease = randomUUID();
  command.ttlSeconds = ttlSeconds;
  return command;
}

export function allocationAnswer(
  status: 200 | 201,
  view: AllocationView | undefined,
  space: AddressSpace,
): Answer {
  assert(view !== undefined, 'an allocation is there after it was made or changed');
  return {
    status,
    ...(status === 201 && { location: allocationPath(view, space) }),
    etag: etagOf(view.revision),
    body: allocationRepresentation(view, space),
  };
}

/** What the command would lead to. No revision made it, so that its own is 0. */
function previewOf(
  engine: Engine,
  command: At<Alloc>,
): { readonly view: AllocationView; readonly tag: number } | Refusal {
  const decision = engine.decide(command);
  if ('refused' in decision) return decision;
  const tag = engine.chainRevision(command.arena);
  assert(tag !== undefined, 'there is the arena');
  if (decision.type === 'allocationKept') {
    return { view: engine.allocation(command.arena, decision.base)!, tag };
  }
  assert(decision.type === 'allocated', 'an alloc leads to an allocation');
  const { lease } = decision;
  const view = viewMade(decision, 0);
  // Of one that would be made, nothing is promised.
  if (lease === undefined || command.ttlSeconds !== undefined) return { view, tag };
  return { view: { ...view, lease }, tag };
}

/** The allocation that an event has made, as the engine has it then, but for its lease. */
export function viewMade(
  event: Extract<Event, { type: 'allocated' }>,
  revision: number,
): AllocationView {
  const { arena, base: address, size, labels, owner, externalId, at: createdAt } = event;
  const view: Draft<AllocationView> = { arena, address, size, labels, createdAt, revision };
  if (owner !== undefined) view.owner = owner;
  if (externalId !== undefined) view.externalId = externalId;
  return view;
}

function getAllocationRoute(app: App, dependencies: RouteDependencies): void {
  const { sequencer } = dependencies;
  const schema = {
    operationId: 'getAllocation',
    tags,
    summary: 'Get an allocation',
    description: 'By its first address; whatis finds the one that holds an address.',
    params: allocationParams,
    querystring: noQuery,
    response: {
      200: answer('The allocation.', allocation, etagHeader),
      ...problems(400, 401, 404, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/arenas/:arena/allocations/:address', { schema }, ({ params }, reply) => {
    const { arena } = params;
    return inArena(arena, reply, dependencies, (space) => {
      const address = parseAddress(params.address, space, '/path/address');
      const show = (view: AllocationView | 'no arena' | undefined): void => {
        if (view === 'no arena') sendRefusal(reply, arenaNotFound(arena));
        else if (view === undefined) {
          const detail = `No allocation of ${arena} begins at ${formatAddress(address, space)}.`;
          sendRefusal(reply, refuse('allocation-not-found', detail));
        } else {
          const json = stringifier(allocation)(allocationRepresentation(view, space));
          reply.finish(200, ['etag', etagOf(view.revision)], json);
        }
      };
      const found = sequencer.readNow((engine) =>
        engine.addressing(arena) === undefined ? 'no arena' : engine.allocation(arena, address),
      );
      return found instanceof Promise ? found.then(show) : show(found);
    });
  });
}

function updateAllocationRoute(app: App, { mutate, spaces }: RouteDependencies): void {
  const schema = {
    operationId: 'updateAllocation',
    tags,
    summary: 'Change labels or owner of an allocation',
    description: 'Those that are given; the others stay. Labels are replaced as a whole.',
    params: allocationParams,
    querystring: noQuery,
    headers: ifMatchHeaders,
    body: updateAllocationRequest,
    response: {
      200: answer('The allocation, changed.', allocation, etagHeader),
      ...problems(400, 401, 404, 409, 412, 413, 415, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.patch('/v1/arenas/:arena/allocations/:address', { schema }, async (request, reply) => {
    const { arena } = request.params;
    if (Object.keys(request.body).length === 0) {
      throw invalidInput('', 'give at least one of labels, owner');
    }
    const space = await spaces.of(arena);
    if (space === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const address = parseAddress(request.params.address, space, '/path/address');
    const condition = conditionOf(request.headers);
    const changes = { ...request.body, ...condition };
    return mutate(reply, {
      command: { type: 'updateAllocation', at: Date.now(), arena, address, ...changes },
      read: (engine) => engine.allocation(arena, address),
      answer: (view) => allocationAnswer(200, view, space),
      fields: addressPointers,
    });
  });
}

function freeRoute(app: App, dependencies: RouteDependencies): void {
  const { mutate } = dependencies;
  const size = integerInput('Verified: rounded up to the quantum it must be the allocation’s.');
  const schema = {
    operationId: 'free',
    tags,
    summary: 'Free an allocation',
    description: 'The range can be given away again at once, or after it has rested.',
    params: allocationParams,
    querystring: z.strictObject({ size: size.exactOptional() }),
    headers: ifMatchHeaders,
    response: {
      204: { description: 'The range is free, or rests.' },
      ...problems(400, 401, 404, 409, 412, 413, 415, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  const fields = { ...addressPointers, '/size': '/query/size' };
  app.delete('/v1/arenas/:arena/allocations/:address', { schema }, (request, reply) => {
    const { arena } = request.params;
    return inArena(arena, reply, dependencies, (space) => {
      const address = parseAddress(request.params.address, space, '/path/address');
      const sizeText = request.query.size;
      return mutate(reply, {
        command: {
          type: 'free',
          at: Date.now(),
          arena,
          address,
          ...(sizeText !== undefined && { size: parseSize(sizeText, '/query/size') }),
          ...conditionOf(request.headers),
        },
        read: () => undefined,
        answer: () => ({ status: 204 }),
        fields,
      });
    });
  });
}

function resizeRoute(app: App, { mutate, spaces }: RouteDependencies): void {
  const schema = {
    operationId: 'resize',
    tags,
    summary: 'Resize an allocation in place',
    description: 'The base stays. Growing needs free addresses right after the allocation.',
    params: allocationParams,
    querystring: noQuery,
    headers: ifMatchHeaders,
    body: resizeRequest,
    response: {
      200: answer('The allocation, resized.', allocation, etagHeader),
      ...problems(400, 401, 404, 409, 412, 413, 415, 422, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.post('/v1/arenas/:arena/allocations/:address/resize', { schema }, async (request, reply) => {
    const { arena } = request.params;
    const space = await spaces.of(arena);
    if (space === undefined) return sendRefusal(reply, arenaNotFound(arena));
    const address = parseAddress(request.params.address, space, '/path/address');
    const size = readSize(request.body.size);
    const condition = conditionOf(request.headers);
    return mutate(reply, {
      command: { type: 'resize', at: Date.now(), arena, address, size, ...condition },
      read: (engine) => engine.allocation(arena, address),
      answer: (view) => allocationAnswer(200, view, space),
      fields: addressPointers,
    });
  });
}

function undeleteRoute(app: App, { mutate, spaces }: RouteDependencies): void {
  const schema = {
    operationId: 'undelete',
    tags,
    summary: 'Bring back an allocation that was freed',
    description:
      'As it was, as long as its range rests: its size, owner, labels and createdAt, with a new ' +
      'revision. If-Match means the revision that it had.',
    params: allocationParams,
    querystring: noQuery,
    headers: ifMatchHeaders,
    body: omissibleBody(undeleteRequest),
    response: {
      200: answer('The allocation, back again.', allocation, etagHeader),
      ...problems(400, 401, 404, 409, 412, 413, 415, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.post(
    '/v1/arenas/:arena/allocations/:address/undelete',
    { schema },
    async (request, reply) => {
      const { arena } = request.params;
      const space = await spaces.of(arena);
      if (space === undefined) return sendRefusal(reply, arenaNotFound(arena));
      const address = parseAddress(request.params.address, space, '/path/address');
      const condition = conditionOf(request.headers);
      return mutate(reply, {
        command: {
          type: 'undelete',
          at: Date.now(),
          arena,
          address,
          ...request.body,
          ...condition,
        },
        read: (engine) => engine.allocation(arena, address),
        answer: (view) => allocationAnswer(200, view, space),
        fields: addressPointers,
      });
    },
  );
}
