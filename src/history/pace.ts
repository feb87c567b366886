/**
 * The pace of the book: how long it rests between two steps. While records come, it leaves most of a
 * processor to those who make them, and falls behind; when none come, it catches up. Nobody waits
 * for it meanwhile but those who ask, and for them it does not rest.
 */

/** A step that was taken: a page of records. */
export interface Pace {
  /** For how long it worked. */
  readonly tookMs: number;
  /** Bytes of the text of records that are stored and not taken yet. */
  readonly behind: number;
  /** Whether records have been stored since the step before. */
  readonly coming: boolean;
}

/** What comes is gathered for so long, because a page has its price. */
const gatherMs = 50;
/** It rests for so many times as long as it has worked: an eighth of a processor is left for it. */
const restsPerWork = 7;
/** Further it does not fall behind: it takes a few seconds to catch up, and whoever asks waits for that. */
export const behindMax = 64 << 20;

/** Milliseconds to rest when nobody asks. */
export function restMs({ tookMs, behind, coming }: Pace): number {
  if (behind > behindMax) return 0;
  if (behind === 0) return Math.max(gatherMs, coming ? tookMs * restsPerWork : 0);
  return coming ? tookMs * restsPerWork : 0;
}
