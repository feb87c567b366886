/**
 * The report of a batch: what each operation was about, as it is after the whole batch.
 *
 * It is JSON at once, byte for byte what the serialiser of its schema makes of it. Of a run of like
 * grants that is asked for the first; the others are the bytes before them once more, with places of
 * their own.
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
import { ReplyBytes } from './reply-bytes.ts';
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
  /** Of a block that is as it was granted, under no lease. */
  | Grant
  | { readonly arena: string; readonly range: Range; readonly pieces?: readonly Range[] };

/**
 * What came of an operation; with `more`, of several, all of them grants like that one: where the
 * others are. A batch waits for the disk, and there are many: this is far smaller than their events.
 */
export interface Told {
  readonly op: OperationName;
  readonly after: After;
  readonly more?: Bases;
}

/** As doubles where they are exact, as nearly all are. */
type Bases = Float64Array | readonly bigint[];

const exactMax = BigInt(Number.MAX_SAFE_INTEGER);

export function statesAfter(engine: Engine, events: readonly BatchEvent[]): readonly After[] {
  // Nothing behind a grant has changed what it made, where there are but grants.
  const grants = events.every((event) => event.type === 'allocated');
  return events.map((event) =>
    grants && event.type === 'allocated' && event.lease === undefined
      ? event
      : stateAfter(engine, event),
  );
}

/** What came of operations of these names, for `batchReportJson`. */
export function tell(
  states: readonly After[],
  names: readonly { readonly op: OperationName }[],
): readonly Told[] {
  const told: Told[] = [];
  for (let place = 0; place < states.length;) {
    const after = states[place]!;
    const { op } = names[place]!;
    let end = place + 1;
    while (end < states.length && names[end]!.op === op && areAlike(after, states[end]!)) end++;
    told.push(end - place === 1 ? { op, after } : { op, after, more: basesOf(states, place, end) });
    place = end;
  }
  return told;
}

function areAlike(one: After, other: After): boolean {
  return 'type' in one && 'type' in other && alike(one, other);
}

/** Of the grants behind `place` to before `end`. */
function basesOf(states: readonly After[], place: number, end: number): Bases {
  const doubles = new Float64Array(end - place - 1);
  for (let i = 0; i < doubles.length; i++) {
    const { base } = states[place + 1 + i] as Grant;
    if (base > exactMax) return states.slice(place + 1, end).map((state) => (state as Grant).base);
    doubles[i] = Number(base);
  }
  return doubles;
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
  readonly told: readonly Told[];
  /** Those of all arenas that there are operations in. */
  readonly spaces: ReadonlyMap<string, AddressSpace>;
}

/** The JSON of a `BatchReport` of the wire. */
export function batchReportJson({ revision, told, spaces }: BatchReport): Buffer {
  const stringify = stringifier(operationResult);
  const json = new ReplyBytes();
  json.add(`{"revision":${revision},"results":[`);
  for (const [i, one] of told.entries()) {
    if (i > 0) json.add(',');
    const text = stringify(resultOf(one, spaces, revision));
    json.add(text);
    if (one.more !== undefined) addMore(json, text, one.after, one.more, spaces);
  }
  json.add(']}');
  return json.finish();
}

/** Adds the results of grants like one whose result is this text. */
function addMore(
  json: ReplyBytes,
  text: string,
  after: After,
  bases: Bases,
  spaces: ReadonlyMap<string, AddressSpace>,
): void {
  assert('type' in after, 'what is told of several is a grant');
  const { arena, base, size } = after;
  const space = spaces.get(arena)!;
  const sizeText = String(size);
  const first = placeText(placeOf({ base, size }, space), sizeText);
  const at = text.indexOf(first);
  assert(at > 0, 'the text of a result has its place in it');
  const before = `,${text.slice(0, at)}`;
  const behind = text.slice(at + first.length);
  const row = { before, bytesBefore: Buffer.byteLength(before), behind, size, sizeText, space };
  if (space.notation === 'decimal' && bases instanceof Float64Array && size <= exactMax) {
    addNumbers(json, row, bases);
  } else addPlaces(json, row, bases);
}

/** What is the same in the results of like grants, around their places. */
interface Row {
  readonly before: string;
  readonly bytesBefore: number;
  readonly behind: string;
  readonly size: bigint;
  readonly sizeText: string;
  readonly space: AddressSpace;
}

