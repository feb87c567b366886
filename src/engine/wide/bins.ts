// Generated from ../narrow/bins.ts by `npm run wide`. Do not edit.
/**
 * Free segments in size classes, for instantfit: a doubly linked queue per class, and a bitmap of
 * the classes that are not empty. Sizes below 8 units have a class each; above, every octave is cut
 * into eight. Asking in the first class whose every member is large enough takes constant time; the
 * member filed there longest ago goes first, so that what was freed lately rests.
 *
 * Free segments (gaps) are named by their cells, small numbers from 1, which this file hands out. A
 * cell holds the gap's start and its two links; the owner of the cells may keep more in them.
 */
import { growth } from '../growth.ts';
import { Cells, LIMIT_BITS, divides, eighth, order, small } from './unit.ts';
import type { Unit } from './unit.ts';

const LINEAR = 8;
/** Classes of the widest space: 8, and 8 for each of 126 octaves. */
const CLASSES = LINEAR + 126 * 8;
const WORDS = Math.ceil(CLASSES / 32);

/** Words of a cell: the start takes two. */
const NEXT = 2;
const PREVIOUS = 3;
const WORDS_MIN = 4;

/** The class that a free segment of `size` is filed in. */
export function classOf(size: Unit): number {
  const octave = order(size);
  if (octave < 3) return small(size);
  return LINEAR + (octave - 3) * 8 + eighth(size, octave);
}

/** The first class in which every member is at least `size`. */
export function classAbove(size: Unit): number {
  const octave = order(size);
  if (octave < 3) return small(size);
  const own = LINEAR + (octave - 3) * 8 + eighth(size, octave);
  return divides(octave - 3, size) ? own : own + 1;
}

export class Bins {
  readonly cells: Cells;
  #used = 1;
  #spare = 0;
  readonly #head = new Int32Array(CLASSES);
  readonly #tail = new Int32Array(CLASSES);
  readonly #filled = new Int32Array(WORDS);
  readonly #members = new Int32Array(CLASSES);
  count = 0;

  /** `stride` words a cell, of which the first four are used here. */
  constructor(stride = WORDS_MIN) {
    this.cells = new Cells(stride);
  }

  /** A fresh cell, not yet filed. */
  create(): number {
    const { cells } = this;
    const spare = this.#spare;
    if (spare !== 0) {
      this.#spare = cells.words[spare * cells.stride + NEXT]!;
      return spare;
    }
    if (this.#used === cells.capacity) cells.grow(growth(this.#used, cells.stride * 4));
    return this.#used++;
  }

  /** Forgets a cell that is not filed. */
  drop(cell: number): void {
    this.cells.words[cell * this.cells.stride + NEXT] = this.#spare;
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

  /** Takes a gap of `size` out of its class. */
  unfile(gap: number, size: Unit): void {
    this.leave(gap, classOf(size));
  }

  /** Files a gap, whose start is set, at the end of a class that is known already. */
  enter(gap: number, index: number): void {
    const { words, stride } = this.cells;
    const tail = this.#tail[index]!;
    words[gap * stride + PREVIOUS] = tail;
    words[gap * stride + NEXT] = 0;
    if (tail === 0) {
      this.#head[index] = gap;
      this.#filled[index >>> 5]! |= 1 << (index & 31);
    } else words[tail * stride + NEXT] = gap;
    this.#tail[index] = gap;
    this.#members[index]!++;
    this.count++;
  }

  /** Takes a gap out of its class. */
  leave(gap: number, index: number): void {
    const { words, stride } = this.cells;
    const next = words[gap * stride + NEXT]!;
    const previous = words[gap * stride + PREVIOUS]!;
    if (previous === 0) this.#head[index] = next;
    else words[previous * stride + NEXT] = next;
    if (next === 0) this.#tail[index] = previous;
    else words[next * stride + PREVIOUS] = previous;
    if (next === 0 && previous === 0) this.#filled[index >>> 5]! &= ~(1 << (index & 31));
    this.#members[index]!--;
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

  /** The gap filed longest ago in a class that is not empty. */
  oldest(index: number): number {
    return this.#head[index]!;
  }

  /** The gap filed after `gap` in its class, or 0. */
  younger(gap: number): number {
    return this.cells.words[gap * this.cells.stride + NEXT]!;
  }

  /** Gaps by order: how many have a size of [2^k, 2^(k+1)). */
  histogram(): number[] {
    const orders = Array.from({ length: LIMIT_BITS + 1 }, () => 0);
    for (const [index, members] of this.#members.entries()) {
      const octave = index < LINEAR ? 31 - Math.clz32(index) : 3 + ((index - LINEAR) >> 3);
      if (members > 0) orders[octave]! += members;
    }
    return orders;
  }

  /** Whether a gap of `size` is linked into its class: its neighbours and the ends agree. */
  isFiled(gap: number, size: Unit): boolean {
    const { words, stride } = this.cells;
    const index = classOf(size);
    const previous = words[gap * stride + PREVIOUS]!;
    const next = words[gap * stride + NEXT]!;
    const before = previous === 0 ? this.#head[index] : words[previous * stride + NEXT];
    const after = next === 0 ? this.#tail[index] : words[next * stride + PREVIOUS];
    const filled = (this.#filled[index >>> 5]! & (1 << (index & 31))) !== 0;
    return before === gap && after === gap && filled;
  }

  get bytes(): number {
    return this.cells.bytesOf(this.#used);
  }
}
