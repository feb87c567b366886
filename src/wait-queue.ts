/**
 * The wait queue: requests that found no room, in the order of their arrival. Whoever changes the
 * engine says so by `note`; `next` then finds, among all that wait, the first that can be served, and
 * so on until none can. It grants nothing itself: the caller applies what `next` found.
 *
 * **The rule.** Of those who could be served now, the one that came first is served. So nobody waits
 * behind a request that can't be served, and nobody is overtaken by one that takes what it could have
 * had. Since this goes on after each change until nobody can be served, what is free at any other
 * time could serve none of those who wait, and a newcomer may take it.
 *
 * **How they are found.** An event touches some ranges of some arenas. For each shelf there whose window
 * a range meets (`wait-shelves.ts`), the engine says how large a request the range has room for, and the
 * shelf which is the first of at most that size: that one is tried in earnest. Where what a limit leaves
 * has grown, those in front that it now admits are tried as well. What is never looked at is who waits
 * elsewhere, or behind others, or for more than there is.
 */
import type { Alloc, At, Range, Tuning } from './engine/command.ts';
import type { Engine } from './engine/engine.ts';
import type { BatchEvent, Event } from './engine/event.ts';
import type { Refusal } from './engine/refusal.ts';
import type { Level } from './engine/shape.ts';
import { touched } from './engine/touched.ts';
import { PrioritySearchTree, type Work } from './priority-search-tree.ts';
import { unbounded, WaitShelves, type Entry, type Place, type Shelf } from './wait-shelves.ts';

/** A request that waits. `G` is what the owner of the queue keeps with it. */
export interface Waiter<G> extends Entry {
  readonly command: At<Alloc>;
  readonly guest: G;
}

/**
 * The next to be served; a refusal where it can't be whatever the room, such as for a lease that has
 * ended, and an error where deciding on it failed, as it would have failed any other time.
 */
export interface Found<G> {
  readonly waiter: Waiter<G>;
  readonly event: Event | Refusal | Error;
}

/** A range that was touched, as far as it concerns one shelf. */
interface Opening {
  readonly shelf: Shelf;
  readonly range: Range;
  /** Nothing larger can be served from here. */
  bound: bigint;
  /** The revision for which the engine was asked for that. */
  revision: number;
}

/** Whose turn it is: one who may be served, or an opening that has none to serve before `arrival`. */
interface Turn {
  readonly arrival: number;
  readonly serial: number;
  readonly opening: Opening | undefined;
}

