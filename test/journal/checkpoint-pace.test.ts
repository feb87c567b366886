/** The pace of a checkpoint: it rests while records come, and not where that would cost a start. */
import { expect, test } from 'vitest';
import { CheckpointPace, restMsMax } from '../../src/journal/checkpoint-pace.ts';

const begun = { revision: 10, bytesTotal: 1000 };

test('while records come it rests longer than it works', () => {
  const pace = new CheckpointPace(begun, 100);
  for (const [step, tookMs] of [1, 5, 40].entries()) {
    const rest = pace.restMs(tookMs, { revision: 11 + step, bytesTotal: 1001 + step });
    expect(rest).toBeGreaterThanOrEqual(2 * tookMs);
  }
});

test('nobody waits for a rest for long', () => {
  const pace = new CheckpointPace(begun, 100);
  expect(pace.restMs(60_000, { revision: 11, bytesTotal: 1001 })).toBe(restMsMax);
});

test('where none has come since the step before it does not rest', () => {
  const pace = new CheckpointPace(begun, 100);
  expect(pace.restMs(10, begun)).toBe(0);
  const stored = { revision: 11, bytesTotal: 1001 };
  expect(pace.restMs(10, stored)).toBeGreaterThan(0);
  expect(pace.restMs(10, stored)).toBe(0);
});

test('where too many have come it does not rest', () => {
  const pace = new CheckpointPace(begun, 100);
  expect(pace.restMs(10, { revision: 11, bytesTotal: 1100 })).toBeGreaterThan(0);
  expect(pace.restMs(10, { revision: 12, bytesTotal: 1101 })).toBe(0);
});
