/**
 * Streams of events, in the format of server-sent events. A stream is a cursor: it reads a page from
 * the feed, sends it, and reads the next one when the socket has taken that. So a reader that is
 * slow or gone costs a chunk of memory and nobody's time, and one that resumes misses nothing.
 *
 * A stream begins with a block that has an `id` and no data, and sends such a block again when it
 * has been silent for a while. Clients dispatch nothing for it, but know from it how far all was
 * looked at, so that they can resume there although no event of theirs has come.
 */
import { Readable } from 'node:stream';
import type { ServerResponse } from 'node:http';
import type { Feed, Trimmed } from '../feed.ts';
import type { JournalRecord } from '../journal/journal.ts';
import { limits } from '../limits.ts';
import type { EventTexts } from './event-text.ts';
import { hangUpWithClient } from './patient-reply.ts';
import { problemOf } from './problem.ts';
import type { Problem } from './wire/problem.ts';

export interface EventStreamsOptions {
  /** After so long without an event something is sent all the same, in milliseconds. */
  readonly heartbeatMs?: number;
  readonly streamsMax?: number;
}

export type FeedPage = Awaited<ReturnType<Feed['read']>>;

export class EventStreams {
  readonly #feed: Feed;
  readonly #texts: EventTexts;
  readonly #heartbeatMs: number;
  readonly #streamsMax: number;
  readonly #open = new Map<ServerResponse, AbortController>();
  #stopped = false;
  #sent = 0;

  constructor(feed: Feed, texts: EventTexts, options: EventStreamsOptions = {}) {
    this.#feed = feed;
    this.#texts = texts;
    this.#heartbeatMs = options.heartbeatMs ?? limits.eventHeartbeatMs;
    this.#streamsMax = options.streamsMax ?? limits.eventStreamsMax;
  }

  /** Streams that are open. */
  get count(): number {
    return this.#open.size;
  }

  /** Events sent since the start, to all streams together. */
  get sent(): number {
    return this.#sent;
  }

  get full(): boolean {
    return this.#open.size >= this.#streamsMax;
  }

  /** What follows a revision, from the page that was read there on. */
  open(
    response: ServerResponse,
    after: number,
    page: readonly JournalRecord[],
    arena?: string,
  ): Readable {
    const abort = new AbortController();
    if (this.#stopped) abort.abort();
    this.#open.set(response, abort);
    hangUpWithClient(response);
    response.once('close', () => {
      this.#open.delete(response);
      abort.abort();
    });
    const blocks = this.#blocks(after, page, arena, abort.signal);
    return Readable.from(blocks, {
      objectMode: false,
      highWaterMark: limits.eventChunkCharactersMax,
    });
  }

  /** Ends all streams in order; those that are not read then are broken off. */
  stop(): void {
    this.#stopped = true;
    for (const abort of this.#open.values()) abort.abort();
    if (this.#open.size === 0) return;
    const responses = [...this.#open.keys()];
    setTimeout(() => {
      for (const response of responses) response.destroy();
    }, limits.eventGraceMs).unref();
  }

  async *#blocks(
    after: number,
    first: FeedPage,
    arena: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<string> {
    let page = first;
    let at = after;
    let beatAt = performance.now() + this.#heartbeatMs;
    const beats = (): number => (beatAt = performance.now() + this.#heartbeatMs);
    yield `: after revision ${at}\nid: ${at}\n\n`;
    while (!signal.aborted) {
      if ('trimmedRevision' in page) {
        yield problemBlock(trimmed(at, page));
        return;
      }
      let chunk = '';
      for (const record of page) {
        if (signal.aborted) break;
        chunk += await this.#blockOf(record, arena);
        at = record.revision;
        if (chunk.length < limits.eventChunkCharactersMax) continue;
        yield chunk;
        beats();
        chunk = '';
      }
      if (chunk !== '') {
        yield chunk;
        beats();
      }
      if (performance.now() >= beatAt) {
        yield `: nothing new\nid: ${at}\n\n`;
        beats();
      }
      await this.#feed.changed(at, Math.max(0, beatAt - performance.now()), signal);
      page = await this.#feed.read(at);
    }
  }

  async #blockOf(record: JournalRecord, arena: string | undefined): Promise<string> {
    // Cheaper than making the text: a record names all arenas that it touches.
    if (arena !== undefined && !record.body.includes(`"${arena}"`)) return '';
    const { arenas, text } = await this.#texts.of(record);
    if (arena !== undefined && !arenas.has(arena)) return '';
    this.#sent += 1;
    return text;
  }
}

/** What is after this revision is no longer stored. */
export function trimmed(after: number, { trimmedRevision }: Trimmed): Problem {
  return problemOf(
    'revision-trimmed',
    `The events after revision ${after} are no longer stored; the first that is has revision ` +
      `${trimmedRevision + 1}. Read the state anew and go on from its revision.`,
  );
}

function problemBlock(problem: Problem): string {
  return `event: problem\ndata: ${JSON.stringify(problem)}\n\n`;
}
