/** What is kept for idempotency keys: that it is there as long as its record, and not lost in silence. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { installBackup } from '../../src/journal/data-directory.ts';
import {
  digestOfKeyed,
  digestOfRow,
  keyedDigestOf,
  keyedKeptMs,
  withKeyed,
  type Keyed,
} from '../../src/journal/keyed.ts';
import { decode, encode } from '../../src/journal/record.ts';
import { Replay } from '../../src/journal/replay.ts';
import { openDatabase } from '../../src/journal/sqlite-open.ts';
import type { SqliteOptions } from '../../src/journal/sqlite.ts';
import { run } from '../cli/shell.ts';
import { edit, Store } from './store.ts';

vi.setConfig({ testTimeout: 30_000 });

let parent: string;
let directory: string;
let stores: Store[];

beforeAll(async () => {
  parent = mkdtempSync(join(tmpdir(), 'vmemd-keyed-'));
  directory = join(parent, 'written');
  stores = [];
  const store = await opened();
  await store.grow(1);
  for (const name of ['a', 'b', 'c']) await alloc(store, name);
  await store.journal.checkpoint();
  await store.churn('arena-0', 3);
  for (const name of ['d', 'e', 'f']) await alloc(store, name);
  await store.churn('arena-0', 3);
  await store.close();
});
afterAll(() => rmSync(parent, { recursive: true }));

beforeEach(() => {
  directory = join(parent, 'data');
  stores = [];
});
afterEach(async () => {
  for (const store of stores) await store.close();
  rmSync(directory, { recursive: true, force: true });
});

async function opened(options: Partial<SqliteOptions> = {}): Promise<Store> {
  const store = await Store.open(directory, options);
  stores.push(store);
  return store;
}

/** A closed directory with the keys a, b, c, a checkpoint, and the keys d, e, f. */
function written(): void {
  cpSync(join(parent, 'written'), directory, { recursive: true });
}

/** The digest of a key in these tests. */
function keyOf(name: string): string {
  return name.charCodeAt(0).toString(16).padStart(32, '0');
}

const requestDigest = '5a'.repeat(32);

/** Allocates with a key; the answer says so. */
async function alloc(store: Store, name: string): Promise<number> {
  const outcome = await store.sequencer.execute(
    { type: 'alloc', at: 1, arena: 'arena-0', size: 1n, constraint: {}, labels: {}, seed: 0 },
    (_engine, event) => ('base' in event ? event.base : 0n),
    {
      key: keyOf(name),
      request: requestDigest,
      reply: (base, revision) => `${name} got ${base} at ${revision}\n"ü"`,
    },
  );
  if ('refused' in outcome) return expect.unreachable(outcome.detail);
  return outcome.revision;
}

function answerTo(store: Store, name: string): Promise<Keyed | undefined> | undefined {
  return store.sequencer.keyed(keyOf(name));
}

function sql(text: string): void {
  edit(directory, (db) => void db.exec(text));
}

/** As if the service had run for so long in all. */
function ran(ms: number): void {
  sql(`update history set ran_ms = ${ms}`);
}

describe('an answer', () => {
  test('is there after a start, and when its append is answered, in whatever group', async () => {
    written();
    const store = await opened();
    for (const name of 'abcdef') {
      expect(await answerTo(store, name)).toEqual({
        key: keyOf(name),
        request: requestDigest,
        reply: expect.stringMatching(new RegExp(`^${name} got [0-9]+ at [0-9]+\n"ü"$`)),
      });
    }
    expect(answerTo(store, 'g')).toBeUndefined();
    expect(store.sequencer.keys).toMatchObject({ held: 6, max: 1_000_000 });
    const names = [...'ghijklmnopqrstuvwxyz'];
    const churned = store.churn('arena-0', 50);
    const revisions = await Promise.all(names.map((name) => alloc(store, name)));
    for (const [index, name] of names.entries()) {
      expect((await answerTo(store, name))?.reply).toContain(`at ${revisions[index]}\n`);
    }
    await churned;
    expect(store.sequencer.keys.held).toBe(26);
    expect((await store.replayed()).hash).toBe(store.hash());
  });

  test('survives checkpoints and the end of all history', async () => {
    written();
    const store = await opened({ historyBytes: 0 });
    await store.journal.checkpoint();
    await store.journal.trim();
    expect(await store.records()).toEqual([]);
    await store.close();
    const again = await opened({ historyBytes: 0 });
    for (const name of 'abcdef') expect(await answerTo(again, name)).toBeDefined();
  });

  test('is in a backup, and in what is made of it', async () => {
    written();
    const file = join(parent, 'backup.db');
    const store = await opened({ historyBytes: 0 });
    await store.journal.checkpoint();
    await alloc(store, 'g');
    await store.journal.backup(file);
    await store.close();
    rmSync(directory, { recursive: true });
    installBackup({ file, directory });
    const restored = await opened();
    for (const name of 'abcdefg') expect(await answerTo(restored, name)).toBeDefined();
    expect(restored.hash()).toBe(store.hash());
    rmSync(file);
  });
});

