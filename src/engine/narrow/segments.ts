/**
 * The segments of one arena, in units: a tiling of the whole space [0, LIMIT) in which every entry
 * ends where the next begins, so that only starts are stored. What belongs to no span is *void*. A
 * span is free to begin with; free neighbours merge at once, except across an *edge*, the start of
 * an imported span or of what follows one, so that imported spans keep their identity while adjacent
 * static spans serve one request together.
 *
 * Three indexes, each present only as far as it is used: the address tree (always), the bins of
 * free segments for instantfit (always, a few bytes a gap), the size tree for bestfit and randomfit
 * (from the first request that needs it). This file only changes and reads the tiling; `search.ts`
 * decides where a block goes.
 */
import { assert } from '../assert.ts';
import { Bins, classOf } from './bins.ts';
import type { Fit } from './fit.ts';
import type { Column } from './guided-tree.ts';
import { GuidedTree } from './guided-tree.ts';
import type { Run } from './run.ts';
import { NODE } from './nodes.ts';
import { LIMIT, NONE, ZERO } from './unit.ts';
import type { Unit } from './unit.ts';

export const VOID = 0;
export const FREE = 1;
export const BUSY = 2;
/** Neither free nor busy: with an id freed and not yet reusable, without one kept by a quantum cache. */
export const HELD = 3;

/** A reference packs the state (2 bits), the edge (1 bit) and an id: a gap's, or the caller's. */
const STATE = 30;
const EDGE = 1 << 29;
const ID = EDGE - 1;

function entry(state: number, edge: number, id: number): number {
  return (state << STATE) | edge | id;
}

/** All segments by address. */
export class AddressTree extends GuidedTree {
  constructor() {
    super(false);
  }

  /**
   * The lowest placement in the segments behind the cursor that are in its leaf, which it moves to; NONE
   * where there is none, up to the end of the window. All of them start in the window.
   */
  lowestInLeaf(fit: Fit, size: Unit, to: Unit): Unit {
    const { key, ref } = this;
    const base = this.path[0]! * NODE;
    const last = base + this.count[this.path[0]!]! - 1;
    this.rejected = 0;
    for (let i = base + this.at[0]! + 1; i <= last; i++) {
      if (ref[i]! >>> STATE !== FREE) continue;
      const start = key[i]!;
      const end = this.#endOf(i, last);
      if (end - start < size) continue;
      if (start + size > to) return NONE;
      const at = fit.lowest(start, end < to ? end : to, size);
      if (at !== NONE) {
        this.at[0] = i - base;
        return at;
      }
      if (end <= to) this.rejected++;
    }
    return NONE;
  }

  /** The mirror of `lowestInLeaf`: the highest placement before the cursor. All segments end in the window. */
  highestInLeaf(fit: Fit, size: Unit, from: Unit): Unit {
    const { key, ref } = this;
    const base = this.path[0]! * NODE;
    const last = base + this.count[this.path[0]!]! - 1;
    this.rejected = 0;
    for (let i = base + this.at[0]! - 1; i >= base; i--) {
      if (ref[i]! >>> STATE !== FREE) continue;
      const start = key[i]!;
      const end = this.#endOf(i, last);
      if (end - start < size) continue;
      if (end < from + size) return NONE;
      const at = fit.highest(start > from ? start : from, end, size);
      if (at !== NONE) {
        this.at[0] = i - base;
        return at;
      }
      if (start >= from) this.rejected++;
    }
    return NONE;
  }

