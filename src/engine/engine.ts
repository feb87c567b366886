/**
 * Theory of operation.
 *
 * **Concepts.** An *arena* is a named set of unsigned integers below 2^width. It owns *spans*, each a
 * contiguous range: *static* ones, which were added, and *imported* ones, which it took from its
 * *source*, another arena. A span is tiled by *segments*, each free or busy. Every base and size is a
 * multiple of the arena's *quantum*, a power of two. An *allocation* is a busy segment and what is
 * known about it. These words, and their meaning, are those of the vmem kernel allocator.
 *
 * **Guarantees.**
 *  1. Segments tile every span exactly; no address belongs to two segments.
 *  2. Free neighbours are one segment, unless an imported span begins between them. So adjacent
 *     static spans serve one request together, and imported spans keep their identity.
 *  3. A request is refused only if no placement exists. A granted block satisfies its constraint:
 *     base ≡ phase (mod align), no multiple of nocross inside, within [min, max].
 *  4. A block comes from the arena's own free segments if any of them can hold it, else from one
 *     span imported for it, which the source grants by the same rules, through any depth.
 *  5. An imported span that becomes wholly free goes back to the source, but for as many as
 *     `keepSpans` says, or for as long as `releaseAfterSeconds` says.
 *  6. Everything imported by an arena is busy in its source, and held by no one else.
 *  7. The same commands on the same state give the same addresses, randomfit's among them. So while
 *     an arena and its sources stay as they are, a preview is what the grant will be. A refusal
 *     changes nothing.
 *
 * **Commands, events, refusals.** `decide` reads the state and answers a command with an event or a
 * refusal. `apply` makes the event true; it is the only mutator, live and in recovery, and decides
 * nothing, because an event names every address it touches: the imports that a grant needed, the
 * releases that a free caused. What is journaled is the event. One command, one event, one revision.
 * A batch is several commands as one: each is decided on what those before it lead to, which is
 * tried and then taken back (`batch.ts`, `undo.ts`). The same command many times in a row is decided
 * and tried in one go (`more.ts`), and comes to what it would one by one.
 *
 * **Implementation.** An arena's segments are held in *units*, address / quantum, counted from an
 * origin: doubles while all spans lie in one aligned window of 2^52 units (`narrow/`), bigints
 * otherwise (`wide/`, the same source over another number system). `segments.ts` keeps the tiling in
 * a B+-tree in typed arrays; `bins.ts` files free segments by size class for `instantfit`;
 * `guided-tree.ts` keeps, per kind of constraint in use, the largest block that fits below each
 * node, which makes every search exact and logarithmic; `search.ts` holds the policies. `import.ts`
 * and `release.ts` plan across arenas, `decide.ts` and `apply.ts` are the two functions above.
 * `unrested.ts` has an arena's segments once more, as if nothing rested, where that is asked for.
 * `allocation-search.ts` finds allocations by what is known of them.
 * `snapshot.ts` reads the whole state out in plain parts, and `restore.ts` rebuilds it from them.
 *
 * The folder imports nothing from outside: no I/O, clock, randomness or promise.
 */
import { search } from './allocation-search.ts';
import type { Found, Search } from './allocation-search.ts';
import { apply } from './apply.ts';
import type { Arena } from './arena.ts';
import { stateName } from './arena.ts';
import { assert } from './assert.ts';
import { decideBatch } from './batch.ts';
import type { Alloc, At, Batch, Command, Range } from './command.ts';
import { grant } from './decide-allocation.ts';
import { decide } from './decide.ts';
import type { Event } from './event.ts';
import { chainRevision } from './source.ts';
import { fits } from './fits.ts';
import type { Fits } from './fits.ts';
import type { LeaseClock } from './leases.ts';
import { countedFor } from './limit.ts';
import { BUSY, VOID } from './narrow/segments.ts';
import { countedOwners } from './owners.ts';
import type { Account } from './owners.ts';
import type { Refusal } from './refusal.ts';
import type { Span } from './spans.ts';
import { Restore } from './restore.ts';
import { headroomOf, levelsOf, roomIn, withSlab } from './shape.ts';
import type { Level, Shape } from './shape.ts';
import { snapshotOf } from './snapshot.ts';
import type { SnapshotPart } from './snapshot.ts';
import { State } from './state.ts';
import { verifyArena } from './verify.ts';
import type {
  Addressing,
  AllocationView,
  ArenaView,
  CheckView,
  FitsView,
  Idling,
  LeaseView,
  OwnerView,
  RestView,
  Resting,
  SegmentView,
  SpanView,
  Totals,
  WhatisStep,
  WhatisView,
} from './view.ts';

