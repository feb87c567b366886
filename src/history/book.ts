/**
 * The book of history, from the main thread: starts the thread that keeps it, passes questions on,
 * and remembers how addresses of arenas that are gone were written.
 */
import { Worker, type MessagePort } from 'node:worker_threads';
import { assert } from '../engine/assert.ts';
import { threadOptions } from '../journal/thread.ts';
import { limits } from '../limits.ts';
import type { BookEvent, BookReplies, BookRequest, BookSaid } from './book-worker.ts';
import {
  HistoryUnavailable,
  type Extent,
  type History,
  type HistoryAnswer,
  type HistoryQuery,
  type NamedSpace,
  type TooEarly,
} from './history.ts';

export interface BookOptions {
  /** The data directory. */
  readonly directory: string;
  /** The other end of the one that the journal serves. */
  readonly port: MessagePort;
  readonly onEvent: (event: BookEvent) => void;
  /** A question that could not be answered for so long is given up, in milliseconds. */
  readonly waitMs?: number;
}

interface Waiting {
  resolve(value: BookReplies[BookRequest['type']]): void;
  reject(error: Error): void;
}

export class Book implements History {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onEvent: (event: BookEvent) => void;
  readonly #waitMs: number;
  readonly #ended: Promise<void>;
  /** Of arenas that were asked for, by name. */
  readonly #spaces = new Map<string, NamedSpace[]>();
  #requests = 0;
  #extent: Extent | undefined;
  #lost: Error | undefined;
  #closing = false;

  constructor({ directory, port, onEvent, waitMs }: BookOptions) {
    this.#onEvent = onEvent;
    this.#waitMs = waitMs ?? limits.historyWaitMs;
    const file = new URL('./book-worker.ts', import.meta.url);
    this.#worker = new Worker(file, {
      ...threadOptions,
      workerData: { directory, port },
      transferList: [port],
    });
    this.#worker.on('message', (said: BookSaid) => this.#take(said));
    this.#worker.on('error', (error) => this.#lose(error as Error));
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#lose(new Error('the thread of the history has ended'));
        resolve();
      });
    });
  }

  get extent(): Extent | undefined {
    return this.#extent;
  }

  ask(query: HistoryQuery): Promise<HistoryAnswer | TooEarly> {
    return this.#ask({ type: 'history', query });
  }

  space(arena: string, revision: number): Promise<NamedSpace | undefined> {
    return this.#ask({ type: 'space', arena, revision });
  }

  async spaceAt(arena: string, revision: number): Promise<NamedSpace | undefined> {
    const known = this.#spaces
      .get(arena)
      // One that is still there was so when it was asked for, and up to there it is certain.
      ?.find(({ created, destroyed = 0 }) => created <= revision && revision <= destroyed);
    if (known !== undefined) return known;
    const space = await this.#ask({ type: 'space', arena, at: revision, revision });
    if (space !== undefined) this.#remember(arena, { destroyed: revision, ...space });
    return space;
  }

  async close(): Promise<void> {
    this.#closing = true;
    if (this.#lost === undefined) {
      this.#send({ type: 'close' }, { resolve: () => undefined, reject: () => undefined });
    }
    await this.#ended;
  }

  #remember(arena: string, space: NamedSpace): void {
    if (this.#spaces.size >= limits.formerArenasMax) this.#spaces.clear();
    const others = (this.#spaces.get(arena) ?? []).filter(({ created }) => {
      return created !== space.created;
    });
    this.#spaces.set(arena, [...others, space]);
  }

  async #ask<R extends BookRequest>(request: R): Promise<BookReplies[R['type']]> {
    if (this.#lost !== undefined) throw unavailable('The history has failed', this.#lost);
    if (this.#waiting.size >= limits.historyWaitingMax) {
      throw unavailable(`${limits.historyWaitingMax} questions to the history wait already.`);
    }
    return new Promise((resolve, reject) => {
      const late = unavailable('The history is being made; ask again later.');
      let id = 0;
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(late);
      }, this.#waitMs);
      id = this.#send(request, {
        resolve: (value) => {
          clearTimeout(timer);
          resolve(value as BookReplies[R['type']]);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
  }

  #send(request: BookRequest, waiting: Waiting): number {
    this.#requests += 1;
    const id = this.#requests;
    this.#waiting.set(id, waiting);
    this.#worker.postMessage({ ...request, id });
    return id;
  }

  #take(said: BookSaid): void {
    if ('event' in said) return this.#onEvent(said.event);
    if ('extent' in said) {
      this.#extent = said.extent;
      return;
    }
    const waiting = this.#waiting.get(said.id);
    // Whoever asked may have given it up.
    this.#waiting.delete(said.id);
    if ('unavailable' in said) waiting?.reject(unavailable(said.unavailable));
    else waiting?.resolve(said.value);
  }

  #lose(error: Error): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    for (const { reject } of this.#waiting.values()) {
      reject(unavailable('The history has failed', error));
    }
    this.#waiting.clear();
    if (this.#closing) return;
    assert(error instanceof Error, 'what is thrown is an Error');
    this.#onEvent({ type: 'failed', message: error.stack ?? error.message });
  }
}

function unavailable(message: string, cause?: Error): HistoryUnavailable {
  const text = cause === undefined ? message : `${message}: ${cause.message}.`;
  return new HistoryUnavailable(text, { cause });
}
