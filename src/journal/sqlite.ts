/**
 * The journal in a SQLite database in a directory: the embedded implementation of the port. This
 * side runs in the main thread and only passes messages; the connection lives in a worker thread.
 *
 * One commit is one row (see group.ts), and a commit is atomic in SQLite. That is why recovery has
 * no rule for a torn last record: there is none.
 */
import { resolve } from 'node:path';
import { Worker, type MessagePort, type Transferable } from 'node:worker_threads';
import { assert } from '../engine/assert.ts';
import type { Checkpoint } from './checkpoint-table.ts';
import { errorOf } from './failure.ts';
import { joinRecords } from './group.ts';
import type { Mark } from './group-table.ts';
import { KeyIndex } from './key-index.ts';
import { keyedKeptMs, type Keyed, type KeyedRecord } from './keyed.ts';
import {
  StorageFailure,
  type AppendOutcome,
  type CheckpointReport,
  type HistoryPage,
  type Journal,
  type JournalFigures,
  type JournalRecord,
  type KeyFigures,
  type StateHash,
  type Visitor,
} from './journal.ts';
import { recordsOf, visitPages } from './replay.ts';
import {
  checkpointBytesDefault,
  historyBytesDefault,
  historyDaysDefault,
  keysMaxDefault,
} from './retention.ts';
import type { BackupReport, UpkeepEvent } from './upkeep.ts';
import type {
  Numbered,
  Replies,
  Request,
  Said,
  Settings,
  WorkerSettings,
} from './sqlite-worker.ts';
import { threadOptions } from './thread.ts';

export interface SqliteOptions {
  /** The data directory; created (mode 0700) if missing. */
  readonly directory: string;
  /** Folder of the migrations, where it is not the one of this version. */
  readonly migrations?: string;
  /** Accepts a journal that ends here although its head anchor says more, or is missing. */
  readonly acceptRevision?: number;
  /** Text of records after which a checkpoint is made, where the last one was not larger. */
  readonly checkpointBytes?: number;
  /** History younger than this is kept, in days of the service running … */
  readonly historyDays?: number;
  /** … unless there are more bytes of it than this. */
  readonly historyBytes?: number;
  /** Whether checkpoints and trimming come of their own accord; true unless given. */
  readonly maintenance?: boolean;
  /** Whether history is kept until a follower has it; false unless given. */
  readonly followed?: boolean;
  /** Whether the answers kept for idempotency keys are read and compared; true unless given. */
  readonly keyed?: boolean;
  /** How many keys are to be held. */
  readonly keysMax?: number;
}

/** What the journal does of its own accord, for the log. */
export type JournalEvent =
  | { readonly type: 'checkpointStarted'; readonly revision: number; readonly resumed: boolean }
  | { readonly type: 'checkpointEnded'; readonly report: CheckpointReport }
  | { readonly type: 'trimmed'; readonly revision: number; readonly groups: number }
  /** It takes nothing more: StorageFailure, RecoveryError, or a bug of ours. */
  | { readonly type: 'failed'; readonly error: Error };

const dayMs = 86_400_000;

/**
 * Opens the journal of a data directory and holds its lock until `close`. Rejects with
 * RecoveryError where the directory or what is in it cannot be used; nothing is then left running.
 */
export async function openSqliteJournal(options: SqliteOptions): Promise<SqliteJournal> {
  const { directory, migrations, acceptRevision } = options;
  const connection = new Connection({
    directory,
    ...(migrations !== undefined && { migrations }),
    ...(acceptRevision !== undefined && { acceptRevision }),
    keyed: options.keyed ?? true,
    upkeep: {
      checkpointBytes: options.checkpointBytes ?? checkpointBytesDefault,
      retention: {
        ms: (options.historyDays ?? historyDaysDefault) * dayMs,
        bytes: options.historyBytes ?? historyBytesDefault,
      },
      automatic: options.maintenance ?? true,
      followed: options.followed ?? false,
    },
  });
  try {
    const opened = await connection.ask({ type: 'open' });
    return new SqliteJournal(connection, opened, options);
  } catch (error) {
    await connection.ended;
    throw error;
  }
}

