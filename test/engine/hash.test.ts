import { describe, expect, test } from 'vitest';
import { hash } from '../../src/engine/narrow/unit.ts';

describe('the hash of a unit', () => {
  test('eight units side by side are in eight places side by side', () => {
    for (const first of [0, 8, 4096, 2 ** 31 - 8, 2 ** 31, 2 ** 32 + 24, 2 ** 52 - 8]) {
      const hashes = Array.from({ length: 8 }, (_, i) => hash(first + i));
      expect(new Set(hashes.map((one) => one >>> 3)).size, `${first}`).toBe(1);
      expect(new Set(hashes).size, `${first}`).toBe(8);
      expect(hashes.every((one) => Number.isInteger(one) && one >= 0)).toBe(true);
    }
  });

  // As many keys as buckets: at random they would fill 63 in 100 of them.
  const count = 1 << 14;
  const patterns: [stride: number, from: number][] = [
    ...[1, 2, 3, 8, 24, 256, 1000, 4096, 1 << 16].map((stride): [number, number] => [stride, 0]),
    [1, 2 ** 40],
    [256, 2 ** 51],
    [2 ** 33, 0],
  ];
  test.each(patterns)('units %d apart, from %d, are spread over the buckets', (stride, from) => {
    const buckets = new Map<number, number>();
    for (let i = 0; i < count; i++) {
      const bucket = hash(from + i * stride) & (count - 1);
      buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1);
    }
    expect(buckets.size).toBeGreaterThan(count * 0.3);
    expect(Math.max(...buckets.values())).toBeLessThan(24);
  });
});