export class Engine {
  readonly #state = new State();
  readonly #arenas = this.#state.arenas;
  /** Names in order, for listing. */
  readonly #names: string[] = [];
  /** Present while a snapshot is being taken in. */
  #restore: Restore | undefined;

  /** Revision of the last applied event; 0 when nothing happened yet. */
  get revision(): number {
    return this.#state.revision;
  }

  /** Whether a batch that was tried could not be taken back: a bug, after which nothing here holds. */
  get broken(): boolean {
    return this.#state.undo.failed;
  }

  /** What the command leads to. Reads only: a batch is tried, and taken back. */
  decide(command: Command): Event | Refusal {
    if (command.type === 'batch') return decideBatch(this.#state, command);
    return decide(this.#state, command);
  }

  /**
   * Decides a batch and, where `accepts` takes its event, makes that true: as `decide` and `apply` do,
   * but what was tried is kept and not done again. Otherwise, and where `accepts` throws, nothing has
   * changed.
   */
  perform(command: At<Batch>, accepts: (event: Event) => boolean): Event | Refusal {
    assert(this.#restore === undefined, 'events come after the snapshot');
    const { charged } = this.#state;
    const chargedBefore = charged.length;
    return decideBatch(this.#state, command, (event) => {
      if (!accepts(event)) return false;
      charged.splice(0, chargedBefore);
      this.#state.revision += 1;
      return true;
    });
  }

  /**
   * What a valid request to an arena that exists is granted now; undefined where `decide` would
   * refuse it, for whatever reason, which costs more to tell. Reads only.
   */
  grant(command: At<Alloc>): Event | Refusal | undefined {
    return grant(this.#state, this.#named(command.arena), command);
  }

  /** Up to a multiple of the arena's quantum. */
  roundup(arena: string, size: bigint): bigint {
    return this.#named(arena).roundup(size);
  }

  /** How the arena asked, its source, and so on up see a valid request. */
  levels(command: Alloc): Level[] {
    return levelsOf(this.#arenas, this.#named(command.arena), command);
  }

  /** No larger request of the shape could be served from the segments in `range`; see `roomIn`. */
  room(arena: string, range: Range, shape: Shape): bigint {
    return roomIn(this.#named(arena), range, shape);
  }

  /** A range that was touched with the slab that it may have been the last piece of. */
  withSlab(arena: string, range: Range): Range {
    return withSlab(this.#named(arena), range);
  }

  /**
   * What may still be allocated under the arena's limit, or under that of an owner in it; undefined
   * where there is no such arena.
   */
  headroom(arena: string, owner?: string): bigint | undefined {
    const found = this.#arenas.get(arena);
    return found === undefined ? undefined : headroomOf(found, owner);
  }

  /** Owners with a limit that hold more since the last event, or less; some may come repeatedly. */
  get charged(): readonly Account[] {
    return this.#state.charged;
  }

  /** What a request counts under the limit of its owner. */
  counted(command: Alloc): bigint {
    return countedFor(this.#named(command.arena), command);
  }

  /**
   * Owners that come after `after`, in order, and what each holds in the arena; at most `limit`. Where
   * nothing has needed to know that so far, all that is allocated is counted first.
   */
  owners(arena: string, after: string, limit: number): OwnerView[] {
    const there = this.#named(arena);
    there.owners ??= countedOwners(there);
    return there.owners.list(after, limit);
  }

  /** Makes the event true. `revision` is the next one: they have no gaps. */
  apply(event: Event, revision: number): void {
    assert(this.#restore === undefined, 'events come after the snapshot');
    assert(revision === this.#state.revision + 1, 'the next revision is applied', revision);
    this.#state.charged.length = 0;
    apply(this.#state, event, revision);
    this.#state.revision = revision;
    if (event.type === 'arenaCreated') this.#names.splice(this.#place(event.arena), 0, event.arena);
    if (event.type === 'arenaDestroyed') this.#names.splice(this.#place(event.arena) - 1, 1);
  }

  /**
   * The state in parts, in an order that `restore` takes: leases, then arena by arena, a source before
   * those that import from it. The parts depend on what happened alone. The state must not change meanwhile.
   */
  *snapshot(): Generator<SnapshotPart> {
    yield* snapshotOf(this.#state);
  }

  /**
   * Takes the next part of a snapshot; only into an engine that nothing has been applied to. Throws
   * AssertionError where the part contradicts those before it.
   */
  restore(part: SnapshotPart): void {
    assert(this.#state.revision === 0, 'a snapshot comes before all events');
    this.#restore ??= new Restore(this.#state);
    this.#restore.take(part);
  }

  /**
   * Ends restoring: the engine is at `revision` and takes events from the next one on. Throws
   * AssertionError where the parts are not a whole state, as far as that is cheap to see: `check`
   * recounts the rest.
   */
  restored(revision: number): void {
    assert(this.#state.revision === 0, 'a snapshot comes before all events');
    (this.#restore ?? new Restore(this.#state)).end(revision);
    this.#restore = undefined;
    for (const name of [...this.#arenas.keys()].toSorted()) this.#names.push(name);
    this.#state.revision = revision;
  }

  arena(name: string): ArenaView | undefined {
    return this.#arenas.get(name)?.view();
  }

  /**
   * Highest revision of the arena and of all that it may import from: while it stays the same, so do
   * the answers to alloc and xalloc.
   */
  chainRevision(name: string): number | undefined {
    const arena = this.#arenas.get(name);
    return arena === undefined ? undefined : chainRevision(this.#arenas, arena);
  }

  /** Arenas named after `after`, in the order of their names, at most `limit`. */
  arenas(after: string | undefined, limit: number): ArenaView[] {
    const first = after === undefined ? 0 : this.#place(after);
    return this.#names.slice(first, first + limit).map((name) => this.#arenas.get(name)!.view());
  }

  /** How addresses of an arena are written; fixed for its lifetime. */
  addressing(arena: string): Addressing | undefined {
    const there = this.#arenas.get(arena);
    if (there === undefined) return undefined;
    return { notation: there.notation, width: there.width, quantum: there.quantum };
  }

  /** Names of arenas, `from` or after it, in order. The arenas must not change meanwhile. */
  *names(from: string): Generator<string> {
    let index = this.#place(from);
    if (this.#names[index - 1] === from) index--;
    for (; index < this.#names.length; index++) yield this.#names[index]!;
  }

  /** How many there are in all; takes time in the number of arenas, and builds nothing. */
  totals(): Totals {
    let [spans, allocations, resting] = [0, 0, 0];
    for (const arena of this.#arenas.values()) {
      spans += arena.spans.count;
      allocations += arena.allocations.count;
      resting += arena.rests.count;
    }
    const leases = this.#state.leases.count;
    return { arenas: this.#arenas.size, spans, allocations, resting, leases };
  }

  /** What a clock is told of leases, and tells them. */
  get leases(): LeaseClock {
    return this.#state.leases;
  }

  lease(id: string): LeaseView | undefined {
    const { leases } = this.#state;
    const lease = leases.find(id);
    return lease === 0 ? undefined : leases.view(lease);
  }

  /** Addresses of what a lease holds, by arena, in order; none where there is no such lease. */
  held(id: string): Map<string, bigint[]> {
    const { leases } = this.#state;
    const lease = leases.find(id);
    const held = new Map<string, bigint[]>();
    if (lease === 0) return held;
    for (const { arena, base } of leases.holdings(lease)) {
      const there = held.get(arena.name);
      if (there === undefined) held.set(arena.name, [base]);
      else there.push(base);
    }
    for (const addresses of held.values()) addresses.sort((a, b) => (a < b ? -1 : 1));
    return held;
  }

  /** Leases whose ids come after `id`, in order; stops when `visit` returns false. */
  walkLeases(id: string, visit: (view: LeaseView) => boolean): void {
    const { leases } = this.#state;
    for (const lease of leases.after(id)) if (!visit(leases.view(lease))) return;
  }

  /** Spans whose base is `from` or above, in order, at most `limit`. */
  spans(arena: string, from: bigint, limit: number): SpanView[] {
    const views: SpanView[] = [];
    for (const span of this.#named(arena).spans.from(from)) {
      if (views.length === limit) break;
      views.push(this.#spanView(arena, span));
    }
    return views;
  }

  /** The span with this base. */
  span(arena: string, base: bigint): SpanView | undefined {
    const span = this.#arenas.get(arena)?.spans.get(base);
    return span === undefined ? undefined : this.#spanView(arena, span);
  }

  /** The allocation that starts at this address. */
  allocation(arena: string, address: bigint): AllocationView | undefined {
    const there = this.#arenas.get(arena);
    const found = there?.allocationAt(address);
    return found === undefined ? undefined : there!.allocationView(found);
  }

  /** Allocations whose address is `from` or above, in order; stops when `visit` returns false. */
  walkAllocations(arena: string, from: bigint, visit: (view: AllocationView) => boolean): void {
    const there = this.#named(arena);
    there.space.walk(from, (found) => {
      if (found.state !== BUSY || found.base < from) return true;
      return visit(there.allocationView(found));
    });
  }

  /** The next page of the allocations that match, in order of their addresses. */
  search(arena: string, wanted: Search): Found {
    return search(this.#named(arena), wanted);
  }

  /** What there is room for; a refusal is of what is invalid in view of the arena. */
  fits(arena: string, wanted: Fits): FitsView | Refusal {
    return fits(this.#arenas, this.#named(arena), wanted);
  }

  /** Allocations, and what rests, whose address is `from` or above, in order. */
  walkKnown(
    arena: string,
    from: bigint,
    visit: (view: AllocationView | RestView) => boolean,
  ): void {
    const there = this.#named(arena);
    there.space.walk(from, (found) => {
      const { base, size, state, id } = found;
      if (state < BUSY || id === 0 || base < from) return true;
      if (state === BUSY) return visit(there.allocationView(found));
      const since = there.rests.since(id);
      const former =
        there.formerAt(base) === undefined ? {} : { former: there.allocationView(found) };
      return visit({ arena, address: base, size, since, ...former });
    });
  }

  /** Segments that end above `from`, in order; stops when `visit` returns false. */
  walkSegments(arena: string, from: bigint, visit: (view: SegmentView) => boolean): void {
    this.#named(arena).space.walk(from, (found) =>
      visit({ address: found.base, size: found.size, state: stateName(found) }),
    );
  }

  /**
   * What an address is, here and, where arenas import from here, there, down to the leaf.
   * `undefined` where no span of the arena holds it.
   */
  whatis(arena: string, address: bigint): WhatisView | undefined {
    const path: WhatisStep[] = [];
    let there = this.#arenas.get(arena);
    while (there !== undefined) {
      const found = there.space.find(address);
      if (found.state === VOID) break;
      const { base, size, state } = found;
      path.push({ arena: there.name, address: base, size, state: stateName(found) });
      if (state !== BUSY) break;
      const allocation = there.allocationView(found);
      if (allocation.importedBy === undefined) return { path, allocation };
      there = this.#arenas.get(allocation.importedBy);
    }
    return path.length === 0 ? undefined : { path };
  }

  /**
   * Arenas with more wholly free imported spans than `keepSpans`, which are kept for a time. What
   * that time is measured with is the caller's business: here are revisions, which no clock moves.
   */
  idling(): Idling[] {
    const idling: Idling[] = [];
    for (const { name, tuning, spans } of this.#arenas.values()) {
      const { releaseAfterSeconds, keepSpans } = tuning;
      if (releaseAfterSeconds === 0 || spans.idle <= keepSpans) continue;
      idling.push({ arena: name, releaseAfterSeconds, since: spans.idleSince() });
    }
    return idling;
  }

  /** Arenas in which ranges rest, and since which revision. */
  resting(): Resting[] {
    const resting: Resting[] = [];
    for (const { name, tuning, rests } of this.#arenas.values()) {
      if (rests.count === 0) continue;
      const { quarantineSeconds } = tuning;
      resting.push({ arena: name, quarantineSeconds, since: rests.oldest });
    }
    return resting;
  }

  /** Walks the whole arena and checks every invariant against a recount: linear in its segments. */
  check(arena: string): CheckView {
    return verifyArena(this.#state, this.#named(arena));
  }

  #named(name: string): Arena {
    const arena = this.#arenas.get(name);
    assert(arena !== undefined, 'callers know that the arena exists', name);
    return arena;
  }

  #spanView(arena: string, { base, size, imported, revision }: Span): SpanView {
    const source = this.#arenas.get(arena)!.source;
    return {
      base,
      size,
      kind: imported ? 'imported' : 'static',
      ...(imported && source !== undefined ? { from: source } : {}),
      revision,
    };
  }

  /** How many names are at or before this one. */
  #place(name: string): number {
    let low = 0;
    let high = this.#names.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#names[middle]! <= name) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
