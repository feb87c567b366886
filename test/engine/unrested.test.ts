/**
 * Whether there would be room if nothing rested: what it costs to know that, told by counting, and that
 * it is kept up whatever happens. That it is right is for the model to say.
 */
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Event } from '../../src/engine/event.ts';
import { Segments } from '../../src/engine/narrow/segments.ts';
import type { Refusal } from '../../src/engine/refusal.ts';
import { Rests } from '../../src/engine/rests.ts';
import { arena, type ArenaDriver } from './harness.ts';

afterEach(() => vi.restoreAllMocks());

const quarantineSeconds = 60;

/** Every other one of so many pairs of addresses rests, the others are in use. */
function checkerboard(pairs: number): ArenaDriver {
  const here = arena({ spans: [[0n, BigInt(4 * pairs)]], policy: 'firstfit', quarantineSeconds });
  for (let i = 0; i < 2 * pairs; i++) here.alloc(2n);
  for (let i = 0; i < pairs; i++) here.free(BigInt(4 * i));
  expect(here.view).toMatchObject({ allocations: pairs, free: 0n, resting: BigInt(2 * pairs) });
  return here;
}

function ask({ driver, name }: ArenaDriver, size: bigint, reuse: boolean): Event | Refusal {
  const request = { type: 'xalloc', arena: name, size, constraint: {}, labels: {} } as const;
  return driver.engine.decide({ ...request, reuse, at: 1 });
}

function refusalOf(here: ArenaDriver, size: bigint, reuse: boolean): Refusal {
  const outcome = ask(here, size, reuse);
  if (!('refused' in outcome)) throw new Error('granted');
  return outcome;
}

/** How many segments, and ranges that rest, are looked at meanwhile. */
function looked(work: () => void): number {
  const spies = [
    vi.spyOn(Segments.prototype, 'startOf'),
    vi.spyOn(Segments.prototype, 'endOf'),
    vi.spyOn(Segments.prototype, 'stateOf'),
    vi.spyOn(Rests.prototype, 'base'),
  ];
  work();
  const count = spies.reduce((sum, { mock }) => sum + mock.calls.length, 0);
  vi.restoreAllMocks();
  return count;
}

describe('a refusal', () => {
  test.each([true, false])('looks at few of many that rest, with reuse: %s', (reuse) => {
    const counts = [50, 1600].map((pairs) => {
      const here = checkerboard(pairs);
      // The first one makes the index, and one more that of what has been asked for twice.
      for (let i = 0; i < 3; i++) expect(refusalOf(here, 3n, reuse).refused).toBe('exhausted');
      return looked(() => refusalOf(here, 3n, reuse));
    });
    const [few = 0, many = 0] = counts;
    expect(few).toBeGreaterThan(0);
    expect(many).toBeLessThan(few + 50);
  });

  test('says what would be room, with the same figures as before it was asked', () => {
    const here = checkerboard(8);
    expect(here.free(2n)).toBe('ok');
    expect(refusalOf(here, 6n, false).exhaustion).toMatchObject({
      largestFitting: 0n,
      limitedBy: ['resting'],
    });
    expect(refusalOf(here, 7n, false).exhaustion?.limitedBy).toEqual([]);
    expect(refusalOf(here, 7n, true).exhaustion).toMatchObject({
      largestFitting: 6n,
      limitedBy: [],
    });
    expect(ask(here, 6n, true)).toMatchObject({ base: 0n, reused: { base: 0n, size: 6n } });
  });
});

test('a batch that is refused leaves what the next one finds made', () => {
  const here = checkerboard(500);
  const { engine } = here.driver;
  const single = { arena: here.name, size: 3n, constraint: {}, labels: {} } as const;
  const operations = [
    { command: { type: 'free', arena: here.name, address: 2n } as const, references: [] },
    { command: { ...single, type: 'xalloc' } as const, references: [] },
    { command: { ...single, size: 9n, type: 'xalloc', reuse: true } as const, references: [] },
  ];
  const decide = () => engine.decide({ type: 'batch', operations, piecesMax: 0, at: 1 });
  const first = looked(() => expect(decide()).toMatchObject({ refused: 'exhausted' }));
  expect(first).toBeGreaterThan(2000);
  expect(engine.check(here.name).problems).toEqual([]);
  for (let i = 0; i < 3; i++) decide();
  expect(looked(decide)).toBeLessThan(500);
  expect(engine.check(here.name).problems).toEqual([]);
});
