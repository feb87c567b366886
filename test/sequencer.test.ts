import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { AssertionError } from '../src/engine/assert.ts';
import type { CreateArena, Operation } from '../src/engine/command.ts';
import { Engine } from '../src/engine/engine.ts';
import type { Event } from '../src/engine/event.ts';
import { plainSettings } from '../src/engine/tuning.ts';
import { digestOfKeyed, keyedDigestOf } from '../src/journal/keyed.ts';
import { decode } from '../src/journal/record.ts';
import { Busy, JournalUnavailable, Sequencer, type SequencerOptions } from '../src/sequencer.ts';
import { alloc, CountingEngine, missingArena } from './journal/counting-engine.ts';
import { MemoryJournal } from './journal/memory-journal.ts';
import { linesOf } from './model/checkpoint.ts';

let journal: MemoryJournal;
let counting: CountingEngine;
let failures: unknown[];
let sequencer: Sequencer;
/** The clock of the sequencer. */
let now: number;

beforeEach(() => begin());

function begin(options: Partial<SequencerOptions> = {}): void {
  journal = new MemoryJournal();
  counting = new CountingEngine();
  failures = [];
  now = 0;
  const onFailure = (cause: unknown) => void failures.push(cause);
  const clock = { now: () => now };
  sequencer = new Sequencer(counting.engine, journal, { ...clock, ...options, onFailure });
}

/** The base that was allocated and what the engine had applied right then. */
function answer(engine: Engine, event: Event, revision: number) {
  expect(engine.revision).toBe(revision);
  return event.type === 'allocated' ? event.base : undefined;
}

/** Follows a promise without waiting for it. */
function follow<T>(promise: Promise<T>) {
  const followed: { value?: T; error?: unknown; settled: boolean } = { settled: false };
  promise.then(
    (value) => Object.assign(followed, { value, settled: true }),
    (error: unknown) => Object.assign(followed, { error, settled: true }),
  );
  return followed;
}

function execute(arena?: string) {
  return follow(sequencer.execute(alloc(arena), answer));
}

function read() {
  return follow(sequencer.read((engine) => engine.revision));
}

const revisions = () => journal.groups.map((group) => group.map(({ revision }) => revision));

