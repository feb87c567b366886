/**
 * Taking spans from the source and giving them back, as plans: nothing here changes an arena.
 *
 * An arena that has no room asks its source for a span, at most once per request and level, with
 * the whole constraint carried along: first for a large one (`largeImport`, then `importSize`), then
 * for just what covers the block. The source answers by the same rules, from its own free segments
 * or from its own source. A plan that fails anywhere leaves every arena as it was.
 */
import type { Arena } from './arena.ts';
import { openWindows } from './bands.ts';
import type { Constraint, Policy, Range } from './command.ts';
import type { Imported, Released, Reused } from './event.ts';
import type { Space } from './space.ts';
import type { Span } from './spans.ts';
import { FREE } from './narrow/segments.ts';
import { Fit } from './wide/fit.ts';
import { NONE } from './wide/unit.ts';
import { intersection, withoutNested } from './windows.ts';
import type { Window } from './windows.ts';

export type Arenas = ReadonlyMap<string, Arena>;

/** A block that is asked for: `size` is a positive multiple of the arena's quantum. */
export interface Ask {
  readonly size: bigint;
  readonly constraint: Constraint;
  readonly policy: Policy;
  readonly seed: number;
  /** Where the block has to lie besides; anywhere where absent. */
  readonly windows?: readonly Window[] | undefined;
}

/** What a source is asked for; everything else is as in the ask that it is for. */
export type Asked = Pick<Ask, 'size' | 'constraint' | 'windows'>;

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
/** Starts beyond the lowest of each range that are tried where blocks lie differently in quanta. */
const STARTS_MAX = 256;
/** The seed's VM_LARGEIMPORT asks for this many times what is needed. */
const LARGE = 16n;
/** How a plan is made, on all its levels. */
export interface Generous {
  /** Asks for more than is needed that are still tried. */
  left: number;
  /** Whether limits of arenas are passed over, to see whether they are what stands in the way. */
  readonly unlimited?: boolean;
  /** Whether it is as if nothing rested: to see whether that is what stands in the way. */
  readonly unrested?: boolean;
}
/** A range that a span could come from: base and end. */
export type Room = readonly [base: bigint, end: bigint];

