import { expect, test } from 'vitest';
import { SpanTimer } from '../src/span-timer.ts';

/** A timer that is shown what idles, at times of its own clock. */
function timerOf(releaseAfterSeconds: number) {
  const timer = new SpanTimer({} as never, () => 0);
  return (now: number, revision: number, since: number): number | undefined => {
    const idling = [{ arena: 'pods', releaseAfterSeconds, since }];
    return timer.due(idling, revision, now)[0]?.freeSince;
  };
}

test('what is idle at the first look is kept for its full time from then', () => {
  const look = timerOf(10);
  expect(look(5_000, 7, 3)).toBeUndefined();
  expect(look(14_999, 7, 3)).toBeUndefined();
  expect(look(15_000, 7, 3)).toBe(7);
});

test('what became idle after a look is due only after a later one', () => {
  const look = timerOf(10);
  expect(look(0, 7, 3)).toBeUndefined();
  expect(look(1_000, 9, 8)).toBeUndefined();
  expect(look(10_000, 9, 8)).toBeUndefined();
  expect(look(10_999, 9, 8)).toBeUndefined();
  expect(look(11_000, 9, 8)).toBe(9);
});

test('an arena that had nothing to give back begins anew', () => {
  const timer = new SpanTimer({} as never, () => 0);
  const idling = [{ arena: 'pods', releaseAfterSeconds: 10, since: 3 }];
  expect(timer.due(idling, 7, 0)).toEqual([]);
  expect(timer.due([], 8, 5_000)).toEqual([]);
  expect(timer.due(idling, 9, 10_000)).toEqual([]);
  expect(timer.due(idling, 9, 20_000)).toHaveLength(1);
});

test('a year is noted in few notes, and nothing is late by more than a part of it', () => {
  const year = 31_536_000;
  const look = timerOf(year);
  const hour = 3_600_000;
  let released: number | undefined;
  for (let at = 0; released === undefined; at += hour) {
    const revision = 1 + at / hour;
    if (look(at, revision, 1000) !== undefined) released = at;
  }
  const idleAt = 999 * hour;
  expect(released).toBeGreaterThanOrEqual(idleAt + year * 1000);
  expect(released).toBeLessThanOrEqual(idleAt + year * 1000 * (1 + 1 / 32) + hour);
});

test('the wall clock has no part in it', async () => {
  const commands: unknown[] = [];
  let now = 0;
  const engine = {
    revision: 7,
    idling: () => [{ arena: 'pods', releaseAfterSeconds: 1, since: 3 }],
  };
  const sequencer = {
    read: (view: (of: typeof engine) => unknown) => Promise.resolve(view(engine)),
    execute: (command: unknown) => Promise.resolve(commands.push(command)),
  };
  const timer = new SpanTimer(sequencer as never, () => now);
  const real = Date.now;
  try {
    Date.now = () => real() + 86_400_000;
    await timer.look();
    expect(commands).toEqual([]);
    now = 1000;
    Date.now = () => real() - 86_400_000;
    await timer.look();
  } finally {
    Date.now = real;
  }
  expect(commands).toMatchObject([{ type: 'releaseSpans', arena: 'pods', freeSince: 7 }]);
});

test('releases what is due in turns, each arena once', async () => {
  const released: string[] = [];
  let underWay = 0;
  let most = 0;
  let now = 0;
  const arenas = Array.from({ length: 100 }, (_, i) => `arena-${i}`);
  const engine = {
    revision: 7,
    idling: () => arenas.map((arena) => ({ arena, releaseAfterSeconds: 1, since: 3 })),
  };
  const sequencer = {
    read: (view: (of: typeof engine) => unknown) => Promise.resolve(view(engine)),
    execute: async ({ arena }: { arena: string }) => {
      released.push(arena);
      most = Math.max(most, ++underWay);
      await new Promise(setImmediate);
      underWay--;
    },
  };
  const timer = new SpanTimer(sequencer as never, () => now);
  await timer.look();
  now = 1000;
  await Promise.all([timer.look(), timer.look()]);
  expect(released).toEqual(arenas);
  expect(most).toBeLessThanOrEqual(16);
});
