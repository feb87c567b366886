/**
 * What a command leads to: an event or a refusal. Nothing here changes anything. Refusals are
 * checked in the order of their precedence, one guard each.
 */
import type { Arena } from './arena.ts';
import { unreachable } from './assert.ts';
import { inOrder } from './bands.ts';
import type {
  AddSpan,
  At,
  Batch,
  Command,
  CreateArena,
  DestroyArena,
  EndRests,
  Range,
  RemoveSpan,
  Tuning,
  UpdateArena,
} from './command.ts';
import { alloc, free, resize, undelete, updateAllocation } from './decide-allocation.ts';
import { createLease, expireLeases, renewLease, revokeLease } from './decide-lease.ts';
import { merge, split } from './decide-split.ts';
import type { Event } from './event.ts';
import { releaseAll, releases } from './release.ts';
import type { Arenas } from './source.ts';
import { BUSY } from './narrow/segments.ts';
import { inOrderOfOwner } from './owners.ts';
import { invalid, refuse, written } from './refusal.ts';
import type { Refusal } from './refusal.ts';
import { onlyRests } from './reuse.ts';
import type { State } from './state.ts';
import { badSpan, badTuning } from './validity.ts';

/** All but batches, which are several of these. */
export type SingleCommand = Exclude<Command, At<Batch>>;

export function decide(state: State, command: SingleCommand): Event | Refusal {
  switch (command.type) {
    case 'createArena':
      return createArena(state.arenas, command);
    case 'createLease':
      return createLease(state, command);
    case 'renewLease':
      return renewLease(state, command);
    case 'revokeLease':
      return revokeLease(state, command);
    case 'expireLeases':
      return expireLeases(state, command);
    default:
      return decideInArena(state, command);
  }
}

type ArenaCommand = Exclude<Extract<SingleCommand, { arena: string }>, { type: 'createArena' }>;

function decideInArena(state: State, command: ArenaCommand): Event | Refusal {
  const { arenas } = state;
  const arena = arenas.get(command.arena);
  if (arena === undefined) return noArena(command.arena);
  const at = { at: command.at, arena: arena.name };
  switch (command.type) {
    case 'updateArena':
      return updateArena(arenas, arena, command);
    case 'destroyArena':
      return destroyArena(arenas, arena, command);
    case 'addSpan':
      return addSpan(arenas, arena, command);
    case 'removeSpan':
      return removeSpan(arenas, arena, command);
    case 'alloc':
    case 'xalloc':
      return alloc(state, arena, command);
    case 'free':
      return free(arenas, arena, command);
    case 'freeAll': {
      const stale = outdated(arena, command.ifRevision);
      if (stale !== undefined) return stale;
      const count = arena.allocations.count - arena.allocations.held;
      const released = arena.quarantines ? [] : releases(arenas, arena, own(arena));
      return { type: 'allFreed', ...at, count, ...arena.afterFreeing, released };
    }
    case 'resize':
      return resize(arenas, arena, command);
    case 'split':
      return split(state, arena, command);
    case 'merge':
      return merge(arena, command);
    case 'updateAllocation':
      return updateAllocation(arena, command);
    case 'undelete':
      return undelete(arena, command);
    case 'endRests': {
      const ended = dueRests(arena, command);
      const bases = ended.map(({ base }) => base);
      return { type: 'restsEnded', ...at, ended, released: releases(arenas, arena, bases) };
    }
    case 'releaseSpans': {
      const due = arena.spans.surplus(arena.tuning.keepSpans, command.freeSince);
      return { type: 'spansReleased', ...at, released: releaseAll(arenas, arena, due) };
    }
    default:
      return unreachable(command);
  }
}

