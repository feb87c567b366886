/**
 * Checkpoints in the database. One is written part by part, each in a commit of its own, and counts
 * only once its row is completed, in one more commit after the last part; until then recovery does
 * not look at it. What is not complete belongs to an attempt that was interrupted and is resumed.
 *
 * The parts form a chain of digests, which begins with the revision and the digest of the journal
 * there: a part that was altered, exchanged or taken from another checkpoint does not fit.
 */
import { createHash } from 'node:crypto';
import type { Database, Statement } from 'better-sqlite3';
import { assert } from '../engine/assert.ts';
import { equal, type Mark, type StepLimit } from './group-table.ts';
import { RecoveryError, restoreBackup } from './recovery-error.ts';

/** A complete checkpoint. */
export interface Checkpoint extends Mark {
  /** The last keyed record that it covers, see keyed.ts; 0 where there was none. */
  readonly keyedRevision: number;
  readonly completedAt: number;
  readonly ms: number;
  readonly parts: number;
  readonly bytes: number;
  readonly hash: Uint8Array;
}

/** What completes a checkpoint. */
export type Completion = Pick<Checkpoint, 'ms' | 'parts' | 'bytes' | 'hash'>;

/** What it is begun with. */
export type Begun = Pick<Checkpoint, keyof Mark | 'keyedRevision'>;

interface Row {
  readonly revision: number;
  readonly chain: Uint8Array;
  readonly bytes_total: number;
  readonly keyed_revision: number;
  readonly completed_at: number | null;
  readonly ms: number | null;
  readonly parts: number | null;
  readonly bytes: number | null;
  readonly hash: Uint8Array | null;
}

interface PartRow {
  readonly part: number;
  readonly body: string;
  readonly digest: Uint8Array;
}

/** Parts of 256 KiB or so; deleting one means to visit each of its pages. */
const removedPerStep = 8;

/** The digest before the first part. */
export function partsStart({ revision, chain }: Pick<Mark, 'revision' | 'chain'>): Uint8Array {
  return createHash('sha256').update(`checkpoint ${revision}\n`).update(chain).digest();
}

export function partDigest(previous: Uint8Array, body: string): Uint8Array {
  return createHash('sha256').update(previous).update(body).digest();
}

export class CheckpointTable {
  readonly #db: Database;
  readonly #stored: Statement<[number, number], PartRow>;
  readonly #put: Statement<[number, number, string, Uint8Array]>;
  #newest: Checkpoint | undefined;
  #unfinished: Begun | undefined;

  constructor(db: Database) {
    this.#db = db;
    this.#stored = db.prepare('select * from checkpoint_part where revision = ? and part = ?');
    this.#put = db.prepare(
      'insert or replace into checkpoint_part (revision, part, body, digest) values (?, ?, ?, ?)',
    );
    const rows = db.prepare<[], Row>('select * from checkpoint order by revision').all();
    this.#newest = rows.map(completeOf).findLast((row) => row !== undefined);
    const unfinished = rows.findLast((row) => row.completed_at === null);
    this.#unfinished = unfinished && begunOf(unfinished);
  }

  /** The newest complete checkpoint. */
  get newest(): Checkpoint | undefined {
    return this.#newest;
  }

  /** The one that was begun and not completed. */
  get unfinished(): Begun | undefined {
    return this.#unfinished;
  }

  begin(begun: Begun): void {
    assert(this.#unfinished === undefined, 'one checkpoint at a time');
    const { revision, chain, bytesTotal, keyedRevision } = begun;
    this.#db
      .prepare(
        `insert into checkpoint (revision, chain, bytes_total, keyed_revision, started_at)
         values (?, ?, ?, ?, ?)`,
      )
      .run(revision, chain, bytesTotal, keyedRevision, Date.now());
    this.#unfinished = begun;
  }

  /** Stores a part of the unfinished one; returns whether an earlier attempt had stored it. */
  put(part: number, body: string, digest: Uint8Array): boolean {
    const { revision } = this.#begun();
    const stored = this.#stored.get(revision, part);
    if (stored !== undefined && equal(stored.digest, digest) && stored.body === body) return true;
    // What an attempt stored that another version made may read differently: it never counted.
    this.#put.run(revision, part, body, digest);
    return false;
  }

  complete({ ms, parts, bytes, hash }: Completion): Checkpoint {
    const mark = this.#begun();
    const completedAt = Date.now();
    this.#db.transaction(() => {
      const { changes } = this.#db
        .prepare('delete from checkpoint_part where revision = ? and part >= ?')
        .run(mark.revision, parts);
      const count = this.#db
        .prepare('select count(*) from checkpoint_part where revision = ?')
        .pluck()
        .get(mark.revision);
      assert(count === parts, `${parts} parts are stored, not ${String(count)} (${changes} more)`);
      this.#db
        .prepare(
          `update checkpoint set completed_at = ?, ms = ?, parts = ?, bytes = ?, hash = ?
           where revision = ?`,
        )
        .run(completedAt, ms, parts, bytes, hash, mark.revision);
    })();
    this.#newest = { ...mark, completedAt, ms, parts, bytes, hash };
    this.#unfinished = undefined;
    return this.#newest;
  }

  /** Deletes some of what is older than the newest; returns whether there was any. */
  removeOlder(): boolean {
    if (this.#newest === undefined) return false;
    const { revision } = this.#newest;
    const parts = this.#db
      .prepare(
        `delete from checkpoint_part where rowid in
           (select rowid from checkpoint_part where revision < ? limit ?)`,
      )
      .run(revision, removedPerStep).changes;
    // The rows go last: while they are there, it is known that parts may be.
    if (parts > 0) return true;
    return this.#db.prepare('delete from checkpoint where revision < ?').run(revision).changes > 0;
  }

  #begun(): Begun {
    assert(this.#unfinished !== undefined, 'a checkpoint was begun');
    return this.#unfinished;
  }
}