  /** Where the segment at a position ends, given the last position of its leaf. */
  #endOf(position: number, last: number): Unit {
    const next = position < last ? position + 1 : this.after(position);
    return next < 0 ? LIMIT : this.key[next]!;
  }

  protected override freeBefore(leaf: number, slot: number): number {
    const { ref } = this;
    let free = 0;
    const end = leaf * NODE + slot;
    for (let i = leaf * NODE; i < end; i++) if (ref[i]! >>> STATE === FREE) free++;
    return free;
  }

  protected override freeSlot(leaf: number, before: number): number {
    const { ref } = this;
    let rest = before;
    let slot = 0;
    const end = this.count[leaf]!;
    while (slot < end && (ref[leaf * NODE + slot]! >>> STATE !== FREE || rest-- > 0)) slot++;
    assert(slot < end, 'as many segments are free as were counted');
    return slot;
  }

  protected override entryCapacity(column: Column, position: number, least: Unit): Unit {
    if (this.ref[position]! >>> STATE !== FREE) return ZERO;
    const next = this.after(position);
    const start = this.key[position]!;
    const end = next < 0 ? LIMIT : this.key[next]!;
    return end - start < least ? ZERO : column.capacity(start, end);
  }

  protected override leafCapacity(column: Column, leaf: number): Unit {
    const { key, ref } = this;
    let most = ZERO;
    // Backwards, because every segment ends where the next one begins.
    const last = leaf * NODE + this.count[leaf]! - 1;
    const next = this.after(last);
    let end = next < 0 ? LIMIT : key[next]!;
    for (let i = last; i >= leaf * NODE; i--) {
      const start = key[i]!;
      if (ref[i]! >>> STATE === FREE && end - start > most) {
        const there = column.capacity(start, end);
        if (there > most) most = there;
      }
      end = start;
    }
    return most;
  }
}

/** Free segments by size, then by address. */
export class SizeTree extends GuidedTree {
  constructor() {
    super(true);
  }

  /**
   * The placement in the first segment behind the cursor that has one in the window and is in its leaf, to
   * which it moves; NONE where there is none. All of them are large enough.
   */
  smallestInLeaf(fit: Fit, size: Unit, from: Unit, to: Unit): Unit {
    const { key, tie } = this;
    const base = this.path[0]! * NODE;
    const end = base + this.count[this.path[0]!]!;
    this.rejected = 0;
    for (let i = base + this.at[0]! + 1; i < end; i++) {
      const start = tie[i]!;
      if (start + size > to) continue;
      const bound = start + key[i]!;
      if (bound < from + size) continue;
      const at = fit.lowest(start > from ? start : from, bound < to ? bound : to, size);
      if (at !== NONE) {
        this.at[0] = i - base;
        return at;
      }
      if (start >= from && bound <= to) this.rejected++;
    }
    return NONE;
  }

  add(gap: number, start: Unit, size: Unit): void {
    this.seekTied(size, start);
    if (this.insertOnly(size, gap, start)) this.grew(start, start + size);
  }

  drop(gap: number, start: Unit, size: Unit): void {
    this.seekTied(size, start);
    assert(this.ref[this.position] === gap, 'every free segment is filed under its size');
    if (this.removeOnly()) this.shrank(start, start + size);
  }

  protected override freeBefore(_leaf: number, slot: number): number {
    return slot < 0 ? 0 : slot;
  }

  protected override freeSlot(_leaf: number, before: number): number {
    return before;
  }

  protected override entryCapacity(column: Column, position: number): Unit {
    const start = this.tie[position]!;
    return column.capacity(start, start + this.key[position]!);
  }

  protected override leafCapacity(column: Column, leaf: number): Unit {
    let most = ZERO;
    for (let i = leaf * NODE + this.count[leaf]! - 1; i >= leaf * NODE; i--) {
      if (this.key[i]! <= most) return most;
      const there = this.entryCapacity(column, i);
      if (there > most) most = there;
    }
    return most;
  }
}

export class Segments {
  readonly tree = new AddressTree();
  readonly bins = new Bins();
  #sizes: SizeTree | undefined;
  /** Units free, and units of all spans. */
  free: Unit = ZERO;
  size: Unit = ZERO;
  /** What `after` answers with behind the last entry. */
  readonly none = -1;

  constructor() {
    this.tree.seek(ZERO);
    this.tree.insert(ZERO, entry(VOID, 0, 0));
  }

