/**
 * The two number systems do the same, and what both say of a unit is what plain bigints say. Units are
 * drawn near the edges: of limbs and words, of what a double holds, of the space.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as narrow from '../../src/engine/narrow/unit.ts';
import * as wide from '../../src/engine/wide/unit.ts';

/** A number system, with units as bigints. */
interface System<Unit> {
  readonly LIMIT_BITS: number;
  readonly NONE: Unit;
  readonly START_WORDS: number;
  readonly CELL_SHIFT: number;
  readonly Cells: new (shift: number, capacity: number) => CellsOf<Unit>;
  toUnit(value: bigint): Unit;
  toBigint(unit: Unit): bigint;
  eighths(unit: Unit): number;
  eighthsFrom(unit: Unit): number;
  order(unit: Unit): number;
  hash(unit: Unit): number;
}

interface CellsOf<Unit> {
  words: Int32Array;
  start(cell: number): Unit;
  setStart(cell: number, start: Unit): void;
  copyStart(from: number, to: number): void;
  startsAt(cell: number, start: Unit): boolean;
  chained(first: number, word: number, start: Unit): number;
  distance(from: number, to: number): Unit;
  eighthsBetween(from: number, to: number): number;
  grow(capacity: number): void;
}

describe('narrow', () => {
  holds(narrow);
});

describe('wide', () => {
  holds(wide);
});

function holds<Unit>(system: System<Unit>): void {
  const { toUnit, toBigint } = system;
  const limit = 1n << BigInt(system.LIMIT_BITS);
  const unit = unitsUpTo(limit);

  test('cells keep their starts, and know how far they are apart', () => {
    const shift = system.CELL_SHIFT + 1;
    check(
      fc.property(unit, unit, (a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        const cells = new system.Cells(shift, 3);
        cells.setStart(1, toUnit(low));
        cells.setStart(2, toUnit(high));
        cells.words[(1 << shift) | system.START_WORDS] = 2;
        cells.grow(5);
        expect([1, 2].map((cell) => toBigint(cells.start(cell)))).toEqual([low, high]);
        expect(toBigint(cells.distance(1, 2))).toBe(high - low);
        expect(cells.eighthsBetween(1, 2)).toBe(high === low ? 0 : eighthsOf(high - low));
        expect(cells.startsAt(1, toUnit(low))).toBe(true);
        expect(cells.startsAt(1, toUnit(high))).toBe(low === high);
        expect(cells.chained(1, system.START_WORDS, toUnit(low))).toBe(1);
        expect(cells.chained(1, system.START_WORDS, toUnit(high))).toBe(low === high ? 1 : 2);
        const other = low === 0n ? high + 1n : low - 1n;
        if (other <= limit && other !== high) {
          expect(cells.startsAt(1, toUnit(other))).toBe(false);
          expect(cells.chained(1, system.START_WORDS, toUnit(other))).toBe(0);
        }
        cells.copyStart(2, 3);
        expect(toBigint(cells.start(3))).toBe(high);
        expect([1, 2].map((cell) => toBigint(cells.start(cell)))).toEqual([low, high]);
      }),
    );
  });

  test('classes are by the leading bits', () => {
    check(
      fc.property(unit, (one) => {
        if (one === 0n) return;
        const own = eighthsOf(one);
        const above = one === 1n ? own : eighthsOf(one - 1n) + 1;
        expect(system.eighths(toUnit(one))).toBe(own);
        expect(system.order(toUnit(one))).toBe(one.toString(2).length - 1);
        // Up to eight units not every number of eighths has a unit.
        expect(system.eighthsFrom(toUnit(one))).toBe(one <= 8n ? own : above);
        expect(system.hash(toUnit(one))).toBe(system.hash(toUnit(BigInt(`${one}`))));
      }),
    );
  });
}

function check<T>(property: fc.IProperty<T>): void {
  fc.assert(property, { numRuns: 2000 });
}

/** Sums of few powers of two, near their multiples, and anything. */
function unitsUpTo(limit: bigint): fc.Arbitrary<bigint> {
  const bits = limit.toString(2).length - 1;
  const edge = fc.constantFrom(0, 3, 26, 31, 32, 37, 38, 41, 52, 53, 63, 64, 76, 79, 96, 127, 128);
  const power = fc
    .oneof(edge, fc.nat(bits))
    .map((exponent) => 1n << BigInt(Math.min(exponent, bits)));
  const near = fc.constantFrom(-2n, -1n, 0n, 1n, 2n);
  const sum = fc.tuple(power, power, near).map(([a, b, c]) => a + b + c);
  const difference = fc.tuple(power, power, near).map(([a, b, c]) => a - b + c);
  const one = fc.tuple(power, near).map(([a, b]) => a + b);
  const any = fc.bigInt(0n, limit);
  return fc
    .oneof(one, sum, difference, any, fc.constant(limit), fc.nat(70).map(BigInt))
    .map((value) => (value < 0n ? 0n : value > limit ? limit : value));
}

/** Eight times the number of bits, and the three bits below the leading one, cut off. */
function eighthsOf(unit: bigint): number {
  const digits = unit.toString(2);
  return digits.length * 8 + Number.parseInt(digits.slice(1, 4).padEnd(3, '0'), 2);
}
