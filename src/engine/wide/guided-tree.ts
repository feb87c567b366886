// Generated from ../narrow/guided-tree.ts by `npm run wide`. Do not edit.
/**
 * A tree of segments that knows, below every node, how large a block could be placed there: one
 * *column* per kind of request in use. Because a size fits a segment if and only if it is at most
 * the segment's capacity under the request's fit, the maximum of capacities leads straight to the
 * first or last segment that fits: no candidate is tried in vain, and a request that can't be served
 * is refused at the root.
 *
 * Columns are built when a request first needs one and then kept up to date, a double per node
 * each. An arena that is never asked for alignment pays for none.
 */
import { NODE, copied } from './nodes.ts';
import { Tree } from './tree.ts';
import type { Fit } from './fit.ts';
import { prefixCapacity } from './fit.ts';
import { LIMIT, ZERO, grown, unitArray } from './unit.ts';
import type { Unit, UnitArray } from './unit.ts';

/** At most this many fits have a column at a time; the one used longest ago makes room. */
const COLUMNS_MAX = 8;

/** At most this many fits without a column have their misses counted. */
const DEBTS_MAX = 32;

/** Capacities of subtrees under one fit, or, without a fit, of naturally aligned powers of two. */
export class Column {
  readonly fit: Fit | undefined;
  max: UnitArray;
  usedAt = 0;

  constructor(fit: Fit | undefined, nodes: number) {
    this.fit = fit;
    this.max = unitArray(nodes);
  }

  capacity(start: Unit, end: Unit): Unit {
    return this.fit === undefined ? prefixCapacity(start, end) : this.fit.capacity(start, end);
  }
}

export abstract class GuidedTree extends Tree {
  readonly columns: Column[] = [];
  /** Stands for plain sizes in a tree that is ordered by them, which needs no maxima. */
  readonly #order: Column | undefined;
  /** Misses of fits without a column, the fit seen last at the end. */
  readonly #debts: { fit: Fit; misses: number }[] = [];
  #clock = 0;
  /** Free segments below each node; empty until `countFree` is first called. */
  #free = new Uint32Array(0);
  #most: Unit = ZERO;
  /** Of what was last looked through in a leaf: large enough, within the window, and does not fit. */
  rejected = 0;

  /** `bySize`: entries are in the order of their sizes, and the sizes are the keys. */
  constructor(bySize: boolean) {
    super(bySize);
    this.#order = bySize ? new Column(undefined, 0) : undefined;
  }

  /** Capacity of the entry in a leaf; ZERO where it is not free, or where it is less than `least`. */
  protected abstract entryCapacity(column: Column, position: number, least: Unit): Unit;
  /**
   * The largest capacity of the entries in a leaf. No capacity exceeds the size of its segment, so
   * that most entries are passed over by a comparison.
   */
  protected abstract leafCapacity(column: Column, leaf: number): Unit;
  /** Whether the entry in a leaf is a free segment. */
  protected abstract entryFree(position: number): boolean;

  /** The column of `fit` if it exists. */
  existing(fit: Fit | undefined): Column | undefined {
    for (const column of this.columns) {
      if (fit === undefined ? column.fit === undefined : column.fit?.same(fit) === true) {
        column.usedAt = ++this.#clock;
        return column;
      }
    }
    return undefined;
  }

