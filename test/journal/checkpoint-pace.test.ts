/** The pace of a checkpoint: it rests while records come, and not where somebody would wait for that. */
import { expect, test } from 'vitest';
import {
  CheckpointPace,
  restMsMax,
  shareWhileResting,
  type Stored,
} from '../../src/journal/checkpoint-pace.ts';

const begun: Stored = { revision: 10, bytesTotal: 1000 };
const bytesDue = 400;

function rest(pace: CheckpointPace, tookMs: number, stored: Stored, awaited = false): number {
  return pace.restMs({ tookMs, awaited, stored });
}

test('while records come it rests longer than it works', () => {
  const pace = new CheckpointPace(begun, bytesDue);
  for (const [step, tookMs] of [1, 5, 40].entries()) {
    const stored = { revision: 11 + step, bytesTotal: 1001 + step };
    expect(rest(pace, tookMs, stored)).toBeGreaterThanOrEqual(2 * tookMs);
  }
});

test('a rest is never long', () => {
  const pace = new CheckpointPace(begun, bytesDue);
  expect(rest(pace, 60_000, { revision: 11, bytesTotal: 1001 })).toBe(restMsMax);
});

test('where none has come since the step before it does not rest', () => {
  const pace = new CheckpointPace(begun, bytesDue);
  expect(rest(pace, 10, begun)).toBe(0);
  const stored = { revision: 11, bytesTotal: 1001 };
  expect(rest(pace, 10, stored)).toBeGreaterThan(0);
  expect(rest(pace, 10, stored)).toBe(0);
});

test('where somebody waits it does not rest, and does again when nobody waits any longer', () => {
  const pace = new CheckpointPace(begun, bytesDue);
  expect(rest(pace, 10, { revision: 11, bytesTotal: 1001 }, true)).toBe(0);
  expect(rest(pace, 10, { revision: 12, bytesTotal: 1002 })).toBeGreaterThan(0);
});

test('where too many have come it does not rest', () => {
  const pace = new CheckpointPace(begun, bytesDue);
  const bytesTotal = begun.bytesTotal + bytesDue * shareWhileResting;
  expect(rest(pace, 10, { revision: 11, bytesTotal })).toBeGreaterThan(0);
  expect(rest(pace, 10, { revision: 12, bytesTotal: bytesTotal + 1 })).toBe(0);
});