  /** The tiling that a run held until now, with the bins' queues as they were. */
  static of(run: Run): Segments {
    const segments = new Segments();
    const { tree, bins } = segments;
    segments.size = run.end - run.start;
    segments.free = run.free;
    // Gap by the cell that the run kept it in.
    const gaps = new Uint32Array(run.bins.used);
    if (run.start === ZERO) segments.#clear();
    for (let cell = run.first(); cell !== run.none; cell = run.after(cell)) {
      const state = run.stateOf(cell);
      const start = run.startOf(cell);
      let id = run.idOf(cell);
      if (state === FREE) {
        id = bins.create();
        bins.cells.setStart(id, start);
        gaps[cell] = id;
      }
      tree.append(start, entry(state, 0, id));
    }
    if (run.end < LIMIT) tree.append(run.end, entry(VOID, 0, 0));
    for (let index = run.bins.nextFilled(0); index >= 0; index = run.bins.nextFilled(index + 1)) {
      for (let cell = run.bins.oldest(index); cell !== 0; cell = run.bins.younger(cell)) {
        bins.enter(gaps[cell]!, index);
      }
    }
    return segments;
  }

  /**
   * Adds a segment behind all others of a tiling that is being built in order; what lies before the
   * first one is void. Returns the gap of a free segment, which waits to be filed, else 0. Searches
   * nothing: a million segments take a tenth of a second.
   */
  append(start: Unit, end: Unit, state: number, edge: boolean, id: number): number {
    const { tree, bins } = this;
    assert(id <= ID, 'an id fits beside the state');
    if (start === ZERO) this.#clear();
    const gap = state === FREE ? bins.create() : 0;
    tree.append(start, entry(state, edge ? EDGE : 0, state === FREE ? gap : id));
    if (state !== VOID) this.size += end - start;
    if (state === FREE) {
      this.free += end - start;
      bins.await(gap, start, end - start);
    }
    return gap;
  }

  /** The free segments by size, indexed when first asked for. */
  get sizes(): SizeTree {
    this.#sizes ??= this.#indexSizes();
    return this.#sizes;
  }

  get sizesIndexed(): boolean {
    return this.#sizes !== undefined;
  }

  // Positions: `find` gives the entry that holds a unit; positions hold until the next change.

  first(): number {
    return this.tree.first();
  }

  find(unit: Unit): number {
    this.tree.seek(unit);
    return this.tree.position;
  }

  startOf(position: number): Unit {
    return this.tree.key[position]!;
  }

  endOf(position: number): Unit {
    const next = this.tree.after(position);
    return next < 0 ? LIMIT : this.tree.key[next]!;
  }

  stateOf(position: number): number {
    return this.tree.ref[position]! >>> STATE;
  }

  idOf(position: number): number {
    return this.tree.ref[position]! & ID;
  }

  /** The gap of a free segment in the bins. */
  gapOf(position: number): number {
    return this.idOf(position);
  }

  edgeOf(position: number): boolean {
    return (this.tree.ref[position]! & EDGE) !== 0;
  }

  /** The entry after a position, or -1. */
  after(position: number): number {
    return this.tree.after(position);
  }

  /** Makes `[start, end)`, void until now, a free part of a span; an edge keeps it from merging. */
  addRun(start: Unit, end: Unit, edgeStart: boolean, edgeEnd: boolean): void {
    const at = this.find(start);
    const bound = this.endOf(at);
    assert(this.stateOf(at) === VOID && end <= bound, 'a span is added where there was none');
    const edge = edgeStart ? EDGE : 0;
    if (this.startOf(at) < start) this.tree.insert(start, entry(BUSY, edge, 0));
    else this.tree.ref[at] = entry(BUSY, edge, 0);
    if (end < bound) this.tree.insert(end, entry(VOID, 0, 0));
    else if (end < LIMIT) this.#setEdge(end, edgeEnd);
    this.size += end - start;
    this.vacate(start);
  }

  /** Makes `[start, end)`, free until now, void. */
  removeRun(start: Unit, end: Unit): void {
    this.occupy(start, end - start, BUSY, 0);
    this.size -= end - start;
    const at = this.find(start);
    const next = this.after(at);
    const before = this.tree.before(at);
    this.tree.ref[at] = entry(VOID, 0, 0);
    if (next >= 0 && this.stateOf(next) === VOID) {
      this.tree.forward();
      this.tree.remove();
    }
    if (before >= 0 && this.stateOf(before) === VOID) {
      this.find(start);
      this.tree.remove();
    }
  }

