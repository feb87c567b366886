/**
 * The loops of Linux' drm_mm self-test over this engine: reserve at every boundary, fill and refill
 * from below, from above and by best fit, ranges, every prime alignment and every power of two.
 */
import { describe, expect, test } from 'vitest';
import type { Policy } from '../../../src/engine/command.ts';
import { Random } from '../../model/random.ts';
import { arena, expectSame, type ArenaDriver, type Pair } from '../harness.ts';

const M = 2n ** 64n;
const timeout = 120_000;

function primesBelow(bound: number): number[] {
  const primes: number[] = [];
  for (let n = 2; n < bound; n++) {
    if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  }
  return primes;
}

/** Reservations that must fail on an empty manager of `count` nodes of `size`; modulo 2^64. */
function boundaries(count: bigint, size: bigint): Pair[] {
  const all = count * size;
  return [
    [0n, 0n],
    [-size, 0n],
    [size, 0n],
    [all, 0n],
    [-size, size],
    [-size, -size],
    [-size, 2n * size],
    [0n, -size],
    [size, -size],
    [all, size],
    [all, -size],
    [all, all],
    [all, -all],
    [all, -all - size],
    [all + size, size],
    [all + size, -size],
    [all + size, -2n * size],
  ];
}

describe('reserve', () => {
  const exponents = [1, ...primesBelow(54)];
  const sizes = exponents.flatMap((p) => [
    2n ** BigInt(p) - 1n,
    2n ** BigInt(p),
    2n ** BigInt(p) + 1n,
  ]);
  test.each(sizes.map((size) => ({ size })))('1024 nodes of $size', { timeout }, ({ size }) => {
    const count = 1024;
    const random = new Random(Number(size % 65_521n));
    const a = arena({ spans: [[0n, BigInt(count) * size]] });
    for (const [base, extent] of boundaries(BigInt(count), size)) {
      const answer = a.reserve(BigInt.asUintN(64, base), BigInt.asUintN(64, extent));
      expect(['invalid-request', 'never-fits']).toContain(answer);
    }
    const order = random.shuffle(Array.from({ length: count }, (_, node) => BigInt(node) * size));
    for (const base of order) expectSame(a.reserve(base, size), base);
    for (const base of order) expectSame(a.reserve(base, size), 'taken');
    let next = 0;
    for (const prime of primesBelow(count).filter((_, at) => at % 16 === 0)) {
      const some = Array.from({ length: prime }, (_, at) => order[(next + at) % count]!);
      next += prime;
      for (const base of some) expectSame(a.free(base, size), 'ok');
      for (const base of random.shuffle(some)) expectSame(a.reserve(base, size), base);
    }
    expect(a.view.free).toBe(0n);
    a.finish();
  });
});

describe('insert', () => {
  const count = 512;
  const places: Record<'firstfit' | 'lastfit' | 'bestfit' | 'instantfit', (n: number) => number> = {
    firstfit: (n) => n,
    lastfit: (n) => count - 1 - n,
    bestfit: (n) => n,
    instantfit: (n) => n,
  };
  for (const [policy, place] of Object.entries(places) as [Policy, (n: number) => number][]) {
    test.each([1n, 3n, 2n ** 31n + 1n, 2n ** 53n + 1n])(`${policy}, nodes of %s`, (size) => {
      const a = arena({ policy, spans: [[0n, BigInt(count) * size]] });
      for (let n = 0; n < count; n++) expectSame(a.alloc(size), BigInt(place(n)) * size);
      expect(a.alloc(size)).toBe('exhausted');
      const random = new Random(count);
      for (const prime of [1, 7, 61, 251, 509]) {
        const freed = random.shuffle(a.blocks()).slice(0, prime);
        for (const [base] of freed) expectSame(a.free(base), 'ok');
        const got = freed.map(() => a.alloc(size));
        expect(sorted(got)).toEqual(sorted(freed.map(([base]) => base)));
      }
      a.finish();
    });
  }
});

