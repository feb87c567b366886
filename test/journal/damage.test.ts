/**
 * One test for each row of the table in recovery.ts that is decided by the tables and the head
 * anchor of a data directory. The rows about records are in recovery.test.ts, those about files and
 * migrations in sqlite.test.ts and migration.test.ts.
 */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { partDigest, partsStart } from '../../src/journal/checkpoint-table.ts';
import { chainStart, digestOf } from '../../src/journal/group.ts';
import { createHead, readHead, slotBytes } from '../../src/journal/head-anchor.ts';
import { migrate, readMigrations } from '../../src/journal/migration.ts';
import { encode } from '../../src/journal/record.ts';
import type { SqliteOptions } from '../../src/journal/sqlite.ts';
import { edit, Store } from './store.ts';

vi.setConfig({ testTimeout: 30_000 });

let parent: string;
let directory: string;
let database: string;
let head: string;
let stores: Store[];
let writtenRevision: number;
let checkpointRevision: number;

beforeAll(async () => {
  parent = mkdtempSync(join(tmpdir(), 'vmemd-damage-'));
  const store = await Store.open(join(parent, 'written'));
  await store.grow(2);
  writtenRevision = store.engine.revision;
  await store.close();
  cpSync(join(parent, 'written'), join(parent, 'checkpointed'), { recursive: true });
  const more = await Store.open(join(parent, 'checkpointed'));
  checkpointRevision = (await more.journal.checkpoint()).revision;
  await more.churn('arena-0', 10);
  await more.close();
});

afterAll(() => rmSync(parent, { recursive: true }));

beforeEach(() => {
  directory = join(parent, 'data');
  database = join(directory, 'vmemd.db');
  head = join(directory, 'vmemd.head');
  stores = [];
});

afterEach(async () => {
  for (const store of stores) await store.close();
  rmSync(directory, { recursive: true });
});

async function opened(options: Partial<SqliteOptions> = {}): Promise<Store> {
  const store = await Store.open(directory, options);
  stores.push(store);
  return store;
}

/** A closed directory with two arenas; returns its last revision. */
function written(): number {
  cpSync(join(parent, 'written'), directory, { recursive: true });
  return writtenRevision;
}

/** The same with a checkpoint, and records after it; returns the revision of the checkpoint. */
function checkpointed(): number {
  cpSync(join(parent, 'checkpointed'), directory, { recursive: true });
  return checkpointRevision;
}

function run(sql: string): void {
  edit(directory, (db) => void db.exec(sql));
}

/** Writes parts of its own into the checkpoint, with digests that fit. */
function rewriteParts(change: (bodies: string[]) => string[]): void {
  edit(directory, (db) => {
    const { revision, chain } = db.prepare('select * from checkpoint').get() as {
      revision: number;
      chain: Uint8Array;
    };
    const bodies = db
      .prepare<[], string>('select body from checkpoint_part order by part')
      .pluck()
      .all();
    db.exec('delete from checkpoint_part');
    let digest = partsStart({ revision, chain });
    const total = createHash('sha256');
    const changed = change(bodies);
    for (const [part, body] of changed.entries()) {
      digest = partDigest(digest, body);
      total.update(body).update('\n');
      db.prepare('insert into checkpoint_part values (?, ?, ?, ?)').run(
        revision,
        part,
        body,
        digest,
      );
    }
    db.prepare('update checkpoint set parts = ?, hash = ?').run(changed.length, total.digest());
  });
}

async function refused(code: string, exitCode: number, message: RegExp): Promise<void> {
  await expect(opened()).rejects.toMatchObject({
    name: 'RecoveryError',
    code,
    exitCode,
    message: expect.stringMatching(message),
    remedy: expect.stringMatching(/\.$/),
  });
}

