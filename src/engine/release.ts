/** Giving imported spans back to the source, as plans: nothing here changes an arena. */
import type { Arena } from './arena.ts';
import type { Released } from './event.ts';
import { depthOf, sourceOf } from './source.ts';
import type { Arenas } from './source.ts';
import type { Span } from './spans.ts';

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
