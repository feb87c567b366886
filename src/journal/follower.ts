/**
 * Follower: a thread that keeps something derived from the journal, and reads it for that on a port
 * of its own. The main thread has no part in it: one side is in the thread that has the database,
 * the other in the one that follows.
 *
 * It begins where it was, if the journal's chain there is the one it knows, or else anew: with the
 * first record, or, where that was trimmed, with the parts of the newest checkpoint and then the
 * records that are still stored, which begin before the checkpoint's revision. It asks for one page
 * at a time, each one short step here. Where there is nothing more, the answer waits until there is.
 *
 * It says up to where it has everything for good; history beyond that is not trimmed. Where trimming
 * waits for nothing but that, it is told up to where it is wanted.
 */
import type { MessagePort } from 'node:worker_threads';
import { PartReader } from './checkpoint-table.ts';
import { errorOf, failureOf, type Failure } from './failure.ts';
import { equal, GroupReader, type Mark, type StepLimit } from './group-table.ts';
import { chainStart, type Group } from './group.ts';
import type { Head } from './head-anchor.ts';
import type { ReplaySource } from './replay.ts';

export type FollowRequest =
  | { readonly type: 'begin'; readonly at?: Head }
  | { readonly type: 'page'; readonly characters: number }
  | { readonly type: 'kept'; readonly revision: number };

export interface Beginning {
  readonly type: 'beginning';
  /** Whether it goes on from where it was. Otherwise what it had is of no use. */
  readonly resumed: boolean;
  /** The beginning of what is stored. */
  readonly trimmed: Head;
  /** Where it begins anew behind what was trimmed: the revision of the checkpoint that comes first. */
  readonly checkpoint?: number;
  readonly lastRevision: number;
}

export type FollowPage =
  | { readonly type: 'parts'; readonly first: number; readonly bodies: readonly string[] }
  | { readonly type: 'checkpoint' }
  | {
      readonly type: 'groups';
      readonly groups: readonly Group[];
      /** Where the groups end. */
      readonly head: Head;
      readonly lastRevision: number;
      /** Bytes of the text of the records after them. */
      readonly behind: number;
      readonly trimmedRevision: number;
      /** Up to here history waits for nothing but that the follower has it for good; 0: none does. */
      readonly wantedRevision: number;
    };

type Reply = Beginning | FollowPage | { readonly type: 'failed'; readonly failure: Failure };

const stepMs = 3;

export interface FollowerOptions {
  readonly source: ReplaySource;
  readonly port: MessagePort;
  /** Serves what was asked of the journal; called before every step. */
  readonly beforeStep: () => void;
  readonly onKept: (revision: number) => void;
  /** Up to where it is to have everything for good; 0: that is its own affair. */
  readonly wanted: () => number;
  /** Leaves what is stored where it is, until the function that this gives is called. */
  readonly hold: () => Promise<() => void>;
}

/** The side that has the database. */
export class Follower {
  readonly #options: FollowerOptions;
  #parts: PartReader | undefined;
  #groups: GroupReader | undefined;
  /** No page goes on beyond it. */
  #checkpoint = 0;
  #resume: (() => void) | undefined;
  /** Characters of the page that waits for something to be on it. */
  #waiting: number | undefined;
  #trimmedTold = 0;
  #wantedTold = 0;

