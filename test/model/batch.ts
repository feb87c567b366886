/**
 * Batches in random sessions. What a batch must lead to is what its operations lead to one after
 * another, on an engine of their own that knows the state only from a snapshot; and deciding it must
 * leave the engine exactly as it was, down to the order in which free segments are filed.
 */
import { isDeepStrictEqual } from 'node:util';
import type {
  At,
  Batch,
  BatchCommand,
  Operation,
  Range,
  Reference,
} from '../../src/engine/command.ts';
import type { SingleCommand } from '../../src/engine/decide.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { changes, type Event } from '../../src/engine/event.ts';
import type { Refusal } from '../../src/engine/refusal.ts';
import { engineFrom, linesOf } from './checkpoint.ts';
import type { Model } from './model.ts';
import { nextCommand } from './orders.ts';
import type { Random } from './random.ts';

export type SingleOutcome = Exclude<Event, { type: 'batched' }> | Refusal;

const operationsMax = 8;
const repeatsMax = 6;
/** So few that one batch in some has no room for its last split. */
const piecesInAll = 16;
const batchable: readonly string[] = [
  'alloc',
  'xalloc',
  'free',
  'resize',
  'split',
  'merge',
  'updateAllocation',
  'renewLease',
  'undelete',
];

/** A few commands, each drawn for the state before all of them, so that some get in others' way. */
export function nextBatch(model: Model, random: Random, at: number, crowd: number): At<Batch> {
  const operations: Operation[] = [];
  const count = 1 + random.int(operationsMax);
  while (operations.length < count) {
    const command = nextCommand(model, random, at, crowd);
    if (!batchable.includes(command.type)) continue;
    const { at: _, ...single } = command;
    const place = operations.length;
    const operation = withReference(single as BatchCommand, place, operations, random);
    operations.push(withoutReuse(operation, operations));
    // What is the same several times in a row is decided together, as far as it can be.
    if ('ttlSeconds' in operation.command || !random.chance(0.2)) continue;
    const same = Array<Operation>(1 + random.int(repeatsMax)).fill(operations.at(-1)!);
    operations.push(...same);
  }
  return { type: 'batch', at, operations, piecesMax: piecesInAll };
}

/** Now and then an operation refers to one before it; rarely to one that is not. */
function withReference(
  command: BatchCommand,
  place: number,
  before: readonly Operation[],
  random: Random,
): Operation {
  const alone = place === 0 || command.type === 'renewLease' || !random.chance(0.35);
  if (alone) return { command, references: [] };
  const operation = random.chance(0.97) ? random.int(place) : place;
  const referred = before[operation]?.command;
  const { arena } = referred === undefined || !('arena' in referred) ? command : referred;
  const there = { ...command, arena };
  const listed = random.chance(0.5) ? listReference(there, operation, random) : undefined;
  if (listed !== undefined) return { command: there, references: [listed] };
  if (there.type !== 'alloc' && there.type !== 'xalloc') {
    return { command: there, references: [{ field: 'address', operation, value: 'address' }] };
  }
  if (there.type === 'alloc') {
    return { command: there, references: [{ field: 'size', operation, value: 'size' }] };
  }
  const field = random.pick<'min' | 'max'>(['min', 'max']);
  const value = random.pick<'address' | 'end'>(['address', 'end']);
  return { command: there, references: [{ field, operation, value }] };
}

/** Of a split or a merge: one that is not about the address. */
function listReference(
  command: BatchCommand,
  operation: number,
  random: Random,
): Reference | undefined {
  if (command.type === 'split') {
    if (typeof command.sizes === 'bigint') return { field: 'size', operation, value: 'size' };
    const item = random.int(command.sizes.length);
    return { field: 'sizes', item, operation, value: 'size' };
  }
  if (command.type !== 'merge') return undefined;
  if ('end' in command.others) return { field: 'end', operation, value: 'end' };
  return { field: 'with', item: random.int(command.others.length), operation, value: 'address' };
}

/**
 * What one batch frees rests in the order of addresses, because all of it has one revision: what an
 * operation behind takes of it is not what it would take one by one.
 */
function withoutReuse(operation: Operation, before: readonly Operation[]): Operation {
  const frees = before.some(({ command: { type } }) => type === 'free' || type === 'resize');
  if (!frees || !('reuse' in operation.command)) return operation;
  return { ...operation, command: { ...operation.command, reuse: false } };
}

/**
 * Lets the engine decide a batch and then do it; says what is wrong with what came of it. That the
 * state is the one that applying the event leads to, the session sees: another engine does that.
 */
