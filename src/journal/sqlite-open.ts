/**
 * Opening the database of a data directory, for the journal's worker: checks what is there, takes
 * the lock, sets what durability rests on, migrates, and proves that a write works. Whatever stands
 * in the way becomes a RecoveryError that names the directory and the remedy.
 *
 * Two settings carry the guarantees. `locking_mode = EXCLUSIVE`, before WAL is entered, makes a
 * second process fail at once instead of interleaving. `synchronous = FULL` makes a commit wait for
 * the disk; this build of SQLite falls back to NORMAL in WAL mode, visibly only after the first
 * write, so it is set on every open and read back after the write that opening makes.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { assert } from '../engine/assert.ts';
import { migrate, readMigrations } from './migration.ts';
import { RecoveryError, restoreBackup } from './recovery-error.ts';

export const databaseName = 'vmemd.db';

/** "vmem" in ASCII; set by the first migration. */
const applicationId = 0x766d656d;

/** `synchronous = FULL`, as SQLite reports it. */
const synchronousFull = 2;

export interface Opened {
  readonly db: Database.Database;
  readonly warnings: readonly string[];
}

/** Opens `directory`, creating it (mode 0700) and the database if missing. Throws RecoveryError. */
export function openDatabase(directory: string, migrations?: string): Opened {
  // Outside: a missing migration is a broken installation, not an unusable data directory.
  const known = readMigrations(migrations);
  let db: Database.Database | undefined;
  try {
    createDirectory(resolve(directory));
    refuseForeignFile(directory);
    db = new Database(join(directory, databaseName), { timeout: 0 });
    lockAndConfigure(db);
    refuseForeignDatabase(db, directory);
    const warnings = migrate(db, known);
    countEpoch(db);
    return { db, warnings };
  } catch (error) {
    db?.close();
    throw storageError(error, directory);
  }
}

/**
 * Names an error of the file system or of SQLite, met while opening or reading. What is neither is
 * returned as it is: a bug of ours.
 */
export function storageError(error: unknown, directory: string): unknown {
  if (error instanceof RecoveryError || !(error instanceof Error)) return error;
  const code = 'code' in error ? String(error.code) : '';
  const options = { cause: error };
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    return new RecoveryError(
      'locked',
      `Another process has the data directory ${directory} open.`,
      'Stop that process, or give this one another data directory with --data.',
      options,
    );
  }
  if (code === 'SQLITE_NOTADB') return notADatabase(directory, options);
  if (code.startsWith('SQLITE_CORRUPT')) {
    return new RecoveryError(
      'damaged',
      `${join(directory, databaseName)} is damaged: ${error.message}.`,
      restoreBackup,
      options,
    );
  }
  if (/^(SQLITE_(FULL|IOERR|CANTOPEN|READONLY|PERM)|E[A-Z]+$)/.test(code)) {
    return new RecoveryError(
      'directory-unusable',
      `The data directory ${directory} cannot be used: ${error.message} (${code}).`,
      'Check that it is a directory, that this user may write to it and that the disk has room.',
      options,
    );
  }
  return error;
}

/** Creates the directory and makes its entry durable, which mkdir alone does not. */
function createDirectory(directory: string): void {
  // With `recursive`, Node never returns where the parent is there and yet nothing can be made in it.
  const recursive = !existsSync(dirname(directory));
  if (existsSync(directory) && statSync(directory).isDirectory()) return;
  const topmost = mkdirSync(directory, { recursive, mode: 0o700 }) ?? directory;
  for (let parent = dirname(directory); ; parent = dirname(parent)) {
    const descriptor = openSync(parent, 'r');
    fsyncSync(descriptor);
    closeSync(descriptor);
    if (parent === dirname(topmost)) return;
  }
}

/**
 * Refuses what SQLite would take for an empty database and write over: a file too short to be one,
 * and an empty one whose write-ahead log still has commits. A rollback journal beside it means that
 * creating it was interrupted, which SQLite undoes.
 */
function refuseForeignFile(directory: string): void {
  const path = join(directory, databaseName);
  if (sizeOf(`${path}-journal`) > 0) return;
  const size = sizeOf(path);
  if (size === 0 && existsSync(path)) {
    throw new RecoveryError(
      'damaged',
      `${path} is empty: it was cut off, or never came to hold anything.`,
      `Restore a backup; if this data directory never held any, delete ${databaseName} and start.`,
    );
  }
  if (size === 0 && sizeOf(`${path}-wal`) > 0) {
    throw new RecoveryError(
      'damaged',
      `${path} is missing or empty, but its write-ahead log ${databaseName}-wal is there.`,
      `Put ${databaseName} and ${databaseName}-wal back together, or restore a backup.`,
    );
  }
  if (size > 0 && startOf(path) !== 'SQLite format 3\0') throw notADatabase(directory);
}

function lockAndConfigure(db: Database.Database): void {
  db.pragma('locking_mode = EXCLUSIVE');
  // Entering WAL is the first access: with the mode above it takes the lock, and keeps it.
  const mode = db.pragma('journal_mode = WAL', { simple: true });
  if (mode !== 'wal') {
    throw Object.assign(new Error(`the file system does not support WAL (mode ${String(mode)})`), {
      code: 'SQLITE_CANTOPEN',
    });
  }
  db.pragma('synchronous = FULL');
  // Where fsync leaves data in the drive's cache (macOS), this does not. Elsewhere no effect.
  db.pragma('fullfsync = ON');
}

/** Checked before migrating, so that nobody else's database is written to. */
function refuseForeignDatabase(db: Database.Database, directory: string): void {
  const id = db.pragma('application_id', { simple: true });
  const tables = db
    // An opening that was interrupted may have left the list of migrations, empty.
    .prepare("select name from sqlite_schema where name <> 'migration'")
    .all();
  if (id === applicationId || (id === 0 && tables.length === 0)) return;
  throw new RecoveryError(
    'foreign-database',
    `${join(directory, databaseName)} is a SQLite database, but not one of vmemd.`,
    'Give this process another data directory with --data. Nothing was changed.',
  );
}

function countEpoch(db: Database.Database): void {
  db.prepare('update writer set epoch = epoch + 1, opened_at = ?').run(Date.now());
  const synchronous = db.pragma('synchronous', { simple: true });
  assert(synchronous === synchronousFull, `synchronous is FULL after a write, not ${synchronous}`);
}

function notADatabase(directory: string, options?: ErrorOptions): RecoveryError {
  return new RecoveryError(
    'not-a-database',
    `${join(directory, databaseName)} is not a SQLite database.`,
    restoreBackup,
    options,
  );
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function startOf(path: string): string {
  const descriptor = openSync(path, 'r');
  try {
    const start = Buffer.alloc(16);
    const length = readSync(descriptor, start, 0, start.length, 0);
    return start.toString('latin1', 0, length);
  } finally {
    closeSync(descriptor);
  }
}