/** Reads the parts of a complete checkpoint, comparing digests. */
export class PartReader {
  readonly #statement: Statement<[number, number], PartRow>;
  readonly #checkpoint: Checkpoint;
  readonly #total = createHash('sha256');
  #digest: Uint8Array;
  #parts = 0;

  constructor(db: Database, checkpoint: Checkpoint) {
    this.#statement = db.prepare(
      `select part, body, digest from checkpoint_part
       where revision = ? and part >= ? order by part`,
    );
    this.#checkpoint = checkpoint;
    this.#digest = partsStart(checkpoint);
  }

  /** How many parts were read. */
  get read(): number {
    return this.#parts;
  }

  /** Of which the parts are the state. */
  get revision(): number {
    return this.#checkpoint.revision;
  }

  /** The next parts, at least one; none at the end. Throws RecoveryError. */
  next(limit: StepLimit): string[] {
    const page: string[] = [];
    const deadline = performance.now() + limit.ms;
    let characters = 0;
    for (const row of this.#statement.iterate(this.#checkpoint.revision, this.#parts)) {
      page.push(this.#verified(row));
      characters += row.body.length;
      if (characters >= limit.characters || performance.now() > deadline) break;
    }
    if (page.length === 0) this.#verifyTotal();
    return page;
  }

  #verified({ part, body, digest }: PartRow): string {
    const expected = partDigest(this.#digest, body);
    if (part !== this.#parts) throw this.#damaged(`lacks part ${this.#parts}`);
    if (!equal(expected, digest)) throw this.#damaged(`does not match its digest in part ${part}`);
    this.#total.update(body).update('\n');
    this.#digest = expected;
    this.#parts += 1;
    return body;
  }

  #verifyTotal(): void {
    const { parts, hash } = this.#checkpoint;
    if (this.#parts !== parts) throw this.#damaged(`has ${this.#parts} of ${parts} parts`);
    if (!equal(this.#total.digest(), hash)) throw this.#damaged('does not match its hash');
  }

  #damaged(what: string): RecoveryError {
    return new RecoveryError(
      'checkpoint-damaged',
      `The checkpoint at record ${this.#checkpoint.revision} ${what}.`,
      restoreBackup,
    );
  }
}

function begunOf(row: Row): Begun {
  const { revision, chain, bytes_total: bytesTotal, keyed_revision: keyedRevision } = row;
  return { revision, chain, bytesTotal, keyedRevision };
}

function completeOf(row: Row): Checkpoint | undefined {
  const { completed_at: completedAt, ms, parts, bytes, hash } = row;
  if (completedAt === null || ms === null || parts === null) return undefined;
  if (bytes === null || hash === null) return undefined;
  return { ...begunOf(row), completedAt, ms, parts, bytes, hash };
}