describe('a checkpoint is refused', () => {
  test.each([
    ['a part that was altered', "body = body || ' '", 'does not match its digest in part 3'],
    ['a part whose digest was altered', 'digest = zeroblob(32)', 'does not match its digest in'],
    ['a part that is elsewhere', 'part = 300', 'lacks part 3'],
  ])('%s', async (_name, change, message) => {
    const revision = checkpointed();
    run(`update checkpoint_part set ${change} where part = 3`);
    await refused('checkpoint-damaged', 11, new RegExp(`record ${revision} ${message}`));
  });

  test.each([0, 3])('part %i is missing', async (part) => {
    checkpointed();
    run(`delete from checkpoint_part where part = ${part}`);
    await refused('checkpoint-damaged', 11, new RegExp(`lacks part ${part}`));
  });

  test('the last part is missing', async () => {
    checkpointed();
    run('delete from checkpoint_part where part = (select max(part) from checkpoint_part)');
    await refused('checkpoint-damaged', 11, /has \d+ of \d+ parts/);
  });

  test('all parts are unlike their hash', async () => {
    checkpointed();
    run("update checkpoint set hash = x'" + '00'.repeat(32) + "'");
    await refused('checkpoint-damaged', 11, /does not match its hash/);
  });

  test('its revision was altered', async () => {
    checkpointed();
    run(
      `update checkpoint set revision = revision - 1;
       update checkpoint_part set revision = revision - 1`,
    );
    await refused('checkpoint-damaged', 11, /does not match its digest|not one of this journal/);
  });

  test('it is of another journal', async () => {
    checkpointed();
    run('update checkpoint set chain = zeroblob(32)');
    await refused('checkpoint-damaged', 11, /is not one of this journal/);
  });

  test('records were trimmed, and no checkpoint has them', async () => {
    const revision = checkpointed();
    run(`update history set trimmed_revision = ${revision}; delete from checkpoint`);
    await refused('checkpoint-damaged', 11, /no checkpoint that has them/);
  });

  test('one was begun where there is no record', async () => {
    written();
    run(
      `insert into checkpoint (revision, chain, bytes_total, started_at)
       values (999, zeroblob(32), 0, 0)`,
    );
    await refused('checkpoint-damaged', 11, /begun at record 999/);
  });

  test('the journal ends before it', async () => {
    const revision = checkpointed();
    run(`delete from journal_group where last_revision >= ${revision}`);
    createHead(directory, { revision: 0, chain: chainStart });
    await refused('record-missing', 5, new RegExp(`before its checkpoint at record ${revision}`));
  });

  test('the records right after it are missing', async () => {
    const revision = checkpointed();
    run(`delete from journal_group where first_revision = ${revision + 1}`);
    await refused('record-missing', 5, new RegExp(`lacks record ${revision + 1}`));
  });

  test('text that is no part', async () => {
    checkpointed();
    rewriteParts((bodies) => bodies.with(1, '{"v":1,'));
    await refused('checkpoint-damaged', 11, /Part 1 of the checkpoint .*not JSON/);
  });

  test.each([
    ['twice the same', (bodies: string[]) => bodies.toSpliced(2, 0, bodies[2]!)],
    ['without its arena', (bodies: string[]) => bodies.slice(1)],
    ['cut short', (bodies: string[]) => bodies.slice(0, 2)],
  ])('parts that contradict each other: %s', async (_name, change) => {
    checkpointed();
    rewriteParts(change);
    await refused('checkpoint-damaged', 11, /does not make a state/);
  });

  test.each([
    ['version', '"v":1', '"v":2'],
    ['type', '"type":"spans"', '"type":"tenants"'],
  ])('a part of unknown %s, as of a newer version', async (_name, known, unknown) => {
    checkpointed();
    rewriteParts((bodies) => bodies.with(1, bodies[1]!.replace(known, unknown)));
    await refused('newer-record', 4, /Part 1 of the checkpoint was written by a newer version/);
  });
});