describe('insert in a range', () => {
  const count = 8192n;
  const size = 3n;
  const max = count * size - 1n;
  const ranges: readonly (readonly [bigint, bigint])[] = [
    [0n, max],
    [1n, max],
    [0n, max - 1n],
    [0n, max / 2n],
    [max / 2n, max],
    [max / 4n + 1n, (3n * max) / 4n - 1n],
  ];
  for (const policy of ['firstfit', 'lastfit', 'bestfit'] as const) {
    test.each(ranges)(`${policy} from %s to %s`, { timeout }, (from, to) => {
      const a = arena({ policy, spans: [[0n, count * size]] });
      const room = (to - from + 1n) / size;
      for (let n = 0n; n < room; n++) {
        const base = a.xalloc(size, { min: from, max: to });
        if (policy === 'firstfit') expectSame(base, from + n * size);
        if (policy === 'lastfit') expectSame(base, to + 1n - (n + 1n) * size);
      }
      expect(a.xalloc(size, { min: from, max: to })).toBe('exhausted');
      expect(a.view.allocated).toBe(room * size);
      const first = a.blocks()[0]![0];
      const [last, extent] = a.blocks().at(-1)!;
      expect(first).toBeGreaterThanOrEqual(from);
      expect(last + extent - 1n).toBeLessThanOrEqual(to);
      a.finish();
    });
  }

  test.each([
    [1n, 0n, 1024n],
    [1024n, 512n, 1536n],
    [1024n, 1536n, 2560n],
    [1n, 2048n, 3072n],
  ])('%s from %s up to %s lies outside [1024, 2048)', (extent, from, to) => {
    const a = arena({ spans: [[1024n, 1024n]] });
    expect(a.xalloc(extent, { min: from, max: to - 1n })).toBe('never-fits');
    a.finish();
  });
});

describe('align', () => {
  test.each(primesBelow(128))('to the prime %i', (prime) => {
    const align = BigInt(prime);
    const size = BigInt(primesBelow(256).find((candidate) => candidate > prime)!);
    for (const policy of ['bestfit', 'firstfit', 'lastfit'] as const) {
      const a = arena({ policy, spans: [[1n, M - 2n]] });
      for (let n = 0; n < 64; n++) expectAligned(a, size, align);
      a.finish();
    }
  });

  test.each([31, 63])('to every power of two up to 2^%i', (most) => {
    for (const policy of ['bestfit', 'firstfit', 'lastfit', 'instantfit'] as const) {
      const a = arena({ policy, spans: [[1n, M - 2n]] });
      for (let bit = BigInt(most); bit > 0n; bit--) {
        expectAligned(a, (1n << (bit - 1n)) + 1n, 1n << bit);
      }
      a.finish();
    }
  });
});

test('from the top down one hole remains at the bottom', { timeout }, () => {
  const random = new Random(8192);
  const sizes = random.shuffle(Array.from({ length: 8192 }, (_, at) => BigInt(1 + (at % 64))));
  const total = sizes.reduce((sum, size) => sum + size, 0n);
  const a = arena({ policy: 'lastfit', spans: [[0n, total]] });
  let bottom = total;
  for (const size of sizes) {
    bottom -= size;
    expectSame(a.alloc(size), bottom);
    const { holes, largestFree } = a.view;
    expectSame(holes, bottom > 0n ? 1 : 0);
    expectSame(largestFree, bottom);
  }
  for (const prime of [1, 13, 101, 1009, 4093]) {
    const freed = random.shuffle(a.blocks()).slice(0, prime);
    for (const [base, size] of freed) expectSame(a.free(base, size), 'ok');
    // Each request takes the highest hole that is left, and fills it.
    for (const [base, size] of a.holes().toReversed()) expectSame(a.alloc(size), base);
    expect(a.view.free).toBe(0n);
  }
  a.finish();
});

function expectAligned(a: ArenaDriver, size: bigint, align: bigint): void {
  const base = a.xalloc(size, { align });
  expect(base, `${size}@${align}`).toBeTypeOf('bigint');
  expect((base as bigint) % align).toBe(0n);
}

function sorted(values: readonly (bigint | string)[]): (bigint | string)[] {
  return values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
