/**
 * What rests in an arena, as the model sees it, and what a request may take of it early: as if rests
 * ended one after another, in their order, until it can be granted.
 */
import type { Policy } from '../../src/engine/command.ts';
import type { Held, ModelArena } from './arena.ts';
import { admits } from './band.ts';
import type { Segment, Wish } from './placement.ts';

export interface Rest extends Segment {
  /** Revision that freed it. */
  readonly since: number;
  /** The allocation that it was; absent where it is only a part of one, or was a span. */
  readonly former?: Held;
}

/** In the order in which rests end. */
export function inOrder(rests: readonly Rest[]): Rest[] {
  return rests.toSorted((a, b) => a.since - b.since || (a.base < b.base ? -1 : 1));
}

/** The arena as it would be if nothing rested. */
export function rested(arena: ModelArena): ModelArena {
  const copy = arena.copy();
  for (const { base } of arena.resting) copy.endRest(base);
  return copy;
}

/** The block that the request takes early, in the arena itself; `pieceSize` where a piece will do. */
export function takenEarly(
  arena: ModelArena,
  wish: Wish,
  policy: Policy,
  pieceSize: bigint | undefined,
): (Segment & { readonly piece?: true }) | undefined {
  const copy = arena.copy();
  for (const { base } of inOrder(arena.resting)) {
    const slab = arena.slabHolding(base);
    const isPiece = slab !== undefined && slab.pieceSize === pieceSize;
    if (isPiece && admits(wish, { base, size: pieceSize })) {
      return { base, size: pieceSize, piece: true };
    }
    copy.endRest(base);
    // What fits, fits into the one segment that has grown; there the policy only picks an end.
    const [found] = copy.choices(
      wish,
      policy === 'lastfit' || policy === 'nextfit' ? policy : 'firstfit',
    );
    if (found !== undefined) return { base: found, size: wish.size };
  }
  return undefined;
}

/** Whether nothing but rests is in the way of the request, in the arena itself. */
export function fitsEarly(arena: ModelArena, wish: Wish): boolean {
  return arena.resting.length > 0 && rested(arena).choices(wish, 'firstfit').length > 0;
}
