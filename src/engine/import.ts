/**
 * Taking spans from the source and giving them back, as plans: nothing here changes an arena.
 *
 * An arena that has no room asks its source for a span, at most once per request and level, with
 * the whole constraint carried along: first for a large one (`largeImport`, then `importSize`), then
 * for just what covers the block. The source answers by the same rules, from its own free segments
 * or from its own source. A plan that fails anywhere leaves every arena as it was.
 */
import type { Arena } from './arena.ts';
import type { Constraint, Policy, Range } from './command.ts';
import type { Imported, Released, Reused } from './event.ts';
import type { Span } from './spans.ts';
import { FREE } from './narrow/segments.ts';
import { Fit } from './wide/fit.ts';
import { NONE } from './wide/unit.ts';

export type Arenas = ReadonlyMap<string, Arena>;

/** A block that is asked for: `size` is a positive multiple of the arena's quantum. */
export interface Ask {
  readonly size: bigint;
  readonly constraint: Constraint;
  readonly policy: Policy;
  readonly seed: number;
}

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
  const here = arena.space.place({ ...ask, cursor: arena.cursor });
  if (here !== undefined) return { base: here, size: ask.size, imported: [] };
  const source = sourceOf(arenas, arena);
  if (source === undefined) return undefined;
  for (const { size, constraint } of asksOf(arenas, arena, source, ask, generous)) {
    const policy = source.tuning.policy;
    const above = plan(arenas, source, { size, constraint, policy, seed: ask.seed }, generous);
    const found = above === undefined ? undefined : withSpan(arena, source, ask, size, above);
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
  for (const { size, constraint } of coversOf(arena, source, ask, emptyRooms(arenas, source))) {
    if (couldFit(arenas, source, { ...ask, size, constraint })) return true;
  }
  return false;
}

/** The largest size that the same request would be granted with now, imports included. */
export function largestFitting(arenas: Arenas, arena: Arena, ask: Ask): bigint {
  let granted = arena.space.largestFitting(ask.constraint);
  const { limit } = arena.tuning;
  if (limit !== undefined && arena.allocated + granted > limit) {
    granted = limit > arena.allocated ? floorTo(limit - arena.allocated, arena.quantum) : 0n;
  }
  if (arena.source === undefined) return granted;
  // What the arenas above could give is only bounded from above by what each has free; whether a
  // size can really be imported, the plan itself says.
  let refused = smaller(mostAbove(arenas, arena), ask.constraint.nocross ?? arena.limit);
  if (limit !== undefined) refused = smaller(refused, limit - arena.allocated);
  refused = floorTo(refused, arena.quantum) + arena.quantum;
  while (refused - granted > arena.quantum) {
    const size = granted + floorTo((refused - granted) >> 1n, arena.quantum);
    if (plan(arenas, arena, { ...ask, size }, { left: 0 }) === undefined) refused = size;
    else granted = size;
  }
  return granted;
}

/** The largest free segment of any arena above. */
function mostAbove(arenas: Arenas, arena: Arena): bigint {
  const source = sourceOf(arenas, arena);
  if (source === undefined) return 0n;
  const above = mostAbove(arenas, source);
  return source.space.largestFree > above ? source.space.largestFree : above;
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
): Generator<Pick<Ask, 'size' | 'constraint'>> {
  const { importSize, largeImport } = arena.tuning;
  const least = importSize ?? arena.quantum;
  const { align, phase, min, max } = ask.constraint;
  const alignment = align === undefined || align < arena.quantum ? arena.quantum : align;
  if ((importSize !== undefined || largeImport) && isBinary(alignment)) {
    const rounded = roundup(roundup((phase ?? 0n) + ask.size, least), source.quantum);
    const natural = isBinary(least) && least > alignment ? least : alignment;
    for (const size of largeImport ? [rounded * LARGE, rounded] : [rounded]) {
      if (size > arena.limit || generous.left-- <= 0) continue;
      // The span may reach out of the window as long as the block need not.
      const reach = size - ask.size;
      const bounds = {
        ...(min === undefined ? {} : { min: min > reach ? min - reach : 0n }),
        max: smaller(max === undefined ? arena.limit - 1n : max + reach, arena.limit - 1n),
      };
      const constraint = { align: natural, ...bounds };
      if (ask.constraint.address === undefined) yield { size, constraint };
      else {
        const { address } = ask.constraint;
        const base = floorTo(address, natural);
        if (base + size >= address + ask.size) yield { size, constraint: { address: base } };
      }
    }
  }
  yield* coversOf(arena, source, ask, freeRooms(arenas, source));
}

/**
 * The least spans of the source that cover the block, together exact: the block fits somewhere in
 * the source if and only if one of these does. Where the source's quantum is not the coarser one,
 * the span is the block. Else the block lies at a fixed offset in the span's first quantum, or,
 * against the lower bound of the window, wherever the bound puts it.
 */
