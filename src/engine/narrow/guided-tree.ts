/**
 * A tree of segments that knows, below every node, how large a block could be placed there: one
 * *column* per kind of request in use. Because a size fits a segment if and only if it is at most
 * the segment's capacity under the request's fit, the maximum of capacities leads straight to the
 * first or last segment that fits: no candidate is tried in vain, and a request that can't be served
 * is refused at the root.
 *
 * Columns are built when a request first needs one and then kept up to date, a double per node
 * each, those of siblings side by side. An arena that is never asked for alignment pays for none.
 */
import { NODE, copied } from './nodes.ts';
import { Tree } from './tree.ts';
import type { Fit } from './fit.ts';
import { prefixCapacity } from './fit.ts';
import { LIMIT, ZERO, grown, unitArray } from './unit.ts';
import type { Unit, UnitArray } from './unit.ts';

/** At most this many fits have a column at a time; the one used longest ago makes room. */
const COLUMNS_MAX = 8;

/**
 * While so many searches for each node asked for other columns, one that none asked for has cost as much
 * as it does to make it anew, and goes. That is looked at now and then.
 */
const IDLE_SHARE = 4;
const IDLE_MIN = 256;

/** At most this many fits without a column have their misses counted. */
const DEBTS_MAX = 32;

/** Capacities of subtrees under one fit, or, without a fit, of naturally aligned powers of two. */
export class Column {
  readonly fit: Fit | undefined;
  /** By the entries of inner nodes, block by block. */
  max: UnitArray;
  usedAt = 0;

