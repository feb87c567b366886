/**
 * Where a block goes: the policies, over the indexes of one arena's segments. Nothing here changes
 * a segment. Every search is exact: it answers NONE only if no placement exists.
 *
 * A request names a size, a fit (align, phase, nocross) and a window `[from, to)` that the block
 * must lie in. Segments wholly inside the window are judged by a column of capacities; the at most
 * two that reach across its ends are clipped and judged by themselves. A fit without a column is
 * tried along the column of plain sizes, since a larger segment nearly always fits. Candidates that
 * were large enough and still did not fit are counted against the fit, over all its requests: once
 * they have cost about as much as its own column would, that is built, and from then on leads to the
 * answer without a miss.
 */
import type { Policy } from '../command.ts';
import { classAbove, classOf } from './bins.ts';
import type { Column, GuidedTree } from './guided-tree.ts';
import { Fit } from './fit.ts';
import { FREE, VOID } from './segments.ts';
import type { AddressTree, Segments } from './segments.ts';
import { LIMIT, NONE, ONE, ZERO, order, power } from './unit.ts';
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
/** Heads of size classes that instantfit tries under a constraint. */
export const HEADS_MAX = 8;
/** Draws of randomfit before it looks at the window, and before it goes through what fits; */
export const DRAWS_FIRST = 4;
const DRAWS_MIN = 60;
/** of which it does not go through more than so many for a draw. */
const FITS_SHARE = 1 / 4;
/** Each further round has so many times more. */
const ROUND_GROWTH = 4;
/** So few segments in the window are gone through at once. */
export const FEW = 32;
/** Leaves of sizes that a bounded bestfit looks through before it goes through the window as well. */
const LEAVES_FIRST = 4;
/** Then so many leaves of both in turn, and then one of the window for so many of sizes. */
const TURNS_FIRST = 8;
const TURNS_EACH = 4;
/** Members of one class that instantfit looks through rather than index all sizes. */
const MEMBERS_MAX = 16;

/** The start of a block for the request, or NONE where there is no placement. */
export function place(segments: Segments, request: Request): Unit {
  const { size, from, to, fit } = request;
  if (from + size > to || !fit.admits(size)) return NONE;
  if ((from > ZERO || to < LIMIT) && coversAll(segments, from, to)) {
    return place(segments, { ...request, from: ZERO, to: LIMIT });
  }
  switch (request.policy) {
    case 'instantfit': {
      const at = instant(segments, request);
      return at === NONE ? best(segments, request) : at;
    }
    case 'bestfit':
      return best(segments, request);
    case 'firstfit':
      return lowest(segments, request, from);
    case 'lastfit':
      return highest(segments, request);
    case 'nextfit': {
      const ahead = request.cursor > from ? request.cursor : from;
      const at = lowest(segments, request, ahead);
      return at === NONE && ahead > from ? lowest(segments, request, from) : at;
    }
    case 'randomfit':
      return random(segments, request);
  }
}

/** The start of a block in a run of units taken as free, wherever the policy puts it there, or NONE. */
export function placeInRun(request: Request, start: Unit, end: Unit): Unit {
  const { size, from, to, fit, policy, cursor } = request;
  const low = start > from ? start : from;
  const high = end < to ? end : to;
  if (policy === 'lastfit') return fit.highest(low, high, size);
  if (policy === 'nextfit' && cursor > low) {
    const ahead = fit.lowest(cursor, high, size);
    if (ahead !== NONE) return ahead;
  }
  return fit.lowest(low, high, size);
}

/** Whether no span reaches out of the window: then it bounds nothing. */
function coversAll(segments: Segments, from: Unit, to: Unit): boolean {
  const first = segments.tree.first();
  const start = segments.stateOf(first) === VOID ? segments.endOf(first) : ZERO;
  if (start < from) return false;
  const last = segments.find(LIMIT - ONE);
  return (segments.stateOf(last) === VOID ? segments.startOf(last) : LIMIT) <= to;
}

