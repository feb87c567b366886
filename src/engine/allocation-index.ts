/**
 * An index of the allocations of one arena by one thing that is known of them: their owner, the value
 * of one label, or whether they have that label. It maps each value to the addresses that have it.
 *
 * An index follows from the allocations, and is no part of the state. It grows from the bottom of
 * the arena, some allocations at a time, and knows all of them below `upTo`; what changes there is
 * told to it from then on.
 */
import type { About } from './allocations.ts';
import { assert } from './assert.ts';
import { OrderedSet } from './ordered-set.ts';

/** Something that an allocation may have: what an index is asked for. */
export interface Term {
  readonly kind: 'owner' | 'label' | 'labelKey';
  /** The label's key; empty with an owner. */
  readonly key: string;
  /** Empty with a labelKey, which any value will do for. */
  readonly value: string;
}

/** Above every address. */
const TOP = 1n << 128n;

export class AllocationIndex {
  readonly kind: Term['kind'];
  readonly key: string;
  /** Allocations at addresses below this are in the index. */
  upTo = 0n;
  usedAt = 0;
  /** A value that one allocation has, as in an index of names, needs no set. */
  readonly #addresses = new Map<string, bigint | OrderedSet<bigint>>();

  constructor({ kind, key }: Omit<Term, 'value'>) {
    this.kind = kind;
    this.key = key;
  }

  get whole(): boolean {
    return this.upTo === TOP;
  }

  /** There is no allocation above those that it knows. */
  close(): void {
    this.upTo = TOP;
  }

  /** Takes in what is at an address, unless that is for later. */
  add(address: bigint, about: About): void {
    const value = valueIn(about, this);
    if (value === undefined || address >= this.upTo) return;
    const there = this.#addresses.get(value);
    if (there === undefined) this.#addresses.set(value, address);
    else if (typeof there !== 'bigint') there.add(address);
    else {
      const both = new OrderedSet<bigint>();
      both.add(there);
      both.add(address);
      this.#addresses.set(value, both);
    }
  }

  /** Forgets what was at an address, unless it was never taken in. */
  remove(address: bigint, about: About): void {
    const value = valueIn(about, this);
    if (value === undefined || address >= this.upTo) return;
    const there = this.#addresses.get(value);
    if (typeof there === 'bigint') {
      assert(there === address, 'what is forgotten was known');
      this.#addresses.delete(value);
      return;
    }
    assert(there !== undefined, 'what is forgotten was known');
    there.remove(address);
    if (there.count === 0) this.#addresses.delete(value);
  }

  /** Whether it knows what is at an address; undefined where there is nothing that it should. */
  knows(address: bigint, about: About): boolean | undefined {
    const value = valueIn(about, this);
    if (value === undefined || address >= this.upTo) return undefined;
    const there = this.#addresses.get(value);
    return typeof there === 'bigint' ? there === address : there?.has(address) === true;
  }

  /** How many allocations it knows to have a value. */
  get size(): number {
    let size = 0;
    for (const value of this.#addresses.keys()) size += this.count(value);
    return size;
  }

  /** How many are known to have a value. */
  count(value: string): number {
    const there = this.#addresses.get(value);
    if (there === undefined) return 0;
    return typeof there === 'bigint' ? 1 : there.count;
  }

  /** The addresses at `from` or above that have a value, in order. */
  *from(value: string, from: bigint): Generator<bigint> {
    const there = this.#addresses.get(value);
    if (there === undefined) return;
    if (typeof there !== 'bigint') yield* there.from(from);
    else if (there >= from) yield there;
  }
}

/** The value that a kind of term has in an allocation, if it has one. */
export function valueIn({ owner, labels }: About, term: Omit<Term, 'value'>): string | undefined {
  if (term.kind === 'owner') return owner;
  if (!Object.hasOwn(labels, term.key)) return undefined;
  return term.kind === 'label' ? labels[term.key] : '';
}