describe('groups', () => {
  test('the commands of one turn of the loop share a commit, in order', async () => {
    const answers = [execute(), execute(), execute()];
    expect(journal.groups).toEqual([]);
    await turn();
    expect(revisions()).toEqual([[1, 2, 3]]);
    expect(answers.every(({ settled }) => !settled)).toBe(true);
    journal.complete();
    await turn();
    expect(answers.map(({ value }) => value)).toEqual([
      { revision: 1, value: 1n },
      { revision: 2, value: 2n },
      { revision: 3, value: 3n },
    ]);
    expect(sequencer).toMatchObject({ durableRevision: 3, records: 3, groups: 1, waiting: 0 });
  });

  test('the next group gathers while one is under way, and follows at once', async () => {
    execute();
    await turn();
    const second = execute();
    await turn();
    const third = execute();
    await turn();
    expect(revisions()).toEqual([[1]]);
    journal.complete();
    await turn();
    expect(revisions()).toEqual([[1], [2, 3]]);
    expect(second.settled).toBe(false);
    journal.complete();
    await turn();
    expect([second.value, third.value]).toEqual([
      { revision: 2, value: 2n },
      { revision: 3, value: 3n },
    ]);
  });

  test('in a turn that lasts longer than a commit what there is goes ahead', async () => {
    const commitMs = async (ms: number): Promise<void> => {
      execute();
      await turn();
      now += ms;
      journal.complete();
      await turn();
    };
    const sizes = () => journal.groups.map(({ length }) => length);
    /** Commands, with so many milliseconds between them. */
    const commands = (count: number, ms: number): void => {
      for (let i = 0; i < count; i++, now += ms) execute();
    };
    await commitMs(4);
    commands(20, 0.5);
    // At 4.5 milliseconds; what comes from then on waits for this commit.
    expect(sizes()).toEqual([1, 10]);
    journal.complete();
    await turn();
    expect(sizes()).toEqual([1, 10, 10]);
    journal.complete();
    await turn();
    expect(revisions().flat()).toEqual(Array.from({ length: 21 }, (_, i) => i + 1));

    // A disk that is faster now is followed at once, but no turn of a millisecond is divided.
    await commitMs(0.1);
    commands(10, 0.1);
    expect(sizes()).toEqual([1, 10, 10, 1]);
    await turn();
    expect(sizes()).toEqual([1, 10, 10, 1, 10]);
    journal.complete();
    await turn();
    commands(10, 0.5);
    expect(sizes()).toEqual([1, 10, 10, 1, 10, 4]);
    journal.complete();
    await turn();
    journal.complete();
    await turn();

    // A slower one by and by.
    for (let i = 0; i < 60; i++) await commitMs(10);
    const before = sizes().length;
    commands(20, 0.4);
    expect(sizes().length).toBe(before);
    await turn();
    expect(sizes().slice(before)).toEqual([20]);
  });

  test('a record says what was applied', async () => {
    execute('pods');
    await turn();
    expect(journal.groups[0]?.map(({ body }) => decode(body))).toEqual(counting.applied);
  });

  test('a group is bounded in records', async () => {
    begin({ groupRecordsMax: 2 });
    const answers = Array.from({ length: 5 }, () => execute());
    await turn();
    journal.automatic = true;
    journal.complete();
    while (!answers.every(({ settled }) => settled)) await turn();
    expect(revisions()).toEqual([[1, 2], [3, 4], [5]]);
  });

  test('a group is bounded in characters, but takes a long record alone', async () => {
    begin({ groupCharactersMax: 1 });
    journal.automatic = true;
    const answers = [execute(), execute()];
    while (!answers.every(({ settled }) => settled)) await turn();
    expect(revisions()).toEqual([[1], [2]]);
  });

  test('a refusal is no record', async () => {
    const refused = execute(missingArena);
    await turn();
    expect(journal.groups).toEqual([]);
    expect(refused.value).toMatchObject({ refused: 'arena-not-found' });
    expect(counting.revision).toBe(0);
  });
});

describe('nothing is shown before it is durable', () => {
  test('a read of durable state is answered without a commit', async () => {
    const first = read();
    await turn();
    expect(first.value).toBe(0);
  });

  test('a read waits for what it saw, and shows what it saw', async () => {
    execute();
    const seen = read();
    await turn();
    execute();
    const later = read();
    expect([seen.settled, later.settled]).toEqual([false, false]);
    journal.complete();
    await turn();
    expect(seen.value).toBe(1);
    expect(later.settled).toBe(false);
    journal.complete();
    await turn();
    expect(later.value).toBe(2);
  });

  test('a refusal waits for what it saw', async () => {
    execute();
    await turn();
    const refused = execute(missingArena);
    await turn();
    expect(refused.settled).toBe(false);
    journal.complete();
    await turn();
    expect(refused.value).toMatchObject({ refused: 'arena-not-found' });
  });

  test('the answer is made right after its command, before the next', async () => {
    const first = follow(
      sequencer.execute(alloc(), (engine) => (engine as unknown as CountingEngine).applied.length),
    );
    execute();
    await turn();
    journal.complete();
    await turn();
    expect(first.value).toEqual({ revision: 1, value: 1 });
  });
});

describe('the hash of the state', () => {
  test('is asked of the journal once what was applied is durable', async () => {
    let asked = 0;
    journal.state = async () => ({ revision: 1, hash: String((asked += 1)) });
    execute();
    const state = follow(sequencer.state());
    await turn();
    expect([asked, state.settled]).toEqual([0, false]);
    journal.complete();
    await turn();
    expect(state.value).toEqual({ revision: 1, hash: '1' });
    execute();
    await turn();
    journal.complete('unknown');
    await turn();
    await expect(sequencer.state()).rejects.toBeInstanceOf(JournalUnavailable);
    expect(asked).toBe(1);
  });

  test('comes with the journal’s figures', () => {
    expect(sequencer.journal).toEqual(journal.figures);
  });
});