export function judgeBatch(
  engine: Engine,
  model: Model,
  batch: At<Batch>,
): { complaint: string | undefined; outcome: Event | Refusal } {
  const before = linesOf(engine);
  const outcome = engine.decide(batch);
  if (!isDeepStrictEqual(linesOf(engine), before)) {
    return { complaint: 'deciding a batch changed the state', outcome };
  }
  const expected = oneByOne(engineFrom(before, engine.revision), batch);
  const { commands, events, refusal } = expected;
  if ('refused' in outcome || refusal !== undefined) {
    const same = isDeepStrictEqual(withoutRevision(outcome), withoutRevision(refusal));
    return { complaint: same ? undefined : `${show(outcome)}, must be ${show(refusal)}`, outcome };
  }
  if (outcome.type !== 'batched') return { complaint: `led to ${outcome.type}`, outcome };
  if (!isDeepStrictEqual(outcome.events, events)) {
    return { complaint: `${show(outcome.events)}, must be ${show(events)}`, outcome };
  }
  const revision = engine.revision + (changes(outcome) ? 1 : 0);
  const performed = engine.perform(batch, changes);
  if (!isDeepStrictEqual(performed, outcome)) {
    return { complaint: `done at once, led to ${show(performed)}`, outcome };
  }
  for (const [i, command] of commands.entries()) {
    const complaint = model.judge(command, events[i]!, revision);
    if (complaint !== undefined) return { complaint: `operation ${i}: ${complaint}`, outcome };
  }
  return { complaint: undefined, outcome };
}

type SingleEvent = Exclude<SingleOutcome, Refusal>;

function oneByOne(engine: Engine, { operations, piecesMax, at }: At<Batch>) {
  const commands: SingleCommand[] = [];
  const events: SingleEvent[] = [];
  const blocks: (Range | undefined)[] = [];
  let left = piecesMax;
  for (const [place, operation] of operations.entries()) {
    const command = filledIn(operation, blocks, at, left);
    if (command === undefined) return { commands, events, refusal: noReference(operation, place) };
    const outcome = engine.decide(command) as SingleOutcome;
    if ('refused' in outcome) {
      return { commands, events, refusal: { ...outcome, operation: place } };
    }
    if (changes(outcome)) engine.apply(outcome, engine.revision + 1);
    commands.push(command);
    events.push(outcome);
    if (outcome.type === 'allocationSplit') left -= outcome.pieces.length;
    if (outcome.type === 'allocationsMerged') left -= outcome.parts.length;
    blocks.push(blockOf(engine, outcome));
  }
  return { commands, events, refusal: undefined };
}

function filledIn(
  operation: Operation,
  blocks: readonly (Range | undefined)[],
  at: number,
  left: number,
) {
  const command = structuredClone(operation.command) as unknown as Record<string, any>;
  for (const { field, item, operation: place, value } of operation.references) {
    const block = blocks[place];
    if (block === undefined) return undefined;
    const given = { address: block.base, size: block.size, end: block.base + block.size - 1n }[
      value
    ];
    if (item !== undefined) command[field === 'sizes' ? 'sizes' : 'others'][item] = given;
    else if (command['type'] === 'split' && field === 'size') command['sizes'] = given;
    else if (field === 'end') command['others'] = { end: given };
    else if (field === 'size' || command['constraint'] === undefined) command[field] = given;
    else command['constraint'][field] = given;
  }
  for (const most of ['piecesMax', 'partsMax']) {
    if (most in command) command[most] = Math.min(command[most], left);
  }
  return { ...command, at } as unknown as SingleCommand;
}

function noReference({ references }: Operation, operation: number): Refusal {
  const [reference] = references as [Reference];
  const { field, item } = reference;
  return {
    refused: 'invalid-reference',
    detail: `refers to operation ${reference.operation}, which is not one before it with a block`,
    pointer: item === undefined ? `/${field}` : `/${field}/${item}`,
    operation,
  };
}

function blockOf(engine: Engine, event: SingleEvent): Range | undefined {
  if (event.type === 'leaseRenewed') return undefined;
  if ('base' in event && 'size' in event) return event;
  const { arena, address } = event as Extract<Event, { type: 'allocationUpdated' }>;
  return { base: address, size: engine.allocation(arena, address)!.size };
}

/** One by one, every operation has a revision of its own. */
function withoutRevision(outcome: Event | Refusal | undefined): unknown {
  if (outcome === undefined || !('refused' in outcome)) return outcome;
  if (outcome.exhaustion !== undefined) {
    const { nextRests: _, ...exhaustion } = outcome.exhaustion;
    return { ...outcome, exhaustion };
  }
  if (outcome.refused !== 'precondition-failed') return outcome;
  return { ...outcome, detail: outcome.detail.replace(/\d+$/, 'n') };
}

function show(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? `${item}` : item));
}
