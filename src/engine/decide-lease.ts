/** The commands about leases: what each leads to. Reads only. */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import type { At, CreateLease, ExpireLeases, RenewLease, RevokeLease } from './command.ts';
import type { EndedLease, Event, FreedRange, LeasesEnded } from './event.ts';
import { releasesOfAll } from './release.ts';
import { refuse } from './refusal.ts';
import type { Refusal } from './refusal.ts';
import type { State } from './state.ts';

export function createLease({ leases }: State, command: At<CreateLease>): Event {
  assert(leases.find(command.lease) === 0, 'a lease is made by an id that no other has');
  return { ...command, type: 'leaseCreated' };
}

export function renewLease({ leases }: State, command: At<RenewLease>): Event | Refusal {
  const { lease: id, ttlSeconds, at } = command;
  const lease = leases.find(id);
  if (lease === 0) return noLease(id);
  const same = ttlSeconds === undefined || ttlSeconds === leases.ttlSeconds(lease);
  return { type: 'leaseRenewed', at, lease: id, ...(same ? {} : { ttlSeconds }) };
}

export function revokeLease(state: State, command: At<RevokeLease>): Event | Refusal {
  const { leases } = state;
  const { lease: id, ifRevision } = command;
  const lease = leases.find(id);
  if (lease === 0) return noLease(id);
  const revision = leases.revision(lease);
  if (ifRevision !== undefined && ifRevision !== revision) {
    return refuse('precondition-failed', `the lease is at revision ${revision}`);
  }
  return end(state, [lease], 'revoked', command.at);
}

export function expireLeases(state: State, command: At<ExpireLeases>): Event | Refusal {
  const leases: number[] = [];
  for (const id of command.leases) {
    const lease = state.leases.find(id);
    if (lease === 0) return noLease(id);
    leases.push(lease);
  }
  return end(state, leases, 'expired', command.at);
}

export function noLease(id: string): Refusal {
  return refuse('lease-not-found', `there is no lease ${id}: it may have run out`);
}

export function fullLease(id: string): Refusal {
  return refuse('lease-full', `lease ${id} holds as many allocations as a lease can; use another`);
}

function end(
  state: State,
  leases: readonly number[],
  reason: LeasesEnded['reason'],
  at: number,
): Event {
  const freed = new Map<Arena, bigint[]>();
  const ended = leases.map((lease): EndedLease => {
    const ranges: FreedRange[] = [];
    for (const [arena, bases] of heldBy(state, lease)) {
      const free = arena.quarantines ? undefined : entry(freed, arena);
      for (const base of bases) {
        const found = arena.allocationAt(base);
        assert(found !== undefined, 'what a lease holds is there');
        const { size } = found;
        if (free === undefined) ranges.push({ arena: arena.name, base, size, rests: true });
        else {
          ranges.push({ arena: arena.name, base, size });
          free.push(base);
        }
      }
    }
    return { lease: state.leases.id(lease), freed: ranges };
  });
  const released = releasesOfAll(state.arenas, freed);
  return { type: 'leasesEnded', at, reason, ended, released };
}

/**
 * Addresses of what a lease holds, by arena. In the order of names, then of addresses: the same
 * however the lease came to hold it.
 */
function heldBy({ leases }: State, lease: number): [Arena, bigint[]][] {
  const held = new Map<Arena, bigint[]>();
  for (const { arena, base } of leases.holdings(lease)) entry(held, arena).push(base);
  const byName = [...held].toSorted(([a], [b]) => (a.name < b.name ? -1 : 1));
  for (const [, bases] of byName) sort(bases);
  return byName;
}

/** Into ascending order, in which they are already where they were granted so. */
function sort(bases: bigint[]): void {
  let at = 1;
  while (at < bases.length && bases[at - 1]! < bases[at]!) at++;
  if (at < bases.length) bases.sort((a, b) => (a < b ? -1 : 1));
}

function entry(map: Map<Arena, bigint[]>, arena: Arena): bigint[] {
  let bases = map.get(arena);
  if (bases === undefined) map.set(arena, (bases = []));
  return bases;
}
