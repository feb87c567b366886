// Generated from ../narrow/tree.ts by `npm run wide`. Do not edit.
/**
 * A B+-tree in parallel typed arrays: the one ordered structure of the engine. An entry is a key in
 * units and a 32-bit reference; nodes of NODE entries live in one pool and are named by number;
 * leaves are chained both ways. A tree whose keys may be equal orders them by a second one, the tie.
 *
 * The tree has one cursor, set by `seek` and kept as a path from the root, so that an operation
 * allocates nothing. Separators are exact: the key of a slot in an inner node is the first key below
 * it, with its tie. Subclasses may keep summaries of subtrees, each beside the entry that leads to it, so
 * that those of one node are side by side; they are told which ones move, and which to make anew, from
 * the leaf upward.
 */
import { assert } from '../assert.ts';
import { NODE, Nodes } from './nodes.ts';
import { ZERO } from './unit.ts';
import type { Unit } from './unit.ts';

/** A node below this goes into a neighbour, or a leaf into both, if that leaves no one fuller than FULL. */
const SPARSE = (NODE * 3) / 4;
const FULL = NODE - 2;
/** So full are nodes that are filled in order: they have room to grow. */
const PACKED = NODE - 4;
/** A neighbour that takes fewer entries than these from a full node is full itself. */
const SPILL_MIN = 2;
const HEIGHT_MAX = 12;

export abstract class Tree extends Nodes {
  protected root = 0;
  protected height = 1;

  /** The cursor: node and slot at each level, the leaf at level 0. Slot -1: before every entry. */
  protected readonly path = new Uint32Array(HEIGHT_MAX);
  protected readonly at = new Int32Array(HEIGHT_MAX);

