/**
 * Leases, and which allocations each of them holds, in any arenas. A lease is a row of numbers, named
 * by its place, and so is a holding: an allocation under a lease. The holdings of a lease form a ring
 * without an order of their own; whoever needs one sorts by arena and address.
 *
 * The engine has no clock: when a lease runs out is the business of whoever has one. It leaves the
 * deadline here, beside the row, for views to show; nothing is decided by it, and it is not state.
 */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import type { Labels } from './command.ts';
import { growth } from './growth.ts';
import { LeaseIndex } from './lease-index.ts';
import type { Undo } from './undo.ts';
import type { LeaseView } from './view.ts';

/** What is known of a lease beside numbers. */
export interface LeaseAbout {
  readonly labels: Labels;
  readonly owner?: string;
}

/** A lease without what it holds. */
export interface LeaseTerms extends LeaseAbout {
  readonly id: string;
  readonly ttlSeconds: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly revision: number;
  /** Made for an allocation, and gone with the last one. */
  readonly endsWhenEmpty: boolean;
}

/** An allocation under a lease. */
export interface Holding {
  readonly arena: Arena;
  readonly base: bigint;
}

/** Allocations of one lease: its end frees so many in one turn of the loop, in 20 to 50 milliseconds. */
export const HOLDINGS_MAX = 10_000;

// Places in the row of a lease.
const ROW = 3;
const TTL_SECONDS = 0;
const CREATED_AT = 1;
const REVISION = 2;
const DEADLINE = 3;
const COUNT = 4;
/** A holding of the ring; 0 while there is none. */
const FIRST = 5;
const ENDS_WHEN_EMPTY = 6;

// Places in the row of a holding.
const LINK = 2;
const LEASE = 0;
const NEXT = 1;
const PREVIOUS = 2;

// Shared by all leases without labels and an owner: there may be millions of them.
const plain: LeaseAbout = { labels: {} };

/** What a clock needs of leases. */
export type LeaseClock = Pick<
  Leases,
  'find' | 'after' | 'id' | 'ttlSeconds' | 'size' | 'holdings' | 'deadline' | 'setDeadline'
>;

export class Leases {
  readonly #undo: Undo;
  #rows = new Float64Array(8 << ROW);
  #links = new Uint32Array(8 << LINK);
  // By lease; that with the number 0 is none, and so is the holding.
  readonly #ids: string[] = [''];
  readonly #abouts: LeaseAbout[] = [plain];
  readonly #spareLeases: number[] = [];
  // By holding.
  readonly #arenas: (Arena | undefined)[] = [undefined];
  readonly #bases: bigint[] = [0n];
  readonly #spareHoldings: number[] = [];
  readonly #index = new LeaseIndex(this.#ids);
  /** Allocations under leases, in all arenas. */
  held = 0;

  constructor(undo: Undo) {
    this.#undo = undo;
  }

  get count(): number {
    return this.#index.count;
  }

  /** The number of the lease with this id; 0 where there is none. Others get it when it has ended. */
  find(id: string): number {
    return this.#index.find(id);
  }

  /** Numbers of the leases whose ids come after `id`, in the order of ids. */
  after(id: string): Generator<number> {
    return this.#index.after(id);
  }

  /** The id of the lease with this number; the empty string where there is none now. */
  id(lease: number): string {
    return this.#ids[lease] ?? '';
  }

  ttlSeconds(lease: number): number {
    return this.#rows[(lease << ROW) | TTL_SECONDS]!;
  }

  revision(lease: number): number {
    return this.#rows[(lease << ROW) | REVISION]!;
  }

  /** Allocations that the lease holds. */
  size(lease: number): number {
    return this.#rows[(lease << ROW) | COUNT]!;
  }

  endsWhenEmpty(lease: number): boolean {
    return this.#rows[(lease << ROW) | ENDS_WHEN_EMPTY] === 1;
  }

  /** When it runs out, as last told, by the clock of whoever told it; NaN before that. */
  deadline(lease: number): number {
    return this.#rows[(lease << ROW) | DEADLINE]!;
  }