describe('a failed commit stops everything', () => {
  test.each([
    ['unknown', true],
    ['fenced', false],
  ] as const)('%s', async (outcome, outcomeUnknown) => {
    const first = execute();
    await turn();
    const [second, refused, seen] = [execute(), execute(missingArena), read()];
    journal.complete(outcome);
    await turn();
    for (const { error } of [first, second, refused, seen]) {
      expect(error).toBeInstanceOf(JournalUnavailable);
    }
    const unknowns = [first, second, refused, seen].map(
      ({ error }) => (error as JournalUnavailable).outcomeUnknown,
    );
    // The second was never handed to the journal.
    expect(unknowns).toEqual([outcomeUnknown, false, false, false]);
    expect(failures).toHaveLength(1);
    expect(failures[0]).toBeInstanceOf(JournalUnavailable);
    expect(failures[0]).toMatchObject({ outcomeUnknown, cause: journal.failure });
    expect(sequencer).toMatchObject({ failed: true, durableRevision: 0, waiting: 0 });

    const [later, laterRead] = [execute(), read()];
    await turn();
    await turn();
    expect(later.error).toBeInstanceOf(JournalUnavailable);
    expect(later.error).toMatchObject({ outcomeUnknown: false });
    expect(laterRead.error).toBeInstanceOf(JournalUnavailable);
    expect(revisions()).toEqual([[1]]);
    expect(failures).toHaveLength(1);
  });

  test('an append that throws', async () => {
    const first = execute();
    await turn();
    const cause = new AssertionError('a bug in the journal');
    journal.complete(cause);
    await turn();
    expect(first.error).toMatchObject({ name: 'JournalUnavailable', cause });
    expect(failures).toEqual([cause]);
  });
});

describe('a bug', () => {
  test.each(['decide', 'event'] as const)('in %s fails that command alone', async (step) => {
    counting.failing = step;
    const failed = execute();
    await turn();
    expect(failed.error).toBeInstanceOf(AssertionError);
    expect(counting.revision).toBe(0);
    counting.failing = undefined;
    const next = execute();
    await turn();
    journal.complete();
    await turn();
    expect(next.value).toEqual({ revision: 1, value: 1n });
    expect(failures).toEqual([]);
  });

  test('in apply stops everything, what is under way included', async () => {
    const first = execute();
    await turn();
    counting.failing = 'apply';
    const failed = execute();
    await turn();
    expect(failed.error).toBeInstanceOf(AssertionError);
    expect(failures).toEqual([failed.error]);
    expect(first.error).toMatchObject({ name: 'JournalUnavailable', outcomeUnknown: true });
    journal.complete();
    await turn();
    expect(sequencer.failed).toBe(true);
    const late = execute();
    await turn();
    expect(late.error).toBeInstanceOf(JournalUnavailable);
    expect(revisions()).toEqual([[1]]);
  });

  test('in making the answer stops everything, its record never written', async () => {
    const failed = follow(
      sequencer.execute(alloc(), () => {
        throw new TypeError('no such view');
      }),
    );
    await turn();
    expect(failed.error).toBeInstanceOf(TypeError);
    expect(failures).toEqual([failed.error]);
    expect(journal.groups).toEqual([]);
  });

  test('in a read fails that read alone', async () => {
    const failed = follow(
      sequencer.read(() => {
        throw new TypeError('no such view');
      }),
    );
    const next = read();
    await turn();
    expect(failed.error).toBeInstanceOf(TypeError);
    expect(next.value).toBe(0);
    expect(failures).toEqual([]);
  });
});

