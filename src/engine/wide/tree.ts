// Generated from ../narrow/tree.ts by `npm run wide`. Do not edit.
/**
 * A B+-tree in parallel typed arrays: the one ordered structure of the engine. An entry is a key in
 * units and a 32-bit reference; nodes of NODE entries live in one pool and are named by number;
 * leaves are chained both ways. A tree whose keys may be equal orders them by a second one, the tie.
 *
 * The tree has one cursor, set by `seek` and kept as a path from the root, so that an operation
 * allocates nothing. Separators are exact: the key of a slot in an inner node is the first key below
 * it, with its tie. Subclasses may keep summaries of subtrees; they are told which node to summarise
 * anew, from the leaf upward.
 */
import { assert } from '../assert.ts';
import { growth } from '../growth.ts';
import { ZERO, grown, unitArray } from './unit.ts';
import type { Unit, UnitArray } from './unit.ts';

/** Entries per node: moving half of them is cheap. */
const NODE_BITS = 5;
export const NODE = 1 << NODE_BITS;
/** A node below this merges with a neighbour if both fit into FULL, which leaves room to grow. */
const SPARSE = NODE / 2 - 2;
const FULL = NODE - 4;
const HEIGHT_MAX = 12;
const NIL = 0xffffffff;

export abstract class Tree {
  key: UnitArray = unitArray(NODE);
  /** The second keys, of a tree that has them. */
  tie: UnitArray;
  readonly #tied: boolean;
  ref = new Int32Array(NODE);
  /** Entries of each node. */
  count = new Uint8Array(1);
  #next = new Uint32Array([NIL]);
  #previous = new Uint32Array([NIL]);
  /** Nodes handed out so far, and those of them that are free again. */
  protected nodes = 1;
  #spare: number[] = [];
  protected root = 0;
  protected height = 1;

  /** The cursor: node and slot at each level, the leaf at level 0. Slot -1: before every entry. */
  protected readonly path = new Uint32Array(HEIGHT_MAX);
  protected readonly at = new Int32Array(HEIGHT_MAX);

  /** Whether subclasses keep summaries; `summarise` is only called if so. */
  protected summarised = false;
  /** Recomputes the summaries of a node from its entries; true if any of them changed. */
  protected abstract summarise(node: number, level: number): boolean;
  /** Room for the summaries of `nodes` nodes. */
  protected abstract reserve(nodes: number): void;

  constructor(tied: boolean) {
    this.#tied = tied;
    this.tie = unitArray(tied ? NODE : 0);
  }

  /** Position of the cursor's entry in `key` and `ref`; negative when it is before every entry. */
  get position(): number {
    return this.at[0]! < 0 ? -1 : this.path[0]! * NODE + this.at[0]!;
  }

