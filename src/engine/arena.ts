/**
 * One arena: its settings, its spans, its segments and what is known of its allocations. The
 * methods here mutate, and are called by `apply` and `more` alone; the accessors serve `decide` and the views.
 */
import { assert } from './assert.ts';
import { Allocations } from './allocations.ts';
import type { About } from './allocations.ts';
import type { CreateArena, Notation, Range, Tuning, Width } from './command.ts';
import { UnitSpace as NarrowSpace } from './narrow/unit-space.ts';
import { BUSY, FREE, HELD, VOID } from './narrow/segments.ts';
import { charge, chargeNobody, chargeOwner, limitsOwners, Owners } from './owners.ts';
import type { Account } from './owners.ts';
import { QuantumCache } from './quantum-cache.ts';
import type { NextRest } from './refusal.ts';
import { Rests } from './rests.ts';
import type { Found, Loading, Placement, Space, SpanRun } from './space.ts';
import { Spans } from './spans.ts';
import type { Span } from './spans.ts';
import type { State } from './state.ts';
import { tuningOf } from './tuning.ts';
import type { Undo } from './undo.ts';
import { Unrested } from './unrested.ts';
import type { Rested } from './unrested.ts';
import type { AllocationView, ArenaView, SegmentState } from './view.ts';
import { UnitSpace as WideSpace } from './wide/unit-space.ts';

/** What an event says of a range that is freed in an arena where it rests. */
const resting = { rests: true } as const;

/** Segments that move from one space to another at a time. */
const SEGMENTS_MAX = 4096;

export class Arena {
  readonly name: string;
  readonly notation: Notation;
  readonly width: Width;
  /** One past the highest address that the width allows. */
  readonly limit: bigint;
  readonly quantum: bigint;
  readonly source: string | undefined;
  readonly quantumCacheMax: bigint;
  readonly createdAt: number;
  /** Of the last event that changed anything here. */
  revision: number;
  tuning: Tuning;
  spans = new Spans();
  allocations = new Allocations();
  rests = new Rests();
  /** What each owner holds; absent where nothing needs to know. */
  owners: Owners | undefined;
  /** Of the whole state. */
  readonly charged: Account[];
  /** Names of the arenas that import from this one. */
  readonly children = new Set<string>();
  /** End of the last nextfit grant. */
  cursor = 0n;
  space: Space;
  /** Present when `quantumCacheMax` is not 0. */
  cache: QuantumCache | undefined;
  /** Present once it has been asked for, while something rests or may come to. */
  unrested: Unrested | undefined;
  readonly #shift: number;
  readonly undo: Undo;
  readonly #leases: State['leases'];

