/**
 * The report of a batch: what each operation was about, as it is after the whole batch.
 *
 * It is text at once, byte for byte what the serialiser of its schema makes of it. Of a run of like
 * grants that is asked for the first; the others are the same text with places of their own, which takes
 * less than half of the time.
 */
import { alike } from '../engine/alike.ts';
import { assert } from '../engine/assert.ts';
import type { Range } from '../engine/command.ts';
import type { Engine } from '../engine/engine.ts';
import type { BatchEvent } from '../engine/event.ts';
import type { AllocationView, LeaseView } from '../engine/view.ts';
import { viewMade } from './allocations.ts';
import { stringifier } from './contract.ts';
import { formatAddress, formatCidr, type AddressSpace } from './notation.ts';
import {
  allocationRepresentation,
  leaseRepresentation,
  rangeRepresentation,
} from './representation.ts';
import { operationResult, type OperationName, type OperationResult } from './wire/batch.ts';

type Grant = Extract<BatchEvent, { type: 'allocated' }>;

/** What an operation was about: of a block that is free by the end of the batch, only the range. */
export type After =
  | { readonly lease: string; readonly view: LeaseView | undefined }
  | { readonly block: AllocationView }
  /** A block that is as it was granted, under no lease. */
  | { readonly granted: Grant }
  | { readonly arena: string; readonly range: Range; readonly pieces?: readonly Range[] };

export function statesAfter(engine: Engine, events: readonly BatchEvent[]): readonly After[] {
  // Nothing behind a grant has changed what it made, where there are but grants.
  const grants = events.every((event) => event.type === 'allocated');
  return events.map((event) =>
    grants && event.type === 'allocated' && event.lease === undefined
      ? { granted: event }
      : stateAfter(engine, event),
  );
}

function stateAfter(engine: Engine, event: BatchEvent): After {
  if (event.type === 'leaseRenewed') {
    return { lease: event.lease, view: engine.lease(event.lease) };
  }
  const { arena } = event;
  if (event.type === 'allocationSplit') return { arena, range: event, pieces: event.pieces };
  const base = 'base' in event ? event.base : event.address;
  const view = event.type === 'freed' ? undefined : engine.allocation(arena, base);
  if (view !== undefined) return { block: view };
  return { arena, range: { base, size: 'size' in event ? event.size : 1n } };
}

export interface BatchReport {
  readonly revision: number;
  readonly states: readonly After[];
  /** The name of each operation. */
  readonly names: readonly { readonly op: OperationName }[];
  /** Those of all arenas that there are operations in. */
  readonly spaces: ReadonlyMap<string, AddressSpace>;
}

/** The JSON of a `BatchReport` of the wire. */
export function batchReportText(report: BatchReport): string {
  const { revision, states } = report;
  const stringify = stringifier(operationResult);
  // Text that is put together piece by piece is copied once, when it is sent; joined, several times.
  let results = '';
  for (let place = 0; place < states.length;) {
    const first = states[place]!;
    const end = endOfRun(report, place);
    const text = stringify(resultAt(report, place));
    if (place > 0) results += ',';
    if (end - place === 1) results += text;
    else if ('granted' in first) results += runText(text, report, place, end);
    place = end;
  }
  return `{"revision":${revision},"results":[${results}]}`;
}

/** The first operation behind this one that is not reported like it, but for its place. */
function endOfRun({ states, names }: BatchReport, place: number): number {
  const first = states[place]!;
  let end = place + 1;
  if (!('granted' in first)) return end;
  const { op } = names[place]!;
  for (; end < states.length; end++) {
    const state = states[end]!;
    if (!('granted' in state) || names[end]!.op !== op) return end;
    if (!alike(first.granted, state.granted)) return end;
  }
  return end;
}

function grantAt({ states }: BatchReport, place: number): Grant {
  const state = states[place]!;
  assert('granted' in state, 'a run is of grants');
  return state.granted;
}

/** The results of like grants from `place` to before `end`, of the first of which this is the text. */
function runText(text: string, report: BatchReport, place: number, end: number): string {
  const granted = grantAt(report, place);
  const space = report.spaces.get(granted.arena)!;
  const sizeText = String(granted.size);
  const first = placeText(granted, sizeText, space);
  const at = text.indexOf(first);
  assert(at > 0, 'the text of a result has its place in it');
  const behind = text.slice(at + first.length);
  const between = `${behind},${text.slice(0, at)}`;
  let all = text.slice(0, at) + first;
  for (let next = place + 1; next < end; next++) {
    all += between;
    all += placeText(grantAt(report, next), sizeText, space);
  }
  return all + behind;
}

/** The fields of a result that say where the block is, as the serialiser writes them. */
function placeText({ base, size }: Range, sizeText: string, space: AddressSpace): string {
  const first = formatAddress(base, space);
  const last = size === 1n ? first : formatAddress(base + size - 1n, space);
  const cidr = formatCidr(base, size, space);
  const range = `"address":"${first}","end":"${last}","size":"${sizeText}"`;
  return cidr === undefined ? range : `${range},"cidr":"${cidr}"`;
}

function resultAt(report: BatchReport, place: number): OperationResult {
  const { states, names, spaces, revision } = report;
  const result: Partial<OperationResult> = representationOf(states[place]!, spaces, revision);
  result.op = names[place]!.op;
  return result as OperationResult;
}

function representationOf(
  after: After,
  spaces: ReadonlyMap<string, AddressSpace>,
  revision: number,
): Omit<OperationResult, 'op'> {
  if ('granted' in after) {
    const { granted } = after;
    return allocationRepresentation(viewMade(granted, revision), spaces.get(granted.arena)!);
  }
  if ('block' in after) {
    return allocationRepresentation(after.block, spaces.get(after.block.arena)!);
  }
  if ('range' in after) {
    const { arena, range, pieces } = after;
    const space = spaces.get(arena)!;
    return {
      arena,
      ...rangeRepresentation(range, space),
      ...(pieces && { pieces: pieces.map((piece) => rangeRepresentation(piece, space)) }),
    };
  }
  const { lease, view } = after;
  if (view === undefined) return { lease };
  const { ttlSeconds, expiresAt } = leaseRepresentation(view);
  return { lease, ttlSeconds, expiresAt };
}
