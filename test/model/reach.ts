/**
 * What an arena could serve through its sources. A span taken from the source covers whole quanta
 * of every arena on the way, so a block can be imported from a segment of the source exactly when
 * it fits into that segment cut down to whole quanta: no search over spans is needed.
 */
import { outside } from './band.ts';
import { ceil, floor, lowest, type Segment, type Wish } from './placement.ts';
import type { ModelArena } from './arena.ts';
import { rested } from './rest.ts';

/** Resolves an arena by name; a source always exists while an arena names it. */
export type Lookup = (name: string) => ModelArena;

/** Whether the wish can be granted now by importing, at most one span per level. */
export function canImport(arena: ModelArena, wish: Wish, lookup: Lookup): boolean {
  return fitsAbove(arena, wish, lookup, (source) => source.free());
}

/** Whether it could if nothing rested in the sources. */
export function canImportEarly(arena: ModelArena, wish: Wish, lookup: Lookup): boolean {
  return fitsAbove(arena, wish, lookup, (source) => rested(source).free());
}

/** Whether the wish could be granted if the arena and all of its sources were empty. */
export function couldEverFit(arena: ModelArena, wish: Wish, lookup: Lookup): boolean {
  return (
    statics(arena).some((run) => lowest(run, wish) !== undefined) ||
    fitsAbove(arena, wish, lookup, statics)
  );
}

/** Whether a limit of a source may stand in the way of importing for this wish. */
export function limitsImport(arena: ModelArena, wish: Wish, lookup: Lookup): boolean {
  let unit = arena.settings.quantum;
  for (const source of sourcesOf(arena, lookup)) {
    if (source.settings.quantum > unit) unit = source.settings.quantum;
    const atMost = ceil(wish.size, unit) + unit;
    const { limit } = source.settings;
    if (limit !== undefined && source.allocated() + atMost > limit) return true;
  }
  return false;
}

export function* sourcesOf(arena: ModelArena, lookup: Lookup): Generator<ModelArena> {
  for (let name = arena.settings.source; name !== undefined;) {
    const source = lookup(name);
    yield source;
    name = source.settings.source;
  }
}

function fitsAbove(
  arena: ModelArena,
  wish: Wish,
  lookup: Lookup,
  space: (source: ModelArena) => readonly Segment[],
): boolean {
  let unit = arena.settings.quantum;
  const below: { readonly source: ModelArena; readonly unit: bigint }[] = [];
  for (const source of sourcesOf(arena, lookup)) {
    if (source.settings.quantum > unit) unit = source.settings.quantum;
    below.unshift({ source, unit });
    // Every span on the way down keeps out of the exclusive bands of the arena that it is taken from.
    const left = below.reduce<readonly Segment[]>(
      (ranges, level) =>
        outside(level.source, ranges).map((range) => wholeUnits(range, level.unit)),
      space(source),
    );
    if (left.some((range) => lowest(range, wish) !== undefined)) return true;
  }
  return false;
}

function statics(arena: ModelArena): Segment[] {
  const own = arena.spans.filter((span) => span.kind === 'static');
  return arena.runs().filter((run) => own.some((span) => span.base === run.base));
}

function wholeUnits({ base, size }: Segment, unit: bigint): Segment {
  const start = ceil(base, unit);
  const end = floor(base + size, unit);
  return { base: start, size: end > start ? end - start : 0n };
}