  /** Whether subclasses keep summaries; they are only told what follows if so. */
  protected summarised = false;
  /** Makes the summaries of what is below an entry anew, at a level above 0; true if any of them changed. */
  protected abstract summarise(level: number, node: number, slot: number): boolean;
  /** An inner node has got a new entry at `slot`, or has lost the one there. */
  protected abstract openSummaries(level: number, node: number, slot: number): void;
  protected abstract closeSummaries(node: number, slot: number): void;
  /** Entries of an inner node, from `slot` on, were copied to another one. */
  protected abstract copySummaries(
    from: number,
    slot: number,
    to: number,
    slotThere: number,
    entries: number,
  ): void;
  /** Has the summaries on the cursor's path computed anew, upward until nothing changes. */
  protected abstract refresh(): void;

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
    if (this.insertOnly(key, ref, tie)) this.refresh();
  }

  /**
   * As `insert`; true where the summaries of the cursor's path are left to the caller, false where
   * nodes changed and with them all summaries concerned.
   */
  insertOnly(key: Unit, ref: number, tie: Unit = ZERO): boolean {
    if (this.count[this.path[0]!] === NODE && !this.#spill()) {
      this.#split(0, this.at[0]! + 1, key, ref, tie);
      return false;
    }
    const slot = this.at[0]! + 1;
    this.open(this.path[0]!, slot, key, ref, tie);
    this.at[0] = slot;
    if (slot === 0) this.#renameFirst(0);
    return true;
  }

  /**
   * Adds an entry that exceeds all others and moves the cursor to it; the cursor is at the last entry
   * and no summaries are kept yet. Nodes filled in this way leave room to grow.
   */
  append(key: Unit, ref: number, tie: Unit = ZERO): void {
    assert(!this.summarised, 'summaries are made from what was appended');
    if (!this.#push(0, key, ref, tie)) this.#hang(1, key, this.path[0]!, tie);
  }

  /** Removes the entry at the cursor, which is void afterwards. */
  remove(): void {
    if (this.removeOnly()) this.refresh();
  }

  /**
   * As `remove`; true where the cursor's path still stands and its summaries are left to the caller:
   * then the cursor is at the entry before, or, if that is in another leaf, before every entry. False
   * where nodes changed and with them all summaries concerned.
   */
  removeOnly(): boolean {
    this.close(this.path[0]!, this.at[0]!);
    this.at[0]!--;
    const { nodes, root } = this;
    const free = this.spare.length;
    const level = this.#shrunk(0);
    if (nodes === this.nodes && free === this.spare.length && root === this.root) return true;
    if (this.summarised) this.#refreshAll(level);
    return false;
  }

  /** Changes the key at the cursor without changing the order of entries. */
  rekey(key: Unit): void {
    this.key[this.path[0]! * NODE + this.at[0]!] = key;
    if (this.at[0] === 0) this.#renameFirst(0);
  }

  /** Adds an entry to the last node of a level, or to a new node behind it; false if it was that. */
  #push(level: number, key: Unit, ref: number, tie: Unit): boolean {
    let node = this.path[level]!;
    const full = this.count[node]! >= PACKED;
    if (full) {
      const last = node;
      node = level === 0 ? this.allocate() : this.allocateInner();
      if (level === 0) this.chain(last, node);
      this.path[level] = node;
    }
    const slot = this.count[node]!++;
    const position = node * NODE + slot;
    this.key[position] = key;
    this.ref[position] = ref;
    if (this.tied) this.tie[position] = tie;
    this.at[level] = slot;
    return !full;
  }

  /** Hangs a new last node, whose first key is given, into a level: under a new root above the old one. */
  #hang(level: number, key: Unit, node: number, tie: Unit): void {
    if (level === this.height) {
      const root = this.allocateInner();
      this.copy(this.root * NODE, root * NODE);
      this.ref[root * NODE] = this.root;
      this.count[root] = 1;
      this.root = root;
      this.path[level] = root;
      this.height++;
      assert(this.height < HEIGHT_MAX, 'the tree is no higher than its cursor');
    }
    if (!this.#push(level, key, node, tie)) this.#hang(level + 1, key, this.path[level]!, tie);
  }

  #refreshAll(from: number): void {
    for (let level = from + 1; level < this.height; level++) {
      this.summarise(level, this.path[level]!, this.at[level]!);
    }
  }

  /**
   * Evens the cursor's full leaf out with a neighbour that has room; false where neither has. Where
   * entries come and go this keeps leaves fuller than splitting them would.
   */
  #spill(): boolean {
    if (this.height === 1) return false;
    const base = this.path[1]! * NODE;
    const slot = this.at[1]!;
    const leaf = this.path[0]!;
    const at = this.at[0]!;
    const last = slot + 1 === this.count[this.path[1]!];
    const right = last ? leaf : this.ref[base + slot + 1]!;
    const left = slot === 0 ? leaf : this.ref[base + slot - 1]!;
    const moved = (NODE - Math.min(this.count[right]!, this.count[left]!)) >> 1;
    if (moved < SPILL_MIN) return false;
    const kept = NODE - moved;
    if (this.count[right]! <= this.count[left]!) {
      this.shift(right, 0, moved);
      for (let i = 0; i < moved; i++) this.copy(leaf * NODE + kept + i, right * NODE + i);
      this.count[leaf] = kept;
      this.copyKey(right * NODE, base + slot + 1);
      this.#resummarise(slot, slot + 1);
      if (at >= kept) this.#point(slot + 1, right, at - kept);
      return true;
    }
    const to = left * NODE + this.count[left]!;
    for (let i = 0; i < moved; i++) this.copy(leaf * NODE + i, to + i);
    this.count[left]! += moved;
    this.shift(leaf, moved, -moved);
    this.copyKey(leaf * NODE, base + slot);
    this.#resummarise(slot - 1, slot);
    if (at >= moved) this.at[0] = at - moved;
    else this.#point(slot - 1, left, to - left * NODE + at);
    return true;
  }

  /** Moves the cursor to an entry of another leaf below the same parent. */
  #point(slot: number, leaf: number, at: number): void {
    this.at[1] = slot;
    this.path[0] = leaf;
    this.at[0] = at;
  }

  /** After entries moved between two leaves below the cursor's parent. */
  #resummarise(left: number, right: number): void {
    if (!this.summarised) return;
    this.summarise(1, this.path[1]!, left);
    this.summarise(1, this.path[1]!, right);
    for (let level = 2; level < this.height; level++) {
      if (!this.summarise(level, this.path[level]!, this.at[level]!)) return;
    }
  }

  /** Splits the full node of the path at `level` while inserting, then finds the new entry again. */
  #split(level: number, slot: number, key: Unit, ref: number, tie: Unit): void {
    const left = this.path[level]!;
    const right = level === 0 ? this.allocate() : this.allocateInner();
    // A node that grows at its end is left full behind: sequential growth fills every node.
    const half = slot === NODE ? NODE : NODE / 2;
    for (let i = half; i < NODE; i++) this.copy(left * NODE + i, right * NODE + i - half);
    if (level > 0 && this.summarised) this.copySummaries(left, half, right, 0, NODE - half);
    this.count[left] = half;
    this.count[right] = NODE - half;
    if (level === 0) this.chain(left, right);
    if (slot > half || half === NODE) this.#openAt(level, right, slot - half, key, ref, tie);
    else this.#openAt(level, left, slot, key, ref, tie);
    if (this.summarised && level + 1 < this.height) {
      this.summarise(level + 1, this.path[level + 1]!, this.at[level + 1]!);
    }
    this.#adopt(level, left, right);
    if (level > 0) return;
    if (this.tied) this.seekTied(key, tie);
    else this.seek(key);
    if (this.at[0] === 0) this.#renameFirst(0);
    if (this.summarised) this.#refreshAll(0);
  }

  #openAt(level: number, node: number, slot: number, key: Unit, ref: number, tie: Unit): void {
    this.open(node, slot, key, ref, tie);
    if (level > 0 && this.summarised) this.openSummaries(level, node, slot);
  }

  /** Takes the entry at `slot` out of an inner node. */
  #closeInner(node: number, slot: number): void {
    this.close(node, slot);
    if (this.summarised) this.closeSummaries(node, slot);
  }

  /** Hangs `right`, split off `left`, into the level above. */
  #adopt(level: number, left: number, right: number): void {
    if (level + 1 === this.height) {
      const root = this.allocateInner();
      this.copy(left * NODE, root * NODE);
      this.ref[root * NODE] = left;
      this.copy(right * NODE, root * NODE + 1);
      this.ref[root * NODE + 1] = right;
      this.count[root] = 2;
      this.root = root;
      this.height++;
      assert(this.height < HEIGHT_MAX, 'the tree is no higher than its cursor');
      if (!this.summarised) return;
      this.summarise(level + 1, root, 0);
      this.summarise(level + 1, root, 1);
      return;
    }
    const parent = this.path[level + 1]!;
    const slot = this.at[level + 1]! + 1;
    const key = this.key[right * NODE]!;
    const tie = this.tied ? this.tie[right * NODE]! : ZERO;
    if (this.count[parent] === NODE) this.#split(level + 1, slot, key, right, tie);
    else this.#openAt(level + 1, parent, slot, key, right, tie);
  }

  /** After the node of the path at `level` lost an entry; returns the lowest level still standing. */
  #shrunk(level: number): number {
    const node = this.path[level]!;
    if (level + 1 === this.height) {
      if (level > 0 && this.count[node] === 1) {
        this.root = this.ref[node * NODE]!;
        this.height--;
        this.releaseInner(node);
      }
      return level;
    }
    const parent = this.path[level + 1]!;
    const slot = this.at[level + 1]!;
    if (this.count[node] === 0) {
      if (level === 0) this.unchain(node);
      if (level === 0) this.release(node);
      else this.releaseInner(node);
      this.#closeInner(parent, slot);
      return this.#shrunk(level + 1);
    }
    this.#renameFirst(level);
    if (this.count[node]! >= SPARSE) return level;
    if (slot + 1 < this.count[parent]!) {
      const right = this.ref[parent * NODE + slot + 1]!;
      if (this.count[node]! + this.count[right]! <= FULL) {
        this.#merge(level, node, right, slot);
        return level;
      }
    }
    if (slot > 0) {
      const left = this.ref[parent * NODE + slot - 1]!;
      if (this.count[node]! + this.count[left]! <= FULL) {
        this.path[level] = left;
        this.at[level]! += this.count[left]!;
        this.at[level + 1] = slot - 1;
        this.#merge(level, left, node, slot - 1);
        return level;
      }
    }
    if (level === 0 && slot > 0 && slot + 1 < this.count[parent]!) this.#dissolve(slot);
    return level;
  }

  /** Divides the path's leaf, at `slot` of its parent, among its neighbours, if they have the room. */
  #dissolve(slot: number): void {
    const parent = this.path[1]!;
    const leaf = this.path[0]!;
    const left = this.ref[parent * NODE + slot - 1]!;
    const right = this.ref[parent * NODE + slot + 1]!;
    const entries = this.count[leaf]!;
    const total = this.count[left]! + entries + this.count[right]!;
    if (total > 2 * FULL) return;
    const kept = (total >> 1) - this.count[left]!;
    assert(kept > 0 && kept < entries, 'a leaf that fits into neither neighbour goes to both');
    const to = left * NODE + this.count[left]!;
    for (let i = 0; i < kept; i++) this.copy(leaf * NODE + i, to + i);
    this.count[left]! += kept;
    this.shift(right, 0, entries - kept);
    for (let i = kept; i < entries; i++) this.copy(leaf * NODE + i, right * NODE + i - kept);
    this.copyKey(right * NODE, parent * NODE + slot + 1);
    this.unchain(leaf);
    this.release(leaf);
    this.#closeInner(parent, slot);
    if (this.summarised) this.summarise(1, parent, slot);
    this.path[0] = left;
    this.at[1] = slot - 1;
    this.#shrunk(1);
  }

  /** Appends all of `right` to `left`, which is the path's node, at `slot` of its parent. */
  #merge(level: number, left: number, right: number, slot: number): void {
    const to = left * NODE + this.count[left]!;
    const moved = this.count[right]!;
    for (let i = 0; i < moved; i++) this.copy(right * NODE + i, to + i);
    if (level > 0 && this.summarised) {
      this.copySummaries(right, 0, left, this.count[left]!, moved);
    }
    this.count[left]! += moved;
    if (level === 0) {
      this.unchain(right);
      this.release(right);
    } else this.releaseInner(right);
    this.#closeInner(this.path[level + 1]!, slot + 1);
    this.#shrunk(level + 1);
  }

  /** Carries the first key of the path's node at `level` up to the separators that repeat it. */
  #renameFirst(level: number): void {
    for (let i = level; ; i++) {
      if (i + 1 >= this.height) return;
      const first = this.path[i]! * NODE;
      const separator = this.path[i + 1]! * NODE + this.at[i + 1]!;
      this.key[separator] = this.key[first]!;
      if (this.tied) this.tie[separator] = this.tie[first]!;
      if (this.at[i + 1] !== 0) return;
    }
  }
}