  /** Sets the cursor to the last entry whose key is at most `key`; keys must be unique. */
  seek(key: Unit): void {
    const keys = this.key;
    let node = this.root;
    for (let level = this.height - 1; ; level--) {
      const base = node * NODE;
      let low = 0;
      let high = this.count[node]!;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (keys[base + middle]! <= key) low = middle + 1;
        else high = middle;
      }
      this.path[level] = node;
      if (level === 0) {
        this.at[0] = low - 1;
        return;
      }
      const slot = low === 0 ? 0 : low - 1;
      this.at[level] = slot;
      node = this.ref[base + slot]!;
    }
  }

  /** Sets the cursor to the last entry at or before (key, tie) in the order of both. */
  seekTied(key: Unit, tie: Unit): void {
    let node = this.root;
    for (let level = this.height - 1; ; level--) {
      const base = node * NODE;
      let low = 0;
      let high = this.count[node]!;
      while (low < high) {
        const middle = (low + high) >>> 1;
        const there = this.key[base + middle]!;
        let before = there < key;
        if (there === key) before = this.tie[base + middle]! <= tie;
        if (before) low = middle + 1;
        else high = middle;
      }
      this.path[level] = node;
      if (level === 0) {
        this.at[0] = low - 1;
        return;
      }
      const slot = low === 0 ? 0 : low - 1;
      this.at[level] = slot;
      node = this.ref[base + slot]!;
    }
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

  /** Position of the first entry, or -1. */
  first(): number {
    let node = this.root;
    for (let level = this.height - 1; level > 0; level--) node = this.ref[node * NODE]!;
    return this.count[node] === 0 ? -1 : node * NODE;
  }

  /** Moves the cursor one entry on; false, and the cursor is void, at the end. */
  forward(): boolean {
    const leaf = this.path[0]!;
    if (this.at[0]! + 1 < this.count[leaf]!) {
      this.at[0]!++;
      return true;
    }
    for (let level = 1; level < this.height; level++) {
      const node = this.path[level]!;
      if (this.at[level]! + 1 >= this.count[node]!) continue;
      this.at[level]!++;
      for (let down = level; down > 0; down--) {
        this.path[down - 1] = this.ref[this.path[down]! * NODE + this.at[down]!]!;
        this.at[down - 1] = 0;
      }
      return true;
    }
    return false;
  }

  /** Inserts an entry after the cursor, whose key or tie it exceeds, and moves the cursor to it. */
  insert(key: Unit, ref: number, tie: Unit = ZERO): void {
    const leaf = this.path[0]!;
    const slot = this.at[0]! + 1;
    if (this.count[leaf] === NODE) {
      this.#split(0, slot, key, ref, tie);
      return;
    }
    this.#open(leaf, slot, key, ref, tie);
    this.at[0] = slot;
    if (slot === 0) this.#renameFirst(0);
    if (this.summarised) this.refresh();
  }

  /** Removes the entry at the cursor, which is void afterwards. */
  remove(): void {
    const leaf = this.path[0]!;
    this.#close(leaf, this.at[0]!);
    const { nodes, root } = this;
    const free = this.#spare.length;
    const level = this.#shrunk(0);
    if (!this.summarised) return;
    // Where no node went away, what lies above changes only as far as its children do.
    if (nodes === this.nodes && free === this.#spare.length && root === this.root) this.refresh();
    else this.#refreshAll(level);
  }

  /** Changes the key at the cursor without changing the order of entries. */
  rekey(key: Unit): void {
    this.key[this.path[0]! * NODE + this.at[0]!] = key;
    if (this.at[0] === 0) this.#renameFirst(0);
  }

  /** Has the summaries on the cursor's path computed anew, upward until nothing changes. */
  refresh(): void {
    if (!this.summarised) return;
    for (let level = 0; level < this.height; level++) {
      if (!this.summarise(this.path[level]!, level)) return;
    }
  }

  get isSummarised(): boolean {
    return this.summarised;
  }

  /** Bytes in use: what was only reserved has no memory behind it. */
  get bytes(): number {
    return this.nodes * (NODE * (this.#tied ? 20 : 12) + 9);
  }

  #refreshAll(from: number): void {
    for (let level = from; level < this.height; level++) this.summarise(this.path[level]!, level);
  }

  #open(node: number, slot: number, key: Unit, ref: number, tie: Unit): void {
    const { key: keys, ref: refs, tie: ties } = this;
    const base = node * NODE;
    if (this.#tied) {
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

  #close(node: number, slot: number): void {
    const { key: keys, ref: refs, tie: ties } = this;
    const base = node * NODE;
    const end = base + --this.count[node]!;
    if (this.#tied) for (let i = base + slot; i < end; i++) ties[i] = ties[i + 1]!;
    for (let i = base + slot; i < end; i++) {
      keys[i] = keys[i + 1]!;
      refs[i] = refs[i + 1]!;
    }
  }

  /** Splits the full node of the path at `level` while inserting, then finds the new entry again. */
  #split(level: number, slot: number, key: Unit, ref: number, tie: Unit): void {
    const left = this.path[level]!;
    const right = this.#allocate();
    // A node that grows at its end is left full behind: sequential growth fills every node.
    const half = slot === NODE ? NODE : NODE / 2;
    for (let i = half; i < NODE; i++) this.#copy(left * NODE + i, right * NODE + i - half);
    this.count[left] = half;
    this.count[right] = NODE - half;
    if (slot > half || half === NODE) this.#open(right, slot - half, key, ref, tie);
    else this.#open(left, slot, key, ref, tie);
    if (level === 0) this.#chain(left, right);
    if (this.summarised) {
      this.summarise(left, level);
      this.summarise(right, level);
    }
    this.#adopt(level, left, right);
    if (level > 0) return;
    if (this.#tied) this.seekTied(key, tie);
    else this.seek(key);
    if (this.at[0] === 0) this.#renameFirst(0);
    if (this.summarised) this.#refreshAll(0);
  }

  /** Hangs `right`, split off `left`, into the level above. */
  #adopt(level: number, left: number, right: number): void {
    if (level + 1 === this.height) {
      const root = this.#allocate();
      this.#copy(left * NODE, root * NODE);
      this.ref[root * NODE] = left;
      this.#copy(right * NODE, root * NODE + 1);
      this.ref[root * NODE + 1] = right;
      this.count[root] = 2;
      this.root = root;
      this.height++;
      assert(this.height < HEIGHT_MAX, 'the tree is no higher than its cursor');
      if (this.summarised) this.summarise(root, level + 1);
      return;
    }
    const parent = this.path[level + 1]!;
    const slot = this.at[level + 1]! + 1;
    const key = this.key[right * NODE]!;
    const tie = this.#tied ? this.tie[right * NODE]! : ZERO;
    if (this.count[parent] === NODE) this.#split(level + 1, slot, key, right, tie);
    else this.#open(parent, slot, key, right, tie);
  }

  /** After the node of the path at `level` lost an entry; returns the lowest level still standing. */
  #shrunk(level: number): number {
    const node = this.path[level]!;
    if (level + 1 === this.height) {
      if (level > 0 && this.count[node] === 1) {
        this.root = this.ref[node * NODE]!;
        this.height--;
        this.#release(node);
      }
      return level;
    }
    const parent = this.path[level + 1]!;
    const slot = this.at[level + 1]!;
    if (this.count[node] === 0) {
      if (level === 0) this.#unchain(node);
      this.#release(node);
      this.#close(parent, slot);
      this.#shrunk(level + 1);
      return level + 1;
    }
    this.#renameFirst(level);
    if (this.count[node]! >= SPARSE) return level;
    if (slot + 1 < this.count[parent]!) {
      const right = this.ref[parent * NODE + slot + 1]!;
      if (this.count[node]! + this.count[right]! <= FULL) this.#merge(level, node, right, slot);
    } else if (slot > 0) {
      const left = this.ref[parent * NODE + slot - 1]!;
      if (this.count[node]! + this.count[left]! <= FULL) {
        this.path[level] = left;
        this.at[level + 1] = slot - 1;
        this.#merge(level, left, node, slot - 1);
      }
    }
    return level;
  }

  /** Appends all of `right` to `left`, which is the path's node, at `slot` of its parent. */
  #merge(level: number, left: number, right: number, slot: number): void {
    const to = left * NODE + this.count[left]!;
    for (let i = 0; i < this.count[right]!; i++) this.#copy(right * NODE + i, to + i);
    this.count[left]! += this.count[right]!;
    if (level === 0) this.#unchain(right);
    this.#release(right);
    this.#close(this.path[level + 1]!, slot + 1);
    this.#shrunk(level + 1);
  }

  #copy(from: number, to: number): void {
    this.key[to] = this.key[from]!;
    this.ref[to] = this.ref[from]!;
    if (this.#tied) this.tie[to] = this.tie[from]!;
  }

  /** Carries the first key of the path's node at `level` up to the separators that repeat it. */
  #renameFirst(level: number): void {
    for (let i = level; ; i++) {
      if (i + 1 >= this.height) return;
      const first = this.path[i]! * NODE;
      const separator = this.path[i + 1]! * NODE + this.at[i + 1]!;
      this.key[separator] = this.key[first]!;
      if (this.#tied) this.tie[separator] = this.tie[first]!;
      if (this.at[i + 1] !== 0) return;
    }
  }

  #chain(left: number, right: number): void {
    const next = this.#next[left]!;
    this.#next[left] = right;
    this.#previous[right] = left;
    this.#next[right] = next;
    if (next !== NIL) this.#previous[next] = right;
  }

  #unchain(node: number): void {
    const next = this.#next[node]!;
    const previous = this.#previous[node]!;
    if (previous !== NIL) this.#next[previous] = next;
    if (next !== NIL) this.#previous[next] = previous;
  }

  #allocate(): number {
    const spare = this.#spare.pop();
    if (spare !== undefined) return spare;
    if (this.nodes === this.count.length) this.#grow(growth(this.nodes, NODE * 12));
    const node = this.nodes++;
    this.#next[node] = NIL;
    this.#previous[node] = NIL;
    return node;
  }

  #release(node: number): void {
    this.count[node] = 0;
    this.#next[node] = NIL;
    this.#previous[node] = NIL;
    this.#spare.push(node);
  }

  #grow(nodes: number): void {
    this.key = grown(this.key, nodes * NODE);
    this.ref = grownReferences(this.ref, nodes * NODE);
    this.count = new Uint8Array(copied(this.count, nodes));
    if (this.#tied) this.tie = grown(this.tie, nodes * NODE);
    this.#next = copied(this.#next, nodes);
    this.#previous = copied(this.#previous, nodes);
    this.reserve(nodes);
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
