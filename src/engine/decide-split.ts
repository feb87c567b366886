/**
 * Splitting an allocation and merging several: what each leads to. Reads only. No address changes
 * hands by either, so no room is looked for and nothing is imported or released.
 */
import type { Arena } from './arena.ts';
import type { At, Labels, Merge, Range, Split } from './command.ts';
import { allocationAt, changed, held } from './decide-allocation.ts';
import { fullLease } from './decide-lease.ts';
import type { Event } from './event.ts';
import { HOLDINGS_MAX } from './leases.ts';
import { invalid, refuse, written } from './refusal.ts';
import type { Refusal } from './refusal.ts';
import type { Found } from './space.ts';
import type { State } from './state.ts';

export function split({ leases }: State, arena: Arena, command: At<Split>): Event | Refusal {
  const found = allocationAt(arena, command.address);
  if ('refused' in found) return found;
  const { base, size, id } = found;
  const refused =
    changed(arena, id, command.ifRevision) ??
    badSizes(arena, command, found) ??
    bound(arena, found);
  if (refused !== undefined) return refused;
  const pieces = piecesOf(found, command.sizes);
  const sum = pieces.reduce((total, piece) => total + piece.size, 0n);
  if (sum !== size) {
    const what = `the allocation has size ${size}`;
    return typeof command.sizes === 'bigint'
      ? refuse('size-mismatch', `${what}, which is no multiple of ${command.sizes}`)
      : refuse('size-mismatch', `${what}, the sizes make ${sum}`);
  }
  const lease = arena.leaseOf(id);
  const full = lease !== 0 && leases.size(lease) + pieces.length - 1 > HOLDINGS_MAX;
  if (full) return fullLease(leases.id(lease));
  return { type: 'allocationSplit', at: command.at, arena: arena.name, base, size, pieces };
}

/** Invalid in view of the quantum, or of how many pieces there would be. */
function badSizes(arena: Arena, { sizes, piecesMax }: Split, { size }: Found): Refusal | undefined {
  const { quantum } = arena;
  const needed = `must be a positive multiple of the quantum, ${quantum}`;
  if (typeof sizes !== 'bigint') {
    const wrong = sizes.findIndex((piece) => piece <= 0n || piece % quantum !== 0n);
    if (wrong >= 0) return invalid(`/sizes/${wrong}`, needed);
    return sizes.length <= piecesMax ? undefined : tooMany('/sizes', sizes.length, piecesMax);
  }
  if (sizes <= 0n || sizes % quantum !== 0n) return invalid('/size', needed);
  if (sizes >= size) return invalid('/size', `must be less than that of the allocation, ${size}`);
  if (size / sizes <= BigInt(piecesMax)) return undefined;
  return tooMany('/size', size / sizes, piecesMax);
}

function tooMany(pointer: string, pieces: bigint | number, piecesMax: number): Refusal {
  return invalid(pointer, `would make ${pieces} pieces; at most ${piecesMax} at a time`);
}

/** Side by side from the base on; of one size, as many as there are whole ones. */
function piecesOf({ base, size }: Range, sizes: Split['sizes']): Range[] {
  const list =
    typeof sizes === 'bigint' ? Array.from({ length: Number(size / sizes) }, () => sizes) : sizes;
  let at = base;
  return list.map((piece) => {
    at += piece;
    return { base: at - piece, size: piece };
  });
}

export function merge(arena: Arena, command: At<Merge>): Event | Refusal {
  const { address, others, labels, at } = command;
  const first = allocationAt(arena, address);
  if ('refused' in first) return first;
  const missing = 'end' in others ? undefined : missingOf(arena, others);
  const stale = missing ?? changed(arena, first.id, command.ifRevision);
  if (stale !== undefined) return stale;
  const parts =
    'end' in others
      ? partsUntil(arena, first, others.end, command.partsMax)
      : namedParts(arena, first, others, command.partsMax);
  if ('refused' in parts) return parts;
  const { found } = parts;
  for (const part of found) {
    const busy = bound(arena, part);
    if (busy !== undefined) return busy;
  }
  const refused = gapIn(arena, parts) ?? difference(arena, found, labels);
  if (refused !== undefined) return refused;
  const size = found.reduce((total, part) => total + part.size, 0n);
  return {
    type: 'allocationsMerged',
    at,
    arena: arena.name,
    base: address,
    size,
    parts: found.map((part) => ({ base: part.base, size: part.size })),
    ...(labels === undefined ? {} : { labels }),
  };
}

