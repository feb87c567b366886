/**
 * Shapes: what a request asks beside its size, as each of the arenas sees it that it could be served
 * from, and how large a request of one shape could be served from a range. Of two requests of one
 * shape, whatever has room for the larger has room for the smaller: that is what lets those who wait
 * be kept in order, rather than be tried one by one. Questions only; nothing here changes an arena.
 */
import type { Arena } from './arena.ts';
import { openWindows } from './bands.ts';
import type { Alloc, Constraint, Range } from './command.ts';
import { fitOf } from './ask.ts';
import type { Arenas } from './source.ts';
import { pieceFor } from './limit.ts';
import { BUSY, FREE, VOID } from './narrow/segments.ts';
import { leftTo } from './owners.ts';
import type { Found } from './space.ts';

export interface Shape {
  /** Equal for requests that differ in nothing but the size, as far as this arena is concerned. */
  readonly key: string;
  /** Lowest and highest address that the block may contain. */
  readonly min: bigint;
  readonly max: bigint;
  /** Where a block may start; absent where that can only be said by the arena that imports. */
  readonly lie?: Pick<Constraint, 'align' | 'phase' | 'nocross' | 'address'>;
  /** Size of the pieces of the quantum cache that would do too; 0 for none. */
  readonly piece: bigint;
  /** Whether what rests would do too. */
  readonly reuse: boolean;
  /** At most so much more than its size is what it may count against the arena's limit. */
  readonly slack: bigint;
}

/**
 * A shape and the arena that sees it so; with an owner, its limit there, which takes no notice of where
 * blocks lie.
 */
export interface Level {
  readonly arena: string;
  readonly owner?: string;
  readonly shape: Shape;
}

/**
 * The limit of the owner, if it has one in the arena asked; that arena, its source, and so on up, each
 * with how it sees the request. Where an arena on
 * the way has a coarser quantum than the one asked, it depends on that one how the block lies in the
 * quanta of the source: to the source only requests to the same arena are of one shape then. So it is
 * where bands say in which part of an arena the block has to lie.
 */
export function levelsOf(arenas: Arenas, arena: Arena, command: Alloc): Level[] {
  const { constraint, reuse = false } = command;
  const size = arena.roundup(command.size);
  const { align, phase = 0n, nocross, address } = constraint;
  const step = align === undefined || align < arena.quantum ? arena.quantum : align;
  const lie = {
    align: step,
    phase,
    ...(nocross === undefined ? {} : { nocross }),
    ...(address === undefined ? {} : { address }),
  };
  let min = constraint.min ?? 0n;
  let max = constraint.max ?? arena.limit - 1n;
  if (address !== undefined) {
    min = larger(min, address);
    max = smaller(max, address + size - 1n);
  }
  const levels: Level[] = [];
  let coarsest = arena.quantum;
  let banded = command.band !== undefined;
  for (let at: Arena | undefined = arena; at !== undefined; at = above(arenas, at)) {
    max = smaller(max, at.limit - 1n);
    coarsest = larger(coarsest, at.quantum);
    const mixed = coarsest > arena.quantum;
    const piece = (at === arena ? pieceFor(arena, command, size) : undefined) ?? 0n;
    const lying = [step, phase, nocross ?? '', address ?? '', min, max];
    const parts = [...lying, coarsest, piece, reuse, command.band ?? ''];
    const key = [...parts, mixed || banded ? arena.name : ''].join();
    // The span that covers the block reaches out of its window by less than a quantum.
    const bounds = mixed
      ? { min: min - (min % coarsest), max: max + coarsest - 1n - (max % coarsest) }
      : { min, max, lie };
    const slack = mixed ? 2n * coarsest : piece;
    levels.push({ arena: at.name, shape: { key, piece, reuse, slack, ...bounds } });
    banded ||= openWindows(at) !== undefined;
  }
  const { owner } = command;
  if (owner === undefined || leftTo(arena, owner) === undefined) return levels;
  return [{ arena: arena.name, owner, shape: { ...levels[0]!.shape, slack: 0n } }, ...levels];
}

/** Larger than any size. */
const HEADROOM_MAX = 1n << 129n;

/** Segments looked at one by one; beyond them the arena's largest stands for all. */
const SEGMENTS_MAX = 16;

/**
 * A size that no larger request of the shape could be served with from what is free, or cached, in
 * the segments that reach into `range`; 0 where none could. For a single free segment, seen by an
 * arena whose quantum is not coarser than that of the arena asked, it is the largest that could, but
 * for bands.
 */
export function roomIn(arena: Arena, range: Range, shape: Shape): bigint {
  const { cache, space } = arena;
  if (shape.reuse) return roomWithRests(arena, range, shape);
  if (shape.piece > 0n && cache?.next(shape.piece) !== undefined) return shape.piece;
  const from = larger(range.base, shape.min);
  const to = smaller(range.base + range.size, shape.max + 1n);
  if (from >= to) return 0n;
  const fit = shape.lie === undefined ? undefined : fitOf(arena, shape.lie);
  let most = 0n;
  let looked = 0;
  space.walk(from, ({ base, size, state }) => {
    if (base >= to) return false;
    if (++looked > SEGMENTS_MAX) {
      most = space.largestFree;
      return false;
    }
    if (state !== FREE) return true;
    const start = larger(base, larger(shape.min, shape.lie?.address ?? 0n));
    const end = smaller(base + size, shape.max + 1n);
    if (start < end)
      most = larger(most, fit === undefined ? end - start : fit.capacity(start, end));
    return true;
  });
  return most;
}

/** The same where what rests would do: bounded by the run of all that is not in use. */
function roomWithRests(
  { space, allocated }: Arena,
  range: Range,
  { piece, min, max }: Shape,
): bigint {
  const unused = space.size - allocated;
  let { base } = range;
  let end = range.base + range.size;
  for (let looked = 0; ; looked++) {
    const before = base === 0n ? undefined : space.find(base - 1n);
    const after = space.find(end);
    const [more, further] = [isUnused(before), isUnused(after)];
    if (!more && !further) break;
    if (looked === SEGMENTS_MAX) return unused;
    if (more) base = before!.base;
    if (further) end = after.base + after.size;
  }
  base = larger(base, min);
  end = smaller(end, max + 1n);
  return base < end ? smaller(larger(end - base, piece), unused) : piece;
}

/** Whether a segment is free, or rests, or is cached. */
function isUnused(found: Found | undefined): boolean {
  return found !== undefined && found.state !== VOID && found.state !== BUSY;
}

/**
 * A range that was touched, widened to hold the slab that it may have been the last piece of, and
 * which went with it.
 */
export function withSlab({ cache }: Arena, range: Range): Range {
  if (cache === undefined || range.size > cache.sizeMax) return range;
  const base = range.base > cache.slabSize ? range.base - cache.slabSize : 0n;
  return { base, size: range.base + cache.slabSize - base };
}

/**
 * Addresses that may still be allocated under the arena's limit, or under that of an owner; more than
 * any size without one.
 */
export function headroomOf(arena: Arena, owner?: string): bigint {
  if (owner !== undefined) return leftTo(arena, owner) ?? HEADROOM_MAX;
  const { limit } = arena.tuning;
  if (limit === undefined) return HEADROOM_MAX;
  return limit > arena.allocated ? limit - arena.allocated : 0n;
}

function above(arenas: Arenas, { source }: Arena): Arena | undefined {
  return source === undefined ? undefined : arenas.get(source);
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
