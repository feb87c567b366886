/**
 * The thread that owns the one connection to the database, so that no fsync ever stops the event
 * loop. It answers requests in order, but for those that are computed in a thread of their own,
 * which are answered when they are done. After anything that failed it appends nothing more: SQLite
 * may have kept a commit that it reported as failed, so what is on disk is known again only after a
 * fresh start.
 */
import {
  parentPort,
  receiveMessageOnPort,
  workerData,
  type MessagePort,
} from 'node:worker_threads';
import type { Database } from 'better-sqlite3';
import { assert } from '../engine/assert.ts';
import type { Checkpoint } from './checkpoint-table.ts';
import { decodedPageOf, type DecodedPage } from './decoded-page.ts';
import { failureOf, runningFailureOf, type Failure } from './failure.ts';
import { Follower } from './follower.ts';
import { equal, GroupReader, type Mark, type StepLimit } from './group-table.ts';
import type { Group } from './group.ts';
import { createHead, HeadAnchor, headName, readHead } from './head-anchor.ts';
import type { CheckpointReport, StateHash } from './journal.ts';
import type { Keyed, KeyedRecord } from './keyed.ts';
import { OpenFiles } from './open-files.ts';
import { keysPageOf, Replay, type KeysPage, type Page, type ReplaySource } from './replay.ts';
import { openDatabase, type OpenOptions } from './sqlite-open.ts';
import { databaseName } from './storage-error.ts';
import { Upkeep, type BackupReport, type UpkeepEvent, type UpkeepSettings } from './upkeep.ts';

export interface WorkerSettings extends OpenOptions {
  readonly upkeep: UpkeepSettings;
  /** Whether the answers kept for idempotency keys are read and compared. */
  readonly keyed: boolean;
}

export type Request =
  | { readonly type: 'open' }
  | { readonly type: 'read' }
  | { readonly type: 'loaded' }
  | {
      readonly type: 'append';
      readonly group: Group;
      readonly keyed: readonly KeyedRecord[];
    }
  | { readonly type: 'keyed'; readonly revision: number }
  | { readonly type: 'checkpoint' }
  | { readonly type: 'state' }
  | { readonly type: 'backup'; readonly file: string }
  | { readonly type: 'history'; readonly after: number }
  | { readonly type: 'follow'; readonly port: MessagePort }
  | { readonly type: 'trim' }
  | { readonly type: 'vacuum' }
  | { readonly type: 'settings' }
  | { readonly type: 'close' };

/** A request, numbered so that answers may come in another order. */
export type Numbered = Request & { readonly id: number };

/** What durability rests on, as the open connection reports it. */
export interface Settings {
  readonly journalMode: string;
  /** 2 is FULL. */
  readonly synchronous: number;
  readonly lockingMode: string;
}

export interface Replies {
  open: {
    /** One sentence each. */
    readonly warnings: readonly string[];
    readonly last: Mark;
    readonly trimmed: Mark;
    readonly checkpoint?: Checkpoint;
    /** For how long the service has run in all, in milliseconds. */
    readonly ranMs: number;
  };
  read: Exclude<Page, { type: 'keyed' | 'parts' }> | DecodedPage | KeysPage;
  loaded: true;
  /** The bytes of text that are stored or were trimmed. */
  append: number;
  keyed: Keyed | undefined;
  checkpoint: CheckpointReport;
  state: StateHash;
  backup: BackupReport;
  history: { readonly groups: readonly Group[]; readonly trimmedRevision: number };
  follow: true;
  trim: number;
  vacuum: { readonly bytesBefore: number; readonly bytesAfter: number };
  settings: Settings;
  close: true;
}

/** What the thread says: an answer, or an event of its own. */
export type Said =
  | { readonly id: number; readonly value: Replies[Request['type']] }
  | { readonly id: number; readonly error: Failure }
  | { readonly event: UpkeepEvent }
  | { readonly failed: Failure };

/** A page is sent once it has this many characters: enough to amortise the message. */
const pageLimit: StepLimit = { characters: 1 << 20, ms: 100 };
const historyLimit: StepLimit = { characters: 1 << 18, ms: 3 };

/** Pages that wait to be asked for: some fifteen megabytes, once decoded. */
const pagesAhead = 4;

