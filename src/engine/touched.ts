/**
 * Where an event may have made room, by arena. Whether anything is free there now, and for whom, is
 * asked of the arena once the event is applied (`roomIn`); this only says where to look.
 *
 * A range of size 0 says that what the arena's limit leaves, or whether there is the arena, may have
 * changed, and no more. All arenas of which that is true are named.
 */
import { unreachable } from './assert.ts';
import type { Range } from './command.ts';
import type { BatchEvent, Event, Released } from './event.ts';

export interface Touched extends Range {
  readonly arena: string;
}

/** All addresses of any width. */
const everywhere: Range = { base: 0n, size: 1n << 128n };
const nowhere: Range = { base: 0n, size: 0n };

export function touched(event: Event | BatchEvent): Touched[] {
  switch (event.type) {
    case 'batched':
      return event.events.flatMap(touched);
    case 'leaseCreated':
    case 'leaseRenewed':
    case 'allocationKept':
      return [];
    case 'leasesEnded': {
      const freed = event.ended.flatMap((one) => one.freed);
      return [...freed.map((range) => rangeIn(range.arena, range)), ...givenBack(event.released)];
    }
    default:
      return touchedIn(event);
  }
}

type ArenaEvent = Exclude<
  Extract<Event | BatchEvent, { arena: string }>,
  { type: 'allocationKept' }
>;

function touchedIn(event: ArenaEvent): Touched[] {
  const { arena } = event;
  switch (event.type) {
    case 'arenaCreated':
    case 'allocationUpdated':
    case 'allocationSplit':
    case 'allocationsMerged':
      return [];
    case 'arenaUpdated':
      // Other bands let others in, wherever it is.
      return [
        { arena, ...(event.changes.bands === undefined ? nowhere : everywhere) },
        ...givenBack(event.released),
      ];
    case 'arenaDestroyed':
      return [{ arena, ...nowhere }, ...givenBack(event.released)];
    case 'spanAdded':
      return [rangeIn(arena, event)];
    case 'spanRemoved':
      // What rested in it may have been in a slab that reached out of it, and is none any more.
      return [{ arena, ...everywhere }, ...givenBack(event.released)];
    case 'spansReleased':
      return givenBack(event.released);
    case 'allocated':
      // Of an imported span, and of a slab, there is more than the block that they were taken for.
      return [
        ...event.imported.flatMap((span) => [
          { arena: span.source, ...nowhere },
          rangeIn(span.arena, span),
        ]),
        rangeIn(arena, event.slab ?? nowhere),
        // So has a slab that ended with the rests of all its pieces.
        ...(event.reused === undefined ? [] : [{ arena: event.reused.arena, ...everywhere }]),
      ];
    case 'undeleted':
      return [{ arena, ...nowhere }];
    case 'restsEnded':
      return [...event.ended.map((range) => rangeIn(arena, range)), ...givenBack(event.released)];
    // Where these rest there is room for those who may have it early.
    case 'freed':
      return [rangeIn(arena, event), ...givenBack(event.released)];
    case 'allFreed':
      return [{ arena, ...everywhere }, ...givenBack(event.released)];
    case 'resized': {
      const { base, size, previousSize } = event;
      return [{ arena, base, size: size > previousSize ? size : previousSize }];
    }
    default:
      return unreachable(event);
  }
}

function givenBack(released: readonly Released[]): Touched[] {
  return released.map((span) => rangeIn(span.source, span));
}

function rangeIn(arena: string, { base, size }: Range): Touched {
  return { arena, base, size };
}