describe('the age of an answer', () => {
  test('is the time that the service ran, whatever the wall clock says', async () => {
    written();
    ran(keyedKeptMs - 60_000);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10 * keyedKeptMs });
    try {
      const store = await opened();
      await store.journal.trim();
      expect(await answerTo(store, 'a')).toBeDefined();
      expect(store.sequencer.keys.held).toBe(6);
      expect(store.sequencer.keys.oldestLeavesIn).toBeLessThanOrEqual(61_000);
    } finally {
      vi.useRealTimers();
    }
  });

  test('of a day ends it: it is not found, and its row is removed', async () => {
    written();
    ran(keyedKeptMs + 60_000);
    const store = await opened();
    expect(answerTo(store, 'a')).toBeUndefined();
    expect(store.sequencer.keys).toMatchObject({ held: 0, oldestLeavesIn: 0 });
    // A key may be used again while its old row is still there.
    const revision = await alloc(store, 'a');
    expect((await answerTo(store, 'a'))?.reply).toContain(`at ${revision}\n`);
    await store.journal.trim();
    await store.close();
    edit(directory, (db) => {
      const rows = db.prepare('select revision from keyed').pluck().all();
      expect(rows).toEqual([revision]);
    });
    const again = await opened();
    expect((await answerTo(again, 'a'))?.reply).toContain(`at ${revision}\n`);
    expect(answerTo(again, 'f')).toBeUndefined();
  });

  test('counts where the service is killed and the clock of its running goes back', async () => {
    written();
    ran(keyedKeptMs + 60_000);
    const store = await opened();
    const revision = await alloc(store, 'a');
    await store.close();
    // As if the last row had not said for how long it had run: both rows are young then.
    edit(directory, (db) => {
      const row = db.prepare('select * from keyed order by revision desc limit 1').get() as {
        revision: number;
        previous: number;
        key: Buffer;
        request: Buffer;
        reply: string;
      };
      const keyed = { key: row.key.toString('hex'), request: requestDigest };
      const digest = Buffer.from(digestOfRow({ ...row, ...keyed, ranMs: 5000 }), 'hex');
      db.prepare('update keyed set ran_ms = 5000, digest = ? where revision = ?').run(
        digest,
        row.revision,
      );
      db.exec('update history set ran_ms = 5000; update journal_group set ran_ms = 5000');
    });
    const again = await opened();
    expect((await answerTo(again, 'a'))?.reply).toContain(`at ${revision}\n`);
  });

  test('is looked at by compact', async () => {
    written();
    ran(keyedKeptMs + 60_000);
    expect(await run(['compact', '--data', directory])).toMatchObject({ code: 0 });
    edit(directory, (db) => {
      expect(db.prepare('select count(*) from keyed').pluck().get()).toBe(0);
    });
  });
});