class Connection {
  readonly opened: Replies['open'];
  readonly #settings: WorkerSettings;
  readonly #db: Database;
  readonly #source: ReplaySource;
  readonly #files: OpenFiles;
  readonly #upkeep: Upkeep;
  readonly #onFailure: (error: unknown) => void;
  readonly #beforeStep: () => void;
  #replay: Replay | undefined;
  /** Gives a page that was read already, or throws what reading it did. */
  readonly #ahead: (() => Replies['read'])[] = [];
  /** Whether the last page was read, or one could not be. */
  #read = false;
  #follower: Follower | undefined;
  #head: HeadAnchor | undefined;
  #failed = false;

  constructor(settings: WorkerSettings, beforeStep: () => void, say: (said: Said) => void) {
    this.#settings = settings;
    this.#beforeStep = beforeStep;
    const { directory } = settings;
    const { db, groups, checkpoints, keyed, expected, warnings } = openDatabase(settings);
    // Before all is read, which may take long.
    this.#files = new OpenFiles(directory);
    this.#files.add(databaseName);
    this.#files.add(`${databaseName}-wal`);
    const { last, trimmed, ranMs } = groups;
    const { newest: checkpoint } = checkpoints;
    this.opened = {
      warnings,
      last,
      trimmed,
      ranMs,
      ...(checkpoint !== undefined && { checkpoint }),
    };
    this.#db = db;
    this.#source = { db, directory, groups, checkpoints, keyed };
    this.#replay = new Replay(this.#source, last.revision, {
      keyed: settings.keyed,
      ...(expected !== undefined && { expected }),
    });
    this.#onFailure = (error) => {
      this.#failed = true;
      say({ failed: runningFailureOf(error, directory) });
    };
    this.#upkeep = new Upkeep({
      ...settings.upkeep,
      source: this.#source,
      beforeStep,
      onEvent: (event) => {
        say({ event });
        if (event.type === 'trimmed') this.#follower?.changed();
      },
      onHeldBack: () => this.#follower?.changed(),
      onFailure: this.#onFailure,
    });
  }

  answer(request: Request): Replies[Request['type']] | Promise<Replies[Request['type']]> {
    switch (request.type) {
      case 'open':
        return this.opened;
      case 'read':
        return this.#page();
      case 'loaded':
        return this.#loaded();
      case 'append':
        return this.#append(request.group, request.keyed);
      case 'keyed':
        return this.#keyed(request.revision);
      case 'checkpoint':
        return this.#upkeep.checkpoint();
      case 'state':
        return this.#upkeep.state();
      case 'backup':
        return this.#upkeep.backup(request.file, this.#settings.migrations);
      case 'history':
        return this.#history(request.after);
      case 'follow':
        return this.#follow(request.port);
      case 'trim':
        return this.#trim();
      case 'vacuum':
        return this.#vacuum();
      case 'settings':
        return this.#pragmas();
      case 'close':
        return this.#close();
    }
  }

  /**
   * Reads a page before it is asked for, unless enough of them wait: whoever loads has other things to
   * do at first. What fails is thrown where it is asked for. Returns whether there may be more to do.
   */
  readAhead(): boolean {
    if (this.#replay === undefined || this.#read || this.#ahead.length === pagesAhead) return false;
    try {
      const page = this.#next();
      this.#ahead.push(() => page);
    } catch (error) {
      this.#ahead.push(() => {
        throw error;
      });
    }
    return true;
  }

  #page(): Replies['read'] {
    const ahead = this.#ahead.shift();
    return ahead === undefined ? this.#next() : ahead();
  }

  #next(): Replies['read'] {
    assert(this.#replay !== undefined && !this.#read, 'the journal is loaded once');
    // Where it fails as well: nothing is behind what cannot be read.
    this.#read = true;
    const page = this.#replay.next(pageLimit);
    this.#read = page.type === 'end';
    if (page.type === 'parts') return decodedPageOf(page.first, page.bodies);
    return page.type === 'keyed' ? keysPageOf(page.rows) : page;
  }

  /** Everything was read, every digest compared and every record accepted. */
  #loaded(): true {
    const { directory, groups } = this.#source;
    assert(this.#replay?.mark.revision === groups.last.revision, 'all was read');
    this.#replay = undefined;
    const { last } = groups;
    const found = readHead(directory);
    const same =
      typeof found === 'object' &&
      found.revision === last.revision &&
      equal(found.chain, last.chain);
    // Behind after a power cut, or to be replaced because an operator has said so.
    if (!same) createHead(directory, last);
    this.#head = new HeadAnchor(directory, this.#onFailure);
    this.#files.add(headName);
    this.#files.check();
    this.#upkeep.start();
    return true;
  }

  #append(group: Group, keyed: readonly KeyedRecord[]): number {
    assert(!this.#failed, 'nothing is appended after a failure');
    assert(this.#head !== undefined, 'the journal was loaded');
    const { groups } = this.#source;
    try {
      if (keyed.length === 0) groups.append(group);
      else this.#appendBoth(group, keyed);
      // After the commit, so that the anchor is never ahead, and before the answer.
      this.#head.write(groups.last);
      this.#files.check();
    } catch (error) {
      // Whatever was thrown leaves the outcome open, and nothing may follow on it.
      this.#failed = true;
      void this.#upkeep.close();
      throw error;
    }
    this.#upkeep.appended();
    this.#follower?.changed();
    return groups.last.bytesTotal;
  }

  /** A record and what is kept for its key are there together or not at all. */
  #appendBoth(group: Group, records: readonly KeyedRecord[]): void {
    const { db, groups, keyed } = this.#source;
    db.transaction(() => {
      groups.append(group);
      keyed.append(records, groups.ranMs);
    })();
  }

  #keyed(revision: number): Keyed | undefined {
    const { keyed, directory } = this.#source;
    try {
      const row = keyed.find(revision, directory);
      return row && { key: row.key, request: row.request, reply: row.reply };
    } catch (error) {
      // A next start would refuse it.
      this.#onFailure(error);
      throw error;
    }
  }

  #history(after: number): Replies['history'] {
    const { db, directory, groups } = this.#source;
    const from = groups.before(Math.max(after, groups.trimmed.revision) + 1);
    const reader = new GroupReader(db, directory, from, groups.last.revision);
    const page = reader.next(historyLimit);
    return { groups: page, trimmedRevision: groups.trimmed.revision };
  }

  #follow(port: MessagePort): true {
    this.#follower = new Follower({
      source: this.#source,
      port,
      beforeStep: this.#beforeStep,
      onKept: (revision) => this.#upkeep.followed(revision),
      wanted: () => this.#upkeep.wantedRevision,
      hold: () => this.#upkeep.hold(),
    });
    return true;
  }

  async #trim(): Promise<number> {
    await this.#upkeep.trim();
    return this.#source.groups.trimmed.revision;
  }

  #vacuum(): Replies['vacuum'] {
    const size = () =>
      Number(this.#db.pragma('page_count', { simple: true })) *
      Number(this.#db.pragma('page_size', { simple: true }));
    const bytesBefore = size();
    this.#db.exec('vacuum');
    // The new contents are in the write-ahead log as yet, which is as large as they are.
    this.#db.pragma('wal_checkpoint(TRUNCATE)');
    return { bytesBefore, bytesAfter: size() };
  }

  #pragmas(): Settings {
    return {
      journalMode: String(this.#db.pragma('journal_mode', { simple: true })),
      synchronous: Number(this.#db.pragma('synchronous', { simple: true })),
      lockingMode: String(this.#db.pragma('locking_mode', { simple: true })),
    };
  }

  async #close(): Promise<true> {
    this.#replay = undefined;
    this.#follower?.close();
    await this.#upkeep.close();
    await this.#head?.close();
    if (this.#head !== undefined && !this.#failed) this.#source.groups.noteRan();
    this.#db.close();
    return true;
  }
}

function serve(port: NonNullable<typeof parentPort>, settings: WorkerSettings): void {
  let connection: Connection | undefined;
  const say = (said: Said): void => port.postMessage(said);
  const take = async (request: Numbered): Promise<void> => {
    const { id } = request;
    try {
      if (request.type === 'open') connection = new Connection(settings, takeAll, say);
      assert(connection !== undefined, 'the journal is open');
      const value = connection.answer(request);
      say({ id, value: value instanceof Promise ? await value : value });
    } catch (error) {
      say({ id, error: failureOf(error, settings.directory) });
    }
    if (request.type === 'open' || request.type === 'read') readsAhead();
    if (request.type === 'close' || connection === undefined) port.close();
  };
  let readingAhead = false;
  /** One page at a time: what was asked for meanwhile comes first. */
  const readsAhead = (): void => {
    if (readingAhead) return;
    readingAhead = true;
    setImmediate(() => {
      readingAhead = false;
      if (connection?.readAhead() === true) readsAhead();
    });
  };
  /** Serves what has arrived, before a step of something that takes longer. */
  const takeAll = (): void => {
    for (;;) {
      const next = receiveMessageOnPort(port) as { message: Numbered } | undefined;
      if (next === undefined) return;
      void take(next.message);
    }
  };
  port.on('message', (request: Numbered) => void take(request));
}

assert(parentPort !== null, 'runs as a worker thread');
serve(parentPort, workerData as WorkerSettings);
