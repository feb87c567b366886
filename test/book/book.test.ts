/**
 * The book against the past by brute force: what it answers to questions of every kind, page by
 * page, is what looking at everything there ever was gives.
 *
 *   VMEMD_SEED    replays a run
 *   VMEMD_STEPS   how many events, 500 unless set
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Event } from '../../src/engine/event.ts';
import { plainSettings } from '../../src/engine/tuning.ts';
import { newBook } from '../../src/history/book-file.ts';
import { BookReader } from '../../src/history/book-reader.ts';
import { BookWriter } from '../../src/history/book-writer.ts';
import { forkOf } from '../../src/history/fork.ts';
import type { HistoryAnswer, HistoryQuery, Period } from '../../src/history/history.ts';
import { encode } from '../../src/journal/record.ts';
import { Random } from '../model/random.ts';
import { Life, names } from './life.ts';
import type { Known } from './past.ts';

vi.setConfig({ testTimeout: 120_000 });

const seed = Number(process.env['VMEMD_SEED'] ?? Date.now() % 2 ** 32);
const steps = Number(process.env['VMEMD_STEPS'] ?? 500);
const chain = new Uint8Array(32);

let directory: string;
let db: Database;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vmemd-book-'));
  db = newBook(directory);
});
afterEach(() => {
  db.close();
  rmSync(directory, { recursive: true });
});

/** Takes the records from one revision on, up to another, in groups of random sizes. */
function take(writer: BookWriter, life: Life, random: Random, upTo: number): void {
  while (writer.extent.revision < upTo) {
    const { revision } = writer.extent;
    const end = Math.min(upTo, revision + 1 + random.int(20));
    writer.take(life.records.slice(revision, end), { revision: end, chain });
  }
}

/** Blocks in the longest row of what is held. */
function longestRun(): number {
  return (db.prepare('select max(count) as n from held').get() as { n: number }).n;
}

type Question = Omit<HistoryQuery, 'limit' | 'revision' | 'position'>;

/** All pages of an answer. */
function ask(reader: BookReader, writer: BookWriter, question: Question, limit: number): Period[] {
  const periods: Period[] = [];
  let position: HistoryQuery['position'];
  for (;;) {
    const { revision } = writer.extent;
    const query = { ...question, limit, revision, ...(position && { position }) };
    const answer = reader.answer(query, writer.extent);
    if ('tooEarly' in answer) throw new Error(`too early: ${JSON.stringify(query, json)}`);
    expect(answer.periods.length).toBeLessThanOrEqual(limit);
    periods.push(...answer.periods);
    if (answer.next === undefined) return periods;
    position = answer.next;
  }
}

