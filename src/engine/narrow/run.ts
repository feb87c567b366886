/**
 * The segments of an arena that has one static span and was never asked for anything but instantfit:
 * a list in the order of addresses, and a hash of the busy ones by start. Nothing is ordered by a
 * search here, so taking and freeing a block touch a handful of cells, however many there are. The
 * first question that needs an order (a bound, another policy, an address in between) has the tiling
 * of `segments.ts` built from the list, once; the bins, and so the choices, stay the same.
 *
 * The hash grows by one bucket at a time (Litwin's linear hashing), so that no block ever waits for
 * a rehash.
 */
import { assert } from '../assert.ts';
import { growth } from '../growth.ts';
import { Bins, classAbove, classOf } from './bins.ts';
import { BUSY, FREE } from './segments.ts';
import { CELL_SHIFT, NONE, START_WORDS, ZERO, hash } from './unit.ts';
import type { Unit } from './unit.ts';

/** Words of a cell, after the start and the links of the bins: a busy cell chains by its first link. */
const SHIFT = CELL_SHIFT + 1;
const CHAIN = START_WORDS;
const AFTER = START_WORDS + 2;
const BEFORE = START_WORDS + 3;
const STATE = START_WORDS + 4;
/** The caller's id of a busy cell, the class of a free one: no double is passed, so none is boxed. */
const ID = START_WORDS + 5;

/** Gaps of the largest class that are compared to find the largest of them. */
const LOOKS_MAX = 64;

/** A busy segment and the gaps beside it, by cells (0 for none), each with the next in its queue. */
export interface Neighbours {
  readonly end: Unit;
  readonly state: number;
  readonly id: number;
  readonly cell: number;
  readonly left: number;
  readonly leftYounger: number;
  readonly right: number;
  readonly rightYounger: number;
}

export class Run {
  readonly bins: Bins;
  readonly start: Unit;
  readonly end: Unit;
  free: Unit;
  /** What `after` answers with behind the last segment. */
  readonly none = 0;
  #heads = new Int32Array(16);
  /** Buckets in use, and the least mask of ones that covers them. */
  #buckets = 8;
  #mask = 7;
  #busy = 0;
  /** The gap that `place` chose last, and for which size; 0 once something has changed. */
  #chosen = 0;
  #chosenFor: Unit = NONE;

  /** One free segment; or, to be built in order by `append`, none yet. */
  constructor(start: Unit, end: Unit, empty = false) {
    this.bins = new Bins(SHIFT, end - start);
    this.start = start;
    this.end = end;
    this.free = ZERO;
    // Cell 0 closes the list to a ring: it is before the first segment, and starts where the last ends.
    this.bins.cells.setStart(0, end);
    if (!empty) this.bins.settle(this.append(start, end, FREE, 0));
  }

  /**
   * Adds a segment behind all others of a run that is being built in order. Returns its cell; that
   * of a free one waits to be filed, and busy ones to be hashed.
   */
  append(start: Unit, end: Unit, state: number, id: number): number {
    const { bins } = this;
    const cell = bins.create();
    const { words } = bins.cells;
    const at = cell << SHIFT;
    link(words, words[BEFORE]!, cell);
    link(words, cell, 0);
    words[at | STATE] = state;
    if (state === FREE) {
      this.free += end - start;
      bins.await(cell, start, end - start);
      words[at | ID] = classOf(end - start);
    } else {
      bins.cells.setStart(cell, start);
      words[at | ID] = id;
      this.#busy++;
    }
    return cell;
  }

  /** Hashes the busy segments of a run that was built: at once, into as many buckets as there are. */
  hash(): void {
    this.#buckets = Math.max(this.#buckets, this.#busy);
    this.#mask = 2 ** (32 - Math.clz32(this.#buckets - 1)) - 1;
    this.#heads = new Int32Array(growth(this.#buckets, 4));
    for (let cell = this.first(); cell !== this.none; cell = this.after(cell)) {
      if (this.stateOf(cell) >= BUSY) this.#chain(cell, this.startOf(cell));
    }
  }

