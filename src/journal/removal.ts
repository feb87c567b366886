/**
 * Removal of what is no longer needed: older checkpoints, the history that the settings do not
 * keep, and answers whose idempotency keys are old. It goes in short transactions with pauses between them, so that appends get most of the
 * time; what a stop interrupts is found again by the next start.
 */
import type { CheckpointTable } from './checkpoint-table.ts';
import type { GroupTable } from './group-table.ts';
import type { KeyedTable } from './keyed-table.ts';
import type { Retention } from './retention.ts';

export interface RemovalOptions {
  readonly groups: GroupTable;
  readonly checkpoints: CheckpointTable;
  readonly keyed: KeyedTable;
  readonly retention: Retention;
  /** History after this revision is kept, because a follower may not have it yet. */
  readonly keptFrom: () => number;
  /** Told that only this keeps history up to here, when the follower may as well have it for good. */
  readonly onHeldBack: (revision: number) => void;
  /** Serves what was asked of the journal; called before every step. */
  readonly beforeStep: () => void;
  /** Told at the end how many groups were trimmed, if any were. */
  readonly onTrimmed: (groups: number) => void;
  readonly onFailure: (error: unknown) => void;
}

/** Of the time, removing takes at most one part in four. */
const pauseFactor = 3;
const pauseMsMin = 1;

export class Removal {
  readonly #options: RemovalOptions;
  #running: Promise<void> | undefined;
  #wanted = false;
  #holds = 0;

  constructor(options: RemovalOptions) {
    this.#options = options;
  }

  /** Removes until nothing is left to remove; resolves then, or when it is held or has failed. */
  run(): Promise<void> {
    this.#wanted = true;
    this.#running ??= this.#removeAll();
    return this.#running;
  }

  /** Removes nothing more until each has called `resume`; resolves when nothing is under way. */
  async hold(): Promise<void> {
    this.#holds += 1;
    await this.#running;
  }

  resume(): void {
    this.#holds -= 1;
  }

  async #removeAll(): Promise<void> {
    const { beforeStep, onTrimmed, onFailure } = this.#options;
    let groups = 0;
    // From here on `run` has the promise, which the end takes back.
    await Promise.resolve();
    try {
      while (this.#wanted && this.#holds === 0) {
        beforeStep();
        const startedAt = performance.now();
        const trimmed = this.#trim();
        groups += trimmed;
        // What is asked for during the pause is looked for once more.
        this.#wanted = trimmed > 0 || this.#removeOlder();
        if (this.#wanted) await pause(pauseFactor * (performance.now() - startedAt));
      }
    } catch (error) {
      onFailure(error);
    } finally {
      // Nothing may be awaited between the last look and this.
      this.#running = undefined;
    }
    if (groups > 0) onTrimmed(groups);
  }

  #removeOlder(): boolean {
    const { groups, checkpoints, keyed } = this.#options;
    return checkpoints.removeOlder() || keyed.removeOlder(groups.ranMs);
  }

  #trim(): number {
    const { groups, checkpoints, retention, keptFrom, onHeldBack } = this.#options;
    const { newest } = checkpoints;
    if (newest === undefined) return 0;
    const trimmed = groups.trim(newest, retention, keptFrom());
    // Nothing above the checkpoint goes before there is a newer one.
    if (trimmed.heldBack) onHeldBack(newest.revision);
    return trimmed.groups;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, Math.max(pauseMsMin, ms));
  });
}