function createArena(arenas: Arenas, command: At<CreateArena>): Event | Refusal {
  const { type: _, ...settings } = command;
  const { arena: name, quantum, width, source, spans } = command;
  const above = source === undefined ? undefined : arenas.get(source);
  if (source !== undefined && above === undefined) {
    return refuse(
      'arena-not-found',
      `the source arena '${source}' does not exist; create it first`,
      {
        pointer: '/source',
      },
    );
  }
  const limit = 1n << BigInt(width);
  if (quantum <= 0n || (quantum & (quantum - 1n)) !== 0n || quantum >= limit) {
    return invalid('/quantum', `the quantum must be a power of two below 2^${width}`);
  }
  if (command.quantumCacheMax % quantum !== 0n || command.quantumCacheMax > quantum * 16n) {
    return invalid('/quantumCacheMax', 'must be a multiple of the quantum, at most 16 quanta');
  }
  const bad = badTuning({ quantum, width }, command);
  if (bad !== undefined) return bad;
  for (const [i, span] of spans.entries()) {
    const misplaced = badSpan({ quantum, width }, span, `/spans/${i}`);
    if (misplaced !== undefined) return misplaced;
  }
  if (arenas.has(name)) return refuse('arena-exists', `an arena named '${name}' already exists`);
  const sorted = spans.toSorted((a, b) => (a.base < b.base ? -1 : a.base > b.base ? 1 : 0));
  for (let i = 1; i < sorted.length; i++) {
    const { base, size } = sorted[i - 1]!;
    if (base + size > sorted[i]!.base)
      return overlap(sorted[i]!, { base, size }, 'another given span', command);
  }
  for (const span of spans) {
    const claimed = above === undefined ? undefined : claimedAbove(arenas, above, span);
    if (claimed !== undefined) return claimed;
  }
  return { ...inEventOrder(settings), type: 'arenaCreated' };
}

function updateArena(arenas: Arenas, arena: Arena, command: At<UpdateArena>): Event | Refusal {
  const { changes, at } = command;
  const refused = outdated(arena, command.ifRevision) ?? badTuning(arena, changes);
  if (refused !== undefined) return refused;
  const { keepSpans, releaseAfterSeconds } = { ...arena.tuning, ...changes };
  const due = releaseAfterSeconds > 0 ? [] : arena.spans.surplus(keepSpans, Infinity);
  const released = releaseAll(arenas, arena, due);
  const ordered = inEventOrder(changes);
  return { type: 'arenaUpdated', at, arena: arena.name, changes: ordered, released };
}

/** With lists in the order that events have them in. */
function inEventOrder<T extends Partial<Tuning>>(tuning: T): T {
  const { bands, ownerLimits } = tuning;
  return {
    ...tuning,
    ...(bands === undefined ? {} : { bands: inOrder(bands) }),
    ...(ownerLimits === undefined ? {} : { ownerLimits: inOrderOfOwner(ownerLimits) }),
  };
}

function destroyArena(arenas: Arenas, arena: Arena, command: At<DestroyArena>): Event | Refusal {
  const stale = outdated(arena, command.ifRevision);
  if (stale !== undefined) return stale;
  const [child] = arena.children;
  if (child !== undefined) {
    const detail = `'${child}' imports from '${arena.name}'; destroy '${child}' first`;
    return refuse('arena-busy', detail);
  }
  if (arena.allocations.count > 0 && !command.force) {
    const { count } = arena.allocations;
    const detail = `${count} allocations are left, the first at {0}; free them, or use force=true`;
    return refuse('arena-busy', detail, written(arena, firstAllocation(arena)));
  }
  const spans = [...arena.spans.from(0n)].filter((span) => span.imported);
  const released = releaseAll(arenas, arena, spans);
  const { name, notation, width } = arena;
  return { type: 'arenaDestroyed', at: command.at, arena: name, released, notation, width };
}

