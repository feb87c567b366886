/**
 * Taking spans from the source, as plans: nothing here changes an arena.
 *
 * An arena that has no room asks its source for a span, at most once per request and level, with
 * the whole constraint carried along: first for a large one (`largeImport`, then `importSize`), then
 * for just what covers the block. The source answers by the same rules, from its own free segments
 * or from its own source. A plan that fails anywhere leaves every arena as it was.
 */
import type { Arena } from './arena.ts';
import {
  boundsOf,
  confinedTo,
  fitOf,
  floorTo,
  isBinary,
  placeByPolicy,
  placeIn,
  roundup,
  smaller,
} from './ask.ts';
import type { Ask, Asked } from './ask.ts';
import type { Range } from './command.ts';
import { coversOf, emptyRooms, freeRooms, spaceOf } from './cover.ts';
import type { Look } from './cover.ts';
import type { Imported, Reused } from './event.ts';
import { sourceOf } from './source.ts';
import type { Arenas } from './source.ts';
import { withoutNested } from './windows.ts';

export interface Plan extends Range {
  /** The spans to be taken first, the topmost first. */
  readonly imported: readonly Imported[];
  /** Where rests have to end first. */
  readonly reused?: Reused;
  /** The block is a piece of a slab, which stays one. */
  readonly piece?: true;
}

/**
 * Asks for more than is needed, over all levels of one plan. Each level may ask its source in three
 * sizes, and that source its own in three: past this many, every level asks for just enough, which is
 * all that exactness takes.
 */
const GENEROUS_MAX = 64;
/** The seed's VM_LARGEIMPORT asks for this many times what is needed. */
const LARGE = 16n;

/** How a plan is made, on all its levels. */
export interface Generous extends Look {
  /** Asks for more than is needed that are still tried. */
  left: number;
  /** Whether limits of arenas are passed over, to see whether they are what stands in the way. */
  readonly unlimited?: boolean;
}

/** Where the block would go, imports included; undefined where there is no placement. */
export function plan(
  arenas: Arenas,
  arena: Arena,
  ask: Ask,
  generous: Generous = { left: GENEROUS_MAX },
): Plan | undefined {
  if (generous.unlimited !== true && exceedsLimit(arena, ask.size)) return undefined;
  const { size, constraint, policy: how, seed, windows } = ask;
  const { cursor } = arena;
  const placement = { size, constraint, policy: how, seed, windows, cursor };
  const here = spaceOf(arena, generous).place(placement);
  if (here !== undefined) return { base: here, size, imported: [] };
  const source = sourceOf(arenas, arena);
  if (source === undefined) return undefined;
  for (const asked of asksOf(arenas, arena, source, ask, generous)) {
    const { policy } = source.tuning;
    const confined = confinedTo(source, asked);
    const above = plan(arenas, source, { ...confined, policy, seed: ask.seed }, generous);
    const found = above === undefined ? undefined : withSpan(arena, source, ask, asked.size, above);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The block in a span of this size, which is planned to be taken from the source. */
export function withSpan(
  arena: Arena,
  source: Arena,
  ask: Ask,
  size: bigint,
  { base, imported, reused }: Plan,
): Plan | undefined {
  const at = placeByPolicy(arena, base, size, ask);
  if (at === undefined || arena.spans.overlapping(base, size) !== undefined) return undefined;
  const span = { arena: arena.name, source: source.name, base, size };
  return {
    base: at,
    size: ask.size,
    imported: [...imported, span],
    ...(reused === undefined ? {} : { reused }),
  };
}

/** Whether `size` more would pass the arena's limit. */
export function exceedsLimit(arena: Arena, size: bigint): boolean {
  return arena.tuning.limit !== undefined && arena.allocated + size > arena.tuning.limit;
}

/** Whether the block could be placed if the arena and all above it were empty. */
export function couldFit(arenas: Arenas, arena: Arena, ask: Ask): boolean {
  const fit = fitOf(arena, ask.constraint);
  for (const { base, end } of arena.spans.runs()) {
    if (placeIn(base, end - base, ask, fit) !== undefined) return true;
  }
  const source = sourceOf(arenas, arena);
  if (source === undefined) return false;
  for (const asked of coversOf(arena, source, ask, emptyRooms(arenas, source))) {
    if (couldFit(arenas, source, { ...ask, ...confinedTo(source, asked) })) return true;
  }
  return false;
}

/** The largest size that the same request would be granted with now, or if nothing rested. */
export function largestFitting(arenas: Arenas, arena: Arena, ask: Ask, look: Look = {}): bigint {
  let granted = spaceOf(arena, look).largestFitting(ask.constraint, ask.windows);
  const { limit } = arena.tuning;
  if (limit !== undefined && arena.allocated + granted > limit) {
    granted = limit > arena.allocated ? floorTo(limit - arena.allocated, arena.quantum) : 0n;
  }
  if (arena.source === undefined) return granted;
  // What the arenas above could give is only bounded from above by what each has free; whether a
  // size can really be imported, the plan itself says.
  let refused = smaller(mostAbove(arenas, arena, look), ask.constraint.nocross ?? arena.limit);
  if (limit !== undefined) refused = smaller(refused, limit - arena.allocated);
  refused = floorTo(refused, arena.quantum) + arena.quantum;
  while (refused - granted > arena.quantum) {
    const size = granted + floorTo((refused - granted) >> 1n, arena.quantum);
    if (plan(arenas, arena, { ...ask, size }, { left: 0, ...look }) === undefined) refused = size;
    else granted = size;
  }
  return granted;
}

/** The largest free segment of any arena above. */
function mostAbove(arenas: Arenas, arena: Arena, look: Look): bigint {
  const source = sourceOf(arenas, arena);
  if (source === undefined) return 0n;
  const above = mostAbove(arenas, source, look);
  const { largestFree } = spaceOf(source, look);
  return largestFree > above ? largestFree : above;
}

/** What the source is asked for, in this order: large, rounded to the import size, just enough. */
function* asksOf(
  arenas: Arenas,
  arena: Arena,
  source: Arena,
  ask: Ask,
  generous: Generous,
): Generator<Asked> {
  const { importSize, largeImport } = arena.tuning;
  const least = importSize ?? arena.quantum;
  const { align, phase, address } = ask.constraint;
  const alignment = align === undefined || align < arena.quantum ? arena.quantum : align;
  if ((importSize !== undefined || largeImport) && isBinary(alignment)) {
    const rounded = roundup(roundup((phase ?? 0n) + ask.size, least), source.quantum);
    const natural = isBinary(least) && least > alignment ? least : alignment;
    for (const size of largeImport ? [rounded * LARGE, rounded] : [rounded]) {
      if (size > arena.limit || generous.left-- <= 0) continue;
      if (address !== undefined) {
        const base = floorTo(address, natural);
        if (base + size >= address + ask.size) yield { size, constraint: { address: base } };
        continue;
      }
      // The span may reach out of the windows as long as the block need not.
      const reach = size - ask.size;
      const windows = boundsOf(arena, ask).map(({ min, max }) => ({
        min: min > reach ? min - reach : 0n,
        max: smaller(max + reach, arena.limit - 1n),
      }));
      yield { size, constraint: { align: natural }, windows: withoutNested(windows) };
    }
  }
  yield* coversOf(arena, source, ask, freeRooms(arenas, source, generous));
}
