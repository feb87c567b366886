/**
 * What would be one free segment if ranges that are not free were: each range is joined in turn with
 * what lies beside it and is free, or was joined before, except across an edge. No segment changes.
 */
import { FREE } from './segments.ts';
import type { Segments } from './segments.ts';
import { LIMIT, ZERO } from './unit.ts';
import type { Unit } from './unit.ts';

export class Joining {
  readonly #segments: Segments;
  /** Where the run that begins, or ends, at a unit ends, or begins. */
  readonly #ends = new Map<Unit, Unit>();
  readonly #starts = new Map<Unit, Unit>();
  /** The run that the last range became a part of. */
  start: Unit = ZERO;
  end: Unit = ZERO;

  constructor(segments: Segments) {
    this.#segments = segments;
  }

  /** Joins whole segments that are not free: from the one at `from` up to `to`, or just that one. */
  join(from: Unit, to: Unit | undefined): void {
    const segments = this.#segments;
    const at = segments.find(from);
    const end = to ?? segments.endOf(at);
    this.start = segments.edgeOf(at) ? from : this.#before(from, segments.tree.before(at));
    this.end = end === LIMIT ? end : this.#after(end);
    this.#ends.set(this.start, this.end);
    this.#starts.set(this.end, this.start);
  }

  /**
   * Where the run that ends at `from` begins, or the free segment there. Its other end stays in the
   * map, where it is about to be written: a key that is deleted time and again makes a map slow.
   */
  #before(from: Unit, position: number): Unit {
    const start = this.#starts.get(from);
    if (start === undefined) {
      const segments = this.#segments;
      return position >= 0 && segments.stateOf(position) === FREE
        ? segments.startOf(position)
        : from;
    }
    this.#starts.delete(from);
    return start;
  }

  #after(end: Unit): Unit {
    const segments = this.#segments;
    const position = segments.find(end);
    if (segments.edgeOf(position)) return end;
    const last = this.#ends.get(end);
    if (last === undefined) {
      return segments.stateOf(position) === FREE ? segments.endOf(position) : end;
    }
    this.#ends.delete(end);
    return last;
  }
}
