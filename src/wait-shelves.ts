/**
 * Where those stand who wait for room. Each arena has *shelves*, one for each shape of request (all that
 * is asked beside the size) that waits for room in it. A request is put on the shelf of its own arena.
 * If no earlier one on that shelf is as small, it is *in front*: only then can it be the next to be
 * served, for what has room for it has room for that earlier one. Of those in front, an arena passes the
 * ones that its limit admits on to the shelf of its source, where the same rule holds, and so on up.
 *
 * A thousand arenas that wait for the same pool are thus one shelf there, and of ten thousand equal
 * requests to one arena, one is in front.
 *
 * An owner that has a limit in an arena stands before it like an arena that imports from it: its requests
 * go on to the shelf of the arena only while the limit has room for them. So nobody stands in front
 * there, and in the way of others, for whom what becomes free is not to be had.
 */
import type { Range } from './engine/command.ts';
import type { Engine } from './engine/engine.ts';
import type { Level, Shape } from './engine/shape.ts';
import { PrioritySearchTree, type Work } from './priority-search-tree.ts';

/** A place in the queue, by which requests are compared. */
export interface Place {
  /** 1, 2, 3 … in the order of arrival. */
  readonly arrival: number;
  /** What is asked for, in whole quanta. */
  readonly size: bigint;
}

/** A request as the shelves know it. */
export interface Entry extends Place {
  /** What it counts under the limit of its owner. Of one shape, the larger count no less. */
  readonly counted: bigint;
  /** The limit of its owner, if there is one; its own arena, the source of that, and so on. */
  levels: readonly Level[];
  /** By level, whether it is in front there. */
  front: boolean[];
}

export interface Shelf {
  readonly post: Post;
  readonly shape: Shape;
  /** In the order of arrival. */
  readonly places: PrioritySearchTree<Place>;
}

/**
 * What waits for room in one arena: requests to it, and to those that import from it; or under the limit
 * of one owner in it.
 */
interface Post extends At {
  readonly key: string;
  readonly shelves: Map<string, Shelf>;
  /** The same shelves by where their windows begin, for those that meet a range. */
  readonly windows: PrioritySearchTree<Window>;
  /** All that are in front here, by what they need of the limit, for those that the limit admits. */
  readonly fronts: PrioritySearchTree<Place>;
  /** What the limit left when it was last looked at: larger ones in front are not passed on. */
  headroom: bigint;
  /** Until `tidy`, once `headroom` has grown: all that are in front and larger may be admitted now. */
  floor: bigint | undefined;
  /** What any request on a shelf here may count beyond its size. */
  slack: bigint;
}

/** Which limit it is: that of an arena, or of an owner in it. */
type At = Pick<Level, 'arena' | 'owner'>;

interface Window {
  readonly min: bigint;
  readonly max: bigint;
  readonly key: string;
}

/** Larger than any size. */
export const unbounded = 1n << 129n;

export class WaitShelves<E extends Entry> {
  readonly #engine: Engine;
  readonly #admitted: (entry: E) => void;
  readonly #work: Work;
  readonly #entries = new Map<number, E>();
  readonly #posts = new Map<string, Post>();
  /** Arrivals of requests to each arena itself, in order. */
  readonly #own = new Map<string, Set<number>>();
  /** To be put in order by `tidy`. */
  readonly #grown = new Set<Post>();
  readonly #emptied = new Set<Shelf>();

  /** `admitted` is called for each that a limit may have kept back alone, and admits now. */
  constructor(engine: Engine, admitted: (entry: E) => void, work: Work) {
    this.#engine = engine;
    this.#admitted = admitted;
    this.#work = work;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(arrival: number): E | undefined {
    return this.#entries.get(arrival);
  }

  all(): Iterable<E> {
    return this.#entries.values();
  }

  /** Whether anybody waits for room in the arena, be it to import it. */
  has(arena: string): boolean {
    return this.#own.has(arena) || this.#posts.has(arena);
  }

  countIn(arena: string): number {
    return this.#own.get(arena)?.size ?? 0;
  }