  /** The start of the segment that instantfit takes for `size`, or NONE where it needs an order. */
  place(size: Unit): Unit {
    const index = this.bins.nextFilled(classAbove(size));
    if (index < 0) return NONE;
    this.#chosen = this.bins.oldest(index);
    this.#chosenFor = size;
    return this.bins.start(this.#chosen);
  }

  /** The gap that `place` chose last, as long as nothing has changed since. */
  get chosen(): number {
    return this.#chosen;
  }

  /** The size of the largest gap, or NONE where as many are nearly as large that it takes an order. */
  largestFree(): Unit {
    const { bins } = this;
    const index = bins.lastFilled();
    let most = ZERO;
    let looks = 0;
    for (let gap = index < 0 ? 0 : bins.oldest(index); gap !== 0; gap = bins.younger(gap)) {
      if (looks++ === LOOKS_MAX) return NONE;
      const size = this.endOf(gap) - this.startOf(gap);
      if (size > most) most = size;
    }
    return most;
  }

  /** Takes a block where `place` puts it; false, and nothing happened, if it would go elsewhere. */
  occupy(start: Unit, size: Unit, state: number, id: number): boolean {
    // What was placed is usually taken next; in recovery it was placed in another life.
    if (this.#chosen === 0 || this.#chosenFor !== size) {
      if (this.place(size) === NONE) return false;
    }
    const gap = this.#chosen;
    const { bins } = this;
    const { cells } = bins;
    if (!cells.startsAt(gap, start)) return false;
    this.#chosen = 0;
    const at = gap << SHIFT;
    let { words } = cells;
    const index = words[at | ID]!;
    this.free -= size;
    cells.setStart(gap, start + size);
    const rest = cells.eighthsBetween(gap, words[at | AFTER]!);
    if (rest !== index) {
      bins.leave(gap, index);
      words[at | ID] = rest;
      if (rest > 0) bins.enter(gap, rest);
    }
    let cell = gap;
    if (rest > 0) {
      // The gap keeps its cell and has moved on; the block gets a new one in front of it.
      cell = bins.create();
      words = cells.words;
      link(words, words[at | BEFORE]!, cell);
      link(words, cell, gap);
    }
    cells.setStart(cell, start);
    words[(cell << SHIFT) | STATE] = state;
    words[(cell << SHIFT) | ID] = id;
    this.#hash(cell, start);
    return true;
  }

  /** The cell of the busy segment that starts at `start`, or 0. */
  find(start: Unit): number {
    return this.bins.cells.chained(this.#heads[this.#bucket(start)]!, CHAIN, start);
  }

  /** Changes state and id of the segment at `start`, which is not free and stays so. */
  relabel(start: Unit, state: number, id: number): void {
    const cell = this.find(start);
    assert(cell !== 0 && state >= BUSY, 'not free');
    this.mark(cell, state);
    this.bins.cells.words[(cell << SHIFT) | ID] = id;
  }

  /** Changes the state of a segment, which is not free and stays so. */
  mark(cell: number, state: number): void {
    this.bins.cells.words[(cell << SHIFT) | STATE] = state;
  }

  stateOf(cell: number): number {
    return this.bins.cells.words[(cell << SHIFT) | STATE]!;
  }

  idOf(cell: number): number {
    return this.bins.cells.words[(cell << SHIFT) | ID]!;
  }

  startOf(cell: number): Unit {
    return this.bins.start(cell);
  }

  endOf(cell: number): Unit {
    return this.bins.start(this.after(cell));
  }

  /** The gap of a free segment in the bins. */
  gapOf(cell: number): number {
    return cell;
  }

  /** One span has no edge inside. */
  edgeOf(_cell: number): boolean {
    return false;
  }

  get size(): Unit {
    return this.end - this.start;
  }

  first(): number {
    return this.after(0);
  }

  /** The cell of the next segment, or 0. */
  after(cell: number): number {
    return this.bins.cells.words[(cell << SHIFT) | AFTER]!;
  }

  /** Frees the busy segment at `start` and merges it; false, and nothing happened, if none is there. */
  vacate(start: Unit): boolean {
    const { bins } = this;
    const { cells } = bins;
    const { words } = cells;
    const cell = this.#unchain(start);
    if (cell === 0) return false;
    const at = cell << SHIFT;
    this.#busy--;
    this.#chosen = 0;
    const next = words[at | AFTER]!;
    const previous = words[at | BEFORE]!;
    this.free += cells.distance(cell, next);
    // As in segments.ts: the gap on the left takes all in, else the one on the right does.
    if (words[(next << SHIFT) | STATE] === FREE) {
      bins.leave(next, words[(next << SHIFT) | ID]!);
      bins.drop(next);
      link(words, cell, words[(next << SHIFT) | AFTER]!);
    }
    let gap = cell;
    if (words[(previous << SHIFT) | STATE] === FREE) {
      bins.leave(previous, words[(previous << SHIFT) | ID]!);
      link(words, previous, words[at | AFTER]!);
      bins.drop(cell);
      gap = previous;
    } else words[at | STATE] = FREE;
    const index = cells.eighthsBetween(gap, words[(gap << SHIFT) | AFTER]!);
    words[(gap << SHIFT) | ID] = index;
    bins.enter(gap, index);
    return true;
  }

  /** Where the gap that `occupy` would take stands in its queue, for `unoccupy`; 0 if it takes none. */
  standing(start: Unit, size: Unit): number {
    if (this.place(size) === NONE || this.startOf(this.#chosen) !== start) return 0;
    return this.#chosen;
  }

  /**
   * Takes back an `occupy`, which was the last change: the gap is whole again, in the same cell and in
   * its class in front of `younger`.
   */
  unoccupy(start: Unit, gap: number, younger: number): void {
    const { bins } = this;
    const { cells } = bins;
    const { words } = cells;
    const cell = this.#unchain(start);
    assert(cell !== 0, 'what was occupied is there');
    this.#busy--;
    this.#chosen = 0;
    this.free += this.endOf(cell) - start;
    if (cell === gap) words[(gap << SHIFT) | STATE] = FREE;
    else {
      assert(this.after(cell) === gap, 'what is left of the gap comes behind');
      bins.leave(gap, words[(gap << SHIFT) | ID]!);
      link(words, words[(cell << SHIFT) | BEFORE]!, gap);
      bins.drop(cell);
      cells.setStart(gap, start);
    }
    this.#refile(gap, younger);
  }

  /** What `unvacate` needs to take back the `vacate` that comes next. */
  neighbours(start: Unit): Neighbours {
    const cell = this.find(start);
    const { words } = this.bins.cells;
    const left = words[(cell << SHIFT) | BEFORE]!;
    const right = words[(cell << SHIFT) | AFTER]!;
    const free = (other: number) => words[(other << SHIFT) | STATE] === FREE;
    return {
      end: this.endOf(cell),
      state: this.stateOf(cell),
      id: this.idOf(cell),
      cell,
      left: free(left) ? left : 0,
      leftYounger: free(left) ? this.bins.younger(left) : 0,
      right: free(right) ? right : 0,
      rightYounger: free(right) ? this.bins.younger(right) : 0,
    };
  }

  /** Takes back a `vacate`, which was the last change: every cell and every queue is as before. */
  unvacate(start: Unit, before: Neighbours): void {
    const { bins } = this;
    const { cells } = bins;
    const { end, cell, left, right } = before;
    const gap = left === 0 ? cell : left;
    bins.leave(gap, cells.words[(gap << SHIFT) | ID]!);
    const last = this.after(gap);
    // Cells come back in the reverse order of their going, and so by the same numbers.
    if (left !== 0) assert(bins.create() === cell, 'the cell of the block comes back');
    if (right !== 0) assert(bins.create() === right, 'the cell behind it comes back');
    const { words } = cells;
    if (left !== 0) link(words, left, cell);
    cells.setStart(cell, start);
    words[(cell << SHIFT) | STATE] = before.state;
    words[(cell << SHIFT) | ID] = before.id;
    if (right === 0) link(words, cell, last);
    else {
      link(words, cell, right);
      link(words, right, last);
      cells.setStart(right, end);
      words[(right << SHIFT) | STATE] = FREE;
    }
    this.free -= end - start;
    this.#chosen = 0;
    this.#busy++;
    this.#chain(cell, start);
    // One may stand in the queue right before the other.
    const rightFirst = before.leftYounger === right;
    if (right !== 0 && rightFirst) this.#refile(right, before.rightYounger);
    if (left !== 0) this.#refile(left, before.leftYounger);
    if (right !== 0 && !rightFirst) this.#refile(right, before.rightYounger);
  }

  #refile(gap: number, younger: number): void {
    const index = classOf(this.endOf(gap) - this.startOf(gap));
    this.bins.cells.words[(gap << SHIFT) | ID] = index;
    this.bins.enterBefore(gap, index, younger);
  }

  get bytes(): number {
    return this.bins.bytes + this.#buckets * 4;
  }

  #bucket(start: Unit): number {
    const mask = this.#mask;
    const bucket = hash(start) & mask;
    // Without a branch, which for half of the hashes would be mispredicted: -1 if beyond the buckets.
    const beyond = (this.#buckets - 1 - bucket) >> 31;
    return bucket & ~(beyond & ~(mask >>> 1));
  }

  #hash(cell: number, start: Unit): void {
    if (++this.#busy > this.#buckets) this.#split();
    this.#chain(cell, start);
  }

  #chain(cell: number, start: Unit): void {
    const bucket = this.#bucket(start);
    this.bins.cells.words[(cell << SHIFT) | CHAIN] = this.#heads[bucket]!;
    this.#heads[bucket] = cell;
  }

  /** Takes the busy cell that starts at `start` out of its bucket; 0 where there is none. */
  #unchain(start: Unit): number {
    const { cells } = this.bins;
    const { words } = cells;
    const bucket = this.#bucket(start);
    const head = this.#heads[bucket]!;
    const cell = cells.chained(head, CHAIN, start);
    if (cell === 0) return 0;
    const chained = words[(cell << SHIFT) | CHAIN]!;
    if (head === cell) this.#heads[bucket] = chained;
    else {
      let before = head;
      while (words[(before << SHIFT) | CHAIN] !== cell) before = words[(before << SHIFT) | CHAIN]!;
      words[(before << SHIFT) | CHAIN] = chained;
    }
    return cell;
  }

  /** One bucket more: takes over its share of the bucket that served its hashes until now. */
  #split(): void {
    const { cells } = this.bins;
    const fresh = this.#buckets++;
    if (fresh > this.#mask) this.#mask = this.#mask * 2 + 1;
    if (fresh === this.#heads.length) {
      const heads = new Int32Array(growth(fresh, 4));
      heads.set(this.#heads);
      this.#heads = heads;
    }
    const old = fresh & (this.#mask >>> 1);
    let cell = this.#heads[old]!;
    let kept = 0;
    let moved = 0;
    while (cell !== 0) {
      const at = (cell << SHIFT) | CHAIN;
      const next = cells.words[at]!;
      if ((hash(cells.start(cell)) & this.#mask) === fresh) {
        cells.words[at] = moved;
        moved = cell;
      } else {
        cells.words[at] = kept;
        kept = cell;
      }
      cell = next;
    }
    this.#heads[old] = kept;
    this.#heads[fresh] = moved;
  }

  /**
   * Whether every busy segment is found by its start; for the check. It goes from bucket to bucket,
   * which reads a cell once, where looking each segment up reads some twice. Hashed as often as there
   * are busy segments, and each time a busy one of the list in the bucket of its start, they are all.
   */
  get isHashed(): boolean {
    let busy = 0;
    let seen = 0;
    for (let cell = this.first(); cell !== 0; cell = this.after(cell)) {
      if (++seen > this.bins.used) return false;
      if (this.stateOf(cell) >= BUSY) busy++;
    }
    let hashed = 0;
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      let cell = this.#heads[bucket]!;
      while (cell !== 0) {
        if (++hashed > busy || !this.#isHashedIn(cell, bucket)) return false;
        cell = this.bins.cells.words[(cell << SHIFT) | CHAIN]!;
      }
    }
    return hashed === busy && busy === this.#busy && this.free >= ZERO;
  }

  #isHashedIn(cell: number, bucket: number): boolean {
    const { words } = this.bins.cells;
    const next = words[(cell << SHIFT) | AFTER]!;
    const listed = words[(next << SHIFT) | BEFORE] === cell;
    return listed && this.stateOf(cell) >= BUSY && this.#bucket(this.startOf(cell)) === bucket;
  }
}

function link(words: Int32Array, before: number, after: number): void {
  words[(before << SHIFT) | AFTER] = after;
  words[(after << SHIFT) | BEFORE] = before;
}
