/**
 * The groups in the database: appending, reading them in order with every digest compared, and
 * trimming the oldest. A *mark* is a place between two groups: the revision before it, the digest
 * of the chain there and how many bytes of text lie before. Reading starts at a mark, because
 * without the digest before it a group cannot be verified.
 */
import type { Database, Statement } from 'better-sqlite3';
import { assert } from '../engine/assert.ts';
import { digestOf, type Group } from './group.ts';
import type { Head } from './head-anchor.ts';
import { notNext, RecoveryError, restoreBackup } from './recovery-error.ts';
import type { Retention } from './retention.ts';

export interface Mark extends Head {
  /** Bytes of record text before this place, the trimmed ones included. */
  readonly bytesTotal: number;
}

export interface StoredGroup extends Group {
  readonly writtenAt: number;
  /** For how long the service had run in all when this was written, in milliseconds. */
  readonly ranMs: number;
}

/** Bounds of one step, so that an append never waits long for it. */
export interface StepLimit {
  readonly characters: number;
  readonly ms: number;
}

interface Row {
  readonly first_revision: number;
  readonly last_revision: number;
  readonly written_at: number;
  readonly body: string;
  readonly digest: Uint8Array;
  readonly bytes_total: number;
  readonly ran_ms: number;
}

interface HistoryRow {
  readonly trimmed_revision: number;
  readonly chain: Uint8Array;
  readonly bytes_total: number;
  readonly ran_ms: number;
}

/** What came of a step of trimming. */
export interface TrimStep {
  /** How many groups are gone; 0 where there is nothing more to trim. */
  readonly groups: number;
  /** Whether more would go, were it not above `most`. */
  readonly heldBack: boolean;
}

const trimGroupsMax = 256;
const trimBytesMax = 1 << 19;
/** Looking at the clock costs as much as reading a short row. */
const rowsPerLook = 16;

export class GroupTable {
  readonly #db: Database;
  readonly #insert: Statement<[number, number, number, string, Uint8Array, number, number]>;
  readonly #ranBefore: number;
  readonly #openedAt = performance.now();
  #last: Mark;
  #trimmed: Mark;