test('beyond its bound it is busy, and does nothing', async () => {
  begin({ queueMax: 3 });
  const accepted = [execute(), read(), execute(missingArena)];
  const [busyCommand, busyRead] = [execute(), read()];
  await turn();
  expect(busyCommand.error).toBeInstanceOf(Busy);
  expect(busyRead.error).toBeInstanceOf(Busy);
  expect(counting.revision).toBe(1);
  journal.complete();
  await turn();
  expect(accepted.every(({ error }) => error === undefined)).toBe(true);
  const next = execute();
  await turn();
  journal.complete();
  await turn();
  expect(next.value).toEqual({ revision: 2, value: 2n });
});

describe('close', () => {
  test('answers all that was accepted, then closes the journal', async () => {
    const first = execute();
    await turn();
    const second = execute();
    const closed = follow(sequencer.close());
    const late = execute();
    await turn();
    expect(late.error).toMatchObject({ name: 'JournalUnavailable', outcomeUnknown: false });
    expect(journal.closed).toBe(false);
    journal.complete();
    await turn();
    expect(journal.closed).toBe(false);
    journal.complete();
    await turn();
    expect([first.value, second.value]).toEqual([
      { revision: 1, value: 1n },
      { revision: 2, value: 2n },
    ]);
    expect([closed.settled, journal.closed]).toEqual([true, true]);
    expect(revisions()).toEqual([[1], [2]]);
  });

  test('in the turn of the last command still commits it', async () => {
    journal.automatic = true;
    const last = execute();
    await sequencer.close();
    expect(last.value).toEqual({ revision: 1, value: 1n });
    expect(journal.stored).toHaveLength(1);
  });

  test('when idle, and again, closes once', async () => {
    await Promise.all([sequencer.close(), sequencer.close()]);
    expect(journal.closed).toBe(true);
  });

  test('after a failure, and while a commit is under way, waits for it to end', async () => {
    execute();
    await turn();
    counting.failing = 'apply';
    execute();
    const closed = follow(sequencer.close());
    await turn();
    expect([closed.settled, journal.closed]).toEqual([false, false]);
    journal.complete();
    await turn();
    expect([closed.settled, journal.closed]).toEqual([true, true]);
  });

  test('during which the commit fails', async () => {
    const first = execute();
    const closed = follow(sequencer.close());
    await turn();
    journal.complete('unknown');
    await turn();
    expect(first.error).toBeInstanceOf(JournalUnavailable);
    expect([closed.settled, journal.closed, failures.length]).toEqual([true, true, 1]);
  });
});

describe('a command whose request had a key', () => {
  const keyed = {
    key: '0123456789abcdef0123456789abcdef',
    request: 'ab'.repeat(32),
    reply: (value: unknown, revision: number) => `answer ${String(value)} at ${revision}`,
  };

  test('has its answer in the record, before the record leaves', async () => {
    const plain = execute();
    const answered = follow(sequencer.execute(alloc(), answer, keyed));
    await turn();
    const [group] = journal.groups;
    const { key, request } = keyed;
    expect(group).toMatchObject([{ revision: 1 }, { revision: 2 }]);
    expect(group?.[0]).not.toHaveProperty('keyed');
    const kept = { key, request, reply: 'answer 2 at 2' };
    expect(group?.[1]?.keyed).toEqual(kept);
    expect(keyedDigestOf(group?.[1]?.body ?? '')).toBe(digestOfKeyed(kept));
    expect(decode(group?.[1]?.body ?? '')).toMatchObject({ type: 'allocated', base: 2n });
    // Not known to anybody before it is durable.
    expect(sequencer.keyed(key)).toBeUndefined();
    expect(answered.settled).toBe(false);
    journal.complete();
    await turn();
    expect(answered.value).toEqual({ revision: 2, value: 2n });
    expect(plain.settled).toBe(true);
    expect(await sequencer.keyed(key)).toEqual(kept);
    expect(sequencer.keys.held).toBe(1);
  });

  test('stores nothing where it is refused', async () => {
    const refused = follow(sequencer.execute(alloc(missingArena), answer, keyed));
    await turn();
    expect(refused.value).toHaveProperty('refused');
    expect(journal.groups).toEqual([]);
    expect(sequencer.keyed(keyed.key)).toBeUndefined();
  });

  test('counts with its answer for the size of a group', async () => {
    begin({ groupCharactersMax: 1000 });
    const long = { ...keyed, reply: () => 'x'.repeat(900) };
    void sequencer.execute(alloc(), answer, long);
    void sequencer.execute(alloc(), answer, long);
    await turn();
    expect(revisions()).toEqual([[1]]);
  });

  test('whose answer cannot be written stops the sequencer: memory is ahead of any record', async () => {
    const bug = new Error('no answer');
    const fail = (): string => {
      throw bug;
    };
    const failed = follow(sequencer.execute(alloc(), answer, { ...keyed, reply: fail }));
    await turn();
    expect(failed.error).toBe(bug);
    expect(failures).toEqual([bug]);
    expect(journal.groups).toEqual([]);
    await expect(sequencer.keyed(keyed.key)).rejects.toThrow(JournalUnavailable);
  });
});