  /** The column of `fit` (undefined: natural alignment), built now if it must be. */
  column(fit: Fit | undefined): Column {
    if (fit?.plain === true && this.#order !== undefined) return this.#order;
    const found = this.existing(fit);
    if (found !== undefined) return found;
    const column = new Column(fit, this.count.length);
    column.usedAt = ++this.#clock;
    if (this.columns.length === COLUMNS_MAX) {
      let oldest = 0;
      for (let i = 1; i < COLUMNS_MAX; i++) {
        if (this.columns[i]!.usedAt < this.columns[oldest]!.usedAt) oldest = i;
      }
      this.columns[oldest] = column;
    } else this.columns.push(column);
    this.summarised = true;
    this.#fill(column, this.root, this.height - 1);
    return column;
  }

  /** Counts misses against a fit; its column, built now, once they are `worth` one. */
  owed(fit: Fit, misses: number, worth: number): Column | undefined {
    let debt = this.#debts.at(-1);
    if (debt?.fit.same(fit) !== true) {
      const index = this.#debts.findIndex((other) => other.fit.same(fit));
      debt = index < 0 ? { fit, misses: 0 } : this.#debts.splice(index, 1)[0]!;
      this.#debts.push(debt);
      if (this.#debts.length > DEBTS_MAX) this.#debts.shift();
    }
    debt.misses += misses;
    if (debt.misses < worth) return undefined;
    this.#debts.pop();
    return this.column(fit);
  }

  /** The largest capacity of any free segment. */
  largest(column: Column): Unit {
    return column.max[this.root]!;
  }

  /**
   * Moves the cursor to the first entry after it whose capacity is at least `least`; false, and the
   * cursor is void, where there is none. In a tree ordered by size the cursor is behind all entries
   * that are smaller than that.
   */
  nextAtLeast(column: Column, least: Unit): boolean {
    if (column === this.#order) return this.forward();
    const leaf = this.path[0]!;
    const slot =
      column.max[leaf]! < least ? -1 : this.#slotAfter(column, leaf, this.at[0]! + 1, least);
    if (slot >= 0) {
      this.at[0] = slot;
      return true;
    }
    for (let level = 1; level < this.height; level++) {
      const node = this.path[level]!;
      for (let i = this.at[level]! + 1; i < this.count[node]!; i++) {
        if (column.max[this.ref[node * NODE + i]!]! < least) continue;
        this.at[level] = i;
        this.#descendFirst(column, level, least);
        return true;
      }
    }
    return false;
  }

  /** The key of the first entry in the cursor's leaf. */
  get leafKey(): Unit {
    return this.key[this.path[0]! * NODE]!;
  }

  /** Whether the cursor's leaf has a capacity of at least `least`. */
  mayHold(column: Column, least: Unit): boolean {
    return column === this.#order || column.max[this.path[0]!]! >= least;
  }

  /** Moves the cursor before the entries of the next leaf that has such a capacity; false where none has. */
  nextLeaf(column: Column, least: Unit): boolean {
    const { max } = column;
    const all = column === this.#order;
    for (let level = 1; level < this.height; level++) {
      const node = this.path[level]! * NODE;
      const end = node + this.count[this.path[level]!]!;
      for (let i = node + this.at[level]! + 1; i < end; i++) {
        if (!all && max[this.ref[i]!]! < least) continue;
        this.at[level] = i - node;
        let child = this.ref[i]!;
        for (let down = level - 1; down > 0; down--) {
          let slot = child * NODE;
          if (!all) while (max[this.ref[slot]!]! < least) slot++;
          this.path[down] = child;
          this.at[down] = slot - child * NODE;
          child = this.ref[slot]!;
        }
        this.path[0] = child;
        this.at[0] = -1;
        return true;
      }
    }
    return false;
  }

  /** The mirror of `nextLeaf`: moves the cursor behind the entries of the last such leaf before it. */
  previousLeaf(column: Column, least: Unit): boolean {
    const { max } = column;
    for (let level = 1; level < this.height; level++) {
      const node = this.path[level]! * NODE;
      for (let i = node + this.at[level]! - 1; i >= node; i--) {
        if (max[this.ref[i]!]! < least) continue;
        this.at[level] = i - node;
        let child = this.ref[i]!;
        for (let down = level - 1; down > 0; down--) {
          let slot = child * NODE + this.count[child]! - 1;
          while (max[this.ref[slot]!]! < least) slot--;
          this.path[down] = child;
          this.at[down] = slot - child * NODE;
          child = this.ref[slot]!;
        }
        this.path[0] = child;
        this.at[0] = this.count[child]!;
        return true;
      }
    }
    return false;
  }

  /**
   * The largest capacity of the segments strictly after the cursor that end by `end`, in a tree
   * ordered by address.
   */
  largestUntil(column: Column, end: Unit): Unit {
    this.#most = ZERO;
    for (let level = 0; level < this.height; level++) {
      const node = this.path[level]!;
      for (let i = this.at[level]! + 1; i < this.count[node]!; i++) {
        if (!this.#gather(column, node, i, level, end)) return this.#most;
      }
    }
    return this.#most;
  }

  /** Free segments before the cursor in the order of the tree. */
  rank(): number {
    this.#countFree();
    let rank = 0;
    for (let level = this.height - 1; level >= 0; level--) {
      const node = this.path[level]!;
      for (let i = 0; i < this.at[level]!; i++) rank += this.#freeBelow(node * NODE + i, level);
    }
    return rank;
  }

  /** Number of free segments. */
  total(): number {
    this.#countFree();
    return this.#free[this.root]!;
  }

  /** Moves the cursor to the free segment with `rank` others before it. */
  select(rank: number): void {
    this.#countFree();
    let node = this.root;
    let rest = rank;
    for (let level = this.height - 1; level >= 0; level--) {
      let slot = 0;
      for (;;) {
        const free = this.#freeBelow(node * NODE + slot, level);
        if (rest < free) break;
        rest -= free;
        slot++;
      }
      this.path[level] = node;
      this.at[level] = slot;
      if (level > 0) node = this.ref[node * NODE + slot]!;
    }
  }

  /** Whether a column's maxima, and the counts of free segments, equal a recount. */
  verifyColumn(column: Column): boolean {
    return this.#verifyBelow(column, this.root, this.height - 1);
  }

  #verifyBelow(column: Column, node: number, level: number): boolean {
    const children = level === 0 ? 0 : this.count[node]!;
    for (let i = 0; i < children; i++) {
      if (!this.#verifyBelow(column, this.ref[node * NODE + i]!, level - 1)) return false;
    }
    if (this.#free.length > 0 && this.#free[node] !== this.#sum(node, level)) return false;
    return column.max[node] === this.#maximum(column, node, level);
  }

  protected override summarise(node: number, level: number): boolean {
    let changed = false;
    for (const column of this.columns) {
      const most = this.#maximum(column, node, level);
      if (most === column.max[node]) continue;
      column.max[node] = most;
      changed = true;
    }
    if (this.#free.length > 0) {
      const free = this.#sum(node, level);
      if (free !== this.#free[node]) changed = true;
      this.#free[node] = free;
    }
    return changed;
  }

  /**
   * Upward along the cursor's path, each summary only as far as it changes. A maximum is compared
   * with the one that changed below it; only where that was the maximum are all children looked at.
   */
  protected override refresh(): void {
    for (const column of this.columns) this.#refreshColumn(column);
    if (this.#free.length > 0) this.#refreshFree();
  }

  /** In the cursor's leaf `[start, end)` is free now, and all that was free of it before. */
  grew(start: Unit, end: Unit): void {
    for (const column of this.columns) {
      const { max } = column;
      const capacity = column.capacity(start, end);
      for (let level = 0; level < this.height; level++) {
        const node = this.path[level]!;
        if (max[node]! >= capacity) break;
        max[node] = capacity;
      }
    }
    if (this.#free.length > 0) this.#refreshFree();
  }

  /** In the cursor's leaf less than `[start, end)` is free now, which was free before. */
  shrank(start: Unit, end: Unit): void {
    const leaf = this.path[0]!;
    for (const column of this.columns) {
      // Only what was the largest leaves another maximum behind.
      if (column.capacity(start, end) >= column.max[leaf]!) this.#refreshColumn(column);
    }
    if (this.#free.length > 0) this.#refreshFree();
  }

  #refreshColumn(column: Column): void {
    const { max } = column;
    const leaf = this.path[0]!;
    let before = max[leaf]!;
    let now = this.leafCapacity(column, leaf);
    if (now === before) return;
    max[leaf] = now;
    for (let level = 1; level < this.height; level++) {
      const node = this.path[level]!;
      const most = max[node]!;
      if (now < most) {
        if (before < most) return;
        now = this.#maximumUpTo(max, node, most);
        if (now === most) return;
      } else if (now === most) return;
      before = most;
      max[node] = now;
    }
  }

  #refreshFree(): void {
    const leaf = this.path[0]!;
    const now = this.#sum(leaf, 0);
    const change = now - this.#free[leaf]!;
    if (change === 0) return;
    for (let level = 0; level < this.height; level++) this.#free[this.path[level]!]! += change;
  }

  /** The largest maximum of a node's children, of which none exceeds `most`. */
  #maximumUpTo(max: UnitArray, node: number, most: Unit): Unit {
    let found = ZERO;
    const end = node * NODE + this.count[node]!;
    for (let i = node * NODE; i < end; i++) {
      const there = max[this.ref[i]!]!;
      if (there > found) {
        if (there === most) return most;
        found = there;
      }
    }
    return found;
  }

  protected override reserve(nodes: number): void {
    for (const column of this.columns) column.max = grown(column.max, nodes);
    if (this.#free.length > 0) this.#free = copied(this.#free, nodes);
  }

  override get bytes(): number {
    const counts = this.#free.length === 0 ? 0 : 4;
    return super.bytes + this.nodes * (8 * this.columns.length + counts);
  }

  #countFree(): void {
    if (this.#free.length > 0) return;
    this.#free = new Uint32Array(this.count.length);
    this.summarised = true;
    this.#countBelow(this.root, this.height - 1);
  }

  #countBelow(node: number, level: number): void {
    const children = level === 0 ? 0 : this.count[node]!;
    for (let i = 0; i < children; i++) this.#countBelow(this.ref[node * NODE + i]!, level - 1);
    this.#free[node] = this.#sum(node, level);
  }

  #sum(node: number, level: number): number {
    let free = 0;
    const end = node * NODE + this.count[node]!;
    for (let i = node * NODE; i < end; i++) free += this.#freeBelow(i, level);
    return free;
  }

  #freeBelow(position: number, level: number): number {
    if (level === 0) return this.entryFree(position) ? 1 : 0;
    return this.#free[this.ref[position]!]!;
  }

  #fill(column: Column, node: number, level: number): void {
    const children = level === 0 ? 0 : this.count[node]!;
    for (let i = 0; i < children; i++) this.#fill(column, this.ref[node * NODE + i]!, level - 1);
    column.max[node] = this.#maximum(column, node, level);
  }

  #maximum(column: Column, node: number, level: number): Unit {
    if (level === 0) return this.leafCapacity(column, node);
    let most = ZERO;
    const end = node * NODE + this.count[node]!;
    for (let i = node * NODE; i < end; i++) {
      const there = column.max[this.ref[i]!]!;
      if (there > most) most = there;
    }
    return most;
  }

  #slotAfter(column: Column, leaf: number, from: number, least: Unit): number {
    for (let i = from; i < this.count[leaf]!; i++) {
      if (this.entryCapacity(column, leaf * NODE + i, least) >= least) return i;
    }
    return -1;
  }

  #descendFirst(column: Column, from: number, least: Unit): void {
    for (let level = from; level > 0; level--) {
      const child = this.ref[this.path[level]! * NODE + this.at[level]!]!;
      this.path[level - 1] = child;
      let slot = 0;
      if (level === 1) slot = this.#slotAfter(column, child, 0, least);
      else while (column.max[this.ref[child * NODE + slot]!]! < least) slot++;
      this.at[level - 1] = slot;
    }
  }

  /** Raises #most by what lies below a slot and ends by `end`; false once something does not. */
  #gather(column: Column, node: number, slot: number, level: number, end: Unit): boolean {
    const position = node * NODE + slot;
    if (level === 0) {
      const next = this.after(position);
      if ((next < 0 ? LIMIT : this.key[next]!) > end) return false;
      this.#raise(this.entryCapacity(column, position, this.#most));
      return true;
    }
    const child = this.ref[position]!;
    if (slot + 1 < this.count[node]! && this.key[position + 1]! <= end) {
      this.#raise(column.max[child]!);
      return true;
    }
    for (let i = 0; i < this.count[child]!; i++) {
      if (!this.#gather(column, child, i, level - 1, end)) return false;
    }
    return true;
  }

  #raise(capacity: Unit): void {
    if (capacity > this.#most) this.#most = capacity;
  }
}
