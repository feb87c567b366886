/**
 * What limits refuse: that of an arena, on all that is allocated in it, and those of owners, on what each
 * of them holds there. Reads only.
 */
import type { Arena } from './arena.ts';
import type { Alloc } from './command.ts';
import { exceedsLimit } from './import.ts';
import { leftTo } from './owners.ts';
import { refuse } from './refusal.ts';
import type { Refusal } from './refusal.ts';

/** The refusal of so much more, in addresses, in an arena that would have more than it may. */
export function overfull(arena: Arena, more: bigint): Refusal | undefined {
  const { limit } = arena.tuning;
  if (limit === undefined || !exceedsLimit(arena, more)) return undefined;
  const held = arena.allocated;
  const detail =
    `${held} of at most ${limit} are allocated in '${arena.name}', ` +
    `and ${more} more are asked for`;
  return refuse('limit-exceeded', detail, { exceeded: { limit, held } });
}

/** The refusal of so much more, in addresses, to an owner that would hold more than it may. */
export function overdrawn(
  arena: Arena,
  owner: string | undefined,
  more: bigint,
): Refusal | undefined {
  const left = leftTo(arena, owner);
  if (owner === undefined || left === undefined || more <= left) return undefined;
  const limit = arena.owners!.limit(owner)!;
  const held = arena.owners!.held(owner);
  const detail =
    `the owner holds ${held} of at most ${limit} in '${arena.name}', ` +
    `and would get ${more} more`;
  return refuse('limit-exceeded', detail, { exceeded: { owner, limit, held } });
}

/** The refusal of a request whose owner would hold more than it may. */
export function overdrawnBy(arena: Arena, command: Alloc): Refusal | undefined {
  // Nothing is worked out where nothing is limited.
  if (arena.owners === undefined || command.owner === undefined) return undefined;
  return overdrawn(arena, command.owner, countedFor(arena, command));
}

/** What a request counts for its owner, in addresses: where a piece of a quantum cache would do, that. */
export function countedFor(arena: Arena, command: Pick<Alloc, 'type' | 'size'>): bigint {
  const size = arena.roundup(command.size);
  return pieceFor(arena, command, size) ?? size;
}

/** The size of the pieces that would serve a request of so many whole quanta; undefined for none. */
export function pieceFor(
  { cache }: Arena,
  { type }: Pick<Alloc, 'type'>,
  size: bigint,
): bigint | undefined {
  return type === 'alloc' ? cache?.pieceFor(size) : undefined;
}

/** The same, but where such a piece would pass the arena's limit. */
export function pieceSizeFor(arena: Arena, type: Alloc['type'], size: bigint): bigint | undefined {
  const pieceSize = pieceFor(arena, { type }, size);
  return pieceSize !== undefined && exceedsLimit(arena, pieceSize) ? undefined : pieceSize;
}