  /** Requests to the arena itself, in the order of arrival. */
  *in(arena: string): Generator<E> {
    for (const arrival of this.#own.get(arena) ?? []) yield this.#entry(arrival);
  }

  /** Adds the last to arrive. */
  put(entry: E): void {
    this.#entries.set(entry.arrival, entry);
    this.#add(entry, 0);
    const { arena } = entry.levels[0]!;
    this.#own.set(arena, (this.#own.get(arena) ?? new Set()).add(entry.arrival));
  }

  /** Whether it was here. */
  take({ arrival }: Place): boolean {
    const entry = this.#entries.get(arrival);
    if (entry === undefined) return false;
    const { arena } = entry.levels[0]!;
    const own = this.#own.get(arena)!;
    own.delete(arrival);
    if (own.size === 0) this.#own.delete(arena);
    this.#remove(entry, 0);
    this.#entries.delete(arrival);
    return true;
  }

  /** Moves a request to where one of these levels stands: it is of another shape now. */
  move(entry: E, levels: readonly Level[]): void {
    this.#remove(entry, 0);
    entry.levels = levels;
    entry.front = levels.map(() => false);
    this.#add(entry, 0);
  }

  /** The limit of an arena, or of an owner in it, leaves this much now. */
  limit(at: At, headroom: bigint): void {
    const post = this.#posts.get(keyOf(at));
    if (post === undefined || headroom === post.headroom) return;
    const before = post.headroom;
    post.headroom = headroom;
    if (headroom < before) {
      for (const entry of this.#between(post, headroom, before)) {
        this.#remove(entry, levelOf(entry, post) + 1);
      }
      return;
    }
    for (const entry of this.#between(post, before, headroom)) {
      this.#add(entry, levelOf(entry, post) + 1);
    }
    const floor = before > post.slack ? before - post.slack : 0n;
    if (post.floor === undefined || floor < post.floor) post.floor = floor;
    this.#grown.add(post);
    for (const entry of this.#between(post, floor, headroom)) this.#admitted(entry);
  }

  /** The shelves of an arena whose requests may lie in the range, or reach into it. */
  *meeting(arena: string, { base, size }: Range): Generator<Shelf> {
    const post = this.#posts.get(arena);
    let window = post?.windows.first(-base);
    for (; window !== undefined && window.min < base + size;) {
      yield post!.shelves.get(window.key)!;
      window = post!.windows.first(-base, window);
    }
  }

  /** Forgets what has grown, and what is empty; while there are turns to come, both have to stay. */
  tidy(): void {
    for (const post of this.#grown) post.floor = undefined;
    this.#grown.clear();
    for (const { post, shape, places } of this.#emptied) {
      if (places.size > 0) continue;
      post.shelves.delete(shape.key);
      post.windows.delete(shape);
      if (post.shelves.size === 0) this.#posts.delete(post.key);
    }
    this.#emptied.clear();
  }

  /** Puts a request on its shelf at a level. */
  #add(entry: E, level: number): void {
    const at = entry.levels[level];
    if (at === undefined) return;
    const { places, post } = this.#shelf(at);
    places.add(entry);
    if (places.first(entry.size)?.arrival !== entry.arrival) return;
    // Those behind it that were in front and are as large no longer are.
    let least = places.leastBefore(entry) ?? unbounded;
    for (;;) {
      const behind = places.first(least - 1n, entry);
      if (behind === undefined || behind.size < entry.size) break;
      least = behind.size;
      const other = this.#entry(behind.arrival);
      this.#hide(other, post, levelOf(other, post));
    }
    this.#show(entry, post, level);
  }

  #remove(entry: E, level: number): void {
    const at = entry.levels[level];
    if (at === undefined) return;
    const shelf = this.#shelf(at);
    const { places, post } = shelf;
    places.delete(entry);
    if (places.size === 0) this.#emptied.add(shelf);
    if (!entry.front[level]) return;
    this.#hide(entry, post, level);
    // Those that stood behind it alone are in front now.
    let least = places.leastBefore(entry) ?? unbounded;
    for (;;) {
      const place = places.first(least - 1n, entry);
      if (place === undefined) return;
      const next = this.#entry(place.arrival);
      const there = levelOf(next, post);
      if (next.front[there]) return;
      this.#show(next, post, there);
      least = next.size;
    }
  }

  #show(entry: E, post: Post, level: number): void {
    entry.front[level] = true;
    const needed = neededAt(post, entry);
    post.fronts.add(needed);
    if (needed.size > post.headroom) return;
    if (post.floor !== undefined && needed.size > post.floor) this.#admitted(entry);
    this.#add(entry, level + 1);
  }

  #hide(entry: E, post: Post, level: number): void {
    entry.front[level] = false;
    const needed = neededAt(post, entry);
    post.fronts.delete(needed);
    if (needed.size <= post.headroom) this.#remove(entry, level + 1);
  }

  /** Those in front that need more of the limit than `low` and up to `high`. */
  *#between(post: Post, low: bigint, high: bigint): Generator<E> {
    let place = post.fronts.first(0n, { size: low, arrival: Infinity });
    while (place !== undefined && place.size <= high) {
      yield this.#entry(place.arrival);
      place = post.fronts.first(0n, place);
    }
  }

  #entry(arrival: number): E {
    return this.#entries.get(arrival)!;
  }

  #shelf(level: Level): Shelf {
    const { arena, owner, shape } = level;
    let post = this.#posts.get(keyOf(level));
    if (post === undefined) {
      post = newPost(level, this.#engine.headroom(arena, owner) ?? 0n, this.#work);
      this.#posts.set(post.key, post);
    }
    let shelf = post.shelves.get(shape.key);
    if (shelf === undefined) {
      const places = new PrioritySearchTree<Place>(byArrival, ({ size }) => size, this.#work);
      shelf = { post, shape, places };
      post.shelves.set(shape.key, shelf);
      post.windows.add(shape);
      if (shape.slack > post.slack) post.slack = shape.slack;
    }
    return shelf;
  }
}

function newPost(at: At, headroom: bigint, work: Work): Post {
  const { arena, owner } = at;
  return {
    key: keyOf(at),
    arena,
    ...(owner === undefined ? {} : { owner }),
    shelves: new Map(),
    windows: new PrioritySearchTree<Window>(byMin, ({ max }) => -max, work),
    fronts: new PrioritySearchTree<Place>(bySize, () => 0n, work),
    headroom,
    floor: undefined,
    slack: 0n,
  };
}

function byArrival(a: Place, b: Place): number {
  return a.arrival - b.arrival;
}

function bySize(a: Place, b: Place): number {
  return a.size === b.size ? byArrival(a, b) : a.size < b.size ? -1 : 1;
}

function byMin(a: Window, b: Window): number {
  if (a.min !== b.min) return a.min < b.min ? -1 : 1;
  return a.key === b.key ? 0 : a.key < b.key ? -1 : 1;
}

/** Names of arenas have no space. */
function keyOf({ arena, owner }: At): string {
  return owner === undefined ? arena : `${arena} ${owner}`;
}

function levelOf({ levels }: Entry, at: At): number {
  return levels.findIndex(({ arena, owner }) => arena === at.arena && owner === at.owner);
}

/** A request by what it needs of a limit. */
function neededAt({ owner }: At, entry: Entry): Place {
  return owner === undefined ? entry : { arrival: entry.arrival, size: entry.counted };
}
