/**
 * Leases, and which allocations each of them holds, in any arenas. A lease is a row of numbers, named
 * by its place; what it holds has no order, and whoever needs one sorts by arena and address. Nothing
 * of a lease is on the heap but labels and an owner, where it has some: so a million of them are no
 * work for the garbage collector, which would hold up everybody.
 *
 * The engine has no clock: when a lease runs out is the business of whoever has one. It leaves the
 * deadline here, beside the row, for views to show; nothing is decided by it, and it is not state.
 */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import type { Labels } from './command.ts';
import { growth } from './growth.ts';
import { Holdings } from './holdings.ts';
import type { Holding } from './holdings.ts';
import { LeaseIds, leaseId } from './lease-ids.ts';
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

/** Allocations of one lease: its end frees so many in one turn of the loop, in some tens of milliseconds. */
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
/** In the row of a number that no lease has any more: the next such number; 0 for none. */
const NEXT_SPARE = 7;

// Of all leases without labels and an owner.
const plain: LeaseAbout = { labels: {} };

/** What a clock needs of leases. */
export type LeaseClock = Pick<
  Leases,
  'find' | 'after' | 'has' | 'id' | 'ttlSeconds' | 'size' | 'holdings' | 'deadline' | 'setDeadline'
>;

export class Leases {
  readonly #undo: Undo;
  #rows = new Float64Array(8 << ROW);
  /** Numbers that leases ever had; 0 is none. */
  #used = 1;
  /** The number that was given up last; 0 where all are in use. */
  #spare = 0;
  readonly #ids = new LeaseIds();
  /** Of those that have labels or an owner. */
  readonly #abouts = new Map<number, LeaseAbout>();
  readonly #index = new LeaseIndex(this.#ids);
  readonly #holdings = new Holdings();

  constructor(undo: Undo) {
    this.#undo = undo;
  }

  get count(): number {
    return this.#index.count;
  }

  /** Allocations under leases, in all arenas. */
  get held(): number {
    return this.#holdings.count;
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
    return this.#ids.get(lease);
  }

  /** Whether there is a lease with this number now. */
  has(lease: number): boolean {
    return this.#ids.has(lease);
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
    return this.#holdings.lease(holding);
  }

  /** By number of the lease: its place among all in the order of ids, from 0. */
  ordinals(): Uint32Array {
    const ordinals = new Uint32Array(this.#used);
    let ordinal = 0;
    for (const lease of this.after('')) ordinals[lease] = ordinal++;
    return ordinals;
  }

  terms(lease: number): LeaseTerms {
    const at = lease << ROW;
    return {
      id: this.#ids.get(lease),
      ttlSeconds: this.#rows[at | TTL_SECONDS]!,
      ...(this.#abouts.get(lease) ?? plain),
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
  holdings(lease: number): Generator<Holding> {
    return this.#holdings.ring(this.#first(lease));
  }

  create(terms: LeaseTerms): number {
    const lease = this.#take();
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
        assert(this.#take() === lease, 'a lease comes back by its number');
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
      const arena = this.#holdings.arena(holding);
      const base = this.#holdings.base(holding);
      this.#undo.push(() => {
        assert(this.load(lease, arena, base) === holding, 'a holding comes back by its number');
      });
    }
    this.#unlink(holding);
    if (this.size(lease) === 0 && this.endsWhenEmpty(lease)) this.end(lease);
  }

  /** Puts an allocation that was saved under its lease; returns the number of the holding. */
  load(lease: number, arena: Arena, base: bigint): number {
    const first = this.#first(lease);
    const holding = this.#holdings.add(first, lease, arena, base);
    if (first === 0) this.#rows[(lease << ROW) | FIRST] = holding;
    this.#rows[(lease << ROW) | COUNT]!++;
    return holding;
  }

  /** Whether the allocation of `arena` at `base` is this holding, of a lease that there is. */
  holds(holding: number, arena: Arena, base: bigint): boolean {
    const lease = this.leaseOf(holding);
    if (lease === 0 || this.find(this.id(lease)) !== lease) return false;
    return this.#holdings.arena(holding) === arena && this.#holdings.base(holding) === base;
  }

  /** Whether the lease has as many holdings as it counts. */
  isCounted(lease: number): boolean {
    let count = 0;
    for (const _ of this.holdings(lease)) count++;
    return count === this.size(lease);
  }

  #first(lease: number): number {
    return this.#rows[(lease << ROW) | FIRST]!;
  }

  #touch(lease: number, revision: number): void {
    const at = (lease << ROW) | REVISION;
    const before = this.#rows[at]!;
    if (this.#undo.trying) this.#undo.push(() => (this.#rows[at] = before));
    this.#rows[at] = revision;
  }

  #write(lease: number, terms: LeaseTerms): void {
    const { ttlSeconds, labels, owner, createdAt, revision, endsWhenEmpty } = terms;
    if (owner !== undefined) this.#abouts.set(lease, { labels, owner });
    else if (Object.keys(labels).length > 0) this.#abouts.set(lease, { labels });
    const at = lease << ROW;
    this.#rows[at | TTL_SECONDS] = ttlSeconds;
    this.#rows[at | CREATED_AT] = createdAt;
    this.#rows[at | REVISION] = revision;
    this.#rows[at | DEADLINE] = NaN;
    this.#rows[at | COUNT] = 0;
    this.#rows[at | FIRST] = 0;
    this.#rows[at | ENDS_WHEN_EMPTY] = endsWhenEmpty ? 1 : 0;
    const id = leaseId(terms.id);
    this.#index.add(lease, id);
    this.#ids.set(lease, id);
  }

  #erase(lease: number): void {
    this.#index.remove(lease, leaseId(this.#ids.get(lease)));
    this.#ids.remove(lease);
    this.#abouts.delete(lease);
    this.#rows[(lease << ROW) | NEXT_SPARE] = this.#spare;
    this.#spare = lease;
  }

  #unlink(holding: number): void {
    const at = this.#holdings.lease(holding) << ROW;
    const next = this.#holdings.remove(holding);
    if (this.#rows[at | FIRST] === holding) this.#rows[at | FIRST] = next;
    this.#rows[at | COUNT]!--;
  }

  /** A number for a new lease: the one that was given up last, if there is one. */
  #take(): number {
    const spare = this.#spare;
    if (spare !== 0) {
      this.#spare = this.#rows[(spare << ROW) | NEXT_SPARE]!;
      return spare;
    }
    const capacity = this.#rows.length >>> ROW;
    if (this.#used === capacity) {
      const rows = new Float64Array(growth(capacity, 8 << ROW) << ROW);
      rows.set(this.#rows);
      this.#rows = rows;
    }
    return this.#used++;
  }
}
