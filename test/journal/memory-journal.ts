/**
 * A journal in memory whose commits complete when the test says so, and fail when it says so.
 */
import { assert } from '../../src/engine/assert.ts';
import type { AppendOutcome, Journal, JournalRecord } from '../../src/journal/journal.ts';

export class MemoryJournal implements Journal {
  /** What a restart would find. */
  readonly stored: JournalRecord[];
  /** The groups handed to append, in order, acked or not. */
  readonly groups: (readonly JournalRecord[])[] = [];
  failure: Error | undefined;
  closed = false;
  /** Complete commits by themselves, rather than by `complete`. */
  automatic = false;
  #complete: ((outcome: AppendOutcome | Error) => void) | undefined;

  constructor(stored: readonly JournalRecord[] = []) {
    this.stored = [...stored];
  }

  async load(visit: (record: JournalRecord) => void): Promise<void> {
    for (const record of this.stored) visit(record);
  }

  append(records: readonly JournalRecord[]): Promise<AppendOutcome> {
    assert(this.#complete === undefined, 'one append at a time');
    assert(records.length > 0 && !this.closed, 'an append has records and an open journal');
    this.groups.push(records);
    return new Promise((resolve, reject) => {
      this.#complete = (outcome) => {
        this.#complete = undefined;
        if (outcome instanceof Error) return reject(outcome);
        if (outcome === 'acked') this.stored.push(...records);
        else this.failure = new Error('the disk is on fire');
        resolve(outcome);
      };
      if (this.automatic) setImmediate(() => this.complete());
    });
  }

  get appending(): boolean {
    return this.#complete !== undefined;
  }

  /** Ends the append under way. */
  complete(outcome: AppendOutcome | Error = 'acked'): void {
    assert(this.#complete !== undefined, 'an append is under way');
    this.#complete(outcome);
  }

  async close(): Promise<void> {
    assert(this.#complete === undefined, 'no append is under way');
    this.closed = true;
  }
}
