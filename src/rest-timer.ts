/**
 * Ends rests once the `quarantineSeconds` of their arena have run out by a steady clock: a wall clock
 * that jumps ends nothing early. The engine says since which *revision* a range rests, and a start is
 * the beginning of all times, so that after downtime every range rests for its full time again.
 *
 * A range rests up to two seconds and 1/512 of its time longer than it has to.
 */
import type { At, EndRests } from './engine/command.ts';
import type { Resting } from './engine/view.ts';
import { limits } from './limits.ts';
import { RevisionTimes } from './revision-times.ts';
import type { Sequencer } from './sequencer.ts';

const PERIOD_MS = 1000;
/** Arenas of which rests are ended in one turn, so many in each: together about 2 ms. */
const ARENAS_PER_TURN = 4;
/**
 * Arenas that are taken of one look at all that rests, which takes time in the number of arenas. Few
 * enough that a `quarantineSeconds` that was raised meanwhile soon holds for the others.
 */
const ARENAS_PER_LOOK = 256;

export class RestTimer {
  readonly #sequencer: Pick<Sequencer, 'execute' | 'read'>;
  readonly #now: () => number;
  readonly #times = new RevisionTimes();
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #stopped = false;

  /** `now` gives milliseconds of a clock that only goes forward, at an even pace. */
  constructor(
    sequencer: Pick<Sequencer, 'execute' | 'read'>,
    now: () => number = () => performance.now(),
  ) {
    this.#sequencer = sequencer;
    this.#now = now;
  }

  /** Looks now, and once a second until `stop`. */
  start(): void {
    void this.look();
    this.#timer = setInterval(() => void this.look(), PERIOD_MS);
    this.#timer.unref();
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  /** Ends what is due; resolves when that is durable. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      // Between two turns there is time for what else waits.
      while (!this.#stopped && (await this.#some()));
    } catch {
      // A journal that failed ends the process, and one that is busy is asked again.
    } finally {
      this.#looking = false;
    }
  }

  /** Whether there may be more that is due. */
  async #some(): Promise<boolean> {
    const seen = await this.#sequencer.read((engine) => {
      return { revision: engine.revision, resting: engine.resting() };
    });
    const due = this.due(seen.resting, seen.revision, this.#now()).slice(0, ARENAS_PER_LOOK);
    for (let at = 0; at < due.length && !this.#stopped; at += ARENAS_PER_TURN) {
      const turn = due.slice(at, at + ARENAS_PER_TURN);
      await Promise.all(turn.map((command) => this.#sequencer.execute(command, () => undefined)));
    }
    return due.length > 0;
  }

  /** What is due of what rests at `revision`, at `now` of the steady clock; notes both. */
  due(resting: readonly Resting[], revision: number, now: number): At<EndRests>[] {
    const oldest = resting.reduce((least, { since }) => Math.min(least, since), revision);
    this.#times.note(revision, now, oldest);
    const due: At<EndRests>[] = [];
    for (const { arena, quarantineSeconds, since } of resting) {
      const ended =
        quarantineSeconds === 0 ? revision : this.#times.at(now - quarantineSeconds * 1000);
      if (since > ended) continue;
      const most = limits.restsPerEventMax;
      due.push({ type: 'endRests', at: Date.now(), arena, restingSince: ended, most });
    }
    return due;
  }

  /** Seconds until the rest that began at a revision may end, at least 1: it is not over now. */
  secondsLeft({ since, quarantineSeconds }: Omit<Resting, 'arena'>): number {
    const now = this.#now();
    const begun = this.#times.timeOf(since) ?? now;
    return Math.max(1, Math.ceil((begun - now) / 1000 + quarantineSeconds));
  }
}
