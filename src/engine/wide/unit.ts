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
const words = new Uint32Array(quads.buffer);
/** A unit is three limbs, integers in doubles: 38 bits in each but the highest, which has LIMIT_HIGH for LIMIT. */
const LIMB_BITS = 38;
const LIMB = 2 ** LIMB_BITS;
const LIMIT_HIGH = 2 ** 52;
/** Three limbs: what is compared, or was computed. */
const sought = new Float64Array(3);

/** The upper half of the unit that was joined last: it is often the same, and shifting it costs most. */
const half = new BigUint64Array(1);
const halfWords = new Uint32Array(half.buffer);
let upper = 0n;

/** Leaves the lowest 128 bits of `unit` in `words`. */
function takeApart(unit: Unit): void {
  quads[0] = unit;
  quads[1] = unit >> 64n;
}

/** Puts the limbs of a unit, or of NONE, from a place on. */
function setLimbs(limbs: Float64Array, at: number, unit: Unit): void {
  takeApart(unit);
  const [low, second, third, high] = [words[0]!, words[1]!, words[2]!, words[3]!];
  limbs[at] = high * 0x10_0000 + (third >>> 12);
  limbs[at + 1] = (third & 0xfff) * 0x400_0000 + (second >>> 6);
  limbs[at + 2] = (second & 0x3f) * 0x1_0000_0000 + low;
  // Two units have more than these words.
  if ((low | second | third | high) === 0 && unit !== 0n) limbs[at] = LIMIT_HIGH;
  if (high === 0xffff_ffff && unit < 0n) limbs[at] = -1;
}

/** The unit of three limbs. */
function joined(high: number, middle: number, low: number): Unit {
  if (high === LIMIT_HIGH) return LIMIT;
  words[0] = low;
  words[1] = (middle << 6) | Math.floor(low / 0x1_0000_0000);
  if (high === 0 && middle < 0x400_0000) return quads[0]!;
  const third = ((high << 12) | Math.floor(middle / 0x400_0000)) >>> 0;
  const fourth = Math.floor(high / 0x10_0000);
  if (third !== halfWords[0] || fourth !== halfWords[1]) {
    halfWords[0] = third;
    halfWords[1] = fourth;
    upper = half[0]! << 64n;
  }
  return upper | quads[0]!;
}

