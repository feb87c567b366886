/**
 * What is known about the busy segments of one arena, apart from where they are: a record a
 * segment, named by a small number that the segment carries. Times and revisions are in typed
 * arrays; labels, owners and holders, which most allocations lack, are kept aside. Indexes of those
 * are made when a search asks for one, and kept up to date from then on.
 *
 * The record of what rests is *retired*: it says what the allocation was, and no index has it. What
 * rests and is no former allocation, being only a part of one or a former span, has an *empty* record.
 */
import { AllocationIndex } from './allocation-index.ts';
import type { Term } from './allocation-index.ts';
import { assert } from './assert.ts';
import type { Labels } from './command.ts';
import { growth } from './growth.ts';
import type { Column } from './space.ts';

export interface About {
  readonly labels: Labels;
  readonly owner?: string;
  /** The arena that holds the segment as one of its spans. */
  readonly importedBy?: string;
  /** The client's own id of it, unique in the arena. */
  readonly externalId?: string;
}

const nothing: About = { labels: {} };

/** At most this many indexes are kept at a time; the one used longest ago makes room. */
const INDEXES_MAX = 8;

export class Allocations {
  #createdAt = new Float64Array(8);
  #revision = new Float64Array(8);
  readonly #about = new Map<number, About>();
  /** By id: which holding of a lease it is, 0 for none; empty until there is one. */
  #holdings = new Uint32Array(0);
  #used = 1;
  /**
   * The id that was given up last; 0 where all are in use. Where the others are stands in their records,
   * so that a list of a million is never copied.
   */
  #spare = 0;
  /** Addresses by external id. */
  readonly #named = new Map<string, bigint>();
  readonly #indexes: AllocationIndex[] = [];
  #clock = 0;
  /** Without those that are retired, which are counted apart. */
  count = 0;
  retired = 0;
  /** Those held by arenas that import. */
  held = 0;
  /** Those under leases. */
  leased = 0;