  /** `trimmed` and `last` are as the tables have them; a reader that comes to the end verifies. */
  constructor(db: Database) {
    this.#db = db;
    this.#insert = db.prepare(
      `insert into journal_group
         (first_revision, last_revision, written_at, body, digest, bytes_total, ran_ms)
       values (?, ?, ?, ?, ?, ?, ?)`,
    );
    const history = db.prepare<[], HistoryRow>('select * from history').get();
    assert(history !== undefined, 'history has its row');
    this.#trimmed = {
      revision: history.trimmed_revision,
      chain: history.chain,
      bytesTotal: history.bytes_total,
    };
    const last = db
      .prepare<[], Row>(
        `select last_revision, digest, bytes_total, ran_ms from journal_group
         order by first_revision desc limit 1`,
      )
      .get();
    this.#last = last === undefined ? this.#trimmed : markOf(last);
    this.#ranBefore = Math.max(history.ran_ms, last?.ran_ms ?? 0);
  }

  /** The end of the journal. */
  get last(): Mark {
    return this.#last;
  }

  /** The beginning of what is still stored. */
  get trimmed(): Mark {
    return this.#trimmed;
  }

  /** For how long the service has run in all, in milliseconds of a steady clock. */
  get ranMs(): number {
    return this.#ranBefore + Math.round(performance.now() - this.#openedAt);
  }

  append(group: Group): void {
    const { firstRevision, lastRevision, body } = group;
    assert(firstRevision === this.#last.revision + 1, `${firstRevision} is next`);
    const chain = digestOf(this.#last.chain, group);
    const bytesTotal = this.#last.bytesTotal + Buffer.byteLength(body);
    this.#insert.run(firstRevision, lastRevision, Date.now(), body, chain, bytesTotal, this.ranMs);
    this.#last = { revision: lastRevision, chain, bytesTotal };
  }

  /** Where a stored group ends, unverified; `undefined` where none ends there. */
  markAt(revision: number): Mark | undefined {
    const mark = this.before(revision + 1);
    return mark.revision === revision ? mark : undefined;
  }

  /** The last mark below `revision`, unverified; the trimmed one where nothing is stored there. */
  before(revision: number): Mark {
    const rows = this.#db
      .prepare<[number], Row>(
        `select last_revision, digest, bytes_total from journal_group
         where first_revision < ? order by first_revision desc limit 2`,
      )
      .all(revision);
    const row = rows.find(({ last_revision: last }) => last < revision);
    return row === undefined ? this.#trimmed : markOf(row);
  }

  /**
   * Deletes the oldest groups that `retention` does not keep, none above `end`, nor above `most`, as
   * many as fit a short transaction.
   */
  trim(end: Mark, retention: Retention, most = Infinity): TrimStep {
    const ranMs = this.ranMs;
    const rows = this.#db
      .prepare<[number, number], Row>(
        `select last_revision, digest, bytes_total, ran_ms from journal_group
         where first_revision > ? and last_revision <= ? order by first_revision`,
      )
      .iterate(this.#trimmed.revision, end.revision);
    let trimmed = this.#trimmed;
    let groups = 0;
    let heldBack = false;
    for (const row of rows) {
      const tooMany = end.bytesTotal - trimmed.bytesTotal > retention.bytes;
      if (!tooMany && ranMs - row.ran_ms < retention.ms) break;
      heldBack = row.last_revision > most;
      if (heldBack) break;
      trimmed = markOf(row);
      groups += 1;
      if (groups === trimGroupsMax) break;
      if (trimmed.bytesTotal - this.#trimmed.bytesTotal >= trimBytesMax) break;
    }
    if (groups === 0) return { groups, heldBack };
    this.#db.transaction(() => {
      this.#db.prepare('delete from journal_group where first_revision <= ?').run(trimmed.revision);
      this.#db
        .prepare('update history set trimmed_revision = ?, chain = ?, bytes_total = ?, ran_ms = ?')
        .run(trimmed.revision, trimmed.chain, trimmed.bytesTotal, ranMs);
    })();
    this.#trimmed = trimmed;
    return { groups, heldBack };
  }

  /** Notes for how long the service has run, which counts for the age of what is stored. */
  noteRan(): void {
    this.#db.prepare('update history set ran_ms = ?').run(this.ranMs);
  }
}

/** Reads groups from a mark on, comparing digests. */
export class GroupReader {
  readonly #statement: Statement<[number, number], Row>;
  readonly #directory: string;
  readonly #upTo: number;
  readonly #expected: Head | undefined;
  #mark: Mark;

  /**
   * Reads up to the group that ends at `upTo`. Where reading passes `expected`, the chain has to
   * have its digest there.
   */
  constructor(db: Database, directory: string, from: Mark, upTo: number, expected?: Head) {
    this.#statement = db.prepare(
      `select first_revision, last_revision, written_at, body, digest, bytes_total, ran_ms
       from journal_group where first_revision > ? and first_revision <= ?
       order by first_revision`,
    );
    this.#directory = directory;
    this.#mark = from;
    this.#upTo = upTo;
    this.#expected = expected;
  }

  /** Where the groups read so far end. */
  get mark(): Mark {
    return this.#mark;
  }

  /** The next groups, at least one; none at the end. Throws RecoveryError. */
  next(limit: StepLimit): StoredGroup[] {
    const page: StoredGroup[] = [];
    const deadline = performance.now() + limit.ms;
    let characters = 0;
    for (const row of this.#statement.iterate(this.#mark.revision, this.#upTo)) {
      page.push(this.#verified(row));
      characters += row.body.length;
      if (characters >= limit.characters) break;
      if (page.length % rowsPerLook === 0 && performance.now() > deadline) break;
    }
    return page;
  }

  #verified(row: Row): StoredGroup {
    const { first_revision: firstRevision, last_revision: lastRevision, body } = row;
    const next = this.#mark.revision + 1;
    if (firstRevision !== next) throw notNext(next, firstRevision);
    const group = { firstRevision, lastRevision, body };
    const chain = digestOf(this.#mark.chain, group);
    const bytesTotal = this.#mark.bytesTotal + Buffer.byteLength(body);
    if (!equal(chain, row.digest) || bytesTotal !== row.bytes_total) {
      throw this.#damaged(
        `does not match its digest at the records ${firstRevision} to ${lastRevision}`,
      );
    }
    const { revision = 0, chain: expected } = this.#expected ?? {};
    if (revision >= firstRevision && revision <= lastRevision) {
      if (revision !== lastRevision || !equal(chain, expected!)) {
        throw this.#damaged(`is not the one that its head anchor knows at record ${revision}`);
      }
    }
    this.#mark = { revision: lastRevision, chain, bytesTotal };
    return { ...group, writtenAt: row.written_at, ranMs: row.ran_ms };
  }

  #damaged(what: string): RecoveryError {
    return new RecoveryError(
      'damaged',
      `The journal of ${this.#directory} ${what}.`,
      restoreBackup,
    );
  }
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function markOf(row: Row): Mark {
  return { revision: row.last_revision, chain: row.digest, bytesTotal: row.bytes_total };
}
