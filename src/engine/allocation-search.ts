/**
 * Search: the allocations of one arena that match, in the order of their addresses, a page at a time.
 *
 * Without an index a search looks at one allocation after the other. Where many of them did not
 * match, the index of its first term grows by as many as it looked at: so a large arena never waits
 * for an index, and is not searched in vain for long. Once one is whole it leads to the answers;
 * where it leads to many that fail another term, the index of that one grows.
 */
import { valueIn } from './allocation-index.ts';
import type { AllocationIndex, Term } from './allocation-index.ts';
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import { BUSY } from './narrow/segments.ts';
import type { Found as Segment } from './space.ts';
import type { AllocationView } from './view.ts';

export interface Search {
  /** What all that match have. */
  readonly terms: readonly Term[];
  /** Where given, those that may match are the ones at these addresses, which are in order. */
  readonly among?: readonly bigint[];
  /** The external id that it has; at most one matches. */
  readonly externalId?: string;
  /** Addresses of those that may match, inclusive. */
  readonly from: bigint;
  readonly to: bigint;
  /** Whether the one that begins below `from` and holds it may match, too. */
  readonly across: boolean;
  /** What else they have to meet. */
  readonly matches: (view: AllocationView) => boolean;
  /** Most of them in a page. */
  readonly limit: number;
  /** Most that are looked at for it. */
  readonly most: number;
}

export interface Found {
  readonly views: readonly AllocationView[];
  /** Where to go on; absent where nothing more can match. */
  readonly next?: bigint;
  readonly looked: number;
}

/** Looking in vain at fewer than this costs less than what an index takes. */
const MISSES_MIN = 64;
/** Terms that an index is made for; a search by more is narrow enough. */
const TERMS_MAX = 4;

/** Looks for the next page. What is stored does not change; an index may grow. */
export function search(arena: Arena, wanted: Search): Found {
  const { to, limit, most } = wanted;
  const terms = wanted.terms.slice(0, TERMS_MAX);
  const lead = leadOf(arena, terms);
  const from = firstOf(arena, wanted);
  const views: AllocationView[] = [];
  let looked = 0;
  let next: bigint | undefined;
  const take = (found: Segment): boolean => {
    if (found.base > to) return false;
    if (looked === most || views.length === limit) {
      next = found.base;
      return false;
    }
    looked++;
    // First by what costs nothing to look at.
    const about = arena.allocations.about(found.id);
    if (wanted.terms.some((term) => valueIn(about, term) !== term.value)) return true;
    const view = arena.allocationView(found);
    if (wanted.matches(view)) views.push(view);
    return true;
  };
  if (wanted.externalId !== undefined) {
    const address = arena.allocations.named(wanted.externalId);
    if (address !== undefined && address >= from) take(allocationAt(arena, address));
    return { views, looked, ...(next !== undefined && { next }) };
  }
  if (wanted.among !== undefined) {
    for (const address of wanted.among) {
      if (address >= from && !take(allocationAt(arena, address))) break;
    }
  } else if (lead === undefined) walk(arena, from, take);
  else {
    for (const address of lead.index.from(lead.value, from)) {
      if (!take(allocationAt(arena, address))) break;
    }
  }
  // A lease names what it holds: no index would find it sooner.
  const owed =
    wanted.among !== undefined
      ? undefined
      : terms.find((term) => arena.allocations.indexed(term)?.whole !== true);
  if (owed !== undefined && looked - views.length >= MISSES_MIN) grow(arena, owed, looked);
  return { views, looked, ...(next !== undefined && { next }) };
}

interface Lead {
  readonly index: AllocationIndex;
  readonly value: string;
}

/** Of the indexes that know all allocations, the one that leads to the fewest. */
function leadOf({ allocations }: Arena, terms: readonly Term[]): Lead | undefined {
  let lead: Lead | undefined;
  for (const term of terms) {
    const { value } = term;
    const index = allocations.indexed(term);
    if (index?.whole !== true) continue;
    if (lead === undefined || index.count(value) < lead.index.count(lead.value)) {
      lead = { index, value };
    }
  }
  return lead;
}

function firstOf(arena: Arena, { from, across }: Search): bigint {
  if (!across) return from;
  const { base, state } = arena.space.find(from);
  return state === BUSY ? base : from;
}

function grow(arena: Arena, term: Term, by: number): void {
  const index = arena.allocations.index(term);
  let left = by;
  let done = true;
  walk(arena, index.upTo, ({ base, id }) => {
    if (left-- === 0) {
      done = false;
      return false;
    }
    index.upTo = base + 1n;
    index.add(base, arena.allocations.about(id));
    return true;
  });
  if (done) index.close();
}

function walk(arena: Arena, from: bigint, visit: (found: Segment) => boolean): void {
  arena.space.walk(from, (found) => {
    if (found.state !== BUSY || found.base < from) return true;
    return visit(found);
  });
}

function allocationAt(arena: Arena, address: bigint): Segment {
  const found = arena.allocationAt(address);
  assert(found !== undefined, 'what an index leads to is there');
  return found;
}
