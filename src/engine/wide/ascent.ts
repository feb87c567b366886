// Generated from ../narrow/ascent.ts by `npm run wide`. Do not edit.
/**
 * The searches by address, and what all searches have in common. A request names a size, a fit (align,
 * phase, nocross) and a window `[from, to)` that the block must lie in. Segments wholly inside the window
 * are judged by a column of capacities; the at most two that reach across its ends are clipped and judged
 * by themselves. A fit without a column is tried along the column of plain sizes, since a larger segment
 * nearly always fits. Candidates that were large enough and still did not fit are counted against the
 * fit, over all its requests: once they have cost about as much as its own column would, that is built,
 * and from then on leads to the answer without a miss.
 */
import type { Policy } from '../command.ts';
import type { Column, GuidedTree } from './guided-tree.ts';
import { Fit } from './fit.ts';
import { FREE } from './segments.ts';
import type { AddressTree, Segments } from './segments.ts';
import { NONE, ONE, ZERO, order, power } from './unit.ts';
import type { Unit } from './unit.ts';

/** A block, wherever it may lie. */
export interface Wanted {
  readonly size: Unit;
  readonly fit: Fit;
  /** The window, half-open; `[ZERO, LIMIT)` is none. */
  readonly from: Unit;
  readonly to: Unit;
}

export interface Request extends Wanted {
  readonly policy: Policy;
  /** End of the last nextfit grant. */
  readonly cursor: Unit;
  /** 32 random bits, for randomfit. */
  readonly seed: number;
}

export const plainFit = new Fit(ONE, ZERO, ZERO);

/** Candidates that are large enough but do not fit, before the fit gets a column: at least so many, */
const MISSES_MIN = 32;
/** and one for so many free segments, since a column is made from them all. */
const MISSES_SHARE = 8;

/** The lowest placement for the request in the segment at a position, clipped to the window. */
export function lowestIn(s: Segments, request: Request, at: number, from: Unit): Unit {
  const start = s.startOf(at) > from ? s.startOf(at) : from;
  const end = s.endOf(at) < request.to ? s.endOf(at) : request.to;
  return request.fit.lowest(start, end, request.size);
}

/** A block of 2^k at a multiple of 2^k: its column serves every k. */
export function isPrefix(fit: Fit, size: Unit): boolean {
  return (
    fit.align === size &&
    fit.phase === ZERO &&
    size > ONE &&
    power(order(size)) === size &&
    (fit.nocross === ZERO || fit.nocross >= size)
  );
}

/**
 * The column that leads this request: the exact one if it exists or is cheap for its generality
 * (plain sizes, prefixes), else the plain one.
 */
export class Guide {
  readonly #tree: GuidedTree;
  readonly #fit: Fit;
  column: Column;
  #exact: boolean;
  readonly #worth: number;

  constructor(tree: GuidedTree, fit: Fit, size: Unit, holes: number) {
    this.#worth = MISSES_MIN + holes / MISSES_SHARE;
    this.#tree = tree;
    this.#fit = fit;
    const own = fit.plain
      ? tree.column(plainFit)
      : isPrefix(fit, size)
        ? tree.column(undefined)
        : tree.existing(fit);
    this.#exact = own !== undefined;
    this.column = own ?? tree.column(plainFit);
  }

  /** Whether the column is that of the fit. */
  get exact(): boolean {
    return this.#exact;
  }

  /** Candidates inside the window did not fit: builds the fit's own column when it is time. */
  missed(candidates: number): void {
    if (candidates === 0 || this.#exact) return;
    const column = this.#tree.owed(this.#fit, candidates, this.#worth);
    if (column === undefined) return;
    this.column = column;
    this.#exact = true;
  }
}

/** The lowest placement from `from` on. */
export function lowest(segments: Segments, request: Request, from: Unit): Unit {
  const { tree } = segments;
  const { size, fit, to } = request;
  if (from + size > to) return NONE;
  // The first segment may begin before the window: no column knows what is left of it.
  const here = segments.find(from);
  if (segments.stateOf(here) === FREE) {
    const at = lowestIn(segments, request, here, from);
    if (at !== NONE) return at;
  }
  // What is near needs no guide.
  const near = tree.lowestInLeaf(fit, size, to);
  if (near !== NONE) return near;
  const { rejected } = tree;
  const ascent = new Ascent(segments, request);
  return ascent.nextLeaf(rejected) ? ascent.next() : NONE;
}

/**
 * The placements of a request in the segments behind the cursor, one in each segment that has one, by
 * address. These segments start in the window. Where the next one is asked for, the cursor of the tree
 * has to be where it was left.
 */
export class Ascent {
  readonly #tree: AddressTree;
  readonly #request: Request;
  readonly #guide: Guide;

  constructor({ tree, bins }: Segments, request: Request) {
    this.#tree = tree;
    this.#request = request;
    this.#guide = new Guide(tree, request.fit, request.size, bins.count);
  }

  /** The next placement, or NONE. */
  next(): Unit {
    for (;;) {
      const at = this.nextInLeaf();
      if (at !== NONE || !this.nextLeaf()) return at;
    }
  }

  /** The next one in the same leaf of the tree, or NONE. */
  nextInLeaf(): Unit {
    const { size, fit, to } = this.#request;
    if (!this.#tree.mayHold(this.#guide.column, size)) return NONE;
    const at = this.#tree.lowestInLeaf(fit, size, to);
    this.#guide.missed(this.#tree.rejected);
    return at;
  }

  /**
   * On to the next leaf that may hold one; false where there is none in the window. In the leaf before
   * so many were rejected that are not counted yet.
   */
  nextLeaf(rejected = 0): boolean {
    const { size, to } = this.#request;
    this.#guide.missed(rejected);
    return this.#tree.nextLeaf(this.#guide.column, size) && this.#tree.leafKey + size <= to;
  }
}

/** The mirror of `lowest`: the highest placement that ends before the end of the window. */
export function highest(segments: Segments, request: Request): Unit {
  const { tree } = segments;
  const { size, fit, from, to } = request;
  const here = segments.find(to - ONE);
  if (segments.stateOf(here) === FREE) {
    const start = segments.startOf(here);
    const end = segments.endOf(here);
    const at = fit.highest(start > from ? start : from, end < to ? end : to, size);
    if (at !== NONE) return at;
  }
  const guide = new Guide(tree, fit, size, segments.bins.count);
  for (;;) {
    if (tree.mayHold(guide.column, size)) {
      const at = tree.highestInLeaf(fit, size, from);
      if (at !== NONE) return at;
      guide.missed(tree.rejected);
    }
    if (tree.leafKey <= from || !tree.previousLeaf(guide.column, size)) return NONE;
  }
}
