/**
 * The commands that make, change and end allocations: what each leads to. Reads only.
 */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import { bandNamed, keptOut, openWindows } from './bands.ts';
import type {
  Alloc,
  At,
  Band,
  Draft,
  Free,
  Resize,
  Undelete,
  UpdateAllocation,
} from './command.ts';
import { keptFor } from './decide-kept.ts';
import { fullLease, noLease } from './decide-lease.ts';
import type { Allocated, Event } from './event.ts';
import { exhaustionOf } from './exhaustion.ts';
import type { Ask } from './ask.ts';
import { couldFit, plan } from './import.ts';
import { releases } from './release.ts';
import { chainRevision } from './source.ts';
import type { Arenas } from './source.ts';
import { HOLDINGS_MAX } from './leases.ts';
import type { Leases } from './leases.ts';
import { overdrawn, overdrawnBy, overfull, pieceSizeFor } from './limit.ts';
import { BUSY, HELD } from './narrow/segments.ts';
import { invalid, refuse, written } from './refusal.ts';
import type { Refusal } from './refusal.ts';
import { couldReuse, onlyRests, planReusing } from './reuse.ts';
import { seedOf } from './seed.ts';
import type { Found } from './space.ts';
import type { State } from './state.ts';
import { badBlock } from './validity.ts';

export function alloc(state: State, arena: Arena, command: At<Alloc>): Event | Refusal {
  const { arenas } = state;
  const lease = leaseFor(state.leases, command);
  if (lease === 'missing') return noLease(command.lease!);
  const band = bandOf(arena, command);
  if (band !== undefined && 'refused' in band) return band;
  const stale = changedSince(arenas, arena, command.ifRevision);
  if (stale !== undefined) return stale;
  const size = arena.roundup(command.size);
  const bad = badBlock(arena, command.size, size, command.constraint);
  if (bad !== undefined) return bad;
  const event = grant(state, arena, command);
  return event ?? noRoom(arenas, arena, askOf(arena, command), command);
}

/**
 * What a valid command without condition is granted, or why it can't be, whatever the room; undefined
 * where there is no room. The reasons for that, which `alloc` gives, cost more.
 */
export function grant(
  { arenas, leases }: State,
  arena: Arena,
  command: At<Alloc>,
): Event | Refusal | undefined {
  const there = keptFor(leases, arena, command);
  if (there !== undefined) return there;
  const lease = leaseFor(leases, command);
  if (lease !== 'fits') {
    return lease === 'full' ? fullLease(command.lease!) : noLease(command.lease!);
  }
  const closed = closedTo(arena, command);
  if (closed !== undefined) return closed;
  if (overdrawnBy(arena, command) !== undefined) return undefined;
  const ask = askOf(arena, command);
  const { size, policy } = ask;
  const cached = fromCache(arenas, arena, command, ask);
  if (cached !== undefined) return cached;
  const pieceSize = pieceSizeFor(arena, command.type, size);
  const found =
    plan(arenas, arena, ask) ??
    (command.reuse === true ? planReusing(arenas, arena, ask, { pieceSize }) : undefined);
  if (found === undefined) return undefined;
  const { base, imported, piece, reused } = found;
  const by = piece === true ? 'instantfit' : policy;
  const event = grantOf(arena, command, { base, size: found.size, policy: by, imported });
  if (reused !== undefined) event.reused = reused;
  return event;
}

/** The grant of a request: what it says is to be known, of the block that is found for it. */
export function grantOf(
  { name: arena }: Arena,
  { labels, owner, externalId, lease, ttlSeconds, at }: At<Alloc>,
  { base, size, policy, imported }: Pick<Allocated, 'base' | 'size' | 'policy' | 'imported'>,
): Draft<Allocated & { readonly at: number }> {
  const event: ReturnType<typeof grantOf> = {
    type: 'allocated',
    at,
    arena,
    base,
    size,
    policy,
    labels,
    imported,
  };
  if (owner !== undefined) event.owner = owner;
  if (externalId !== undefined) event.externalId = externalId;
  if (lease !== undefined) event.lease = lease;
  if (ttlSeconds !== undefined) event.ttlSeconds = ttlSeconds;
  return event;
}

/** Whether the lease that the request names takes an allocation; a new one does. */
function leaseFor(leases: Leases, { lease: id, ttlSeconds }: Alloc): 'fits' | 'missing' | 'full' {
  if (id === undefined) return 'fits';
  const lease = leases.find(id);
  if (ttlSeconds !== undefined) {
    assert(lease === 0, 'a lease is made by an id that no other has');
    return 'fits';
  }
  if (lease === 0) return 'missing';
  return leases.size(lease) < HOLDINGS_MAX ? 'fits' : 'full';
}

function bandOf(arena: Arena, { band }: Alloc): Band | Refusal | undefined {
  return band === undefined ? undefined : bandNamed(arena, band);
}

