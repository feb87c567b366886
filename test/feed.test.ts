import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Feed, type FeedOptions } from '../src/feed.ts';
import type { HistoryPage, JournalRecord } from '../src/journal/journal.ts';

/** A journal that answers when the test says so. */
class Stored {
  records: JournalRecord[] = [];
  trimmedRevision = 0;
  readonly asked: number[] = [];
  most = 0;
  #underWay = 0;

  async history(after: number): Promise<HistoryPage> {
    this.asked.push(after);
    this.#underWay += 1;
    this.most = Math.max(this.most, this.#underWay);
    await turn();
    this.#underWay -= 1;
    const first = Math.max(after, this.trimmedRevision);
    const records = this.records.filter(({ revision }) => revision > first).slice(0, 10);
    return { records, trimmedRevision: this.trimmedRevision };
  }
}

function begin(count: number, options: FeedOptions = {}, size = 1) {
  const journal = new Stored();
  const feed = new Feed(journal, 0, options);
  const add = (more: number): void => {
    const records = Array.from({ length: more }, (_, index) => ({
      revision: journal.records.length + 1 + index,
      body: 'x'.repeat(size),
    }));
    journal.records.push(...records);
    feed.add(records);
  };
  add(count);
  return { journal, feed, add };
}

async function readAll(feed: Feed, after: number): Promise<number[]> {
  const revisions: number[] = [];
  for (;;) {
    const page = await feed.read(revisions.at(-1) ?? after);
    if ('trimmedRevision' in page) throw new Error(`trimmed up to ${page.trimmedRevision}`);
    if (page.length === 0) return revisions;
    revisions.push(...page.map(({ revision }) => revision));
  }
}

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

describe('reading', () => {
  test.each([
    ['a few', 5, {}],
    ['as many as there is room for', 16, { recordsMax: 16 }],
    ['more', 17, { recordsMax: 16 }],
    ['many more', 1000, { recordsMax: 16 }],
    ['more characters than there is room for', 100, { charactersMax: 35 }],
    ['each too long', 40, { charactersMax: 2 }],
    ['room for one', 12, { recordsMax: 1 }],
  ])('%s: from any revision without gap', async (_name, count, options: FeedOptions) => {
    const { feed, add } = begin(count, options, 3);
    for (const after of [0, 1, count - 2, count - 1, count]) {
      expect(await readAll(feed, after)).toEqual(upTo(count).slice(after));
    }
    add(3);
    expect(await readAll(feed, 0)).toEqual(upTo(count + 3));
  });

  test('of what is in memory asks nobody', async () => {
    const { feed, journal } = begin(20, { recordsMax: 10 });
    expect(await readAll(feed, 10)).toEqual(upTo(20).slice(10));
    expect(journal.asked).toEqual([]);
    await readAll(feed, 9);
    expect(journal.asked).toEqual([9]);
  });

  test('of older ones asks for one page at a time, whoever wants it', async () => {
    const { feed, journal } = begin(100, { recordsMax: 1 });
    await Promise.all(upTo(20).map((after) => readAll(feed, after)));
    expect(journal.most).toBe(1);
  });

  test('goes on after a page that could not be read', async () => {
    const { feed, journal } = begin(20, { recordsMax: 1 });
    const { history } = journal;
    journal.history = () => {
      journal.history = history;
      return Promise.reject(new Error('the disk is on fire'));
    };
    const failing = feed.read(0);
    const [next] = await Promise.all([readAll(feed, 0), expect(failing).rejects.toThrow('fire')]);
    expect(next).toEqual(upTo(20));
  });

  test('never shows what the journal has but nobody was told of', async () => {
    const { feed, journal } = begin(5, { recordsMax: 1 });
    journal.records.push({ revision: 6, body: 'x' });
    expect(await readAll(feed, 0)).toEqual(upTo(5));
  });

  test('of what is trimmed says up to where', async () => {
    const { feed, journal } = begin(20, { recordsMax: 4 });
    journal.trimmedRevision = 8;
    expect(await feed.read(7)).toEqual({ trimmedRevision: 8 });
    expect(await readAll(feed, 8)).toEqual(upTo(20).slice(8));
  });
});

describe('waiting', () => {
  const never = new AbortController().signal;

  test('ends at once where there is more already', async () => {
    const { feed } = begin(1);
    await feed.changed(0, 60_000, never);
  });

  test('ends when there is more, for all who wait', async () => {
    const { feed, add } = begin(1, { wakeMs: 1 });
    const all = Promise.all(upTo(5).map(() => feed.changed(1, 60_000, never)));
    add(1);
    await all;
    const again = feed.changed(2, 60_000, never);
    add(1);
    await again;
  });

  test('ends when it has lasted long enough, or is aborted', async () => {
    const { feed } = begin(1);
    await feed.changed(1, 1, never);
    const abort = new AbortController();
    const waiting = feed.changed(1, 60_000, abort.signal);
    abort.abort();
    await waiting;
    await feed.changed(1, 60_000, abort.signal);
  });
});
