/**
 * Keyed rows in the database (see keyed.ts): appending, finding, and removing the oldest. Rows are
 * in the order of revisions, so that adding and removing touches the ends of the table alone; who
 * looks for a key has an index of its own (key-index.ts).
 */
import type { Database, Statement } from 'better-sqlite3';
import { assert } from '../engine/assert.ts';
import { equal } from './group-table.ts';
import {
  digestOfKeyed,
  digestOfRow,
  keyedDamaged,
  keyedKeptMs,
  type KeyedRecord,
  type StoredKeyed,
} from './keyed.ts';

export interface KeyedRow {
  readonly revision: number;
  readonly previous: number;
  readonly ran_ms: number;
  readonly key: Buffer;
  readonly request: Buffer;
  readonly reply: string;
  readonly digest: Uint8Array;
}

/** Rows of half a KiB or so. */
const removedPerStep = 256;

export class KeyedTable {
  readonly #db: Database;
  readonly #insert: Statement<[number, number, number, Buffer, Buffer, string, Uint8Array]>;
  readonly #find: Statement<[number], KeyedRow>;
  #removed: number;
  #last: number;

  constructor(db: Database) {
    this.#db = db;
    this.#insert = insertOf(db);
    this.#find = db.prepare('select * from keyed where revision = ?');
    this.#removed = numberOf(db, 'select keyed_removed from history');
    this.#last = Math.max(this.#removed, numberOf(db, 'select max(revision) from keyed'));
  }

  /** The last keyed record whose row was removed because of its age; 0 where none was. */
  get removed(): number {
    return this.#removed;
  }

  /** The last keyed record; 0 where there was none. */
  get last(): number {
    return this.#last;
  }

  /** Call in the transaction in which the records are appended. */
  append(records: readonly KeyedRecord[], ranMs: number): void {
    for (const record of records) {
      assert(record.revision > this.#last, `keyed record ${record.revision} comes last`);
      insert(this.#insert, { ...record, previous: this.#last, ranMs });
      this.#last = record.revision;
    }
  }

  /** The row of a record; undefined where it has none. Throws RecoveryError where it is damaged. */
  find(revision: number, directory: string): StoredKeyed | undefined {
    const row = this.#find.get(revision);
    return row === undefined ? undefined : verified(row, directory);
  }

  /** Deletes some of the rows that are old enough; returns whether there were any. */
  removeOlder(ranMs: number): boolean {
    const old = this.#db
      .prepare<[number], Pick<KeyedRow, 'revision' | 'ran_ms'>>(
        'select revision, ran_ms from keyed order by revision limit ?',
      )
      .all(removedPerStep)
      .filter((row) => ranMs - row.ran_ms >= keyedKeptMs);
    const last = old.at(-1)?.revision;
    if (last === undefined) return false;
    this.#db.transaction(() => {
      this.#db.prepare('delete from keyed where revision <= ?').run(last);
      this.#db.prepare('update history set keyed_removed = ?').run(last);
    })();
    this.#removed = last;
    return true;
  }
}

/** Prepares what {@link insert} needs. */
export function insertOf(db: Database) {
  return db.prepare<[number, number, number, Buffer, Buffer, string, Uint8Array]>(
    `insert into keyed (revision, previous, ran_ms, key, request, reply, digest)
     values (?, ?, ?, ?, ?, ?, ?)`,
  );
}

export function insert(statement: ReturnType<typeof insertOf>, row: StoredKeyed): void {
  const { revision, previous, ranMs, key, request, reply } = row;
  const digest = digestOfRow(row, digestOfKeyed(row));
  const [keyBytes, requestBytes] = [Buffer.from(key, 'hex'), Buffer.from(request, 'hex')];
  statement.run(revision, previous, ranMs, keyBytes, requestBytes, reply, digest);
}

/** What a row says. Throws RecoveryError where it does not match its digest. */
export function verified(row: KeyedRow, directory: string): StoredKeyed {
  const { revision, previous, ran_ms: ranMs, reply } = row;
  const key = row.key.toString('hex');
  const request = row.request.toString('hex');
  const stored = { revision, previous, ranMs, key, request, reply };
  if (equal(digestOfRow(stored, digestOfKeyed(stored)), row.digest)) return stored;
  throw keyedDamaged(directory, `do not match their digest at record ${revision}`);
}

function numberOf(db: Database, query: string): number {
  return Number(db.prepare(query).pluck().get() ?? 0);
}
