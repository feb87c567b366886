/**
 * When there was which revision, by a steady clock. The engine says since which *revision* something
 * is so; how long that is, in time, is known here, from notes of both. The first note is taken after
 * the start of the process: what is older seems to have begun then.
 *
 * Notes are few: one is dropped where the next younger one is nearer than 1/512 of its age, so that a
 * time seems shorter by that share at most, and never longer than it is.
 */

/** There was this revision at this time, in milliseconds of the steady clock. */
interface Note {
  readonly at: number;
  readonly revision: number;
}

const SHARE = 512;
/** Notes are thinned out when they are more than twice as many as were left the last time. */
const NOTES_MIN = 1024;

export class RevisionTimes {
  /** Oldest first; both of its numbers grow. */
  #notes: Note[] = [];
  #thinAt = NOTES_MIN;

  /** There is this revision now. Nothing older than `oldest` will be asked for. */
  note(revision: number, now: number, oldest: number): void {
    const notes = this.#notes;
    if (notes.length === 0 || notes.at(-1)!.revision < revision) notes.push({ at: now, revision });
    const first = this.#from(oldest);
    if (first > 0) notes.splice(0, first);
    if (notes.length > this.#thinAt) this.#thin(now);
  }

  /** When there was this revision, at the latest; `undefined` where that is not noted yet. */
  timeOf(revision: number): number | undefined {
    return this.#notes[this.#from(revision)]?.at;
  }

  /** The youngest revision that there was at this time for certain; -1 where there is none. */
  at(time: number): number {
    return this.#notes[this.#notes.findLastIndex(({ at }) => at <= time)]?.revision ?? -1;
  }

  /** Place of the first note of this revision or a younger one. */
  #from(revision: number): number {
    let low = 0;
    let high = this.#notes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#notes[middle]!.revision < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #thin(now: number): void {
    const kept: Note[] = [];
    for (const note of this.#notes.toReversed()) {
      const younger = kept.at(-1);
      if (younger !== undefined && younger.at - note.at <= (now - note.at) / SHARE) continue;
      kept.push(note);
    }
    this.#notes = kept.toReversed();
    this.#thinAt = Math.max(NOTES_MIN, kept.length * 2);
  }
}
