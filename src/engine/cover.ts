/**
 * What a source is asked for, so that a block can lie in what it gives: the least spans that cover
 * the block, and the ranges that such a span could come from.
 */
import type { Arena } from './arena.ts';
import { boundsOf, fitOf, floorTo, isBinary, placeIn, roundup, smaller } from './ask.ts';
import type { Ask, Asked, Room } from './ask.ts';
import { openWindows } from './bands.ts';
import { FREE } from './narrow/segments.ts';
import { sourceOf } from './source.ts';
import type { Arenas } from './source.ts';
import type { Space } from './space.ts';
import { NONE } from './wide/unit.ts';
import { intersection, withoutNested } from './windows.ts';
import type { Window } from './windows.ts';

/** Starts beyond the lowest of each range that are tried where blocks lie differently in quanta. */
const STARTS_MAX = 256;

/** What is seen of the arenas. */
export interface Look {
  /** Whether it is as if nothing rested: to see whether that is what stands in the way. */
  readonly unrested?: boolean;
}

/**
 * The least spans of the source that cover the block, together exact: the block fits somewhere in
 * the source if and only if one of these does. Where the source's quantum is not the coarser one,
 * the span is the block. Else the block lies at a fixed offset in the span's first quantum, or,
 * against the lower bound of a window, wherever the bound puts it.
 */
export function* coversOf(
  arena: Arena,
  source: Arena,
  ask: Ask,
  rooms: Iterable<Room>,
): Generator<Asked> {
  const { constraint, size } = ask;
  const { phase = 0n, nocross, address } = constraint;
  const coarse = source.quantum;
  const align = constraint.align === undefined ? arena.quantum : constraint.align;
  const step = align < arena.quantum ? arena.quantum : align;
  const windows = boundsOf(arena, ask);
  if (arena.quantum >= coarse) {
    yield { size, constraint: { ...constraint, align: step }, windows };
    return;
  }
  if (address !== undefined) {
    const fits = placeIn(address, size, ask, fitOf(arena, constraint)) === address;
    if (fits) yield cover(address, size, coarse);
    return;
  }
  const fit = fitOf(arena, constraint);
  if (!isBinary(step)) {
    // Where in its quantum such a block starts differs from place to place: each is looked at.
    let others = STARTS_MAX;
    for (const [base, end] of rooms) {
      for (const { min, max } of windows) {
        let from = min > base ? min : base;
        for (;;) {
          const at = fit.lowest(from, smaller(end, max + 1n), size);
          if (at === NONE) break;
          yield cover(at, size, coarse);
          if (others-- <= 0) break;
          from = at + 1n;
        }
      }
    }
    return;
  }
  const offset = step <= coarse ? phase : phase % coarse;
  const crosses = nocross !== undefined && nocross <= coarse && (offset % nocross) + size > nocross;
  if (!crosses) {
    const span = roundup(offset + size, coarse);
    const spans = windows.flatMap(({ min, max }): Window[] => {
      const last = max + 1n - offset - size;
      const least = min <= offset ? 0n : roundup(min - offset, coarse);
      if (last < 0n || floorTo(last, coarse) < least) return [];
      return [{ min: least, max: smaller(floorTo(last, coarse) + span - 1n, source.limit - 1n) }];
    });
    yield {
      size: span,
      constraint: {
        align: step <= coarse ? coarse : step,
        phase: step <= coarse ? 0n : phase - offset,
        ...(nocross !== undefined && nocross > coarse ? { nocross } : {}),
      },
      windows: withoutNested(spans),
    };
  }
  for (const { min, max } of windows) {
    const first = min === 0n ? NONE : fit.lowest(min, max + 1n, size);
    if (first !== NONE) yield cover(first, size, coarse);
  }
}

/** What is free in the source and all above it, as far as a span could be made of it. */
export function freeRooms(arenas: Arenas, source: Arena, look: Look): Generator<Room> {
  return roomsOf(arenas, source, (at) => {
    const found: Room[] = [];
    spaceOf(at, look).walk(0n, ({ base, size, state }) => {
      if (state === FREE) found.push([base, base + size]);
      return true;
    });
    return found;
  });
}

/** The same if all of them were empty. */
export function emptyRooms(arenas: Arenas, source: Arena): Generator<Room> {
  return roomsOf(arenas, source, (at) => [...at.spans.runs()].map(({ base, end }) => [base, end]));
}

/**
 * The ranges of the source and of all above it, cut down level by level to what is outside of
 * exclusive bands, in whole quanta of the coarsest arena so far.
 */
function* roomsOf(
  arenas: Arenas,
  source: Arena,
  rangesOf: (arena: Arena) => readonly Room[],
): Generator<Room> {
  const cuts: Cut[] = [];
  let coarse = 1n;
  for (let at: Arena | undefined = source; at !== undefined; at = sourceOf(arenas, at)) {
    if (at.quantum > coarse) coarse = at.quantum;
    cuts.unshift(cutOf(at, coarse));
    let rooms = rangesOf(at);
    for (const cut of cuts) rooms = cut(rooms);
    yield* rooms;
  }
}

/** What of ranges is left for spans. */
export type Cut = (rooms: readonly Room[]) => readonly Room[];

/** Leaves what is outside of the arena's exclusive bands, in whole `coarse`. */
export function cutOf(arena: Arena, coarse: bigint): Cut {
  const open = openWindows(arena);
  const inQuanta = ([base, end]: Room): Room => whole(base, end, coarse);
  if (open === undefined) return (rooms) => rooms.map(inQuanta);
  return (rooms) =>
    rooms.flatMap(([base, end]) =>
      intersection([{ min: base, max: end - 1n }], open).map(({ min, max }) =>
        inQuanta([min, max + 1n]),
      ),
    );
}

function whole(base: bigint, end: bigint, coarse: bigint): Room {
  return [roundup(base, coarse), floorTo(end, coarse)];
}

function cover(start: bigint, size: bigint, coarse: bigint): Asked {
  const base = floorTo(start, coarse);
  return { size: roundup(start + size, coarse) - base, constraint: { address: base } };
}

export function spaceOf(arena: Arena, { unrested = false }: Look): Space {
  return unrested ? arena.withoutRests() : arena.space;
}