describe('batches', () => {
  const grant = (owner?: unknown) => ({
    command: {
      type: 'alloc' as const,
      arena: 'a',
      size: 1n,
      constraint: {},
      labels: {},
      ...(owner !== undefined && { owner: owner as string }),
    },
    references: [],
  });
  const arena: Omit<CreateArena, 'type'> = {
    arena: 'a',
    notation: 'decimal',
    width: 32,
    quantum: 1n,
    policy: 'instantfit',
    ...plainSettings,
    spans: [{ base: 0n, size: 2n }],
  };
  const batch = (...operations: Operation[]) =>
    ({ type: 'batch', at: 1, operations, piecesMax: 10 }) as const;

  async function serve(): Promise<Engine> {
    const engine = new Engine();
    journal = new MemoryJournal();
    journal.automatic = true;
    sequencer = new Sequencer(engine, journal, { onFailure: (cause) => void failures.push(cause) });
    await sequencer.execute({ ...arena, type: 'createArena', at: 0 }, revisionOf);
    journal.automatic = false;
    return engine;
  }

  const revisionOf = (_engine: Engine, _event: Event, revision: number) => revision;

  test('are done once, and what their record says leads to the same state', async () => {
    const engine = await serve();
    const done = follow(sequencer.execute(batch(grant(), grant('ann')), revisionOf));
    expect(engine.allocation('a', 1n)).toMatchObject({ owner: 'ann', revision: 2 });
    await turn();
    expect(done.settled).toBe(false);
    journal.complete();
    await turn();
    expect(done.value).toEqual({ revision: 2, value: 2 });
    const replayed = new Engine();
    journal.stored.forEach(({ body, revision }) => replayed.apply(decode(body), revision));
    expect(linesOf(replayed)).toEqual(linesOf(engine));
  });

  test('of which one operation is refused change nothing', async () => {
    const engine = await serve();
    const before = linesOf(engine);
    const refused = await sequencer.execute(batch(grant(), grant(), grant()), revisionOf);
    expect(refused).toMatchObject({ refused: 'exhausted', operation: 2 });
    expect(linesOf(engine)).toEqual(before);
    expect(journal.groups).toHaveLength(1);
  });

  test('that have no record change nothing, and the next one is done', async () => {
    const engine = await serve();
    const before = linesOf(engine);
    const asked = sequencer.execute(batch(grant(), grant(5)), revisionOf);
    await expect(asked).rejects.toBeInstanceOf(AssertionError);
    expect(linesOf(engine)).toEqual(before);
    expect(sequencer.failed).toBe(false);
    journal.automatic = true;
    const next = await sequencer.execute(batch(grant()), revisionOf);
    expect(next).toEqual({ revision: 2, value: 2 });
  });
});