interface Parts {
  /** In order of address. */
  readonly found: readonly Found[];
  /** Where the next allocation would have to start or, with `end`, the last one to end. */
  readonly missing?: bigint;
}

function missingOf(arena: Arena, others: readonly bigint[]): Refusal | undefined {
  for (const [i, address] of others.entries()) {
    const other = allocationAt(arena, address);
    if ('refused' in other) return { ...other, pointer: `/with/${i}` };
  }
  return undefined;
}

/** The allocations that were given, which are there. */
function namedParts(
  arena: Arena,
  first: Found,
  others: readonly bigint[],
  partsMax: number,
): Parts | Refusal {
  const found = [first];
  if (others.length >= partsMax) return invalid('/with', `takes in more than ${partsMax}`);
  const seen = new Set<bigint>();
  for (const [i, address] of others.entries()) {
    const pointer = `/with/${i}`;
    if (address <= first.base) return invalid(pointer, 'must be above that of the allocation');
    if (seen.has(address)) return invalid(pointer, 'is given twice');
    seen.add(address);
    found.push(arena.allocationAt(address)!);
  }
  return { found: found.toSorted((a, b) => (a.base < b.base ? -1 : 1)) };
}

/** The allocations from the first one on, side by side, up to the address `end`. */
function partsUntil(arena: Arena, first: Found, end: bigint, partsMax: number): Parts | Refusal {
  const found = [first];
  let next = first.base + first.size;
  if (end < next) {
    const detail = 'must be above the end of the allocation, {0}';
    return { ...invalid('/end', detail), ...written(arena, next - 1n) };
  }
  while (next <= end) {
    const part = arena.allocationAt(next);
    if (part === undefined) return { found, missing: next };
    if (found.length >= partsMax) return invalid('/end', `takes in more than ${partsMax}`);
    found.push(part);
    next += part.size;
  }
  return next === end + 1n ? { found } : { found, missing: end + 1n };
}

/** Parts that are not side by side in one span, or in static ones. */
function gapIn(arena: Arena, { found, missing }: Parts): Refusal | undefined {
  for (const [i, { base }] of found.entries()) {
    const before = found[i - 1];
    if (before === undefined) continue;
    const end = before.base + before.size;
    if (end !== base) return notAdjacent(arena, 'no allocation that is given starts at {0}', end);
    const span = arena.spans.get(base);
    if (span === undefined) continue;
    const imported = span.imported || arena.spans.holding(base - 1n)?.imported === true;
    if (imported) return notAdjacent(arena, 'another span begins at {0}', base);
  }
  if (missing === undefined) return undefined;
  return notAdjacent(arena, 'no allocation starts at {0}, before the end', missing);
}

function notAdjacent(arena: Arena, detail: string, at: bigint): Refusal {
  return refuse('not-adjacent', detail, written(arena, at));
}

/** What keeps allocations from being one: what is known of them, where nothing else is given. */
function difference(
  arena: Arena,
  [first, ...others]: readonly Found[],
  labels: Labels | undefined,
): Refusal | undefined {
  const { allocations } = arena;
  const about = allocations.about(first!.id);
  for (const { base, id } of others) {
    const other = allocations.about(id);
    if (arena.leaseOf(id) !== arena.leaseOf(first!.id)) {
      const detail = 'the allocation at {0} is under another lease, or only one of them is';
      return refuse('not-alike', detail, written(arena, base));
    }
    if (other.externalId !== undefined) {
      const detail = 'the allocation at {0} has an external id of its own, which would be lost';
      return refuse('not-alike', detail, written(arena, base));
    }
    if (other.owner !== about.owner) {
      const detail = 'the allocation at {0} has another owner; change it first';
      return refuse('not-alike', detail, written(arena, base));
    }
    if (labels === undefined && !sameLabels(other.labels, about.labels)) {
      const detail = 'the allocation at {0} has other labels; give those that are to be';
      return refuse('not-alike', detail, written(arena, base));
    }
  }
  return undefined;
}

function sameLabels(a: Labels, b: Labels): boolean {
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}

/** A range that is not free to be cut or joined: another arena's span, or a piece of a slab. */
function bound(arena: Arena, { base, id }: Found): Refusal | undefined {
  const heldBy = held(arena, id);
  if (heldBy !== undefined || arena.cache?.holding(base) === undefined) return heldBy;
  const detail = 'the allocation at {0} is a piece of a quantum cache, which keeps its size';
  return refuse('allocation-busy', detail, written(arena, base));
}