/** The largest size that `place` would find room for now under the request's fit and window. */
export function largestFitting(segments: Segments, fit: Fit, from: Unit, to: Unit): Unit {
  if (from >= to) return ZERO;
  const { tree } = segments;
  const guide = new Guide(tree, fit, ONE, segments.bins.count);
  let most = ZERO;
  // Without a column of the fit's own, whatever is longer than the largest so far is tried.
  for (let at = segments.find(from); !guide.exact; at = tree.position) {
    if (segments.startOf(at) >= to) return most;
    const capacity = clippedCapacity(segments, fit, at, from, to);
    if (capacity > most) most = capacity;
    else if (segments.stateOf(at) === FREE) guide.missed(1);
    // No block is larger than from one boundary to the next.
    if (most === fit.nocross && most > ZERO) return most;
    if (!tree.nextAtLeast(guide.column, most + ONE)) return most;
  }
  const { column } = guide;
  if (from <= ZERO && to >= LIMIT) return tree.largest(column);
  most = clippedCapacity(segments, fit, segments.find(from), from, to);
  const within = tree.largestUntil(column, to);
  if (within > most) most = within;
  const last = clippedCapacity(segments, fit, segments.find(to - ONE), from, to);
  return last > most ? last : most;
}

/** Blocks counted, and whether the free segments that were not looked at may hold more. */
export interface Count {
  readonly blocks: Unit;
  readonly more: boolean;
}

/**
 * How many blocks could be placed side by side now. Looks at no more than `most` free segments, of
 * those that are at least as large as the block.
 */
export function count(segments: Segments, wanted: Wanted, most: number): Count {
  const { size, fit, from, to } = wanted;
  const { tree } = segments;
  let blocks = ZERO;
  if (from + size > to || !fit.admits(size)) return { blocks, more: false };
  const column = isPrefix(fit, size) ? tree.column(undefined) : tree.column(plainFit);
  let position = segments.find(from);
  for (let looked = 0; ;) {
    if (segments.startOf(position) + size > to) break;
    if (segments.stateOf(position) === FREE) {
      if (++looked > most) return { blocks, more: true };
      const start = segments.startOf(position) > from ? segments.startOf(position) : from;
      const end = segments.endOf(position) < to ? segments.endOf(position) : to;
      blocks += fit.count(start, end, size);
    }
    if (!tree.nextAtLeast(column, size)) break;
    position = tree.position;
  }
  return { blocks, more: false };
}

/** Size of the largest free segment. */
export function largestFree(segments: Segments): Unit {
  return segments.tree.largest(segments.tree.column(plainFit));
}

function clippedCapacity(s: Segments, fit: Fit, at: number, from: Unit, to: Unit): Unit {
  if (s.stateOf(at) !== FREE) return ZERO;
  const start = s.startOf(at) > from ? s.startOf(at) : from;
  const end = s.endOf(at) < to ? s.endOf(at) : to;
  return start < end ? fit.capacity(start, end) : ZERO;
}

/** The lowest placement for the request in the segment at a position, clipped to the window. */
export function lowestIn(s: Segments, request: Request, at: number, from: Unit): Unit {
  const start = s.startOf(at) > from ? s.startOf(at) : from;
  const end = s.endOf(at) < request.to ? s.endOf(at) : request.to;
  return request.fit.lowest(start, end, request.size);
}

