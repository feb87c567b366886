/** What routes share: reading, changing, what is remembered of arenas, and common parameters. */
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Sequencer } from '../sequencer.ts';
import type { ArenaSpace, ArenaSpaces } from './address-space.ts';
import type { Mutate } from './mutation.ts';
import { arenaNotFound, sendRefusal, type SecondsLeft } from './problem.ts';
import { addressInput, arenaName, cursor, ifMatch, pageLimit } from './wire/field.ts';

export interface RouteDependencies {
  /** To read; whatever changes something goes by `mutate`. */
  readonly sequencer: Pick<Sequencer, 'read' | 'readNow' | 'failed' | 'room'>;
  readonly mutate: Mutate;
  readonly spaces: ArenaSpaces;
  readonly secondsLeft: SecondsLeft | undefined;
}

export const arenaParams = z.object({ arena: arenaName });

export const allocationParams = z.object({
  arena: arenaName,
  address: addressInput('First address of the allocation.'),
});

export const pageQuery = {
  limit: pageLimit,
  cursor: cursor.exactOptional(),
};

// Loose, because every request has headers that are none of a route's business.
export const ifMatchHeaders = z.looseObject({ 'if-match': ifMatch.exactOptional() });

/** The condition that an If-Match header sets; `*` sets none beyond being there. */
export function conditionOf(headers: { 'if-match'?: string }): { ifRevision?: number } {
  const tag = headers['if-match'];
  if (tag === undefined || tag === '*') return {};
  return { ifRevision: Number(tag.slice(1, -1)) };
}

/**
 * Does something with the address space of an arena: at once where that is known, as it nearly always
 * is. Where there is no such arena, that is the answer.
 */
export function inArena(
  arena: string,
  reply: FastifyReply,
  { spaces }: Pick<RouteDependencies, 'spaces'>,
  use: (space: ArenaSpace) => Promise<void> | void,
): Promise<void> | void {
  const space = spaces.of(arena);
  if (!(space instanceof Promise)) return use(space);
  return space.then((asked) => {
    if (asked !== undefined) return use(asked);
    sendRefusal(reply, arenaNotFound(arena));
    return undefined;
  });
}
