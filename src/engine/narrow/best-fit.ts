/**
 * Best fit: the walk through the sizes, and, where there is a window, that through the window beside it.
 */
import { Ascent, Guide, lowest, lowestIn } from './ascent.ts';
import type { Request } from './ascent.ts';
import { FREE } from './segments.ts';
import type { Segments } from './segments.ts';
import { LIMIT, NONE, ONE, ZERO } from './unit.ts';
import type { Unit } from './unit.ts';

/** Leaves of sizes that a bounded bestfit looks through before it goes through the window as well. */
const LEAVES_FIRST = 4;
/** Then so many leaves of both in turn, and then one of the window for so many of sizes. */
const TURNS_FIRST = 8;
const TURNS_EACH = 4;

/** The placement in the smallest segment that has one, of equals in the lowest. */
export function best(segments: Segments, request: Request): Unit {
  const { size, fit, from, to } = request;
  const bounded = from > ZERO || to < LIMIT;
  const { sizes } = segments;
  sizes.seekTied(size, NONE);
  if (fit.plain && !bounded) return sizes.forward() ? startOfGap(segments) : NONE;
  const guide = new Guide(sizes, fit, size, segments.bins.count);
  let across: Across | undefined;
  let looked = 0;
  for (;;) {
    if (sizes.mayHold(guide.column, size)) {
      const at = sizes.smallestInLeaf(fit, size, from, to);
      if (at !== NONE) return at;
      guide.missed(sizes.rejected);
      looked++;
    }
    if (!sizes.nextLeaf(guide.column, size)) return across === undefined ? NONE : across.finish();
    if (!bounded || looked < LEAVES_FIRST) continue;
    if (across === undefined) {
      // The smallest may take a search, but that there is none at all is known at once.
      if (lowest(segments, request, from) === NONE) return NONE;
      across = new Across(segments, request);
    }
    // The window's own search may have seen everything, or something that no later one can beat.
    if (across.settled(sizes.leafKey)) return across.found;
  }
}

function startOfGap({ sizes }: Segments): Unit {
  return sizes.tie[sizes.position]!;
}

/**
 * The other half of a bounded best fit: goes through the window's fitting segments by address, a leaf
 * for each one that the walk by size has looked through in vain, and later for every fourth, so that the
 * cheaper of the two walks decides the cost. A small window is soon gone through; in a large one the walk
 * by size comes first more often.
 */
class Across {
  readonly #segments: Segments;
  readonly #ascent: Ascent;
  #done = false;
  #turns = 0;
  #length: Unit = LIMIT + ONE;
  found: Unit = NONE;

  constructor(segments: Segments, request: Request) {
    this.#segments = segments;
    const here = segments.find(request.from);
    if (segments.stateOf(here) === FREE) {
      this.#judge(lowestIn(segments, request, here, request.from), here);
    }
    this.#ascent = new Ascent(segments, request);
  }

  /** One turn; true when `found` is the answer, given that no segment shorter than `length` fits. */
  settled(length: Unit): boolean {
    const turn = this.#turns++;
    if (!this.#done && (turn < TURNS_FIRST || turn % TURNS_EACH === 0)) this.#step();
    return this.#done || this.#length <= length;
  }

  finish(): Unit {
    while (!this.#done) this.#step();
    return this.found;
  }

  #step(): void {
    const { tree } = this.#segments;
    for (let at = this.#ascent.nextInLeaf(); at !== NONE; at = this.#ascent.nextInLeaf()) {
      this.#judge(at, tree.position);
    }
    this.#done = !this.#ascent.nextLeaf();
  }

  /** Of equals the first one stays, which is the lowest. */
  #judge(at: Unit, position: number): void {
    if (at === NONE) return;
    const length = this.#segments.endOf(position) - this.#segments.startOf(position);
    if (length >= this.#length) return;
    this.#length = length;
    this.found = at;
  }
}