describe('damage', () => {
  /** The revision of a key, as SQL. */
  const at = (name: string): string => `(select revision from keyed where key = x'${keyOf(name)}')`;

  test.each([
    [
      'an answer that was altered',
      `update keyed set reply = reply || ' ' where revision = ${at('b')}`,
    ],
    [
      'one after the checkpoint',
      `update keyed set reply = reply || ' ' where revision = ${at('e')}`,
    ],
    ['a key', `update keyed set key = zeroblob(16) where revision = ${at('b')}`],
    ['a request', `update keyed set request = zeroblob(32) where revision = ${at('e')}`],
    ['an age', `update keyed set ran_ms = ran_ms + 1 where revision = ${at('e')}`],
    ['a digest', `update keyed set digest = zeroblob(32) where revision = ${at('a')}`],
    ['a link', `update keyed set previous = previous - 1 where revision = ${at('f')}`],
    ['a revision', `update keyed set revision = revision + 1 where revision = ${at('f')}`],
  ])('is refused: %s', (_what, change) => {
    written();
    sql(change);
    refused(/do not match their digest at record [0-9]+/);
  });

  test.each([...'abcdef'])('is refused: answer %s is missing', (name) => {
    written();
    sql(`delete from keyed where revision = ${at(name)}`);
    refused(/lack (some from|that of) record [0-9]+/);
  });

  test.each([
    ['all', 'true'],
    ['all before the checkpoint', `revision <= ${at('c')}`],
    ['all after the checkpoint', `revision > ${at('c')}`],
    ['the last ones before the checkpoint', `revision in (${at('b')}, ${at('c')})`],
  ])('is refused: %s are missing', (_what, where) => {
    written();
    sql(`delete from keyed where ${where}`);
    refused(/lack (some from|that of) record [0-9]+/);
  });

  test.each([
    ['after the last record', 'last_revision + 1', /but the journal ends at/],
    ['for a record without a key', 'last_revision', /have one for record [0-9]+ without a key/],
  ])('is refused: an answer %s', (_what, revision, message) => {
    written();
    edit(directory, (db) => {
      const where = db.prepare(`select max(${revision}) from journal_group`).pluck().get();
      insert(db, { revision: Number(where), previous: `${at('f')}`, reply: 'x' });
    });
    refused(message);
  });

  test('is refused: an answer to another key in the place of one, with digests that fit', () => {
    written();
    edit(directory, (db) => {
      const [revision, previous] = [at('e'), at('d')].map((query) =>
        Number(db.prepare(`select ${query}`).pluck().get()),
      );
      db.prepare('delete from keyed where revision = ?').run(revision);
      insert(db, { revision: revision!, previous: String(previous), reply: 'x' });
    });
    refused(/do not have what record [0-9]+ says/);
  });

  test('does not stand in the way of a dump', async () => {
    written();
    const store = await opened();
    const hash = store.hash();
    await store.close();
    sql('delete from keyed');
    const dumped = await run(['dump', '--data', directory]);
    expect(dumped).toMatchObject({ code: 0, errors: '' });
    const loaded = join(parent, 'loaded');
    const made = await run(['load', '--data', loaded, '--json'], { input: dumped.output });
    expect(JSON.parse(made.output)).toMatchObject({ ok: true, stateHash: hash });
    rmSync(loaded, { recursive: true });
  });

  test('is refused by the whole journal, and by verify', async () => {
    written();
    sql(`delete from keyed where revision = ${at('b')}`);
    await expect(opened()).rejects.toMatchObject({ code: 'keyed-damaged' });
    const verified = await run(['verify', '--data', directory]);
    expect(verified).toMatchObject({ code: 5, errors: expect.stringContaining('lack some') });
  });

  function refused(message: RegExp): void {
    let error: unknown;
    try {
      read();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({
      name: 'RecoveryError',
      code: 'keyed-damaged',
      exitCode: 5,
      message: expect.stringMatching(message),
      remedy: expect.stringContaining('dump'),
    });
  }

  /** Reads all as a start does, in this thread. */
  function read(): void {
    const { db, ...tables } = openDatabase({ directory });
    try {
      const { last } = tables.groups;
      const replay = new Replay({ db, directory, ...tables }, last.revision, { keyed: true });
      while (replay.next({ characters: 100, ms: 100 }).type !== 'end');
    } finally {
      db.close();
    }
  }

  test('is refused only where there is any', () => {
    written();
    read();
  });

  function insert(
    db: Parameters<Parameters<typeof edit>[1]>[0],
    row: { revision: number; previous: string; reply: string },
  ): void {
    const previous = Number(db.prepare(`select ${row.previous}`).pluck().get());
    const { revision, reply } = row;
    const keyed = { key: 'ab'.repeat(16), request: requestDigest, reply };
    const digits = [
      keyed.key,
      keyed.request,
      digestOfRow({ ...keyed, revision, previous, ranMs: 0 }),
    ];
    const [key, request, digest] = digits.map((hex) => Buffer.from(hex, 'hex'));
    db.prepare(
      'insert into keyed values (@revision, @previous, 0, @key, @request, @reply, @digest)',
    ).run({ revision, previous, key, request, reply, digest });
  }
});

describe('the field of a record', () => {
  const keyed: Keyed = { key: keyOf('k'), request: requestDigest, reply: 'r' };
  const event = {
    type: 'allocated',
    at: 1,
    arena: 'a',
    base: 0n,
    size: 1n,
    policy: 'firstfit',
    labels: {},
    imported: [],
  } as const;

  test('is read back, and is none of the event', () => {
    const body = withKeyed(encode(event), keyed);
    expect(keyedDigestOf(body)).toBe(digestOfKeyed(keyed));
    expect(decode(body)).toEqual(event);
    expect(keyedDigestOf(encode(event))).toBeUndefined();
  });

  test('is not mistaken for what a client wrote', () => {
    const digest = digestOfKeyed(keyed);
    for (const labels of [{ keyed: digest }, { x: `","keyed":"${digest}` }]) {
      const body = encode({ type: 'allocationUpdated', at: 1, arena: 'a', address: 0n, labels });
      expect(keyedDigestOf(body)).toBeUndefined();
      expect(decode(body)).toMatchObject({ labels });
    }
    const owner = `x","keyed":"${digest}`;
    const owned = encode({ type: 'allocationUpdated', at: 1, arena: 'a', address: 0n, owner });
    expect(keyedDigestOf(owned)).toBeUndefined();
  });

  test.each([
    ['short', '"keyed":"00"'],
    ['no digest', `"keyed":"${'z'.repeat(64)}"`],
    ['no text', '"keyed":1'],
  ])('that is %s is refused', (_what, field) => {
    const body = encode(event);
    expect(() => decode(`${body.slice(0, -1)},${field}}`)).toThrow(/keyed: expected a digest/);
  });

  test('that is not the last one is refused', () => {
    const { at, ...rest } = JSON.parse(encode(event)) as Record<string, unknown>;
    const body = JSON.stringify({ keyed: digestOfKeyed(keyed), ...rest, at });
    expect(() => decode(body)).toThrow(/keyed: expected a digest, as the last field/);
  });
});