function json(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

function expected(life: Life, question: Question, keep: (known: Known) => boolean): Period[] {
  const { arena, first, last, after = 0, at } = question;
  const atRevision =
    question.atRevision ?? (at === undefined ? undefined : life.past.revisionAt(at));
  const found = life.past.all().filter((known) => {
    const { lived, base, size, revision, end } = known;
    if (lived.name !== arena || base > last || base + size <= first || !keep(known)) return false;
    const until = end?.revision ?? Infinity;
    if (until <= after) return false;
    return atRevision === undefined || (revision <= atRevision && until > atRevision);
  });
  const byTime = first === last && atRevision === undefined;
  const sorted = found.toSorted((a, b) => {
    if (a.lived !== b.lived) return b.lived.created - a.lived.created;
    const [one, other] = [a, b].map(({ base, size }) => forkOf(base, base + size - 1n));
    if (byTime || one === other) return b.revision - a.revision;
    return one! < other! ? -1 : 1;
  });
  return sorted.map(({ lived: _lived, grantedRevision: _granted, ...period }) => period);
}

function randomQuestion(life: Life, random: Random): Question {
  const periods = life.past.all();
  const arena = random.pick(names);
  const near = random.pick(periods);
  let first = near.base + (random.chance(0.5) ? 0n : random.big(near.size));
  let last = first;
  if (random.chance(0.5)) last += random.magnitude(random.chance(0.5) ? 600n : 1n << 110n);
  if (random.chance(0.05)) [first, last] = [0n, (1n << 128n) - 1n];
  if (random.chance(0.2)) first = first > 9n ? first - 9n : 0n;
  const top = (1n << 128n) - 1n;
  if (last > top) last = top;
  const revision = random.int(life.engine.revision + 1);
  const kind = random.weighted({ all: 3, atRevision: 3, at: 2, after: 1, both: 1 });
  return {
    arena: random.chance(0.8) ? near.lived.name : arena,
    first,
    last,
    ...((kind === 'atRevision' || kind === 'both') && { atRevision: revision }),
    ...(kind === 'at' && { at: random.pick(life.past.times) + random.int(2) }),
    ...((kind === 'after' || kind === 'both') && { after: random.int(life.engine.revision) }),
  };
}

test.each([
  { what: 'is held', freed: false },
  { what: 'has ended', freed: true },
])('what $what but not wanted is passed over page by page, not all at once', ({ freed }) => {
  const arena = 'top';
  const events: Event[] = [
    {
      type: 'arenaCreated',
      at: 1,
      arena,
      notation: 'decimal',
      width: 64,
      quantum: 1n,
      policy: 'firstfit',
      ...plainSettings,
      spans: [{ base: 0n, size: 1000n }],
    },
  ];
  const granted = { arena, size: 1n, policy: 'firstfit', labels: {}, imported: [] } as const;
  for (let base = 0n; base < 1000n; base += 2n) {
    events.push({ type: 'allocated', at: 2, ...granted, base });
    // Not side by side, so that each is a row.
    if (freed) events.push({ type: 'freed', at: 3, arena, base, size: 1n, released: [] });
  }
  const writer = new BookWriter(db);
  const records = events.map((event, index) => ({ revision: index + 1, body: encode(event) }));
  const revision = records.length;
  writer.take(records, { revision, chain });
  const reader = new BookReader(db, { lookedAtMax: 24, windowRows: 10 });
  const whole = { arena, first: 0n, last: (1n << 64n) - 1n, limit: 100, revision };
  let position: HistoryQuery['position'];
  let pages = 0;
  do {
    const query = { ...whole, atRevision: 1, ...(position && { position }) };
    const answer = reader.answer(query, writer.extent) as HistoryAnswer;
    expect(answer.periods).toEqual([]);
    position = answer.next;
    pages += 1;
  } while (position !== undefined);
  // 500 rows in windows of ten, of which a page looks at three.
  expect(pages).toBe(17);
});

describe(`seed ${seed}`, () => {
  test('everything from the first record on is answered as it was', () => {
    const random = new Random(seed, 'whole');
    const life = new Life(random);
    const writer = new BookWriter(db);
    // So small that windows and pages end everywhere; of one address those cannot be as small.
    const smallWindows = [1, 2, 3, 7].map((windowRows) => new BookReader(db, { windowRows }));
    const smallPages = [1, 2, 3, 7].flatMap((windowRows) =>
      [1, 5, 30].map((lookedAtMax) => new BookReader(db, { lookedAtMax, windowRows })),
    );
    const reader = new BookReader(db);
    let found = 0;
    let longest = 0;
    for (let part = 1; part <= 5; part += 1) {
      life.live(Math.ceil(steps / 5));
      if (part === 3) life.grantRow();
      take(writer, life, random, life.engine.revision);
      longest = Math.max(longest, longestRun());
      for (let n = 0; n < 60; n += 1) {
        const question = randomQuestion(life, random);
        const limit = random.pick([1, 3, 50]);
        const wanted = expected(life, question, () => true);
        const { first, last } = question;
        const other = random.pick(first === last ? smallWindows : smallPages);
        for (const one of [reader, other]) {
          const answer = ask(one, writer, question, limit);
          expect(answer, JSON.stringify(question, json)).toEqual(wanted);
        }
        found += wanted.length;
      }
    }
    expect(found).toBeGreaterThan(100);
    expect(longest).toBeGreaterThan(1);
    for (const { name, created, destroyed = Infinity, ...space } of life.past.arenas) {
      const last = Math.min(destroyed, life.engine.revision);
      for (const revision of [created, last]) {
        expect(reader.space(name, revision)).toMatchObject({ ...space, created });
      }
      expect(reader.space(name, 0)).toBeUndefined();
    }
  });

  test('what is no longer kept is gone, and nothing else', () => {
    const random = new Random(seed, 'trimmed');
    const life = new Life(random);
    life.live(steps);
    const writer = new BookWriter(db);
    const reader = new BookReader(db);
    take(writer, life, random, steps);
    for (const trimmed of [1, Math.floor(steps / 3), Math.floor(steps / 2), steps]) {
      writer.noteTrimmed(trimmed);
      while (writer.sweep());
      for (let n = 0; n < 40; n += 1) {
        const question = randomQuestion(life, random);
        const answer = reader.answer({ ...question, limit: 1000, revision: 0 }, writer.extent);
        const { at, atRevision = at === undefined ? Infinity : life.past.revisionAt(at) } =
          question;
        expect('tooEarly' in answer, JSON.stringify(question, json)).toBe(atRevision < trimmed);
        if ('tooEarly' in answer) continue;
        const kept = ({ end }: Known) => end === undefined || end.revision > trimmed;
        expect(answer.periods, JSON.stringify(question, json)).toEqual(
          expected(life, question, kept),
        );
      }
    }
    // Nothing is left of what was removed.
    const left = db.prepare('select count(*) as n from ended').get() as { n: number };
    expect(left.n).toBe(0);
    const arenas = db.prepare('select count(*) as n from arena').get() as { n: number };
    expect(arenas.n).toBe(life.engine.totals().arenas);
    const times = db.prepare('select count(*) as n from clock').get() as { n: number };
    expect(times.n).toBeLessThanOrEqual(1);
  });

  test('begun behind what was trimmed, it is right from the checkpoint on', () => {
    const random = new Random(seed, 'partial');
    const life = new Life(random);
    life.live(steps);
    const trimmed = 1 + random.int(steps / 2);
    const checkpoint = trimmed + random.int(steps - trimmed);
    const writer = new BookWriter(db);
    const reader = new BookReader(db);
    writer.begin({ revision: trimmed, chain }, checkpoint);
    take(writer, life, random, checkpoint);
    expect(writer.extent).toMatchObject({ revision: checkpoint, completeRevision: checkpoint });
    writer.complete(life.engineAt(checkpoint));
    take(writer, life, random, steps);
    let known = 0;
    for (let n = 0; n < 200; n += 1) {
      const question = randomQuestion(life, random);
      const answer = reader.answer({ ...question, limit: 1000, revision: 0 }, writer.extent);
      const { at, atRevision = at === undefined ? undefined : life.past.revisionAt(at) } = question;
      const what = JSON.stringify({ question, trimmed, checkpoint }, json);
      if (atRevision !== undefined) {
        expect('tooEarly' in answer, what).toBe(atRevision < checkpoint);
        if ('tooEarly' in answer) continue;
        const summary = ({ base, size, facts, end, grantedAt }: Period) => {
          return { base, size, facts, end, grantedAt };
        };
        const wanted = expected(life, question, () => true);
        expect(answer.periods.map(summary), what).toEqual(wanted.map(summary));
        continue;
      }
      const { periods } = answer as HistoryAnswer;
      // What began after the gap is as it was; what began before has an end that is true.
      const granted = new Set(
        life.past
          .all()
          .filter(({ grantedRevision }) => grantedRevision > trimmed)
          .map(({ revision, base }) => `${revision} ${base}`),
      );
      const whole = periods.filter(({ revision, base }) => granted.has(`${revision} ${base}`));
      const wanted = expected(life, question, ({ grantedRevision }) => grantedRevision > trimmed);
      expect(whole, what).toEqual(wanted);
      known += whole.length;
      const ends = expected(life, question, () => true).map(endOf);
      for (const period of periods) {
        if (period.revision === undefined) expect(ends, what).toContainEqual(endOf(period));
      }
    }
    expect(known).toBeGreaterThan(20);
  });
});

function endOf({ base, size, end }: Period) {
  return { base, size, end };
}