  setDeadline(lease: number, deadline: number): void {
    this.#rows[(lease << ROW) | DEADLINE] = deadline;
  }

  /** The lease of a holding. */
  leaseOf(holding: number): number {
    return this.#links[(holding << LINK) | LEASE]!;
  }

  /** By number of the lease: its place among all in the order of ids, from 0. */
  ordinals(): Uint32Array {
    const ordinals = new Uint32Array(this.#ids.length);
    let ordinal = 0;
    for (const lease of this.after('')) ordinals[lease] = ordinal++;
    return ordinals;
  }

  terms(lease: number): LeaseTerms {
    const at = lease << ROW;
    return {
      id: this.#ids[lease]!,
      ttlSeconds: this.#rows[at | TTL_SECONDS]!,
      ...this.#abouts[lease]!,
      createdAt: this.#rows[at | CREATED_AT]!,
      revision: this.#rows[at | REVISION]!,
      endsWhenEmpty: this.endsWhenEmpty(lease),
    };
  }

  view(lease: number): LeaseView {
    const { endsWhenEmpty: _, ...terms } = this.terms(lease);
    return { ...terms, ...this.lasting(lease), allocations: this.size(lease) };
  }

  /** The deadline, where it is known. */
  lasting(lease: number): { readonly deadline?: number } {
    const deadline = this.deadline(lease);
    return Number.isNaN(deadline) ? {} : { deadline };
  }

  /** What the lease holds, in no particular order. */
  *holdings(lease: number): Generator<Holding> {
    const first = this.#rows[(lease << ROW) | FIRST]!;
    let holding = first;
    while (holding !== 0) {
      yield { arena: this.#arenas[holding]!, base: this.#bases[holding]! };
      holding = this.#links[(holding << LINK) | NEXT]!;
      if (holding === first) return;
    }
  }

  create(terms: LeaseTerms): number {
    const lease = this.#spareLeases.pop() ?? this.#freshLease();
    this.#write(lease, terms);
    if (this.#undo.trying) this.#undo.push(() => this.#erase(lease));
    return lease;
  }

  /** Forgets a lease that holds nothing. */
  end(lease: number): void {
    assert(this.size(lease) === 0, 'a lease ends when what it holds is free');
    if (this.#undo.trying) {
      const terms = this.terms(lease);
      const deadline = this.deadline(lease);
      this.#undo.push(() => {
        assert(this.#spareLeases.pop() === lease, 'a lease comes back by its number');
        this.#write(lease, terms);
        this.setDeadline(lease, deadline);
      });
    }
    this.#erase(lease);
  }

  renew(lease: number, ttlSeconds: number, revision: number): void {
    this.#touch(lease, revision);
    const at = (lease << ROW) | TTL_SECONDS;
    const before = this.#rows[at]!;
    if (this.#undo.trying) this.#undo.push(() => (this.#rows[at] = before));
    this.#rows[at] = ttlSeconds;
  }

  /** Puts the allocation of `arena` at `base` under the lease; returns the number of the holding. */
  join(lease: number, arena: Arena, base: bigint, revision: number): number {
    this.#touch(lease, revision);
    const holding = this.load(lease, arena, base);
    if (this.#undo.trying) this.#undo.push(() => this.#unlink(holding));
    return holding;
  }

  /** Takes an allocation out of its lease, which ends if it was made for it and this was the last. */
  leave(holding: number, revision: number): void {
    const lease = this.leaseOf(holding);
    this.#touch(lease, revision);
    if (this.#undo.trying) {
      const arena = this.#arenas[holding]!;
      const base = this.#bases[holding]!;
      this.#undo.push(() => {
        assert(this.load(lease, arena, base) === holding, 'a holding comes back by its number');
      });
    }
    this.#unlink(holding);
    if (this.size(lease) === 0 && this.endsWhenEmpty(lease)) this.end(lease);
  }

  /** Puts an allocation that was saved under its lease; returns the number of the holding. */
  load(lease: number, arena: Arena, base: bigint): number {
    const holding = this.#spareHoldings.pop() ?? this.#freshHolding();
    this.#arenas[holding] = arena;
    this.#bases[holding] = base;
    const links = this.#links;
    const first = this.#rows[(lease << ROW) | FIRST]! || holding;
    const last = first === holding ? holding : links[(first << LINK) | PREVIOUS]!;
    links[(holding << LINK) | LEASE] = lease;
    links[(holding << LINK) | NEXT] = first;
    links[(holding << LINK) | PREVIOUS] = last;
    links[(first << LINK) | PREVIOUS] = holding;
    links[(last << LINK) | NEXT] = holding;
    this.#rows[(lease << ROW) | FIRST] = first;
    this.#rows[(lease << ROW) | COUNT]!++;
    this.held++;
    return holding;
  }

  /** Whether the allocation of `arena` at `base` is this holding, of a lease that there is. */
  holds(holding: number, arena: Arena, base: bigint): boolean {
    const lease = this.leaseOf(holding);
    if (lease === 0 || this.find(this.id(lease)) !== lease) return false;
    return this.#arenas[holding] === arena && this.#bases[holding] === base;
  }

  /** Whether the lease has as many holdings as it counts. */
  isCounted(lease: number): boolean {
    let count = 0;
    for (const _ of this.holdings(lease)) count++;
    return count === this.size(lease);
  }

  #touch(lease: number, revision: number): void {
    const at = (lease << ROW) | REVISION;
    const before = this.#rows[at]!;
    if (this.#undo.trying) this.#undo.push(() => (this.#rows[at] = before));
    this.#rows[at] = revision;
  }

  #write(lease: number, terms: LeaseTerms): void {
    const { id, ttlSeconds, labels, owner, createdAt, revision, endsWhenEmpty } = terms;
    this.#ids[lease] = id;
    this.#abouts[lease] = owner === undefined ? aboutOf(labels) : { labels, owner };
    const at = lease << ROW;
    this.#rows[at | TTL_SECONDS] = ttlSeconds;
    this.#rows[at | CREATED_AT] = createdAt;
    this.#rows[at | REVISION] = revision;
    this.#rows[at | DEADLINE] = NaN;
    this.#rows[at | COUNT] = 0;
    this.#rows[at | FIRST] = 0;
    this.#rows[at | ENDS_WHEN_EMPTY] = endsWhenEmpty ? 1 : 0;
    this.#index.add(lease);
  }

  #erase(lease: number): void {
    this.#index.remove(lease);
    this.#ids[lease] = '';
    this.#abouts[lease] = plain;
    this.#spareLeases.push(lease);
  }