describe('the head anchor', () => {
  test('behind the journal is brought up to date', async () => {
    const revision = written();
    createHead(directory, { revision: 0, chain: chainStart });
    await (await opened()).close();
    expect(readHead(directory)).toMatchObject({ revision });
  });

  test('behind the checkpoint is compared with the history', async () => {
    written();
    const earlier = readFileSync(head);
    const store = await opened();
    await store.churn('arena-0', 4);
    await store.journal.checkpoint();
    await store.close();
    writeFileSync(head, earlier);
    await (await opened()).close();
    const found = readHead(directory);
    createHead(directory, { ...earlierHead(earlier), chain: chainStart });
    await refused('damaged', 5, /not the one that vmemd.head knows at record/);
    expect(found).toMatchObject({ revision: store.engine.revision });
  });

  test('with one slot that is not readable is read from the other', async () => {
    const store = await opened();
    await store.grow(1);
    await store.close();
    const bytes = readFileSync(head);
    bytes[100]! ^= 1;
    writeFileSync(head, bytes);
    await opened();
  });

  test('follows every append', async () => {
    const store = await opened();
    await store.grow(1);
    for (let round = 0; round < 3; round += 1) {
      await store.churn('arena-0', 1);
      expect(readHead(directory)).toMatchObject({ revision: store.engine.revision });
    }
  });

  test('that says more than the journal has is refused, and accepted by its revision', async () => {
    const revision = written();
    const store = await opened();
    const before = copyOf(database);
    await store.churn('arena-0', 6);
    await store.close();
    before.restore();
    const lost = store.engine.revision;
    await refused('tail-missing', 10, new RegExp(`ends at record ${revision}, but record ${lost}`));
    await expect(opened({ acceptRevision: lost })).rejects.toMatchObject({
      code: 'tail-missing',
      message: expect.stringContaining(`--accept-revision ${lost} is not where`),
    });
    const accepting = await opened({ acceptRevision: revision });
    expect(accepting.journal.warnings).toEqual([expect.stringMatching(/Accepted by .*ends at/)]);
    await accepting.close();
    const again = await opened();
    expect(again.journal.warnings).toEqual([]);
    await again.churn('arena-0', 1);
    await again.close();
    // Left where it was by mistake, the setting says so and does nothing.
    const left = await opened({ acceptRevision: revision });
    expect(left.journal.warnings).toEqual([expect.stringMatching(/not needed/)]);
    await left.close();
  });

  test('without a database is refused, and accepted by revision 0', async () => {
    const revision = written();
    rmSync(database);
    await refused('tail-missing', 10, new RegExp(`ends at record 0, but record ${revision}`));
    await expect(opened({ acceptRevision: revision })).rejects.toMatchObject({
      code: 'tail-missing',
    });
    const accepting = await opened({ acceptRevision: 0 });
    expect(accepting.report.revision).toBe(0);
    await accepting.close();
    await opened();
  });

  test.each([
    ['missing', () => rmSync(head)],
    ['unreadable', () => writeFileSync(head, 'x'.repeat(2 * slotBytes))],
  ])('that is %s is refused, and accepted by the revision', async (state, harm) => {
    const revision = written();
    harm();
    await refused('head-missing', 10, new RegExp(`${state}.*record ${revision}`));
    await expect(opened({ acceptRevision: revision + 1 })).rejects.toMatchObject({
      code: 'head-missing',
    });
    await (await opened({ acceptRevision: revision })).close();
    expect(readHead(directory)).toMatchObject({ revision });
    await opened();
  });

  test('of an empty journal may be missing', async () => {
    await (await opened()).close();
    rmSync(head);
    await (await opened()).close();
    expect(readHead(directory)).toMatchObject({ revision: 0 });
  });

  test.each([
    ['of another journal', (revision: number) => ({ revision, chain: chainStart })],
    ['inside a group', (revision: number) => ({ revision: revision - 1, chain: chainStart })],
  ])('%s is damage', async (_name, wrong) => {
    const revision = written();
    createHead(directory, wrong(revision));
    await refused('damaged', 5, /not the one that its head anchor knows at record/);
  });

  test('at the checkpoint, with another digest, is damage', async () => {
    const revision = checkpointed();
    createHead(directory, { revision, chain: chainStart });
    await refused('damaged', 5, /not the one that vmemd.head knows/);
  });

  test('of a newer format is refused', async () => {
    const revision = written();
    const bytes = readFileSync(head);
    bytes.writeUInt32LE(2, 8);
    const checksum = createHash('sha256')
      .update(bytes.subarray(0, slotBytes - 32))
      .digest();
    bytes.set(checksum, slotBytes - 32);
    writeFileSync(head, bytes);
    await refused('newer-schema', 4, /format that this version does not know/);
    await expect(opened({ acceptRevision: revision })).rejects.toMatchObject({
      code: 'newer-schema',
    });
  });

  test('is there before the database, so that a first start may be interrupted', async () => {
    mkdirSync(directory);
    createHead(directory, { revision: 0, chain: chainStart });
    await (await opened()).close();
    rmSync(database);
    writeFileSync(database, '');
    await opened();
  });
});

