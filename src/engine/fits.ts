/**
 * What still fits: how many more blocks of one kind an arena has room for, and how its free segments
 * are cut up. Reads only.
 */
import type { Arena } from './arena.ts';
import type { Constraint } from './command.ts';
import { bandNamed, openWindows } from './bands.ts';
import { exhaustionOf } from './exhaustion.ts';
import { boundsOf, fitOf } from './ask.ts';
import type { Ask, Room } from './ask.ts';
import { cutOf } from './cover.ts';
import type { Cut } from './cover.ts';
import { largestFitting, plan } from './import.ts';
import { sourceOf } from './source.ts';
import type { Arenas } from './source.ts';
import { FREE } from './narrow/segments.ts';
import { leftTo } from './owners.ts';
import type { Refusal } from './refusal.ts';
import { badBlock } from './validity.ts';
import type { FitsView } from './view.ts';

export interface Fits {
  readonly size: bigint;
  readonly constraint: Constraint;
  /** The band that the blocks have to lie in. */
  readonly band?: string;
  /** Whom the blocks would be for. */
  readonly owner?: string;
  /** Most free segments of the arena, and segments of its sources, that are looked at. */
  readonly most: number;
}

export function fits(arenas: Arenas, arena: Arena, wanted: Fits): FitsView | Refusal {
  const { constraint, most } = wanted;
  const band = wanted.band === undefined ? undefined : bandNamed(arena, wanted.band);
  if (band !== undefined && 'refused' in band) return band;
  const windows = band === undefined ? openWindows(arena) : [band];
  const size = arena.roundup(wanted.size);
  const bad = badBlock(arena, wanted.size, size, constraint);
  if (bad !== undefined) return bad;
  const { space } = arena;
  const { blocks, more } = space.count(size, constraint, most, windows);
  const left = leftOf(arena);
  const own = smaller(left, leftTo(arena, wanted.owner) ?? left);
  const allowed = own / size;
  const count = smaller(blocks, allowed);
  const source = sourceOf(arenas, arena);
  const ask = { size, constraint, policy: arena.tuning.policy, seed: 0, windows };
  const above = source === undefined ? 0n : countAbove(arenas, arena, ask, most);
  // Whether there is room does not depend on the policy; this one asks for no other index.
  const one = plan(arenas, arena, { ...ask, policy: 'firstfit' }, { left: 0 });
  return {
    size,
    count,
    more: more && blocks < allowed,
    ...(source === undefined ? {} : { importable: smaller(above, allowed - count) }),
    free: space.free,
    largestFree: space.largestFree,
    largestFitting: smaller(largestFitting(arenas, arena, ask), own - (own % arena.quantum)),
    holes: space.holes,
    resting: arena.rests.size,
    ...(one === undefined || own < size ? whyNone(arenas, arena, ask, wanted) : {}),
    histogram: histogramOf(arena),
  };
}

/**
 * How many more the sources have room for, at most: in what is free there, in whole quanta of the
 * coarsest on the way, as if any of it could be taken as one span.
 */
function countAbove(arenas: Arenas, arena: Arena, ask: Ask, most: number): bigint {
  const { size, constraint } = ask;
  const fit = fitOf(arena, constraint);
  const bounds = boundsOf(arena, ask);
  const first = bounds[0]?.min ?? 0n;
  const last = bounds.at(-1)?.max ?? -1n;
  const cuts: Cut[] = [];
  let coarse = arena.quantum;
  let allowed = leftOf(arena) / size;
  let count = 0n;
  let looked = 0;
  for (let at = sourceOf(arenas, arena); at !== undefined; at = sourceOf(arenas, at)) {
    if (at.quantum > coarse) coarse = at.quantum;
    cuts.unshift(cutOf(at, coarse));
    // What is taken of an arena, and of all above it, its own limit bounds.
    allowed = smaller(allowed, count + leftOf(at) / size);
    let here = 0n;
    at.space.walk(first, (segment) => {
      if (segment.base > last) return false;
      // Where there are too many segments to look at each, nothing more is known than what is free.
      if (++looked > most) {
        here = at.space.free / size;
        return false;
      }
      if (segment.state !== FREE) return true;
      let rooms: readonly Room[] = [[segment.base, segment.base + segment.size]];
      for (const cut of cuts) rooms = cut(rooms);
      for (const [base, end] of rooms) {
        for (const { min, max } of bounds) {
          here += fit.count(base < min ? min : base, smaller(end, max + 1n), size);
        }
      }
      return true;
    });
    count += here;
  }
  return smaller(count, allowed);
}

/** What a refusal of one such block would say. */
function whyNone(
  arenas: Arenas,
  arena: Arena,
  ask: Ask,
  { band, owner }: Fits,
): Pick<FitsView, 'whyNone'> {
  const request = {
    type: 'xalloc',
    ...(band === undefined ? {} : { band }),
    ...(owner === undefined ? {} : { owner }),
  } as const;
  return { whyNone: exhaustionOf(arenas, arena, ask, request) };
}

/** Free segments by order of their size in addresses, those orders that occur. */
function histogramOf(arena: Arena): FitsView['histogram'] {
  const shift = arena.quantum.toString(2).length - 1;
  return arena.space.histogram.flatMap((holes, order) =>
    holes === 0 ? [] : [{ order: order + shift, holes }],
  );
}

/** How much more the arena's limit lets be allocated, or all there can be. */
function leftOf({ tuning, allocated, limit }: Arena): bigint {
  if (tuning.limit === undefined) return limit;
  return tuning.limit > allocated ? tuning.limit - allocated : 0n;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