  constructor(options: FollowerOptions) {
    this.#options = options;
    options.port.on('message', (request: FollowRequest) => void this.#take(request));
    options.port.on('close', () => this.#partsRead());
  }

  /** Called when something was appended or trimmed, or would be if it were followed further. */
  changed(): void {
    const characters = this.#waiting;
    if (characters === undefined) return;
    this.#waiting = undefined;
    void this.#take({ type: 'page', characters });
  }

  close(): void {
    this.#options.port.close();
  }

  async #take(request: FollowRequest): Promise<void> {
    const { port, source, beforeStep, onKept } = this.#options;
    if (request.type === 'kept') return onKept(request.revision);
    try {
      beforeStep();
      const reply =
        request.type === 'begin' ? await this.#begin(request.at) : this.#page(request.characters);
      if (reply !== undefined) port.postMessage(reply satisfies Reply);
    } catch (error) {
      const failure = failureOf(error, source.directory);
      port.postMessage({ type: 'failed', failure } satisfies Reply);
    }
  }

  async #begin(at: Head | undefined): Promise<Beginning> {
    const { db, directory, groups, checkpoints } = this.#options.source;
    this.#partsRead();
    this.#trimmedTold = 0;
    this.#wantedTold = 0;
    const from = at === undefined ? undefined : this.#markAt(at);
    // Before anything is looked at, and for as long as it is being read.
    if (from === undefined) this.#resume = await this.#options.hold();
    const { trimmed, last } = groups;
    const start: Mark = { revision: 0, chain: chainStart, bytesTotal: 0 };
    const stored = trimmed.revision === 0 ? start : trimmed;
    const { newest } = checkpoints;
    const checkpoint = from === undefined && trimmed.revision > 0 ? newest : undefined;
    if (checkpoint === undefined) this.#partsRead();
    else this.#parts = new PartReader(db, checkpoint);
    this.#checkpoint = checkpoint?.revision ?? 0;
    const upTo = checkpoint?.revision ?? Number.MAX_SAFE_INTEGER;
    this.#groups = new GroupReader(db, directory, from ?? stored, upTo);
    return {
      type: 'beginning',
      resumed: from !== undefined,
      trimmed: { revision: stored.revision, chain: stored.chain },
      ...(checkpoint !== undefined && { checkpoint: checkpoint.revision }),
      lastRevision: last.revision,
    };
  }

  #markAt({ revision, chain }: Head): Mark | undefined {
    const { groups } = this.#options.source;
    const mark = revision > groups.last.revision ? undefined : groups.markAt(revision);
    return mark !== undefined && equal(mark.chain, chain) ? mark : undefined;
  }

  /** Undefined where it is answered later. */
  #page(characters: number): FollowPage | undefined {
    const limit: StepLimit = { characters, ms: stepMs };
    if (this.#parts !== undefined) {
      const first = this.#parts.read;
      const bodies = this.#parts.next(limit);
      if (bodies.length > 0) return { type: 'parts', first, bodies };
      this.#partsRead();
      return { type: 'checkpoint' };
    }
    const { db, directory } = this.#options.source;
    let reader = this.#groups!;
    if (reader.mark.revision === this.#checkpoint) {
      reader = new GroupReader(db, directory, reader.mark, Number.MAX_SAFE_INTEGER);
      this.#groups = reader;
      this.#checkpoint = 0;
    }
    const groups = reader.next(limit).map(({ firstRevision, lastRevision, body }) => {
      return { firstRevision, lastRevision, body };
    });
    const { last, trimmed } = this.#options.source.groups;
    const trimmedRevision = trimmed.revision;
    const wantedRevision = this.#options.wanted();
    const isNews = trimmedRevision > this.#trimmedTold || wantedRevision > this.#wantedTold;
    if (groups.length === 0 && !isNews) {
      this.#waiting = characters;
      return undefined;
    }
    this.#trimmedTold = trimmedRevision;
    this.#wantedTold = wantedRevision;
    const { revision, chain, bytesTotal } = reader.mark;
    return {
      type: 'groups',
      groups,
      head: { revision, chain },
      lastRevision: last.revision,
      behind: last.bytesTotal - bytesTotal,
      trimmedRevision,
      wantedRevision,
    };
  }

  #partsRead(): void {
    this.#parts = undefined;
    this.#resume?.();
    this.#resume = undefined;
  }
}

/** The side that follows: one request at a time. */
export class FollowPort {
  readonly #port: MessagePort;
  #waiting: { resolve(reply: Reply): void; reject(error: Error): void } | undefined;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (reply: Reply) => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (reply.type === 'failed') waiting?.reject(errorOf(reply.failure));
      else waiting?.resolve(reply);
    });
  }

  /** Rejects as reading the journal does. */
  begin(at?: Head): Promise<Beginning> {
    return this.#ask({ type: 'begin', ...(at !== undefined && { at }) }) as Promise<Beginning>;
  }

  /**
   * At least one record, but where only the trimmed or the wanted revision is news; resolves when
   * there is any.
   */
  page(characters: number): Promise<FollowPage> {
    return this.#ask({ type: 'page', characters }) as Promise<FollowPage>;
  }

  /** All up to this revision will be there after whatever crash. */
  kept(revision: number): void {
    this.#port.postMessage({ type: 'kept', revision } satisfies FollowRequest);
  }

  close(): void {
    this.#port.close();
  }

  #ask(request: FollowRequest): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#port.postMessage(request);
    });
  }
}
