/** The source of an arena, and the chain of sources above it. */
import type { Arena } from './arena.ts';

export type Arenas = ReadonlyMap<string, Arena>;

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

/** How many arenas are above this one. */
export function depthOf(arenas: Arenas, arena: Arena): number {
  let depth = 0;
  for (let at = sourceOf(arenas, arena); at !== undefined; at = sourceOf(arenas, at)) depth++;
  return depth;
}
