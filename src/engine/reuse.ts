/**
 * Early reuse: where a block would go if rests ended, as plans; nothing here changes an arena. It is
 * as if the rests of an arena ended one after another, in their order, until there is a place: what
 * is taken therefore rested longest. An arena's own rests are looked through before those of its
 * source, each level for just enough. That there is no place at all is known before (`unrested.ts`).
 * To find the one that becomes one first, a few rests are ended one by one; where they do not help, all
 * of them are looked at together (`narrow/earliest.ts`).
 *
 * A slab of a quantum cache becomes room for other blocks once none of its pieces is in use.
 */
import type { Arena } from './arena.ts';
import { confinedTo } from './ask.ts';
import type { Ask } from './ask.ts';
import { coversOf, freeRooms } from './cover.ts';
import { exceedsLimit, plan, withSpan } from './import.ts';
import type { Generous, Plan } from './import.ts';
import { sourceOf } from './source.ts';
import type { Arenas } from './source.ts';
import type { Reused } from './event.ts';
import { HELD } from './narrow/segments.ts';
import type { Slab } from './quantum-cache.ts';
import type { Joint, RestOrder } from './space.ts';
import { admits } from './windows.ts';

/** So many rests, or so large a share of them, are looked at one by one: as long as all take together. */
const FEW = 8;
const FEW_SHIFT = 7;

