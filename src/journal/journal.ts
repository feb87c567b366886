/**
 * Journal: the port between the sequencer and whatever makes records durable. It knows nothing of
 * any database; an implementation is handed encoded records and decides only how they are stored.
 *
 * A group is what one commit makes durable, all or nothing. The caller keeps at most one append
 * under way and gathers the next group meanwhile, so an implementation never has to order appends.
 */

/** One event as stored. Revisions run 1, 2, 3 … without gaps. */
export interface JournalRecord {
  readonly revision: number;
  /** One line of text: the encoding of one event, see record.ts. */
  readonly body: string;
}

/**
 * What became of an append.
 * - `acked`: durable.
 * - `fenced`: not stored, and never will be: another process is the writer now.
 * - `unknown`: an error struck on the way. The group may or may not be found after a restart.
 */
export type AppendOutcome = 'acked' | 'fenced' | 'unknown';

export interface Journal {
  /**
   * Visits every record in the order of storage. Called once, before any append. What `visit`
   * throws rejects the promise and ends the visit. Rejects with RecoveryError where the stored
   * data cannot be read or trusted.
   */
  load(visit: (record: JournalRecord) => void): Promise<void>;
  /**
   * Makes one group durable. At most one append at a time, with at least one record, the revisions
   * following on from the last. Never rejects for a failure of storage: that is an outcome. After
   * any outcome but `acked` the journal accepts nothing more.
   */
  append(records: readonly JournalRecord[]): Promise<AppendOutcome>;
  /** Why an append was not acked, for the log. */
  readonly failure: Error | undefined;
  /** Releases what is held. No append may be under way. */
  close(): Promise<void>;
}
