/**
 * The thread that owns the one connection to the database, so that no fsync ever stops the event
 * loop. It answers requests one after another, in order. After an append that failed it appends
 * nothing more: SQLite may have kept a commit that it reported as failed, so what is on disk is
 * known again only after a fresh start.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Database, Statement } from 'better-sqlite3';
import { assert } from '../engine/assert.ts';
import { chainStart, digestOf, type Group } from './group.ts';
import { RecoveryError, restoreBackup, type RecoveryCode } from './recovery-error.ts';
import { openDatabase, storageError } from './sqlite-open.ts';

export interface WorkerSettings {
  readonly directory: string;
  /** Folder of the migrations, where it is not the one of this version. */
  readonly migrations?: string;
}

export type Request =
  | { readonly type: 'open' }
  | { readonly type: 'read' }
  | { readonly type: 'append'; readonly group: Group }
  | { readonly type: 'settings' }
  | { readonly type: 'close' };

/** What durability rests on, as the open connection reports it. */
export interface Settings {
  readonly journalMode: string;
  /** 2 is FULL. */
  readonly synchronous: number;
  readonly lockingMode: string;
}

export interface Replies {
  /** Warnings, one sentence each. */
  open: readonly string[];
  /** The next groups in order; none left where empty. */
  read: readonly Group[];
  append: true;
  settings: Settings;
  close: true;
}

export type Reply<T extends Request['type'] = Request['type']> =
  { readonly value: Replies[T] } | { readonly error: Failure };

/** An error in a form that crosses threads: a clone of an Error keeps nothing but its text. */
export interface Failure {
  readonly message: string;
  readonly recovery?: { readonly code: RecoveryCode; readonly remedy: string };
}

interface Row {
  readonly first_revision: number;
  readonly last_revision: number;
  readonly body: string;
  readonly digest: Uint8Array;
}

/** A page is sent once it has this many characters: enough to amortise the message. */
const pageCharactersMin = 1 << 20;

class Connection {
  readonly #settings: WorkerSettings;
  readonly warnings: readonly string[];
  readonly #db: Database;
  readonly #insert: Statement<[number, number, number, string, Uint8Array]>;
  #rows: IterableIterator<Row> | undefined;
  /** Revision and digest of the last group read or appended. */
  #revision = 0;
  #digest = chainStart;
  #failed = false;

  constructor(settings: WorkerSettings) {
    this.#settings = settings;
    const { db, warnings } = openDatabase(settings.directory, settings.migrations);
    this.#db = db;
    this.warnings = warnings;
    this.#insert = db.prepare(
      `insert into journal_group (first_revision, last_revision, written_at, body, digest)
       values (?, ?, ?, ?, ?)`,
    );
  }

  append(group: Group): true {
    assert(!this.#failed, 'nothing is appended after a failure');
    assert(group.firstRevision === this.#revision + 1, `${group.firstRevision} is next`);
    const digest = digestOf(this.#digest, group);
    // Failed until it succeeded: whatever is thrown from here on leaves the outcome open.
    this.#failed = true;
    const { firstRevision, lastRevision, body } = group;
    this.#insert.run(firstRevision, lastRevision, Date.now(), body, digest);
    this.#failed = false;
    this.#revision = lastRevision;
    this.#digest = digest;
    return true;
  }

  read(): readonly Group[] {
    this.#rows ??= this.#db
      .prepare<[], Row>(
        `select first_revision, last_revision, body, digest from journal_group
         order by first_revision`,
      )
      .iterate();
    const page: Group[] = [];
    let characters = 0;
    while (characters < pageCharactersMin) {
      const next = this.#rows.next();
      if (next.done === true) break;
      const group = this.#verified(next.value);
      characters += group.body.length;
      page.push(group);
    }
    return page;
  }

  settings(): Settings {
    return {
      journalMode: String(this.#db.pragma('journal_mode', { simple: true })),
      synchronous: Number(this.#db.pragma('synchronous', { simple: true })),
      lockingMode: String(this.#db.pragma('locking_mode', { simple: true })),
    };
  }

  close(): true {
    this.#rows?.return?.();
    this.#db.close();
    return true;
  }

  /**
   * Compares the digest of a row. A row that does not follow on from the one before is passed on
   * unverified: recovery then names the revision that is missing, which says more.
   */
  #verified(row: Row): Group {
    const { first_revision: firstRevision, last_revision: lastRevision, body, digest } = row;
    const group = { firstRevision, lastRevision, body };
    const expected = digestOf(this.#digest, group);
    const follows = firstRevision === this.#revision + 1;
    if (follows && Buffer.compare(expected, digest) !== 0) {
      throw new RecoveryError(
        'damaged',
        `The journal of ${this.#settings.directory} does not match its digest at the records ` +
          `${firstRevision} to ${lastRevision}.`,
        restoreBackup,
      );
    }
    this.#revision = lastRevision;
    this.#digest = expected;
    return group;
  }
}

function serve(port: NonNullable<typeof parentPort>, settings: WorkerSettings): void {
  let connection: Connection | undefined;
  port.on('message', (request: Request) => {
    let reply: Reply;
    try {
      if (request.type === 'open') connection = new Connection(settings);
      assert(connection !== undefined, 'the journal is open');
      reply = { value: answer(connection, request) };
    } catch (error) {
      reply = { error: failureOf(error, settings.directory) };
    }
    port.postMessage(reply);
    if (request.type === 'close' || connection === undefined) port.close();
  });
}

function answer(connection: Connection, request: Request): Replies[Request['type']] {
  switch (request.type) {
    case 'open':
      return connection.warnings;
    case 'read':
      return connection.read();
    case 'append':
      return connection.append(request.group);
    case 'settings':
      return connection.settings();
    case 'close':
      return connection.close();
  }
}

function failureOf(error: unknown, directory: string): Failure {
  const named = storageError(error, directory);
  if (named instanceof RecoveryError) {
    const { message, code, remedy } = named;
    return { message, recovery: { code, remedy } };
  }
  if (!(named instanceof Error)) return { message: String(named) };
  return { message: named.stack ?? named.message };
}

assert(parentPort !== null, 'runs as a worker thread');
serve(parentPort, workerData as WorkerSettings);
