/**
 * History: who held an address, from when until when, and why that ended. A *period* is a time in
 * which a range was held with the same size, owner and labels; what changes any of them ends one
 * period and begins the next.
 */
import type { Labels, Notation, Width } from '../engine/command.ts';

/**
 * Why a period ended. After `resized`, `updated`, `split` and `merged` the range was held on, in the
 * periods that began then. The book has places in this list: new ones go to its end.
 */
export const endings = [
  'freed',
  'freed-all',
  'expired',
  'revoked',
  'arena-destroyed',
  'released',
  'resized',
  'updated',
  'split',
  'merged',
] as const;
export type Ending = (typeof endings)[number];

/** What is known of an allocation beside where it is. */
export interface Facts {
  readonly owner?: string;
  readonly labels?: Labels;
  /** What the client called it. */
  readonly externalId?: string;
  /** The lease that it was under. */
  readonly lease?: string;
  /** The arena that held the range as one of its spans. */
  readonly importedBy?: string;
}

/** How addresses of an arena are written. */
export interface Space {
  readonly notation: Notation;
  readonly width: Width;
}

/** Times are in milliseconds since 1970 UTC, as the records have them. */
export interface Period {
  readonly space: Space;
  readonly base: bigint;
  readonly size: bigint;
  readonly facts: Facts;
  /** When the range was allocated; absent where it was before all that is known. */
  readonly grantedAt?: number;
  /** When the period began, and at which revision; absent together with `grantedAt`. */
  readonly heldFrom?: number;
  readonly revision?: number;
  /** Absent while it is held. */
  readonly end?: { readonly at: number; readonly revision: number; readonly ending: Ending };
}

export interface HistoryQuery {
  /** A name; all arenas that ever had it are meant. */
  readonly arena: string;
  /** Periods with an address from `first` to `last`. */
  readonly first: bigint;
  readonly last: bigint;
  /** Only what was held when everything up to this revision had happened … */
  readonly atRevision?: number;
  /** … or up to the last one of this time, or of an earlier one. */
  readonly at?: number;
  /** Only what was held after this revision. */
  readonly after?: number;
  readonly limit: number;
  /** Where the page before has stopped. */
  readonly position?: Position;
  /** Answered when everything up to this revision is known. */
  readonly revision: number;
}

/** A place in the answer to a query. */
export interface Position {
  /** The arena, by the revision at which it was created; 0 where that is not known. */
  readonly created: number;
  /** The fork of the last period that was looked at, or 0 … */
  readonly fork: bigint;
  /** … and the revision at which it began: what began earlier is next, if it has the same fork. */
  readonly before: number;
  /** What `at` was found to mean. */
  readonly atRevision?: number;
}

/** What is known of the past. */
export interface Extent {
  /** The last revision that is known. */
  readonly revision: number;
  /** What ended up to this revision is no longer known; 0: everything is. */
  readonly trimmedRevision: number;
  /**
   * From here on it is known who held what at any time. Before, what was held since before
   * `trimmedRevision` is known only where something names it.
   */
  readonly completeRevision: number;
}

export interface HistoryAnswer extends Extent {
  readonly periods: readonly Period[];
  /** Where the next page begins; there may be one although this one is short. */
  readonly next?: Position;
}

/** Of the time that was asked for it is not known who held what. */
export interface TooEarly extends Extent {
  readonly tooEarly: true;
}

/** An arena of this name, and when it had it. */
export interface NamedSpace extends Space {
  /** The revision at which it was created; 0 where it was before all that is known. */
  readonly created: number;
  /** Absent while it exists. */
  readonly destroyed?: number;
}

/** There is no answer now; the message says why. */
export class HistoryUnavailable extends Error {
  override name = 'HistoryUnavailable';
}

/** Where history is asked for. All reject with HistoryUnavailable. */
export interface History {
  ask(query: HistoryQuery): Promise<HistoryAnswer | TooEarly>;
  /** The arena that last had a name, when everything up to `revision` is known. */
  space(arena: string, revision: number): Promise<NamedSpace | undefined>;
  /** The arena that had it at a revision. */
  spaceAt(arena: string, revision: number): Promise<NamedSpace | undefined>;
  /** What is known, as of a second ago; undefined until the first time it was told. */
  readonly extent: Extent | undefined;
}