describe('a database from before there were checkpoints', () => {
  /** As 0001 left it, with two groups. */
  async function older(): Promise<void> {
    const store = await opened();
    await store.grow(1);
    const bodies = (await store.records()).map(({ body }) => body);
    await store.close();
    rmSync(database);
    rmSync(head);
    const db = new Database(database);
    db.pragma('journal_mode = WAL');
    migrate(db, readMigrations().slice(0, 1));
    const groups = [
      { firstRevision: 1, lastRevision: 1, body: bodies[0]! },
      { firstRevision: 2, lastRevision: bodies.length, body: bodies.slice(1).join('\n') },
    ];
    let chain = chainStart;
    for (const group of groups) {
      chain = digestOf(chain, group);
      const { firstRevision, lastRevision, body } = group;
      db.prepare('insert into journal_group values (?, ?, ?, ?, ?)').run(
        firstRevision,
        lastRevision,
        1,
        body,
        chain,
      );
    }
    db.close();
  }

  test('starts, gets its anchor, and its bytes are known', async () => {
    await older();
    const store = await opened({ historyDays: 0 });
    expect(store.journal.warnings).toEqual([]);
    const records = await store.records();
    expect(store.report.records).toBe(records.length);
    const bytes = records.reduce((sum, { body }) => sum + Buffer.byteLength(body) + 1, 0);
    // Newlines join the records of a group, and there are two groups.
    expect(store.journal.figures.historyBytes).toBe(bytes - 2);
    expect(readHead(directory)).toMatchObject({ revision: records.length });
    await store.churn('arena-0', 2);
    const { hash } = await store.journal.checkpoint();
    await store.journal.trim();
    await store.close();
    expect((await opened()).hash()).toBe(hash);
  });

  test('may be interrupted between its anchor and its migration', async () => {
    await older();
    createHead(directory, { revision: 0, chain: chainStart });
    const store = await opened();
    await store.close();
    expect(readHead(directory)).toMatchObject({ revision: store.report.revision });
  });

  test('that lost its end while an anchor was there is refused', async () => {
    await older();
    createHead(directory, { revision: 900, chain: chainStart });
    await refused('tail-missing', 10, /record 900/);
  });
});

/** An event that no version knows ends a start, also where a checkpoint is before it. */
test('a record of a newer version after a checkpoint is refused', async () => {
  checkpointed();
  const store = await opened();
  const revision = store.engine.revision + 1;
  const event = JSON.parse(encode({ type: 'allFreed', at: 1, arena: 'a', count: 0, released: [] }));
  const body = JSON.stringify({ ...event, v: 2 });
  expect(await store.journal.append([{ revision, body }])).toBe('acked');
  await store.close();
  await refused('newer-record', 4, new RegExp(`Record ${revision} `));
});

function earlierHead(bytes: Buffer): { revision: number } {
  const sequence = (at: number): bigint => bytes.readBigUInt64LE(at + 24);
  const at = sequence(0) > sequence(slotBytes) ? 0 : slotBytes;
  return { revision: Number(bytes.readBigUInt64LE(at + 16)) };
}

/** Keeps the database as it is now, its log included, for later. */
function copyOf(path: string): { restore(): void } {
  for (const end of ['', '-wal']) copyFileSync(path + end, `${path}${end}.kept`);
  return {
    restore() {
      for (const end of ['', '-wal']) copyFileSync(`${path}${end}.kept`, path + end);
    },
  };
}
