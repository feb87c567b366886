/**
 * Journal: the port between the sequencer and whatever makes records durable. It knows nothing of
 * any database; an implementation is handed encoded records and decides only how they are stored.
 *
 * A group is what one commit makes durable, all or nothing. The caller keeps at most one append
 * under way and gathers the next group meanwhile, so an implementation never has to order appends.
 *
 * A checkpoint is the state up to a revision in parts, one line of text each. The journal makes it
 * from what is stored, by replaying it elsewhere, and never asks the live engine: so it takes no
 * time of the caller's, and each one reads back and verifies what the records say. The records it
 * covers are history from then on, kept for as long as the settings say.
 *
 * Beside the record of a request that had an idempotency key the journal stores its answer, in the
 * same commit, and finds it by the key for a day and longer, see keyed.ts.
 */
import type { SnapshotPart } from '../engine/snapshot.ts';
import type { Keyed } from './keyed.ts';

/** One event as stored. Revisions run 1, 2, 3 … without gaps. */
export interface JournalRecord {
  readonly revision: number;
  /** One line of text: the encoding of one event, see record.ts. */
  readonly body: string;
  /** To be stored with it, where the request had a key. It is not read back with the record. */
  readonly keyed?: Keyed;
}

/**
 * What became of an append.
 * - `acked`: durable.
 * - `fenced`: not stored, and never will be: another process is the writer now.
 * - `unknown`: an error struck on the way. The group may or may not be found after a restart.
 */
export type AppendOutcome = 'acked' | 'fenced' | 'unknown';

/** Takes what is stored, in the order of these functions. What one throws ends the visit. */
export interface Visitor {
  /** A part of the newest checkpoint; none where there is no checkpoint. */
  part(part: SnapshotPart): void;
  /** After the last part: the revision of which the parts are the state. */
  checkpoint(revision: number): void;
  /** Every record after the checkpoint, in the order of storage. */
  record(record: JournalRecord): void;
}

/**
 * The hash of a state: SHA-256, in hexadecimal, over every part of it and a newline after each.
 * Two engines with the same hash answer every later command alike.
 */
export interface StateHash {
  readonly revision: number;
  readonly hash: string;
}

export interface CheckpointReport extends StateHash {
  readonly parts: number;
  readonly bytes: number;
  /** How many of the parts an interrupted attempt had stored already. */
  readonly partsKept: number;
  readonly ms: number;
}

/** What the journal holds, for health and metrics. */
export interface JournalFigures {
  /** The newest complete checkpoint. */
  readonly checkpoint?: StateHash & {
    /** Milliseconds since 1970 UTC. */
    readonly completedAt: number;
    readonly ms: number;
    readonly parts: number;
    readonly bytes: number;
  };
  /** Whether one is being made now. */
  readonly checkpointing: boolean;
  readonly recordsSinceCheckpoint: number;
  readonly bytesSinceCheckpoint: number;
  /** Bytes of text of all records stored. */
  readonly historyBytes: number;
  /** The last record that was trimmed; 0 where none was. */
  readonly trimmedRevision: number;
}

/** The keys that the journal holds. */
export interface KeyFigures {
  readonly held: number;
  /** As many as it is meant to hold: whoever adds more breaks no promise, but takes more memory. */
  readonly max: number;
  /** In how many milliseconds the oldest is forgotten; 0 where there is none. */
  readonly oldestLeavesIn: number;
}

export interface HistoryPage {
  /** Empty at the end. */
  readonly records: readonly JournalRecord[];
  /** Records up to this one are no longer stored. */
  readonly trimmedRevision: number;
}

export interface Journal {
  /**
   * Visits the newest checkpoint and every record after it. Called once, before anything else.
   * What the visitor throws rejects the promise. Rejects with RecoveryError where the stored data
   * cannot be read or trusted.
   */
  load(visitor: Visitor): Promise<void>;
  /**
   * Makes one group durable. At most one append at a time, with at least one record, the revisions
   * following on from the last. Never rejects for a failure of storage: that is an outcome. After
   * any outcome but `acked` the journal accepts nothing more.
   */
  append(records: readonly JournalRecord[]): Promise<AppendOutcome>;
  /**
   * Makes a checkpoint of everything durable when this is called, or waits for the one that has
   * it. Rejects where the journal fails or is closed meanwhile.
   */
  checkpoint(): Promise<CheckpointReport>;
  /** The hash of the state at a durable revision, at least the present one. Rejects as above. */
  state(): Promise<StateHash>;
  /** The next page of stored records after a revision, or after the last one that was trimmed. */
  history(after: number): Promise<HistoryPage>;
  readonly figures: JournalFigures;
  /**
   * What was stored with a key, by its digest: undefined where the key is not known, and also as
   * what it resolves to, where it was forgotten meanwhile. Rejects as `state` does.
   */
  keyed(key: string): Promise<Keyed | undefined> | undefined;
  readonly keys: KeyFigures;
  /** Why an append was not acked, for the log. */
  readonly failure: Error | undefined;
  /** Releases what is held; a checkpoint under way is given up. No append may be under way. */
  close(): Promise<void>;
}

/** The storage failed: what became of the last write is known only after a fresh start. */
export class StorageFailure extends Error {
  override name = 'StorageFailure';
}
