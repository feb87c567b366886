/**
 * The thread that keeps the book, on a real journal: it goes on where it was, notices what is missing,
 * damaged or of another journal, and the journal trims nothing that it may still need.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { bookName, openBook } from '../../src/history/book-file.ts';
import type { BookEvent } from '../../src/history/book-worker.ts';
import { Book } from '../../src/history/book.ts';
import type { HistoryAnswer, Period } from '../../src/history/history.ts';
import type { SqliteOptions } from '../../src/journal/sqlite.ts';
import { Store } from '../journal/store.ts';

vi.setConfig({ testTimeout: 60_000 });

const everything = { arena: 'arena-0', first: 0n, last: (1n << 64n) - 1n, limit: 1000 };

let directory: string;
let open: Running[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vmemd-thread-'));
  open = [];
});
afterEach(async () => {
  for (const running of open) await running.stop();
  rmSync(directory, { recursive: true });
});

/** A store and the book that follows it. */
class Running {
  readonly store: Store;
  readonly book: Book;
  readonly events: BookEvent[];
  #stopped = false;

  private constructor(store: Store, book: Book, events: BookEvent[]) {
    this.store = store;
    this.book = book;
    this.events = events;
    open.push(this);
  }

  static async start(options: Partial<SqliteOptions> = {}): Promise<Running> {
    const store = await Store.open(directory, { followed: true, ...options });
    const events: BookEvent[] = [];
    const { port1, port2 } = new MessageChannel();
    const onEvent = (event: BookEvent): void => void events.push(event);
    const book = new Book({ directory, port: port1, onEvent, waitMs: 20_000 });
    await store.journal.follow(port2);
    return new Running(store, book, events);
  }

  async ask(question: object = {}): Promise<HistoryAnswer> {
    const { revision } = this.store.engine;
    const answer = await this.book.ask({ ...everything, revision, ...question });
    if ('tooEarly' in answer) throw new Error(`too early: ${answer.completeRevision}`);
    return answer;
  }

  /** What is held, as the engine has it and as the book does. */
  async compare(): Promise<void> {
    const { engine } = this.store;
    const { periods } = await this.ask({ atRevision: engine.revision });
    const held: unknown[] = [];
    engine.walkAllocations('arena-0', 0n, ({ address, size }) => held.push({ address, size }) > 0);
    expect(periods.map(({ base: address, size }) => ({ address, size }))).toEqual(held);
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.book.close();
    await this.store.close();
  }
}

const path = () => join(directory, bookName);
const ended = ({ end }: Period) => end !== undefined;

describe('the book', () => {
  test('has everything that was durable when it is asked', async () => {
    const running = await Running.start();
    await running.store.grow(1, 0);
    for (let round = 1; round <= 10; round += 1) {
      await running.store.churn('arena-0', 20);
      const { periods, revision } = await running.ask();
      expect(revision).toBeGreaterThanOrEqual(running.store.engine.revision);
      expect(periods).toHaveLength(20 * round);
      expect(periods.filter(ended)).toHaveLength(10 * round);
      await running.compare();
    }
    expect(running.events).toEqual([]);
  });

  test('goes on where it was', async () => {
    const first = await Running.start();
    await first.store.grow(2, 60);
    const before = await first.ask();
    await first.stop();
    const size = statSync(path()).size;
    const again = await Running.start();
    expect((await again.ask()).periods).toEqual(before.periods);
    await again.store.churn('arena-0', 30);
    expect((await again.ask()).periods).toHaveLength(before.periods.length + 30);
    await again.compare();
    expect(statSync(path()).size).toBeGreaterThanOrEqual(size);
    expect(again.events).toEqual([]);
  });

  test('says what an arena was, also when another has its name', async () => {
    const running = await Running.start();
    await running.store.grow(1, 4);
    const { engine } = running.store;
    const created = { created: 1, notation: 'decimal', width: 64 };
    expect(await running.book.space('arena-0', engine.revision)).toEqual(created);
    expect(await running.book.space('arena-1', engine.revision)).toBeUndefined();
    expect(await running.book.spaceAt('arena-0', 3)).toMatchObject(created);
    expect(await running.book.spaceAt('arena-0', 2)).toMatchObject(created);
  });
});

describe('a book that is of no use is made anew', () => {
  test.each<[string, () => void, string | undefined]>([
    ['missing', () => rmSync(path()), undefined],
    ['behind another chain', () => edit('update extent set chain = zeroblob(32)'), undefined],
    ['ahead of the journal', () => edit('update extent set revision = 100000'), undefined],
    ['damaged where it is read', scramble, 'discarded'],
    ['without what is held', () => edit('delete from held'), 'discarded'],
  ])('%s', async (_what, harm, event) => {
    const first = await Running.start();
    await first.store.grow(1, 300);
    const before = await first.ask();
    await first.stop();
    harm();
    const again = await Running.start();
    // Frees what was held, which a book that has lost it contradicts.
    await again.store.churn('arena-0', 40);
    await again.store.freeAll('arena-0');
    await again.store.churn('arena-0', 2);
    const { periods } = await again.ask();
    expect(periods).toHaveLength(before.periods.length + 42);
    await again.compare();
    expect(again.events.map(({ type }) => type)).toEqual(event === undefined ? [] : [event]);
  });

  test.each([
    ['empty', () => writeFileSync(path(), '')],
    ['not a database', () => writeFileSync(path(), 'x'.repeat(10_000))],
    ['of another program', () => edit('pragma application_id = 7')],
    ['of another version', () => edit('pragma user_version = 9999')],
  ])('where its file is %s', (_what, harm) => {
    const known = (db: Database.Database) =>
      db.prepare('select revision from extent').pluck().get();
    const db = openBook(directory);
    db.exec('update extent set revision = 7');
    db.close();
    const again = openBook(directory);
    expect(known(again)).toBe(7);
    again.close();
    harm();
    const made = openBook(directory);
    expect(known(made)).toBe(0);
    made.close();
  });

  test('one that lags behind catches up', async () => {
    const first = await Running.start();
    await first.store.grow(1, 50);
    await first.ask();
    await first.stop();
    copyFileSync(path(), join(directory, 'older'));
    const second = await Running.start();
    await second.store.churn('arena-0', 50);
    const before = await second.ask();
    await second.stop();
    copyFileSync(join(directory, 'older'), path());
    const again = await Running.start();
    expect((await again.ask()).periods).toEqual(before.periods);
  });

  function edit(sql: string): void {
    const db = new Database(path());
    db.exec(sql);
    db.close();
  }

  /** Every page but the first. */
  function scramble(): void {
    const bytes = readFileSync(path());
    bytes.fill(0xa5, 4096);
    writeFileSync(path(), bytes);
  }
});

