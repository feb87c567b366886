// Generated from ../narrow/random-fit.ts by `npm run wide`. Do not edit.
/**
 * Random fit: any of the segments that fit, all equally likely, from the seed of the request.
 */
import { Ascent, lowest, lowestIn } from './ascent.ts';
import type { Request } from './ascent.ts';
import { FREE } from './segments.ts';
import type { Segments } from './segments.ts';
import { LIMIT, NONE, ONE, ZERO } from './unit.ts';
import type { Unit } from './unit.ts';

/** Draws of randomfit before it looks at the window, and before it goes through what fits; */
export const DRAWS_FIRST = 4;
const DRAWS_MIN = 60;
/** of which it does not go through more than so many for a draw. */
const FITS_SHARE = 1 / 4;
/** Each further round has so many times more. */
const ROUND_GROWTH = 4;
/** So few segments in the window are gone through at once. */
export const FEW = 32;

/**
 * Uniform over a superset, and drawn again until it fits, is uniform over what fits: over all that are
 * large enough, or over all that reach into the window, whichever are fewer. The first draws need no
 * look at the window.
 */
export function random(segments: Segments, request: Request): Unit {
  const { size, from, to } = request;
  const large = largeEnough(segments, size);
  if (large.count === 0) return NONE;
  const draw = generator(request.seed);
  const requests = [request];
  for (let i = 0; i < DRAWS_FIRST; i++) {
    const at = drawLarge(segments, requests, large, draw);
    if (at !== NONE) return at;
  }
  const inWindow = from > ZERO || to < LIMIT ? segmentsIn(segments, from, to) : large;
  if (inWindow.count <= FEW) return randomOfFew(segments, request, draw, FEW) ?? NONE;
  const fromLarge = large.count <= inWindow.count;
  for (const round of rounds()) {
    for (let i = 0; i < round.draws; i++) {
      const at = fromLarge
        ? drawLarge(segments, requests, large, draw)
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

/** The placement in a segment of those that are large enough, in the first window that has one, or NONE. */
export function drawLarge(
  { sizes }: Segments,
  requests: readonly Request[],
  large: Ranks,
  draw: () => number,
): Unit {
  sizes.select(large.rank + Math.floor(draw() * large.count));
  const { position } = sizes;
  const start = sizes.tie[position]!;
  const end = start + sizes.key[position]!;
  for (const { size, fit, from, to } of requests) {
    const at = fit.lowest(start > from ? start : from, end < to ? end : to, size);
    if (at !== NONE) return at;
  }
  return NONE;
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
