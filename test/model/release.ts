/**
 * Judges the spans given back to their sources. What is given back must be wholly free, lowest
 * arena first, and exactly as much of it as the command calls for.
 */
import type { Released } from '../../src/engine/event.ts';
import type { ModelArena, Span } from './arena.ts';

/**
 * How much must be released: the `excess` over keepSpans (a free), `all` of one arena (it is
 * destroyed), at least `one` (removed by hand) or exactly what is `due` (by time, or because the
 * settings no longer keep it). What becomes free further up follows the rule of a free.
 */
export type Demand = 'excess' | 'all' | 'one' | 'due';

export function adoptReleased(
  arenas: ReadonlyMap<string, ModelArena>,
  released: readonly Released[],
  demand: Demand,
  revision: number,
  subject?: ModelArena,
): string | undefined {
  const counts = new Map<string, number>();
  for (const { arena: name, source, base, size, rests } of released) {
    const [arena, parent] = [arenas.get(name), arenas.get(source)];
    if (arena === undefined || parent === undefined) return `released from unknown ${name}`;
    const span = arena.spanAt(base);
    if (span?.kind !== 'imported' || span.size !== size) {
      return `released [${base}, +${size}) of ${name}, which is no imported span`;
    }
    if (arena.isUsed(span)) return `released [${base}, +${size}) of ${name}, which is not free`;
    if (parent.heldAt(base)?.importedBy !== name) return `${source} does not hold ${base}`;
    arena.dropSpan(base);
    if ((rests === true) !== parent.quarantines) return `[${base}, +${size}) rests: ${rests}`;
    if (parent.quarantines) parent.rest(base, revision);
    else parent.drop(base);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  for (const arena of arenas.values()) {
    const complaint = arena === subject ? undefined : judgeKept(arena, counts);
    if (complaint !== undefined) return complaint;
  }
  if (demand === 'all' && subject?.spans.some((span) => span.kind === 'imported')) {
    return `destroys ${subject.name} and keeps a span of its source`;
  }
  return demand === 'one' && !counts.has(subject!.name) ? 'released nothing' : undefined;
}

/**
 * The wholly free imported spans beyond `keepSpans`, those free longest first, as far as they are
 * free since the revision `freeSince` or an earlier one.
 */
export function dueSpans(arena: ModelArena, keepSpans: number, freeSince: number): Span[] {
  const idle = arena.idleSpans();
  return idle
    .filter((span) => idleSince(arena, span) <= freeSince)
    .toSorted((a, b) => idleSince(arena, a) - idleSince(arena, b))
    .slice(0, Math.max(0, idle.length - keepSpans));
}

/** Revision since which the arena's idle span is idle. */
export function idleSince(arena: ModelArena, span: Span): number {
  const since = arena.idleSince.get(span.base);
  if (since === undefined) throw new Error(`model: ${span.base} of ${arena.name} is not idle`);
  return since;
}

/** To be told after every event, with its revision, what is idle now. */
export function noteIdle(arena: ModelArena, revision: number): void {
  const idle = arena
    .idleSpans()
    .map(({ base }) => [base, arena.idleSince.get(base) ?? revision] as const);
  arena.idleSince = new Map(idle);
}

function judgeKept(arena: ModelArena, counts: ReadonlyMap<string, number>) {
  const { keepSpans, releaseAfterSeconds } = arena.settings;
  const idle = arena.idleSpans().length;
  if (releaseAfterSeconds > 0) {
    return counts.has(arena.name) ? `${arena.name} releases before its time` : undefined;
  }
  if (idle > keepSpans) return `${arena.name} keeps ${idle} idle spans, keepSpans is ${keepSpans}`;
  if (counts.has(arena.name) && idle < keepSpans) {
    return `${arena.name} keeps ${idle} idle spans and released others, keepSpans is ${keepSpans}`;
  }
  return undefined;
}
