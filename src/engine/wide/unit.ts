/**
 * The number system of a wide arena: units as bigints, for arenas whose spans do not lie within one
 * aligned window of 2^52 quanta. See `narrow/unit.ts`, whose vocabulary this is.
 */
export type Unit = bigint;
export type UnitArray = bigint[];

export const ZERO: Unit = 0n;
export const ONE: Unit = 1n;
/** "No such unit", as the result of a search. */
export const NONE: Unit = -1n;
/** Units lie in [0, LIMIT). */
export const LIMIT_BITS = 128;
export const LIMIT: Unit = 1n << 128n;

export function unitArray(length: number): UnitArray {
  return new Array<bigint>(length).fill(0n);
}

/** A copy with room for `length` units. */
export function grown(array: UnitArray, length: number): UnitArray {
  const copy = array.slice();
  while (copy.length < length) copy.push(0n);
  return copy;
}

export function toUnit(value: bigint): Unit {
  return value;
}

export function toBigint(unit: Unit): bigint {
  return unit;
}

/** The largest multiple of `align` that is at most `unit`. */
export function floorTo(unit: Unit, align: Unit): Unit {
  return unit - (unit % align);
}

/** 2^exponent. */
export function power(exponent: number): Unit {
  return 1n << BigInt(exponent);
}

/** The largest k with 2^k <= unit; unit is at least 1. */
export function order(unit: Unit): number {
  let rest = unit;
  let order = 0;
  while (rest >= 0x1_0000_0000n) {
    rest >>= 32n;
    order += 32;
  }
  return order + 31 - Math.clz32(Number(rest));
}

/** 32 bits that depend on all of `unit`. */
export function hash(unit: Unit): number {
  let mixed = 0;
  for (let rest = unit; rest > 0n; rest >>= 64n) {
    const bits = Number(BigInt.asUintN(32, rest)) ^ Number(BigInt.asUintN(32, rest >> 32n));
    mixed = Math.imul(mixed ^ bits, 0x9e3779b1);
  }
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** Records of one unit, `start`, and some 32-bit words. */
export class Cells {
  /** 32-bit words per cell; the first two, which hold the start elsewhere, are not used. */
  readonly stride: number;
  words: Int32Array<ArrayBuffer>;
  #starts: bigint[];

  constructor(stride: number) {
    this.stride = stride;
    this.words = new Int32Array(stride * 8);
    this.#starts = unitArray(8);
  }

  get capacity(): number {
    return this.#starts.length;
  }

  start(cell: number): Unit {
    return this.#starts[cell]!;
  }

  setStart(cell: number, start: Unit): void {
    this.#starts[cell] = start;
  }

  grow(capacity: number): void {
    const words = new Int32Array(capacity * this.stride);
    words.set(this.words);
    this.words = words;
    this.#starts = grown(this.#starts, capacity);
  }

  /** Bytes that so many cells take: a bigint of two words has 24 and the pointer to it. */
  bytesOf(cells: number): number {
    return cells * (this.stride * 4 + 32);
  }
}

/** The three bits below the leading one of `unit`, which is at least 8: its position in its octave. */
export function eighth(unit: Unit, order: number): number {
  return Number((unit >> BigInt(order - 3)) & 7n);
}

/** Whether `unit` is a multiple of 2^exponent. */
export function divides(exponent: number, unit: Unit): boolean {
  return BigInt.asUintN(exponent, unit) === 0n;
}

/** A unit known to be below 2^31, as a number. */
export function small(unit: Unit): number {
  return Number(unit);
}
