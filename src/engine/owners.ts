/**
 * How much each owner holds in one arena, and may hold. It is counted only where there are limits of
 * owners, or where somebody has asked: from then on the tally is kept up to date. It follows from the
 * allocations, and is no part of the state.
 *
 * What is counted is what an owner sees in its allocations: their sizes. What rests is held by nobody,
 * and what has no owner counts for none.
 */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import type { OwnerLimit, Tuning } from './command.ts';
import { BUSY } from './narrow/segments.ts';
import { OrderedSet } from './ordered-set.ts';
import { invalid } from './refusal.ts';
import type { Refusal } from './refusal.ts';
import type { OwnerView } from './view.ts';

type Limits = Pick<Tuning, 'ownerLimit' | 'ownerLimits'>;

/** An owner in one arena. */
export interface Account {
  readonly arena: string;
  readonly owner: string;
}

interface Holdings {
  /** In addresses. */
  allocated: bigint;
  allocations: number;
}

export class Owners {
  /** Of all who have no other one. */
  #limit: bigint | undefined;
  #limits: ReadonlyMap<string, bigint> = new Map();
  /** Owners without any allocation are not in it. */
  readonly #holdings = new Map<string, Holdings>();
  /** The same in order, once that has been asked for. */
  #names: OrderedSet<string> | undefined;

  constructor(limits: Limits) {
    this.limitTo(limits);
  }

  limitTo({ ownerLimit, ownerLimits = [] }: Limits): void {
    this.#limit = ownerLimit;
    this.#limits = new Map(ownerLimits.map(({ owner, limit }) => [owner, limit]));
  }

  /** In addresses. */
  held(owner: string): bigint {
    return this.#holdings.get(owner)?.allocated ?? 0n;
  }

  /** The most that an owner may hold, its own limit before that of all; undefined for no limit. */
  limit(owner: string): bigint | undefined {
    return this.#limits.get(owner) ?? this.#limit;
  }

  /** How much more an owner may get; undefined for as much as there is. */
  left(owner: string): bigint | undefined {
    const limit = this.limit(owner);
    if (limit === undefined) return undefined;
    const held = this.held(owner);
    return held < limit ? limit - held : 0n;
  }

  /** An owner holds so much more in so many more allocations, or less in fewer. */
  add(owner: string, size: bigint, count: number): void {
    const holdings = this.#holdings.get(owner);
    if (holdings === undefined) {
      assert(count === 1 && size > 0n, 'who holds nothing gets an allocation first');
      this.#holdings.set(owner, { allocated: size, allocations: count });
      this.#names?.add(owner);
      return;
    }
    holdings.allocated += size;
    holdings.allocations += count;
    if (holdings.allocations > 0) {
      assert(holdings.allocated > 0n, 'whoever has an allocation holds something');
      return;
    }
    assert(holdings.allocated === 0n, 'whoever has no allocation holds nothing');
    this.#holdings.delete(owner);
    this.#names?.remove(owner);
  }

  /** Owners that hold something. */
  get names(): Iterable<string> {
    return this.#holdings.keys();
  }

  /** Those that hold something and come after `after`, in order, at most `most`. */
  list(after: string, most: number): OwnerView[] {
    const views: OwnerView[] = [];
    this.#names ??= new OrderedSet([...this.#holdings.keys()].toSorted());
    for (const owner of this.#names.from(after)) {
      if (owner === after) continue;
      if (views.length === most) break;
      const limit = this.limit(owner);
      const held = this.#holdings.get(owner)!;
      views.push({ owner, ...held, ...(limit === undefined ? {} : { limit }) });
    }
    return views;
  }

  /** Whether another tally, made anew, is the same. */
  equals(other: Owners): boolean {
    const { size } = this.#holdings;
    if (other.#holdings.size !== size || (this.#names?.count ?? size) !== size) return false;
    for (const [owner, { allocated, allocations }] of this.#holdings) {
      const there = other.#holdings.get(owner);
      if (there?.allocated !== allocated || there.allocations !== allocations) return false;
      if (this.#names?.has(owner) === false) return false;
    }
    return true;
  }
}

/** The arena has other settings, which are these changes: owners are counted from now on, or no more. */
export function limitOwners(arena: Arena, { ownerLimit, ownerLimits }: Partial<Limits>): void {
  if (ownerLimit === undefined && ownerLimits === undefined) return;
  if (!limitsOwners(arena.tuning)) arena.owners = undefined;
  else if (arena.owners === undefined) arena.owners = countedOwners(arena);
  else arena.owners.limitTo(arena.tuning);
}

/** The owner of an allocation holds so much more in so many more of them, or less in fewer. */
export function charge(arena: Arena, id: number, size: bigint, count: number): void {
  if (arena.owners === undefined) return;
  chargeOwner(arena, arena.allocations.about(id).owner, size, count);
}

/** The same of an owner, if it is one. */
export function chargeOwner(
  arena: Arena,
  owner: string | undefined,
  size: bigint,
  count: number,
): void {
  const { owners, undo } = arena;
  if (owners === undefined || owner === undefined) return;
  owners.add(owner, size, count);
  const limited = owners.limit(owner) !== undefined;
  if (limited) arena.charged.push({ arena: arena.name, owner });
  if (!undo.trying) return;
  undo.push(() => {
    owners.add(owner, -size, -count);
    if (limited) arena.charged.pop();
  });
}

/** Nobody holds anything any more. */
export function chargeNobody(arena: Arena): void {
  if (arena.owners === undefined) return;
  assert(!arena.undo.trying, 'no trial frees all');
  for (const owner of arena.owners.names) arena.charged.push({ arena: arena.name, owner });
  arena.owners = new Owners(arena.tuning);
}

/** What each owner holds in the arena, counted by a walk over all of it. */
export function countedOwners(arena: Arena): Owners {
  const owners = new Owners(arena.tuning);
  const { space, allocations } = arena;
  space.each((state, id, found) => {
    const owner = state === BUSY ? allocations.about(id).owner : undefined;
    if (owner !== undefined) owners.add(owner, found().size, 1);
  });
  return owners;
}

/** Whether owners have to be counted at all. */
export function limitsOwners({ ownerLimit, ownerLimits }: Limits): boolean {
  return ownerLimit !== undefined || ownerLimits !== undefined;
}

/** How much more an owner may get in an arena; undefined for as much as there is. */
export function leftTo({ owners }: Arena, owner: string | undefined): bigint | undefined {
  return owner === undefined ? undefined : owners?.left(owner);
}

/** In the order of their owners, in which events have them. */
export function inOrderOfOwner(limits: readonly OwnerLimit[]): OwnerLimit[] {
  return limits.toSorted((a, b) => (a.owner < b.owner ? -1 : a.owner > b.owner ? 1 : 0));
}

/** Whether saved ones are as events have them: each owner once, in order. */
export function areOwnerLimits(limits: readonly OwnerLimit[]): boolean {
  return limits.every(({ owner }, i) => i === 0 || limits[i - 1]!.owner < owner);
}

export function badOwnerLimits(limits: readonly OwnerLimit[]): Refusal | undefined {
  const seen = new Set<string>();
  for (const [i, { owner }] of limits.entries()) {
    if (seen.has(owner)) return invalid(`/ownerLimits/${i}/owner`, 'is given twice');
    seen.add(owner);
  }
  return undefined;
}
