// Generated from ../narrow/earliest.ts by `npm run wide`. Do not edit.
/**
 * Where a block goes first as rests end in their order: the same place as by ending them one by one
 * (`joining.ts`), but by halving. Whether there is a place once all up to a revision have ended is asked
 * of columns of what lies side by side; after each answer, what is always joined is one piece, and what
 * never is has gone. So all answers together take a few passes over the columns, however many rests have
 * to end. No segment changes.
 */
import type { Request } from './ascent.ts';
import { FREE, HELD } from './segments.ts';
import type { Segments } from './segments.ts';
import { NONE, ZERO, unitArray } from './unit.ts';
import type { Unit, UnitArray } from './unit.ts';
import { placeInRunAmong } from './windowed.ts';

/** Since when ranges rest, which end in the order of this, and of their addresses. */
export interface Since {
  /** By id of a held segment, from 1 on. */
  readonly ids: Float64Array;
  /** Of ids. */
  readonly count: number;
  /** Segments that become free together, by the start of the first; Infinity for what stays as it is. */
  readonly slabs: ReadonlyMap<Unit, { readonly end: Unit; readonly since: number }>;
}

/** The start of a block, in the run that the last rest to end makes; NONE where there is none. */
export function placeEarliest(
  segments: Segments,
  requests: readonly Request[],
  since: Since,
): Unit {
  const pieces = new Pieces(segments, since);
  // Times are revisions, of which there may be far more before the oldest rest than after it.
  const revision = earliest(pieces, requests, pieces.first, pieces.last);
  if (revision === 0) return NONE;
  return pieces.place(requests, earliest(pieces, requests, 1, pieces.renumber()));
}

/** The first time at which there is a place, from `first` up to `last`; 0 where there is none. */
function earliest(
  pieces: Pieces,
  requests: readonly Request[],
  first: number,
  last: number,
): number {
  if (pieces.place(requests, last) === NONE) return 0;
  let before = first - 1;
  let after = last;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (pieces.place(requests, middle) === NONE) {
      pieces.join(middle);
      before = middle;
    } else {
      pieces.drop(middle);
      after = middle;
    }
  }
  return after;
}

/** What is free, at the time 0, or will be, in order. */
class Pieces {
  readonly #starts: UnitArray;
  readonly #ends: UnitArray;
  readonly #times: Float64Array;
  /** Whether a piece is never joined with the one before it. */
  readonly #apart: Uint8Array;
  #count = 0;
  /** When the first one becomes free, and the last. */
  first = Infinity;
  last = 0;

  constructor(segments: Segments, { ids, count, slabs }: Since) {
    const most = count + segments.bins.count;
    this.#starts = unitArray(most);
    this.#ends = unitArray(most);
    this.#times = new Float64Array(most);
    this.#apart = new Uint8Array(most);
    let apart = 1;
    let end: Unit = ZERO;
    for (let at = segments.first(); at !== segments.none; at = segments.after(at)) {
      const start = segments.startOf(at);
      // Within a slab.
      if (start < end) continue;
      const slab = slabs.size === 0 ? undefined : slabs.get(start);
      const state = segments.stateOf(at);
      let time = Infinity;
      if (slab !== undefined) time = slab.since;
      else if (state === FREE) time = 0;
      else if (state === HELD) time = ids[segments.idOf(at)]!;
      end = slab?.end ?? segments.endOf(at);
      if (time === Infinity) apart = 1;
      else {
        const isApart = apart === 1 || segments.edgeOf(at) ? 1 : 0;
        this.#put(this.#count++, start, end, time, isApart);
        apart = 0;
        if (time > 0 && time < this.first) this.first = time;
        if (time > this.last) this.last = time;
      }
    }
  }

  /**
   * The start of a block in a run of what is free at a time; NONE where there is none. A run is looked
   * at if something of it was not free from the beginning.
   */
  place(requests: readonly Request[], time: number): Unit {
    const [starts, ends, times] = [this.#starts, this.#ends, this.#times];
    const [first] = requests;
    if (first === undefined) return NONE;
    for (let i = 0; i < this.#count; i++) {
      if (times[i]! > time) continue;
      const start = starts[i]!;
      let isNew = times[i]! > 0;
      while (this.#isJoined(i + 1, time)) isNew = times[++i]! > 0 || isNew;
      if (!isNew || ends[i]! - start < first.size) continue;
      const at = placeInRunAmong(requests, start, ends[i]!);
      if (at !== NONE) return at;
    }
    return NONE;
  }

  /** What is free at a time is so from the beginning. */
  join(time: number): void {
    const count = this.#count;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const start = this.#starts[i]!;
      const apart = this.#apart[i]!;
      const own = this.#times[i]!;
      const isFree = own <= time;
      if (isFree) while (this.#isJoined(i + 1, time)) i++;
      this.#put(kept++, start, this.#ends[i]!, isFree ? 0 : own, apart);
    }
    this.#count = kept;
  }

  /** What is not free at a time never is. */
  drop(time: number): void {
    const count = this.#count;
    let kept = 0;
    let gap = 0;
    for (let i = 0; i < count; i++) {
      const own = this.#times[i]!;
      const apart = gap | this.#apart[i]!;
      gap = own > time ? 1 : 0;
      if (gap === 0) this.#put(kept++, this.#starts[i]!, this.#ends[i]!, own, apart);
    }
    this.#count = kept;
  }

  /** All that becomes free does so one after another from now on, in order; returns the last time. */
  renumber(): number {
    let last = 0;
    for (let i = 0; i < this.#count; i++) if (this.#times[i]! > 0) this.#times[i] = ++last;
    return last;
  }

  #isJoined(i: number, time: number): boolean {
    return i < this.#count && this.#times[i]! <= time && this.#apart[i] === 0;
  }

  #put(at: number, start: Unit, end: Unit, time: number, apart: number): void {
    this.#starts[at] = start;
    this.#ends[at] = end;
    this.#times[at] = time;
    this.#apart[at] = apart;
  }
}
