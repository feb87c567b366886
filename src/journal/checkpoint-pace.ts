/**
 * The pace of a checkpoint that nobody has asked for: how long it rests between two steps. Made at
 * full speed it holds up those who are served meanwhile: half of their answers take half as long
 * again, where there are no processors to spare. While records come, it therefore takes a quarter
 * of the time; when none come, when somebody waits for it, or when so many have come that the next
 * start would take longer, all of it.
 */

/** It rests for so many times as long as the step before it took. */
const restsPerWork = 3;
/** Whoever asks for something meanwhile waits for no more than this. */
export const restMsMax = 250;

/** What has been stored when a step has been taken. */
export interface Stored {
  readonly revision: number;
  /** Of the text of all records. */
  readonly bytesTotal: number;
}

export class CheckpointPace {
  readonly #bytesMax: number;
  #revision: number;

  /** `begun` is where it was begun; records of `bytes` more may come before it does not rest any longer. */
  constructor(begun: Stored, bytes: number) {
    this.#revision = begun.revision;
    this.#bytesMax = begun.bytesTotal + bytes;
  }

  /** Milliseconds to rest after a step that took `tookMs`. */
  restMs(tookMs: number, { revision, bytesTotal }: Stored): number {
    const coming = revision !== this.#revision;
    this.#revision = revision;
    if (!coming || bytesTotal > this.#bytesMax) return 0;
    return Math.min(tookMs * restsPerWork, restMsMax);
  }
}
