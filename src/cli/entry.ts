/**
 * Entries: what the rows of a file say, whatever its format, and which block of an arena each one is.
 * A row may say where its block lies in several ways, which then have to agree.
 */
import type { Range } from '../engine/command.ts';
import type { Labels } from '../engine/command.ts';
import { InvalidInput, invalidInput } from '../http/invalid-input.ts';
import {
  parseAddress,
  parseCidr,
  parseSize,
  prefixSize,
  type AddressSpace,
} from '../http/notation.ts';

/** Where something was read. */
export interface Row {
  readonly line: number;
  /** As it stands in the file. */
  readonly text: string;
}

/** How a row may say where its block lies. */
export interface Place {
  readonly address?: string;
  readonly size?: string;
  readonly end?: string;
  readonly cidr?: string;
  readonly prefixLength?: string;
}

export interface Entry extends Row {
  readonly kind: 'entry';
  readonly arena: string;
  readonly place: Place;
  readonly owner?: string;
  readonly externalId?: string;
  readonly labels: Labels;
}

/** A row that is no entry, and why. */
export interface RefusedRow extends Row {
  readonly kind: 'refused';
  readonly reason: string;
}

/** A row that the format says is not to be imported. */
export interface SkippedRow extends Row {
  readonly kind: 'skipped';
}

export type ReadRow = Entry | RefusedRow | SkippedRow;

export function refusedRow({ line, text }: Row, reason: string): RefusedRow {
  return { kind: 'refused', line, text, reason };
}

/** The sentence of an InvalidInput, for a report: `size must be at least 1`. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof InvalidInput)) throw error;
  return error.errors
    .map(({ pointer, detail }) => `${pointer.slice(1).replaceAll('/', '.')} ${detail}`.trim())
    .join('; ');
}

/** The block that a row names, in the space of its arena. Throws InvalidInput. */
export function blockOf(place: Place, space: AddressSpace): Range {
  const blocks = [...blocksOf(place, space)];
  const [first, ...others] = blocks;
  if (first === undefined) throw invalidInput('', 'has neither an address nor a cidr');
  const other = others.find(({ base, size }) => base !== first.base || size !== first.size);
  if (other === undefined) return first;
  throw invalidInput('', `says two things: ${textOf(first)} and ${textOf(other)}`);
}

function* blocksOf(place: Place, space: AddressSpace): Generator<Range> {
  const { cidr, address, size, end, prefixLength } = place;
  const block = cidr === undefined ? undefined : parseCidr(cidr, space, '/cidr');
  if (block !== undefined) yield block;
  const base = address === undefined ? block?.base : parseAddress(address, space, '/address');
  if (base === undefined) return;
  if (block !== undefined && block.base !== base) {
    throw invalidInput('/address', 'is not that of the cidr');
  }
  if (size !== undefined) yield { base, size: sizeFrom(base, size, space) };
  if (end !== undefined) {
    const last = parseAddress(end, space, '/end');
    if (last < base) throw invalidInput('/end', 'must not be below address');
    yield { base, size: last - base + 1n };
  }
  if (prefixLength !== undefined) yield prefixAt(base, prefixLength, space);
  const alone = size === undefined && end === undefined && prefixLength === undefined;
  if (alone && block === undefined) yield { base, size: 1n };
}

function sizeFrom(base: bigint, text: string, space: AddressSpace): bigint {
  const size = parseSize(text, '/size');
  if (size === 0n) throw invalidInput('/size', 'must be at least 1');
  if (base + size > 1n << BigInt(space.width)) {
    throw invalidInput('/size', `reaches beyond the arena's ${space.width} bits`);
  }
  return size;
}

function prefixAt(base: bigint, text: string, space: AddressSpace): Range {
  const bits = /^\/?(0|[1-9][0-9]{0,2})$/.exec(text)?.[1];
  if (bits === undefined || Number(bits) > space.width) {
    throw invalidInput('/prefixLength', `must be from 0 to ${space.width}`);
  }
  const size = prefixSize(Number(bits), space);
  if (base % size !== 0n) throw invalidInput('/address', `has bits set below the prefix /${bits}`);
  return { base, size };
}

function textOf({ base, size }: Range): string {
  return `${size} from ${base} on`;
}