/** A block of 2^k at a multiple of 2^k: its column serves every k. */
function isPrefix(fit: Fit, size: Unit): boolean {
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

function highest(segments: Segments, request: Request): Unit {
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

function instant(segments: Segments, request: Request): Unit {
  const { bins } = segments;
  const { size, fit, from, to } = request;
  const free = from <= ZERO && to >= LIMIT;
  let index = bins.nextFilled(classAbove(size));
  if (free && fit.plain) {
    return index < 0 ? fewest(segments, request) : bins.start(bins.oldest(index));
  }
  if (free && fit.nocross === ZERO) {
    // Any segment this large has a start of the right phase in time, wherever it lies.
    const certain = bins.nextFilled(classAbove(size + fit.align - ONE));
    if (certain >= 0) {
      return lowestIn(segments, request, segments.find(bins.start(bins.oldest(certain))), from);
    }
  }
  let heads = 0;
  for (; index >= 0 && heads < HEADS_MAX; heads++) {
    const start = bins.start(bins.oldest(index));
    if (start < to) {
      const at = lowestIn(segments, request, segments.find(start), from);
      if (at !== NONE) return at;
    }
    index = bins.nextFilled(index + 1);
  }
  // Where there are such classes and no head fits, the lowest segment that does.
  return heads === 0 ? NONE : lowest(segments, request, from);
}

/**
 * Only the request's own class can still hold a segment that is large enough: where it has few
 * members they are looked through, which spares an arena near its end the index of sizes.
 */
function fewest(segments: Segments, request: Request): Unit {
  const { bins } = segments;
  if (segments.sizesIndexed) return NONE;
  const own = classOf(request.size);
  if (bins.nextFilled(own) !== own) return NONE;
  let found = NONE;
  let least = LIMIT;
  let members = 0;
  for (let gap = bins.oldest(own); gap !== 0; gap = bins.younger(gap)) {
    if (++members > MEMBERS_MAX) return NONE;
    const at = segments.find(bins.start(gap));
    const size = segments.endOf(at) - segments.startOf(at);
    if (size < request.size) continue;
    if (size > least || (size === least && segments.startOf(at) > found)) continue;
    found = segments.startOf(at);
    least = size;
  }
  return found;
}

function best(segments: Segments, request: Request): Unit {
  const { size, fit, from, to } = request;
  const bounded = from > ZERO || to < LIMIT;
  const { sizes } = segments;
  sizes.seekTied(size, NONE);
  if (fit.plain && !bounded) return sizes.forward() ? startOfGap(segments) : NONE;
  const guide = new Guide(sizes, fit, size, segments.bins.count);
  let across: Across | undefined;
  let looked = 0;
  for (;;) {
    if (sizes.mayHold(guide.column, size)) {
      const at = sizes.smallestInLeaf(fit, size, from, to);
      if (at !== NONE) return at;
      guide.missed(sizes.rejected);
      looked++;
    }
    if (!sizes.nextLeaf(guide.column, size)) return across === undefined ? NONE : across.finish();
    if (!bounded || looked < LEAVES_FIRST) continue;
    if (across === undefined) {
      // The smallest may take a search, but that there is none at all is known at once.
      if (lowest(segments, request, from) === NONE) return NONE;
      across = new Across(segments, request);
    }
    // The window's own search may have seen everything, or something that no later one can beat.
    if (across.settled(sizes.leafKey)) return across.found;
  }
}

function startOfGap({ sizes }: Segments): Unit {
  return sizes.tie[sizes.position]!;
}

/**
 * The other half of a bounded best fit: goes through the window's fitting segments by address, a leaf
 * for each one that the walk by size has looked through in vain, and later for every fourth, so that the
 * cheaper of the two walks decides the cost. A small window is soon gone through; in a large one the walk
 * by size comes first more often.
 */
class Across {
  readonly #segments: Segments;
  readonly #ascent: Ascent;
  #done = false;
  #turns = 0;
  #length: Unit = LIMIT + ONE;
  found: Unit = NONE;

  constructor(segments: Segments, request: Request) {
    this.#segments = segments;
    const here = segments.find(request.from);
    if (segments.stateOf(here) === FREE) {
      this.#judge(lowestIn(segments, request, here, request.from), here);
    }
    this.#ascent = new Ascent(segments, request);
  }

  /** One turn; true when `found` is the answer, given that no segment shorter than `length` fits. */
  settled(length: Unit): boolean {
    const turn = this.#turns++;
    if (!this.#done && (turn < TURNS_FIRST || turn % TURNS_EACH === 0)) this.#step();
    return this.#done || this.#length <= length;
  }

  finish(): Unit {
    while (!this.#done) this.#step();
    return this.found;
  }

  #step(): void {
    const { tree } = this.#segments;
    for (let at = this.#ascent.nextInLeaf(); at !== NONE; at = this.#ascent.nextInLeaf()) {
      this.#judge(at, tree.position);
    }
    this.#done = !this.#ascent.nextLeaf();
  }

  /** Of equals the first one stays, which is the lowest. */
  #judge(at: Unit, position: number): void {
    if (at === NONE) return;
    const length = this.#segments.endOf(position) - this.#segments.startOf(position);
    if (length >= this.#length) return;
    this.#length = length;
    this.found = at;
  }
}

/**
 * Uniform over a superset, and drawn again until it fits, is uniform over what fits: over all that are
 * large enough, or over all that reach into the window, whichever are fewer. The first draws need no
 * look at the window.
 */
function random(segments: Segments, request: Request): Unit {
  const { size, from, to } = request;
  const large = largeEnough(segments, size);
  if (large.count === 0) return NONE;
  const draw = generator(request.seed);
  for (let i = 0; i < DRAWS_FIRST; i++) {
    const at = drawLarge(segments, request, large, draw);
    if (at !== NONE) return at;
  }
  const inWindow = from > ZERO || to < LIMIT ? segmentsIn(segments, from, to) : large;
  if (inWindow.count <= FEW) return randomOfFew(segments, request, draw, FEW) ?? NONE;
  const fromLarge = large.count <= inWindow.count;
  for (const round of rounds()) {
    for (let i = 0; i < round.draws; i++) {
      const at = fromLarge
        ? drawLarge(segments, request, large, draw)
        : drawInWindow(segments, request, inWindow, draw);
      if (at !== NONE) return at;
    }
    const few = randomOfFew(segments, request, draw, round.fits);
    if (few !== undefined) return few;
  }
  return NONE;
}

/** Free segments side by side in the order of an index: how many there are before them, and of them. */
export interface Ranks {
  readonly rank: number;
  readonly count: number;
}

/** The free segments of at least a size, by size. */
export function largeEnough({ sizes, bins }: Segments, size: Unit): Ranks {
  sizes.seekTied(size, NONE);
  if (!sizes.forward()) return { rank: bins.count, count: 0 };
  const rank = sizes.rank();
  return { rank, count: bins.count - rank };
}

/** The placement in a segment of those that are large enough, or NONE. */
function drawLarge(s: Segments, request: Request, large: Ranks, draw: () => number): Unit {
  const { sizes } = s;
  const { size, fit, from, to } = request;
  sizes.select(large.rank + Math.floor(draw() * large.count));
  const { position } = sizes;
  const start = sizes.tie[position]!;
  const end = start + sizes.key[position]!;
  return fit.lowest(start > from ? start : from, end < to ? end : to, size);
}

/** The placement in a segment of those that reach into the window, or NONE. */
function drawInWindow(s: Segments, request: Request, inWindow: Ranks, draw: () => number): Unit {
  s.tree.select(inWindow.rank + Math.floor(draw() * inWindow.count));
  return lowestIn(s, request, s.tree.position, request.from);
}

/**
 * Where many fit a draw soon hits one, and where few fit they are soon gone through: rounds of both,
 * each longer than the last, take about as long as the quicker of the two. Without end.
 */
export function* rounds(): Generator<{ readonly draws: number; readonly fits: number }> {
  for (let draws = DRAWS_MIN; ; draws *= ROUND_GROWTH) yield { draws, fits: draws * FITS_SHARE };
}

/** The free segments that reach into `[from, to)`, by address. */
export function segmentsIn(segments: Segments, from: Unit, to: Unit): Ranks {
  const { tree } = segments;
  segments.find(from);
  const rank = tree.rank();
  const last = segments.find(to - ONE);
  const end = tree.rank() + (segments.stateOf(last) === FREE ? 1 : 0);
  return { rank, count: end - rank };
}

/**
 * Goes through all that fit, keeping the n-th with probability 1/n; undefined where there are more
 * than `most`. Candidates that do not fit don't count: how many are met depends on the indexes that
 * there are, and no answer may.
 */
function randomOfFew(
  s: Segments,
  request: Request,
  draw: () => number,
  most: number,
): Unit | undefined {
  let seen = 0;
  let found = NONE;
  let at = lowest(s, request, request.from);
  if (at === NONE) return NONE;
  const ascent = new Ascent(s, request);
  for (; at !== NONE; at = ascent.next()) {
    if (seen === most) return undefined;
    if (Math.floor(draw() * ++seen) === 0) found = at;
  }
  return found;
}

/** Uniform draws from [0, 1) out of 32 bits of seed (splitmix's mixing function). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 0x1_0000_0000;
  };
}