  /** `createdAt` in milliseconds since 1970. */
  create(address: bigint, createdAt: number, revision: number, about: About): number {
    const id = this.#take();
    this.#createdAt[id] = createdAt;
    this.#revision[id] = revision;
    this.#set(id, about);
    this.count++;
    if (about.importedBy !== undefined) this.held++;
    if (about.externalId !== undefined) this.name(about.externalId, address);
    for (const index of this.#indexes) index.add(address, about);
    return id;
  }

  drop(id: number, address: bigint): void {
    assert(this.holding(id) === 0, 'an allocation leaves its lease before it goes');
    const about = this.about(id);
    if (about.importedBy !== undefined) this.held--;
    if (about.externalId !== undefined) this.#named.delete(about.externalId);
    for (const index of this.#indexes) index.remove(address, about);
    this.#about.delete(id);
    this.#giveUp(id);
    this.count--;
  }

  /** External ids that are in use. */
  get namedCount(): number {
    return this.#named.size;
  }

  /** Address of the allocation with this external id. */
  named(externalId: string): bigint | undefined {
    return this.#named.get(externalId);
  }

  /** The allocation at this address has the external id. */
  name(externalId: string, address: bigint): void {
    assert(!this.#named.has(externalId), 'an external id is that of one allocation');
    this.#named.set(externalId, address);
  }

  /** The allocation has ended, and its range rests; its external id is free for another. */
  retire(id: number, address: bigint): void {
    assert(this.holding(id) === 0, 'an allocation leaves its lease before it goes');
    const about = this.about(id);
    if (about.importedBy !== undefined) this.held--;
    if (about.externalId !== undefined) this.#named.delete(about.externalId);
    for (const index of this.#indexes) index.remove(address, about);
    this.count--;
    this.retired++;
  }

  /** All have ended, and their ranges rest; what searches have made is made anew when it is asked for. */
  retireAll(): void {
    assert(this.held === 0 && this.leased === 0, 'what holds an allocation lets go of it first');
    this.#named.clear();
    this.#indexes.length = 0;
    this.retired += this.count;
    this.count = 0;
  }

  /** The retired record is that of an allocation again. */
  revive(id: number, address: bigint): void {
    const about = this.about(id);
    if (about.importedBy !== undefined) this.held++;
    if (about.externalId !== undefined) this.name(about.externalId, address);
    for (const index of this.#indexes) index.add(address, about);
    this.count++;
    this.retired--;
  }

  /** A retired record; an empty one unless it says more. */
  createRetired(createdAt = 0, revision = 0, about = nothing): number {
    const id = this.#take();
    this.rewrite(id, createdAt, revision, about);
    this.retired++;
    return id;
  }

  /** Changes a retired record; to an empty one unless it says more. */
  rewrite(id: number, createdAt = 0, revision = 0, about = nothing): void {
    this.#createdAt[id] = createdAt;
    this.#revision[id] = revision;
    this.#set(id, about);
  }

  /** Drops the record of what rests no longer. */
  forget(id: number): void {
    this.#about.delete(id);
    this.#giveUp(id);
    this.retired--;
  }

  /** Whether the retired record says what a former allocation was. */
  isFormer(id: number): boolean {
    return this.#revision[id] !== 0;
  }

  /** What is known of it, but for its external id, which stays. */
  update(id: number, address: bigint, revision: number, about: About): void {
    for (const index of this.#indexes) {
      index.remove(address, this.about(id));
      index.add(address, about);
    }
    this.#revision[id] = revision;
    this.#set(id, about);
  }

  /** What searches have made so far. */
  get indexes(): readonly AllocationIndex[] {
    return this.#indexes;
  }

  /** The index of a kind of term, if there is one. */
  indexed({ kind, key }: Omit<Term, 'value'>): AllocationIndex | undefined {
    const found = this.#indexes.find((index) => index.kind === kind && index.key === key);
    if (found !== undefined) found.usedAt = ++this.#clock;
    return found;
  }

  /** The index of a kind of term, made now if there is none: it knows nothing before it grows. */
  index(term: Omit<Term, 'value'>): AllocationIndex {
    const found = this.indexed(term);
    if (found !== undefined) return found;
    if (this.#indexes.length === INDEXES_MAX) {
      const oldest = this.#indexes.reduce((a, b) => (b.usedAt < a.usedAt ? b : a));
      this.#indexes.splice(this.#indexes.indexOf(oldest), 1);
    }
    const index = new AllocationIndex(term);
    index.usedAt = ++this.#clock;
    this.#indexes.push(index);
    return index;
  }

  /** Which holding of a lease an allocation is; 0 for none. */
  holding(id: number): number {
    return this.#holdings[id] ?? 0;
  }

  /** The allocation comes under a lease, as this holding, or is out of it, for 0. */
  setHolding(id: number, holding: number): void {
    if (id >= this.#holdings.length) {
      const holdings = new Uint32Array(this.#revision.length);
      holdings.set(this.#holdings);
      this.#holdings = holdings;
    }
    assert((holding === 0) !== (this.#holdings[id] === 0), 'an allocation is under one lease');
    this.#holdings[id] = holding;
    this.leased += holding === 0 ? -1 : 1;
  }

  /** No allocation is under a lease any more. */
  leaveAll(): void {
    this.#holdings.fill(0);
    this.leased = 0;
  }

  /** Numbers handed out for allocations; some may be in nobody's use. */
  get numbers(): number {
    return this.#used;
  }

  /** All holdings of leases. */
  *holdings(): Generator<number> {
    for (let id = 1; id < this.#holdings.length && id < this.#used; id++) {
      const holding = this.#holdings[id]!;
      if (holding !== 0) yield holding;
    }
  }

  /**
   * Takes allocations that were saved, in order of address, into a fresh set or behind those taken
   * before; returns the id of the first, which the others' follow one by one. So many are retired.
   */
  load(createdAt: Column, revisions: Column, retired: number): number {
    assert(this.#spare === 0, 'saved allocations are taken before there are others');
    assert(this.#indexes.length === 0, 'nothing is searched before all is taken');
    const first = this.#used;
    this.#used += createdAt.length;
    if (this.#used > this.#revision.length) this.#grow(growth(this.#used, 8));
    this.#createdAt.set(createdAt, first);
    this.#revision.set(revisions, first);
    this.count += createdAt.length - retired;
    this.retired += retired;
    return first;
  }

  /** What else is known of a loaded allocation, by its place among them, from 0. */
  describe(ordinal: number, about: About): void {
    const id = ordinal + 1;
    assert(id < this.#used, 'what is known of an allocation comes after it');
    assert(!this.isDescribed(id), 'an allocation is described once');
    this.#set(id, about);
    if (about.importedBy !== undefined) this.held++;
  }

  /** Whether there are labels, an owner, a holder or an external id. */
  isDescribed(id: number): boolean {
    return this.#about.has(id);
  }

  /** How many allocations are. */
  get described(): number {
    return this.#about.size;
  }

  about(id: number): About {
    return this.#about.get(id) ?? nothing;
  }

  createdAt(id: number): number {
    return this.#createdAt[id]!;
  }

  revision(id: number): number {
    return this.#revision[id]!;
  }

  #set(id: number, about: About): void {
    const plain =
      about.owner === undefined &&
      about.importedBy === undefined &&
      about.externalId === undefined &&
      Object.keys(about.labels).length === 0;
    if (plain) this.#about.delete(id);
    else this.#about.set(id, about);
  }

  #giveUp(id: number): void {
    this.#createdAt[id] = this.#spare;
    this.#spare = id;
  }

  /** An id that nobody has: the one that was given up last, if there is one. */
  #take(): number {
    const spare = this.#spare;
    if (spare === 0) return this.#fresh();
    this.#spare = this.#createdAt[spare]!;
    return spare;
  }

  #fresh(): number {
    if (this.#used === this.#revision.length) this.#grow(growth(this.#used, 8));
    return this.#used++;
  }

  #grow(length: number): void {
    const createdAt = new Float64Array(length);
    createdAt.set(this.#createdAt);
    this.#createdAt = createdAt;
    const revision = new Float64Array(length);
    revision.set(this.#revision);
    this.#revision = revision;
  }
}
