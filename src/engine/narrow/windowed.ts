/**
 * Where a block goes that has to lie in one of several windows: the policies of `search.ts`, over all
 * of the windows together. Nothing here changes a segment, and every search is exact.
 *
 * The requests are one request, each with its own window; those are in order, of their ends too, but
 * may overlap. A segment that reaches into several windows is one segment: bestfit goes by its whole
 * size, randomfit counts it once, and whatever the policy (but lastfit) the lowest placement in any of
 * them is taken.
 */
import { classAbove } from './bins.ts';
import { Ascent, lowest, lowestIn } from './ascent.ts';
import type { Request } from './ascent.ts';
import { DRAWS_FIRST, FEW, drawLarge, generator, largeEnough } from './random-fit.ts';
import { rounds, segmentsIn } from './random-fit.ts';
import type { Ranks } from './random-fit.ts';
import { HEADS_MAX, place, placeInRun } from './search.ts';
import type { Segments } from './segments.ts';
import { NONE } from './unit.ts';
import type { Unit } from './unit.ts';

type Requests = readonly Request[];

/** The start of a block for the request, or NONE where there is no placement in any window. */
export function placeAmong(segments: Segments, requests: Requests): Unit {
  const [first] = requests;
  if (first === undefined) return NONE;
  if (requests.length === 1) return place(segments, first);
  switch (first.policy) {
    case 'firstfit':
      return firstOf(segments, requests);
    case 'lastfit':
      return firstOf(segments, requests.toReversed());
    case 'nextfit':
      return next(segments, requests, first.cursor);
    case 'instantfit':
      return instant(segments, requests);
    case 'bestfit':
      return best(segments, requests);
    case 'randomfit':
      return random(segments, requests);
  }
}

/** The placement in the first window that has one. As windows are in order, so are these. */
function firstOf(segments: Segments, requests: Requests): Unit {
  for (const request of requests) {
    const at = place(segments, request);
    if (at !== NONE) return at;
  }
  return NONE;
}

function next(segments: Segments, requests: Requests, cursor: Unit): Unit {
  const fromBottom = requests.map((request): Request => ({ ...request, policy: 'firstfit' }));
  const at = firstOf(segments, from(cursor, fromBottom));
  return at === NONE ? firstOf(segments, fromBottom) : at;
}

function from(cursor: Unit, requests: Requests): Request[] {
  return requests.map((request) => {
    return request.from > cursor ? request : { ...request, from: cursor };
  });
}

/** The start of a block in a run of units taken as free, in any window, or NONE. */
export function placeInRunAmong(requests: Requests, start: Unit, end: Unit): Unit {
  const [first] = requests;
  if (first?.policy !== 'nextfit') {
    return inRun(first?.policy === 'lastfit' ? requests.toReversed() : requests, start, end);
  }
  const fromBottom = requests.map((request): Request => ({ ...request, policy: 'firstfit' }));
  const at = inRun(from(first.cursor, fromBottom), start, end);
  return at === NONE ? inRun(fromBottom, start, end) : at;
}

function inRun(requests: Requests, start: Unit, end: Unit): Unit {
  for (const request of requests) {
    const at = placeInRun(request, start, end);
    if (at !== NONE) return at;
  }
  return NONE;
}

function instant(segments: Segments, requests: Requests): Unit {
  const { bins } = segments;
  const { size } = requests[0]!;
  let index = bins.nextFilled(classAbove(size));
  let heads = 0;
  for (; index >= 0 && heads < HEADS_MAX; heads++) {
    const at = lowestInAny(segments, requests, segments.find(bins.start(bins.oldest(index))));
    if (at !== NONE) return at;
    index = bins.nextFilled(index + 1);
  }
  const policy = heads === 0 ? 'bestfit' : 'firstfit';
  return placeAmong(
    segments,
    requests.map((request) => ({ ...request, policy })),
  );
}

/** The lowest placement in the segment at a position, in any window. */
function lowestInAny(segments: Segments, requests: Requests, position: number): Unit {
  for (const request of requests) {
    const at = lowestIn(segments, request, position, request.from);
    if (at !== NONE) return at;
  }
  return NONE;
}

/** Of the best of each window the one in the smallest segment, of equals the lowest. */
function best(segments: Segments, requests: Requests): Unit {
  let found = NONE;
  let least = NONE;
  for (const request of requests) {
    const at = place(segments, request);
    if (at === NONE) continue;
    const position = segments.find(at);
    const length = segments.endOf(position) - segments.startOf(position);
    if (found !== NONE && length >= least) continue;
    found = at;
    least = length;
  }
  return found;
}

/** As in one window: draws from a superset, and goes through what fits, in turns. */
function random(segments: Segments, requests: Requests): Unit {
  const { size, seed } = requests[0]!;
  const large = largeEnough(segments, size);
  if (large.count === 0) return NONE;
  const draw = generator(seed);
  for (let i = 0; i < DRAWS_FIRST; i++) {
    const at = drawLarge(segments, requests, large, draw);
    if (at !== NONE) return at;
  }
  const reached = requests.map(({ from, to }) => segmentsIn(segments, from, to));
  const reaching = reached.reduce((sum, { count }) => sum + count, 0);
  if (reaching <= FEW) return randomOfFew(segments, requests, draw, FEW) ?? NONE;
  for (const round of rounds()) {
    for (let i = 0; i < round.draws; i++) {
      const at =
        large.count <= reaching
          ? drawLarge(segments, requests, large, draw)
          : drawReached(segments, requests, reached, Math.floor(draw() * reaching));
      if (at !== NONE) return at;
    }
    const few = randomOfFew(segments, requests, draw, round.fits);
    if (few !== undefined) return few;
  }
  return NONE;
}

/** The placement in the n-th of the segments that are reached; NONE also where a window before it does. */
function drawReached(s: Segments, requests: Requests, reached: readonly Ranks[], n: number): Unit {
  let nth = n;
  let window = 0;
  while (nth >= reached[window]!.count) nth -= reached[window++]!.count;
  s.tree.select(reached[window]!.rank + nth);
  const at = s.tree.position;
  return isFirstReached(s, requests, window, at) ? lowestInAny(s, requests, at) : NONE;
}

/** Whether no window before this one is reached by the segment, which counts in its first alone. */
function isFirstReached(s: Segments, requests: Requests, window: number, at: number): boolean {
  return window === 0 || s.startOf(at) >= requests[window - 1]!.to;
}

/** Whether a window before this one has a placement in the segment too, which counts once. */
function isPlacedBefore(s: Segments, requests: Requests, window: number, at: number): boolean {
  if (isFirstReached(s, requests, window, at)) return false;
  return requests.slice(0, window).some((request) => {
    return lowestIn(s, request, at, request.from) !== NONE;
  });
}

/** Goes through all that fit, keeping the n-th with probability 1/n; undefined where too many do. */
function randomOfFew(
  s: Segments,
  requests: Requests,
  draw: () => number,
  most: number,
): Unit | undefined {
  let found = NONE;
  let seen = 0;
  for (const [window, request] of requests.entries()) {
    let at = lowest(s, request, request.from);
    if (at === NONE) continue;
    const ascent = new Ascent(s, request);
    for (; at !== NONE; at = ascent.next()) {
      if (isPlacedBefore(s, requests, window, s.tree.position)) continue;
      if (seen === most) return undefined;
      if (Math.floor(draw() * ++seen) === 0) found = at;
    }
  }
  return found;
}
