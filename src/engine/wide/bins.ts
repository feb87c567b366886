// Generated from ../narrow/bins.ts by `npm run wide`. Do not edit.
/**
 * Free segments in size classes, for instantfit: a doubly linked queue per class, and a bitmap of
 * the classes that are not empty. Sizes below 8 units have a class each; above, every octave is cut
 * into eight. Asking in the first class whose every member is large enough takes constant time; the
 * member filed there longest ago goes first, so that what was freed lately rests.
 *
 * Free segments (gaps) are named by small numbers, from 1; this file also hands those out, and keeps
 * each one's start.
 */
import { copied, growth } from './tree.ts';
import { LIMIT_BITS, ONE, ZERO, eighth, grown, order, power, small, unitArray } from './unit.ts';
import type { Unit, UnitArray } from './unit.ts';

const LINEAR = 8;
/** Classes of the widest space: 8, and 8 for each of 126 octaves. */
const CLASSES = LINEAR + 126 * 8;
const WORDS = Math.ceil(CLASSES / 32);

/** The class that a free segment of `size` is filed in. */
export function classOf(size: Unit): number {
  const octave = order(size);
  if (octave < 3) return small(size);
  return LINEAR + (octave - 3) * 8 + eighth(size, octave);
}

/** The first class in which every member is at least `size`. */
export function classAbove(size: Unit): number {
  const own = classOf(size);
  return own < LINEAR || leastOf(own) === size ? own : own + 1;
}

/** The smallest size that is filed in a class. */
function leastOf(index: number): Unit {
  const octave = Math.floor((index - LINEAR) / 8);
  return power(octave) * power(3) + power(octave) * EIGHTHS[(index - LINEAR) % 8]!;
}

const EIGHTHS: readonly Unit[] = eighths();

function eighths(): Unit[] {
  const units = [ZERO];
  while (units.length < 8) units.push(units.at(-1)! + ONE);
  return units;
}

export class Bins {
  /** Start of each gap. */
  start: UnitArray = unitArray(8);
  #next = new Uint32Array(8);
  #previous = new Uint32Array(8);
  #used = 1;
  #spare = 0;
  readonly #head = new Uint32Array(CLASSES);
  readonly #tail = new Uint32Array(CLASSES);
  readonly #filled = new Uint32Array(WORDS);
  /** Gaps of each order (power of two of their size). */
  readonly histogram = new Uint32Array(LIMIT_BITS + 1);
  count = 0;

  /** A fresh gap, not yet filed. */
  create(): number {
    const spare = this.#spare;
    if (spare !== 0) {
      this.#spare = this.#next[spare]!;
      return spare;
    }
    if (this.#used === this.#next.length) this.#grow(growth(this.#used));
    return this.#used++;
  }

  /** Forgets a gap that is not filed. */
  drop(gap: number): void {
    this.#next[gap] = this.#spare;
    this.#spare = gap;
  }

  /** Files a gap at the end of its class. */
  file(gap: number, start: Unit, size: Unit): void {
    const index = classOf(size);
    this.start[gap] = start;
    const tail = this.#tail[index]!;
    this.#previous[gap] = tail;
    this.#next[gap] = 0;
    if (tail === 0) {
      this.#head[index] = gap;
      this.#filled[index >>> 5]! |= 1 << (index & 31);
    } else this.#next[tail] = gap;
    this.#tail[index] = gap;
    this.histogram[order(size)]!++;
    this.count++;
  }

  /** Takes a gap of `size` out of its class. */
  unfile(gap: number, size: Unit): void {
    const index = classOf(size);
    const next = this.#next[gap]!;
    const previous = this.#previous[gap]!;
    if (previous === 0) this.#head[index] = next;
    else this.#next[previous] = next;
    if (next === 0) this.#tail[index] = previous;
    else this.#previous[next] = previous;
    if (this.#head[index] === 0) this.#filled[index >>> 5]! &= ~(1 << (index & 31));
    this.histogram[order(size)]!--;
    this.count--;
  }

  /** A filed gap shrinks or grows: it keeps its place in the queue while it keeps its class. */
  refile(gap: number, size: Unit, newStart: Unit, newSize: Unit): void {
    if (newSize < size && classOf(size) === classOf(newSize)) {
      this.start[gap] = newStart;
      return;
    }
    this.unfile(gap, size);
    this.file(gap, newStart, newSize);
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
    return this.#next[gap]!;
  }

  /** Whether a gap of `size` is linked into its class: its neighbours and the ends agree. */
  isFiled(gap: number, size: Unit): boolean {
    const index = classOf(size);
    const previous = this.#previous[gap]!;
    const next = this.#next[gap]!;
    const fromHead = previous === 0 ? this.#head[index] === gap : this.#next[previous] === gap;
    const fromTail = next === 0 ? this.#tail[index] === gap : this.#previous[next] === gap;
    return fromHead && fromTail && (this.#filled[index >>> 5]! & (1 << (index & 31))) !== 0;
  }

  get bytes(): number {
    return this.#next.length * 16;
  }

  #grow(length: number): void {
    this.start = grown(this.start, length);
    this.#next = copied(this.#next, length);
    this.#previous = copied(this.#previous, length);
  }
}
