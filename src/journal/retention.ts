/**
 * Retention: how much of the history is kept, and how far the records may grow before they are
 * folded into a checkpoint. History is what recovery no longer needs.
 */

export interface Retention {
  /** History younger than this is kept, in milliseconds of the service running … */
  readonly ms: number;
  /** … unless there are more bytes of it than this. */
  readonly bytes: number;
}

/** Replayed in a fraction of a second, and a rewrite of a small state every few ten thousand. */
export const checkpointBytesDefault = 16 << 20;
export const historyDaysDefault = 90;
export const historyBytesDefault = 1 << 30;
/** A day of eleven keyed requests a second; each takes half a KiB on disk and 40 to 80 bytes in memory. */
export const keysMaxDefault = 1_000_000;
