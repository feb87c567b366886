/**
 * Leases in the order of their ids: a list of short sorted lists, so that finding, adding and taking
 * out never move more than one of them, however many leases there are. No operation takes a time
 * that shows, as the rehash of a large hash table would.
 */
import { assert } from './assert.ts';

/** Leases of one short list at most: shifting so many numbers takes well below a microsecond. */
const CHUNK_MAX = 512;

export class LeaseIndex {
  /** Ids by number of the lease; kept by the owner. */
  readonly #ids: readonly string[];
  /** Numbers of leases; none of the lists is empty. */
  readonly #chunks: number[][] = [];
  count = 0;

  constructor(ids: readonly string[]) {
    this.#ids = ids;
  }

  /** The number of the lease with this id; 0 where there is none. */
  find(id: string): number {
    const chunk = this.#chunks[this.#chunkOf(id)];
    const lease = chunk?.[this.#place(chunk, id) - 1];
    return lease !== undefined && this.#ids[lease] === id ? lease : 0;
  }

  add(lease: number): void {
    const id = this.#ids[lease]!;
    const at = this.#chunkOf(id);
    const chunk = this.#chunks[at];
    this.count++;
    if (chunk === undefined) {
      this.#chunks.push([lease]);
      return;
    }
    const place = this.#place(chunk, id);
    assert(this.#ids[chunk[place - 1]!] !== id, 'an id names one lease');
    if (chunk.length < CHUNK_MAX) chunk.splice(place, 0, lease);
    // What comes in order fills the lists; what does not leaves room in both halves.
    else if (place === CHUNK_MAX) this.#chunks.splice(at + 1, 0, [lease]);
    else {
      const behind = chunk.splice(CHUNK_MAX / 2);
      this.#chunks.splice(at + 1, 0, behind);
      if (place <= chunk.length) chunk.splice(place, 0, lease);
      else behind.splice(place - chunk.length, 0, lease);
    }
  }

  remove(lease: number): void {
    const id = this.#ids[lease]!;
    const at = this.#chunkOf(id);
    const chunk = this.#chunks[at];
    assert(chunk !== undefined, 'a lease is taken out by its id');
    const place = this.#place(chunk, id) - 1;
    assert(chunk[place] === lease, 'a lease is taken out by its id');
    chunk.splice(place, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
    this.count--;
  }

  /** Numbers of the leases whose ids come after `id`, in order. */
  *after(id: string): Generator<number> {
    let at = this.#chunkOf(id);
    const first = this.#chunks[at];
    let place = first === undefined ? 0 : this.#place(first, id);
    for (; at < this.#chunks.length; at++, place = 0) {
      const chunk = this.#chunks[at]!;
      for (; place < chunk.length; place++) yield chunk[place]!;
    }
  }

  /** The last list that begins at or before `id`, or else the first. */
  #chunkOf(id: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ids[this.#chunks[middle]![0]!]! <= id) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : low - 1;
  }

  /** How many leases of a list are at or before `id`. */
  #place(chunk: readonly number[], id: string): number {
    let low = 0;
    let high = chunk.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ids[chunk[middle]!]! <= id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
