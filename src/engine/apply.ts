/**
 * What an event does: the only code that changes arenas, live and in recovery, but for the like grants
 * of a batch that is tried (`more.ts`). It decides nothing; an event that does not fit the state is a
 * damaged journal or a bug, and fails an assertion.
 */
import type { About } from './allocations.ts';
import { assert, unreachable } from './assert.ts';
import { Arena } from './arena.ts';
import type { Draft, Range } from './command.ts';
import type { Allocated, Event, Imported, LeasesEnded, Released } from './event.ts';
import type { Leases } from './leases.ts';
import { limitOwners } from './owners.ts';
import { endRest, endRestsIn, rest, restAll, restTail, reuse, undelete } from './quarantine.ts';
import type { State } from './state.ts';
import { tuningOf } from './tuning.ts';

export function apply(state: State, event: Event, revision: number): void {
  const { arenas, leases } = state;
  if (event.type === 'batched') {
    for (const one of event.events) apply(state, one, revision);
    return;
  }
  if (event.type === 'leaseCreated') {
    const { lease: id, ttlSeconds, labels, owner, at } = event;
    const terms = { id, ttlSeconds, labels, createdAt: at, revision, endsWhenEmpty: false };
    leases.create({ ...terms, ...(owner === undefined ? {} : { owner }) });
    return;
  }
  if (event.type === 'leaseRenewed') {
    const lease = leaseNamed(leases, event.lease);
    if (event.ttlSeconds !== undefined) leases.renew(lease, event.ttlSeconds, revision);
    return;
  }
  if (event.type === 'allocationKept') {
    const there = arenaNamed(arenas, event.arena).allocationAt(event.base);
    assert(there?.size === event.size, 'what is kept is there');
    return;
  }
  if (event.type === 'leasesEnded') {
    end(state, event, revision);
    return;
  }
  if (event.type === 'arenaCreated') {
    const { arena, source, spans, at } = event;
    assert(!arenas.has(arena), 'an arena is created once');
    const created = new Arena(event, at, revision, state);
    arenas.set(arena, created);
    if (source !== undefined) arenaNamed(arenas, source).children.add(arena);
    for (const span of spans) created.addSpan(span, false, revision);
    return;
  }
  const arena = arenaNamed(arenas, event.arena);
  switch (event.type) {
    case 'arenaUpdated':
      arena.tuning = tuningOf({ ...arena.tuning, ...event.changes });
      limitOwners(arena, event.changes);
      release(arenas, event.released, revision);
      break;
    case 'arenaDestroyed':
      arena.clear(revision);
      release(arenas, event.released, revision);
      arenas.delete(event.arena);
      if (arena.source !== undefined) arenas.get(arena.source)!.children.delete(event.arena);
      break;
    case 'spanAdded':
      arena.addSpan(event, false, revision);
      break;
    case 'spanRemoved':
      if (arena.rests.count > 0) endRestsIn(arena, event, revision);
      if (event.released.length === 0) arena.removeSpan(event.base, revision);
      release(arenas, event.released, revision);
      break;
    case 'allocated':
      allocated(state, arena, event, revision);
      break;
    case 'freed':
      if (event.rests === true) rest(arena, event.base, revision);
      else arena.free(event.base, revision);
      release(arenas, event.released, revision);
      break;
    case 'allFreed':
      if (event.rests === true) restAll(arena, revision);
      else arena.freeAll(revision);
      release(arenas, event.released, revision);
      break;
    case 'resized':
      assert(
        arena.allocationAt(event.base)?.size === event.previousSize,
        'an allocation is resized from its own size',
      );
      if (event.rests === true) restTail(arena, event, revision);
      else arena.resize(event, revision);
      break;
    case 'allocationSplit':
      assert(
        arena.allocationAt(event.base)?.size === event.size,
        'an allocation is split as it is',
      );
      assert(tiles(event.pieces, event), 'the pieces are the allocation');
      arena.split(event.pieces, revision);
      break;
    case 'allocationsMerged': {
      const { parts, labels } = event;
      const all = parts.every(({ base, size }) => arena.allocationAt(base)?.size === size);
      assert(all && tiles(parts, event), 'the parts are allocations side by side');
      arena.merge(parts, labels === undefined ? {} : { labels }, revision);
      break;
    }
    case 'allocationUpdated': {
      const { address, labels, owner } = event;
      const changes = {
        ...(labels === undefined ? {} : { labels }),
        ...(owner === undefined ? {} : { owner }),
      };
      arena.describe(address, revision, changes);
      break;
    }
    case 'undeleted':
      undelete(arena, event.base, revision);
      break;
    case 'restsEnded':
      for (const { base } of event.ended) endRest(arena, base, revision);
      if (arena.rests.count === 0 && !arena.quarantines) arena.forgetUnrested();
      release(arenas, event.released, revision);
      break;
    case 'spansReleased':
      release(arenas, event.released, revision);
      break;
    default:
      unreachable(event);
  }
  arena.touch(revision);
}

