// Generated from ../narrow/search.ts by `npm run wide`. Do not edit.
/**
 * Where a block goes: the policies, over the indexes of one arena's segments. Nothing here changes
 * a segment. Every search is exact: it answers NONE only if no placement exists. Those by address are in
 * `ascent.ts`, with what all of them have in common.
 */
import { Guide, highest, isPrefix, lowest, lowestIn, plainFit } from './ascent.ts';
import type { Request, Wanted } from './ascent.ts';
import { best } from './best-fit.ts';
import { classAbove, classOf } from './bins.ts';
import type { Fit } from './fit.ts';
import { random } from './random-fit.ts';
import { FREE, VOID } from './segments.ts';
import type { Segments } from './segments.ts';
import { LIMIT, NONE, ONE, ZERO } from './unit.ts';
import type { Unit } from './unit.ts';

/** Heads of size classes that instantfit tries under a constraint. */
export const HEADS_MAX = 8;
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
