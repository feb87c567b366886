/**
 * Batches: several commands, all or nothing. Each is decided on the state that those before it lead
 * to, which is made by applying them; afterwards all of it is taken back, so that deciding a batch
 * changes nothing, and the event that comes of it is applied like any other. Whoever would apply it at
 * once may have it kept instead.
 */
import { apply } from './apply.ts';
import { assert } from './assert.ts';
import type { At, Batch, BatchCommand, Operation, Range } from './command.ts';
import type { Reference, ReferenceField } from './command.ts';
import { decide } from './decide.ts';
import type { BatchEvent, Event } from './event.ts';
import { moreOf } from './more.ts';
import { refuse } from './refusal.ts';
import type { Refusal } from './refusal.ts';
import type { State } from './state.ts';

export function decideBatch(
  state: State,
  { operations, piecesMax, at }: At<Batch>,
  keeps: (event: Event) => boolean = () => false,
): Event | Refusal {
  assert(operations.length > 0, 'a batch has an operation');
  const trial = (): Event | Refusal => {
    const events: BatchEvent[] = [];
    const blocks: (Range | undefined)[] = [];
    let piecesLeft = piecesMax;
    let last: BatchCommand | undefined;
    let timed: At<BatchCommand> | undefined;
    for (let place = 0; place < operations.length; place++) {
      const command = filledIn(operations[place]!, blocks);
      if ('refused' in command) return { ...command, operation: place };
      const asked = bounded(command, piecesLeft);
      // Operations that are the same share a command.
      if (timed === undefined || asked !== last) timed = { ...asked, at };
      last = asked;
      const outcome = decide(state, timed);
      if ('refused' in outcome) return { ...outcome, operation: place };
      apply(state, outcome, state.revision + 1);
      // The compiler can't follow which commands lead to which events.
      const event = outcome as BatchEvent;
      events.push(event);
      piecesLeft -= piecesIn(event);
      blocks.push(blockOf(state, event));
      if (operations[place + 1] !== operations[place]) continue;
      for (const grant of moreOf(state, timed, outcome, () => runFrom(operations, place + 1))) {
        events.push(grant);
        blocks.push(grant);
        place++;
      }
    }
    return { type: 'batched', at, events };
  };
  return state.undo.after(trial, (outcome) => !('refused' in outcome) && keeps(outcome));
}

/** How many operations from a place on are the same. */
function runFrom(operations: readonly Operation[], place: number): number {
  let end = place + 1;
  while (end < operations.length && operations[end] === operations[place]) end++;
  return end - place;
}

/** The command, to lead to no more pieces than the batch has left. */
function bounded(command: BatchCommand, left: number): BatchCommand {
  if (command.type === 'split' && command.piecesMax > left) return { ...command, piecesMax: left };
  if (command.type === 'merge' && command.partsMax > left) return { ...command, partsMax: left };
  return command;
}

function piecesIn(event: BatchEvent): number {
  if (event.type === 'allocationSplit') return event.pieces.length;
  return event.type === 'allocationsMerged' ? event.parts.length : 0;
}

/** The command with what it refers to filled in; `blocks` are those of the operations before it. */
function filledIn(
  { command, references }: Operation,
  blocks: readonly (Range | undefined)[],
): BatchCommand | Refusal {
  let filled = command;
  let items: bigint[] | undefined;
  for (const { field, item, operation, value } of references) {
    const block = blocks[operation];
    if (block === undefined) {
      const detail = `refers to operation ${operation}, which is not one before it with a block`;
      const pointer = item === undefined ? `/${field}` : `/${field}/${item}`;
      return refuse('invalid-reference', detail, { pointer });
    }
    if (item === undefined) filled = withField(filled, field, valueOf(block, value));
    else {
      items ??= itemsOf(command);
      items[item] = valueOf(block, value);
    }
  }
  return items === undefined ? filled : withItems(filled, items);
}

function withField(command: BatchCommand, field: ReferenceField, value: bigint): BatchCommand {
  if ('constraint' in command && field !== 'size') {
    return { ...command, constraint: { ...command.constraint, [field]: value } };
  }
  if (command.type === 'split' && field === 'size') return { ...command, sizes: value };
  if (command.type === 'merge' && field === 'end') return { ...command, others: { end: value } };
  return { ...command, [field]: value };
}

/** A copy of the list that a command has. */
function itemsOf(command: BatchCommand): bigint[] {
  if (command.type === 'split' && typeof command.sizes !== 'bigint') return [...command.sizes];
  assert(command.type === 'merge' && !('end' in command.others), 'the command has a list');
  return [...command.others];
}

function withItems(command: BatchCommand, items: readonly bigint[]): BatchCommand {
  if (command.type === 'split') return { ...command, sizes: items };
  assert(command.type === 'merge', 'the command has a list');
  return { ...command, others: items };
}

function valueOf({ base, size }: Range, value: Reference['value']): bigint {
  if (value === 'address') return base;
  return value === 'size' ? size : base + size - 1n;
}

/** The block that an event was about; after a free, the one that there was; none for a renewal. */
function blockOf(state: State, event: BatchEvent): Range | undefined {
  if (event.type === 'leaseRenewed') return undefined;
  if (event.type !== 'allocationUpdated') return event;
  const found = state.arenas.get(event.arena)?.allocationAt(event.address);
  assert(found !== undefined, 'what was updated is there');
  return found;
}
