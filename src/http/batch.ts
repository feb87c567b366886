/** The route of batches: several operations on allocations, in several arenas, all or nothing. */
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { z } from 'zod';
import { assert } from '../engine/assert.ts';
import {
  referenceFields,
  referenceLists,
  type BatchCommand,
  type Operation,
  type Reference,
} from '../engine/command.ts';
import { limits } from '../limits.ts';
import type { ArenaSpace } from './address-space.ts';
import { allocCommand } from './allocations.ts';
import { batchReportJson, statesAfter, tell } from './batch-report.ts';
import { answer, noQuery, problems, type App } from './contract.ts';
import { InvalidInput, invalidInput } from './invalid-input.ts';
import { parseAddress } from './notation.ts';
import { placementPointers, readSize } from './placement.ts';
import { arenaNotFound, sendRefusal } from './problem.ts';
import type { RouteDependencies } from './route.ts';
import { readOthers, readSizes } from './split.ts';
import {
  batchReport,
  batchRequest,
  operationRequest,
  referencePattern,
  type OperationName,
} from './wire/batch.ts';
import {
  allocRequest,
  mergeRequest,
  splitRequest,
  undeleteRequest,
  updateAllocationRequest,
  xallocRequest,
} from './wire/allocation.ts';

type Input = z.output<typeof operationRequest>;

const common = ['op', 'arena', 'ifRevision'];
/** The fields that each operation takes. */
const fieldsOf: Readonly<Record<OperationName, ReadonlySet<string>>> = {
  alloc: new Set([...common, ...Object.keys(allocRequest.shape)]),
  xalloc: new Set([...common, ...Object.keys(xallocRequest.shape)]),
  free: new Set([...common, 'address', 'size']),
  resize: new Set([...common, 'address', 'size']),
  split: new Set([...common, 'address', ...Object.keys(splitRequest.shape)]),
  merge: new Set([...common, 'address', ...Object.keys(mergeRequest.shape)]),
  update: new Set([...common, 'address', ...Object.keys(updateAllocationRequest.shape)]),
  undelete: new Set([...common, 'address', ...Object.keys(undeleteRequest.shape)]),
  renew: new Set(['op', 'lease', 'ttlSeconds']),
};

