/**
 * Notation: how addresses, sizes and CIDR blocks are written on the wire. Input may be decimal,
 * `0x` hexadecimal or the arena's own notation; output is always the arena's notation for addresses and
 * decimal for sizes. Text is checked for length before it becomes a bigint, because that costs time
 * in the square of the length. Leading zeros are refused: some readers take them for octal.
 */
import { parseIp, stringifyIp } from 'ip-bigint';
import type { Notation, Range, Width } from '../engine/command.ts';
import { limits } from '../limits.ts';
import { invalidInput } from './invalid-input.ts';

/** What has to be known of an arena to read and write its addresses. Fixed for its lifetime. */
export interface AddressSpace {
  readonly notation: Notation;
  readonly width: Width;
}

/** 2^128: no size is larger, every address is smaller. */
export const sizeMax = 1n << 128n;

export const integerPattern = new RegExp(
  `^(0|[1-9][0-9]{0,${limits.decimalDigitsMax - 1}}|0x[0-9a-fA-F]{1,${limits.hexDigitsMax}})$`,
);

const exactMax = BigInt(Number.MAX_SAFE_INTEGER);

const mappedFirst = 0xffff_0000_0000n;
const mappedLast = 0xffff_ffff_ffffn;

/**
 * Reads an address of `space`: 0 … 2^width − 1.
 * @throws {InvalidInput} at `pointer` when the text is no such address.
 */
export function parseAddress(text: string, space: AddressSpace, pointer: string): bigint {
  const value = integerPattern.test(text) ? BigInt(text) : parseIpAddress(text, space, pointer);
  if (value >> BigInt(space.width) !== 0n) {
    throw invalidInput(
      pointer,
      `is beyond the arena's ${space.width} bits; the highest address is ` +
        `${formatAddress((1n << BigInt(space.width)) - 1n, space)}`,
    );
  }
  return value;
}

/**
 * Reads a size, a distance or a count of addresses: 0 … 2^128.
 * @throws {InvalidInput} at `pointer` when the text is no such number.
 */
export function parseSize(text: string, pointer: string): bigint {
  if (!integerPattern.test(text)) {
    throw invalidInput(pointer, 'must be a decimal or 0x hexadecimal integer, as a string');
  }
  const value = BigInt(text);
  if (value > sizeMax) throw invalidInput(pointer, `must be at most 2^128 (${sizeMax})`);
  return value;
}

/**
 * Reads a CIDR block, `10.0.0.0/8`, in an arena of the `ipv4` or `ipv6` notation.
 * @throws {InvalidInput} at `pointer`, also when bits below the prefix are set.
 */
export function parseCidr(text: string, space: AddressSpace, pointer: string): Range {
  if (!isIp(space)) {
    throw invalidInput(
      pointer,
      `is only for arenas of the ipv4 and ipv6 notations; this one is ${space.notation}: ` +
        'give base and size',
    );
  }
  const match = /^([^/]{1,45})\/(0|[1-9][0-9]{0,2})$/.exec(text);
  const bits = match?.[2] === undefined ? Infinity : Number(match[2]);
  if (match?.[1] === undefined || bits > space.width) {
    throw invalidInput(pointer, `must be an address, a slash and a prefix length 0…${space.width}`);
  }
  const base = parseIpAddress(match[1], space, pointer);
  const size = prefixSize(bits, space);
  const network = base - (base % size);
  if (network !== base) {
    throw invalidInput(
      pointer,
      `has bits set below its prefix; the network is ${formatAddress(network, space)}/${bits}`,
    );
  }
  return { base, size };
}

/** The number of addresses of a prefix; `prefixLength` is 0 … width. */
export function prefixSize(prefixLength: number, space: AddressSpace): bigint {
  return 1n << BigInt(space.width - prefixLength);
}

/** The canonical text of an address in the notation of its arena. IPv6 as in RFC 5952. */
export function formatAddress(address: bigint, space: AddressSpace): string {
  switch (space.notation) {
    case 'decimal':
      // As a number it is written in half the time.
      return address <= exactMax ? String(Number(address)) : address.toString();
    case 'hex':
      return `0x${address.toString(16)}`;
    case 'ipv4':
      return stringifyIp({ number: address, version: 4 });
    case 'ipv6': {
      const mapped = address >= mappedFirst && address <= mappedLast;
      return stringifyIp({ number: address, version: 6, ...(mapped && { ipv4mapped: true }) });
    }
  }
}

/** The CIDR text of a range, where the notation has one and the range is exactly one prefix. */
export function formatCidr(base: bigint, size: bigint, space: AddressSpace): string | undefined {
  if (!isIp(space) || size <= 0n) return undefined;
  if ((size & (size - 1n)) !== 0n || base % size !== 0n) return undefined;
  return `${formatAddress(base, space)}/${space.width - (size.toString(2).length - 1)}`;
}

function isIp(space: AddressSpace): boolean {
  return space.notation === 'ipv4' || space.notation === 'ipv6';
}

function parseIpAddress(text: string, space: AddressSpace, pointer: string): bigint {
  const version = text.includes(':') ? 6 : 4;
  if (isIp(space) && space.notation !== `ipv${version}` && looksLikeIp(text)) {
    throw invalidInput(pointer, `is IPv${version}, but the arena's notation is ${space.notation}`);
  }
  if (!isIp(space) && looksLikeIp(text)) {
    throw invalidInput(
      pointer,
      `is an IP address, but the arena's notation is ${space.notation}: ` +
        'give a decimal or 0x integer',
    );
  }
  if (!isIp(space)) {
    throw invalidInput(pointer, 'must be a decimal or 0x hexadecimal integer, as a string');
  }
  // Zone ids ("%eth0") name an interface of one host and mean nothing in a shared pool.
  if (text.length > limits.addressCharactersMax || text.includes('%')) {
    throw invalidInput(pointer, `must be an IPv${version} address without a zone id`);
  }
  try {
    return parseIp(text).number;
  } catch (cause) {
    const error = invalidInput(pointer, remedyOf(space));
    error.cause = cause;
    throw error;
  }
}

function looksLikeIp(text: string): boolean {
  return (
    text.length <= limits.addressCharactersMax && /^[0-9a-fA-F.:]*[.:][0-9a-fA-F.:]*$/.test(text)
  );
}

function remedyOf(space: AddressSpace): string {
  return space.notation === 'ipv4'
    ? 'must be an IPv4 address of four decimal parts without leading zeros, such as 10.0.0.1'
    : 'must be an IPv6 address, such as 2001:db8::1';
}
