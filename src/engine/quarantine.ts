/**
 * How rests begin and end in one arena: a range that rests is a held segment that keeps the record of
 * the allocation which it was. All of this mutates, and is called by `apply` alone.
 *
 * A block may be cut out of what rests. The remainders rest on, as long as the whole would have, but
 * are no former allocation any more. A resting piece of a slab is in use, as far as its slab knows.
 */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import type { Range } from './command.ts';
import type { Reused } from './event.ts';
import { BUSY, HELD } from './narrow/segments.ts';
import { charge, chargeNobody } from './owners.ts';
import type { Slab } from './quantum-cache.ts';
import type { Found } from './space.ts';

/** The allocation at `base` has ended, and its range rests. */
export function rest(arena: Arena, base: bigint, revision: number): void {
  arena.touch(revision);
  const { allocations, undo } = arena;
  const found = arena.allocationAt(base);
  assert(found !== undefined, 'what is freed is an allocation');
  const { id, size } = found;
  const { importedBy } = allocations.about(id);
  charge(arena, id, -size, -1);
  arena.unrested?.give(base, arena.cache?.holding(base));
  arena.leave(id, revision);
  allocations.retire(id, base);
  if (undo.trying) undo.push(() => allocations.revive(id, base));
  // A span of another arena does not come back.
  if (importedBy !== undefined) empty(arena, id);
  arena.space.relabel(base, HELD, id);
  begin(arena, id, base, size, revision);
}

/** All allocations but those that importing arenas hold have ended, and rest. */
export function restAll(arena: Arena, revision: number): void {
  const { allocations, rests } = arena;
  arena.touch(revision);
  chargeNobody(arena);
  arena.forgetUnrested();
  // Where none stays, and no slab counts its pieces, nothing has to be looked up of each.
  const together = allocations.held === 0 && arena.cache === undefined;
  if (together) arena.leaveAll(revision);
  rests.addAll(revision, allocations.numbers, (add) => {
    arena.space.hold((base, size, id) => {
      if (!together && !retire(arena, BigInt(base), id, revision)) return false;
      add(id, base, size);
      return true;
    });
  });
  if (together) allocations.retireAll();
}

/** Ends the allocation whose range comes to rest, unless an importing arena holds it. */
function retire(arena: Arena, base: bigint, id: number, revision: number): boolean {
  const { allocations, cache } = arena;
  if (allocations.about(id).importedBy !== undefined) return false;
  arena.leave(id, revision);
  allocations.retire(id, base);
  if (cache?.holding(base) !== undefined) cache.rest(base, 1);
  return true;
}

/** The end of the allocation at `base` moves down to `size`, and what is cut off rests. */
export function restTail(arena: Arena, { base, size }: Range, revision: number): void {
  const found = arena.allocationAt(base);
  assert(found !== undefined && size < found.size, 'an allocation is cut off');
  charge(arena, found.id, size - found.size, 0);
  arena.unrested?.resize({ base, size });
  const id = partAt(arena, base + size, revision);
  begin(arena, id, base + size, found.size - size, revision);
  arena.describe(base, revision, {});
}

/** What rests at `base` does so no longer: it is free, or a cached piece. */
export function endRest(arena: Arena, base: bigint, revision: number): void {
  arena.touch(revision);
  const found = restAt(arena, base);
  end(arena, found);
  forget(arena, found.id);
  arena.vacate(base, revision);
}

/** What rests at `base` is an allocation again. */
export function undelete(arena: Arena, base: bigint, revision: number): void {
  arena.touch(revision);
  const { allocations, undo } = arena;
  const found = restAt(arena, base);
  const { id } = found;
  assert(allocations.isFormer(id), 'what comes back was an allocation');
  arena.unrested?.take(found, arena.cache?.holding(base));
  end(arena, found);
  allocations.revive(id, base);
  if (undo.trying) undo.push(() => allocations.retire(id, base));
  charge(arena, id, found.size, 1);
  arena.space.relabel(base, BUSY, id);
  arena.describe(base, revision, {});
}

/** Makes room for a block: all of its range that rests is free, or the cached piece that it will be. */
export function reuse(arena: Arena, block: Reused, revision: number): void {
  const slab = arena.cache?.holding(block.base);
  const found = arena.space.find(block.base);
  const like = slab?.pieceSize === block.size && found.base === block.base && found.id !== 0;
  const piece = like && block.noPiece !== true;
  if (piece) reusePiece(arena, found, revision);
  else endRestsIn(arena, block, revision);
}

