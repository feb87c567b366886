/**
 * Ranges in requests. A client gives one as base and size, base and inclusive end, or a CIDR block;
 * the engine knows base and size alone. So an error of the engine about either has to be pointed
 * at the field that the client gave.
 */
import type { Range } from '../engine/command.ts';
import { invalidInput } from './invalid-input.ts';
import { parseAddress, parseCidr, parseSize, type AddressSpace } from './notation.ts';
import type { FieldPointers } from './problem.ts';

export interface RangeInput {
  readonly base?: string;
  readonly size?: string;
  readonly end?: string;
  readonly cidr?: string;
}

const forms = 'give base and size, base and end, or cidr';

/**
 * Reads a range; `at` is the pointer to the object that holds its fields.
 * @throws {InvalidInput} when it is not in exactly one form, or a part of it is invalid.
 */
export function readRange(input: RangeInput, space: AddressSpace, at: string): Range {
  const { base, size, end, cidr } = input;
  if (cidr !== undefined) {
    if (base !== undefined || size !== undefined || end !== undefined) {
      throw invalidInput(`${at}/cidr`, `must be alone: ${forms}`);
    }
    return parseCidr(cidr, space, `${at}/cidr`);
  }
  if (base === undefined) throw invalidInput(`${at}/base`, `is missing: ${forms}`);
  const first = parseAddress(base, space, `${at}/base`);
  if (size !== undefined && end !== undefined) {
    throw invalidInput(`${at}/end`, `must not be given together with size: ${forms}`);
  }
  if (size !== undefined) return { base: first, size: readSize(first, size, space, at) };
  if (end === undefined) throw invalidInput(`${at}/size`, `is missing: ${forms}`);
  const last = parseAddress(end, space, `${at}/end`);
  if (last < first) throw invalidInput(`${at}/end`, 'must not be below base');
  return { base: first, size: last - first + 1n };
}

/**
 * Reads a range that is one text: a CIDR block, an address, or two with a hyphen between them.
 * @throws {InvalidInput} at `pointer`.
 */
export function readRangeText(text: string, space: AddressSpace, pointer: string): Range {
  if (text.includes('/')) return parseCidr(text, space, pointer);
  const hyphen = text.indexOf('-');
  const base = parseAddress(hyphen < 0 ? text : text.slice(0, hyphen), space, pointer);
  if (hyphen < 0) return { base, size: 1n };
  const last = parseAddress(text.slice(hyphen + 1), space, pointer);
  if (last < base) throw invalidInput(pointer, 'must not end below its beginning');
  return { base, size: last - base + 1n };
}

function readSize(base: bigint, text: string, space: AddressSpace, at: string): bigint {
  const size = parseSize(text, `${at}/size`);
  if (size === 0n) throw invalidInput(`${at}/size`, 'must be at least 1');
  const room = (1n << BigInt(space.width)) - base;
  if (size > room) {
    throw invalidInput(
      `${at}/size`,
      `reaches beyond the arena's ${space.width} bits; at most ${room} from this base`,
    );
  }
  return size;
}

/** Where the client gave what the engine calls base and size. */
export function fieldPointers(input: RangeInput, at: string): FieldPointers {
  if (input.cidr !== undefined)
    return { [`${at}/base`]: `${at}/cidr`, [`${at}/size`]: `${at}/cidr` };
  if (input.end !== undefined) return { [`${at}/size`]: `${at}/end` };
  return {};
}
