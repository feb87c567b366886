/**
 * The journal in a SQLite database in a directory: the embedded implementation of the port. This
 * side runs in the main thread and only passes messages; the connection lives in a worker thread,
 * which answers in order, so replies are matched to requests by their position alone.
 *
 * One commit is one row (see group.ts), and a commit is atomic in SQLite. That is why recovery has
 * no rule for a torn last record: there is none.
 */
import { Worker } from 'node:worker_threads';
import { assert } from '../engine/assert.ts';
import { joinRecords, splitRecords, type Group } from './group.ts';
import type { AppendOutcome, Journal, JournalRecord } from './journal.ts';
import { RecoveryError, restoreBackup } from './recovery-error.ts';
import type {
  Failure,
  Replies,
  Reply,
  Request,
  Settings,
  WorkerSettings,
} from './sqlite-worker.ts';

export interface SqliteOptions {
  /** The data directory; created (mode 0700) if missing. */
  readonly directory: string;
  /** Folder of the migrations, where it is not the one of this version. */
  readonly migrations?: string;
}

/**
 * Opens the journal of a data directory and holds its lock until `close`. Rejects with
 * RecoveryError where the directory or what is in it cannot be used; nothing is then left running.
 */
export async function openSqliteJournal(options: SqliteOptions): Promise<SqliteJournal> {
  const connection = new Connection(options);
  try {
    return new SqliteJournal(connection, await connection.ask({ type: 'open' }));
  } catch (error) {
    await connection.ended;
    throw error;
  }
}

export class SqliteJournal implements Journal {
  /** What opening found and a person should know, one sentence each. */
  readonly warnings: readonly string[];
  readonly #connection: Connection;
  #state: 'opened' | 'loading' | 'ready' | 'appending' | 'failed' | 'closed' = 'opened';
  #failure: Error | undefined;
  #revision = 0;

  constructor(connection: Connection, warnings: readonly string[]) {
    this.#connection = connection;
    this.warnings = warnings;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  async load(visit: (record: JournalRecord) => void): Promise<void> {
    assert(this.#state === 'opened', `load comes once, first (${this.#state})`);
    this.#state = 'loading';
    let page = await this.#connection.ask({ type: 'read' });
    while (page.length > 0) {
      // The worker reads the next page while this one is visited.
      const next = this.#connection.ask({ type: 'read' });
      // A visit that throws leaves nobody waiting for it; its failure then matters no more.
      next.catch(() => undefined);
      for (const group of page) this.#visitGroup(group, visit);
      page = await next;
    }
    this.#state = 'ready';
  }

  async append(records: readonly JournalRecord[]): Promise<AppendOutcome> {
    if (this.#state === 'failed') return 'unknown';
    assert(this.#state === 'ready', `one append at a time, after load (${this.#state})`);
    const group = joinRecords(records);
    assert(group.firstRevision === this.#revision + 1, `revision ${this.#revision + 1} is next`);
    this.#state = 'appending';
    try {
      await this.#connection.ask({ type: 'append', group });
      this.#state = 'ready';
      this.#revision = group.lastRevision;
      return 'acked';
    } catch (error) {
      this.#state = 'failed';
      this.#failure = error instanceof Error ? error : new Error(String(error));
      return 'unknown';
    }
  }

  /** What durability rests on, as the open connection reports it now. */
  settings(): Promise<Settings> {
    return this.#connection.ask({ type: 'settings' });
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    assert(this.#state !== 'appending', 'no append is under way');
    this.#state = 'closed';
    await this.#connection.close();
  }

  #visitGroup(group: Group, visit: (record: JournalRecord) => void): void {
    const records = splitRecords(group);
    if (records === undefined) {
      throw new RecoveryError(
        'damaged',
        `Records ${group.firstRevision} to ${group.lastRevision} do not agree with their count.`,
        restoreBackup,
      );
    }
    for (const record of records) visit(record);
    this.#revision = group.lastRevision;
  }
}

interface Waiting {
  resolve(value: Replies[Request['type']]): void;
  reject(error: Error): void;
}

/** The worker and the requests it has not answered yet, in the order in which it answers. */
class Connection {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  /** Resolves when the thread has ended. */
  readonly ended: Promise<void>;
  #lost: Error | undefined;

  constructor(settings: WorkerSettings) {
    const file = new URL('./sqlite-worker.ts', import.meta.url);
    // Without the flags of the main thread: some of them, such as --input-type, forbid a file.
    this.#worker = new Worker(file, { workerData: settings, execArgv: [] });
    this.#worker.on('message', (reply: Reply) => {
      const first = this.#waiting.shift();
      assert(first !== undefined, 'a reply answers a request');
      if ('error' in reply) first.reject(errorOf(reply.error));
      else first.resolve(reply.value);
    });
    this.#worker.on('error', (error) => this.#lose(error as Error));
    this.ended = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#lose(new Error('the thread of the journal has ended'));
        resolve();
      });
    });
  }

  ask<R extends Request>(request: R): Promise<Replies[R['type']]> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve: resolve as Waiting['resolve'], reject });
      this.#worker.postMessage(request);
    });
  }

  /** Closes the database and waits until the thread has ended. */
  async close(): Promise<void> {
    try {
      if (this.#lost === undefined) await this.ask({ type: 'close' });
    } finally {
      await this.ended;
    }
  }

  #lose(error: Error): void {
    this.#lost ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#lost);
  }
}

function errorOf({ message, recovery }: Failure): Error {
  if (recovery === undefined) return new Error(message);
  return new RecoveryError(recovery.code, message, recovery.remedy);
}
