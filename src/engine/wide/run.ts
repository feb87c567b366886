// Generated from ../narrow/run.ts by `npm run wide`. Do not edit.
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
import { growth } from '../growth.ts';
import { Bins, classAbove, classOf } from './bins.ts';
import { BUSY, FREE } from './segments.ts';
import { NONE, ZERO, hash } from './unit.ts';
import type { Unit } from './unit.ts';

/** Words of a cell, after the start and the links of the bins: a busy cell chains by its first link. */
const STRIDE = 8;
const CHAIN = 2;
const AFTER = 4;
const BEFORE = 5;
const STATE = 6;
/** The caller's id of a busy cell, the class of a free one: no double is passed, so none is boxed. */
const ID = 7;

export class Run {
  readonly bins = new Bins(STRIDE);
  readonly start: Unit;
  readonly end: Unit;
  free: Unit;
  /** The cell of the first segment; the list ends with 0. */
  #first: number;
  #heads = new Int32Array(16);
  /** Buckets in use, and the least mask of ones that covers them. */
  #buckets = 8;
  #mask = 7;
  #busy = 0;
  /** The gap that `place` chose last, and for which size; NONE once something has changed. */
  #chosen = 0;
  #chosenFor: Unit = NONE;

  constructor(start: Unit, end: Unit) {
    this.start = start;
    this.end = end;
    this.free = end - start;
    this.#first = this.bins.create();
    this.#set(this.#first, FREE, 0, 0);
    this.#file(this.#first, start, end - start);
  }

  /** The start of the segment that instantfit takes for `size`, or NONE where it needs an order. */
  place(size: Unit): Unit {
    const index = this.bins.nextFilled(classAbove(size));
    if (index < 0) return NONE;
    this.#chosen = this.bins.oldest(index);
    this.#chosenFor = size;
    return this.bins.start(this.#chosen);
  }

  /** Takes a block where `place` puts it; false, and nothing happened, if it would go elsewhere. */
  occupy(start: Unit, size: Unit, state: number, id: number): boolean {
    // What was placed is usually taken next; in recovery it was placed in another life.
    if (this.#chosenFor !== size && this.place(size) === NONE) return false;
    const gap = this.#chosen;
    const { bins } = this;
    const { cells } = bins;
    if (cells.start(gap) !== start) return false;
    this.#chosenFor = NONE;
    const { words } = cells;
    const at = gap * STRIDE;
    const next = words[at + AFTER]!;
    const length = (next === 0 ? this.end : cells.start(next)) - start;
    this.free -= size;
    if (length === size) {
      bins.leave(gap, words[at + ID]!);
      words[at + STATE] = state;
      words[at + ID] = id;
      this.#hash(gap, start);
      return true;
    }
    // The gap keeps its cell and moves on; the block gets a new one in front of it.
    const index = words[at + ID]!;
    const rest = classOf(length - size);
    cells.setStart(gap, start + size);
    if (index !== rest) {
      words[at + ID] = rest;
      bins.leave(gap, index);
      bins.enter(gap, rest);
    }
    const cell = bins.create();
    cells.setStart(cell, start);
    const previous = cells.words[at + BEFORE]!;
    this.#set(cell, state, gap, previous);
    cells.words[cell * STRIDE + ID] = id;
    cells.words[at + BEFORE] = cell;
    if (previous === 0) this.#first = cell;
    else cells.words[previous * STRIDE + AFTER] = cell;
    this.#hash(cell, start);
    return true;
  }

  /** The cell of the busy segment that starts at `start`, or 0. */
  find(start: Unit): number {
    const { cells } = this.bins;
    let cell = this.#heads[this.#bucket(start)]!;
    while (cell !== 0 && cells.start(cell) !== start) cell = cells.words[cell * STRIDE + CHAIN]!;
    return cell;
  }

  stateOf(cell: number): number {
    return this.bins.cells.words[cell * STRIDE + STATE]!;
  }

  idOf(cell: number): number {
    return this.bins.cells.words[cell * STRIDE + ID]!;
  }

  startOf(cell: number): Unit {
    return this.bins.start(cell);
  }

  endOf(cell: number): Unit {
    const next = this.after(cell);
    return next === 0 ? this.end : this.bins.start(next);
  }

  first(): number {
    return this.#first;
  }

  /** The cell of the next segment, or 0. */
  after(cell: number): number {
    return this.bins.cells.words[cell * STRIDE + AFTER]!;
  }

  /** Frees the busy segment at `start` and merges it; false, and nothing happened, if none is there. */
  vacate(start: Unit): boolean {
    const cell = this.#unhash(start);
    if (cell === 0) return false;
    this.#chosenFor = NONE;
    const { bins } = this;
    const { cells } = bins;
    const { words } = cells;
    const at = cell * STRIDE;
    const next = words[at + AFTER]!;
    const previous = words[at + BEFORE]!;
    let end = next === 0 ? this.end : cells.start(next);
    this.free += end - start;
    const mergesNext = next !== 0 && words[next * STRIDE + STATE] === FREE;
    const mergesPrevious = previous !== 0 && words[previous * STRIDE + STATE] === FREE;
    // As in segments.ts: the gap on the left takes all in, else the one on the right does.
    if (mergesPrevious) {
      const from = cells.start(previous);
      bins.leave(previous, words[previous * STRIDE + ID]!);
      let last = next;
      if (mergesNext) {
        last = words[next * STRIDE + AFTER]!;
        bins.leave(next, words[next * STRIDE + ID]!);
        bins.drop(next);
        end = last === 0 ? this.end : cells.start(last);
      }
      this.#link(previous, last);
      bins.drop(cell);
      const index = classOf(end - from);
      words[previous * STRIDE + ID] = index;
      bins.enter(previous, index);
      return true;
    }
    words[at + STATE] = FREE;
    if (mergesNext) {
      const last = words[next * STRIDE + AFTER]!;
      bins.leave(next, words[next * STRIDE + ID]!);
      bins.drop(next);
      this.#link(cell, last);
      end = last === 0 ? this.end : cells.start(last);
    }
    const index = classOf(end - start);
    words[at + ID] = index;
    bins.enter(cell, index);
    return true;
  }

  get bytes(): number {
    return this.bins.bytes + this.#buckets * 4;
  }

  #file(cell: number, start: Unit, size: Unit): void {
    const index = classOf(size);
    this.bins.cells.setStart(cell, start);
    this.bins.cells.words[cell * STRIDE + ID] = index;
    this.bins.enter(cell, index);
  }

  #set(cell: number, state: number, after: number, before: number): void {
    const { words } = this.bins.cells;
    words[cell * STRIDE + STATE] = state;
    words[cell * STRIDE + AFTER] = after;
    words[cell * STRIDE + BEFORE] = before;
  }

