/**
 * A database file that is being filled: what a backup is written into, and a data directory that is
 * made from parts. Nobody reads it before it is whole and on disk, so nothing has to be safe on the
 * way; it appears under its name with the last step.
 */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { assert } from '../engine/assert.ts';
import { partDigest, partsStart, type Checkpoint } from './checkpoint-table.ts';
import type { Mark, StoredGroup } from './group-table.ts';
import { digestOf } from './group.ts';
import { insert, insertOf } from './keyed-table.ts';
import { migrate, readMigrations } from './migration.ts';
import type { Page } from './replay.ts';

export interface NewDatabaseOptions {
  /** The path of the file, which must not be there yet. */
  readonly file: string;
  readonly migrations?: string;
  /** Where the groups begin. */
  readonly trimmed: Mark;
  readonly ranMs: number;
  /** The last keyed record that has no row. */
  readonly keyedRemoved: number;
  /** To be followed by all its parts. */
  readonly checkpoint?: Checkpoint;
}

export class NewDatabase {
  readonly #path: string;
  readonly #db: Database.Database;
  #part = 0;
  #partDigest: Uint8Array = new Uint8Array(32);
  #mark: Mark;

  constructor(options: NewDatabaseOptions) {
    this.#path = resolve(options.file);
    if (existsSync(this.#path)) {
      throw new Error(`${this.#path} is there already`);
    }
    // SQLite would play it back into the new database.
    for (const log of [`${this.#path}-wal`, `${this.#path}-journal`]) {
      if (existsSync(log)) throw new Error(`${log} is left of another database; move it away`);
    }
    removePartial(this.#path);
    this.#db = new Database(this.#partial);
    this.#db.pragma('journal_mode = OFF');
    this.#db.pragma('synchronous = OFF');
    migrate(this.#db, readMigrations(options.migrations));
    const { trimmed, checkpoint, ranMs, keyedRemoved } = options;
    this.#mark = trimmed;
    this.#db
      .prepare(
        `update history
         set trimmed_revision = ?, chain = ?, bytes_total = ?, ran_ms = ?, keyed_removed = ?`,
      )
      .run(trimmed.revision, trimmed.chain, trimmed.bytesTotal, ranMs, keyedRemoved);
    if (checkpoint !== undefined) this.#beginCheckpoint(checkpoint);
  }

  write(page: Page): void {
    this.#db.transaction(() => {
      if (page.type === 'parts') for (const body of page.bodies) this.#putPart(body);
      if (page.type === 'keyed') {
        const statement = insertOf(this.#db);
        for (const row of page.rows) insert(statement, row);
      }
      if (page.type !== 'groups') return;
      for (const group of page.groups as readonly StoredGroup[]) this.#putGroup(group);
    })();
  }

  /** Makes the file durable under its name; returns its size in bytes. */
  finish(): number {
    this.#db.close();
    sync(this.#partial);
    renameSync(this.#partial, this.#path);
    sync(dirname(this.#path));
    return statSync(this.#path).size;
  }

  /** Leaves nothing behind. */
  discard(): void {
    this.#db.close();
    removePartial(this.#path);
  }

  get #partial(): string {
    return partialOf(this.#path);
  }

  #beginCheckpoint(checkpoint: Checkpoint): void {
    this.#partDigest = partsStart(checkpoint);
    this.#db
      .prepare(
        `insert into checkpoint (revision, chain, bytes_total, keyed_revision,
           started_at, completed_at, ms, parts, bytes, hash)
         values (@revision, @chain, @bytesTotal, @keyedRevision,
           @startedAt, @completedAt, @ms, @parts, @bytes, @hash)`,
      )
      .run({ ...checkpoint, startedAt: checkpoint.completedAt - checkpoint.ms });
  }

  #putPart(body: string): void {
    this.#partDigest = partDigest(this.#partDigest, body);
    this.#db
      .prepare('insert into checkpoint_part select max(revision), ?, ?, ? from checkpoint')
      .run(this.#part, body, this.#partDigest);
    this.#part += 1;
  }

  #putGroup(group: StoredGroup): void {
    const { firstRevision, lastRevision, writtenAt, body, ranMs } = group;
    assert(firstRevision === this.#mark.revision + 1, `group ${firstRevision} follows on`);
    const chain = digestOf(this.#mark.chain, group);
    const bytesTotal = this.#mark.bytesTotal + Buffer.byteLength(body);
    this.#db
      .prepare(
        `insert into journal_group
           (first_revision, last_revision, written_at, body, digest, bytes_total, ran_ms)
         values (?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(firstRevision, lastRevision, writtenAt, body, chain, bytesTotal, ranMs);
    this.#mark = { revision: lastRevision, chain, bytesTotal };
  }
}

/** Removes what an attempt to write `file` may have left. */
export function removePartial(file: string): void {
  rmSync(partialOf(file), { force: true });
}

function partialOf(file: string): string {
  return `${file}.partial`;
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
