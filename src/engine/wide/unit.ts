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

/** The three bits below the leading one of `unit`, which is at least 8: its position in its octave. */
export function eighth(unit: Unit, order: number): number {
  return Number((unit >> BigInt(order - 3)) & 7n);
}

/** A unit known to be below 2^31, as a number. */
export function small(unit: Unit): number {
  return Number(unit);
}