  constructor(
    settings: Omit<CreateArena, 'type' | 'spans'>,
    createdAt: number,
    revision: number,
    { undo, leases, charged }: Pick<State, 'undo' | 'leases' | 'charged'>,
  ) {
    this.undo = undo;
    this.charged = charged;
    this.#leases = leases;
    this.name = settings.arena;
    this.notation = settings.notation;
    this.width = settings.width;
    this.limit = 1n << BigInt(settings.width);
    this.quantum = settings.quantum;
    this.source = settings.source;
    this.quantumCacheMax = settings.quantumCacheMax;
    this.createdAt = createdAt;
    this.revision = revision;
    this.tuning = tuningOf(settings);
    this.owners = limitsOwners(this.tuning) ? new Owners(this.tuning) : undefined;
    this.#shift = settings.quantum.toString(2).length - 1;
    assert(1n << BigInt(this.#shift) === settings.quantum, 'the quantum is a power of two');
    this.space = new NarrowSpace(this.#shift, 0n, undo);
    this.cache = this.#newCache();
  }

  get allocated(): bigint {
    return this.space.size - this.space.free - this.cached - this.rests.size;
  }

  /** Whether what is freed here rests. */
  get quarantines(): boolean {
    return this.tuning.quarantineSeconds > 0;
  }

  /** How an event says what becomes of what it frees here. */
  get afterFreeing(): { readonly rests?: true } {
    return this.quarantines ? resting : {};
  }

  /** The rest that ends next, if anything rests. */
  get nextRest(): NextRest | undefined {
    if (this.rests.count === 0) return undefined;
    const { quarantineSeconds } = this.tuning;
    return { since: this.rests.oldest, quarantineSeconds };
  }

  /** Held in quantum caches: neither free nor allocated. */
  get cached(): bigint {
    return this.cache?.cached ?? 0n;
  }

  /** Up to a multiple of the quantum (the seed's vmem_roundup_size). */
  roundup(size: bigint): bigint {
    // Every operator on bigints allocates.
    if (this.quantum === 1n) return size;
    return (size + this.quantum - 1n) & -this.quantum;
  }

  /** What a block of `size` at `base` takes up: its quanta, or a piece of the slab it lies in. */
  chargedFor(base: bigint, size: bigint): bigint {
    const { cache } = this;
    const rounded = this.roundup(size);
    const piece = cache?.holding(base) !== undefined && rounded > 0n && rounded <= cache.sizeMax;
    return piece ? cache.pieceSizeOf(rounded) : rounded;
  }

  /** Notes that the event of this revision changes something here. */
  touch(revision: number): void {
    const before = this.revision;
    // In a trial it has been noted by the first of the events.
    if (before === revision) return;
    if (this.undo.trying) this.undo.push(() => (this.revision = before));
    this.revision = revision;
  }

  /** Notes the end of a nextfit grant. */
  moveCursor(to: bigint): void {
    const before = this.cursor;
    if (this.undo.trying) this.undo.push(() => (this.cursor = before));
    this.cursor = to;
  }

  addSpan({ base, size }: Range, imported: boolean, revision: number): void {
    this.touch(revision);
    this.#widen(base, size);
    const before = base === 0n ? undefined : this.spans.holding(base - 1n);
    const after = this.spans.holding(base + size);
    const edgeStart = imported || before?.imported === true;
    const edgeEnd = imported || after?.imported === true;
    this.spans.add({ base, size, imported, revision, busy: 0, idleSince: revision });
    if (this.undo.trying) this.undo.push(() => this.spans.remove(base));
    this.space.add(base, size, edgeStart, edgeEnd);
    this.unrested?.space.add(base, size, edgeStart, edgeEnd);
  }

  removeSpan(base: bigint, revision: number): void {
    this.touch(revision);
    const span = this.spans.remove(base);
    if (this.undo.trying) {
      assert(span.imported, 'in a trial, only imported spans are removed');
      this.undo.push(() => this.spans.add(span));
    }
    this.space.remove(base, span.size);
    this.unrested?.space.remove(base, span.size);
  }

  /** `lease` is the number of the one that the allocation comes under; 0 for none. */
  allocate({ base, size }: Range, about: About, revision: number, at: number, lease = 0): void {
    this.touch(revision);
    const id = this.#create(base, at, revision, about);
    charge(this, id, size, 1);
    if (lease !== 0) this.#join(lease, id, base, revision);
    this.unrested?.take({ base, size }, this.cache?.holding(base));
    if (this.cache?.holding(base) === undefined) this.space.occupy(base, size, BUSY, id);
    else {
      const { cache } = this;
      cache.take(base);
      if (this.undo.trying) this.undo.push(() => cache.untake(base));
      this.space.relabel(base, BUSY, id);
    }
    this.tally(base, 1, revision);
  }

  /**
   * Allocates so many blocks, each where the placement puts it once those before are there; fewer
   * where there is no room for more of them. All are known alike, under no lease. Returns their bases.
   */
  allocateMany(
    placement: Placement,
    count: number,
    about: About,
    revision: number,
    at: number,
  ): readonly bigint[] {
    const others = this.cache ?? this.owners ?? this.unrested ?? about.externalId;
    assert(others === undefined && this.spans.imported === 0, 'nothing but the space is looked at');
    this.touch(revision);
    const { allocations, undo } = this;
    const bases: bigint[] = [];
    const ids = new Uint32Array(count);
    if (undo.trying) {
      undo.push(() => {
        for (let i = bases.length - 1; i >= 0; i--) allocations.drop(ids[i]!, bases[i]!);
      });
    }
    this.space.fill(placement, count, (base) => {
      const id = allocations.create(base, at, revision, about);
      ids[bases.length] = id;
      bases.push(base);
      return id;
    });
    return bases;
  }

  free(base: bigint, revision: number): void {
    this.touch(revision);
    const found = this.space.find(base);
    assert(found.base === base && found.state === BUSY, 'an allocation is freed by its address');
    charge(this, found.id, -found.size, -1);
    this.leave(found.id, revision);
    this.#drop(found.id, base);
    this.unrested?.give(base, this.cache?.holding(base));
    this.vacate(base, revision);
  }

  /** Makes the segment at `base`, whose record was dropped, free, or a cached piece. */
  vacate(base: bigint, revision: number): void {
    if (this.cache?.holding(base) === undefined) this.space.vacate(base);
    else this.#giveBack(this.cache, base);
    this.tally(base, -1, revision);
  }

  /** Moves the end of the allocation at `base`. */
  resize({ base, size }: Range, revision: number): void {
    this.touch(revision);
    if (this.owners !== undefined) {
      const found = this.allocationAt(base);
      assert(found !== undefined, 'an allocation is resized by its address');
      charge(this, found.id, size - found.size, 0);
    }
    this.space.resize(base, size);
    this.unrested?.resize({ base, size });
    this.describe(base, revision, {});
  }

  /**
   * Makes the allocation that the pieces make up, in order, that many, each known like it; the first
   * keeps the external id.
   */
  split(pieces: readonly Range[], revision: number): void {
    const [first, ...others] = pieces;
    const found = first === undefined ? undefined : this.allocationAt(first.base);
    assert(found !== undefined, 'an allocation is split by its address');
    const createdAt = this.allocations.createdAt(found.id);
    const { externalId: _, ...about } = this.allocations.about(found.id);
    const lease = this.leaseOf(found.id);
    for (const { base } of others) {
      const id = this.#create(base, createdAt, revision, about);
      charge(this, id, 0n, 1);
      if (lease !== 0) this.#join(lease, id, base, revision);
      this.space.cut(base, id);
      this.unrested?.cut(base);
      this.tally(base, 1, revision);
    }
    this.describe(found.base, revision, {});
  }

  /** Makes the allocations, which lie side by side and are in order, one, known like the first. */
  merge(parts: readonly Range[], changes: Partial<About>, revision: number): void {
    const [first, ...others] = parts;
    assert(first !== undefined, 'something is merged');
    for (const { base } of others) {
      const found = this.allocationAt(base);
      assert(found !== undefined, 'an allocation is merged by its address');
      charge(this, found.id, 0n, -1);
      this.leave(found.id, revision);
      this.#drop(found.id, base);
      this.space.join(base);
      this.unrested?.space.join(base);
      this.tally(base, -1, revision);
    }
    this.describe(first.base, revision, changes);
  }

  /** Changes what is known of the allocation at `base`: the fields that are given. */
  describe(base: bigint, revision: number, changes: Partial<About>): void {
    this.touch(revision);
    const found = this.allocationAt(base);
    assert(found !== undefined, 'an allocation is named by its address');
    const { id } = found;
    const about = this.allocations.about(id);
    if (changes.owner !== undefined && changes.owner !== about.owner) {
      chargeOwner(this, about.owner, -found.size, -1);
      chargeOwner(this, changes.owner, found.size, 1);
    }
    if (this.undo.trying) {
      const before = this.allocations.revision(id);
      this.undo.push(() => this.allocations.update(id, base, before, about));
    }
    this.allocations.update(id, base, revision, { ...about, ...changes });
  }

  /** Makes a free range a slab of cached pieces. */
  openSlab(slab: Range, pieceSize: bigint): void {
    const { cache } = this;
    assert(cache !== undefined, 'a slab belongs to a quantum cache');
    this.space.occupy(slab.base, slab.size, HELD, 0);
    const opened = cache.open(slab, pieceSize);
    if (this.undo.trying) this.undo.push(() => cache.close(opened));
    for (let i = 1n; i <= opened.busy.length; i++) {
      if (i * pieceSize < slab.size) this.space.cut(slab.base + i * pieceSize, 0);
    }
  }

  #giveBack(cache: QuantumCache, base: bigint): void {
    this.space.relabel(base, HELD, 0);
    const empty = cache.give(base);
    if (this.undo.trying) this.undo.push(() => cache.ungive(base, empty));
    if (empty === undefined) return;
    for (let at = 0n; at < empty.size; at += empty.pieceSize) this.space.vacate(empty.base + at);
  }

  #create(base: bigint, createdAt: number, revision: number, about: About): number {
    const id = this.allocations.create(base, createdAt, revision, about);
    if (this.undo.trying) this.undo.push(() => this.allocations.drop(id, base));
    return id;
  }

  #join(lease: number, id: number, base: bigint, revision: number): void {
    const { allocations } = this;
    allocations.setHolding(id, this.#leases.join(lease, this, base, revision));
    if (this.undo.trying) this.undo.push(() => allocations.setHolding(id, 0));
  }

  /** The allocation is under no lease any more, if it was. */
  leave(id: number, revision: number): void {
    const { allocations } = this;
    const holding = allocations.holding(id);
    if (holding === 0) return;
    this.#leases.leave(holding, revision);
    allocations.setHolding(id, 0);
    if (this.undo.trying) this.undo.push(() => allocations.setHolding(id, holding));
  }

  /** No allocation is under a lease any more. */
  leaveAll(revision: number): void {
    assert(!this.undo.trying, 'no trial frees all');
    if (this.allocations.leased === 0) return;
    for (const holding of this.allocations.holdings()) this.#leases.leave(holding, revision);
    this.allocations.leaveAll();
  }

  #drop(id: number, base: bigint): void {
    if (this.undo.trying) {
      const { allocations } = this;
      const [createdAt, revision] = [allocations.createdAt(id), allocations.revision(id)];
      const about = allocations.about(id);
      this.undo.push(() => {
        const back = allocations.create(base, createdAt, revision, about);
        assert(back === id, 'the record of the allocation comes back by its number');
      });
    }
    this.allocations.drop(id, base);
  }