/** Why the arena's bands don't let the request in: the one that it names, or names none of. */
function closedTo(arena: Arena, command: Alloc): Refusal | undefined {
  const band = bandOf(arena, command);
  if (band !== undefined) return 'refused' in band ? band : undefined;
  const { address } = command.constraint;
  if (address === undefined) return undefined;
  return keptOut(arena, { base: address, size: arena.roundup(command.size) });
}

/** The band of the command, if it names one, is there. */
function askOf(arena: Arena, command: Alloc): Ask {
  const { size, constraint, policy = arena.tuning.policy, seed } = command;
  // Sources have policies of their own, and draw from what this arena draws from.
  const draws = policy === 'randomfit' || arena.source !== undefined;
  const band = bandOf(arena, command);
  assert(band === undefined || !('refused' in band), 'whoever asks for a band knows of it');
  return {
    size: arena.roundup(size),
    constraint,
    policy,
    seed: seed ?? (draws ? seedOf(arena) : 0),
    windows: band === undefined ? openWindows(arena) : [band],
  };
}

/** A piece of a slab, a new slab if need be; undefined where a plain block has to do. */
function fromCache(
  arenas: Arenas,
  arena: Arena,
  command: At<Alloc>,
  { size, seed, windows }: Ask,
): Event | undefined {
  const { cache } = arena;
  const pieceSize = pieceSizeFor(arena, command.type, size);
  if (cache === undefined || pieceSize === undefined) return undefined;
  const piece = cache.next(pieceSize, windows);
  const slab = { size: cache.slabSize, constraint: {}, policy: 'instantfit' } as const;
  const found =
    piece === undefined
      ? plan(arenas, arena, { ...slab, seed, windows })
      : { base: piece, imported: [] };
  if (found === undefined) return undefined;
  const { base, imported } = found;
  const block = { base, size: pieceSize, policy: 'instantfit', imported } as const;
  const event = grantOf(arena, command, block);
  if (piece === undefined) event.slab = { base, size: cache.slabSize };
  return event;
}

function noRoom(arenas: Arenas, arena: Arena, ask: Ask, command: Alloc): Refusal {
  const { name } = arena;
  if (!couldFit(arenas, arena, ask)) {
    const where = arena.source === undefined ? `'${name}'` : `'${name}' and its sources`;
    const part = command.band === undefined ? 'no span' : `no range of band '${command.band}'`;
    return refuse('never-fits', `${part} of ${where} could hold this block even if it were empty`);
  }
  const exceeding = overfull(arena, ask.size) ?? overdrawnBy(arena, command);
  if (exceeding !== undefined) return exceeding;
  if (ask.constraint.address !== undefined) {
    return couldReuse(arenas, arena, ask)
      ? refuse('resting', 'the range at this address rests, wholly or in part; reuse takes it now')
      : refuse('taken', 'the range at this address is not free');
  }
  const exhaustion = exhaustionOf(arenas, arena, ask, command);
  const what = command.reuse === true ? 'free or resting segment' : 'free segment';
  const resting = exhaustion.resting === 0n ? '' : `; ${exhaustion.resting} addresses rest`;
  const detail =
    `no ${what} of '${name}' holds ${ask.size} under the given constraints; ` +
    `the largest block that fits is ${exhaustion.largestFitting}${resting}`;
  return refuse('exhausted', detail, { exhaustion });
}

export function free(arenas: Arenas, arena: Arena, command: At<Free>): Event | Refusal {
  const found = allocationAt(arena, command.address);
  if ('refused' in found) return found;
  const { base, size, id } = found;
  const stale = changed(arena, id, command.ifRevision);
  if (stale !== undefined) return stale;
  const heldBy = held(arena, id);
  if (heldBy !== undefined) return heldBy;
  if (command.size !== undefined && arena.chargedFor(base, command.size) !== size) {
    return refuse('size-mismatch', `the allocation has size ${size}, not ${command.size}`);
  }
  return {
    type: 'freed',
    at: command.at,
    arena: arena.name,
    base,
    size,
    ...arena.afterFreeing,
    released: arena.quarantines ? [] : releases(arenas, arena, [base]),
  };
}

/** Nothing else has taken the range of the allocation since it was freed. */
export function undelete(arena: Arena, command: At<Undelete>): Event | Refusal {
  const { address, at } = command;
  const found = arena.formerAt(address);
  if (found === undefined) return notUndeletable(arena, address);
  const { base, size, id } = found;
  const stale = changed(arena, id, command.ifRevision);
  if (stale !== undefined) return stale;
  const { owner, externalId, labels } = arena.allocations.about(id);
  if (command.owner !== owner) {
    const remedy = owner === undefined ? 'it had none: leave owner out' : 'name the one it had';
    return refuse('owner-mismatch', `the allocation comes back to its owner alone; ${remedy}`);
  }
  const other = externalId === undefined ? undefined : arena.allocations.named(externalId);
  if (other !== undefined) {
    const detail =
      'the allocation at {0} has the externalId that this one had; free that one first';
    return refuse('external-id-taken', detail, written(arena, other));
  }
  const exceeding = overfull(arena, size) ?? overdrawn(arena, owner, size);
  if (exceeding !== undefined) return exceeding;
  return {
    type: 'undeleted',
    at,
    arena: arena.name,
    base,
    size,
    createdAt: arena.allocations.createdAt(id),
    labels,
    ...(owner === undefined ? {} : { owner }),
    ...(externalId === undefined ? {} : { externalId }),
  };
}

