/**
 * Early reuse: where a block would go if rests ended, as plans; nothing here changes an arena. It is
 * as if the rests of an arena ended one after another, in their order, until there is a place: what
 * is taken therefore rested longest, and where no place is found there is none. An arena's own rests
 * are looked through before those of its source, each level for just enough.
 *
 * A slab of a quantum cache becomes room for other blocks once none of its pieces is in use. All of
 * this takes time in the number of ranges that rest.
 */
import type { Arena } from './arena.ts';
import {
  capacityIn,
  coversOf,
  confinedTo,
  exceedsLimit,
  fitOf,
  freeRooms,
  largestFitting,
  plan,
  roomsOf,
  sourceOf,
  whole,
  withSpan,
} from './import.ts';
import type { Arenas, Ask, Generous, Plan, Room } from './import.ts';
import type { Reused } from './event.ts';
import { HELD } from './narrow/segments.ts';
import type { Slab } from './quantum-cache.ts';
import type { Joint } from './space.ts';
import { admits } from './windows.ts';

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
  const rooms = reusableRooms(arenas, source);
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
  const constraint = { address: base };
  const ask: Ask = { size, constraint, policy: arena.tuning.policy, seed: 0 };
  return placeReusing(arena, ask, undefined) !== undefined;
}

/** The largest size that the same request, which was refused, would be granted with now. */
export function largestReusing(arenas: Arenas, arena: Arena, ask: Ask): bigint {
  let granted = largestFitting(arenas, arena, ask);
  let most = granted;
  let coarse = arena.quantum;
  const fit = fitOf(arena, ask.constraint);
  for (let at: Arena | undefined = arena; at !== undefined; at = sourceOf(arenas, at)) {
    if (at.quantum > coarse) coarse = at.quantum;
    for (const { base, size } of at.space.joined(joints(at, at.rests.ids()))) {
      const room = whole(base, base + size, coarse);
      const there = capacityIn(arena, room, ask.constraint, fit);
      if (there > most) most = there;
    }
  }
  // Limits, here and above, may still be in the way.
  let size = most < ask.size ? most : ask.size - arena.quantum;
  let refused = size + arena.quantum;
  while (size > granted) {
    if (planReusing(arenas, arena, { ...ask, size }) === undefined) refused = size;
    else granted = size;
    const quanta = (refused - granted) / arena.quantum;
    size = granted + (quanta >> 1n) * arena.quantum;
  }
  return granted;
}

/** The largest resting piece of a slab, of at most `most`; 0 where there is none. */
export function largestRestingPiece(
  { cache, rests }: Arena,
  most: bigint,
  windows: Ask['windows'],
): bigint {
  let largest = 0n;
  if (cache === undefined) return largest;
  for (const id of rests.ids()) {
    const base = rests.base(id);
    const { pieceSize = 0n } = cache.holding(base) ?? {};
    if (pieceSize <= largest || pieceSize > most) continue;
    if (admits(windows, { base, size: pieceSize })) largest = pieceSize;
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
  const base = space.placeJoining({ ...ask, cursor: arena.cursor }, joints(arena, untilPiece()));
  if (base !== undefined) return { base, size: ask.size };
  return piece.base === undefined ? undefined : { base: piece.base, size: pieceSize!, piece: true };
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

/** What is free in the source and all above it, or would be if nothing rested. */
function* reusableRooms(arenas: Arenas, source: Arena): Generator<Room> {
  yield* freeRooms(arenas, source);
  yield* roomsOf(arenas, source, (at) =>
    at.space.joined(joints(at, at.rests.ids())).map(({ base, size }) => [base, base + size]),
  );
}