  /** Takes `[start, start + size)` out of one free segment; the caller's id fits into 29 bits. */
  occupy(start: Unit, size: Unit, state: number, id: number): void {
    const { tree } = this;
    const at = this.find(start);
    const from = this.startOf(at);
    const to = this.endOf(at);
    const end = start + size;
    assert(this.stateOf(at) === FREE && end <= to, 'only a free segment is occupied');
    assert(id <= ID, 'an id fits beside the state');
    const gap = this.idOf(at);
    this.free -= size;
    if (from === start) {
      tree.ref[at] = entry(state, tree.ref[at]! & EDGE, id);
      if (end === to) {
        this.#unfile(gap, from, to - from);
        this.bins.drop(gap);
        tree.shrank(from, to);
        return;
      }
      this.#shrink(gap, from, to - from, end, to - end);
      if (tree.insertOnly(end, entry(FREE, 0, gap))) tree.shrank(from, to);
      return;
    }
    this.#shrink(gap, from, to - from, from, start - from);
    let stale = tree.insertOnly(start, entry(state, 0, id));
    if (end < to) {
      const rest = this.bins.create();
      this.#file(rest, end, to - end);
      stale = tree.insertOnly(end, entry(FREE, 0, rest));
    }
    if (stale) tree.shrank(from, to);
  }

  /** Frees the segment that starts at `start`, whatever its state, and merges it with its neighbours. */
  vacate(start: Unit): void {
    const { tree } = this;
    const at = this.find(start);
    assert(this.startOf(at) === start, 'a segment is freed by its start');
    assert(this.stateOf(at) >= BUSY, 'only what is not free is freed');
    const end = this.endOf(at);
    this.free += end - start;
    const before = this.edgeOf(at) ? -1 : tree.before(at);
    const after = this.after(at);
    const merges = after >= 0 && this.stateOf(after) === FREE && !this.edgeOf(after);
    if (before >= 0 && this.stateOf(before) === FREE) {
      this.#mergeLeft(start, end, before, merges ? after : -1);
    } else if (merges) {
      const gap = this.idOf(after);
      const to = this.endOf(after);
      this.#unfile(gap, end, to - end);
      tree.ref[at] = entry(FREE, tree.ref[at]! & EDGE, gap);
      this.#absorb(start, end, to);
      this.#file(gap, start, to - start);
      tree.grew(start, to);
    } else {
      const gap = this.bins.create();
      this.#file(gap, start, end - start);
      tree.ref[at] = entry(FREE, tree.ref[at]! & EDGE, gap);
      tree.grew(start, end);
    }
  }

  /** Moves the end of a busy segment into the free segment behind it, or back. */
  resize(start: Unit, size: Unit): void {
    const at = this.find(start);
    assert(this.startOf(at) === start && this.stateOf(at) === BUSY, 'a busy segment is resized');
    const end = this.endOf(at);
    const id = this.idOf(at);
    const state = this.stateOf(at);
    const grown = start + size;
    if (grown === end) return;
    // A busy remainder, freed, merges as it should; a busy extension, joined, is the growth.
    if (grown < end) {
      this.tree.insert(grown, entry(BUSY, 0, 0));
      this.vacate(grown);
      return;
    }
    this.occupy(end, grown - end, state, id);
    this.find(end);
    this.tree.remove();
  }

  /** Changes state and id of the segment at `start`, which is not free and stays so. */
  relabel(start: Unit, state: number, id: number): void {
    const at = this.find(start);
    assert(this.startOf(at) === start && this.stateOf(at) >= BUSY && state >= BUSY, 'not free');
    this.tree.ref[at] = entry(state, this.tree.ref[at]! & EDGE, id);
  }

  /** Changes the state of the segment at a position, which is not free and stays so. */
  mark(position: number, state: number): void {
    this.tree.ref[position] = entry(state, this.tree.ref[position]! & EDGE, this.idOf(position));
  }

  /** Makes `at`, inside a busy or held segment, the start of another one. */
  cut(at: Unit, id: number): void {
    const position = this.find(at);
    const state = this.stateOf(position);
    assert(this.startOf(position) < at && state >= BUSY, 'only what is not free is cut, inside');
    assert(id <= ID, 'an id fits beside the state');
    this.tree.insert(at, entry(state, 0, id));
  }

