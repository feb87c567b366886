/**
 * Reads all keyed rows (see keyed.ts) with everything compared. A row that was altered does not match
 * its digest. One that is lost leaves a gap, because each names the one before. What was removed
 * on purpose the table of the history knows; and which row is the last, either the records know
 * that are read as well, or the checkpoint that stands for them. So an answer that was kept cannot
 * get lost, or come from nowhere, without a sign.
 */
import type { Database, Statement } from 'better-sqlite3';
import type { StepLimit } from './group-table.ts';
import { splitRecords, type Group } from './group.ts';
import { digestOfKeyed, keyedDamaged, keyedDigestOf, type StoredKeyed } from './keyed.ts';
import { selectOf, verified, type KeyedRow, type KeyedTable } from './keyed-table.ts';

/** Looking at the clock costs as much as reading a row. */
const rowsPerLook = 16;

export interface KeyedReaderOptions {
  readonly directory: string;
  /** The last revision to be read. */
  readonly upTo: number;
  /** Where the newest checkpoint ends, and the last keyed record that it covers; 0 without one. */
  readonly checkpoint: { readonly revision: number; readonly keyedRevision: number };
  /** Where the groups begin that are read as well: at the checkpoint, or before it. */
  readonly from: number;
}

/** Reads all rows, and compares them with the groups that are read after them. */
export class KeyedReader {
  readonly #statement: Statement<[number, number], KeyedRow>;
  readonly #table: KeyedTable;
  readonly #options: KeyedReaderOptions;
  /** Up to here no row has to be there that a record tells of: it was removed, or trimmed. */
  readonly #base: number;
  /** Where the rows end that the checkpoint covers. */
  readonly #atCheckpoint: number;
  #pastCheckpoint = false;
  /** The last row that was read. */
  #row: number;
  /** The last keyed record that was read or is known of; undefined where that is not known. */
  #record: number | undefined;

  constructor(db: Database, table: KeyedTable, options: KeyedReaderOptions) {
    this.#statement = selectOf(db, 'where revision > ? and revision <= ? order by revision');
    this.#table = table;
    this.#options = options;
    const { checkpoint, from } = options;
    this.#base = Math.max(from, table.removed);
    this.#atCheckpoint = Math.max(checkpoint.keyedRevision, table.removed);
    this.#row = table.removed;
    if (from >= checkpoint.revision) this.#record = this.#atCheckpoint;
  }

  /** The next rows, at least one; none at the end. Throws RecoveryError. */
  next(limit: StepLimit): StoredKeyed[] {
    const page: StoredKeyed[] = [];
    const deadline = performance.now() + limit.ms;
    let characters = 0;
    for (const row of this.#statement.iterate(this.#row, this.#options.upTo)) {
      page.push(this.#next(verified(row, this.#options.directory)));
      characters += row[5].length;
      if (characters >= limit.characters) break;
      if (page.length % rowsPerLook === 0 && performance.now() > deadline) break;
    }
    if (page.length === 0) this.#comesTo(Infinity);
    return page;
  }

  /** Each keyed record has to have its row. Throws RecoveryError. */
  compare(groups: readonly Group[]): void {
    for (const group of groups) {
      if (!group.body.includes('"keyed":"')) continue;
      for (const { revision, body } of splitRecords(group) ?? []) {
        const digest = keyedDigestOf(body);
        if (digest !== undefined && revision > this.#table.removed) this.#compare(revision, digest);
      }
    }
  }

  /** Each row has to have its record. Called after the last group. Throws RecoveryError. */
  compared(): void {
    const last = this.#record ?? Math.min(this.#row, this.#base);
    if (this.#row !== last) throw this.#damaged(`have one for record ${this.#row} without a key`);
  }

  #next(row: StoredKeyed): StoredKeyed {
    const { revision, previous } = row;
    this.#comesTo(revision);
    if (previous !== this.#row) {
      throw this.#damaged(`lack some from record ${this.#row + 1} to ${revision - 1}`);
    }
    this.#row = revision;
    return row;
  }

  #comesTo(revision: number): void {
    if (this.#pastCheckpoint || revision <= this.#options.checkpoint.revision) return;
    this.#pastCheckpoint = true;
    if (this.#row === this.#atCheckpoint) return;
    throw this.#damaged(`lack some from record ${this.#row + 1} to ${this.#atCheckpoint}`);
  }

  #compare(revision: number, digest: string): void {
    const row = this.#table.find(revision, this.#options.directory);
    if (row === undefined) throw this.#damaged(`lack that of record ${revision}`);
    if (digestOfKeyed(row) !== digest) {
      throw this.#damaged(`do not have what record ${revision} says`);
    }
    const before = this.#record ?? Math.min(row.previous, this.#base);
    if (row.previous !== before) {
      throw this.#damaged(`have one for record ${row.previous} without a key`);
    }
    this.#record = revision;
  }

  #damaged(what: string): Error {
    return keyedDamaged(this.#options.directory, what);
  }
}