describe('trimming', () => {
  const trimmingAll = { historyBytes: 0, historyDays: 0, checkpointBytes: 1e12 };

  test('waits until the book has it for good, and the book forgets what is trimmed', async () => {
    const alone = await Store.open(directory, { followed: true, ...trimmingAll });
    await alone.grow(1, 100);
    const { revision } = await alone.journal.checkpoint();
    await alone.journal.trim();
    // Nobody has said up to where it is known elsewhere.
    expect(alone.journal.figures.trimmedRevision).toBe(0);
    await alone.close();

    const running = await Running.start(trimmingAll);
    const { store } = running;
    // The book hears that it is waited for, although nothing is appended.
    while (store.journal.figures.trimmedRevision < revision) await turn();
    for (;;) {
      const { periods, trimmedRevision } = await running.ask();
      if (trimmedRevision < revision) continue;
      expect(periods.filter(ended)).toEqual([]);
      expect(periods).toHaveLength(50);
      break;
    }
    await running.compare();
    const early = { ...everything, revision: 0, atRevision: revision - 1 };
    expect(await running.book.ask(early)).toMatchObject({ tooEarly: true });
    await running.stop();
    // What was trimmed before is known with the first answer.
    const again = await Running.start(trimmingAll);
    expect(await again.book.ask({ ...everything, revision: 0 })).toMatchObject({
      trimmedRevision: revision,
    });
  });

  test('goes on while requests come without a pause', async () => {
    const running = await Running.start({ ...trimmingAll, checkpointBytes: 2000 });
    const { store } = running;
    await store.grow(1, 0);
    for (let trimmed = 0, times = 0; times < 3;) {
      await store.churn('arena-0', 2);
      const { trimmedRevision } = await running.ask({ limit: 1 });
      if (trimmedRevision > trimmed) times += 1;
      trimmed = trimmedRevision;
    }
    await running.compare();
  });

  test('before there was a book leaves what the checkpoint has, and what came after', async () => {
    const first = await Running.start({ ...trimmingAll, followed: false });
    const { store } = first;
    await store.grow(1, 60);
    const checkpoint = await store.journal.checkpoint();
    await store.journal.trim();
    expect(store.journal.figures.trimmedRevision).toBe(checkpoint.revision);
    await store.churn('arena-0', 20);
    await first.stop();
    rmSync(path());
    const again = await Running.start();
    const { periods, ...extent } = await again.ask();
    expect(extent).toMatchObject({
      trimmedRevision: checkpoint.revision,
      completeRevision: checkpoint.revision,
    });
    expect(periods).toHaveLength(50);
    expect(periods.every(({ grantedAt }) => grantedAt !== undefined)).toBe(true);
    await again.compare();
    await again.stop();
    // And it goes on from there.
    const third = await Running.start();
    await third.store.churn('arena-0', 10);
    expect((await third.ask()).periods).toHaveLength(60);
    await third.compare();
  });

  test('behind a checkpoint leaves what is stored of before', async () => {
    const first = await Running.start({ followed: false });
    await first.store.grow(1, 10);
    // Commits of their own, of which the older half is trimmed.
    for (let round = 0; round < 20; round += 1) await first.store.churn('arena-0', 4);
    await first.stop();
    const second = await Running.start({ historyBytes: 6000, historyDays: 999, followed: false });
    const { revision } = await second.store.journal.checkpoint();
    const { trimmedRevision } = await second.store.journal.trim();
    expect(trimmedRevision).toBeGreaterThan(0);
    expect(trimmedRevision).toBeLessThan(revision);
    await second.stop();
    rmSync(path());
    const again = await Running.start();
    const { periods, ...extent } = await again.ask();
    expect(extent).toMatchObject({ trimmedRevision, completeRevision: revision });
    expect(periods.filter(ended).length).toBeGreaterThan(0);
    for (const period of periods.filter(ended)) {
      expect(period.end!.revision).toBeGreaterThan(trimmedRevision);
    }
    await again.compare();
  });
});

describe('a file that cannot be used', () => {
  test('leaves the journal alone, and questions without an answer', async () => {
    const first = await Running.start();
    await first.store.grow(1, 5);
    await first.stop();
    rmSync(path());
    // A directory that has something in it is not replaced.
    mkdirSync(join(path(), 'x'), { recursive: true });
    const running = await Running.start();
    await expect(running.ask()).rejects.toThrow(/history cannot be read or written/);
    await running.store.churn('arena-0', 5);
    expect(running.events).toMatchObject([{ type: 'failed' }]);
    expect(existsSync(join(path(), 'x'))).toBe(true);
  });
});
