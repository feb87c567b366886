/**
 * A request with an external id that an allocation has already: it is that one's, if it is what is
 * asked for. Reads only.
 */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import type { Alloc, At } from './command.ts';
import type { Event } from './event.ts';
import type { Leases } from './leases.ts';
import { refuse, written } from './refusal.ts';
import type { Refusal } from './refusal.ts';
import type { Found } from './space.ts';
import { admits } from './windows.ts';

/** The allocation with the command's external id, or what differs; undefined where there is none. */
export function keptFor(
  leases: Leases,
  arena: Arena,
  command: At<Alloc>,
): Event | Refusal | undefined {
  const { externalId, at } = command;
  const base = externalId === undefined ? undefined : arena.allocations.named(externalId);
  if (base === undefined) return undefined;
  const found = arena.allocationAt(base);
  assert(found !== undefined, 'what has an external id is there');
  const { size } = found;
  const difference =
    sizeDifference(arena, found, command) ??
    placeDifference(arena, found, command) ??
    leaseDifference(leases, arena, found, command);
  if (difference === undefined)
    return { type: 'allocationKept', at, arena: arena.name, base, size };
  const detail = `the allocation at {0} has this external id, and ${difference}`;
  return refuse('external-id-taken', detail, written(arena, base));
}

function sizeDifference(arena: Arena, { base, size }: Found, asked: Alloc): string | undefined {
  const charged = arena.chargedFor(base, asked.size);
  return charged === size ? undefined : `has size ${size}, not ${charged}`;
}

/** The part of the constraint that the allocation does not meet. */
function placeDifference(arena: Arena, { base, size }: Found, asked: Alloc): string | undefined {
  const { align = arena.quantum, phase = 0n, nocross, min, max, address } = asked.constraint;
  const last = base + size - 1n;
  if (address !== undefined && base !== address) return 'is at another address';
  if ((base - phase) % align !== 0n) return `is not aligned to ${align}, phase ${phase}`;
  if (nocross !== undefined && base / nocross !== last / nocross) {
    return `crosses a multiple of ${nocross}`;
  }
  const band = arena.tuning.bands?.find(({ name }) => name === asked.band);
  if (asked.band !== undefined && (band === undefined || !admits([band], { base, size }))) {
    return `is not in the band '${asked.band}'`;
  }
  if (min !== undefined && base < min) return 'begins below min';
  return max !== undefined && last > max ? 'ends above max' : undefined;
}

function leaseDifference(
  leases: Leases,
  arena: Arena,
  { id }: Found,
  { lease: asked, ttlSeconds }: Alloc,
): string | undefined {
  const lease = arena.leaseOf(id);
  if (asked === undefined) return lease === 0 ? undefined : `is under lease ${leases.id(lease)}`;
  if (lease === 0) return 'is under no lease';
  if (ttlSeconds === undefined) {
    return leases.id(lease) === asked ? undefined : `is under lease ${leases.id(lease)}`;
  }
  const its = leases.ttlSeconds(lease);
  return its === ttlSeconds ? undefined : `is under a lease of ${its} seconds, not ${ttlSeconds}`;
}
