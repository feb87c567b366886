/**
 * The pace of a checkpoint: how long it rests between two steps. Made at full speed it holds up those
 * who are served meanwhile, where there are no processors to spare. While records come, it therefore
 * takes about a quarter of the time; when none come, when somebody waits for it, or when so many have
 * come that the next start would take much longer, all of it.
 */

/** It rests for so many times as long as the step before it took. */
const restsPerWork = 3;
/** Whoever asks for something in the midst of a rest waits for no more than this. */
export const restMsMax = 250;
/** It rests until so much has come of what makes the next checkpoint due. */
export const shareWhileResting = 0.25;

/** What is stored. */
export interface Stored {
  readonly revision: number;
  /** Of the text of all records. */
  readonly bytesTotal: number;
}

/** A step that was taken: one request of the thread that makes the checkpoint, and its answer. */
export interface Step {
  readonly tookMs: number;
  /** Whether somebody waits for what this checkpoint keeps waiting. */
  readonly awaited: boolean;
  readonly stored: Stored;
}

export class CheckpointPace {
  readonly #bytesMax: number;
  #revision: number;

  /** `begun` is what was stored when it began; records of `bytesDue` more make the next one due. */
  constructor(begun: Stored, bytesDue: number) {
    this.#revision = begun.revision;
    this.#bytesMax = begun.bytesTotal + bytesDue * shareWhileResting;
  }

  /** Milliseconds to rest after a step. */
  restMs({ tookMs, awaited, stored: { revision, bytesTotal } }: Step): number {
    const coming = revision !== this.#revision;
    this.#revision = revision;
    if (!coming || awaited || bytesTotal > this.#bytesMax) return 0;
    return Math.min(tookMs * restsPerWork, restMsMax);
  }
}