  constructor(fit: Fit | undefined, blocks: number) {
    this.fit = fit;
    this.max = unitArray(blocks * NODE);
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
  /** Free segments below each entry of inner nodes, as in columns. */
  #free = new Uint32Array(0);
  #counted = false;
  #largest: Unit = ZERO;
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
  /** Free segments among the entries of a leaf before `slot`. */
  protected abstract freeBefore(leaf: number, slot: number): number;
  /** The slot in a leaf of the free segment with so many others before it there. */
  protected abstract freeSlot(leaf: number, before: number): number;

  /** The column of `fit` if it exists. */
  existing(fit: Fit | undefined): Column | undefined {
    for (const column of this.columns) {
      if (fit === undefined ? column.fit === undefined : column.fit?.same(fit) === true) {
        column.usedAt = ++this.#clock;
        if (this.#clock % IDLE_MIN === 0) this.#dropIdle();
        return column;
      }
    }
    return undefined;
  }

  #dropIdle(): void {
    const { columns } = this;
    const since = this.#clock - IDLE_MIN - this.nodes * IDLE_SHARE;
    for (let i = columns.length - 1; i >= 0; i--) {
      if (columns[i]!.usedAt < since) columns.splice(i, 1);
    }
  }

  /** The column of `fit` (undefined: natural alignment), built now if it must be. */
  column(fit: Fit | undefined): Column {
    if (fit?.plain === true && this.#order !== undefined) return this.#order;
    const found = this.existing(fit);
    if (found !== undefined) return found;
    const column = new Column(fit, this.room);
    column.usedAt = ++this.#clock;
    if (this.columns.length === COLUMNS_MAX) {
      let oldest = 0;
      for (let i = 1; i < COLUMNS_MAX; i++) {
        if (this.columns[i]!.usedAt < this.columns[oldest]!.usedAt) oldest = i;
      }
      this.columns[oldest] = column;
    } else this.columns.push(column);
    this.summarised = true;
    if (this.height > 1) this.#fill(column, this.root, this.height - 1);
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
    return this.#most(column, this.root, this.height - 1);
  }

  /**
   * Moves the cursor to the first entry after it whose capacity is at least `least`; false, and the
   * cursor is void, where there is none. In a tree ordered by size the cursor is behind all entries
   * that are smaller than that.
   */
  nextAtLeast(column: Column, least: Unit): boolean {
    if (column === this.#order) return this.forward();
    const leaf = this.path[0]!;
    const slot = this.mayHold(column, least)
      ? this.#slotAfter(column, leaf, this.at[0]! + 1, least)
      : -1;
    if (slot >= 0) {
      this.at[0] = slot;
      return true;
    }
    for (let level = 1; level < this.height; level++) {
      const node = this.path[level]!;
      const block = this.blockAt(node);
      for (let i = this.at[level]! + 1; i < this.count[node]!; i++) {
        if (column.max[block + i]! < least) continue;
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
    return column === this.#order || this.height === 1 || column.max[this.#above(1)]! >= least;
  }

  /** Moves the cursor before the entries of the next leaf that has such a capacity; false where none has. */
  nextLeaf(column: Column, least: Unit): boolean {
    const { max } = column;
    const all = column === this.#order;
    for (let level = 1; level < this.height; level++) {
      const node = this.path[level]!;
      const block = this.blockAt(node);
      let slot = this.at[level]! + 1;
      const end = this.count[node]!;
      if (!all) while (slot < end && max[block + slot]! < least) slot++;
      if (slot === end) continue;
      this.at[level] = slot;
      let child = this.ref[node * NODE + slot]!;
      for (let down = level - 1; down > 0; down--) {
        slot = 0;
        if (!all) for (let at = this.blockAt(child); max[at]! < least; at++) slot++;
        this.path[down] = child;
        this.at[down] = slot;
        child = this.ref[child * NODE + slot]!;
      }
      this.path[0] = child;
      this.at[0] = -1;
      return true;
    }
    return false;
  }

  /** The mirror of `nextLeaf`: moves the cursor behind the entries of the last such leaf before it. */
  previousLeaf({ max }: Column, least: Unit): boolean {
    for (let level = 1; level < this.height; level++) {
      const node = this.path[level]!;
      const block = this.blockAt(node);
      let slot = this.at[level]! - 1;
      while (slot >= 0 && max[block + slot]! < least) slot--;
      if (slot < 0) continue;
      this.at[level] = slot;
      let child = this.ref[node * NODE + slot]!;
      for (let down = level - 1; down > 0; down--) {
        slot = this.count[child]! - 1;
        for (let at = this.blockAt(child) + slot; max[at]! < least; at--) slot--;
        this.path[down] = child;
        this.at[down] = slot;
        child = this.ref[child * NODE + slot]!;
      }
      this.path[0] = child;
      this.at[0] = this.count[child]!;
      return true;
    }
    return false;
  }

  /**
   * The largest capacity of the segments strictly after the cursor that end by `end`, in a tree
   * ordered by address.
   */
  largestUntil(column: Column, end: Unit): Unit {
    this.#largest = ZERO;
    for (let level = 0; level < this.height; level++) {
      const node = this.path[level]!;
      for (let i = this.at[level]! + 1; i < this.count[node]!; i++) {
        if (!this.#gather(column, node, i, level, end)) return this.#largest;
      }
    }
    return this.#largest;
  }

  /** Free segments before the cursor in the order of the tree. */
  rank(): number {
    this.#countFree();
    const free = this.#free;
    let rank = this.freeBefore(this.path[0]!, this.at[0]!);
    for (let level = 1; level < this.height; level++) {
      const at = this.#above(level);
      for (let i = this.blockAt(this.path[level]!); i < at; i++) rank += free[i]!;
    }
    return rank;
  }

  /** Moves the cursor to the free segment with `rank` others before it. */
  select(rank: number): void {
    this.#countFree();
    const free = this.#free;
    let node = this.root;
    let rest = rank;
    for (let level = this.height - 1; level > 0; level--) {
      const block = this.blockAt(node);
      let slot = 0;
      for (; rest >= free[block + slot]!; slot++) rest -= free[block + slot]!;
      this.path[level] = node;
      this.at[level] = slot;
      node = this.ref[node * NODE + slot]!;
    }
    this.path[0] = node;
    this.at[0] = this.freeSlot(node, rest);
  }

  /** Whether a column's maxima, and the counts of free segments, equal a recount. */
  verifyColumn(column: Column): boolean {
    return this.height === 1 || this.#verifyBelow(column, this.root, this.height - 1);
  }

  #verifyBelow(column: Column, node: number, level: number): boolean {
    const block = this.blockAt(node);
    for (let slot = 0; slot < this.count[node]!; slot++) {
      const child = this.ref[node * NODE + slot]!;
      if (level > 1 && !this.#verifyBelow(column, child, level - 1)) return false;
      if (column.max[block + slot] !== this.#most(column, child, level - 1)) return false;
      if (this.#counted && this.#free[block + slot] !== this.#sum(child, level - 1)) return false;
    }
    return true;
  }

  protected override summarise(level: number, node: number, slot: number): boolean {
    const at = this.blockAt(node) + slot;
    const child = this.ref[node * NODE + slot]!;
    let changed = false;
    for (const column of this.columns) {
      const most = this.#most(column, child, level - 1);
      if (most === column.max[at]) continue;
      column.max[at] = most;
      changed = true;
    }
    if (this.#counted) {
      const free = this.#sum(child, level - 1);
      if (free !== this.#free[at]) changed = true;
      this.#free[at] = free;
    }
    return changed;
  }

  protected override openSummaries(level: number, node: number, slot: number): void {
    const last = this.count[node]! - 1;
    this.copySummaries(node, slot, node, slot + 1, last - slot);
    this.summarise(level, node, slot);
  }

  protected override closeSummaries(node: number, slot: number): void {
    this.copySummaries(node, slot + 1, node, slot, this.count[node]! - slot);
  }

  protected override copySummaries(
    from: number,
    slot: number,
    to: number,
    slotThere: number,
    entries: number,
  ): void {
    const source = this.blockAt(from) + slot;
    const target = this.blockAt(to) + slotThere;
    for (const { max } of this.columns) max.copyWithin(target, source, source + entries);
    if (this.#counted) this.#free.copyWithin(target, source, source + entries);
  }

  /** Upward along the cursor's path, each summary only as far as it changes. */
  protected override refresh(): void {
    if (this.height === 1) return;
    for (const column of this.columns) this.#refreshColumn(column);
    if (this.#counted) this.#refreshFree();
  }

  /** In the cursor's leaf `[start, end)` is free now, and all that was free of it before. */
  grew(start: Unit, end: Unit): void {
    if (this.height === 1) return;
    for (const column of this.columns) {
      const { max } = column;
      const capacity = column.capacity(start, end);
      for (let level = 1; level < this.height; level++) {
        const at = this.#above(level);
        if (max[at]! >= capacity) break;
        max[at] = capacity;
      }
    }
    if (this.#counted) this.#refreshFree();
  }

  /** In the cursor's leaf less than `[start, end)` is free now, which was free before. */
  shrank(start: Unit, end: Unit): void {
    if (this.height === 1) return;
    const at = this.#above(1);
    for (const column of this.columns) {
      // Only what was the largest leaves another maximum behind.
      if (column.capacity(start, end) >= column.max[at]!) this.#refreshColumn(column);
    }
    if (this.#counted) this.#refreshFree();
  }

  #refreshColumn(column: Column): void {
    const { max } = column;
    for (let level = 1; level < this.height; level++) {
      const at = this.#above(level);
      const now = this.#most(column, this.path[level - 1]!, level - 1);
      if (now === max[at]) return;
      max[at] = now;
    }
  }

  #refreshFree(): void {
    const free = this.#free;
    const leaf = this.path[0]!;
    const change = this.freeBefore(leaf, this.count[leaf]!) - free[this.#above(1)]!;
    if (change === 0) return;
    for (let level = 1; level < this.height; level++) free[this.#above(level)]! += change;
  }

  /** Where the summaries of the cursor's node at the level below are kept. */
  #above(level: number): number {
    return this.blockAt(this.path[level]!) + this.at[level]!;
  }

  protected override reserve(blocks: number): void {
    for (const column of this.columns) column.max = grown(column.max, blocks * NODE);
    if (this.#counted) this.#free = copied(this.#free, blocks * NODE);
  }

  override get bytes(): number {
    const counts = this.#counted ? 4 : 0;
    return super.bytes + this.blocks * NODE * (8 * this.columns.length + counts);
  }

  #countFree(): void {
    if (this.#counted) return;
    this.#free = new Uint32Array(this.room * NODE);
    this.#counted = true;
    this.summarised = true;
    if (this.height > 1) this.#countBelow(this.root, this.height - 1);
  }

  #countBelow(node: number, level: number): void {
    const block = this.blockAt(node);
    for (let slot = 0; slot < this.count[node]!; slot++) {
      const child = this.ref[node * NODE + slot]!;
      if (level > 1) this.#countBelow(child, level - 1);
      this.#free[block + slot] = this.#sum(child, level - 1);
    }
  }

  #sum(node: number, level: number): number {
    if (level === 0) return this.freeBefore(node, this.count[node]!);
    let free = 0;
    const block = this.blockAt(node);
    for (let i = block + this.count[node]! - 1; i >= block; i--) free += this.#free[i]!;
    return free;
  }

  #fill(column: Column, node: number, level: number): void {
    const block = this.blockAt(node);
    for (let slot = 0; slot < this.count[node]!; slot++) {
      const child = this.ref[node * NODE + slot]!;
      if (level > 1) this.#fill(column, child, level - 1);
      column.max[block + slot] = this.#most(column, child, level - 1);
    }
  }

  /** The largest capacity below a node. */
  #most(column: Column, node: number, level: number): Unit {
    if (level === 0) return this.leafCapacity(column, node);
    const { max } = column;
    let most = ZERO;
    const block = this.blockAt(node);
    for (let i = block + this.count[node]! - 1; i >= block; i--) {
      if (max[i]! > most) most = max[i]!;
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
      else for (let at = this.blockAt(child); column.max[at]! < least; at++) slot++;
      this.at[level - 1] = slot;
    }
  }

  /** Raises #most by what lies below a slot and ends by `end`; false once something does not. */
  #gather(column: Column, node: number, slot: number, level: number, end: Unit): boolean {
    const position = node * NODE + slot;
    if (level === 0) {
      const next = this.after(position);
      if ((next < 0 ? LIMIT : this.key[next]!) > end) return false;
      this.#raise(this.entryCapacity(column, position, this.#largest));
      return true;
    }
    const child = this.ref[position]!;
    if (slot + 1 < this.count[node]! && this.key[position + 1]! <= end) {
      this.#raise(column.max[this.blockAt(node) + slot]!);
      return true;
    }
    for (let i = 0; i < this.count[child]!; i++) {
      if (!this.#gather(column, child, i, level - 1, end)) return false;
    }
    return true;
  }

  #raise(capacity: Unit): void {
    if (capacity > this.#largest) this.#largest = capacity;
  }
}
