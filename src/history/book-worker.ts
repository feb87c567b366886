/**
 * The thread that keeps the book and answers questions from it. It follows the journal on a port of
 * its own, a page at a time, and between two pages answers what was asked and rests (pace.ts). A
 * question waits until the book has everything that was durable when it was asked.
 *
 * The book is derived. Where its file is missing, of another version, damaged, or of another journal,
 * it is made anew; where it cannot be written, there are no answers until it can.
 */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import type { Database } from 'better-sqlite3';
import { assert, AssertionError } from '../engine/assert.ts';
import { Engine } from '../engine/engine.ts';
import { partsOf } from '../journal/decoded-page.ts';
import { FollowPort, type Beginning, type FollowPage } from '../journal/follower.ts';
import { recordsOf } from '../journal/replay.ts';
import { yieldToOthers } from '../journal/thread.ts';
import { assertRoom, isDamage, newBook, openBook } from './book-file.ts';
import { BookReader } from './book-reader.ts';
import { BookWriter } from './book-writer.ts';
import type { Extent, HistoryAnswer, HistoryQuery, NamedSpace, TooEarly } from './history.ts';
import { restMs } from './pace.ts';

export interface BookSettings {
  readonly directory: string;
  /** Of the follower. */
  readonly port: MessagePort;
}

export type BookRequest =
  | { readonly type: 'history'; readonly query: HistoryQuery }
  | {
      readonly type: 'space';
      readonly arena: string;
      readonly at?: number;
      /** Answered when everything up to this revision is known. */
      readonly revision: number;
    }
  | { readonly type: 'close' };

export interface BookReplies {
  history: HistoryAnswer | TooEarly;
  space: NamedSpace | undefined;
  close: true;
}

/** What the thread does of its own accord, for the log. */
export type BookEvent =
  /** It has something to catch up with, of which it takes until `made` to have all. */
  | { readonly type: 'making'; readonly from: number; readonly to: number; readonly why: string }
  | { readonly type: 'made'; readonly revision: number; readonly ms: number }
  /** What it had is of no use; it is made anew. */
  | { readonly type: 'discarded'; readonly message: string }
  /** There are no answers: for so long, or until the next start. */
  | { readonly type: 'failed'; readonly message: string; readonly retryMs?: number };

export type BookSaid =
  | { readonly id: number; readonly value: BookReplies[BookRequest['type']] }
  | { readonly id: number; readonly unavailable: string }
  | { readonly event: BookEvent }
  | { readonly extent: Extent };

/** More than this is told: it takes a second and longer. */
const toldRecords = 50_000;
/** A page of a few milliseconds, while questions are answered; larger while there is much to do. */
const pageCharacters = 1 << 16;
const longPageCharacters = 1 << 18;
/** While there is much to do, so much is committed together: what is near is written once. */
const commitCharacters = 1 << 22;
/** The log of the file is folded in after so much text of records, or after so long. */
const foldCharacters = 32 << 20;
const foldMs = 60_000;
const retryMs = 60_000;

interface Waiting {
  readonly id: number;
  readonly request: Exclude<BookRequest, { type: 'close' }>;
}

class Keeper {
  readonly #directory: string;
  readonly #journal: FollowPort;
  /** Up to here the journal may trim, and up to here it would. */
  #kept = 0;
  #wanted = 0;
  readonly #say: (said: BookSaid) => void;
  /** Whether what the file has is of no use. */
  #discard = false;
  #db: Database | undefined;
  #writer: BookWriter | undefined;
  #reader: BookReader | undefined;
  #waiting: Waiting[] = [];
  /** Whether what the book has is of this journal, and complete. */
  #confirmed = false;
  /** Why there are no answers. */
  #unavailable: string | undefined;
  #remade = false;
  #making: { readonly since: number } | undefined;
  /** Characters that were taken since the last commit, and since the log was folded in. */
  #uncommitted = 0;
  #unfolded = 0;
  #foldedAt = performance.now();
  #toldAt = 0;
  /** The last one that was stored when a page was read. */
  #lastRevision = 0;
  #closing = false;
  #wake: (() => void) | undefined;

  constructor({ directory, port }: BookSettings, say: (said: BookSaid) => void) {
    this.#directory = directory;
    this.#journal = new FollowPort(port);
    this.#say = say;
  }

