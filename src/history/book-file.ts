/**
 * The file of the book: a SQLite database beside the journal's, in which the periods of all
 * allocations are filed so that they are found by address and time. It is derived from the journal
 * and made anew where it is missing, was made by another version, or is damaged. So nothing here is
 * durable at once: a commit survives a crash of the process, and after a power cut the file may be
 * that of some time before.
 */
import { rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { limits } from '../limits.ts';

export const bookName = 'vmemd.history.db';

/** What it means changes with this number, which is then another one: the book is made anew. */
const bookVersion = 2;
/** "vmhb". */
const bookId = 0x76_6d_68_62;
/** For the upper levels of the tables of some ten million periods. */
const cacheKib = 65_536;

/**
 * A period has its range as `base` and `size`, which is less by one; its `base` is null where it is
 * the fork itself, and `granted_at` where it is `from_at`. A `from_revision` of 0 is not known. What is
 * held is `count` blocks of this size side by side.
 *
 * `levels` of an arena has the bits of all levels that forks of its periods have, in hexadecimal.
 * What ended up to `trimmed_revision` may still be there: it is swept from time to time, and was up
 * to `swept_revision`.
 *
 * `clock` has the last revision of each time, without those that a later revision of the same or an
 * earlier time follows on: so both of its columns only grow, and what was so at a time is found.
 */
const schema = `
create table extent (
  revision integer not null, chain blob not null,
  trimmed_revision integer not null, complete_revision integer not null, partial integer not null,
  swept_revision integer not null
) strict;
create table arena (
  id integer primary key, name text not null, notation text, width integer,
  created_revision integer not null, destroyed_revision integer, levels text not null
) strict;
create unique index arena_name on arena (name, created_revision desc);
create index arena_destroyed on arena (destroyed_revision) where destroyed_revision is not null;
create table held (
  arena integer not null, base blob not null, size any not null, count integer not null,
  from_revision integer not null, from_at integer not null, granted_at integer,
  importer text, facts text,
  primary key (arena, base)
) strict, without rowid;
create table ended (
  arena integer not null, fork blob not null, from_revision integer not null,
  base blob, size any not null, from_at integer, granted_at integer,
  importer text, facts text,
  until_revision integer not null, until_at integer not null, ending integer not null,
  primary key (arena, fork, from_revision desc)
) strict, without rowid;
create table clock (at integer primary key, revision integer not null) strict;
`;

/**
 * A parameter of a statement that looks for a range, or of its limit. Where it is but a `?`, SQLite compiles
 * the statement anew for each value, in case that another plan is better; this takes several times as long as
 * to run it, and there is but one plan.
 */
export const parameter = 'ifnull(?, 0)';

/** Thrown as SQLite does where the disk is full; the book is before that, to leave room for the journal. */
class DiskShort extends Error {
  override name = 'DiskShort';
  readonly code = 'SQLITE_FULL';
}

/** Throws where a book that grows could take the room that the journal needs. */
export function assertRoom(directory: string): void {
  const { bavail, blocks, bsize } = statfsSync(directory);
  // Some file systems do not tell.
  if (blocks === 0 || bavail * bsize >= limits.historyFreeBytesMin) return;
  const mib = limits.historyFreeBytesMin / 1024 / 1024;
  throw new DiskShort(`less than ${mib} MiB are free on the disk, and these are for the journal`);
}

/** Opens the book of a data directory; makes an empty one in its place where it cannot be read. */
export function openBook(directory: string): Database.Database {
  const path = join(directory, bookName);
  try {
    const db = open(path);
    if (isBook(db)) return db;
    db.close();
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  return newBook(directory);
}

/** Makes an empty book in the place of whatever is there. */
export function newBook(directory: string): Database.Database {
  const path = join(directory, bookName);
  for (const end of ['', '-wal', '-shm', '-journal']) rmSync(`${path}${end}`, { force: true });
  const db = open(path);
  db.exec(schema);
  db.prepare('insert into extent values (0, zeroblob(32), 0, 0, 0, 0)').run();
  db.pragma(`application_id = ${bookId}`);
  db.pragma(`user_version = ${bookVersion}`);
  return db;
}

/** Whether SQLite says that a file is not what it wrote. */
export function isDamage(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT');
}

function open(path: string): Database.Database {
  const db = new Database(path, { timeout: 0 });
  db.pragma('locking_mode = EXCLUSIVE');
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  // When the log is folded in, and with it made durable, is decided by who writes.
  db.pragma('wal_autocheckpoint = 0');
  db.pragma(`cache_size = -${cacheKib}`);
  return db;
}

function isBook(db: Database.Database): boolean {
  const id = db.pragma('application_id', { simple: true });
  const version = db.pragma('user_version', { simple: true });
  return id === bookId && version === bookVersion;
}
