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
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { assert } from '../engine/assert.ts';
import { CheckpointTable } from './checkpoint-table.ts';
import { GroupTable } from './group-table.ts';
import { chainStart } from './group.ts';
import { createFirstHead, createHead, readHead, type Found, type Head } from './head-anchor.ts';
import { checkHead, checkTables, refuseLostDatabase } from './head-check.ts';
import { KeyedTable } from './keyed-table.ts';
import { applicationId, migrate, readMigrations } from './migration.ts';
import { RecoveryError } from './recovery-error.ts';
import { databaseName, notADatabase, storageError } from './storage-error.ts';

/** The head of a journal without records. */
const empty: Head = { revision: 0, chain: chainStart };

/** `synchronous = FULL`, as SQLite reports it. */
const synchronousFull = 2;

export interface OpenOptions {
  readonly directory: string;
  /** Folder of the migrations, where it is not the one of this version. */
  readonly migrations?: string;
  /** Where the operator says that the journal ends, see head-check.ts. */
  readonly acceptRevision?: number;
}

export interface Opened {
  readonly db: Database.Database;
  readonly groups: GroupTable;
  readonly checkpoints: CheckpointTable;
  readonly keyed: KeyedTable;
  /** What the head anchor says, where reading the journal has to come by. */
  readonly expected?: Head;
  readonly warnings: readonly string[];
}

/** Opens `directory`, creating it (mode 0700) and the database if missing. Throws RecoveryError. */
export function openDatabase({ directory, migrations, acceptRevision }: OpenOptions): Opened {
  // Outside: a missing migration is a broken installation, not an unusable data directory.
  const known = readMigrations(migrations);
  let db: Database.Database | undefined;
  try {
    createDirectory(resolve(directory));
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    const found = readHead(directory);
    refuseForeignFile(directory, found, acceptRevision);
    if (!existsSync(join(directory, databaseName)) && found === 'missing') {
      createFirstHead(directory, empty);
    }
    db = new Database(join(directory, databaseName), { timeout: 0 });
    lockAndConfigure(db);
    refuseForeignDatabase(db, directory);
    createLaterHead(db, directory);
    const migrated = migrate(db, known);
    const groups = new GroupTable(db);
    const checkpoints = new CheckpointTable(db);
    const keyed = new KeyedTable(db);
    const { warnings, ...compared } = checkHead(
      directory,
      readHead(directory),
      { groups, checkpoints },
      acceptRevision,
    );
    checkTables(directory, { groups, checkpoints, keyed });
    countEpoch(db);
    refuseOtherMode(db, directory);
    const tables = { groups, checkpoints, keyed };
    return { db, ...tables, ...compared, warnings: [...migrated, ...warnings] };
  } catch (error) {
    db?.close();
    throw storageError(error, directory);
  }
}

/** Creates the directory and makes its entry durable, which mkdir alone does not. */
function createDirectory(directory: string): void {
  // With `recursive`, Node never returns where the parent is there but nothing can be made in it.
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
 * and an empty one whose write-ahead log or head anchor says that there was more. A rollback
 * journal beside it means that creating it was interrupted, which SQLite undoes; so does an anchor
 * at the beginning, because the anchor is made before the database.
 */
function refuseForeignFile(directory: string, head: Found, acceptRevision?: number): void {
  const path = join(directory, databaseName);
  // First, because what it undoes may be half of the first page.
  if (sizeOf(`${path}-journal`) > 0) return;
  if (sizeOf(path) > 0) {
    if (startOf(path) !== 'SQLite format 3\0') throw notADatabase(directory);
    return;
  }
  if (sizeOf(`${path}-wal`) > 0) {
    throw new RecoveryError(
      'damaged',
      `${path} is missing or empty, but its write-ahead log ${databaseName}-wal is there.`,
      `Put ${databaseName} and ${databaseName}-wal back together, or restore a backup.`,
    );
  }
  refuseLostDatabase(directory, head, acceptRevision);
  if (typeof head === 'object' || !existsSync(path)) return;
  throw new RecoveryError(
    'damaged',
    `${path} is empty: it was cut off, or never came to hold anything.`,
    `Restore a backup; if this data directory never held any, delete ${databaseName} and start.`,
  );
}

function lockAndConfigure(db: Database.Database): void {
  db.pragma('locking_mode = EXCLUSIVE');
  // Entering WAL is the first access: with the mode above it takes the lock, and keeps it.
  const mode = db.pragma('journal_mode = WAL', { simple: true });
  if (mode !== 'wal') throw withoutWal(mode);
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

/**
 * Makes the anchor of a database from before there were anchors. It comes before the migration, so
 * that a crash in between leaves nothing unexplained.
 */
function createLaterHead(db: Database.Database, directory: string): void {
  const migrated = db.prepare("select 1 from sqlite_schema where name = 'checkpoint'").get();
  const found = readHead(directory);
  if (migrated !== undefined || (found !== 'missing' && found !== 'unreadable')) return;
  createHead(directory, empty);
}

function countEpoch(db: Database.Database): void {
  db.prepare('update writer set epoch = epoch + 1, opened_at = ?').run(Date.now());
  const synchronous = db.pragma('synchronous', { simple: true });
  assert(synchronous === synchronousFull, `synchronous is FULL after a write, not ${synchronous}`);
}

/**
 * SQLite may say that it entered WAL although writing that down has failed, and then goes on with a
 * rollback journal, whose end of a commit is not durable: so the log is looked for after a write.
 */
function refuseOtherMode(db: Database.Database, directory: string): void {
  const mode = db.pragma('journal_mode', { simple: true });
  if (mode !== 'wal') throw withoutWal(mode);
  const log = sizeOf(join(directory, `${databaseName}-wal`));
  if (log === 0) throw withoutWal('none, there is no log');
}

function withoutWal(mode: unknown): Error {
  const message = `the database cannot be brought into WAL mode (it is in ${String(mode)})`;
  return Object.assign(new Error(message), { code: 'SQLITE_CANTOPEN' });
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