export function batchRoute(app: App, { mutate, spaces }: RouteDependencies): void {
  const schema = {
    operationId: 'batch',
    tags: ['Allocations'],
    summary: 'Several operations, all or nothing',
    description:
      'Each operation sees what those before it did, and may refer to it. They are one change, of ' +
      'one revision. If one is refused, none is done, and `operation` says which it was.',
    querystring: noQuery,
    body: batchRequest,
    response: {
      200: answer('What each operation led to.', batchReport),
      ...problems(400, 401, 404, 409, 412, 413, 415, 422, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  const bodyLimit = limits.batchBytesMax;
  app.post('/v1/batch', { schema, bodyLimit }, async (request, reply) => {
    const { operations: inputs } = request.body;
    const known = new Map<string, ArenaSpace>();
    for (let place = 0; place < inputs.length; place++) {
      const { arena } = inputs[place]!;
      if (arena === undefined || known.has(arena)) continue;
      const space = await spaces.of(arena);
      if (space === undefined) {
        return sendRefusal(reply, { ...arenaNotFound(arena), operation: place });
      }
      known.set(arena, space);
    }
    const fields: Record<string, string> = {};
    let last: { readonly input: Input; readonly operation: Operation } | undefined;
    const operations = inputs.map((input, place) => {
      if (input.prefixLength !== undefined) collectPointers(fields, place, input);
      if (last !== undefined && isRepeated(input, last.input)) return last.operation;
      const operation = operationAt(place, input, known);
      last = { input, operation };
      return operation;
    });
    return mutate(reply, {
      command: { type: 'batch', at: Date.now(), operations, piecesMax: limits.batchPiecesMax },
      read: (engine, event) => {
        assert(event.type === 'batched', 'a batch leads to one event');
        return tell(statesAfter(engine, event.events), inputs);
      },
      answer: (told, revision) => ({
        status: 200,
        json: batchReportJson({ revision, told, spaces: known }),
      }),
      fields,
    });
  });
}

/** Whether an operation is the one before it once more; a lease of its own is another each time. */
function isRepeated(input: Input, before: Input): boolean {
  if (input.ttlSeconds !== undefined) return false;
  if (input === before) return true;
  let fields = 0;
  for (const field in input) {
    if (input[field as keyof Input] !== before[field as keyof Input]) return false;
    fields++;
  }
  return Object.keys(before).length === fields;
}

function collectPointers(all: Record<string, string>, place: number, input: Input): void {
  const at = pointerTo(place);
  for (const [from, to] of Object.entries(placementPointers(input))) all[at + from] = at + to;
}

function pointerTo(place: number): string {
  return `/operations/${place}`;
}

/** Errors of one operation point to where it stands in the batch. */
function operationAt(
  place: number,
  input: Input,
  spaces: ReadonlyMap<string, ArenaSpace>,
): Operation {
  try {
    return readOperation(input, spaces);
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    const at = pointerTo(place);
    throw new InvalidInput(
      error.errors.map(({ pointer, detail }) => ({ pointer: at + pointer, detail })),
    );
  }
}

const none: readonly never[] = [];

/** @throws {InvalidInput} also where a field is not one of the operation. */
function readOperation(input: Input, spaces: ReadonlyMap<string, ArenaSpace>): Operation {
  const known = fieldsOf[input.op];
  for (const field in input) {
    if (known.has(field)) continue;
    const detail = `is not a field of ${input.op}; known are ${[...known].join(', ')}`;
    throw invalidInput(`/${field}`, detail);
  }
  if (input.op === 'renew') return { command: renewalOf(input), references: none };
  const { arena } = input;
  if (arena === undefined) throw invalidInput('/arena', 'is missing');
  const space = spaces.get(arena)!;
  if (!hasReference(input)) return { command: commandOf(input, arena, space), references: none };
  const references: Reference[] = [];
  const given = { ...input };
  for (const field of referenceFields) {
    const reference = readReference(input[field], field);
    if (reference === undefined) continue;
    references.push(reference);
    given[field] = placeholderOf(field);
  }
  for (const field of referenceLists) {
    const texts = input[field];
    if (texts === undefined) continue;
    given[field] = texts.map((text, item) => {
      const reference = readReference(text, field, item);
      if (reference === undefined) return text;
      references.push(reference);
      return placeholderOf(field);
    });
  }
  const command = commandOf(given, arena, space);
  if (!('constraint' in command)) return { command, references };
  return { command: withoutPlaceholders(command, references), references };
}

function hasReference(input: Input): boolean {
  return (
    referenceFields.some((field) => input[field]?.startsWith('#') === true) ||
    referenceLists.some((field) => input[field]?.some((text) => text.startsWith('#')) === true)
  );
}

/** Something valid in place of a reference, which the engine overwrites. */
function placeholderOf(field: Reference['field']): string {
  return field === 'size' || field === 'sizes' ? '1' : '0';
}

function readReference(
  text: string | undefined,
  field: Reference['field'],
  item?: number,
): Reference | undefined {
  if (text?.startsWith('#') !== true) return undefined;
  const match = referencePattern.exec(text);
  if (match === null) {
    const pointer = item === undefined ? `/${field}` : `/${field}/${item}`;
    throw invalidInput(pointer, 'must be a reference like #0.address');
  }
  const operation = Number(match[1]);
  const value = match[2] as Reference['value'];
  return { field, operation, value, ...(item !== undefined && { item }) };
}

type Placed = Extract<BatchCommand, { constraint: unknown }>;

function withoutPlaceholders(command: Placed, references: readonly Reference[]): Placed {
  const constraint: Record<string, bigint> = { ...command.constraint };
  for (const { field } of references) delete constraint[field];
  return { ...command, constraint };
}

function renewalOf({ lease, ttlSeconds }: Input): BatchCommand {
  if (lease === undefined) throw invalidInput('/lease', 'is missing');
  return { type: 'renewLease', lease, ...(ttlSeconds !== undefined && { ttlSeconds }) };
}

function commandOf(input: Input, arena: string, space: ArenaSpace): BatchCommand {
  const { op } = input;
  const condition = input.ifRevision === undefined ? {} : { ifRevision: input.ifRevision };
  if (op === 'alloc' || op === 'xalloc') {
    const command = allocCommand(op, arena, input, space);
    return input.ifRevision === undefined ? command : { ...command, ...condition };
  }
  if (input.address === undefined) throw invalidInput('/address', 'is missing');
  const address = parseAddress(input.address, space, '/address');
  if (op === 'update') {
    const { labels, owner } = input;
    if (labels === undefined && owner === undefined) {
      throw invalidInput('', 'give at least one of labels, owner');
    }
    const changes = { ...(labels && { labels }), ...(owner !== undefined && { owner }) };
    return { type: 'updateAllocation', arena, address, ...changes, ...condition };
  }
  if (op === 'undelete') {
    const owner = input.owner === undefined ? {} : { owner: input.owner };
    return { type: 'undelete', arena, address, ...owner, ...condition };
  }
  if (op === 'split') {
    const { splitPiecesMax: piecesMax } = limits;
    return { type: 'split', arena, address, sizes: readSizes(input), piecesMax, ...condition };
  }
  if (op === 'merge') {
    const { mergePartsMax: partsMax } = limits;
    const others = readOthers(input, space);
    const more = { ...(input.labels !== undefined && { labels: input.labels }), ...condition };
    return { type: 'merge', arena, address, others, partsMax, ...more };
  }
  const size = input.size === undefined ? undefined : readSize(input.size);
  if (op === 'free') {
    return { type: 'free', arena, address, ...(size !== undefined && { size }), ...condition };
  }
  if (size === undefined) throw invalidInput('/size', 'is missing');
  return { type: 'resize', arena, address, size, ...condition };
}
