/**
 * The segments of an arena as they would be if nothing rested: what rests is free, and so is a slab of
 * a quantum cache of which nothing else is in use. Whether a request has room that may take what rests
 * is asked of them, by the same searches, and so in no more time than of the segments that there are.
 *
 * They are made when that is first asked, in one pass, and kept up from then on. What a block is does
 * not matter here, only where blocks are: a slab is one.
 */
import type { Range } from './command.ts';
import { BUSY, FREE } from './narrow/segments.ts';
import type { QuantumCache, Slab } from './quantum-cache.ts';
import type { Found, Loading, Quanta, Space } from './space.ts';
import type { SpanStretch } from './spans.ts';

/** Segments that are handed over at a time. */
const SEGMENTS_MAX = 4096;
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
    const filling = new Filling(fresh.load(rested.stretches, true), rested);
    rested.space.walk(0n, (found) => filling.take(found));
    filling.end();
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

/** Columns of segments, in order of address. */
class Filling {
  readonly #loading: Loading;
  readonly #rested: Rested;
  #sizes: Quanta[] = [];
  #states: number[] = [];
  #free = 0;
  /** The stretch that is being filled, and its end. */
  #stretch = -1;
  #end = 0n;
  /** What is free up to here, and has not been written yet. */
  #gap = 0n;
  /** Up to where a slab has been written. */
  #slabEnd = 0n;

  constructor(loading: Loading, rested: Rested) {
    this.#loading = loading;
    this.#rested = rested;
  }

  take({ base, size, state }: Found): boolean {
    if (base >= this.#end) {
      this.#close();
      const { base: start, size: length } = this.#rested.stretches[++this.#stretch]!;
      this.#end = start + length;
    }
    if (base < this.#slabEnd) return true;
    const slab = state === FREE ? undefined : this.#rested.cache?.holding(base);
    if (slab !== undefined) {
      this.#slabEnd = slab.base + slab.size;
      this.#add(slab.size, slab.used > slab.resting);
    } else this.#add(size, state === BUSY);
    return true;
  }

  end(): void {
    this.#close();
    this.#send();
    for (let from = 0; from < this.#free; from += SEGMENTS_MAX) {
      const length = Math.min(SEGMENTS_MAX, this.#free - from);
      this.#loading.gaps(Array.from({ length }, (_, i) => from + i));
    }
    this.#loading.end();
  }

  #add(size: bigint, used: boolean): void {
    if (!used) {
      this.#gap += size;
      return;
    }
    this.#close();
    this.#write(size, BUSY);
  }

  #close(): void {
    if (this.#gap === 0n) return;
    this.#write(this.#gap, FREE);
    this.#free++;
    this.#gap = 0n;
  }

  #write(size: bigint, state: number): void {
    const quanta = size / this.#rested.quantum;
    this.#sizes.push(quanta <= Number.MAX_SAFE_INTEGER ? Number(quanta) : quanta);
    this.#states.push(state);
    if (this.#sizes.length === SEGMENTS_MAX) this.#send();
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
