/**
 * Which ranges of one arena rest, in the order in which they may end: by the revision that freed them,
 * then by address. A range is named by the id of its record in `Allocations`, which outlives the
 * allocation for as long as its range rests; how large it is, the segments say.
 */
import { Addresses } from './addresses.ts';
import { assert } from './assert.ts';
import { growth } from './growth.ts';

/** Before the first and behind the last: closes the list to a ring. */
const RING = 0;

/** Since when a range rests, and the id of the one before it in the order. */
export interface RestPlace {
  readonly since: number;
  readonly before: number;
}

/** Sums of two numbers up to this one are exact. */
const SMALL_MAX = 2 ** 52;

/** Takes a range that rests; a number is a whole one below 2^53. */
export type AddRest = (id: number, base: bigint | number, size: bigint | number) => void;

export class Rests {
  readonly #bases = new Addresses();
  /** Revision of freeing, and the neighbours in the order, by id. */
  #since = new Float64Array(1);
  #before = new Int32Array(1);
  #after = new Int32Array(1);
  /** Whether those of the youngest revision are in the order of their addresses. */
  #ordered = true;
  count = 0;
  /** Addresses in all of them. */
  size = 0n;

  /** Puts a range behind all others: no other one rests since a younger revision. */
  add(id: number, base: bigint, size: bigint, since: number): void {
    const last = this.#before[RING]!;
    assert(last === RING || this.#since[last]! <= since, 'revisions grow');
    if (!this.#ordered && this.#since[last]! < since) this.#order();
    const before = this.#before[RING]!;
    this.insert(id, base, size, { since, before });
  }

  /**
   * Puts ranges behind all others, which rest since an older revision; `visit` hands them over in order
   * of their addresses. Their ids are below `numbers`.
   */
  addAll(since: number, numbers: number, visit: (add: AddRest) => void): void {
    const first = this.#before[RING]!;
    assert(first === RING || this.#since[first]! < since, 'revisions grow');
    if (!this.#ordered) this.#order();
    this.#reserve(numbers - 1);
    let last = this.#before[RING]!;
    let count = 0;
    // Numbers are added up as such: every operator on bigints allocates.
    let small = 0;
    let large = 0n;
    visit((id, base, size) => {
      this.#bases.set(id, base);
      this.#since[id] = since;
      this.#link(last, id);
      last = id;
      count++;
      if (typeof size === 'number' && size <= SMALL_MAX && small <= SMALL_MAX) small += size;
      else large += BigInt(size);
    });
    this.#link(last, RING);
    this.count += count;
    this.size += large + BigInt(small);
  }

  /** Puts a range behind another one: where `remove` has taken it out, or as a part of that one. */
  insert(id: number, base: bigint, size: bigint, { since, before }: RestPlace): void {
    this.#reserve(id);
    const after = this.#after[before]!;
    this.#bases.set(id, base);
    this.#since[id] = since;
    this.#link(before, id);
    this.#link(id, after);
    this.count++;
    this.size += size;
    // An event may free ranges in any order: they are put in order when that is asked for.
    if (this.#isLater(before, id) || this.#isLater(id, after)) this.#ordered = false;
  }

  remove(id: number, size: bigint): RestPlace {
    const place = { since: this.#since[id]!, before: this.#before[id]! };
    this.#link(place.before, this.#after[id]!);
    this.count--;
    this.size -= size;
    assert(this.count >= 0 && this.size >= 0n, 'only what rests ends');
    return place;
  }

  /** The range lost so many addresses at its end. */
  trim(id: number, by: bigint): void {
    this.size -= by;
    assert(this.size >= 0n, `the range ${id} has what it loses`);
  }

  base(id: number): bigint {
    return this.#bases.get(id);
  }

  /** Revision since which the range rests. */
  since(id: number): number {
    return this.#since[id]!;
  }

  /** The same by id, of all that rest; not to be kept. */
  get sinces(): Float64Array {
    return this.#since;
  }

  /** Revision since which the range that rests longest does so; Infinity where none rests. */
  get oldest(): number {
    return this.count === 0 ? Infinity : this.#since[this.#after[RING]!]!;
  }

  /** All ids in order; nothing may be added or removed meanwhile. */
  *ids(): Generator<number> {
    if (!this.#ordered) this.#order();
    for (let id = this.#after[RING]!; id !== RING; id = this.#after[id]!) yield id;
  }

  /** Sorts what rests since the youngest revision. */
  #order(): void {
    const youngest = this.#since[this.#before[RING]!]!;
    const ids: number[] = [];
    let id = this.#before[RING]!;
    for (; id !== RING && this.#since[id] === youngest; id = this.#before[id]!) ids.push(id);
    ids.sort((a, b) => (this.base(a) < this.base(b) ? -1 : 1));
    for (const next of ids) {
      this.#link(id, next);
      id = next;
    }
    this.#link(id, RING);
    this.#ordered = true;
  }

  /** Whether two ranges of one revision are in the wrong order. */
  #isLater(a: number, b: number): boolean {
    if (a === RING || b === RING || this.#since[a] !== this.#since[b]) return false;
    return this.base(a) > this.base(b);
  }

  #link(before: number, after: number): void {
    this.#after[before] = after;
    this.#before[after] = before;
  }

  #reserve(id: number): void {
    this.#bases.reserve(id + 1);
    if (id < this.#since.length) return;
    const length = Math.max(growth(this.#since.length, 8), id + 1);
    const since = new Float64Array(length);
    since.set(this.#since);
    this.#since = since;
    this.#before = longer(this.#before, length);
    this.#after = longer(this.#after, length);
  }
}

function longer(links: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(length);
  copy.set(links);
  return copy;
}
