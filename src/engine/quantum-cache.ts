/**
 * Quantum caches: small allocations of one arena, packed by size into slabs (the seed's qc_init and
 * its pools). A slab is a busy range cut into pieces of one size. `alloc` takes the lowest free piece
 * of the lowest slab of its size that has one, and opens a slab where none has; a slab whose last
 * piece is freed is closed at once, so that no free space hides in an empty slab. Pieces not in use
 * are *cached*: neither free nor allocated.
 *
 * Sizes are multiples of the quantum up to `sizeMax`. Neighbouring sizes of which a slab holds
 * equally many share the slabs of the larger one.
 */
import { assert } from './assert.ts';
import type { Range } from './command.ts';
import { admits } from './windows.ts';
import type { Window } from './windows.ts';

export interface Slab extends Range {
  readonly pieceSize: bigint;
  /** Pieces in use, and which. */
  used: number;
  /** Pieces that rest, which count as used. */
  resting: number;
  readonly busy: boolean[];
}

export class QuantumCache {
  readonly sizeMax: bigint;
  /** The power of two above three times the largest size. */
  readonly slabSize: bigint;
  /** Piece size by size in quanta. */
  readonly #pieceSizes: readonly bigint[];
  readonly #quantum: bigint;
  /** All slabs, and those of each piece size with a free piece, in order of address. */
  readonly #slabs: Slab[] = [];
  readonly #partial = new Map<bigint, Slab[]>();
  /** Addresses held in slabs and not allocated. */
  cached = 0n;
  /** How many pieces of a size rest in slabs. */
  readonly #resting = new Map<bigint, number>();

  /** `sizeMax` is a multiple of the quantum, at most 16 quanta; 0 for no caches. */
  constructor(quantum: bigint, sizeMax: bigint) {
    this.#quantum = quantum;
    this.sizeMax = sizeMax;
    let slabSize = quantum;
    while (slabSize <= sizeMax * 3n) slabSize *= 2n;
    this.slabSize = slabSize;
    const sizes: bigint[] = [];
    let shared = sizeMax;
    for (let size = sizeMax; size > 0n; size -= quantum) {
      if (slabSize / size !== slabSize / shared) shared = size;
      sizes[Number(size / quantum)] = shared;
    }
    this.#pieceSizes = sizes;
  }

  /** The size of the pieces that would serve `size`; undefined where it is larger than all. */
  pieceFor(size: bigint): bigint | undefined {
    return size > this.sizeMax ? undefined : this.pieceSizeOf(size);
  }

  /** The size of the pieces that serve `size`, a multiple of the quantum up to sizeMax. */
  pieceSizeOf(size: bigint): bigint {
    const pieceSize = this.#pieceSizes[Number(size / this.#quantum)];
    assert(pieceSize !== undefined, 'the size is one that is cached');
    return pieceSize;
  }

  /**
   * Base of the piece that the next allocation of `pieceSize` takes, if a slab has one that lies in a
   * window. Slabs from before there were windows may lie outside of all.
   */
  next(pieceSize: bigint, windows?: readonly Window[]): bigint | undefined {
    for (const slab of this.#partial.get(pieceSize) ?? []) {
      const piece = slab.busy.findIndex((busy, i) => {
        const base = slab.base + BigInt(i) * pieceSize;
        return !busy && admits(windows, { base, size: pieceSize });
      });
      if (piece >= 0) return slab.base + BigInt(piece) * pieceSize;
    }
    return undefined;
  }

  /** The largest cached piece of at most `most` that `next` would find; 0 where there is none. */
  largestPiece(most: bigint, windows?: readonly Window[]): bigint {
    let largest = 0n;
    for (const pieceSize of this.#partial.keys()) {
      if (pieceSize > most || pieceSize <= largest) continue;
      if (this.next(pieceSize, windows) !== undefined) largest = pieceSize;
    }
    return largest;
  }

  /** The slab that holds an address. */
  holding(address: bigint): Slab | undefined {
    const slab = this.#slabs[place(this.#slabs, address) - 1];
    return slab !== undefined && address < slab.base + slab.size ? slab : undefined;
  }