  #unlink(holding: number): void {
    const links = this.#links;
    const lease = links[(holding << LINK) | LEASE]!;
    const next = links[(holding << LINK) | NEXT]!;
    const previous = links[(holding << LINK) | PREVIOUS]!;
    links[(previous << LINK) | NEXT] = next;
    links[(next << LINK) | PREVIOUS] = previous;
    const at = lease << ROW;
    if (this.#rows[at | FIRST] === holding) this.#rows[at | FIRST] = next === holding ? 0 : next;
    this.#rows[at | COUNT]!--;
    this.#arenas[holding] = undefined;
    this.#bases[holding] = 0n;
    this.#spareHoldings.push(holding);
    this.held--;
  }

  #freshLease(): number {
    const lease = this.#ids.length;
    const capacity = this.#rows.length >>> ROW;
    if (lease === capacity) {
      const rows = new Float64Array(growth(capacity, 8 << ROW) << ROW);
      rows.set(this.#rows);
      this.#rows = rows;
    }
    this.#ids.push('');
    this.#abouts.push(plain);
    return lease;
  }

  #freshHolding(): number {
    const holding = this.#bases.length;
    const capacity = this.#links.length >>> LINK;
    if (holding === capacity) {
      const links = new Uint32Array(growth(capacity, 4 << LINK) << LINK);
      links.set(this.#links);
      this.#links = links;
    }
    this.#bases.push(0n);
    this.#arenas.push(undefined);
    return holding;
  }
}

function aboutOf(labels: Labels): LeaseAbout {
  return Object.keys(labels).length === 0 ? plain : { labels };
}