function addSpan(arenas: Arenas, arena: Arena, command: At<AddSpan>): Event | Refusal {
  const { base, size } = command;
  const bad = outdated(arena, command.ifRevision) ?? badSpan(arena, command, '');
  if (bad !== undefined) return bad;
  const span = arena.spans.overlapping(base, size);
  if (span !== undefined) return overlap(command, span, 'a span of the arena', arena);
  const above = arena.source === undefined ? undefined : arenas.get(arena.source);
  const claimed =
    (above === undefined ? undefined : claimedAbove(arenas, above, command)) ??
    claimedBelow(arenas, arena, command);
  return claimed ?? { type: 'spanAdded', at: command.at, arena: arena.name, base, size };
}

function removeSpan(arenas: Arenas, arena: Arena, command: At<RemoveSpan>): Event | Refusal {
  const span = arena.spans.get(command.base);
  if (span === undefined) {
    return refuse('span-not-found', `no span of '${arena.name}' starts at this address`);
  }
  const stale = outdated(arena, command.ifRevision);
  if (stale !== undefined) return stale;
  const { base, size } = span;
  if (!arena.space.isFree(base, size) && !onlyRests(arena, base, size)) {
    const what = arena.cached > 0n ? 'allocations or slabs of the quantum cache' : 'allocations';
    return refuse('allocation-busy', `the span still holds ${what}; free them first`);
  }
  const released = span.imported ? releaseAll(arenas, arena, [span]) : [];
  return { type: 'spanRemoved', at: command.at, arena: arena.name, base, size, released };
}

/** What may end its rest, in order, as segments. */
function dueRests({ rests, space }: Arena, { restingSince, most }: EndRests): Range[] {
  const due: Range[] = [];
  for (const id of rests.ids()) {
    if (rests.since(id) > restingSince || due.length === most) break;
    const { base, size } = space.find(rests.base(id));
    due.push({ base, size });
  }
  return due;
}

function noArena(name: string): Refusal {
  return refuse('arena-not-found', `there is no arena named '${name}'`);
}

function outdated(arena: Arena, ifRevision: number | undefined): Refusal | undefined {
  if (ifRevision === undefined || ifRevision === arena.revision) return undefined;
  return refuse('precondition-failed', `the arena is at revision ${arena.revision}`);
}

/** Bases of the arena's own allocations; collected only if asked for, which takes an imported span. */
function* own(arena: Arena): Generator<bigint> {
  const bases: bigint[] = [];
  arena.space.walk(0n, ({ base, state, id }) => {
    if (state === BUSY && arena.allocations.about(id).importedBy === undefined) bases.push(base);
    return true;
  });
  yield* bases;
}

function firstAllocation(arena: Arena): bigint {
  let first = 0n;
  arena.space.walk(0n, ({ base, state }) => {
    first = base;
    return state !== BUSY;
  });
  return first;
}

function overlap(given: Range, span: Range, whose: string, arena: Written): Refusal {
  const addresses = written(arena, given.base, lastOf(given), span.base, lastOf(span));
  return refuse('overlap', `{0} to {1} overlaps {2} to {3}, ${whose}`, addresses);
}

function lastOf({ base, size }: Range): bigint {
  return base + size - 1n;
}

type Written = Parameters<typeof written>[0];

/** A static span must not claim what the arena could import, or an address had two owners. */
function claimedAbove(arenas: Arenas, source: Arena, range: Range): Refusal | undefined {
  const span = source.spans.overlapping(range.base, range.size);
  if (span !== undefined) {
    return overlap(range, span, `a span of the source '${source.name}'`, source);
  }
  const above = source.source === undefined ? undefined : arenas.get(source.source);
  return above === undefined ? undefined : claimedAbove(arenas, above, range);
}

function claimedBelow(arenas: Arenas, arena: Arena, range: Range): Refusal | undefined {
  for (const name of arena.children) {
    const child = arenas.get(name)!;
    const span = child.spans.overlapping(range.base, range.size);
    if (span !== undefined)
      return overlap(range, span, `a span of '${name}', which imports from here`, arena);
    const below = claimedBelow(arenas, child, range);
    if (below !== undefined) return below;
  }
  return undefined;
}
