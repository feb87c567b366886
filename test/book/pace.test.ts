/** The pace of the book: it rests while records come, and not where that would leave it too far behind. */
import { describe, expect, test } from 'vitest';
import { behindMax, restMs } from '../../src/history/pace.ts';

describe('between two steps it rests', () => {
  test('for a while where it has everything', () => {
    const alone = restMs({ tookMs: 1, behind: 0, coming: false });
    expect(alone).toBeGreaterThan(0);
    expect(restMs({ tookMs: 0, behind: 0, coming: true })).toBe(alone);
  });

  test('longer than it worked while records come', () => {
    for (const behind of [0, 1, behindMax]) {
      for (const tookMs of [1, 10, 100]) {
        expect(restMs({ tookMs, behind, coming: true })).toBeGreaterThanOrEqual(4 * tookMs);
      }
    }
  });

  test('not at all where it is behind and none come', () => {
    expect(restMs({ tookMs: 10, behind: 1, coming: false })).toBe(0);
  });

  test('not at all where it is too far behind', () => {
    expect(restMs({ tookMs: 10, behind: behindMax + 1, coming: true })).toBe(0);
  });
});
