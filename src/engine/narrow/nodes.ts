/**
 * Nodes of NODE entries in one pool of parallel typed arrays, named by number: what a tree is made
 * of. An entry is a key in units and a 32-bit reference, and a second key, the tie, in pools that
 * have one. Nodes at the bottom are chained both ways; those above them have a *block* each, a number
 * by which something more can be kept for each of their entries. Nothing here knows an order or a level.
 */
import { growth } from '../growth.ts';
import { grown, unitArray } from './unit.ts';
import type { Unit, UnitArray } from './unit.ts';

/** Entries per node: moving half of them is cheap. */
const NODE_BITS = 5;
export const NODE = 1 << NODE_BITS;
const NIL = 0xffffffff;

export abstract class Nodes {
  key: UnitArray = unitArray(NODE);
  /** The second keys, of a tree that has them. */
  tie: UnitArray;
  protected readonly tied: boolean;
  ref = new Int32Array(NODE);
  /** Entries of each node. */
  count = new Uint8Array(1);
  /** Of a leaf; of a node above, its block. */
  #next = new Uint32Array([NIL]);
  #previous = new Uint32Array([NIL]);
  /** Nodes handed out so far, and those of them that are free again. */
  protected nodes = 1;
  protected spare: number[] = [];
  /** Blocks handed out so far, and those of them that are free again. */
  protected blocks = 0;
  readonly #spareBlocks: number[] = [];
  /** Blocks that there is room for. */
  protected room = 0;

  /** Room for so many blocks. */
  protected abstract reserve(blocks: number): void;

  constructor(tied: boolean) {
    this.tied = tied;
    this.tie = unitArray(tied ? NODE : 0);
  }

  /** Bytes in use: what was only reserved has no memory behind it. */
  get bytes(): number {
    return this.nodes * (NODE * (this.tied ? 20 : 12) + 9);
  }

  /** Position of the entry after `position`, or -1. */
  after(position: number): number {
    const node = position >>> NODE_BITS;
    if (position + 1 < node * NODE + this.count[node]!) return position + 1;
    const next = this.#next[node]!;
    return next === NIL ? -1 : next * NODE;
  }

  /** Position of the entry before `position`, or -1. */
  before(position: number): number {
    const node = position >>> NODE_BITS;
    if (position > node * NODE) return position - 1;
    const previous = this.#previous[node]!;
    return previous === NIL ? -1 : previous * NODE + this.count[previous]! - 1;
  }

  /** Makes room for an entry in a node that is not full, and puts it there. */
  protected open(node: number, slot: number, key: Unit, ref: number, tie: Unit): void {
    const { key: keys, ref: refs, tie: ties } = this;
    const base = node * NODE;
    if (this.tied) {
      for (let i = base + this.count[node]!; i > base + slot; i--) ties[i] = ties[i - 1]!;
      ties[base + slot] = tie;
    }
    for (let i = base + this.count[node]!; i > base + slot; i--) {
      keys[i] = keys[i - 1]!;
      refs[i] = refs[i - 1]!;
    }
    keys[base + slot] = key;
    refs[base + slot] = ref;
    this.count[node]!++;
  }

  /** Takes an entry out of a node. */
  protected close(node: number, slot: number): void {
    const { key: keys, ref: refs, tie: ties } = this;
    const base = node * NODE;
    const end = base + --this.count[node]!;
    if (this.tied) for (let i = base + slot; i < end; i++) ties[i] = ties[i + 1]!;
    for (let i = base + slot; i < end; i++) {
      keys[i] = keys[i + 1]!;
      refs[i] = refs[i + 1]!;
    }
  }

  /** Moves the entries of a node from `from` on by so many slots, and its count with them. */
  protected shift(node: number, from: number, by: number): void {
    const start = node * NODE + from;
    const end = node * NODE + this.count[node]!;
    this.key.copyWithin(start + by, start, end);
    this.ref.copyWithin(start + by, start, end);
    if (this.tied) this.tie.copyWithin(start + by, start, end);
    this.count[node]! += by;
  }

  /** Copies an entry from one position to another. */
  protected copy(from: number, to: number): void {
    this.ref[to] = this.ref[from]!;
    this.copyKey(from, to);
  }

  protected copyKey(from: number, to: number): void {
    this.key[to] = this.key[from]!;
    if (this.tied) this.tie[to] = this.tie[from]!;
  }

  /** Chains `right` in behind `left`. */
  protected chain(left: number, right: number): void {
    const next = this.#next[left]!;
    this.#next[left] = right;
    this.#previous[right] = left;
    this.#next[right] = next;
    if (next !== NIL) this.#previous[next] = right;
  }

  protected unchain(node: number): void {
    const next = this.#next[node]!;
    const previous = this.#previous[node]!;
    if (previous !== NIL) this.#next[previous] = next;
    if (next !== NIL) this.#previous[next] = previous;
  }

  /** A node without entries, in no chain. */
  protected allocate(): number {
    const spare = this.spare.pop();
    if (spare !== undefined) return spare;
    if (this.nodes === this.count.length) this.#grow(growth(this.nodes, NODE * 12));
    const node = this.nodes++;
    this.#next[node] = NIL;
    this.#previous[node] = NIL;
    return node;
  }

  protected release(node: number): void {
    this.count[node] = 0;
    this.#next[node] = NIL;
    this.#previous[node] = NIL;
    this.spare.push(node);
  }

  /** A node for a level above the leaves. */
  protected allocateInner(): number {
    const node = this.allocate();
    let block = this.#spareBlocks.pop();
    if (block === undefined) {
      if (this.blocks === this.room) {
        this.room = growth(this.room, NODE * 8);
        this.reserve(this.room);
      }
      block = this.blocks++;
    }
    this.#next[node] = block;
    return node;
  }

  protected releaseInner(node: number): void {
    this.#spareBlocks.push(this.#next[node]!);
    this.release(node);
  }

  /** Where what is kept for the entries of an inner node begins, if it is kept by blocks. */
  protected blockAt(node: number): number {
    return this.#next[node]! * NODE;
  }

  #grow(nodes: number): void {
    this.key = grown(this.key, nodes * NODE);
    this.ref = grownReferences(this.ref, nodes * NODE);
    this.count = new Uint8Array(copied(this.count, nodes));
    if (this.tied) this.tie = grown(this.tie, nodes * NODE);
    this.#next = copied(this.#next, nodes);
    this.#previous = copied(this.#previous, nodes);
  }
}

/** A copy with room for `length` elements. */
export function copied(
  array: Uint32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>,
  length: number,
): Uint32Array<ArrayBuffer> {
  const copy = new Uint32Array(length);
  copy.set(array);
  return copy;
}

function grownReferences(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(length);
  copy.set(array);
  return copy;
}
