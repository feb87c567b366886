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
 * **How they are found.** Each arena has *shelves*, one for each shape of request (all that is asked
 * beside the size) that waits for room in it. A request is put on the shelf of its own arena. If no
 * earlier one on that shelf is as small, it is *in front*: only then can it be the next to be served,
 * for what has room for it has room for that earlier one. Of those in front, the arenas that import
 * pass the ones that their limit admits on to the shelf of their source, where the same rule holds, and so
 * on up. A thousand arenas that wait for the same pool are thus one shelf there, and ten
 * thousand equal requests to one arena put one of them in front.
 *
 * An event touches some ranges of some arenas. For each shelf there whose window a range meets, the
 * engine says how large a request the range has room for, and the tree of the shelf which request
 * is the first of at most that size: that one is tried in earnest. Where what a limit leaves has
 * grown, those in front that it now admits are tried as well. What is never looked at is who waits
 * elsewhere, or behind others, or for more than there is.
 */
import type { Alloc, At, Range } from './engine/command.ts';
import type { Engine } from './engine/engine.ts';
import type { Event } from './engine/event.ts';
import type { Refusal } from './engine/refusal.ts';
import type { Level, Shape } from './engine/shape.ts';
import { touched } from './engine/touched.ts';
import { PrioritySearchTree, type Work } from './priority-search-tree.ts';

/** A place in the queue, by which requests are compared. */
interface Place {
  /** 1, 2, 3 … in the order of arrival. */
  readonly arrival: number;
  /** What is asked for, in whole quanta. */
  readonly size: bigint;
}

/** A request that waits. `T` is what the owner of the queue keeps with it. */
export interface Waiter<T> extends Place {
  readonly command: At<Alloc>;
  readonly owner: T;
}

/**
 * The next to be served; a refusal where it can't be whatever the room, such as for a lease that has
 * ended, and an error where deciding on it failed, as it would have failed any other time.
 */
export interface Found<T> {
  readonly waiter: Waiter<T>;
  readonly event: Event | Refusal | Error;
}

interface Entry<T> extends Waiter<T> {
  /** Its own arena, the source of that, and so on. */
  readonly levels: readonly Level[];
  /** By level, whether it is in front there. */
  readonly front: boolean[];
}

/** What waits for room in one arena: requests to it, and to those that import from it. */
interface Post<T> {
  readonly arena: string;
  /** Requests to this arena itself, in the order of arrival. */
  readonly own: Set<Entry<T>>;
  readonly shelves: Map<string, Shelf<T>>;
  /** The same shelves by where their windows begin, for those that meet a range. */
  readonly windows: PrioritySearchTree<Window>;
  /** All that are in front here, by size, for those that the limit admits. */
  readonly fronts: PrioritySearchTree<Place>;
  /** What the limit left when it was last looked at: larger ones in front are not passed on. */
  headroom: bigint;
  /** While `next` has work, the least of `headroom` since then, if it has grown. */
  floor: bigint | undefined;
  /** What any request on a shelf here may count beyond its size. */
  slack: bigint;
}

interface Window {
  readonly min: bigint;
  readonly max: bigint;
  readonly key: string;
}

interface Shelf<T> {
  readonly post: Post<T>;
  readonly shape: Shape;
  readonly entries: PrioritySearchTree<Place>;
}

/** A range that was touched, as far as it concerns one shelf. */
interface Opening<T> {
  readonly shelf: Shelf<T>;
  readonly range: Range;
  /** Nothing larger can be served from here. */
  bound: bigint;
  /** The revision for which the engine was asked for that. */
  revision: number;
}

/** One who may be the next, or an opening that has none to serve before `arrival`. */
interface Turn<T> {
  readonly arrival: number;
  readonly serial: number;
  readonly for: Entry<T> | Opening<T>;
}

const unbounded = 1n << 129n;

