/**
 * What an event does: the only code that changes arenas, live and in recovery. It decides nothing;
 * an event that does not fit the state is a damaged journal or a bug, and fails an assertion.
 */
import { assert, unreachable } from './assert.ts';
import { Arena } from './arena.ts';
import type { Allocated, Event, Imported, Released } from './event.ts';

export function apply(arenas: Map<string, Arena>, event: Event, revision: number): void {
  if (event.type === 'arenaCreated') {
    const { arena, source, spans, at } = event;
    assert(!arenas.has(arena), 'an arena is created once');
    const created = new Arena(event, at, revision);
    arenas.set(arena, created);
    if (source !== undefined) arenaNamed(arenas, source).children.add(arena);
    for (const span of spans) created.addSpan(span, false, revision);
    return;
  }
  const arena = arenaNamed(arenas, event.arena);
  switch (event.type) {
    case 'arenaUpdated':
      arena.tuning = { ...arena.tuning, ...event.changes };
      release(arenas, event.released, revision);
      break;
    case 'arenaDestroyed':
      arena.freeAll(revision);
      release(arenas, event.released, revision);
      arenas.delete(event.arena);
      if (arena.source !== undefined) arenas.get(arena.source)!.children.delete(event.arena);
      break;
    case 'spanAdded':
      arena.addSpan(event, false, revision);
      break;
    case 'spanRemoved':
      if (event.released.length === 0) arena.removeSpan(event.base, revision);
      release(arenas, event.released, revision);
      break;
    case 'allocated':
      allocated(arenas, arena, event, revision);
      break;
    case 'freed':
      arena.free(event.base, revision);
      release(arenas, event.released, revision);
      break;
    case 'allFreed':
      arena.freeAll(revision);
      release(arenas, event.released, revision);
      break;
    case 'resized': {
      const found = arena.allocationAt(event.base);
      assert(found?.size === event.previousSize, 'an allocation is resized from its own size');
      arena.space.resize(event.base, event.size);
      const about = arena.allocations.about(found.id);
      arena.allocations.update(found.id, event.base, revision, about);
      break;
    }
    case 'allocationUpdated': {
      const found = arena.allocationAt(event.address);
      assert(found !== undefined, 'an allocation is updated by its address');
      const about = arena.allocations.about(found.id);
      arena.allocations.update(found.id, event.address, revision, {
        ...about,
        ...(event.labels === undefined ? {} : { labels: event.labels }),
        ...(event.owner === undefined ? {} : { owner: event.owner }),
      });
      break;
    }
    case 'spansReleased':
      release(arenas, event.released, revision);
      break;
    default:
      unreachable(event);
  }
  arena.revision = revision;
}

function arenaNamed(arenas: ReadonlyMap<string, Arena>, name: string): Arena {
  const arena = arenas.get(name);
  assert(arena !== undefined, `the event's arena '${name}' exists`);
  return arena;
}

function allocated(
  arenas: ReadonlyMap<string, Arena>,
  arena: Arena,
  event: Event & Allocated,
  revision: number,
): void {
  const { imported, labels, owner, policy, at } = event;
  for (const span of imported) take(arenas, span, revision, at);
  if (event.slab !== undefined) arena.openSlab(event.slab, event.size);
  arena.allocate(event, { labels, ...(owner === undefined ? {} : { owner }) }, revision, at);
  if (policy === 'nextfit') arena.cursor = event.base + event.size;
}

function take(
  arenas: ReadonlyMap<string, Arena>,
  span: Imported,
  revision: number,
  at: number,
): void {
  const source = arenaNamed(arenas, span.source);
  source.allocate(span, { labels: {}, importedBy: span.arena }, revision, at);
  if (source.tuning.policy === 'nextfit') source.cursor = span.base + span.size;
  arenaNamed(arenas, span.arena).addSpan(span, true, revision);
}

function release(
  arenas: ReadonlyMap<string, Arena>,
  released: readonly Released[],
  revision: number,
): void {
  for (const { arena, source, base } of released) {
    arenaNamed(arenas, arena).removeSpan(base, revision);
    arenaNamed(arenas, source).free(base, revision);
  }
}