/** Where the block would go; `pieceSize` that of the cached pieces that serve it as well. */
export function planReusing(
  arenas: Arenas,
  arena: Arena,
  ask: Ask,
  {
    unlimited = false,
    pieceSize,
  }: Pick<Generous, 'unlimited'> & { readonly pieceSize?: bigint | undefined } = {},
): Plan | undefined {
  if (!unlimited && exceedsLimit(arena, ask.size)) return undefined;
  const here = placeReusing(arena, ask, pieceSize);
  if (here !== undefined) {
    return { ...here, imported: [], reused: reusedOf(arena, here) };
  }
  const source = sourceOf(arenas, arena);
  if (source === undefined) return undefined;
  const rooms = freeRooms(arenas, source, { unrested: true });
  for (const asked of coversOf(arena, source, ask, rooms)) {
    const { size } = asked;
    const { policy } = source.tuning;
    const above: Ask = { ...confinedTo(source, asked), policy, seed: ask.seed };
    const span =
      plan(arenas, source, above, { left: 0, unlimited }) ??
      planReusing(arenas, source, above, { unlimited });
    const found = span === undefined ? undefined : withSpan(arena, source, ask, size, span);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * A slab that becomes room is one no more. Who takes a piece of one that stays, and who takes a plain
 * block that happens to lie like a piece, would look the same.
 */
function reusedOf(arena: Arena, { base, size, piece }: Omit<Plan, 'imported'>): Reused {
  const like = piece !== true && arena.cache?.holding(base)?.pieceSize === size;
  return { arena: arena.name, base, size, ...(like ? { noPiece: true } : {}) };
}

/** Whether a range of the arena is free but for what rests in it. */
export function onlyRests(arena: Arena, base: bigint, size: bigint): boolean {
  return arena.rests.count > 0 && arena.withoutRests().isFree(base, size);
}

/**
 * Whether the request would find room if it might take what rests; `pieceSize` is that of the cached
 * pieces that would serve it as well. In no more time than whether it finds room without that.
 */
export function couldReuse(
  arenas: Arenas,
  arena: Arena,
  ask: Ask,
  {
    unlimited = false,
    pieceSize,
  }: Pick<Generous, 'unlimited'> & { readonly pieceSize?: bigint | undefined } = {},
): boolean {
  const look = { left: 0, unlimited, unrested: true };
  // Whether there is room does not depend on the policy; this one asks for no other index.
  if (plan(arenas, arena, { ...ask, policy: 'firstfit' }, look) !== undefined) return true;
  return largestRestingPiece(arena, pieceSize ?? 0n, ask.windows) === pieceSize;
}

/** The largest resting piece of a slab, of at most `most`; 0 where there is none. */
export function largestRestingPiece(
  { cache, rests }: Arena,
  most: bigint,
  windows: Ask['windows'],
): bigint {
  let largest = 0n;
  for (const [pieceSize] of cache?.restingPieces() ?? []) {
    if (pieceSize > most || pieceSize <= largest) continue;
    const isIn = (base: bigint) =>
      cache!.holding(base)?.pieceSize === pieceSize && admits(windows, { base, size: pieceSize });
    // Only bands make it depend on where the piece is.
    if (windows === undefined || rests.ids().some((id) => isIn(rests.base(id)))) {
      largest = pieceSize;
    }
  }
  return largest;
}

/** The place that becomes one first as rests end in their order, or the piece that does. */
function placeReusing(
  arena: Arena,
  ask: Ask,
  pieceSize: bigint | undefined,
): Pick<Plan, 'base' | 'size' | 'piece'> | undefined {
  const { rests, space, cache } = arena;
  if (rests.count === 0 || !canPlace(arena, ask, pieceSize)) return undefined;
  const { address } = ask.constraint;
  const ids = address === undefined ? rests.ids() : restsBeside(arena, address, ask.size);
  const piece: { base?: bigint } = {};
  function* untilPiece(): Generator<number> {
    for (const id of ids) {
      const base = rests.base(id);
      const isPiece = pieceSize !== undefined && cache?.holding(base)?.pieceSize === pieceSize;
      if (isPiece && admits(ask.windows, { base, size: pieceSize })) {
        piece.base = base;
        return;
      }
      yield id;
    }
  }
  const placement = { ...ask, cursor: arena.cursor };
  // Of a few of them it is known by themselves, and so it is where a piece would come first.
  const all =
    address !== undefined || largestRestingPiece(arena, pieceSize ?? 0n, ask.windows) > 0n;
  const most = all ? Infinity : Math.max(FEW, rests.count >>> FEW_SHIFT);
  let base = space.placeJoining(placement, some(most, joints(arena, untilPiece())));
  if (base === undefined && !all) base = space.placeEarliest(placement, orderOf(arena));
  if (base !== undefined) return { base, size: ask.size };
  return piece.base === undefined ? undefined : { base: piece.base, size: pieceSize!, piece: true };
}

/** Whether the arena has such a place, or may have such a piece, at all. */
function canPlace(arena: Arena, ask: Ask, pieceSize: bigint | undefined): boolean {
  const placement = { ...ask, policy: 'firstfit', cursor: 0n } as const;
  if (arena.withoutRests().place(placement) !== undefined) return true;
  return largestRestingPiece(arena, pieceSize ?? 0n, ask.windows) === pieceSize;
}

/** What rests in a range and, where slabs reach into it, in those. */
function restsBeside({ space, cache }: Arena, address: bigint, size: bigint): number[] {
  const from = cache?.holding(address)?.base ?? address;
  const last = cache?.holding(address + size - 1n);
  const to = last === undefined ? address + size : last.base + last.size;
  const ids: number[] = [];
  space.walk(from, ({ base, state, id }) => {
    if (base < to && state === HELD && id !== 0) ids.push(id);
    return base < to;
  });
  return ids;
}

/** What becomes room as rests end: ranges, and slabs of which no piece is in use any more. */
function* joints({ rests, cache }: Arena, ids: Iterable<number>): Generator<Joint> {
  const used = new Map<Slab, number>();
  for (const id of ids) {
    const base = rests.base(id);
    const slab = cache?.holding(base);
    if (slab === undefined) yield { base };
    else {
      const left = (used.get(slab) ?? slab.used) - 1;
      used.set(slab, left);
      if (left === 0) yield { base: slab.base, size: slab.size };
    }
  }
}

function* some<T>(most: number, items: Iterable<T>): Generator<T> {
  let count = 0;
  for (const item of items) {
    if (count++ === most) return;
    yield item;
  }
}

/** The order in which rests end, and slabs become room with the last of their pieces that rest. */
function orderOf({ rests, cache, space }: Arena): RestOrder {
  const slabs = (cache?.slabs ?? []).map((slab) => {
    const { base, size, pieceSize } = slab;
    let since = slab.used === slab.resting ? 0 : Infinity;
    for (let at = 0n; since < Infinity && at < size; at += pieceSize) {
      const { id } = space.find(base + at);
      if (id !== 0) since = Math.max(since, rests.since(id));
    }
    return { base, size, since };
  });
  return { ids: rests.sinces, count: rests.count, slabs };
}