export class WaitQueue<G> {
  readonly #engine: Engine;
  readonly #work: Work = { visits: 0 };
  readonly #shelves: WaitShelves<Waiter<G>>;
  readonly #agenda = new PrioritySearchTree<Turn>(
    (a, b) => a.arrival - b.arrival || a.serial - b.serial,
    () => 0n,
    this.#work,
  );
  /** Those with an external id, by it and their arena. */
  readonly #named = new Map<string, Set<Waiter<G>>>();
  #arrivals = 0;
  #scheduled = 0;
  #turns = 0;
  #tries = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
    const admitted = ({ arrival }: Place): void => this.#schedule(arrival);
    this.#shelves = new WaitShelves<Waiter<G>>(engine, admitted, this.#work);
  }

  /** How many wait. */
  get size(): number {
    return this.#shelves.size;
  }

  /** Requests tried in earnest since the start; those that were not granted were tried in vain. */
  get tries(): number {
    return this.#tries;
  }

  /** Steps of `next` since the start, most of which try nobody. */
  get turns(): number {
    return this.#turns;
  }

  /** Nodes of trees looked at since the start. */
  get visits(): number {
    return this.#work.visits;
  }

  /** Whether `next` has work left. */
  get busy(): boolean {
    return this.#agenda.size > 0;
  }

  /** How many wait in an arena. */
  countIn(arena: string): number {
    return this.#shelves.countIn(arena);
  }

  /** Those who wait in an arena, in the order of arrival. */
  in(arena: string): Iterable<Waiter<G>> {
    return this.#shelves.in(arena);
  }

  all(): Iterable<Waiter<G>> {
    return this.#shelves.all();
  }

  /** Takes in a request that was refused for want of room just now. */
  enter(command: At<Alloc>, guest: G): Waiter<G> {
    const levels = this.#engine.levels(command);
    const size = this.#engine.roundup(command.arena, command.size);
    const counted = this.#engine.counted(command);
    const front = levels.map(() => false);
    const waiter = { arrival: ++this.#arrivals, size, counted, command, guest, levels, front };
    this.#shelves.put(waiter);
    const name = nameOf(command);
    if (name !== undefined) this.#named.set(name, (this.#named.get(name) ?? new Set()).add(waiter));
    return waiter;
  }

  /** Takes out one who was served, or waits no longer. */
  leave(waiter: Waiter<G>): void {
    if (!this.#shelves.take(waiter)) return;
    const name = nameOf(waiter.command);
    const alike = name === undefined ? undefined : this.#named.get(name);
    if (alike?.delete(waiter) === true && alike.size === 0) this.#named.delete(name!);
    this.#tidy();
  }

  /** An event was applied: `next` may have work. Returns those whose arena is no more. */
  note(event: Event): Waiter<G>[] {
    if (this.size === 0) return [];
    const ranges = touched(event).filter(({ arena }) => this.#shelves.has(arena));
    const gone: Waiter<G>[] = [];
    // What limits leave comes first: it decides who is passed on to the shelves of sources.
    for (const arena of new Set(ranges.map((range) => range.arena))) {
      const headroom = this.#engine.headroom(arena);
      if (headroom === undefined) gone.push(...this.#shelves.in(arena));
      else this.#shelves.limit({ arena }, headroom);
    }
    for (const account of this.#engine.charged) this.#relimit(account);
    for (const waiter of gone) this.leave(waiter);
    if (this.#named.size > 0) this.#noteNames(event);
    if (event.type === 'arenaUpdated' && reshapes(event.changes)) this.#reshape(event.arena);
    for (const range of ranges) {
      if (range.size > 0n && this.#shelves.has(range.arena)) this.#open(range.arena, range);
    }
    this.#tidy();
    return gone;
  }

  /**
   * Looks at the next who may be served; returns it and its event where it can be. Undefined where
   * this one can't be, which says nothing of others while the queue is `busy`. The event happens at
   * `at`. The caller lets the waiter leave, applies the event and notes it before it calls again.
   */
  next(at: number): Found<G> | undefined {
    const turn = this.#agenda.first(0n);
    if (turn === undefined) return undefined;
    this.#turns += 1;
    this.#agenda.delete(turn);
    const { arrival, opening } = turn;
    const place = opening === undefined ? turn : this.#candidate(opening);
    // An opening that came too early gets another turn; the others may be before it.
    if (place !== undefined && place.arrival !== arrival) this.#schedule(place.arrival, opening);
    const waiter = place?.arrival === arrival ? this.#shelves.get(arrival) : undefined;
    const event = waiter === undefined ? undefined : this.#try(waiter, at);
    if (waiter !== undefined && opening !== undefined) this.#keepOpen(opening, waiter, event);
    if (waiter !== undefined && event !== undefined) return { waiter, event };
    this.#tidy();
    return undefined;
  }

  /** Whoever waits with an external id that has an allocation now needs no room any more. */
  #noteNames(event: Event | BatchEvent): void {
    if (event.type === 'batched') return event.events.forEach((one) => this.#noteNames(one));
    if (event.type !== 'allocated' && event.type !== 'undeleted') return;
    const { arena, base } = event;
    const externalId = this.#engine.allocation(arena, base)?.externalId;
    if (externalId === undefined) return;
    const alike = this.#named.get(nameOf({ arena, externalId })!) ?? [];
    for (const { arrival } of alike) this.#schedule(arrival);
  }

  /** The limit of an owner in an arena may leave another amount. */
  #relimit({ arena, owner }: Pick<Level, 'arena' | 'owner'>): void {
    if (owner === undefined) return;
    const headroom = this.#engine.headroom(arena, owner);
    if (headroom !== undefined) this.#shelves.limit({ arena, owner }, headroom);
  }

  /**
   * The arena has other bands, or limits of owners: who waits for room in it may be of another shape,
   * and is tried.
   */
  #reshape(arena: string): void {
    for (const waiter of this.#shelves.all()) {
      if (!waiter.levels.some((level) => level.arena === arena)) continue;
      const levels = this.#engine.levels(waiter.command);
      this.#relimit(levels[0]!);
      this.#shelves.move(waiter, levels);
      this.#schedule(waiter.arrival);
    }
  }

  #try({ command }: Waiter<G>, at: number): Event | Refusal | Error | undefined {
    this.#tries += 1;
    try {
      return this.#engine.grant({ ...command, at: Math.max(at, command.at) });
    } catch (error) {
      return error as Error;
    }
  }

  /** An opening that has served one may serve the next, and else smaller ones. */
  #keepOpen(
    opening: Opening,
    { arrival, size }: Place,
    event: Found<G>['event'] | undefined,
  ): void {
    if (event !== undefined) return this.#schedule(arrival, opening);
    opening.bound = size - 1n;
    const place = this.#firstFor(opening);
    if (place !== undefined) this.#schedule(place.arrival, opening);
  }

  #open(arena: string, range: Range): void {
    const whole = this.#engine.withSlab(arena, range);
    for (const shelf of this.#shelves.meeting(arena, whole)) {
      const opening = { shelf, range: whole, bound: unbounded, revision: -1 };
      const place = this.#firstFor(opening);
      if (place !== undefined) this.#schedule(place.arrival, opening);
    }
  }

  /** Whom an opening is to be tried for now. */
  #candidate(opening: Opening): Place | undefined {
    const { shelf, range } = opening;
    const { revision } = this.#engine;
    if (opening.revision !== revision) {
      opening.revision = revision;
      const room = this.#engine.room(shelf.post.arena, range, shelf.shape);
      if (room < opening.bound) opening.bound = room;
    }
    return this.#firstFor(opening);
  }

  #firstFor({ shelf, bound }: Opening): Place | undefined {
    const { headroom } = shelf.post;
    return shelf.places.first(bound < headroom ? bound : headroom);
  }

  /**
   * Whoever comes to stand in front after this takes over from one who was as small and came before,
   * and for whom the opening had a turn already: so no opening is missed.
   */
  #schedule(arrival: number, opening?: Opening): void {
    this.#scheduled += 1;
    this.#agenda.add({ arrival, serial: this.#scheduled, opening });
  }

  #tidy(): void {
    if (!this.busy) this.#shelves.tidy();
  }
}

/** Whether whoever waits may be of another shape under the new settings. */
function reshapes({ bands, ownerLimit, ownerLimits }: Partial<Tuning>): boolean {
  return (bands ?? ownerLimit ?? ownerLimits) !== undefined;
}

/** The external id of a request among those of all arenas, whose names have no space. */
function nameOf({ arena, externalId }: Pick<Alloc, 'arena' | 'externalId'>): string | undefined {
  return externalId === undefined ? undefined : `${arena} ${externalId}`;
}
