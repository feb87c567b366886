/**
 * Keyed rows in the database (see keyed.ts): appending, finding, and removing the oldest. Rows are
 * in the order of revisions, so that adding and removing touches the ends of the table alone; who
 * looks for a key has an index of its own (key-index.ts).
 */
import type { Database, Statement } from 'better-sqlite3';
import { assert } from '../engine/assert.ts';
import {
  digestOfRow,
  keyedDamaged,
  keyedKeptMs,
  type KeyedRecord,
  type StoredKeyed,
} from './keyed.ts';

/** The columns of a row in this order, as text where they are bytes. */
export type KeyedRow = readonly [
  revision: number,
  previous: number,
  ranMs: number,
  key: string,
  request: string,
  reply: string,
  digest: string,
];

/** Rows of half a KiB or so. */
const removedPerStep = 256;

export class KeyedTable {
  readonly #db: Database;
  readonly #insert: ReturnType<typeof insertOf>;
  readonly #find: Statement<[number], KeyedRow>;
  #removed: number;
  #last: number;

  constructor(db: Database) {
    this.#db = db;
    this.#insert = insertOf(db);
    this.#find = selectOf(db, 'where revision = ?');
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
      .prepare<[number], { readonly revision: number; readonly ran_ms: number }>(
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
  return db.prepare<[number, number, number, Buffer, Buffer, string, Buffer]>(
    `insert into keyed (revision, previous, ran_ms, key, request, reply, digest)
     values (?, ?, ?, ?, ?, ?, ?)`,
  );
}

export function insert(statement: ReturnType<typeof insertOf>, row: StoredKeyed): void {
  const { revision, previous, ranMs, key, request, reply } = row;
  const digest = bytesOf(digestOfRow(row));
  statement.run(revision, previous, ranMs, bytesOf(key), bytesOf(request), reply, digest);
}

/**
 * Prepares to read rows. A million may be read at a start: bytes that SQLite makes text, and rows
 * without names, take a third of the time that buffers and objects do.
 */
export function selectOf<P extends unknown[]>(db: Database, clauses: string) {
  return db
    .prepare<P, KeyedRow>(
      `select revision, previous, ran_ms, lower(hex(key)), lower(hex(request)), reply,
         lower(hex(digest))
       from keyed ${clauses}`,
    )
    .raw();
}

/** What a row says. Throws RecoveryError where it does not match its digest. */
export function verified(row: KeyedRow, directory: string): StoredKeyed {
  const [revision, previous, ranMs, key, request, reply, digest] = row;
  const stored = { revision, previous, ranMs, key, request, reply };
  if (digestOfRow(stored) === digest) return stored;
  throw keyedDamaged(directory, `do not match their digest at record ${revision}`);
}

function bytesOf(digits: string): Buffer {
  return Buffer.from(digits, 'hex');
}

function numberOf(db: Database, query: string): number {
  return Number(db.prepare(query).pluck().get() ?? 0);
}
