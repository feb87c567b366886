// Generated from ../narrow/bins.ts by `npm run wide`. Do not edit.
/**
 * Free segments in size classes, for instantfit: a doubly linked queue per class, and a bitmap of
 * the classes that are not empty. Sizes below 8 units have a class each; above, every octave is cut
 * into eight. Asking in the first class whose every member is large enough takes constant time; the
 * member filed there longest ago goes first, so that what was freed lately rests.
 *
 * Free segments (gaps) are named by their cells, numbers that this file hands out. A cell holds the
 * gap's start and its two links; the owner of the cells may keep more in them. The first cells are
 * no gaps but the classes' own: each closes its queue to a ring, so that no link is ever missing and
 * filing needs no case for an end, which half of the time would be the one not foreseen.
 */
import { assert } from '../assert.ts';
import { growth } from '../growth.ts';
import { CELL_SHIFT, Cells, LIMIT, LIMIT_BITS, ONE, START_WORDS } from './unit.ts';
import { eighths, eighthsFrom } from './unit.ts';
import type { Unit } from './unit.ts';

/** Of the bitmap: a size has eight classes for each number of bits; those of none are never filled. */
const WORDS = Math.ceil(((LIMIT_BITS + 2) * 8) / 32);

/** Words of a cell, after its start. A gap that waits to be filed has its class for a next one. */
const NEXT = START_WORDS;
const PREVIOUS = START_WORDS + 1;
const WAITING = -1;
/** Of a class's own cell, in place of a start. */
const MEMBERS = 0;

/** The class that a free segment of `size` is filed in. */
export function classOf(size: Unit): number {
  return eighths(size);
}

/** The first class in which every member is at least `size`. */
export function classAbove(size: Unit): number {
  return eighthsFrom(size);
}

export class Bins {
  readonly cells: Cells;
  /** Classes, each with a cell of its own. */
  readonly #classes: number;
  #used: number;
  #spare = 0;
  readonly #filled = new Int32Array(WORDS);
  count = 0;