/** Whether the parts, in order, make up the whole. */
function tiles(parts: readonly Range[], { base, size }: Range): boolean {
  let at = base;
  for (const part of parts) {
    if (part.base !== at || part.size <= 0n) return false;
    at += part.size;
  }
  return at === base + size;
}

function arenaNamed(arenas: ReadonlyMap<string, Arena>, name: string): Arena {
  const arena = arenas.get(name);
  assert(arena !== undefined, "the event's arena exists", name);
  return arena;
}

function leaseNamed(leases: Leases, id: string): number {
  const lease = leases.find(id);
  assert(lease !== 0, "the event's lease is there", id);
  return lease;
}

function end({ arenas, leases }: State, event: LeasesEnded, revision: number): void {
  for (const { lease: id, freed } of event.ended) {
    const lease = leaseNamed(leases, id);
    assert(leases.size(lease) === freed.length, `all that lease ${id} holds is freed`);
    let left = freed.length;
    for (const { arena, base, rests } of freed) {
      const there = arenaNamed(arenas, arena);
      if (rests === true) rest(there, base, revision);
      else there.free(base, revision);
      assert(leases.size(lease) === --left, 'what a lease frees was its own', base);
    }
    // One that was made for an allocation has ended with the last of it.
    if (leases.id(lease) === id) leases.end(lease);
  }
  release(arenas, event.released, revision);
}

function allocated(state: State, arena: Arena, event: Event & Allocated, revision: number): void {
  const { arenas } = state;
  const { imported, labels, owner, externalId, policy, reused, at } = event;
  if (reused !== undefined) reuse(arenaNamed(arenas, reused.arena), reused, revision);
  const lease = leaseFor(state.leases, event, revision);
  for (const span of imported) take(arenas, span, revision, at);
  if (event.slab !== undefined) arena.openSlab(event.slab, event.size);
  const about: Draft<About> = { labels };
  if (owner !== undefined) about.owner = owner;
  if (externalId !== undefined) about.externalId = externalId;
  arena.allocate(event, about, revision, at, lease);
  if (policy === 'nextfit') arena.moveCursor(event.base + event.size);
}

/** The number of the lease that the allocation comes under, made now if need be; 0 for none. */
function leaseFor(leases: Leases, event: Event & Allocated, revision: number): number {
  const { lease: id, ttlSeconds, labels, owner, at } = event;
  if (id === undefined) return 0;
  if (ttlSeconds === undefined) return leaseNamed(leases, id);
  const terms = { id, ttlSeconds, labels, createdAt: at, revision, endsWhenEmpty: true };
  return leases.create({ ...terms, ...(owner === undefined ? {} : { owner }) });
}

function take(
  arenas: ReadonlyMap<string, Arena>,
  span: Imported,
  revision: number,
  at: number,
): void {
  const source = arenaNamed(arenas, span.source);
  source.allocate(span, { labels: {}, importedBy: span.arena }, revision, at);
  if (source.tuning.policy === 'nextfit') source.moveCursor(span.base + span.size);
  arenaNamed(arenas, span.arena).addSpan(span, true, revision);
}

function release(
  arenas: ReadonlyMap<string, Arena>,
  released: readonly Released[],
  revision: number,
): void {
  for (const { arena, source, base, rests } of released) {
    arenaNamed(arenas, arena).removeSpan(base, revision);
    if (rests === true) rest(arenaNamed(arenas, source), base, revision);
    else arenaNamed(arenas, source).free(base, revision);
  }
}
