import { expect, test } from 'vitest';
import { RestTimer } from '../src/rest-timer.ts';

/** A timer that is shown what rests, at times of its own clock. */
function timerOf(quarantineSeconds: number) {
  const timer = new RestTimer({} as never, () => 0);
  return (now: number, revision: number, since: number): number | undefined => {
    const resting = [{ arena: 'pods', quarantineSeconds, since }];
    return timer.due(resting, revision, now)[0]?.restingSince;
  };
}

test('what rests at the first look does so for its full time from then', () => {
  const look = timerOf(10);
  expect(look(5_000, 7, 3)).toBeUndefined();
  expect(look(14_999, 7, 3)).toBeUndefined();
  expect(look(15_000, 7, 3)).toBe(7);
});

test('what was freed after a look is due only after a later one', () => {
  const look = timerOf(10);
  expect(look(0, 7, 3)).toBeUndefined();
  expect(look(1_000, 9, 8)).toBeUndefined();
  expect(look(10_000, 9, 8)).toBeUndefined();
  expect(look(10_999, 9, 8)).toBeUndefined();
  expect(look(11_000, 9, 8)).toBe(9);
});

test('without a time all is due at once', () => {
  expect(timerOf(0)(5_000, 7, 7)).toBe(7);
});

test('each arena has its time, and what is noted serves all of them', () => {
  const timer = new RestTimer({} as never, () => 0);
  const resting = (since: number) => [
    { arena: 'brief', quarantineSeconds: 1, since },
    { arena: 'long', quarantineSeconds: 100, since: 3 },
  ];
  const due = (since: number, revision: number, now: number) =>
    timer
      .due(resting(since), revision, now)
      .map(({ arena, restingSince }) => [arena, restingSince]);
  expect(due(4, 7, 0)).toEqual([]);
  expect(due(4, 9, 1_000)).toEqual([['brief', 7]]);
  expect(due(8, 9, 1_999)).toEqual([]);
  expect(due(8, 20, 99_999)).toEqual([['brief', 9]]);
  expect(due(20, 20, 100_000)).toEqual([['long', 7]]);
});

test.each([1000, 31_536_000])(
  'of %i seconds nothing is early, or late by more than a part of it',
  (quarantineSeconds) => {
    const look = timerOf(quarantineSeconds);
    const step = quarantineSeconds * 0.1;
    let ended: number | undefined;
    for (let at = 0; ended === undefined; at += step) {
      const revision = 1 + Math.round(at / step);
      if (look(at, revision, 2000) !== undefined) ended = at;
    }
    const freedAt = 1999 * step;
    expect(ended).toBeGreaterThanOrEqual(freedAt + quarantineSeconds * 1000);
    expect(ended).toBeLessThanOrEqual(freedAt + quarantineSeconds * 1000 * (1 + 1 / 500) + step);
  },
);

test('tells how long a rest may still take, also before it has looked', () => {
  let now = 5_000;
  const timer = new RestTimer({} as never, () => now);
  const rest = { since: 3, quarantineSeconds: 10 };
  expect(timer.secondsLeft(rest)).toBe(10);
  timer.due([{ arena: 'pods', ...rest }], 7, now);
  now = 7_100;
  expect(timer.secondsLeft(rest)).toBe(8);
  expect(timer.secondsLeft({ ...rest, since: 9 })).toBe(10);
  now = 20_000;
  expect(timer.secondsLeft(rest)).toBe(1);
});

test('ends what is due in turns, until nothing is', async () => {
  const most: number[] = [];
  const rests = new Map(Array.from({ length: 9 }, (_, i) => [`arena-${i}`, 2]));
  let underWay = 0;
  const engine = {
    revision: 7,
    resting: () => [...rests.keys()].map((arena) => ({ arena, quarantineSeconds: 0, since: 3 })),
  };
  const sequencer = {
    read: (view: (of: typeof engine) => unknown) => Promise.resolve(view(engine)),
    execute: async ({ arena }: { arena: string }) => {
      most.push(++underWay);
      const left = rests.get(arena)! - 1;
      if (left === 0) rests.delete(arena);
      else rests.set(arena, left);
      await new Promise(setImmediate);
      underWay--;
    },
  };
  const timer = new RestTimer(sequencer as never, () => 0);
  await Promise.all([timer.look(), timer.look()]);
  expect(rests.size).toBe(0);
  expect(most).toHaveLength(18);
  expect(Math.max(...most)).toBeLessThanOrEqual(4);
});

test('looks at all that rests only once for many arenas', async () => {
  const rests = new Set(Array.from({ length: 1000 }, (_, i) => `arena-${i}`));
  let looks = 0;
  const engine = {
    revision: 7,
    resting: () => {
      looks++;
      return [...rests].map((arena) => ({ arena, quarantineSeconds: 0, since: 3 }));
    },
  };
  const sequencer = {
    read: (view: (of: typeof engine) => unknown) => Promise.resolve(view(engine)),
    execute: async ({ arena }: { arena: string }) => {
      rests.delete(arena);
      return Promise.resolve();
    },
  };
  await new RestTimer(sequencer as never, () => 0).look();
  expect(rests.size).toBe(0);
  expect(looks).toBeLessThanOrEqual(5);
});