  /** The slabs that overlap `[base, end)`. */
  overlapping(base: bigint, end: bigint): Slab[] {
    const before = place(this.#slabs, base);
    const first = this.holding(base) === undefined ? before : before - 1;
    return this.#slabs.slice(first, place(this.#slabs, end - 1n));
  }

  open({ base, size }: Range, pieceSize: bigint): Slab {
    const busy = Array.from({ length: Number(size / pieceSize) }, () => false);
    const slab = { base, size, pieceSize, used: 0, resting: 0, busy };
    this.#slabs.splice(place(this.#slabs, base), 0, slab);
    this.#offer(slab);
    this.cached += size;
    return slab;
  }

  /** Takes a slab that was saved, some of whose pieces are in use, and some of these rest. */
  load({ base, size }: Range, pieceSize: bigint, busy: boolean[], resting: number): void {
    const used = busy.filter(Boolean).length;
    const slab = { base, size, pieceSize, used, resting, busy };
    this.#tally(pieceSize, resting);
    this.#slabs.splice(place(this.#slabs, base), 0, slab);
    if (used < busy.length) this.#offer(slab);
    this.cached += size - BigInt(used) * pieceSize;
  }

  take(base: bigint): void {
    const slab = this.#slabOf(base);
    const piece = Number((base - slab.base) / slab.pieceSize);
    assert(slab.busy[piece] === false, 'a cached piece is taken');
    slab.busy[piece] = true;
    this.cached -= slab.pieceSize;
    if (++slab.used === slab.busy.length) this.#withdraw(slab);
  }

  /** Gives a piece back; returns its slab if that is now without any, and forgotten here. */
  give(base: bigint): Slab | undefined {
    const slab = this.#slabOf(base);
    const piece = Number((base - slab.base) / slab.pieceSize);
    assert(slab.busy[piece] === true, 'a piece in use is given back');
    slab.busy[piece] = false;
    this.cached += slab.pieceSize;
    if (slab.used-- === slab.busy.length) this.#offer(slab);
    if (slab.used > 0) return undefined;
    this.#withdraw(slab);
    this.#slabs.splice(place(this.#slabs, base) - 1, 1);
    this.cached -= slab.size;
    return slab;
  }

  /** A piece in use rests from now on, or by -1 does so no longer. */
  rest(base: bigint, by: 1 | -1): void {
    const slab = this.#slabOf(base);
    slab.resting += by;
    assert(slab.resting >= 0 && slab.resting <= slab.used, 'only pieces in use rest');
    this.#tally(slab.pieceSize, by);
  }

  /** Sizes of which pieces rest, and how many of each. */
  restingPieces(): Iterable<[pieceSize: bigint, count: number]> {
    return this.#resting;
  }

  #tally(pieceSize: bigint, by: number): void {
    const count = (this.#resting.get(pieceSize) ?? 0) + by;
    if (count === 0) this.#resting.delete(pieceSize);
    else this.#resting.set(pieceSize, count);
  }

  /** Takes back an `open`: the slab, of which no piece is in use, is forgotten. */
  close(slab: Slab): void {
    assert(slab.used === 0, 'a slab that was just opened is unused');
    this.#withdraw(slab);
    this.#slabs.splice(place(this.#slabs, slab.base) - 1, 1);
    this.cached -= slab.size;
  }

  /** Takes back a `take`: the piece is cached again, and its slab stays even without any in use. */
  untake(base: bigint): void {
    const slab = this.#slabOf(base);
    slab.busy[Number((base - slab.base) / slab.pieceSize)] = false;
    this.cached += slab.pieceSize;
    if (slab.used-- === slab.busy.length) this.#offer(slab);
  }

  /** Takes back a `give`, which had closed the slab if one is given. */
  ungive(base: bigint, closed: Slab | undefined): void {
    if (closed !== undefined) {
      this.#slabs.splice(place(this.#slabs, closed.base), 0, closed);
      this.#offer(closed);
      this.cached += closed.size;
    }
    this.take(base);
  }

  /** Forgets a slab of which pieces may be in use: they are blocks of their own from now on. */
  forget(slab: Slab): void {
    if (slab.used < slab.busy.length) this.#withdraw(slab);
    this.#slabs.splice(place(this.#slabs, slab.base) - 1, 1);
    this.cached -= slab.size - BigInt(slab.used) * slab.pieceSize;
    this.#tally(slab.pieceSize, -slab.resting);
  }

  /** Takes back a `forget`. */
  unforget(slab: Slab): void {
    this.#tally(slab.pieceSize, slab.resting);
    this.#slabs.splice(place(this.#slabs, slab.base), 0, slab);
    if (slab.used < slab.busy.length) this.#offer(slab);
    this.cached += slab.size - BigInt(slab.used) * slab.pieceSize;
  }

  get slabs(): readonly Slab[] {
    return this.#slabs;
  }

  #slabOf(address: bigint): Slab {
    const slab = this.holding(address);
    assert(slab !== undefined, 'a piece lies in a slab');
    return slab;
  }

  #offer(slab: Slab): void {
    const partial = this.#partial.get(slab.pieceSize) ?? [];
    partial.splice(place(partial, slab.base), 0, slab);
    this.#partial.set(slab.pieceSize, partial);
  }

  #withdraw(slab: Slab): void {
    const partial = this.#partial.get(slab.pieceSize)!;
    partial.splice(place(partial, slab.base) - 1, 1);
  }
}

/** How many slabs begin at or before `address`. */
function place(slabs: readonly Slab[], address: bigint): number {
  let low = 0;
  let high = slabs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (slabs[middle]!.base <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}