  /** Makes the segment that starts at `at` a part of the one before it, which is not free either. */
  join(at: Unit): void {
    const position = this.find(at);
    const before = this.tree.before(position);
    assert(this.startOf(position) === at && !this.edgeOf(position), 'a segment without an edge');
    const alike = before >= 0 && this.stateOf(before) === this.stateOf(position);
    assert(alike && this.stateOf(position) >= BUSY, 'only what is not free is joined, and alike');
    this.find(at);
    this.tree.remove();
  }

  /** The start of the gap that is filed behind the one that starts at `start`, or NONE. */
  younger(start: Unit): Unit {
    const position = this.find(start);
    assert(this.startOf(position) === start && this.stateOf(position) === FREE, 'a gap is filed');
    const gap = this.bins.younger(this.idOf(position));
    return gap === 0 ? NONE : this.bins.start(gap);
  }

  /**
   * Files the gap that starts at `start` in front of the one at `younger`, or last of its class for
   * NONE: where it was before something that is taken back.
   */
  refile(start: Unit, younger: Unit): void {
    const position = this.find(start);
    const gap = this.idOf(position);
    const size = this.endOf(position) - start;
    const front = younger === NONE ? 0 : this.idOf(this.find(younger));
    this.bins.unfile(gap, size);
    this.bins.enterBefore(gap, classOf(size), front);
  }

  /** Whether `[start, end)` lies within one free segment. */
  isFree(start: Unit, end: Unit): boolean {
    const at = this.find(start);
    return this.stateOf(at) === FREE && end <= this.endOf(at);
  }

  /** Bytes of all indexes. */
  get bytes(): number {
    return this.tree.bytes + this.bins.bytes + (this.#sizes?.bytes ?? 0);
  }

  /** Takes away the one void entry of a fresh tiling. */
  #clear(): void {
    this.tree.remove();
    this.tree.seek(ZERO);
  }

  #mergeLeft(start: Unit, end: Unit, before: number, after: number): void {
    const { tree } = this;
    const gap = this.idOf(before);
    const from = this.startOf(before);
    let to = end;
    this.#unfile(gap, from, start - from);
    if (after >= 0) {
      const absorbed = this.idOf(after);
      to = this.endOf(after);
      this.#unfile(absorbed, end, to - end);
      this.bins.drop(absorbed);
      this.#absorb(start, end, to);
    }
    const stands = tree.removeOnly();
    if (!stands || tree.position < 0) {
      // The gap on the left is in another leaf; this one may have lost the gap on the right.
      if (stands && after >= 0) tree.shrank(end, to);
      tree.seek(from);
    }
    this.#file(gap, from, to - from);
    tree.grew(from, to);
  }

  /** Removes the free segment `[end, to)` after the cursor, which stays at the one that starts at `start`. */
  #absorb(start: Unit, end: Unit, to: Unit): void {
    const { tree } = this;
    tree.forward();
    const stands = tree.removeOnly();
    if (stands && tree.position >= 0) return;
    if (stands) tree.shrank(end, to);
    tree.seek(start);
  }

  #setEdge(unit: Unit, edge: boolean): void {
    const at = this.find(unit);
    if (this.stateOf(at) === VOID) return;
    this.tree.ref[at] = entry(this.stateOf(at), edge ? EDGE : 0, this.idOf(at));
  }

  #file(gap: number, start: Unit, size: Unit): void {
    this.bins.file(gap, start, size);
    this.#sizes?.add(gap, start, size);
  }

  #unfile(gap: number, start: Unit, size: Unit): void {
    this.#sizes?.drop(gap, start, size);
    this.bins.unfile(gap, size);
  }

  #shrink(gap: number, start: Unit, size: Unit, newStart: Unit, newSize: Unit): void {
    this.#sizes?.drop(gap, start, size);
    this.bins.shrink(gap, size, newStart, newSize);
    this.#sizes?.add(gap, newStart, newSize);
  }

  #indexSizes(): SizeTree {
    const sizes = new SizeTree();
    for (let at = this.tree.first(); at >= 0; at = this.after(at)) {
      if (this.stateOf(at) === FREE) {
        sizes.add(this.idOf(at), this.startOf(at), this.endOf(at) - this.startOf(at));
      }
    }
    return sizes;
  }
}