  #link(before: number, after: number): void {
    const { words } = this.bins.cells;
    words[before * STRIDE + AFTER] = after;
    if (after !== 0) words[after * STRIDE + BEFORE] = before;
  }

  #bucket(start: Unit): number {
    const bits = hash(start);
    const bucket = bits & this.#mask;
    return bucket < this.#buckets ? bucket : bits & (this.#mask >>> 1);
  }

  #hash(cell: number, start: Unit): void {
    if (++this.#busy > this.#buckets) this.#split();
    const bucket = this.#bucket(start);
    this.bins.cells.words[cell * STRIDE + CHAIN] = this.#heads[bucket]!;
    this.#heads[bucket] = cell;
  }

  /** Takes the segment at `start` out of the hash; returns its cell, or 0 if there is none. */
  #unhash(start: Unit): number {
    const { cells } = this.bins;
    const { words } = cells;
    const bucket = this.#bucket(start);
    let before = 0;
    let cell = this.#heads[bucket]!;
    while (cell !== 0 && cells.start(cell) !== start) {
      before = cell;
      cell = words[cell * STRIDE + CHAIN]!;
    }
    if (cell === 0) return 0;
    const next = words[cell * STRIDE + CHAIN]!;
    if (before === 0) this.#heads[bucket] = next;
    else words[before * STRIDE + CHAIN] = next;
    this.#busy--;
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
      const at = cell * STRIDE + CHAIN;
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

  /** Whether every busy segment is found by its start; for the check. */
  get isHashed(): boolean {
    let busy = 0;
    for (let cell = this.#first; cell !== 0; cell = this.after(cell)) {
      if (this.stateOf(cell) < BUSY) continue;
      busy++;
      if (this.find(this.startOf(cell)) !== cell) return false;
    }
    return busy === this.#busy && this.free >= ZERO;
  }
}
