/** Waiting as the sequencer sees it: what happens in one turn of the loop, and what while many are served. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AssertionError } from '../src/engine/assert.ts';
import type { Alloc, At, Command } from '../src/engine/command.ts';
import { Engine } from '../src/engine/engine.ts';
import { plainSettings } from '../src/engine/tuning.ts';
import { decode } from '../src/journal/record.ts';
import { JournalUnavailable, Sequencer } from '../src/sequencer.ts';
import { Abandoned } from '../src/waiting-room.ts';
import { MemoryJournal } from './journal/memory-journal.ts';

/** More than are looked at in one turn, several times over. */
const many = 1000;

/** An engine in which deciding for one owner fails. */
class FailingEngine extends Engine {
  override grant(command: At<Alloc>) {
    if (command.owner === 'cursed') throw new AssertionError('a bug');
    return super.grant(command);
  }
}

let journal: MemoryJournal;
let engine: Engine;
let sequencer: Sequencer;
let failures: unknown[];

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  journal = new MemoryJournal();
  journal.automatic = true;
  engine = new FailingEngine();
  failures = [];
  sequencer = new Sequencer(engine, journal, {
    onFailure: (cause) => void failures.push(cause),
    now: () => 0,
  });
  await run({
    type: 'createArena',
    at: 0,
    arena: 'a',
    notation: 'decimal',
    width: 64,
    quantum: 1n,
    policy: 'firstfit',
    ...plainSettings,
    spans: [{ base: 0n, size: BigInt(many) }],
  });
  await run(alloc(BigInt(many)));
});
afterEach(() => {
  vi.useRealTimers();
});

function run(command: Command) {
  return sequencer.execute(command, (_engine, event) =>
    event.type === 'allocated' ? event.base : undefined,
  );
}

function alloc(size = 1n, owner?: string, at = 0): At<Alloc> {
  const named = owner === undefined ? {} : { owner };
  return { type: 'alloc', at, arena: 'a', size, constraint: {}, labels: {}, ...named };
}

/** Follows a request that waits, without waiting for it. */
function wait(command: At<Alloc>, seconds = 60, signal = new AbortController().signal) {
  const followed: { base?: bigint | undefined; refused?: string; error?: unknown } = {};
  sequencer
    .execute(
      command,
      (_engine, event) => (event.type === 'allocated' ? event.base : undefined),
      undefined,
      {
        seconds,
        signal,
      },
    )
    .then(
      (outcome) =>
        'refused' in outcome
          ? (followed.refused = outcome.refused)
          : (followed.base = outcome.value),
      (error: unknown) => (followed.error = error),
    );
  return followed;
}

const freeAll: Command = { type: 'freeAll', at: 7, arena: 'a' };

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn();
}

test('a grant follows the event that made room for it, in the same commit, at its time', async () => {
  journal.automatic = false;
  const waiter = wait(alloc());
  const late = wait(alloc(BigInt(many), undefined, 3));
  void run(freeAll);
  await turn();
  expect(journal.groups.at(-1)?.map(({ body }) => decode(body))).toMatchObject([
    { type: 'allFreed', at: 7 },
    { type: 'allocated', at: 7, base: 0n, size: 1n },
  ]);
  expect(waiter).toEqual({});
  journal.complete();
  await settled();
  expect(waiter).toEqual({ base: 0n });
  expect(late).toEqual({});
});

test('while many are served commands are put off, and reads are not', async () => {
  const waiters = Array.from({ length: many }, () => wait(alloc()));
  const freed = run(freeAll);
  const late = run(alloc());
  const seen = sequencer.read(({ revision }) => revision);
  await settled();
  await freed;
  expect(await late).toMatchObject({ refused: 'exhausted' });
  expect(await seen).toBeLessThan(many);
  expect(waiters.map(({ base }) => base)).toEqual(waiters.map((_, i) => BigInt(i)));
  expect(engine.check('a').problems).toEqual([]);
});

test('whose time is over while others are served is served, if it comes to that', async () => {
  const first = Array.from({ length: many - 1 }, () => wait(alloc()));
  const last = wait(alloc(), 1);
  const none = wait(alloc(), 1);
  void run(freeAll);
  vi.advanceTimersByTime(1000);
  await settled();
  expect([first.at(-1)?.base, last.base]).toEqual([BigInt(many - 2), BigInt(many - 1)]);
  expect(none).toEqual({ refused: 'exhausted' });
  expect(sequencer.room.figures).toMatchObject({ granted: many, timedOut: 1, waiting: 0 });
});

test('who goes away while others are served gets nothing', async () => {
  const gone = new AbortController();
  for (let i = 1; i < many; i++) wait(alloc());
  const last = wait(alloc(1n, 'gone'), 60, gone.signal);
  void run(freeAll);
  gone.abort();
  await settled();
  expect(last.error).toBeInstanceOf(Abandoned);
  expect(engine.arena('a')).toMatchObject({ allocations: many - 1, free: 1n });
});

test('closing while many are served answers all: those served, and the others', async () => {
  const waiters = Array.from({ length: many }, () => wait(alloc()));
  void run(freeAll);
  const late = run(alloc());
  await sequencer.close();
  await settled();
  const served = waiters.filter(({ base }) => base !== undefined);
  expect(served.length).toBeGreaterThan(0);
  const others = waiters.filter(({ error }) => error instanceof JournalUnavailable);
  expect(served.length + others.length).toBe(many);
  expect(await late).toMatchObject({ value: BigInt(served.length) });
  expect(journal.stored).toHaveLength(engine.revision);
});

test('a commit that fails while many are served ends it for all', async () => {
  journal.automatic = false;
  const waiters = Array.from({ length: many }, () => wait(alloc()));
  const freed = run(freeAll);
  freed.catch(() => undefined);
  const late = run(alloc());
  late.catch(() => undefined);
  while (!journal.appending) await turn();
  journal.complete('unknown');
  await settled();
  expect(waiters.every(({ error }) => error instanceof JournalUnavailable)).toBe(true);
  await expect(late).rejects.toMatchObject({ outcomeUnknown: false });
  expect(failures).toHaveLength(1);
  expect(sequencer.room.figures.waiting).toBe(0);
});

test('a bug in deciding for one fails that one alone', async () => {
  const cursed = wait(alloc(1n, 'cursed'));
  const next = wait(alloc());
  await run(freeAll);
  await settled();
  expect(cursed.error).toBeInstanceOf(AssertionError);
  expect(next).toEqual({ base: 0n });
  expect(failures).toEqual([]);
});
