/** Backups, and data directories made from them or from the parts of a state. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createDataDirectory, installBackup } from '../../src/journal/data-directory.ts';
import { migrate, readMigrations } from '../../src/journal/migration.ts';
import { encodePart } from '../../src/journal/snapshot-part.ts';
import type { SqliteOptions } from '../../src/journal/sqlite.ts';
import { edit, Store } from './store.ts';

vi.setConfig({ testTimeout: 30_000 });

let parent: string;
let data: string;
let file: string;
let stores: Store[];

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'vmemd-directory-'));
  data = join(parent, 'data');
  file = join(parent, 'backup.db');
  stores = [];
});

afterEach(async () => {
  for (const store of stores) await store.close();
  rmSync(parent, { recursive: true });
});

async function opened(directory = data, options: Partial<SqliteOptions> = {}): Promise<Store> {
  const store = await Store.open(directory, options);
  stores.push(store);
  return store;
}

async function written(options: Partial<SqliteOptions> = {}): Promise<Store> {
  const store = await opened(data, options);
  await store.grow(3);
  await store.journal.checkpoint();
  await store.journal.trim();
  await store.grow(1);
  return store;
}

test.each([
  ['with its history', {}],
  ['whose history was trimmed', { historyBytes: 0 }],
])('a backup of a journal %s has all of it, while appends go on', async (_name, options) => {
  const store = await written(options);
  const at = { revision: store.engine.revision, hash: store.hash() };
  const progress: [number, number][] = [];
  const copied = store.journal.backup(file, (done, total) => progress.push([done, total]));
  await store.churn('arena-0', 30);
  const report = await copied;
  expect(report.revision).toBeGreaterThanOrEqual(at.revision);
  expect(progress.at(-1)?.[0]).toBeGreaterThan(0);
  expect(progress.every(([done, total]) => done <= total)).toBe(true);
  const records = await store.records();
  await store.close();
  expect(readdirSync(parent).toSorted()).toEqual(['backup.db', 'data']);

  const directory = join(parent, 'restored');
  expect(installBackup({ file, directory })).toEqual({ revision: report.revision });
  const restored = await opened(directory);
  expect(restored.engine.revision).toBe(report.revision);
  if (report.revision === at.revision) expect(restored.hash()).toBe(at.hash);
  expect(await restored.records()).toEqual(
    records.filter(({ revision }) => revision <= report.revision),
  );
  await restored.grow(1);
  await restored.close();
  await opened(directory);
});

test('a backup of an empty journal is one', async () => {
  const store = await opened();
  expect(await store.journal.backup(file)).toMatchObject({ revision: 0 });
  const directory = join(parent, 'restored');
  expect(installBackup({ file, directory })).toEqual({ revision: 0 });
  expect((await opened(directory)).report).toMatchObject({ revision: 0, arenas: 0 });
});

test('a backup that fails is the caller’s trouble alone, and leaves nothing', async () => {
  const store = await written();
  writeFileSync(file, 'mine');
  await expect(store.journal.backup(file)).rejects.toThrow(/is there already/);
  await expect(store.journal.backup(join(parent, 'none', 'b'))).rejects.toThrow(
    /backup .*none.* cannot be written: .*directory/,
  );
  expect(store.events.filter(({ type }) => type === 'failed')).toEqual([]);
  await store.grow(1);
  expect((await store.journal.checkpoint()).revision).toBe(store.engine.revision);
  expect(readdirSync(parent).toSorted()).toEqual(['backup.db', 'data']);
});

test('damage in the history is not copied', async () => {
  const store = await written();
  await store.close();
  edit(data, (db) => {
    db.exec(`update journal_group set body = replace(body, ':', ';')
      where first_revision = (select min(first_revision) from journal_group)`);
  });
  const again = await opened();
  await expect(again.journal.backup(file)).rejects.toMatchObject({ code: 'damaged' });
  expect(existsSync(file)).toBe(false);
  expect(readdirSync(parent)).toEqual(['data']);
});

test('a backup is installed only where there is no database, and only whole', async () => {
  const store = await written();
  await store.journal.backup(file);
  await store.close();
  expect(() => installBackup({ file, directory: data })).toThrow(/is there already/);
  const db = new Database(file);
  db.exec("update checkpoint_part set body = body || ' ' where part = 2");
  db.close();
  const directory = join(parent, 'restored');
  expect(() => installBackup({ file, directory })).toThrow(
    expect.objectContaining({ code: 'checkpoint-damaged' }),
  );
  expect(existsSync(join(directory, 'vmemd.db'))).toBe(false);
  expect(() => installBackup({ file: join(parent, 'none'), directory })).toThrow();
});

test('a backup of a newer version, of nobody we know, or beside a log is not installed', async () => {
  const store = await written();
  await store.journal.backup(file);
  await store.close();
  const directory = join(parent, 'restored');
  mkdirSync(directory);
  writeFileSync(join(directory, 'vmemd.db-wal'), 'left');
  expect(() => installBackup({ file, directory })).toThrow(/vmemd\.db-wal is left of another/);
  rmSync(join(directory, 'vmemd.db-wal'));
  const db = new Database(file);
  db.exec("insert into migration values (1000, 0, 1, 'x')");
  expect(() => installBackup({ file, directory })).toThrow(
    expect.objectContaining({ code: 'unknown-schema' }),
  );
  db.exec('update migration set id = (select count(*) from migration) where id = 1000');
  expect(() => installBackup({ file, directory })).toThrow(
    expect.objectContaining({ code: 'newer-schema' }),
  );
  db.exec('pragma application_id = 1');
  expect(() => installBackup({ file, directory })).toThrow(
    expect.objectContaining({ code: 'foreign-database' }),
  );
  db.close();
  writeFileSync(file, '');
  expect(() => installBackup({ file, directory })).toThrow(
    expect.objectContaining({ code: 'foreign-database' }),
  );
  expect(readdirSync(directory)).toEqual([]);
});

test('a backup of an older version is brought up to date on the way', () => {
  const [first] = readMigrations();
  const db = new Database(file);
  migrate(db, [first!]);
  db.close();
  const before = readFileSync(file);
  const directory = join(parent, 'restored');
  expect(installBackup({ file, directory })).toEqual({ revision: 0 });
  expect(readFileSync(file)).toEqual(before);
});

test('installing tells what the anchor of the place had said', async () => {
  const store = await written();
  const { revision } = await store.journal.backup(file);
  await store.churn('arena-0', 10);
  const headRevision = store.engine.revision;
  await store.close();
  rmSync(join(data, 'vmemd.db'));
  expect(installBackup({ file, directory: data })).toEqual({ revision, headRevision });
  expect((await opened()).engine.revision).toBe(revision);
});

test('a directory made of parts has their state, and goes on from it', async () => {
  const store = await written();
  const { revision } = store.engine;
  const parts = [...store.engine.snapshot()].map(encodePart);
  const hash = store.hash();
  const directory = join(parent, 'made');
  expect(await createDataDirectory({ directory, revision, parts })).toEqual({ revision, hash });
  const made = await opened(directory);
  expect(made.hash()).toBe(hash);
  expect(made.journal.figures).toMatchObject({ trimmedRevision: revision, historyBytes: 0 });
  await made.churn('arena-1', 10);
  await store.churn('arena-1', 10);
  expect(made.hash()).not.toBe(hash);
  await made.close();
  expect((await opened(directory)).report).toMatchObject({ checkpoint: revision });
});

test('parts that are not a whole state make no directory', async () => {
  const store = await written();
  const parts = [...store.engine.snapshot()].map(encodePart);
  const directory = join(parent, 'made');
  for (const wrong of [parts.slice(1), parts.with(1, '{}'), parts.with(0, 'x')]) {
    await expect(
      createDataDirectory({ directory, revision: 9999, parts: wrong }),
    ).rejects.toMatchObject({ code: 'checkpoint-damaged' });
  }
  expect(existsSync(directory)).toBe(false);
});
