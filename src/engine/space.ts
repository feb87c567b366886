/**
 * The segments of one arena, addressed by bigints. Two implementations share one source: narrow
 * (units are doubles) and wide (units are bigints); see `narrow/unit.ts`.
 */
import type { Constraint, Policy, Range } from './command.ts';
import type { Window } from './windows.ts';

/** A segment as found: `id` is the caller's for busy and held ones; 0 of a held one that does not rest. */
export interface Found {
  readonly base: bigint;
  readonly size: bigint;
  readonly state: number;
  readonly id: number;
}

/** Whole segments that are not free, side by side; one alone needs no size. */
export interface Joint {
  readonly base: bigint;
  readonly size?: bigint;
}

/** In which order rests end: by since when they last, then by address. */
export interface RestOrder {
  /** Revisions by id of a segment that rests. */
  readonly ids: Float64Array;
  /** Segments that rest. */
  readonly count: number;
  /** Slabs, which become free as a whole or, with Infinity, not at all. */
  readonly slabs: readonly (Range & { readonly since: number })[];
}

/** Whether a segment is held; numbers are whole ones below 2^53. */
export type Holds = (base: bigint | number, size: bigint | number, id: number) => boolean;

export interface Placement {
  readonly size: bigint;
  readonly constraint: Constraint;
  readonly policy: Policy;
  /** End of the arena's last nextfit grant. */
  readonly cursor: bigint;
  readonly seed: number;
  /** Where the block has to lie besides; anywhere where absent. */
  readonly windows?: readonly Window[] | undefined;
}

/** A number of quanta: a number up to 2^53 - 1, a bigint beyond, never one for the other. */
export type Quanta = number | bigint;

/** Values one after another: an array, or, where there may be many of them, a typed one. */
export type Column<T = number> = ArrayLike<T>;

/** Segments side by side, a place in each column for each; what is void is left out. */
export interface SegmentColumns {
  readonly sizes: Column<Quanta>;
  readonly states: Column;
  /** The caller's, of busy and held ones; else 0. */
  readonly ids: Column;
}

/** As they are read out. */
export interface SavedColumns extends SegmentColumns {
  readonly sizes: readonly Quanta[];
  readonly states: readonly number[];
  readonly ids: readonly number[];
}

/** Reads a space out in pieces; the space must not change meanwhile. */
export interface Saving {
  /** All segments in order of address, in columns of at most so many. */
  segments(most: number): Generator<SavedColumns>;
  /**
   * The free segments in the order in which they are filed, class by class, each as its place among
   * the free segments in order of address, from 0. Only when all segments have been read.
   */
  gaps(most: number): Generator<number[]>;
}

/** Fills a fresh space with what another one saved. Throws AssertionError where that is not a space. */
export interface Loading {
  segments(columns: SegmentColumns): void;
  gaps(ordinals: Column): void;
  /** Nothing more comes; returns the number of busy and resting segments in each run. */
  end(): readonly number[];
}

/** Spans that segments may straddle; an edge keeps them apart from what ends where they begin. */
export interface SpanRun extends Range {
  readonly edge: boolean;
}

/** How many blocks fit side by side, at least; exactly, unless there may be more. */
export interface BlockCount {
  readonly blocks: bigint;
  readonly more: boolean;
}

/** Bases and sizes are multiples of the quantum; sizes are positive. */
export interface Space {
  /** Whether the space can hold `[base, base + size)` at all. */
  holds(base: bigint, size: bigint): boolean;
  /** Makes a void range a free part of a span; an edge keeps it from merging with its neighbour. */
  add(base: bigint, size: bigint, edgeStart: boolean, edgeEnd: boolean): void;
  /** Makes a free range void. */
  remove(base: bigint, size: bigint): void;
  /** Where a block would go, or undefined where there is no placement. Changes nothing. */
  place(placement: Placement): bigint | undefined;
  /**
   * Where a block would go if the joints were free, one after another in this order, until there is
   * a place for it: in the run that the last one makes with what is free beside it. Changes nothing.
   */
  placeJoining(placement: Placement, joints: Iterable<Joint>): bigint | undefined;
  /** The same as all rests end in their order: in a few passes over the segments. Changes nothing. */
  placeEarliest(placement: Placement, order: RestOrder): bigint | undefined;
  /** The largest size that `place` would find room for under the constraint, in the windows. */
  largestFitting(constraint: Constraint, windows?: readonly Window[]): bigint;
  /**
   * How many blocks there is room for side by side; looks at no more than `most` free segments, in
   * each of the windows, which do not overlap.
   */
  count(
    size: bigint,
    constraint: Constraint,
    most: number,
    windows?: readonly Window[],
  ): BlockCount;
  /**
   * Takes blocks for busy segments, each where `place` puts it once those before are taken, until
   * there are so many or there is no place; `name` is told where each is, and gives its id.
   */
  fill(placement: Placement, count: number, name: (base: bigint) => number): void;
  /** Takes a free range for `id`; state is BUSY or HELD. */
  occupy(base: bigint, size: bigint, state: number, id: number): void;
  /** Frees the busy or held segment at `base`. */
  vacate(base: bigint): void;
  /** Moves the end of the busy segment at `base`. */
  resize(base: bigint, size: bigint): void;
  relabel(base: bigint, state: number, id: number): void;
  /** Makes the inside address `at` of a busy or held segment the start of another one, for `id`. */
  cut(at: bigint, id: number): void;
  /** Makes the busy or held segment that starts at `at` a part of the one before it, of its kind. */
  join(at: bigint): void;
  /** Makes those busy segments held that `which` says, in order; it may not look at the space. */
  hold(which: Holds): void;
  /** Whether a range lies within one free segment. */
  isFree(base: bigint, size: bigint): boolean;
  /** The segment that holds an address; state VOID where no span does. */
  find(address: bigint): Found;
  /** Segments that end above `from`, in order, void ones left out; stops when `visit` returns false. */
  walk(from: bigint, visit: (segment: Found) => boolean): void;
  /**
   * All segments, in order, void ones left out; `found` tells where the present one is, which costs
   * more than all the rest. Returns the last of them.
   */
  each(visit: (state: number, id: number, found: () => Found) => void): Found | undefined;
  /** All segments that are held with an id, in order. */
  resting(visit: (segment: Found) => void): void;
  save(): Saving;
  /**
   * Fills the space, which is fresh and holds the runs; they are in order. `ordered` spares the first
   * question that needs an order the work of making one.
   */
  load(runs: readonly SpanRun[], ordered: boolean): Loading;
  readonly free: bigint;
  readonly size: bigint;
  readonly largestFree: bigint;
  readonly holes: number;
  /** Free segments by order of their size in quanta: how many of [2^k, 2^(k+1)). */
  readonly histogram: readonly number[];
  readonly bytes: number;
  /** What is wrong with the indexes, one sentence each: the invariants of the tiling. */
  check(): string[];
}
