/**
 * A binary heap of deadlines, each of something with a small number of its own, of which it also
 * knows the place, so that a deadline can be moved. All in typed arrays: a million of them are no
 * work for the garbage collector.
 */
import { growth } from './engine/growth.ts';

export class DeadlineHeap {
  /** By place in the heap: the first is the earliest. */
  #deadlines = new Float64Array(8);
  #owners = new Uint32Array(8);
  /** By owner: its place in the heap, from 1; 0 where it has no deadline. */
  #places = new Uint32Array(8);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The earliest deadline. */
  get first(): number | undefined {
    return this.#count === 0 ? undefined : this.#deadlines[0];
  }

  /** Whose deadline that is. */
  get firstOwner(): number {
    return this.#owners[0]!;
  }

  /** Sets or moves the deadline of an owner. */
  set(owner: number, deadline: number): void {
    this.#makeRoom(owner);
    const known = this.#places[owner]!;
    const place = known === 0 ? this.#count++ : known - 1;
    if (known === 0 || deadline < this.#deadlines[place]!) this.#rise(place, owner, deadline);
    else this.#sink(place, owner, deadline);
  }

  /** Takes the owner of the earliest deadline out. Only while there is one. */
  take(): { readonly owner: number; readonly deadline: number } {
    const owner = this.#owners[0]!;
    const deadline = this.#deadlines[0]!;
    this.#places[owner] = 0;
    const last = --this.#count;
    if (last > 0) this.#sink(0, this.#owners[last]!, this.#deadlines[last]!);
    return { owner, deadline };
  }

  /** Some owners of early deadlines, the earliest first, at most so many: by looking at no more. */
  *early(most: number): Generator<number> {
    const near: number[] = this.#count === 0 ? [] : [0];
    for (let seen = 0; seen < most && near.length > 0; seen++) {
      let at = 0;
      for (let i = 1; i < near.length; i++) {
        if (this.#deadlines[near[i]!]! < this.#deadlines[near[at]!]!) at = i;
      }
      const place = near[at]!;
      near[at] = near.at(-1)!;
      near.pop();
      yield this.#owners[place]!;
      for (const below of [2 * place + 1, 2 * place + 2]) if (below < this.#count) near.push(below);
    }
  }

  #rise(from: number, owner: number, deadline: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >>> 1;
      if (this.#deadlines[above]! <= deadline) break;
      this.#put(place, this.#owners[above]!, this.#deadlines[above]!);
      place = above;
    }
    this.#put(place, owner, deadline);
  }

  #sink(from: number, owner: number, deadline: number): void {
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= this.#count) break;
      if (below + 1 < this.#count && this.#deadlines[below + 1]! < this.#deadlines[below]!) below++;
      if (this.#deadlines[below]! >= deadline) break;
      this.#put(place, this.#owners[below]!, this.#deadlines[below]!);
      place = below;
    }
    this.#put(place, owner, deadline);
  }

  #put(place: number, owner: number, deadline: number): void {
    this.#owners[place] = owner;
    this.#deadlines[place] = deadline;
    this.#places[owner] = place + 1;
  }

  #makeRoom(owner: number): void {
    while (owner >= this.#places.length) this.#places = grown(this.#places, Uint32Array);
    if (this.#count < this.#owners.length) return;
    this.#owners = grown(this.#owners, Uint32Array);
    this.#deadlines = grown(this.#deadlines, Float64Array, this.#owners.length);
  }
}

function grown<A extends Uint32Array | Float64Array>(
  array: A,
  type: new (length: number) => A,
  length = growth(array.length, array.BYTES_PER_ELEMENT),
): A {
  const larger = new type(length);
  larger.set(array);
  return larger;
}