  /** Keeps the book until it is closed, whatever happens to the file. */
  async keep(): Promise<void> {
    while (!this.#closing) {
      try {
        await this.#follow();
      } catch (error) {
        await this.#failed(error);
      }
    }
    if (this.#db !== undefined) this.#fold();
    this.#db?.close();
    this.#journal.close();
  }

  ask(id: number, request: Exclude<BookRequest, { type: 'close' }>): void {
    this.#waiting.push({ id, request });
    this.#answer();
    if (this.#waiting.length > 0) this.#wake?.();
  }

  close(): void {
    this.#closing = true;
    this.#wake?.();
  }

  async #follow(): Promise<void> {
    assertRoom(this.#directory);
    this.#db = this.#discard ? newBook(this.#directory) : openBook(this.#directory);
    this.#discard = false;
    this.#use();
    const { revision, chain } = this.#writer!.extent;
    // Half of a checkpoint is no place to go on from.
    const at = this.#writer!.partial ? undefined : { revision, chain };
    const beginning = await this.#journal.begin(at);
    if (beginning.resumed) {
      this.#writer!.noteTrimmed(beginning.trimmed.revision);
      this.#begins(revision, beginning, 'it is behind');
    } else await this.#remake(beginning);
    if (this.#closing) return;
    this.#confirmed = true;
    this.#fold();
    this.#unavailable = undefined;
    this.#answer();
    while (!this.#closing) await this.#step();
  }

  /** Makes the book anew of what the journal has. */
  async #remake(beginning: Beginning): Promise<void> {
    this.#db!.close();
    this.#db = newBook(this.#directory);
    this.#use();
    const { trimmed, checkpoint } = beginning;
    this.#begins(trimmed.revision, beginning, 'it was missing, or of no use');
    if (checkpoint === undefined) return;
    const engine = new Engine();
    for (;;) {
      const page = await this.#journal.page(longPageCharacters);
      if (page.type === 'checkpoint') break;
      assert(page.type === 'parts', 'the parts come first');
      for (const part of partsOf(page)) engine.restore(part);
    }
    engine.restored(checkpoint);
    const writer = this.#writer!;
    writer.begin(trimmed, checkpoint);
    while (writer.extent.revision < checkpoint && !this.#closing) await this.#step();
    if (!this.#closing) writer.complete(engine);
  }

  #begins(from: number, { lastRevision: to }: Beginning, why: string): void {
    if (to - from < toldRecords) return;
    this.#making = { since: performance.now() };
    this.#say({ event: { type: 'making', from, to, why } });
  }

  #use(): void {
    this.#writer = new BookWriter(this.#db!);
    this.#reader = new BookReader(this.#db!);
  }

  /** Takes the next page, answers who waited for it, and rests. */
  async #step(): Promise<void> {
    const characters = this.#making === undefined ? pageCharacters : longPageCharacters;
    const page = await this.#orClosed(this.#journal.page(characters));
    if (page === undefined) return;
    assert(page.type === 'groups', 'groups follow');
    const began = performance.now();
    await this.#take(page);
    const { behind, lastRevision } = page;
    const coming = lastRevision > this.#lastRevision;
    this.#lastRevision = lastRevision;
    if (this.#waiting.length > 0 || (this.#making !== undefined && behind > 0)) return;
    const ms = restMs({ tookMs: performance.now() - began, behind, coming });
    if (ms > 0) await this.#pause(ms);
  }

  async #take(page: Extract<FollowPage, { type: 'groups' }>): Promise<void> {
    const writer = this.#writer!;
    const { groups, head, lastRevision, trimmedRevision } = page;
    this.#wanted = page.wantedRevision;
    if (groups.length > 0) {
      assertRoom(this.#directory);
      writer.take(groups.flatMap(recordsOf), head);
      for (const { body } of groups) this.#uncommitted += body.length;
    }
    writer.noteTrimmed(trimmedRevision);
    const done = head.revision === lastRevision;
    if (!done && !this.#isWanted() && this.#uncommitted < commitCharacters) return;
    writer.commit();
    this.#unfolded += this.#uncommitted;
    this.#uncommitted = 0;
    this.#answer();
    this.#tell(done);
    if (done) this.#done();
    const due = this.#unfolded > 0 && this.#foldedAt + foldMs < performance.now();
    if (due || this.#unfolded > foldCharacters || this.#isWanted()) this.#fold();
    let more = writer.sweep();
    // What is trimmed goes in small steps, when there is nothing better to do.
    while (more && this.#waiting.length === 0 && !this.#closing) {
      await turn();
      more = writer.sweep();
    }
  }

  #done(): void {
    this.#remade = false;
    if (this.#making === undefined) return;
    const ms = Math.round(performance.now() - this.#making.since);
    this.#making = undefined;
    this.#say({ event: { type: 'made', revision: this.#writer!.extent.revision, ms } });
  }

  /** Answers what can be answered now. */
  #answer(): void {
    if (this.#waiting.length === 0) return;
    const writer = this.#writer;
    const known = writer !== undefined && this.#confirmed ? writer.extent.revision : -1;
    // What is not committed yet is read as well: it is all one connection.
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) {
      const { id, request } = one;
      const revision = request.type === 'history' ? request.query.revision : request.revision;
      if (this.#unavailable !== undefined) this.#say({ id, unavailable: this.#unavailable });
      else if (revision > known) this.#waiting.push(one);
      else this.#say({ id, value: this.#valueOf(request) });
    }
  }

  #valueOf(request: Waiting['request']): BookReplies['history' | 'space'] {
    if (request.type === 'space') return this.#reader!.space(request.arena, request.at);
    return this.#reader!.answer(request.query, extentOf(this.#writer!));
  }

  /** Makes durable what was written, and says so to the journal. */
  #fold(): void {
    this.#db!.pragma('wal_checkpoint(PASSIVE)');
    this.#unfolded = 0;
    this.#foldedAt = performance.now();
    if (!this.#writer!.partial) this.#keep(this.#writer!.extent.revision);
  }

  /** Whether the journal keeps history only because what is there is not durable yet. */
  #isWanted(): boolean {
    const { partial, extent } = this.#writer!;
    return !partial && this.#wanted > this.#kept && this.#wanted <= extent.revision;
  }

  #keep(revision: number): void {
    this.#kept = revision;
    this.#journal.kept(revision);
  }

  /** The last of it always, else once a second. */
  #tell(done: boolean): void {
    const now = performance.now();
    if (!done && now - this.#toldAt < 1000) return;
    this.#toldAt = now;
    this.#say({ extent: extentOf(this.#writer!) });
  }

  async #failed(error: unknown): Promise<void> {
    this.#db?.close();
    this.#db = undefined;
    this.#writer = undefined;
    this.#confirmed = false;
    const message = error instanceof Error ? error.message : String(error);
    const contradicted = error instanceof AssertionError || isConstraint(error);
    if ((isDamage(error) || contradicted) && !this.#remade) {
      // Once: what comes again does not come from the file.
      this.#remade = true;
      this.#discard = true;
      this.#say({ event: { type: 'discarded', message } });
      return;
    }
    const storage = error instanceof Error && 'code' in error && !contradicted;
    this.#unavailable = `The history cannot be read or written: ${message}`;
    // History in the journal would else grow for as long as this lasts.
    this.#keep(Number.MAX_SAFE_INTEGER);
    const told = storage ? { retryMs } : {};
    this.#say({ event: { type: 'failed', message, ...told } });
    this.#answer();
    await this.#pause(storage ? retryMs : undefined);
  }

  /** Waits for so long, or until it is closed; a question ends a wait of a bounded time. */
  #pause(ms?: number): Promise<void> {
    if (this.#closing) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = ms === undefined ? undefined : setTimeout(end, ms);
      this.#wake = () => {
        if (this.#closing || this.#unavailable === undefined) end();
      };
    });
  }

  async #orClosed<T>(asked: Promise<T>): Promise<T | undefined> {
    const closed = new Promise<undefined>((resolve) => {
      this.#wake = () => {
        if (this.#closing) resolve(undefined);
      };
    });
    if (this.#closing) return undefined;
    const value = await Promise.race([asked, closed]);
    this.#wake = undefined;
    return value;
  }
}

function extentOf({ extent }: BookWriter): Extent {
  const { revision, trimmedRevision, completeRevision } = extent;
  return { revision, trimmedRevision, completeRevision };
}

function isConstraint(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code.startsWith('SQLITE_CONSTRAINT');
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function serve(port: NonNullable<typeof parentPort>, settings: BookSettings): void {
  const keeper = new Keeper(settings, (said) => port.postMessage(said));
  const kept = keeper.keep();
  port.on('message', ({ id, ...request }: BookRequest & { readonly id: number }) => {
    if (request.type !== 'close') return keeper.ask(id, request);
    keeper.close();
    void kept.then(() => {
      port.postMessage({ id, value: true } satisfies BookSaid);
      port.close();
    });
  });
}

assert(parentPort !== null, 'runs as a worker thread');
yieldToOthers();
serve(parentPort, workerData as BookSettings);
