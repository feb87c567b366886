/**
 * Why there is no room for a block now: figures, and which of its constraints stand in the way.
 * Reads only.
 */
import type { Arena } from './arena.ts';
import { openWindows } from './bands.ts';
import type { Alloc, Constraint } from './command.ts';
import type { Ask } from './ask.ts';
import { exceedsLimit, largestFitting, plan } from './import.ts';
import { sourceOf } from './source.ts';
import type { Arenas } from './source.ts';
import { pieceSizeFor } from './limit.ts';
import { overdrawn } from './limit.ts';
import { leftTo } from './owners.ts';
import type { Exhaustion, NextRest } from './refusal.ts';
import { couldReuse, largestRestingPiece } from './reuse.ts';

/** Allocations that are looked at for the next lease to end: some tens of microseconds. */
const DEADLINES_MAX = 20_000;

export function exhaustionOf(
  arenas: Arenas,
  arena: Arena,
  ask: Ask,
  { type, band, owner, reuse = false }: Pick<Alloc, 'type' | 'band' | 'owner' | 'reuse'>,
): Exhaustion {
  const { space, rests } = arena;
  const plain = largestFitting(arenas, arena, ask, { unrested: reuse });
  const piece = type === 'alloc' ? largestPiece(arena, ask, { owner, reuse }) : 0n;
  const unbanded = band === undefined ? undefined : openWindows(arena);
  const pieceSize = pieceSizeFor(arena, type, ask.size);
  return {
    free: space.free,
    largestFree: space.largestFree,
    largestFitting: plain > piece ? plain : piece,
    limitedBy: limitedBy(arenas, arena, ask, { reuse, unbanded, pieceSize, owner }),
    resting: rests.size,
    ...whenMore(arenas, arena, reuse),
  };
}

/** When what is in use or rests in the arena, or in its sources, may next become room, if known. */
function whenMore(
  arenas: Arenas,
  arena: Arena,
  reuse: boolean,
): Pick<Exhaustion, 'deadline' | 'nextRests'> {
  const nextRests: NextRest[] = [];
  let first = Infinity;
  for (let at: Arena | undefined = arena; at !== undefined; at = sourceOf(arenas, at)) {
    const { nextRest } = at;
    if (nextRest !== undefined) nextRests.push(nextRest);
    // What a lease lets go makes room at once only where it does not rest, or may be reused.
    if (at.quarantines && !reuse) continue;
    first = Math.min(first, at.nextDeadline(DEADLINES_MAX) ?? Infinity);
  }
  return { nextRests, ...(first === Infinity ? {} : { deadline: first }) };
}

/** The largest piece of a slab that is not in use and that limits and bands allow. */
function largestPiece(
  arena: Arena,
  { windows }: Ask,
  { owner, reuse }: { readonly owner: string | undefined; readonly reuse: boolean },
): bigint {
  const { cache, tuning, space } = arena;
  if (cache === undefined) return 0n;
  const here = tuning.limit === undefined ? space.size : tuning.limit - arena.allocated;
  const left = leftTo(arena, owner) ?? here;
  const most = left < here ? left : here;
  const cached = cache.largestPiece(most, windows);
  const resting = reuse ? largestRestingPiece(arena, most, windows) : 0n;
  return cached > resting ? cached : resting;
}

/**
 * The constraints without any one of which there would be room; `unbanded` is without the band, and
 * `pieceSize` that of the cached pieces that would do.
 */
function limitedBy(
  arenas: Arenas,
  arena: Arena,
  ask: Ask,
  {
    reuse,
    unbanded,
    pieceSize,
    owner,
  }: {
    readonly reuse: boolean;
    readonly unbanded: Ask['windows'];
    readonly pieceSize: bigint | undefined;
    readonly owner: string | undefined;
  },
): string[] {
  const fits = (constraint: Constraint, more: Partial<Ask> = {}, unlimited = false): boolean => {
    // Whether there is room does not depend on the policy; this one asks for no other index.
    const other = { ...ask, policy: 'firstfit', constraint, ...more } as const;
    if (plan(arenas, arena, other, { left: 0, unlimited }) !== undefined) return true;
    return reuse && couldReuse(arenas, arena, other, { unlimited });
  };
  // Whatever else gave way, its owner may not have so much.
  if (overdrawn(arena, owner, ask.size) !== undefined) {
    return fits(ask.constraint) ? ['ownerLimit'] : [];
  }
  const { align, phase, nocross, min, max } = ask.constraint;
  const names: string[] = [];
  if (align !== undefined && fits({ ...without(ask, 'align'), phase: 0n })) names.push('align');
  if (phase !== undefined && phase > 0n && fits(without(ask, 'phase'))) names.push('phase');
  if (nocross !== undefined && fits(without(ask, 'nocross'))) names.push('nocross');
  if (min !== undefined && fits(without(ask, 'min'))) names.push('min');
  if (max !== undefined && fits(without(ask, 'max'))) names.push('max');
  // A band that was given, or the exclusive ones that a request without a band keeps out of.
  if (ask.windows !== undefined && fits(ask.constraint, { windows: unbanded })) names.push('band');
  const limited = arena.source !== undefined || exceedsLimit(arena, ask.size);
  if (limited && fits(ask.constraint, {}, true)) names.push('limit');
  if (!reuse && couldReuse(arenas, arena, ask, { pieceSize })) names.push('resting');
  return names;
}

function without({ constraint }: Ask, name: keyof Constraint): Constraint {
  const { [name]: _, ...others } = constraint;
  return others;
}
