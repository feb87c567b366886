/**
 * The model is only as good as its arithmetic, so the arithmetic is held against something more
 * naive still: a scan over every unit of the segment.
 */
import { expect, test } from 'vitest';
import { highest, lowest, meets, wishOf, type Segment, type Wish } from './placement.ts';
import { Random } from './random.ts';

test('lowest and highest placement agree with a scan over every unit', () => {
  const random = new Random(7);
  let found = 0;
  for (let round = 0; round < 20_000; round++) {
    const { segment, wish } = draw(random);
    const starts = scan(segment, wish);
    const context = `${JSON.stringify({ segment, wish }, text)}`;
    expect(lowest(segment, wish), context).toBe(starts[0]);
    expect(highest(segment, wish), context).toBe(starts.at(-1));
    const from = BigInt(random.int(200));
    expect(lowest(segment, wish, from), context).toBe(starts.find((start) => start >= from));
    if (starts.length > 0) found++;
  }
  expect(found).toBeGreaterThan(2_000);
});

test.each([
  [0n, {}, '/size'],
  [(1n << 32n) + 1n, {}, '/size'],
  [16n, { align: 0n }, '/align'],
  [16n, { align: 24n }, '/align'],
  [16n, { align: 32n, phase: 32n }, '/phase'],
  [16n, { align: 32n, phase: 8n }, '/phase'],
  [17n, { nocross: 16n }, '/nocross'],
  [16n, { nocross: 48n }, '/nocross'],
  [16n, { min: 9n, max: 8n }, '/min'],
  [16n, { min: 1n << 32n }, '/min'],
  [16n, { max: 1n << 32n }, '/max'],
  [16n, { address: 1n << 32n }, '/address'],
  [16n, { address: 8n }, '/address'],
])('size %s with %o is invalid in %s', (size, constraint, pointer) => {
  expect(wishOf(size, constraint, 16n, 32)).toBe(pointer);
});

test('a boundary that every start crosses is no search without end', () => {
  const segment = { base: 0n, size: 2n ** 128n };
  const wish = { size: 2n ** 59n, quantum: 1n, min: 0n, max: 2n ** 128n - 1n, nocross: 2n ** 59n };
  for (const [align, phase] of [
    [2n ** 14n, 2n ** 13n],
    [2n ** 90n, 1n],
  ] as const) {
    expect(lowest(segment, { ...wish, align, phase })).toBeUndefined();
    expect(highest(segment, { ...wish, align, phase })).toBeUndefined();
  }
  // Three is odd to every boundary: a multiple of both is a start, the origin among them.
  expect(lowest(segment, { ...wish, align: 3n, phase: 0n }, 1n)).toBe(3n * 2n ** 59n);
});

function draw(random: Random): { segment: Segment; wish: Wish } {
  for (;;) {
    const quantum = 1n << BigInt(random.int(3));
    const base = quantum * BigInt(random.int(32));
    const segment = { base, size: quantum * BigInt(1 + random.int(40)) };
    const size = BigInt(1 + random.int(24));
    const align = random.pick([1n, 2n, 4n, 8n, 16n, 32n, 64n, quantum * 3n, quantum * 5n]);
    const min = BigInt(random.int(80));
    const wish = wishOf(
      size,
      {
        align,
        ...(random.chance(0.5) ? { phase: random.big(align) } : {}),
        ...(random.chance(0.5) ? { nocross: 1n << BigInt(random.int(7)) } : {}),
        ...(random.chance(0.3) ? { min, max: min + BigInt(random.int(100)) } : {}),
        ...(random.chance(0.1) ? { address: quantum * BigInt(random.int(64)) } : {}),
      },
      quantum,
      32,
    );
    if (typeof wish !== 'string') return { segment, wish };
  }
}

function scan(segment: Segment, wish: Wish): bigint[] {
  const starts: bigint[] = [];
  for (let at = segment.base; at + wish.size <= segment.base + segment.size; at++) {
    if (meets(at, wish)) starts.push(at);
  }
  return starts;
}

function text(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value;
}