function addPlaces(json: ReplyBytes, row: Row, bases: Bases): void {
  const { before, bytesBefore, behind, size, sizeText, space } = row;
  let start = -1;
  let last: Place | undefined;
  for (let i = 0; i < bases.length; i++) {
    const shown = placeOf({ base: BigInt(bases[i]!), size }, space);
    const restart = json.length;
    if (last !== undefined && sameLengths(shown, last)) {
      json.repeat(start, restart);
      overwritePlace(json, restart + bytesBefore, shown, sizeText);
    } else json.add(before + placeText(shown, sizeText) + behind);
    start = restart;
    last = shown;
  }
}

/** The same of decimal places: as long as they have the same digits, their text is copied at once. */
function addNumbers(json: ReplyBytes, row: Row, bases: Float64Array): void {
  const { before, bytesBefore, behind, size, sizeText, space } = row;
  const beyond = Number(size) - 1;
  for (let i = 0; i < bases.length;) {
    const base = bases[i]!;
    const shown = placeOf({ base: BigInt(base), size }, space);
    const start = json.length;
    json.add(before + placeText(shown, sizeText) + behind);
    const length = json.length - start;
    const [digits, lastDigits] = [shown.first.length, shown.last.length];
    let end = i + 1;
    while (end < bases.length && sameDigits(bases[end]!, digits, beyond, lastDigits)) end++;
    json.repeat(start, json.length, end - i - 1);
    const atFirst = bytesBefore + '"address":"'.length;
    const atLast = atFirst + digits + '","end":"'.length;
    for (let at = start + length; ++i < end; at += length) {
      json.overwriteDigits(at + atFirst, digits, bases[i]!);
      json.overwriteDigits(at + atLast, lastDigits, bases[i]! + beyond);
    }
  }
}

/** Whether a base, and the last address so far beyond it, are numbers of so many digits, and exact. */
function sameDigits(base: number, digits: number, beyond: number, lastDigits: number): boolean {
  const last = base + beyond;
  return (
    last <= Number.MAX_SAFE_INTEGER &&
    base < powers[digits]! &&
    last < powers[lastDigits]! &&
    (digits === 1 || base >= powers[digits - 1]!) &&
    (lastDigits === 1 || last >= powers[lastDigits - 1]!)
  );
}

/** Of ten; no exact number has more digits. */
const powers = Array.from({ length: 17 }, (_, exponent) => 10 ** exponent);

/** Where a block is; the CIDR is empty where there is none. */
interface Place {
  readonly first: string;
  readonly last: string;
  readonly cidr: string;
}

function placeOf({ base, size }: Range, space: AddressSpace): Place {
  const first = formatAddress(base, space);
  const last = size === 1n ? first : formatAddress(base + size - 1n, space);
  return { first, last, cidr: formatCidr(base, size, space) ?? '' };
}

/** The fields of a result that say where the block is, as the serialiser writes them. */
function placeText({ first, last, cidr }: Place, sizeText: string): string {
  const range = `"address":"${first}","end":"${last}","size":"${sizeText}"`;
  return cidr === '' ? range : `${range},"cidr":"${cidr}"`;
}

function sameLengths(one: Place, other: Place): boolean {
  return (
    one.first.length === other.first.length &&
    one.last.length === other.last.length &&
    one.cidr.length === other.cidr.length
  );
}

/** Makes of another `placeText`, with parts of the same lengths, that of this place. */
function overwritePlace(json: ReplyBytes, at: number, place: Place, sizeText: string): void {
  const { first, last, cidr } = place;
  const atFirst = at + '"address":"'.length;
  const atLast = atFirst + first.length + '","end":"'.length;
  json.overwrite(atFirst, first);
  json.overwrite(atLast, last);
  if (cidr === '') return;
  const atCidr = atLast + last.length + '","size":"'.length + sizeText.length + '","cidr":"'.length;
  json.overwrite(atCidr, cidr);
}

function resultOf(
  { op, after }: Told,
  spaces: ReadonlyMap<string, AddressSpace>,
  revision: number,
): OperationResult {
  const result: Partial<OperationResult> = representationOf(after, spaces, revision);
  result.op = op;
  return result as OperationResult;
}

function representationOf(
  after: After,
  spaces: ReadonlyMap<string, AddressSpace>,
  revision: number,
): Omit<OperationResult, 'op'> {
  if ('type' in after) {
    return allocationRepresentation(viewMade(after, revision), spaces.get(after.arena)!);
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
