/**
 * The segments of an arena as they would be if nothing rested: what rests is free, and so is a slab of
 * a quantum cache of which nothing else is in use. Whether a request has room that may take what rests
 * is asked of them, by the same searches, and so in no more time than of the segments that there are.
 *
 * They are made when that is first asked, in one pass, and kept up from then on. What a block is does
 * not matter here, only where blocks are: a slab is one.
 */
import { assert } from './assert.ts';
import type { Range } from './command.ts';
import { BUSY, FREE } from './narrow/segments.ts';
import type { QuantumCache, Slab } from './quantum-cache.ts';
import type { Found, Loading, Quanta, Space } from './space.ts';
import type { SpanStretch } from './spans.ts';

/** Segments that are handed over at a time. */
const SEGMENTS_MAX = 4096;
/** Larger numbers of quanta stay bigints. */
const NUMBER_MAX = BigInt(Number.MAX_SAFE_INTEGER);
/** Blocks have no records here. */
const ANY = 1;

/** What there is to be made of. */
export interface Rested {
  readonly quantum: bigint;
  readonly space: Space;
  readonly cache: QuantumCache | undefined;
  readonly stretches: readonly SpanStretch[];
}

export class Unrested {
  readonly space: Space;

  /** `fresh` is an empty space of the same window as that of the arena. */
  constructor(fresh: Space, rested: Rested) {
    this.space = fresh;
    const filling = new Filling(fresh.load(rested.stretches, true));
    const shift = BigInt(rested.quantum.toString(2).length - 1);
    const lengths = rested.stretches.map(({ size }) => quantaOf(size >> shift));
    const slabs = rested.cache?.slabs.length ?? 0;
    if (slabs === 0 && lengths.every((length) => typeof length === 'number')) {
      eachLength(rested.space, lengths, (quanta, used) => filling.add(quanta, used));
    } else eachRun(rested, (_, size, used) => filling.add(quantaOf(size >> shift), used));
    filling.end();
  }

  /** Whether they are what the arena's own segments say, by a walk over these. */
  agrees(rested: Rested): boolean {
    let agrees = true;
    eachRun(rested, (base, size, used) => {
      const found = this.space.find(base);
      agrees &&= found.base === base && found.size === size && (found.state === BUSY) === used;
    });
    return agrees;
  }

  /** The block is in use from now on; the slab, if it lies in one, does not know that yet. */
  take({ base, size }: Range, slab: Slab | undefined): void {
    if (slab === undefined) this.space.occupy(base, size, BUSY, ANY);
    else if (slab.used === slab.resting) this.space.occupy(slab.base, slab.size, BUSY, ANY);
  }

  /** The block is no longer in use, or rests; the slab, if it lies in one, does not know that yet. */
  give(base: bigint, slab: Slab | undefined): void {
    if (slab === undefined) this.space.vacate(base);
    else if (slab.used === slab.resting + 1) this.space.vacate(slab.base);
  }

  /** Where a block ends has moved. */
  resize({ base, size }: Range): void {
    this.space.resize(base, size);
  }

  cut(at: bigint): void {
    this.space.cut(at, ANY);
  }
}

type Visit = (base: bigint, size: bigint, used: boolean) => void;

/** The segments as they are if nothing rests, in order: free neighbours are one, and so is a slab. */
function eachRun({ space, cache, stretches }: Rested, visit: Visit): void {
  let stretch = -1;
  let end = 0n;
  let slabEnd = 0n;
  // What is free up to here, and has not been visited yet.
  let gap = 0n;
  let from = 0n;
  const close = (): void => {
    if (gap > 0n) visit(from, gap, false);
    gap = 0n;
  };
  const add = (base: bigint, size: bigint, used: boolean): void => {
    if (used) {
      close();
      visit(base, size, true);
      return;
    }
    if (gap === 0n) from = base;
    gap += size;
  };
  space.walk(0n, ({ base, size, state }: Found) => {
    if (base >= end) {
      close();
      const { base: start, size: length } = stretches[++stretch]!;
      end = start + length;
    }
    if (base < slabEnd) return true;
    const slab = state === FREE ? undefined : cache?.holding(base);
    if (slab === undefined) add(base, size, state === BUSY);
    else {
      slabEnd = slab.base + slab.size;
      add(base, slab.size, slab.used > slab.resting);
    }
    return true;
  });
  close();
}

/** The same in quanta, where there are no slabs: no address is worked out. `lengths` are of the stretches. */
function eachLength(
  space: Space,
  lengths: readonly number[],
  visit: (quanta: number, used: boolean) => void,
): void {
  let stretch = 0;
  let left = 0;
  let gap = 0;
  const close = (): void => {
    if (gap > 0) visit(gap, false);
    gap = 0;
  };
  for (const { sizes, states } of space.save().segments(SEGMENTS_MAX)) {
    for (const [i, quanta] of sizes.entries()) {
      if (left === 0) {
        close();
        left = lengths[stretch++]!;
      }
      assert(typeof quanta === 'number', 'a segment is no longer than the stretch that it lies in');
      left -= quanta;
      if (states[i] === BUSY) {
        close();
        visit(quanta, true);
      } else gap += quanta;
    }
  }
  close();
}

function quantaOf(quanta: bigint): Quanta {
  return quanta <= NUMBER_MAX ? Number(quanta) : quanta;
}

/** Columns of segments, in order of address. */
class Filling {
  readonly #loading: Loading;
  #sizes: Quanta[] = [];
  #states: number[] = [];
  #free = 0;

  constructor(loading: Loading) {
    this.#loading = loading;
  }

  add(quanta: Quanta, used: boolean): void {
    this.#sizes.push(quanta);
    this.#states.push(used ? BUSY : FREE);
    if (!used) this.#free++;
    if (this.#sizes.length === SEGMENTS_MAX) this.#send();
  }

  end(): void {
    this.#send();
    for (let from = 0; from < this.#free; from += SEGMENTS_MAX) {
      const length = Math.min(SEGMENTS_MAX, this.#free - from);
      this.#loading.gaps(Array.from({ length }, (_, i) => from + i));
    }
    this.#loading.end();
  }

  #send(): void {
    const sizes = this.#sizes;
    const states = this.#states;
    const ids = states.map((state) => (state === BUSY ? ANY : 0));
    this.#loading.segments({ sizes, states, ids });
    this.#sizes = [];
    this.#states = [];
  }
}
