/**
 * The number system of a narrow arena: units (addresses divided by the quantum, counted from the
 * arena's origin) as doubles. Units stay at or below 2^52, so that the sum of any two of them is
 * exact, and no operation here rounds.
 *
 * `wide/unit.ts` is the same vocabulary over bigint. Everything else in `wide/` is a generated copy
 * of the file of the same name in `narrow/`: the same algorithm, compiled apart, so that an arena of
 * bigints never slows the arithmetic of the arenas that need none.
 */
export type Unit = number;
export type UnitArray = Float64Array<ArrayBuffer>;

export const ZERO: Unit = 0;
export const ONE: Unit = 1;
/** "No such unit", as the result of a search. */
export const NONE: Unit = -1;
/** Units lie in [0, LIMIT). */
export const LIMIT_BITS = 52;
export const LIMIT: Unit = 2 ** LIMIT_BITS;

export function unitArray(length: number): UnitArray {
  return new Float64Array(length);
}

/** A copy with room for `length` units. */
export function grown(array: UnitArray, length: number): UnitArray {
  const copy = new Float64Array(length);
  copy.set(array);
  return copy;
}

export function toUnit(value: bigint): Unit {
  return Number(value);
}

export function toBigint(unit: Unit): bigint {
  return BigInt(unit);
}

/**
 * The largest multiple of `align` that is at most `unit`. The quotient of two integers up to 2^53
 * never rounds up to the next integer, so this is exact, for any align, without a slow `%`.
 */
export function floorTo(unit: Unit, align: Unit): Unit {
  return Math.floor(unit / align) * align;
}

/** Powers of two up to this one divide in 32-bit arithmetic, which cuts off what is above exactly. */
const MASKED_MAX = 2 ** 31;

/** As `floorTo`, for an align that is a power of two: mostly without a division. */
export function floorToPower(unit: Unit, align: Unit): Unit {
  return align <= MASKED_MAX ? unit - (unit & (align - 1)) : floorTo(unit, align);
}

/** How far the least unit from `unit` on is that is `phase` modulo `align`, a power of two above it. */
export function distanceTo(phase: Unit, align: Unit, unit: Unit): Unit {
  if (align <= MASKED_MAX) return (phase - unit) & (align - 1);
  if (unit <= phase) return phase - unit;
  const behind = unit - phase;
  const down = floorTo(behind, align);
  return down === behind ? ZERO : down + align - behind;
}

/** Looked up, because the operator `**` on doubles costs more than the rest of a size class. */
const powers = Float64Array.from({ length: LIMIT_BITS + 2 }, (_, exponent) => 2 ** exponent);

/** 2^exponent, for exponents up to LIMIT_BITS + 1. */
export function power(exponent: number): Unit {
  return powers[exponent]!;
}

/** The largest k with 2^k <= unit; unit is at least 1. */
export function order(unit: Unit): number {
  return unit < 0x1_0000_0000
    ? 31 - Math.clz32(unit)
    : 63 - Math.clz32(Math.floor(unit / 0x1_0000_0000));
}

/**
 * 32 bits that depend on all of `unit`. Eight units side by side, of which the first is a multiple of eight,
 * have hashes that differ in the three lowest bits alone, each its own: what was allocated in a row is
 * looked up in a row, in the same few lines of memory.
 */
export function hash(unit: Unit): number {
  const low = unit | 0;
  const high = unit < 0x8000_0000 ? 0 : Math.floor(unit / 0x1_0000_0000);
  const mixed = Math.imul((low & -8) ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1);
  const spread = mixed ^ (mixed >>> 15);
  return ((spread << 3) | (((spread >>> 29) ^ low) & 7)) >>> 0;
}

/** Of a cell: words that hold the start, and the shift of one with room for two more. */
export const START_WORDS = 2;
export const CELL_SHIFT = 2;

/** Records of one unit, `start`, and some 32-bit words, side by side in memory. */
export class Cells {
  /** A cell has 2^shift 32-bit words, of which the first START_WORDS hold the start. */
  readonly shift: number;
  words: Int32Array<ArrayBuffer>;
  #starts: Float64Array<ArrayBuffer>;

  constructor(shift: number, capacity: number) {
    this.shift = shift;
    this.words = new Int32Array(capacity << shift);
    this.#starts = new Float64Array(this.words.buffer);
  }

  get capacity(): number {
    return this.words.length >>> this.shift;
  }

  start(cell: number): Unit {
    return this.#starts[cell << (this.shift - 1)]!;
  }

  setStart(cell: number, start: Unit): void {
    this.#starts[cell << (this.shift - 1)] = start;
  }

  copyStart(from: number, to: number): void {
    this.setStart(to, this.start(from));
  }

  startsAt(cell: number, start: Unit): boolean {
    return this.start(cell) === start;
  }

  /** The cell that starts at `start`: `first`, or one that it leads to by a word of each; 0 if none does. */
  chained(first: number, word: number, start: Unit): number {
    let cell = first;
    while (cell !== 0 && this.start(cell) !== start)
      cell = this.words[(cell << this.shift) | word]!;
    return cell;
  }

  /** From the start of one cell to that of another, which is not before it. */
  distance(from: number, to: number): Unit {
    return this.start(to) - this.start(from);
  }

  /** The `eighths` of that distance; 0 where there is none. */
  eighthsBetween(from: number, to: number): number {
    const distance = this.distance(from, to);
    return distance === ZERO ? 0 : eighths(distance);
  }

  grow(capacity: number): void {
    const words = new Int32Array(capacity << this.shift);
    words.set(this.words);
    this.words = words;
    this.#starts = new Float64Array(words.buffer);
  }

  /** Bytes that so many cells take. */
  bytesOf(cells: number): number {
    return (cells << this.shift) * 4;
  }
}

const scratch = new Float64Array(1);
const halves = new Int32Array(scratch.buffer);
/** Of the high half of a double: bits of the mantissa that a class leaves out. */
const CLASS_SHIFT = 17;
const CLASS_REST = (1 << CLASS_SHIFT) - 1;

/**
 * Eight times the number of bits of `unit`, which is at least 1, plus the three below the leading
 * one: as a double has them in its exponent and mantissa.
 */
export function eighths(unit: Unit): number {
  scratch[0] = unit;
  return (halves[1]! >>> CLASS_SHIFT) - (1022 << 3);
}

/** The least `eighths` of which every unit is at least `unit`. */
export function eighthsFrom(unit: Unit): number {
  scratch[0] = unit;
  // Rounded up in one go: of small sizes, whether one is the least of its class is not foreseen.
  const up = halves[1]! + CLASS_REST + (halves[0] === 0 ? 0 : 1);
  return (up >>> CLASS_SHIFT) - (1022 << 3);
}
