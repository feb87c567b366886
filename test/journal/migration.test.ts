import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  dumpSchema,
  migrate,
  migrationsDirectory,
  readMigrations,
} from '../../src/journal/migration.ts';

let directory: string;
let open: Database.Database[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vmemd-migration-'));
  open = [];
});

afterEach(() => {
  for (const db of open) db.close();
  rmSync(directory, { recursive: true });
});

function database(path = ':memory:'): Database.Database {
  const db = new Database(path, { timeout: 0 });
  open.push(db);
  return db;
}

/** The migrations of this version followed by one more. */
function withOneMore(sql: string) {
  const folder = join(directory, 'migrations');
  cpSync(migrationsDirectory, folder, { recursive: true });
  const number = String(readMigrations().length + 1).padStart(4, '0');
  writeFileSync(join(folder, `${number}_later.sql`), sql);
  return readMigrations(folder);
}

test('a new database gets every migration, and a second run changes nothing', () => {
  const db = database();
  expect(migrate(db, readMigrations())).toEqual([]);
  const first = db.prepare('select * from migration').all();
  expect(first).toHaveLength(readMigrations().length);
  expect(migrate(db, readMigrations())).toEqual([]);
  expect(db.prepare('select * from migration').all()).toEqual(first);
});

test('a database of the version before gets what is missing', () => {
  const db = database();
  migrate(db, readMigrations());
  const later = withOneMore('create table extra (id integer) strict;');
  expect(migrate(db, later)).toEqual([]);
  expect(db.prepare('select max(id) from migration').pluck().get()).toBe(later.length);
  expect(dumpSchema(db)).toContain('CREATE TABLE extra');
});

test('migrations/schema.sql is what the migrations result in', async () => {
  const db = database();
  migrate(db, readMigrations());
  await expect(
    dumpSchema(db),
    'refresh it with: npx vitest run test/journal/migration.test.ts --update',
  ).toMatchFileSnapshot('../../migrations/schema.sql');
});

test('of two that migrate at once one is refused, and the other is complete', () => {
  const path = join(directory, 'a.db');
  const [winner, loser] = [database(path), database(path)];
  winner.exec('begin immediate');
  expect(() => migrate(loser, readMigrations())).toThrow(/locked/);
  winner.exec('rollback');
  migrate(winner, readMigrations());
  expect(migrate(loser, readMigrations())).toEqual([]);
});

test('a migration that fails leaves nothing of itself', () => {
  const db = database();
  migrate(db, readMigrations());
  const before = dumpSchema(db);
  const later = withOneMore(
    'create table extra (id integer) strict; insert into nowhere values (1);',
  );
  expect(() => migrate(db, later)).toThrow(/nowhere/);
  expect(dumpSchema(db)).toBe(before);
  expect(db.prepare('select max(id) from migration').pluck().get()).toBe(readMigrations().length);
});

test('a newer breaking migration is refused', () => {
  const db = database();
  migrate(db, withOneMore('-- breaking\ncreate table extra (id integer) strict;'));
  expect(() => migrate(db, readMigrations())).toThrow(
    expect.objectContaining({ code: 'newer-schema', exitCode: 4 }),
  );
});

test('a newer harmless migration is a warning', () => {
  const db = database();
  const later = withOneMore('create table extra (id integer) strict;');
  migrate(db, later);
  expect(migrate(db, readMigrations())).toEqual([
    expect.stringContaining(`migration ${later.length}`),
  ]);
});

test('a migration that was edited after it was applied is refused', () => {
  const db = database();
  migrate(db, withOneMore('create table extra (id integer) strict;'));
  const edited = withOneMore('create table extra (id integer, note text) strict;');
  expect(() => migrate(db, edited)).toThrow(
    expect.objectContaining({ code: 'edited-migration', exitCode: 5 }),
  );
});

test('a change of line ends is no edit', () => {
  const db = database();
  migrate(db, withOneMore('create table extra (\nid integer\n) strict;'));
  expect(migrate(db, withOneMore('create table extra (\r\nid integer\r\n) strict;'))).toEqual([]);
});

test('a list of migrations with a hole is refused', () => {
  const db = database();
  migrate(db, withOneMore('create table extra (id integer) strict;'));
  db.exec('delete from migration where id = 1');
  expect(() => migrate(db, readMigrations())).toThrow(
    expect.objectContaining({ code: 'unknown-schema', exitCode: 5 }),
  );
});

test('files whose numbers have a hole are an error of ours', () => {
  writeFileSync(join(directory, '0002_second.sql'), 'select 1;');
  expect(() => readMigrations(directory)).toThrow(/0002_second.sql has number 1/);
});
