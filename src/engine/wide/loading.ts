// Generated from ../narrow/loading.ts by `npm run wide`. Do not edit.
/**
 * A fresh space filled in one pass from what `saving.ts` read out of another: segments are appended
 * in order of address, gaps are filed in the order given. Nothing is searched for.
 *
 * What comes in is not trusted: an assertion fails where the segments do not tile the runs exactly,
 * where free neighbours are not one segment, or where a gap is not filed exactly once.
 */
import { assert } from '../assert.ts';
import { growth } from '../growth.ts';
import type { Column, Loading, SegmentColumns } from '../space.ts';
import { unitOf } from './quanta.ts';
import type { Run } from './run.ts';
import { BUSY, FREE, HELD, VOID } from './segments.ts';
import type { Segments } from './segments.ts';
import { copied } from './nodes.ts';
import { LIMIT, ZERO } from './unit.ts';
import type { Unit } from './unit.ts';

/** Spans that segments may straddle, in units; the edge keeps them apart from the run before. */
export interface Bounds {
  readonly start: Unit;
  readonly end: Unit;
  readonly edge: boolean;
}

export class Loader implements Loading {
  /** An unordered run, of an arena that has only one, or ordered segments. */
  readonly #unordered: Run | undefined;
  readonly #ordered: Segments | undefined;
  readonly #runs: readonly Bounds[];
  /** The run that is being filled, up to where, and the state of the last segment. */
  #run = 0;
  #at: Unit = ZERO;
  #state = VOID;
  /** Busy and resting segments of each run. */
  readonly #busy: number[] = [];
  /** Gaps in order of address, as the bins name them; how many they are, and how many are filed. */
  #gaps = new Uint32Array(64);
  #free = 0;
  #filed = 0;

  /** `runs` are in order; `into` is fresh. */
  constructor(into: { unordered?: Run; ordered?: Segments }, runs: readonly Bounds[]) {
    this.#unordered = into.unordered;
    this.#ordered = into.ordered;
    this.#runs = runs;
    this.#enter();
  }

  segments({ sizes, states, ids }: SegmentColumns): void {
    for (let i = 0; i < sizes.length; i++) {
      const run = this.#runs[this.#run];
      assert(run !== undefined, 'segments lie in spans');
      const start = this.#at;
      const end = start + unitOf(sizes[i]!);
      const state = states[i]!;
      assert(end > start && end <= run.end, 'a segment ends within its spans');
      assert(state === FREE || state === BUSY || state === HELD, 'a segment of a span is not void');
      assert(state !== FREE || this.#state !== FREE, 'free neighbours are one segment');
      this.#append(start, end, state, start === run.start && run.edge, ids[i]!);
      this.#at = end;
      this.#state = state;
      if (state === BUSY || (state === HELD && ids[i] !== 0)) this.#busy[this.#run]!++;
      if (end === run.end) {
        this.#run++;
        this.#enter();
      }
    }
  }

  gaps(ordinals: Column): void {
    const { bins } = (this.#unordered ?? this.#ordered)!;
    for (let i = 0; i < ordinals.length; i++) {
      const ordinal = ordinals[i]!;
      assert(ordinal < this.#free, 'only free segments are filed');
      bins.settle(this.#gaps[ordinal]!);
    }
    this.#filed += ordinals.length;
  }

  end(): readonly number[] {
    assert(this.#run === this.#runs.length, 'segments cover the spans');
    assert(this.#filed === this.#free, 'every free segment is filed');
    if (this.#at < LIMIT && this.#runs.length > 0) this.#void();
    this.#unordered?.hash();
    return this.#busy;
  }

  /** Goes on to the next run, over the void in front of it. */
  #enter(): void {
    const run = this.#runs[this.#run];
    if (run === undefined) return;
    assert(run.start >= this.#at, 'runs are in order');
    if (run.start > this.#at && this.#run > 0) this.#void();
    if (run.start > this.#at || run.edge) this.#state = VOID;
    this.#at = run.start;
    this.#busy.push(0);
  }

  #append(start: Unit, end: Unit, state: number, edge: boolean, id: number): void {
    const into = this.#ordered;
    const cell =
      into === undefined
        ? this.#unordered!.append(start, end, state, id)
        : into.append(start, end, state, edge, id);
    if (state !== FREE) return;
    if (this.#free === this.#gaps.length) this.#gaps = copied(this.#gaps, growth(this.#free, 4));
    this.#gaps[this.#free++] = cell;
  }

  #void(): void {
    this.#ordered?.append(this.#at, LIMIT, VOID, false, 0);
  }
}