function notUndeletable(arena: Arena, address: bigint): Refusal {
  const { base, state, id } = arena.space.find(address);
  const rests = state === HELD && id !== 0;
  const why =
    state === BUSY
      ? 'the address is in use'
      : !rests
        ? 'nothing rests at this address: the rest has ended, or the range was reused'
        : base !== address
          ? 'what rests here begins at another address'
          : 'what rests here is not a whole allocation, but what is left of one, or was a span';
  return refuse('allocation-not-found', `no allocation can be brought back: ${why}`);
}

export function resize(arenas: Arenas, arena: Arena, command: At<Resize>): Event | Refusal {
  const found = allocationAt(arena, command.address);
  if ('refused' in found) return found;
  const { base, id } = found;
  const stale = changed(arena, id, command.ifRevision);
  if (stale !== undefined) return stale;
  const size = arena.roundup(command.size);
  if (command.size <= 0n || size > arena.limit)
    return invalid('/size', `must be from 1 to 2^${arena.width}`);
  const heldBy = held(arena, id);
  if (heldBy !== undefined) return heldBy;
  if (arena.cache?.holding(base) !== undefined) {
    return invalid('/size', 'a block from a quantum cache has the size of its cache');
  }
  const growth = size - found.size;
  if (growth > 0n) {
    const closed = keptOut(arena, { base, size }, found);
    if (closed !== undefined) return closed;
    const ask = { size, constraint: { address: base }, policy: arena.tuning.policy, seed: 0 };
    const span = arena.spans.holding(base);
    const room =
      span?.imported === true ? base + size <= span.base + span.size : couldFit(arenas, arena, ask);
    if (!room) return refuse('never-fits', 'the span ends before {0}', written(arena, base + size));
    const { owner } = arena.allocations.about(id);
    const exceeding = overfull(arena, growth) ?? overdrawn(arena, owner, growth);
    if (exceeding !== undefined) return exceeding;
    const beyond = base + found.size;
    const edge = arena.spans.get(beyond)?.imported === true;
    if (edge || !arena.space.isFree(beyond, growth)) {
      const rests = !edge && onlyRests(arena, beyond, growth);
      return refuse(
        rests ? 'resting' : 'taken',
        `the range behind the allocation ${rests ? 'rests' : 'is not free'} up to {0}`,
        written(arena, base + size - 1n),
      );
    }
  }
  return {
    type: 'resized',
    at: command.at,
    arena: arena.name,
    base,
    size,
    previousSize: found.size,
    ...(growth < 0n ? arena.afterFreeing : {}),
  };
}

export function updateAllocation(arena: Arena, command: At<UpdateAllocation>): Event | Refusal {
  const { labels, owner, at, address } = command;
  const found = allocationAt(arena, address);
  if ('refused' in found) return found;
  const stale = changed(arena, found.id, command.ifRevision);
  if (stale !== undefined) return stale;
  const before = arena.allocations.about(found.id).owner;
  return (
    held(arena, found.id) ??
    (owner === before ? undefined : overdrawn(arena, owner, found.size)) ?? {
      type: 'allocationUpdated',
      at,
      arena: arena.name,
      address,
      ...(labels === undefined ? {} : { labels }),
      ...(owner === undefined ? {} : { owner }),
    }
  );
}

/** The answer depends on the sources as well, so their changes count like the arena's own. */
function changedSince(
  arenas: Arenas,
  arena: Arena,
  ifRevision: number | undefined,
): Refusal | undefined {
  if (ifRevision === undefined) return undefined;
  const revision = chainRevision(arenas, arena);
  if (ifRevision === revision) return undefined;
  const which = arena.source === undefined ? 'the arena is' : 'the arena with its sources is';
  return refuse('precondition-failed', `${which} at revision ${revision}`);
}

export function changed(
  arena: Arena,
  id: number,
  ifRevision: number | undefined,
): Refusal | undefined {
  const revision = arena.allocations.revision(id);
  if (ifRevision === undefined || ifRevision === revision) return undefined;
  return refuse('precondition-failed', `the allocation is at revision ${revision}`);
}

export function held(arena: Arena, id: number): Refusal | undefined {
  const { importedBy } = arena.allocations.about(id);
  if (importedBy === undefined) return undefined;
  const detail = `this range is a span of the arena '${importedBy}', which gives it back once it is free`;
  return refuse('allocation-busy', detail);
}

export function allocationAt(arena: Arena, address: bigint): Found | Refusal {
  const found = arena.allocationAt(address);
  if (found !== undefined) return found;
  const { base, state } = arena.space.find(address);
  const inside = state === BUSY && base !== address;
  const detail = inside
    ? `no allocation starts at this address; it lies inside the one that starts at {0}`
    : 'no allocation starts at this address';
  return refuse('allocation-not-found', detail, inside ? written(arena, base) : {});
}
