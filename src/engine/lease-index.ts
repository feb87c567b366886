/**
 * Leases in the order of their ids: a list of short sorted lists, so that finding, adding and taking
 * out never move more than one of them, however many leases there are. No operation takes a time
 * that shows, as the rehash of a large hash table would. The short lists are typed arrays, which the
 * garbage collector does not look through.
 */
import { assert } from './assert.ts';
import { leaseId } from './lease-ids.ts';
import type { LeaseId, LeaseIds } from './lease-ids.ts';

/** Leases of one short list at most: shifting so many numbers takes well below a microsecond. */
const CHUNK_MAX = 512;

/** Numbers of leases in order; so many of the list are in use, at least one. */
interface Chunk {
  readonly leases: Uint32Array;
  length: number;
}

export class LeaseIndex {
  /** By number of the lease; kept by the owner. */
  readonly #ids: LeaseIds;
  readonly #chunks: Chunk[] = [];
  count = 0;

  constructor(ids: LeaseIds) {
    this.#ids = ids;
  }

  /** The number of the lease with this id; 0 where there is none. */
  find(text: string): number {
    const id = leaseId(text);
    const chunk = this.#chunks[this.#chunkOf(id)];
    if (chunk === undefined) return 0;
    const place = this.#place(chunk, id);
    if (place === 0) return 0;
    const lease = chunk.leases[place - 1]!;
    return this.#ids.compare(lease, id) === 0 ? lease : 0;
  }

  /** Adds a lease, which has this id. */
  add(lease: number, id: LeaseId): void {
    const at = this.#chunkOf(id);
    const chunk = this.#chunks[at];
    this.count++;
    if (chunk === undefined) {
      this.#chunks.push(chunkOf(lease));
      return;
    }
    const place = this.#place(chunk, id);
    const isNew = place === 0 || this.#ids.compare(chunk.leases[place - 1]!, id) !== 0;
    assert(isNew, 'an id names one lease');
    if (chunk.length < CHUNK_MAX) insert(chunk, place, lease);
    // What comes in order fills the lists; what does not leaves room in both halves.
    else if (place === CHUNK_MAX) this.#chunks.splice(at + 1, 0, chunkOf(lease));
    else {
      const behind = halve(chunk);
      this.#chunks.splice(at + 1, 0, behind);
      if (place <= chunk.length) insert(chunk, place, lease);
      else insert(behind, place - chunk.length, lease);
    }
  }

  /** Takes out a lease, which has this id. */
  remove(lease: number, id: LeaseId): void {
    const at = this.#chunkOf(id);
    const chunk = this.#chunks[at];
    assert(chunk !== undefined, 'a lease is taken out by its id');
    const place = this.#place(chunk, id) - 1;
    assert(chunk.leases[place] === lease, 'a lease is taken out by its id');
    chunk.leases.copyWithin(place, place + 1, chunk.length--);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
    this.count--;
  }

  /** Numbers of the leases whose ids come after `text`, in order. */
  *after(text: string): Generator<number> {
    const id = leaseId(text);
    let at = this.#chunkOf(id);
    const first = this.#chunks[at];
    let place = first === undefined ? 0 : this.#place(first, id);
    for (; at < this.#chunks.length; at++, place = 0) {
      const chunk = this.#chunks[at]!;
      for (; place < chunk.length; place++) yield chunk.leases[place]!;
    }
  }

  /** The last list that begins at or before `id`, or else the first. */
  #chunkOf(id: LeaseId): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ids.compare(this.#chunks[middle]!.leases[0]!, id) <= 0) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : low - 1;
  }

  /** How many leases of a list are at or before `id`. */
  #place({ leases, length }: Chunk, id: LeaseId): number {
    let low = 0;
    let high = length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ids.compare(leases[middle]!, id) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function chunkOf(lease: number): Chunk {
  const leases = new Uint32Array(CHUNK_MAX);
  leases[0] = lease;
  return { leases, length: 1 };
}

function insert(chunk: Chunk, place: number, lease: number): void {
  chunk.leases.copyWithin(place + 1, place, chunk.length++);
  chunk.leases[place] = lease;
}

/** The second half of a full list, which loses it. */
function halve(chunk: Chunk): Chunk {
  const leases = new Uint32Array(CHUNK_MAX);
  leases.set(chunk.leases.subarray(CHUNK_MAX / 2));
  chunk.length = CHUNK_MAX / 2;
  return { leases, length: CHUNK_MAX / 2 };
}
