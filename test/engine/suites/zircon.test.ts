/**
 * The tables of Zircon's region allocator, restated: regions that can and cannot be added, requests
 * by size with their alignment, requests for a specific region, and queries. Where that allocator
 * refuses a region that ends at the very top of the space, this engine accepts it.
 */
import { expect, test } from 'vitest';
import { arena, type Pair } from '../harness.ts';

const KiB = 1024n;
const unit = 256n * KiB;
const M = 2n ** 64n;

test('adding regions: neighbours merge, overlaps are refused', () => {
  const good: Pair[] = [
    [0x10000000n, unit],
    [0x20000000n - unit, unit],
    [0x20000000n + 3n * unit, unit],
    [0x20000000n, unit],
    [0x20000000n + 2n * unit, unit],
    [0x20000000n + unit, unit],
    [1n << 60n, unit],
    [1n << 61n, unit],
  ];
  const a = arena();
  for (const region of good) expect(a.add(...region)).toBe('ok');
  const holes: Pair[] = [
    [0x10000000n, unit],
    [0x20000000n - unit, 5n * unit],
    [1n << 60n, unit],
    [1n << 61n, unit],
  ];
  expect(a.holes()).toEqual(holes);
  for (const base of [0x10000000n, 1n << 60n, 1n << 61n]) {
    const bad: Pair[] = [
      [base - unit + 1n, unit],
      [base - 1n, unit],
      [base + unit - 1n, unit],
      [base - 1n, 2n * unit],
      [base + 1n, unit / 2n],
    ];
    for (const region of bad) expect(a.add(...region)).toBe('overlap');
  }
  expect(a.holes()).toEqual(holes);
  expect(a.add(M - 1n, 1n)).toBe('ok');
  expect(a.add(0xffffffff00000000n, 0x100000000n)).toBe('overlap');
  expect(a.add(0xffffffff00000000n, 0xffffffffn)).toBe('ok');
  expect(a.add(M - 1n, 2n)).toBe('invalid-request');
  a.finish();
});

/** Region 0 is the small one at 0, region 1 the large one at 1 MiB. */
type BySize = readonly [size: bigint, align: bigint, answer: 0 | 1 | string];

const powers = Array.from({ length: 11 }, (_, k) => 1n << BigInt(k));
const bySize: BySize[] = [
  [0n, 1n, 'invalid-request'],
  [1n, 0n, 'invalid-request'],
  [0x10000000n, 1n, 'never-fits'],
  [0x5000n, 0x10000000n, 'never-fits'],
  ...powers.map((size): BySize => [size, size * 2n, 0]),
  [4n * KiB, 4n * KiB, 1],
  [4n * KiB, 8n * KiB, 1],
  [0xfc000n, 16n * KiB, 1],
  [3n, 1n, 0],
  ...powers.slice(1).map((size): BySize => [size, size, 0]),
  [1n, 1n, 1],
  [4n * KiB, 1n, 1],
  [4n * KiB, 1n, 'exhausted'],
  [0xfffn, 1n, 1],
  [1n, 1n, 'exhausted'],
];

test('requests by size come from the region that fits best', () => {
  const regions: Pair[] = [
    [0n, 4n * KiB],
    [0x100000n, 1024n * KiB],
  ];
  const a = arena({ policy: 'bestfit', spans: regions });
  for (const [size, align, answer] of bySize) {
    const got = a.xalloc(size, { align });
    if (typeof answer === 'string') {
      expect(got, `${size}@${align}`).toBe(answer);
      continue;
    }
    const [base, extent] = regions[answer]!;
    expect(got, `${size}@${align}`).toBeTypeOf('bigint');
    expect(got).toBeGreaterThanOrEqual(base);
    expect((got as bigint) + size).toBeLessThanOrEqual(base + extent);
    expect((got as bigint) % align).toBe(0n);
  }
  expect(a.view.free).toBe(0n);
  a.finish();
});

test('requests for a specific region', () => {
  const a = arena({ spans: [[0x1000n, 4n * KiB]] });
  const requests: readonly [base: bigint, size: bigint, answer: string][] = [
    [0n, 0n, 'invalid-request'],
    [M - 1n, 1n, 'never-fits'],
    [0xfffffffffffffff0n, 0x20n, 'never-fits'],
    [0x0800n, 0x1n, 'never-fits'],
    [0x0fffn, 0x100n, 'never-fits'],
    [0x1f01n, 0x100n, 'never-fits'],
    [0x2000n, 0x1n, 'never-fits'],
    [0x1000n, 0x100n, 'ok'],
    [0x1f00n, 0x100n, 'ok'],
    [0x1700n, 0x200n, 'ok'],
    [0x1000n, 0x100n, 'taken'],
    [0x1080n, 0x80n, 'taken'],
    [0x10ffn, 0x1n, 'taken'],
    [0x10ffn, 0x100n, 'taken'],
    [0x1f00n, 0x100n, 'taken'],
    [0x1e01n, 0x100n, 'taken'],
    [0x1e81n, 0x80n, 'taken'],
    [0x1effn, 0x2n, 'taken'],
    [0x1800n, 0x100n, 'taken'],
    [0x1880n, 0x100n, 'taken'],
    [0x1780n, 0x100n, 'taken'],
    [0x1100n, 0x600n, 'ok'],
    [0x1900n, 0x600n, 'ok'],
  ];
  for (const [base, size, answer] of requests) {
    const expected = answer === 'ok' ? base : answer;
    expect(a.reserve(base, size), `[${base}, +${size})`).toBe(expected);
  }
  expect(a.holes()).toEqual([]);
  a.finish();
});