  /** Counts a segment that is in use, or rests, in the span that holds `base`; or one less. */
  tally(base: bigint, by: 1 | -1, revision: number): void {
    if (this.spans.imported === 0) return;
    const span = this.spans.holding(base);
    assert(span !== undefined, 'every segment lies in a span');
    if (this.undo.trying) this.#untally(span, by);
    this.spans.tally(span, by, revision);
  }

  #untally(span: Span, by: 1 | -1): void {
    const { idleSince } = span;
    this.undo.push(() => {
      this.spans.tally(span, by === 1 ? -1 : 1, idleSince);
      span.idleSince = idleSince;
    });
  }

  #newCache(): QuantumCache | undefined {
    if (this.quantumCacheMax === 0n) return undefined;
    return new QuantumCache(this.quantum, this.quantumCacheMax);
  }

  /** Frees every allocation but those that importing arenas hold; what rests goes on to. */
  freeAll(revision: number): void {
    assert(!this.undo.trying, 'no trial frees all');
    if (this.allocations.held === 0 && this.rests.count === 0) {
      this.clear(revision);
      return;
    }
    const bases: bigint[] = [];
    this.space.walk(0n, ({ base, state, id }) => {
      if (state === BUSY && this.allocations.about(id).importedBy === undefined) bases.push(base);
      return true;
    });
    for (const base of bases) this.free(base, revision);
  }

  /** All spans are wholly free. */
  clear(revision: number): void {
    this.leaveAll(revision);
    chargeNobody(this);
    this.allocations = new Allocations();
    this.rests = new Rests();
    this.#rebuild(revision);
  }

  /** The resting former allocation at exactly this address. */
  formerAt(address: bigint): Found | undefined {
    const found = this.space.find(address);
    const { base, state, id } = found;
    if (state !== HELD || id === 0 || base !== address) return undefined;
    return this.allocations.isFormer(id) ? found : undefined;
  }

  /** The allocation at exactly this address. */
  allocationAt(address: bigint): Found | undefined {
    const found = this.space.find(address);
    return found.state === BUSY && found.base === address ? found : undefined;
  }

  allocationView({ base, size, id }: Found): AllocationView {
    return {
      arena: this.name,
      address: base,
      size,
      ...this.allocations.about(id),
      ...this.#leaseView(id),
      createdAt: this.allocations.createdAt(id),
      revision: this.allocations.revision(id),
    };
  }

  #leaseView(id: number): Pick<AllocationView, 'lease' | 'deadline'> {
    const lease = this.leaseOf(id);
    return lease === 0 ? {} : { lease: this.#leases.id(lease), ...this.#leases.lasting(lease) };
  }

  /** The number of the lease that an allocation is under; 0 for none. */
  leaseOf(id: number): number {
    const holding = this.allocations.holding(id);
    return holding === 0 ? 0 : this.#leases.leaseOf(holding);
  }

  /**
   * When the first of the leases that hold something here runs out, by the clock that was told them;
   * undefined where none does, or there are more than `most` allocations to look at.
   */
  nextDeadline(most: number): number | undefined {
    const { allocations } = this;
    if (allocations.leased === 0 || allocations.numbers > most) return undefined;
    let next = Infinity;
    for (const holding of allocations.holdings()) {
      const deadline = this.#leases.deadline(this.#leases.leaseOf(holding));
      if (deadline < next) next = deadline;
    }
    return next === Infinity ? undefined : next;
  }

  view(): ArenaView {
    const { size, free } = this.space;
    return {
      arena: this.name,
      notation: this.notation,
      width: this.width,
      quantum: this.quantum,
      ...(this.source === undefined ? {} : { source: this.source }),
      quantumCacheMax: this.quantumCacheMax,
      ...this.tuning,
      size,
      allocated: this.allocated,
      free,
      cached: this.cached,
      resting: this.rests.size,
      largestFree: this.space.largestFree,
      allocations: this.allocations.count,
      spans: this.spans.count,
      holes: this.space.holes,
      createdAt: this.createdAt,
      revision: this.revision,
    };
  }

  /** The segments as they would be if nothing rested. Made now if need be: linear in the segments. */
  withoutRests(): Space {
    if (this.rests.count === 0) return this.space;
    if (this.unrested === undefined) {
      this.unrested = new Unrested(this.#freshSpace(), this.rested);
      // What a trial did before is not taken back in it; the next trial should find it all the same.
      if (this.undo.trying) {
        this.undo.push(() => (this.unrested = undefined));
        this.undo.later(() => this.withoutRests());
      }
    }
    return this.unrested.space;
  }

  /** What `unrested` is made of. */
  get rested(): Rested {
    const { quantum, space, cache, spans } = this;
    return { quantum, space, cache, stretches: [...spans.stretches()] };
  }

  /** It is made anew when it is asked for. */
  forgetUnrested(): void {
    const before = this.unrested;
    if (before === undefined) return;
    if (this.undo.trying) this.undo.push(() => (this.unrested = before));
    this.unrested = undefined;
  }

  /** An empty space of the same window. */
  #freshSpace(): Space {
    if (this.space instanceof WideSpace) return new WideSpace(this.#shift, 0n, this.undo);
    const first = this.spans.from(0n).next().value;
    return new NarrowSpace(this.#shift, first?.base ?? 0n, this.undo);
  }

  /** Sees to it that the space can hold a span: the first one places the window, a far one widens. */
  #widen(base: bigint, size: bigint): void {
    if (this.space.holds(base, size)) return;
    this.forgetUnrested();
    const old = this.space;
    if (this.undo.trying) this.undo.push(() => (this.space = old));
    if (this.spans.count === 0) {
      this.space = new NarrowSpace(this.#shift, base, this.undo);
      if (this.space.holds(base, size)) return;
    }
    this.space = new WideSpace(this.#shift, 0n, this.undo);
    // The queues of free segments go along: what instantfit takes next must not tell wide from narrow.
    const loading = this.space.load([...this.spans.stretches()], true);
    const saving = old.save();
    for (const columns of saving.segments(SEGMENTS_MAX)) loading.segments(columns);
    for (const ordinals of saving.gaps(SEGMENTS_MAX)) loading.gaps(ordinals);
    loading.end();
  }

  /**
   * Sets up the space of a fresh arena that has got its spans, in the number system that holds them,
   * to be filled in one pass. `stretches` are those of its spans.
   */
  fill(stretches: readonly SpanRun[], ordered: boolean): Loading {
    const first = stretches[0];
    const last = stretches.at(-1);
    this.space = new NarrowSpace(this.#shift, first?.base ?? 0n, this.undo);
    if (last !== undefined && !this.space.holds(last.base, last.size)) {
      this.space = new WideSpace(this.#shift, 0n, this.undo);
    }
    return this.space.load(stretches, ordered);
  }

  /** All spans wholly free again. */
  #rebuild(revision: number): void {
    this.space = this.#freshSpace();
    this.forgetUnrested();
    const spans = [...this.spans.from(0n)];
    this.spans = new Spans();
    this.cache = this.#newCache();
    for (const span of spans) {
      // What was idle before stays so since then.
      const idleSince = span.busy === 0 ? span.idleSince : revision;
      this.spans.add({ ...span, busy: 0, idleSince });
    }
    this.#addAll();
  }

  #addAll(): void {
    for (const { base, size, edge } of this.spans.stretches()) {
      this.space.add(base, size, edge, false);
    }
  }
}

/** What a segment is called outside of the engine. */
export function stateName({ state, id }: Pick<Found, 'state' | 'id'>): SegmentState {
  assert(state !== VOID, 'what belongs to no span is no segment');
  if (state === FREE) return 'free';
  if (state === BUSY) return 'busy';
  return id === 0 ? 'cached' : 'resting';
}
