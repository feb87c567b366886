/**
 * Feed: the durable records in their order, from any revision on, for whoever follows them. The
 * newest are kept in memory, within bounds; older ones are read from the journal, page by page.
 *
 * It is pulled: a reader asks for what comes after the revision that it has. So a slow one holds
 * nothing up, nothing is kept for it, and none can miss a record or get one twice. Of the journal
 * one page is asked for at a time, whoever wants it, so that an append never waits for more.
 */
import { assert } from './engine/assert.ts';
import type { Journal, JournalRecord } from './journal/journal.ts';
import { limits } from './limits.ts';

export interface FeedOptions {
  /** Most records in memory. */
  readonly recordsMax?: number;
  /** Most characters of them. */
  readonly charactersMax?: number;
  /** Least time between two wakings of those who wait, in milliseconds. */
  readonly wakeMs?: number;
}

/** The record that was asked for is no longer stored, nor is any up to this revision. */
export interface Trimmed {
  readonly trimmedRevision: number;
}

const pageRecordsMax = 256;

export class Feed {
  readonly #journal: Pick<Journal, 'history'>;
  readonly #charactersMax: number;
  readonly #wakeMs: number;
  /** A record is in the slot of its revision modulo their number. */
  readonly #slots: (JournalRecord | undefined)[];
  /** The first revision in memory; one more than the last where none is. */
  #first: number;
  #last: number;
  #characters = 0;
  #reading: Promise<unknown> = Promise.resolve();
  readonly #waiting = new Set<() => void>();
  #wake: NodeJS.Timeout | undefined;
  #wokenAt = -Infinity;

  /** `revision` is the last one that is durable. */
  constructor(journal: Pick<Journal, 'history'>, revision: number, options: FeedOptions = {}) {
    this.#journal = journal;
    const slots = options.recordsMax ?? limits.feedRecordsMax;
    this.#slots = Array.from({ length: slots }, () => undefined);
    this.#charactersMax = options.charactersMax ?? limits.feedCharactersMax;
    this.#wakeMs = options.wakeMs ?? limits.eventWakeMs;
    this.#first = revision + 1;
    this.#last = revision;
  }

  /** The last durable revision. */
  get revision(): number {
    return this.#last;
  }

  /** Takes the records that have become durable, in order. */
  add(records: readonly JournalRecord[]): void {
    for (const { revision, body } of records) {
      assert(revision === this.#last + 1, 'the next revision has become durable', revision);
      if (revision - this.#first === this.#slots.length) this.#dropFirst();
      // Without what is stored beside the record of a request with an idempotency key.
      this.#slots[revision % this.#slots.length] = { revision, body };
      this.#last = revision;
      this.#characters += body.length;
    }
    while (this.#characters > this.#charactersMax) this.#dropFirst();
    if (this.#waiting.size > 0) this.#wakeSoon();
  }

  /**
   * The next records after a revision; none where there are none yet. Never one that is not durable.
   * Rejects where the journal cannot be read.
   */
  async read(after: number): Promise<readonly JournalRecord[] | Trimmed> {
    if (after >= this.#last) return [];
    if (after + 1 < this.#first) return this.#stored(after);
    const end = Math.min(this.#last, after + pageRecordsMax);
    const page: JournalRecord[] = [];
    for (let revision = after + 1; revision <= end; revision++) {
      page.push(this.#slots[revision % this.#slots.length]!);
    }
    return page;
  }

  /** Resolves when there are records after this revision, after so long, or when it is aborted. */
  changed(after: number, ms: number, signal: AbortSignal): Promise<void> {
    if (after < this.#last || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#waiting.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener('abort', end);
      this.#waiting.add(end);
    });
  }

  async #stored(after: number): Promise<readonly JournalRecord[] | Trimmed> {
    const reading = this.#reading.then(() => this.#journal.history(after));
    this.#reading = reading.catch(() => undefined);
    const { records, trimmedRevision } = await reading;
    if (after < trimmedRevision) return { trimmedRevision };
    assert(records[0]?.revision === after + 1, `record ${after + 1} is stored`);
    // The journal may have one already that nobody has been told of.
    return records.filter(({ revision }) => revision <= this.#last);
  }

  #dropFirst(): void {
    const slot = this.#first % this.#slots.length;
    this.#characters -= this.#slots[slot]!.body.length;
    this.#slots[slot] = undefined;
    this.#first += 1;
  }

  /** At once after a pause, otherwise when the last time is long enough ago. */
  #wakeSoon(): void {
    if (this.#wake !== undefined) return;
    const due = this.#wokenAt + this.#wakeMs - performance.now();
    this.#wake = setTimeout(
      () => {
        this.#wake = undefined;
        this.#wokenAt = performance.now();
        for (const end of this.#waiting) end();
      },
      Math.max(0, due),
    );
  }
}
