/**
 * Leases of the naive model. What a lease holds is never stored: it is what says so of itself, looked
 * for in all arenas, so that no bookkeeping of the model can drift from the truth.
 */
import type { Labels } from '../../src/engine/command.ts';
import type { SingleCommand } from '../../src/engine/decide.ts';
import type { Event } from '../../src/engine/event.ts';
import { HOLDINGS_MAX } from '../../src/engine/leases.ts';
import type { LeaseView } from '../../src/engine/view.ts';
import type { Held, ModelArena } from './arena.ts';
import type { Model } from './model.ts';
import { adoptReleased } from './release.ts';
import { can, must, type Verdict } from './verdict.ts';

export interface ModelLease {
  readonly id: string;
  ttlSeconds: number;
  readonly labels: Labels;
  readonly owner?: string;
  readonly createdAt: number;
  readonly endsWhenEmpty: boolean;
  /** Of the last event that changed the lease, or how many allocations it holds. */
  revision: number;
  holds: number;
}

type LeaseCommand = Extract<
  SingleCommand,
  { type: 'createLease' | 'renewLease' | 'revokeLease' | 'expireLeases' }
>;
type LeaseEvent = Extract<Event, { type: 'leaseCreated' | 'leaseRenewed' | 'leasesEnded' }>;

export function isLeaseCommand(command: SingleCommand): command is LeaseCommand {
  return !('arena' in command);
}

export function isLeaseEvent<E extends Event>(event: E): event is E & LeaseEvent {
  return ['leaseCreated', 'leaseRenewed', 'leasesEnded'].includes(event.type);
}

export function verdictOnLease({ leases }: Model, command: LeaseCommand): Verdict {
  if (command.type === 'createLease') return can;
  const ids = command.type === 'expireLeases' ? command.leases : [command.lease];
  return ids.every((id) => leases.has(id)) ? can : must('lease-not-found');
}

/** Whether the lease that an alloc names takes the allocation. */
export function verdictOnJoin(
  model: Model,
  { lease, ttlSeconds }: { lease?: string; ttlSeconds?: number },
): Verdict {
  if (lease === undefined || ttlSeconds !== undefined) return can;
  const there = model.leases.get(lease);
  if (there === undefined) return must('lease-not-found');
  return there.holds < HOLDINGS_MAX ? can : must('lease-full');
}

export function adoptLease(
  model: Model,
  command: LeaseCommand,
  event: LeaseEvent,
): string | undefined {
  switch (event.type) {
    case 'leaseCreated': {
      if (command.type !== 'createLease') return 'creates a lease';
      const { lease: id, ttlSeconds, labels, owner, at: createdAt } = command;
      const about = { labels, ...(owner === undefined ? {} : { owner }) };
      const terms = { id, ttlSeconds, createdAt, endsWhenEmpty: false, ...about };
      model.leases.set(id, { ...terms, revision: model.judged, holds: 0 });
      return undefined;
    }
    case 'leaseRenewed': {
      if (command.type !== 'renewLease') return 'renews a lease';
      const lease = model.leases.get(command.lease)!;
      const other = command.ttlSeconds !== lease.ttlSeconds ? command.ttlSeconds : undefined;
      if (event.ttlSeconds !== other) return `renews for ${event.ttlSeconds}, must be ${other}`;
      if (other === undefined) return undefined;
      lease.ttlSeconds = other;
      lease.revision = model.judged;
      return undefined;
    }
    case 'leasesEnded':
      return adoptEnded(model, command, event);
  }
}

function adoptEnded(
  model: Model,
  command: LeaseCommand,
  { ended, reason, released }: Extract<LeaseEvent, { type: 'leasesEnded' }>,
): string | undefined {
  const ids = command.type === 'revokeLease' ? [command.lease] : [];
  if (command.type === 'expireLeases') ids.push(...command.leases);
  const wanted = command.type === 'revokeLease' ? 'revoked' : 'expired';
  if (reason !== wanted) return `says ${reason}, must be ${wanted}`;
  if (ended.map(({ lease }) => lease).join() !== ids.join())
    return `ends others than ${ids.join()}`;
  for (const { lease, freed } of ended) {
    const held = holdingsOf(model, lease);
    const is = freed.map(({ arena, base, size }) => `${arena} ${base}+${size}`).join();
    const must = held.map(([arena, { base, size }]) => `${arena.name} ${base}+${size}`).join();
    if (is !== must) return `the end of ${lease} frees ${is}, must free ${must}`;
    for (const [i, [arena, { base }]] of held.entries()) {
      if ((freed[i]!.rests === true) !== arena.quarantines) return `rests: ${freed[i]!.rests}`;
      if (arena.quarantines) arena.rest(base, model.judged);
      else arena.drop(base);
    }
    model.leases.delete(lease);
  }
  return adoptReleased(model.arenas, released, 'excess', model.judged);
}

/** By the names of the arenas, then by address. */
function holdingsOf({ arenas }: Model, id: string): [ModelArena, Held][] {
  const names = [...arenas.keys()].toSorted();
  return names.flatMap((name) => {
    const arena = arenas.get(name)!;
    return arena.held.filter(({ lease }) => lease === id).map((held) => [arena, held] as const);
  }) as [ModelArena, Held][];
}

/** To be told after every event: leases hold more or less, and those made for allocations end. */
export function settleLeases(model: Model, revision: number): void {
  if (model.leases.size === 0) return;
  const held = [...model.arenas.values()].flatMap((arena) => arena.held.map(({ lease }) => lease));
  const counts = Map.groupBy(held, (lease) => lease);
  for (const lease of model.leases.values()) {
    const holds = counts.get(lease.id)?.length ?? 0;
    if (holds !== lease.holds) lease.revision = revision;
    lease.holds = holds;
    if (holds === 0 && lease.endsWhenEmpty) model.leases.delete(lease.id);
  }
}

/** The leases as the engine must show them, in order of id. */
export function leaseViews({ leases }: Model): LeaseView[] {
  return [...leases.values()]
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ endsWhenEmpty: _ends, holds, ...view }) => ({ ...view, allocations: holds }));
}