test('removing regions: each must be a whole one, and free', () => {
  const a = arena();
  expect(a.removeSpan(0x1000n)).toBe('span-not-found');
  expect(a.add(0x1000n, 0x1000n)).toBe('ok');
  expect(a.removeSpan(0x1000n)).toBe('ok');
  expect(a.holes()).toEqual([]);
  const parts: Pair[] = [
    [0x1000n, 0x800n],
    [0x1800n, 0x400n],
    [0x1c00n, 0x400n],
  ];
  for (const part of parts) expect(a.add(...part)).toBe('ok');
  expect(a.holes()).toEqual([[0x1000n, 0x1000n]]);
  expect(a.removeSpan(0x1800n)).toBe('ok');
  expect(a.holes()).toEqual([parts[0], parts[2]]);
  expect(a.add(0x1800n, 0x400n)).toBe('ok');
  for (const [base] of parts) expect(a.removeSpan(base)).toBe('ok');
  expect(a.holes()).toEqual([]);
  a.finish();
});

test('adding over existing regions is refused until they are gone', () => {
  const a = arena();
  const steps: readonly [base: bigint, size: bigint, answer: string, holes: number][] = [
    [0x10000n, 0x1000n, 'ok', 1],
    [0x10000n, 0x1000n, 'overlap', 1],
    [0xf800n, 0x800n, 'ok', 1],
    [0x11000n, 0x800n, 'ok', 1],
    [0xf000n, 0x801n, 'overlap', 1],
    [0x117ffn, 0x801n, 'overlap', 1],
    [0xe000n, 0x5000n, 'overlap', 1],
    [0x14000n, 0x1000n, 'ok', 2],
    [0x16000n, 0x1000n, 'ok', 3],
    [0x18000n, 0x1000n, 'ok', 4],
    [0x1a000n, 0x1000n, 'ok', 5],
    [0x1c000n, 0x1000n, 'ok', 6],
    [0x12fffn, 0x1002n, 'overlap', 6],
    [0x15800n, 0x3000n, 'overlap', 6],
    [0x18800n, 0x3000n, 'overlap', 6],
    [0xd000n, 0x11000n, 'overlap', 6],
  ];
  for (const [base, size, answer, holes] of steps) {
    expect(a.add(base, size)).toBe(answer);
    expect(a.view.holes).toBe(holes);
  }
  a.finish();
});

test('a region is granted exactly where all of it is available', () => {
  const a = arena({
    spans: [
      [0x1000n, 0x2000n],
      [0x4000n, 0x2000n],
      [0x8000n, 0x2000n],
    ],
  });
  for (const base of [0x1000n, 0x4800n, 0x9000n]) expect(a.reserve(base, 0x1000n)).toBe(base);
  const before = a.walk();
  const outside = [0x0ff0n, 0x0ff1n, 0x2ff8n, 0x3000n, 0x3ff0n, 0x3ff1n, 0x5ff8n, 0x6000n, 0x7ff0n];
  const beyond = [0x7ff1n, 0x9ff8n, 0xa000n];
  const busy = [0x1000n, 0x1010n, 0x1ff0n, 0x1ff8n, 0x47f8n, 0x4800n, 0x4900n, 0x57f0n, 0x57f8n];
  const busyToo = [0x8ff8n, 0x9000n, 0x9010n, 0x9ff0n];
  const free = [0x2000n, 0x2010n, 0x2ff0n, 0x4000n, 0x4010n, 0x47f0n, 0x5800n, 0x5900n, 0x5ff0n];
  const freeToo = [0x8000n, 0x8010n, 0x8ff0n];
  for (const base of [...outside, ...beyond]) expect(a.reserve(base, 0x10n)).toBe('never-fits');
  for (const base of [...busy, ...busyToo]) expect(a.reserve(base, 0x10n)).toBe('taken');
  for (const base of [...free, ...freeToo]) {
    expect(a.reserve(base, 0x10n)).toBe(base);
    expect(a.free(base)).toBe('ok');
  }
  expect(a.reserve(0n, 0xf000n)).toBe('never-fits');
  expect(a.reserve(0n, 0x100n)).toBe('never-fits');
  expect(a.walk()).toEqual(before);
  a.finish();
});

test('allocated regions are walked in order, and the walk stops when told to', () => {
  const a = arena({ spans: [[0n, M - 1n]] });
  const regions = Array.from({ length: 10 }, (_, at) => BigInt(at) * 0x10000000n);
  for (const base of regions) expect(a.reserve(base, 1n << 20n)).toBe(base);
  for (let stop = 1; stop <= regions.length; stop++) {
    const seen: bigint[] = [];
    a.driver.engine.walkAllocations(a.name, 0n, ({ address }) => seen.push(address) < stop);
    expect(seen).toEqual(regions.slice(0, stop));
  }
  a.finish();
});