/** 32 bits that depend on all of `unit`. */
export function hash(unit: Unit): number {
  takeApart(unit);
  let mixed = words[0]! ^ Math.imul(words[1]!, 0x85ebca6b);
  mixed = Math.imul(mixed, 0x9e3779b1) ^ words[2]!;
  mixed = Math.imul(mixed ^ (mixed >>> 15) ^ Math.imul(words[3]!, 0x85ebca6b), 0x9e3779b1);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** Of a cell: words that hold the start, and the shift of one with room for two more. */
export const START_WORDS = 6;
export const CELL_SHIFT = 3;

/**
 * Records of one unit, `start`, and some 32-bit words, side by side in memory. Starts are limbs: as
 * bigints they would be objects elsewhere, to be fetched for every comparison and traced by every
 * collection.
 */
export class Cells {
  /** A cell has 2^shift 32-bit words, of which the first START_WORDS hold the start, as limbs. */
  readonly shift: number;
  words: Int32Array<ArrayBuffer>;
  #limbs: Float64Array<ArrayBuffer>;

  constructor(shift: number, capacity: number) {
    this.shift = shift;
    this.words = new Int32Array(capacity << shift);
    this.#limbs = new Float64Array(this.words.buffer);
  }

  get capacity(): number {
    return this.words.length >>> this.shift;
  }

  start(cell: number): Unit {
    const limbs = this.#limbs;
    const at = cell << (this.shift - 1);
    return joined(limbs[at]!, limbs[at + 1]!, limbs[at + 2]!);
  }

  setStart(cell: number, start: Unit): void {
    setLimbs(this.#limbs, cell << (this.shift - 1), start);
  }

  copyStart(from: number, to: number): void {
    const limbs = this.#limbs;
    const at = to << (this.shift - 1);
    const there = from << (this.shift - 1);
    limbs[at] = limbs[there]!;
    limbs[at + 1] = limbs[there + 1]!;
    limbs[at + 2] = limbs[there + 2]!;
  }

  startsAt(cell: number, start: Unit): boolean {
    setLimbs(sought, 0, start);
    return this.#isSought(cell);
  }

  /** The cell that starts at `start`: `first`, or one that it leads to by a word of each; 0 if none does. */
  chained(first: number, word: number, start: Unit): number {
    setLimbs(sought, 0, start);
    let cell = first;
    while (cell !== 0 && !this.#isSought(cell)) cell = this.words[(cell << this.shift) | word]!;
    return cell;
  }

  #isSought(cell: number): boolean {
    const limbs = this.#limbs;
    const at = cell << (this.shift - 1);
    return limbs[at + 2] === sought[2] && limbs[at + 1] === sought[1] && limbs[at] === sought[0];
  }

  /** From the start of one cell to that of another, which is not before it. */
  distance(from: number, to: number): Unit {
    this.#measure(from, to);
    return joined(sought[0]!, sought[1]!, sought[2]!);
  }

  /** The `eighths` of that distance; 0 where there is none. */
  eighthsBetween(from: number, to: number): number {
    this.#measure(from, to);
    return eighthsOfSought();
  }

  /** Leaves the distance in `sought`. */
  #measure(from: number, to: number): void {
    const limbs = this.#limbs;
    const a = from << (this.shift - 1);
    const b = to << (this.shift - 1);
    let high = limbs[b]! - limbs[a]!;
    let middle = limbs[b + 1]! - limbs[a + 1]!;
    let low = limbs[b + 2]! - limbs[a + 2]!;
    if (low < 0) {
      low += LIMB;
      middle--;
    }
    if (middle < 0) {
      middle += LIMB;
      high--;
    }
    sought[0] = high;
    sought[1] = middle;
    sought[2] = low;
  }

  grow(capacity: number): void {
    const words = new Int32Array(capacity << this.shift);
    words.set(this.words);
    this.words = words;
    this.#limbs = new Float64Array(words.buffer);
  }

  /** Bytes that so many cells take. */
  bytesOf(cells: number): number {
    return (cells << this.shift) * 4;
  }
}

/** Of the high half of a double: bits of the mantissa that a class leaves out. */
const CLASS_SHIFT = 17;

/**
 * Eight times the number of bits of `unit`, which is at least 1, plus the three below the leading
 * one.
 */
export function eighths(unit: Unit): number {
  setLimbs(sought, 0, unit);
  return eighthsOfSought();
}

/** The least `eighths` of which every unit is at least `unit`. */
export function eighthsFrom(unit: Unit): number {
  const own = eighths(unit);
  return !hasRest && ((doubleHalves[1]! << (32 - CLASS_SHIFT)) | doubleHalves[0]!) === 0
    ? own
    : own + 1;
}

/** Whether limbs below those in `double` are not zero. */
let hasRest = false;

/**
 * Of what `sought` holds, 0 for zero: the bits that count are in its highest limb, if that is at
 * least 8, or in that and the next one, which together are a double still.
 */
function eighthsOfSought(): number {
  const high = sought[0]!;
  const middle = sought[1]!;
  const low = sought[2]!;
  let below = 0;
  hasRest = false;
  if (high > 0) {
    double[0] = high < 8 ? high * LIMB + middle : high;
    below = high < 8 ? LIMB_BITS : 2 * LIMB_BITS;
    hasRest = low !== 0 || (high >= 8 && middle !== 0);
  } else if (middle >= 8) {
    double[0] = middle;
    below = LIMB_BITS;
    hasRest = low !== 0;
  } else {
    double[0] = middle * LIMB + low;
    if (double[0] === 0) return 0;
  }
  return (doubleHalves[1]! >>> CLASS_SHIFT) - ((1022 - below) << 3);
}