/** All of a range that rests is free, and slabs that reach into it, with no piece in use, are none. */
export function endRestsIn(arena: Arena, { base, size }: Range, revision: number): void {
  arena.touch(revision);
  const end = base + size;
  for (const slab of arena.cache?.overlapping(base, end) ?? []) dissolve(arena, slab);
  const found: Found[] = [];
  arena.space.walk(base, (one) => {
    if (one.base < end && one.state === HELD && one.id !== 0) found.push(one);
    return one.base < end;
  });
  for (const one of found) cutOut(arena, one, base, end, revision);
}

/** The slab is given up: what of it is cached is free, and what rests does so as a block of its own. */
function dissolve(arena: Arena, slab: Slab): void {
  const { cache, space, undo } = arena;
  cache!.forget(slab);
  if (undo.trying) undo.push(() => cache!.unforget(slab));
  for (let at = 0n; at < slab.size; at += slab.pieceSize) {
    const { state, id } = space.find(slab.base + at);
    assert(state === HELD, 'no piece of a slab that is given up is in use');
    if (id === 0) space.vacate(slab.base + at);
  }
}

/** What a resting segment has of `[from, to)` is free; the remainders, if there are any, rest on. */
function cutOut(arena: Arena, found: Found, from: bigint, to: bigint, revision: number): void {
  const { rests, space, undo } = arena;
  const { base, size, id } = found;
  const end = base + size;
  if (to < end) {
    const by = end - to;
    rests.trim(id, by);
    if (undo.trying) undo.push(() => rests.trim(id, -by));
    const part = partAt(arena, to, revision);
    rests.insert(part, to, by, { since: rests.since(id), before: id });
    if (undo.trying) undo.push(() => rests.remove(part, by));
  }
  if (from <= base) return endRest(arena, base, revision);
  const by = (to < end ? to : end) - from;
  empty(arena, id);
  rests.trim(id, by);
  if (undo.trying) undo.push(() => rests.trim(id, -by));
  space.cut(from, 0);
  space.vacate(from);
}

/** A resting piece of a slab is a cached one, which will be taken at once: its slab stays. */
function reusePiece(arena: Arena, found: Found, revision: number): void {
  arena.touch(revision);
  const { cache, undo } = arena;
  const { base, id } = found;
  end(arena, found);
  forget(arena, id);
  arena.space.relabel(base, HELD, 0);
  cache!.untake(base);
  if (undo.trying) undo.push(() => cache!.take(base));
  arena.tally(base, -1, revision);
}

/** Makes the end of a segment, from an address on, one that is held; no former allocation. */
function partAt(arena: Arena, at: bigint, revision: number): number {
  const { allocations, space, undo } = arena;
  const id = allocations.createRetired();
  if (undo.trying) undo.push(() => allocations.forget(id));
  space.cut(at, id);
  space.relabel(at, HELD, id);
  arena.tally(at, 1, revision);
  return id;
}

function restAt(arena: Arena, base: bigint): Found {
  const found = arena.space.find(base);
  assert(
    found.base === base && found.state === HELD && found.id !== 0,
    'a rest is ended by its start',
  );
  return found;
}

function begin(arena: Arena, id: number, base: bigint, size: bigint, since: number): void {
  const { rests, undo } = arena;
  rests.add(id, base, size, since);
  if (undo.trying) undo.push(() => rests.remove(id, size));
  count(arena, base, 1);
}

function end(arena: Arena, { base, size, id }: Found): void {
  const { rests, undo } = arena;
  const place = rests.remove(id, size);
  if (undo.trying) undo.push(() => rests.insert(id, base, size, place));
  count(arena, base, -1);
}

/** Counts a piece that rests in its slab, if it lies in one; or one less. */
function count({ cache, undo }: Arena, base: bigint, by: 1 | -1): void {
  if (cache?.holding(base) === undefined) return;
  cache.rest(base, by);
  if (undo.trying) undo.push(() => cache.rest(base, by === 1 ? -1 : 1));
}

function forget(arena: Arena, id: number): void {
  const { allocations, undo } = arena;
  if (undo.trying) {
    const [createdAt, revision] = [allocations.createdAt(id), allocations.revision(id)];
    const about = allocations.about(id);
    undo.push(() => {
      const back = allocations.createRetired(createdAt, revision, about);
      assert(back === id, 'the record of what rests comes back by its number');
    });
  }
  allocations.forget(id);
}

/** The record of what rests says of no former allocation any more. */
function empty(arena: Arena, id: number): void {
  const { allocations, undo } = arena;
  if (undo.trying) {
    const [createdAt, revision] = [allocations.createdAt(id), allocations.revision(id)];
    const about = allocations.about(id);
    undo.push(() => allocations.rewrite(id, createdAt, revision, about));
  }
  allocations.rewrite(id);
}
