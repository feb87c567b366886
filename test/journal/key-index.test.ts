/** The index of idempotency keys, against a map that does the same in the plainest way. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { KeyIndex } from '../../src/journal/key-index.ts';
import { Random } from '../model/random.ts';

const keptMs = 1000;

function keyOf(number: number): string {
  return createHash('sha256').update(String(number)).digest('hex').slice(0, 32);
}

describe('the index of keys', () => {
  test.each([1, 2, 3])('finds what was added, until it is old, seed %i', (seed) => {
    const random = new Random(seed, 'key-index');
    const index = new KeyIndex(keptMs);
    const model = new Map<string, { revision: number; ranMs: number }>();
    let now = 0;
    for (let revision = 1; revision <= 20_000; revision += 1) {
      // Now and then most of them become old at once, and the index has to grow and to wrap round.
      now += random.chance(0.0005) ? random.int(2 * keptMs) : random.chance(0.3) ? 1 : 0;
      const key = keyOf(random.int(5000));
      const entry = model.get(key);
      const held = entry !== undefined && now - entry.ranMs < keptMs;
      expect(index.revisionOf(key, now)).toBe(held ? entry.revision : undefined);
      if (held && random.chance(0.9)) continue;
      // The same key again where it is held still: the newest counts.
      index.add(key, revision, now);
      model.set(key, { revision, ranMs: now });
    }
    for (const [key, { revision, ranMs }] of model) {
      expect(index.revisionOf(key, now)).toBe(now - ranMs < keptMs ? revision : undefined);
    }
  });

  test('counts what it holds, and when the oldest leaves', () => {
    const index = new KeyIndex(keptMs);
    expect([index.size(0), index.oldestLeavesIn(0)]).toEqual([0, 0]);
    for (let number = 0; number < 3000; number += 1) index.add(keyOf(number), number + 1, number);
    expect(index.size(999)).toBe(3000);
    expect(index.oldestLeavesIn(999)).toBe(1);
    expect(index.size(1000)).toBe(2999);
    expect(index.oldestLeavesIn(1500)).toBe(1);
    // A long pause is made up for step by step, and nothing old is found meanwhile.
    expect(index.revisionOf(keyOf(2999), 5000)).toBeUndefined();
    while (index.size(5000) > 0);
    expect(index.oldestLeavesIn(5000)).toBe(0);
    index.add(keyOf(1), 7, 5000);
    expect(index.revisionOf(keyOf(1), 5000)).toBe(7);
  });

  test('tells keys apart that differ in their last digit alone', () => {
    const index = new KeyIndex(keptMs);
    const [one, two] = ['1', '2'].map((digit) => digit.padStart(32, '0'));
    index.add(one!, 1, 0);
    expect(index.revisionOf(two!, 0)).toBeUndefined();
    index.add(two!, 2, 0);
    expect([index.revisionOf(one!, 0), index.revisionOf(two!, 0)]).toEqual([1, 2]);
  });
});