export class WaitQueue<T> {
  readonly #engine: Engine;
  readonly #entries = new Map<number, Entry<T>>();
  readonly #posts = new Map<string, Post<T>>();
  readonly #work: Work = { visits: 0 };
  readonly #agenda = new PrioritySearchTree<Turn<T>>(
    (a, b) => a.arrival - b.arrival || a.serial - b.serial,
    () => 0n,
    this.#work,
  );
  /** To be put in order once the agenda is empty. */
  readonly #grown = new Set<Post<T>>();
  readonly #emptied = new Set<Shelf<T>>();
  #arrivals = 0;
  #scheduled = 0;
  #turns = 0;
  #tries = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** How many wait. */
  get size(): number {
    return this.#entries.size;
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
    return this.#posts.get(arena)?.own.size ?? 0;
  }

  /** Those who wait in an arena, in the order of arrival. */
  in(arena: string): Iterable<Waiter<T>> {
    return this.#posts.get(arena)?.own ?? [];
  }

  all(): Iterable<Waiter<T>> {
    return this.#entries.values();
  }

  /** Takes in a request that was refused for want of room just now. */
  enter(command: At<Alloc>, owner: T): Waiter<T> {
    const levels = this.#engine.levels(command);
    const entry: Entry<T> = {
      arrival: ++this.#arrivals,
      size: this.#engine.roundup(command.arena, command.size),
      command,
      owner,
      levels,
      front: levels.map(() => false),
    };
    this.#entries.set(entry.arrival, entry);
    this.#add(entry, 0);
    this.#posts.get(command.arena)?.own.add(entry);
    return entry;
  }

  /** Takes out one who was served, or waits no longer. */
  leave({ arrival }: Waiter<T>): void {
    const entry = this.#entries.get(arrival);
    if (entry === undefined) return;
    this.#entries.delete(arrival);
    this.#posts.get(entry.command.arena)?.own.delete(entry);
    this.#remove(entry, 0);
    if (!this.busy) this.#tidy();
  }

  /** An event was applied: `next` may have work. Returns those whose arena is no more. */
  note(event: Event): Waiter<T>[] {
    if (this.#entries.size === 0) return [];
    const ranges = touched(event).filter(({ arena }) => this.#posts.has(arena));
    const gone: Waiter<T>[] = [];
    // What limits leave comes first: it decides who is passed on to the shelves of sources.
    for (const { arena } of ranges) {
      const post = this.#posts.get(arena);
      if (post === undefined) continue;
      const headroom = this.#engine.headroom(arena);
      if (headroom === undefined) gone.push(...post.own);
      else this.#limit(post, headroom);
    }
    for (const waiter of gone) this.leave(waiter);
    for (const range of ranges) {
      const post = this.#posts.get(range.arena);
      if (post === undefined || range.size === 0n) continue;
      this.#open(post, this.#engine.withSlab(range.arena, range));
    }
    if (!this.busy) this.#tidy();
    return gone;
  }

  /**
   * Looks at the next who may be served; returns it and its event where it can be. Undefined where
   * this one can't be, which says nothing of others while the queue is `busy`. The event happens at
   * `at`. The caller lets the waiter leave, applies the event and notes it before it calls again.
   */
  next(at: number): Found<T> | undefined {
    const turn = this.#agenda.first(0n);
    if (turn === undefined) return undefined;
    this.#turns += 1;
    this.#agenda.delete(turn);
    const entry = 'levels' in turn.for ? this.#entries.get(turn.arrival) : this.#candidate(turn);
    const event = entry === undefined ? undefined : this.#try(entry, at);
    if ('shelf' in turn.for && entry !== undefined) {
      const opening = turn.for;
      if (event !== undefined) this.#schedule(entry.arrival, opening);
      else {
        opening.bound = entry.size - 1n;
        this.#reschedule(opening);
      }
    }
    if (entry !== undefined && event !== undefined) return { waiter: entry, event };
    if (!this.busy) this.#tidy();
    return undefined;
  }

  #try(entry: Entry<T>, at: number): Event | Refusal | Error | undefined {
    this.#tries += 1;
    try {
      return this.#engine.grant({ ...entry.command, at: Math.max(at, entry.command.at) });
    } catch (error) {
      return error as Error;
    }
  }

  /** Whom an opening is to be tried for now; an opening that came too early gets another turn. */
  #candidate(turn: Turn<T>): Entry<T> | undefined {
    const opening = turn.for as Opening<T>;
    const { shelf, range } = opening;
    const { revision } = this.#engine;
    if (opening.revision !== revision) {
      opening.revision = revision;
      const room = this.#engine.room(shelf.post.arena, range, shelf.shape);
      if (room < opening.bound) opening.bound = room;
    }
    const place = this.#firstFor(opening);
    if (place === undefined) return undefined;
    if (place.arrival === turn.arrival) return this.#entries.get(place.arrival);
    this.#schedule(place.arrival, opening);
    return undefined;
  }

  #firstFor({ shelf, bound }: Opening<T>): Place | undefined {
    const { headroom } = shelf.post;
    return shelf.entries.first(bound < headroom ? bound : headroom);
  }

  #reschedule(opening: Opening<T>): void {
    const place = this.#firstFor(opening);
    if (place !== undefined) this.#schedule(place.arrival, opening);
  }

  #schedule(arrival: number, what: Turn<T>['for']): void {
    this.#scheduled += 1;
    this.#agenda.add({ arrival, serial: this.#scheduled, for: what });
  }

  /** The limit of an arena leaves this much now. */
  #limit(post: Post<T>, headroom: bigint): void {
    const before = post.headroom;
    if (headroom === before) return;
    post.headroom = headroom;
    const [low, high] = headroom > before ? [before, headroom] : [headroom, before];
    for (const entry of this.#between(post, low, high)) {
      const level = levelOf(entry, post);
      if (headroom < before) this.#remove(entry, level + 1);
      else this.#add(entry, level + 1);
    }
    if (headroom < before) return;
    const floor = before > post.slack ? before - post.slack : 0n;
    if (post.floor === undefined || floor < post.floor) post.floor = floor;
    this.#grown.add(post);
    for (const entry of this.#between(post, floor, headroom)) this.#schedule(entry.arrival, entry);
  }

  /** Those in front in an arena, of a size above `low` and up to `high`. */
  *#between(post: Post<T>, low: bigint, high: bigint): Generator<Entry<T>> {
    let place = post.fronts.first(0n, { size: low, arrival: Infinity });
    while (place !== undefined && place.size <= high) {
      yield this.#entries.get(place.arrival)!;
      place = post.fronts.first(0n, place);
    }
  }

  #open(post: Post<T>, range: Range): void {
    let window = post.windows.first(-range.base);
    for (; window !== undefined; window = post.windows.first(-range.base, window)) {
      if (window.min >= range.base + range.size) return;
      const shelf = post.shelves.get(window.key)!;
      this.#reschedule({ shelf, range, bound: unbounded, revision: -1 });
    }
  }

  /** Puts a request on its shelf at a level. */
  #add(entry: Entry<T>, level: number): void {
    const at = entry.levels[level];
    if (at === undefined) return;
    const shelf = this.#shelf(at);
    const { entries, post } = shelf;
    entries.add(entry);
    if (entries.first(entry.size)?.arrival !== entry.arrival) return;
    // Those behind it that were in front and are as large no longer are.
    let least = entries.leastBefore(entry) ?? unbounded;
    for (;;) {
      const behind = entries.first(least - 1n, entry);
      if (behind === undefined || behind.size < entry.size) break;
      least = behind.size;
      const other = this.#entries.get(behind.arrival)!;
      this.#hide(other, post, levelOf(other, post));
    }
    // No opening misses it: one before it of at most its size was here until now, or had a turn.
    this.#show(entry, post, level);
  }

  #remove(entry: Entry<T>, level: number): void {
    const at = entry.levels[level];
    if (at === undefined) return;
    const shelf = this.#shelf(at);
    const { entries, post } = shelf;
    entries.delete(entry);
    if (entries.size === 0) this.#emptied.add(shelf);
    if (!entry.front[level]) return;
    this.#hide(entry, post, level);
    // Those that stood behind it alone are in front now.
    let least = entries.leastBefore(entry) ?? unbounded;
    for (;;) {
      const place = entries.first(least - 1n, entry);
      if (place === undefined) return;
      const next = this.#entries.get(place.arrival)!;
      const there = levelOf(next, post);
      if (next.front[there]) return;
      this.#show(next, post, there);
      least = next.size;
    }
  }

  #show(entry: Entry<T>, post: Post<T>, level: number): void {
    entry.front[level] = true;
    post.fronts.add(entry);
    if (entry.size > post.headroom) return;
    if (post.floor !== undefined && entry.size > post.floor) this.#schedule(entry.arrival, entry);
    this.#add(entry, level + 1);
  }

  #hide(entry: Entry<T>, post: Post<T>, level: number): void {
    entry.front[level] = false;
    post.fronts.delete(entry);
    if (entry.size <= post.headroom) this.#remove(entry, level + 1);
  }

  #shelf({ arena, shape }: Level): Shelf<T> {
    let post = this.#posts.get(arena);
    if (post === undefined) {
      const headroom = this.#engine.headroom(arena) ?? 0n;
      post = newPost(arena, headroom, this.#work);
      this.#posts.set(arena, post);
    }
    let shelf = post.shelves.get(shape.key);
    if (shelf === undefined) {
      const entries = new PrioritySearchTree<Place>(byArrival, ({ size }) => size, this.#work);
      shelf = { post, shape, entries };
      post.shelves.set(shape.key, shelf);
      post.windows.add(shape);
      if (shape.slack > post.slack) post.slack = shape.slack;
    }
    return shelf;
  }

  /** Forgets what was open, and what is empty. */
  #tidy(): void {
    for (const post of this.#grown) post.floor = undefined;
    this.#grown.clear();
    for (const { post, shape, entries } of this.#emptied) {
      if (entries.size > 0) continue;
      post.shelves.delete(shape.key);
      post.windows.delete(shape);
      if (post.shelves.size === 0) this.#posts.delete(post.arena);
    }
    this.#emptied.clear();
  }
}

function newPost<T>(arena: string, headroom: bigint, work: Work): Post<T> {
  return {
    arena,
    own: new Set(),
    shelves: new Map(),
    windows: new PrioritySearchTree<Window>(
      (a, b) =>
        a.min < b.min ? -1 : a.min > b.min ? 1 : a.key < b.key ? -1 : a.key > b.key ? 1 : 0,
      ({ max }) => -max,
      work,
    ),
    fronts: new PrioritySearchTree<Place>(
      (a, b) => (a.size < b.size ? -1 : a.size > b.size ? 1 : byArrival(a, b)),
      () => 0n,
      work,
    ),
    headroom,
    floor: undefined,
    slack: 0n,
  };
}

function byArrival(a: Place, b: Place): number {
  return a.arrival - b.arrival;
}

function levelOf<T>({ levels }: Entry<T>, { arena }: Post<T>): number {
  return levels.findIndex((level) => level.arena === arena);
}
