/**
 * Gives wholly free imported spans back to their source once their arena's `releaseAfterSeconds`
 * has run out by a steady clock: a wall clock that jumps releases nothing early. The engine says
 * since which *revision* a span is free; the timer notes which revision there was at which time. A
 * start is the beginning of all notes, so that after downtime every span is kept for its full time.
 *
 * An arena's notes are at least 1/32 of its time apart, so that they are few; a span is therefore
 * released up to that much, and a look, later than it might be.
 */
import type { At, ReleaseSpans } from './engine/command.ts';
import type { Idling } from './engine/view.ts';
import type { Sequencer } from './sequencer.ts';

const PERIOD_MS = 1000;
const NOTES_MAX = 32;
/** Arenas whose spans are released in one turn of the loop; the next turn follows when that is durable. */
const ARENAS_PER_TURN = 16;

/** There was this revision at this time, in milliseconds of the steady clock. */
interface Note {
  readonly at: number;
  readonly revision: number;
}

export class SpanTimer {
  readonly #sequencer: Sequencer;
  readonly #now: () => number;
  /** By arena, oldest first; of arenas alone that have something to give back. */
  #notes = new Map<string, Note[]>();
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #stopped = false;

  /** `now` gives milliseconds of a clock that only goes forward, at an even pace. */
  constructor(sequencer: Sequencer, now: () => number = () => performance.now()) {
    this.#sequencer = sequencer;
    this.#now = now;
  }

  /** Looks once a second until `stop`. */
  start(): void {
    this.#timer = setInterval(() => void this.look(), PERIOD_MS);
    this.#timer.unref();
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  /** Releases what is due; resolves when that is durable. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const seen = await this.#sequencer.read((engine) => {
        return { revision: engine.revision, idling: engine.idling() };
      });
      const due = this.due(seen.idling, seen.revision, this.#now());
      for (let at = 0; at < due.length && !this.#stopped; at += ARENAS_PER_TURN) {
        const turn = due.slice(at, at + ARENAS_PER_TURN);
        await Promise.all(turn.map((command) => this.#sequencer.execute(command, () => undefined)));
      }
    } catch {
      // A journal that failed ends the process, and one that is busy is asked again.
    } finally {
      this.#looking = false;
    }
  }

  /** What is due of what idles at `revision`, at `now` of the steady clock; notes both. */
  due(idling: readonly Idling[], revision: number, now: number): At<ReleaseSpans>[] {
    const notes = new Map<string, Note[]>();
    const due: At<ReleaseSpans>[] = [];
    for (const { arena, releaseAfterSeconds, since } of idling) {
      const time = releaseAfterSeconds * 1000;
      const kept = upTo(now - time, this.#notes.get(arena) ?? []);
      const [oldest] = kept;
      if (oldest !== undefined && oldest.at <= now - time && since <= oldest.revision) {
        due.push({ type: 'releaseSpans', at: Date.now(), arena, freeSince: oldest.revision });
      }
      const youngest = kept.at(-1);
      if (youngest === undefined || now - youngest.at >= time / NOTES_MAX) {
        kept.push({ at: now, revision });
      }
      notes.set(arena, kept);
    }
    this.#notes = notes;
    return due;
  }
}

/** Notes without those that are older than the last one at or before `time`. */
function upTo(time: number, notes: readonly Note[]): Note[] {
  const last = notes.findLastIndex(({ at }) => at <= time);
  return notes.slice(Math.max(last, 0));
}
