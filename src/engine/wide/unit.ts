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

/** As `floorTo`, for an align that is a power of two. */
export function floorToPower(unit: Unit, align: Unit): Unit {
  return unit - (unit & (align - 1n));
}

/** How far the least unit from `unit` on is that is `phase` modulo `align`, a power of two above it. */
export function distanceTo(phase: Unit, align: Unit, unit: Unit): Unit {
  return (phase - unit) & (align - 1n);
}

/** 2^exponent. */
export function power(exponent: number): Unit {
  return 1n << BigInt(exponent);
}

/** The largest k with 2^k <= unit; unit is at least 1. */
export function order(unit: Unit): number {
  return (eighths(unit) >>> 3) - 1;
}

/** Where bigints are taken apart: every operator on them allocates, these stores do not. */
const double = new Float64Array(1);
const doubleHalves = new Int32Array(double.buffer);
const quads = new BigUint64Array(2);
const words = new Int32Array(quads.buffer);

/** 32 bits that depend on all of `unit`. */
export function hash(unit: Unit): number {
  quads[0] = unit;
  quads[1] = unit >> 64n;
  let mixed = words[0]! ^ Math.imul(words[1]!, 0x85ebca6b);
  mixed = Math.imul(mixed, 0x9e3779b1) ^ words[2]!;
  mixed = Math.imul(mixed ^ (mixed >>> 15) ^ Math.imul(words[3]!, 0x85ebca6b), 0x9e3779b1);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** Records of one unit, `start`, and some 32-bit words. */
export class Cells {
  /** A cell has 2^shift 32-bit words; the first two, which hold the start elsewhere, are not used. */
  readonly shift: number;
  words: Int32Array<ArrayBuffer>;
  #starts: bigint[];

  constructor(shift: number, capacity: number) {
    this.shift = shift;
    this.words = new Int32Array(capacity << shift);
    this.#starts = unitArray(capacity);
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
    const words = new Int32Array(capacity << this.shift);
    words.set(this.words);
    this.words = words;
    this.#starts = grown(this.#starts, capacity);
  }

  /** Bytes that so many cells take: a bigint of two words has 24 and the pointer to it. */
  bytesOf(cells: number): number {
    return cells * ((4 << this.shift) + 32);
  }
}

/** Of the high half of a double: bits of the mantissa that a class leaves out. */
const CLASS_SHIFT = 17;

/**
 * Eight times the number of bits of `unit`, which is at least 1, plus the three below the leading
 * one: as the nearest double has them, but where that was rounded up to a class of its own.
 */
export function eighths(unit: Unit): number {
  double[0] = Number(unit);
  const found = (doubleHalves[1]! >>> CLASS_SHIFT) - (1022 << 3);
  return isLeast() && BigInt(double[0]!) > unit ? found - 1 : found;
}

/** The least `eighths` of which every unit is at least `unit`. */
export function eighthsFrom(unit: Unit): number {
  const own = eighths(unit);
  // What is left in the double is `unit`, but where it was rounded.
  return isLeast() && BigInt(double[0]!) === unit ? own : own + 1;
}

/** Whether the double has no bits below those that make its class. */
function isLeast(): boolean {
  return ((doubleHalves[1]! << (32 - CLASS_SHIFT)) | doubleHalves[0]!) === 0;
}