export class SqliteJournal implements Journal {
  /** What opening found and a person should know, one sentence each. */
  readonly warnings: readonly string[];
  readonly #connection: Connection;
  /** Called with what it does of its own accord, from when it is loaded on. */
  onEvent: (event: JournalEvent) => void = () => undefined;
  #onProgress: ((done: number, total: number) => void) | undefined;
  #state: 'opened' | 'loading' | 'ready' | 'appending' | 'failed' | 'closed' = 'opened';
  #failure: Error | undefined;
  #last: Omit<Mark, 'chain'>;
  #trimmed: Omit<Mark, 'chain'>;
  #checkpoint: Checkpoint | undefined;
  #checkpointing = false;
  readonly #keys = new KeyIndex(keyedKeptMs);
  readonly #keysMax: number;
  readonly #ranBefore: number;
  readonly #openedAt = performance.now();

  constructor(
    connection: Connection,
    { warnings, last, trimmed, checkpoint, ranMs }: Replies['open'],
    { keysMax }: Pick<SqliteOptions, 'keysMax'>,
  ) {
    this.#connection = connection;
    this.warnings = warnings;
    this.#last = last;
    this.#trimmed = trimmed;
    this.#checkpoint = checkpoint;
    this.#ranBefore = ranMs;
    this.#keysMax = keysMax ?? keysMaxDefault;
    connection.onEvent = (event) => this.#noted(event);
    connection.onFailure = (error) => this.#fail(error);
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  get figures(): JournalFigures {
    const { revision, bytesTotal } = this.#last;
    const checkpoint = this.#checkpoint;
    return {
      ...(checkpoint !== undefined && { checkpoint: figuresOf(checkpoint) }),
      checkpointing: this.#checkpointing,
      recordsSinceCheckpoint: revision - (checkpoint?.revision ?? 0),
      bytesSinceCheckpoint: bytesTotal - (checkpoint?.bytesTotal ?? 0),
      historyBytes: bytesTotal - this.#trimmed.bytesTotal,
      trimmedRevision: this.#trimmed.revision,
    };
  }

  async load(visitor: Visitor): Promise<void> {
    assert(this.#state === 'opened', `load comes once, first (${this.#state})`);
    this.#state = 'loading';
    await visitPages(() => this.#connection.ask({ type: 'read' }), {
      part: (part) => visitor.part(part),
      checkpoint: (revision) => visitor.checkpoint(revision),
      record: (record) => visitor.record(record),
      keys: (page) => this.#keys.addAll(page, this.#ranMs),
    });
    await this.#connection.ask({ type: 'loaded' });
    if (this.#state === 'loading') this.#state = 'ready';
  }

  async append(records: readonly JournalRecord[]): Promise<AppendOutcome> {
    if (this.#state === 'failed') return 'unknown';
    assert(this.#state === 'ready', `one append at a time, after load (${this.#state})`);
    const group = joinRecords(records);
    const next = this.#last.revision + 1;
    assert(group.firstRevision === next, `revision ${next} is next`);
    this.#state = 'appending';
    try {
      const keyed = keyedOf(records);
      const bytesTotal = await this.#connection.ask({ type: 'append', group, keyed });
      this.#last = { revision: group.lastRevision, bytesTotal };
      for (const { key, revision } of keyed) this.#keys.add(key, revision, this.#ranMs);
      if (this.#state === 'appending') this.#state = 'ready';
      return 'acked';
    } catch (error) {
      this.#state = 'failed';
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      return 'unknown';
    }
  }

  keyed(key: string): Promise<Keyed | undefined> | undefined {
    const revision = this.#keys.revisionOf(key, this.#ranMs);
    return revision === undefined ? undefined : this.#ask({ type: 'keyed', revision });
  }

  get keys(): KeyFigures {
    const now = this.#ranMs;
    return {
      held: this.#keys.size(now),
      max: this.#keysMax,
      oldestLeavesIn: this.#keys.oldestLeavesIn(now),
    };
  }

  /** As the thread that stores counts it, but for a few milliseconds. */
  get #ranMs(): number {
    return this.#ranBefore + performance.now() - this.#openedAt;
  }

  checkpoint(): Promise<CheckpointReport> {
    return this.#ask({ type: 'checkpoint' });
  }

  state(): Promise<StateHash> {
    return this.#ask({ type: 'state' });
  }

  async history(after: number): Promise<HistoryPage> {
    const { groups, trimmedRevision } = await this.#ask({ type: 'history', after });
    const records = groups.flatMap(recordsOf).filter(({ revision }) => revision > after);
    return { records, trimmedRevision };
  }

  /**
   * Copies everything that is durable now into `file`, a new SQLite database, while the journal
   * goes on. What is copied is verified. Rejects where the file is there already or cannot be
   * written, which leaves nothing behind and does the journal no harm.
   */
  async backup(
    file: string,
    onProgress?: (done: number, total: number) => void,
  ): Promise<BackupReport> {
    this.#onProgress = onProgress;
    return this.#ask({ type: 'backup', file: resolve(file) });
  }

  /** Serves another thread on a port, see follower.ts. One at a time. */
  async follow(port: MessagePort): Promise<void> {
    await this.#connection.ask({ type: 'follow', port }, [port]);
  }

  /** Removes now what the settings do not keep; resolves with the last revision that is gone. */
  async trim(): Promise<{ readonly trimmedRevision: number }> {
    return { trimmedRevision: await this.#ask({ type: 'trim' }) };
  }

  /** Gives unused room in the file back. Holds up everything: for when nobody is served. */
  vacuum(): Promise<Replies['vacuum']> {
    return this.#ask({ type: 'vacuum' });
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

  async #ask<R extends Request>(request: R): Promise<Replies[R['type']]> {
    const loaded = this.#state === 'ready' || this.#state === 'appending';
    if (this.#failure !== undefined) throw this.#failure;
    assert(loaded, `${request.type} comes after load and before close (${this.#state})`);
    return this.#connection.ask(request);
  }

  #noted(event: UpkeepEvent): void {
    switch (event.type) {
      case 'checkpointStarted':
        this.#checkpointing = true;
        this.onEvent(event);
        return;
      case 'checkpointEnded': {
        const { report, checkpoint } = event;
        this.#checkpointing = false;
        this.#checkpoint = checkpoint;
        this.onEvent({ type: 'checkpointEnded', report });
        return;
      }
      case 'trimmed':
        this.#trimmed = event.to;
        this.onEvent({ type: 'trimmed', revision: event.to.revision, groups: event.groups });
        return;
      case 'progress':
        this.#onProgress?.(event.done, event.total);
    }
  }

  #fail(error: Error): void {
    if (this.#state === 'closed') return;
    this.#state = 'failed';
    this.#failure ??= error;
    this.onEvent({ type: 'failed', error });
  }
}

function figuresOf(checkpoint: Checkpoint): NonNullable<JournalFigures['checkpoint']> {
  const { revision, completedAt, ms, parts, bytes } = checkpoint;
  return {
    revision,
    hash: Buffer.from(checkpoint.hash).toString('hex'),
    completedAt,
    ms,
    parts,
    bytes,
  };
}

const none: readonly KeyedRecord[] = [];

function keyedOf(records: readonly JournalRecord[]): readonly KeyedRecord[] {
  if (records.every(({ keyed }) => keyed === undefined)) return none;
  return records.flatMap(({ revision, keyed }) =>
    keyed === undefined ? [] : [{ revision, ...keyed }],
  );
}

interface Waiting {
  resolve(value: Replies[Request['type']]): void;
  reject(error: Error): void;
}

/** The worker, and the requests it has not answered yet. */
class Connection {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  /** Resolves when the thread has ended. */
  readonly ended: Promise<void>;
  onEvent: (event: UpkeepEvent) => void = () => undefined;
  onFailure: (error: Error) => void = () => undefined;
  #lost: Error | undefined;
  #requests = 0;

  constructor(settings: WorkerSettings) {
    const file = new URL('./sqlite-worker.ts', import.meta.url);
    this.#worker = new Worker(file, { ...threadOptions, workerData: settings });
    this.#worker.on('message', (said: Said) => this.#take(said));
    this.#worker.on('error', (error) => this.#lose(error as Error));
    this.ended = new Promise((resolved) => {
      this.#worker.on('exit', () => {
        this.#lose(new StorageFailure('the thread of the journal has ended'));
        resolved();
      });
    });
  }

  ask<R extends Request>(
    request: R,
    transferred: readonly Transferable[] = [],
  ): Promise<Replies[R['type']]> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    return new Promise((resolved, reject) => {
      this.#requests += 1;
      const numbered: Numbered = { ...(request as Request), id: this.#requests };
      this.#waiting.set(numbered.id, { resolve: resolved as Waiting['resolve'], reject });
      this.#worker.postMessage(numbered, transferred);
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

  #take(said: Said): void {
    if ('event' in said) return this.onEvent(said.event);
    if ('failed' in said) return this.onFailure(errorOf(said.failed));
    const waiting = this.#waiting.get(said.id);
    assert(waiting !== undefined, 'a reply answers a request');
    this.#waiting.delete(said.id);
    if ('error' in said) waiting.reject(errorOf(said.error));
    else waiting.resolve(said.value);
  }

  #lose(error: Error): void {
    this.#lost ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#lost);
    this.#waiting.clear();
  }
}