  /**
   * 2^shift words a cell, of which the start and two more are used here. No gap is larger than `sizeMax`:
   * in a small arena, cells of classes that nothing will be filed in are most of what it takes.
   */
  constructor(shift = CELL_SHIFT, sizeMax = LIMIT) {
    this.#classes = classOf(sizeMax) + 1;
    this.#used = this.#classes;
    this.cells = new Cells(shift, this.#classes + 8);
    const { words } = this.cells;
    for (let index = 0; index < this.#classes; index++) {
      words[(index << shift) | NEXT] = index;
      words[(index << shift) | PREVIOUS] = index;
    }
  }

  /** A fresh cell, not yet filed. */
  create(): number {
    const { cells } = this;
    const spare = this.#spare;
    if (spare !== 0) {
      this.#spare = cells.words[(spare << cells.shift) | NEXT]!;
      return spare;
    }
    if (this.#used === cells.capacity) cells.grow(growth(this.#used, 4 << cells.shift));
    return this.#used++;
  }

  /** Forgets a cell that is not filed. */
  drop(cell: number): void {
    this.cells.words[(cell << this.cells.shift) | NEXT] = this.#spare;
    this.#spare = cell;
  }

  start(gap: number): Unit {
    return this.cells.start(gap);
  }

  /** Files a gap at the end of its class. */
  file(gap: number, start: Unit, size: Unit): void {
    this.cells.setStart(gap, start);
    this.enter(gap, classOf(size));
  }

  /** Prepares a fresh gap to be filed later, by `settle`, when those filed before it are. */
  await(gap: number, start: Unit, size: Unit): void {
    const { words, shift } = this.cells;
    this.cells.setStart(gap, start);
    words[(gap << shift) | NEXT] = classOf(size);
    words[(gap << shift) | PREVIOUS] = WAITING;
  }

  /** Files a gap that waits at the end of its class. */
  settle(gap: number): void {
    const { words, shift } = this.cells;
    assert(words[(gap << shift) | PREVIOUS] === WAITING, 'a gap is filed once');
    this.enter(gap, words[(gap << shift) | NEXT]!);
  }

  /** Takes a gap of `size` out of its class. */
  unfile(gap: number, size: Unit): void {
    this.leave(gap, classOf(size));
  }

  /** Files a gap, whose start is set, at the end of a class that is known already. */
  enter(gap: number, index: number): void {
    const { words, shift } = this.cells;
    const at = gap << shift;
    const head = index << shift;
    const last = words[head | PREVIOUS]!;
    words[at | PREVIOUS] = last;
    words[at | NEXT] = index;
    words[(last << shift) | NEXT] = gap;
    words[head | PREVIOUS] = gap;
    words[head | MEMBERS]!++;
    this.#filled[index >>> 5]! |= 1 << index;
    this.count++;
  }

  /**
   * Files a gap in a class in front of another one of it, or, for 0, at the end: where it was before
   * something that is taken back.
   */
  enterBefore(gap: number, index: number, younger: number): void {
    this.enter(gap, index);
    if (younger === 0) return;
    const { words, shift } = this.cells;
    const at = gap << shift;
    const head = index << shift;
    // Out of the end again, and in between.
    const last = words[at | PREVIOUS]!;
    words[(last << shift) | NEXT] = index;
    words[head | PREVIOUS] = last;
    const previous = words[(younger << shift) | PREVIOUS]!;
    words[at | PREVIOUS] = previous;
    words[at | NEXT] = younger;
    words[(previous << shift) | NEXT] = gap;
    words[(younger << shift) | PREVIOUS] = gap;
  }

  /** Takes a gap out of its class. */
  leave(gap: number, index: number): void {
    const { words, shift } = this.cells;
    const at = gap << shift;
    const next = words[at | NEXT]!;
    const previous = words[at | PREVIOUS]!;
    words[(previous << shift) | NEXT] = next;
    words[(next << shift) | PREVIOUS] = previous;
    words[(index << shift) | MEMBERS]!--;
    if (next === previous) this.#filled[index >>> 5]! &= ~(1 << index);
    this.count--;
  }

  /** A filed gap shrinks: it keeps its place in the queue while it keeps its class. */
  shrink(gap: number, size: Unit, newStart: Unit, newSize: Unit): void {
    const index = classOf(size);
    const newIndex = classOf(newSize);
    this.cells.setStart(gap, newStart);
    if (index === newIndex) return;
    this.leave(gap, index);
    this.enter(gap, newIndex);
  }

  /** The first class from `index` on that is not empty, or -1. */
  nextFilled(index: number): number {
    let word = index >>> 5;
    if (word >= WORDS) return -1;
    let bits = this.#filled[word]! & (-1 << (index & 31));
    while (bits === 0) {
      if (++word === WORDS) return -1;
      bits = this.#filled[word]!;
    }
    return word * 32 + 31 - Math.clz32(bits & -bits);
  }

  /** The last class that is not empty, that of the largest gaps, or -1. */
  lastFilled(): number {
    for (let word = WORDS - 1; word >= 0; word--) {
      const bits = this.#filled[word]!;
      if (bits !== 0) return word * 32 + 31 - Math.clz32(bits);
    }
    return -1;
  }

  /** The gap filed longest ago in a class that is not empty. */
  oldest(index: number): number {
    return this.cells.words[(index << this.cells.shift) | NEXT]!;
  }

  /** The gap filed after `gap` in its class, or 0. */
  younger(gap: number): number {
    const next = this.cells.words[(gap << this.cells.shift) | NEXT]!;
    return next < this.#classes ? 0 : next;
  }

  /** Gaps by order: how many have a size of [2^k, 2^(k+1)). */
  histogram(): number[] {
    const orders = Array.from({ length: LIMIT_BITS + 1 }, () => 0);
    const { words, shift } = this.cells;
    for (let index = classOf(ONE); index < this.#classes; index++) {
      const members = words[(index << shift) | MEMBERS]!;
      if (members > 0) orders[(index >> 3) - 1]! += members;
    }
    return orders;
  }

  /** Whether a gap of `size` is linked into its class: its neighbours and the ends agree. */
  isFiled(gap: number, size: Unit): boolean {
    const { words, shift } = this.cells;
    const index = classOf(size);
    const previous = words[(gap << shift) | PREVIOUS]!;
    const next = words[(gap << shift) | NEXT]!;
    const before = words[(previous << shift) | NEXT];
    const after = words[(next << shift) | PREVIOUS];
    const filled = (this.#filled[index >>> 5]! & (1 << (index & 31))) !== 0;
    return before === gap && after === gap && filled;
  }

  /** One more than the highest cell ever handed out. */
  get used(): number {
    return this.#used;
  }

  get bytes(): number {
    return this.cells.bytesOf(this.#used);
  }
}