export function* coversOf(
  arena: Arena,
  source: Arena,
  ask: Ask,
  rooms: Iterable<Room>,
): Generator<Pick<Ask, 'size' | 'constraint'>> {
  const { constraint, size } = ask;
  const { phase = 0n, nocross, min, address } = constraint;
  const coarse = source.quantum;
  const align = constraint.align === undefined ? arena.quantum : constraint.align;
  const step = align < arena.quantum ? arena.quantum : align;
  const max = smaller(constraint.max ?? arena.limit - 1n, arena.limit - 1n);
  if (arena.quantum >= coarse) {
    yield { size, constraint: { ...constraint, align: step, max } };
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
      let from = min !== undefined && min > base ? min : base;
      for (;;) {
        const at = fit.lowest(from, smaller(end, max + 1n), size);
        if (at === NONE) break;
        yield cover(at, size, coarse);
        if (others-- <= 0) break;
        from = at + 1n;
      }
    }
    return;
  }
  const offset = step <= coarse ? phase : phase % coarse;
  const crosses = nocross !== undefined && nocross <= coarse && (offset % nocross) + size > nocross;
  const last = max + 1n - offset - size;
  if (!crosses && last >= 0n) {
    const span = roundup(offset + size, coarse);
    yield {
      size: span,
      constraint: {
        align: step <= coarse ? coarse : step,
        phase: step <= coarse ? 0n : phase - offset,
        ...(nocross !== undefined && nocross > coarse ? { nocross } : {}),
        ...(min === undefined || min <= offset ? {} : { min: roundup(min - offset, coarse) }),
        max: smaller(floorTo(last, coarse) + span - 1n, source.limit - 1n),
      },
    };
  }
  if (min === undefined) return;
  const first = fit.lowest(min, max + 1n, size);
  if (first !== NONE) yield cover(first, size, coarse);
}

/** What is free in the source and all above it, in whole quanta of the coarsest on the way. */
export function* freeRooms(arenas: Arenas, source: Arena): Generator<Room> {
  let coarse = 1n;
  for (let at: Arena | undefined = source; at !== undefined; at = sourceOf(arenas, at)) {
    if (at.quantum > coarse) coarse = at.quantum;
    const found: Room[] = [];
    at.space.walk(0n, ({ base, size, state }) => {
      if (state === FREE) found.push(whole(base, base + size, coarse));
      return true;
    });
    yield* found;
  }
}

/** The same if all of them were empty. */
function* emptyRooms(arenas: Arenas, source: Arena): Generator<Room> {
  let coarse = 1n;
  for (let at: Arena | undefined = source; at !== undefined; at = sourceOf(arenas, at)) {
    if (at.quantum > coarse) coarse = at.quantum;
    for (const { base, end } of at.spans.runs()) yield whole(base, end, coarse);
  }
}

export function whole(base: bigint, end: bigint, coarse: bigint): Room {
  return [roundup(base, coarse), floorTo(end, coarse)];
}

function cover(start: bigint, size: bigint, coarse: bigint): Pick<Ask, 'size' | 'constraint'> {
  const base = floorTo(start, coarse);
  return { size: roundup(start + size, coarse) - base, constraint: { address: base } };
}

/** The lowest start of the block in `[base, base + length)` under its constraint. */
function placeIn(base: bigint, length: bigint, ask: Ask, fit: Fit): bigint | undefined {
  const { min, max, address } = ask.constraint;
  let from = base;
  let to = base + length;
  if (min !== undefined && min > from) from = min;
  if (max !== undefined && max + 1n < to) to = max + 1n;
  if (address !== undefined) {
    if (address < from) return undefined;
    from = address;
    to = smaller(to, address + ask.size);
  }
  const at = fit.lowest(from, to, ask.size);
  return at === NONE ? undefined : at;
}

/** The size of the largest block that a room holds under a constraint without an address. */
export function capacityIn(arena: Arena, room: Room, { min, max }: Constraint, fit: Fit): bigint {
  const [base, end] = room;
  const from = min !== undefined && min > base ? min : base;
  const to = max !== undefined && max + 1n < end ? max + 1n : end;
  return from < to ? floorTo(fit.capacity(from, to), arena.quantum) : 0n;
}

/** Where the arena's policy puts the block in a span taken for it. */
function placeByPolicy(arena: Arena, base: bigint, length: bigint, ask: Ask): bigint | undefined {
  const fit = fitOf(arena, ask.constraint);
  const lowest = placeIn(base, length, ask, fit);
  if (lowest === undefined || ask.constraint.address !== undefined) return lowest;
  const { min = 0n, max = arena.limit - 1n } = ask.constraint;
  const end = smaller(base + length, max + 1n);
  if (ask.policy === 'lastfit') return fit.highest(base > min ? base : min, end, ask.size);
  if (ask.policy === 'nextfit' && arena.cursor > lowest) {
    const ahead = fit.lowest(arena.cursor, end, ask.size);
    return ahead === NONE ? lowest : ahead;
  }
  return lowest;
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