/** Where the block would go, imports included; undefined where there is no placement. */
export function plan(
  arenas: Arenas,
  arena: Arena,
  ask: Ask,
  generous: Generous = { left: GENEROUS_MAX },
): Plan | undefined {
  if (generous.unlimited !== true && exceedsLimit(arena, ask.size)) return undefined;
  const here = spaceOf(arena, generous).place({ ...ask, cursor: arena.cursor });
  if (here !== undefined) return { base: here, size: ask.size, imported: [] };
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

function spaceOf(arena: Arena, { unrested = false }: Pick<Generous, 'unrested'>): Space {
  return unrested ? arena.withoutRests() : arena.space;
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

export function sourceOf(arenas: Arenas, arena: Arena): Arena | undefined {
  return arena.source === undefined ? undefined : arenas.get(arena.source);
}

/**
 * Highest revision of the arena and of all that it may import from. While it stays the same, so do
 * the answers to the same requests for a block.
 */
export function chainRevision(arenas: Arenas, arena: Arena): number {
  let { revision } = arena;
  for (let above = sourceOf(arenas, arena); above; above = sourceOf(arenas, above)) {
    if (above.revision > revision) revision = above.revision;
  }
  return revision;
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

/** Who imports names no band, and so keeps out of the exclusive ones. */
export function confinedTo(source: Arena, { size, constraint, windows }: Asked): Asked {
  const open = openWindows(source);
  if (open === undefined) return { size, constraint, windows };
  return { size, constraint, windows: windows === undefined ? open : intersection(windows, open) };
}

/** Where the block has to lie, by its windows and by the bounds of its constraint. */
export function boundsOf(arena: Arena, { constraint, windows }: Asked): Window[] {
  const { min = 0n, max = arena.limit - 1n } = constraint;
  const whole = { min, max: smaller(max, arena.limit - 1n) };
  return windows === undefined ? [whole] : intersection(windows, [whole]);
}

/** The largest size that the same request would be granted with now, or if nothing rested. */
export function largestFitting(
  arenas: Arenas,
  arena: Arena,
  ask: Ask,
  look: Pick<Generous, 'unrested'> = {},
): bigint {
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
function mostAbove(arenas: Arenas, arena: Arena, look: Pick<Generous, 'unrested'>): bigint {
  const source = sourceOf(arenas, arena);
  if (source === undefined) return 0n;
  const above = mostAbove(arenas, source, look);
  const { largestFree } = spaceOf(source, look);
  return largestFree > above ? largestFree : above;
}

/**
 * Spans that go back to the source when the segments at `bases` become free, this arena's first:
 * those that become wholly free, beyond the `keepSpans` that stay. Where an arena above lets what it
 * gets back rest, nothing becomes free there.
 */
export function releases(arenas: Arenas, arena: Arena, bases: Iterable<bigint>): Released[] {
  if (arena.source === undefined) return [];
  return releasesOfAll(arenas, new Map([[arena, bases]]));
}

/**
 * The same where segments of several arenas are freed. An arena comes after all that import from it,
 * so that what they give back counts with what is freed there.
 */
export function releasesOfAll(
  arenas: Arenas,
  freed: ReadonlyMap<Arena, Iterable<bigint>>,
): Released[] {
  const released: Released[] = [];
  const levels: Map<Arena, Iterable<bigint>>[] = [];
  const add = (depth: number, arena: Arena, bases: Iterable<bigint>): void => {
    (levels[depth] ??= new Map()).set(arena, bases);
  };
  for (const [arena, bases] of freed) add(depthOf(arenas, arena), arena, bases);
  for (let depth = levels.length - 1; depth > 0; depth--) {
    for (const [arena, bases] of levels[depth] ?? []) {
      if (arena.spans.imported === 0) continue;
      const due = dueOf(arena, bases);
      if (due.length === 0) continue;
      const source = sourceOf(arenas, arena)!;
      for (const span of releasesOf(arena, source, due)) released.push(span);
      if (source.quarantines) continue;
      const there = levels[depth - 1]?.get(source) ?? [];
      add(depth - 1, source, [...there, ...due.map(({ base }) => base)]);
    }
  }
  return released;
}

/** How many arenas are above this one. */
function depthOf(arenas: Arenas, arena: Arena): number {
  let depth = 0;
  for (let at = sourceOf(arenas, arena); at !== undefined; at = sourceOf(arenas, at)) depth++;
  return depth;
}

/** Imported spans of the arena that go back when the busy segments at `bases` are freed. */
function dueOf({ spans, tuning }: Arena, bases: Iterable<bigint>): Span[] {
  const due: Span[] = [];
  let { idle } = spans;
  const losses = new Map<Span, number>();
  for (const base of bases) {
    const span = spans.holding(base);
    if (span?.imported === true) losses.set(span, (losses.get(span) ?? 0) + 1);
  }
  for (const [span, loss] of losses) {
    if (span.busy > loss || tuning.releaseAfterSeconds > 0) continue;
    if (++idle > tuning.keepSpans) due.push(span);
  }
  return due;
}

/** The given spans go back, and with them what becomes wholly free above. */
export function releaseAll(arenas: Arenas, arena: Arena, spans: readonly Span[]): Released[] {
  const source = sourceOf(arenas, arena);
  if (source === undefined) return [];
  const freed = source.quarantines ? [] : spans.map(({ base }) => base);
  return [...releasesOf(arena, source, spans), ...releases(arenas, source, freed)];
}

function releasesOf(arena: Arena, source: Arena, spans: readonly Span[]): Released[] {
  return spans.map(({ base, size }) => ({
    arena: arena.name,
    source: source.name,
    base,
    size,
    ...(source.quarantines ? { rests: true as const } : {}),
  }));
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
export function freeRooms(
  arenas: Arenas,
  source: Arena,
  look: Pick<Generous, 'unrested'>,
): Generator<Room> {
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
function emptyRooms(arenas: Arenas, source: Arena): Generator<Room> {
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

/** What of `[base, base + length)` the block may lie in, in order. */
function roomsIn(base: bigint, length: bigint, { size, constraint, windows }: Ask): Room[] {
  const { min = base, max = base + length, address } = constraint;
  const bounds = [{ min, max }];
  const rooms: Room[] = [];
  for (const window of windows === undefined ? bounds : intersection(windows, bounds)) {
    const from = window.min > base ? window.min : base;
    const to = smaller(window.max + 1n, base + length);
    if (address === undefined) rooms.push([from, to]);
    else if (from <= address) rooms.push([address, smaller(to, address + size)]);
  }
  return rooms;
}

/** The lowest start of the block in `[base, base + length)` under its constraint. */
function placeIn(base: bigint, length: bigint, ask: Ask, fit: Fit): bigint | undefined {
  for (const [from, to] of roomsIn(base, length, ask)) {
    const at = fit.lowest(from, to, ask.size);
    if (at !== NONE) return at;
  }
  return undefined;
}

/** Where the arena's policy puts the block in a span taken for it. */
function placeByPolicy(arena: Arena, base: bigint, length: bigint, ask: Ask): bigint | undefined {
  const fit = fitOf(arena, ask.constraint);
  const lowest = placeIn(base, length, ask, fit);
  if (lowest === undefined || ask.constraint.address !== undefined) return lowest;
  const rooms = roomsIn(base, length, ask);
  if (ask.policy === 'lastfit') {
    const highest = rooms.map(([from, to]) => fit.highest(from, to, ask.size));
    return highest.findLast((at) => at !== NONE);
  }
  if (ask.policy !== 'nextfit' || arena.cursor <= lowest) return lowest;
  const ahead = rooms.map(([from, to]) => {
    return fit.lowest(from > arena.cursor ? from : arena.cursor, to, ask.size);
  });
  return ahead.find((at) => at !== NONE) ?? lowest;
}

/** Where blocks of an arena may start under a constraint, within a range of addresses. */
export function fitOf(arena: Arena, { align, phase, nocross }: Constraint): Fit {
  const step = align === undefined || align < arena.quantum ? arena.quantum : align;
  return new Fit(step, phase ?? 0n, nocross ?? 0n);
}

function isBinary(value: bigint): boolean {
  return (value & (value - 1n)) === 0n;
}

function roundup(value: bigint, step: bigint): bigint {
  const over = value % step;
  return over === 0n ? value : value + step - over;
}

function floorTo(value: bigint, step: bigint): bigint {
  return value - (value % step);
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
