/**
 * The whole-arena check: the invariants of the tiling (each number system checks its own) and those
 * that tie an arena's spans, allocations and source together.
 */
import type { Arena } from './arena.ts';
import { BUSY, HELD } from './narrow/segments.ts';
import { countedOwners } from './owners.ts';
import type { Found } from './space.ts';
import type { Span } from './spans.ts';
import type { State } from './state.ts';
import type { CheckView } from './view.ts';

export function verifyArena({ arenas, leases }: State, arena: Arena): CheckView {
  const problems = arena.space.check();
  const wrong = (sentence: string): void => {
    if (problems.length < 20) problems.push(sentence);
  };
  // For what is asked a few times: a sentence that names a segment is made only where it is needed.
  const say = (holds: boolean, sentence: string): void => {
    if (!holds) wrong(sentence);
  };
  let segments = 0;
  let busy = 0;
  let rested = 0;
  const seen = new Uint8Array(arena.allocations.numbers);
  const indexed = new Map(arena.allocations.indexes.map((index) => [index, 0]));
  let leased = 0;
  let named = 0;
  const leasesHere = new Set<number>();
  let cached = 0n;
  let resting = 0n;
  const tally = new Map<bigint, number>();
  // That the segments of a lone span lie in it is seen by where they begin and end: they have no gaps.
  const alone = arena.spans.count === 1 ? arena.spans.from(0n).next().value : undefined;
  let first: Span | undefined = alone;
  let firstEnd = 0n;
  const verifySpan = ({ base, size }: Found): void => {
    const end = base + size;
    if (first === undefined || base >= firstEnd) {
      first = arena.spans.holding(base);
      firstEnd = first === undefined ? 0n : first.base + first.size;
    }
    const last = end <= firstEnd ? first : arena.spans.holding(end - 1n);
    if (first === undefined || last === undefined) wrong(`the segment at ${base} lies in a span`);
    if (first !== last && (first?.imported !== false || last?.imported !== false)) {
      wrong(`the segment at ${base} stays within its imported span`);
    }
  };
  const verifyBusy = (id: number, found: () => Found): void => {
    const about = arena.allocations.about(id);
    const holding = arena.allocations.holding(id);
    const { externalId, importedBy } = about;
    const plain = externalId === undefined && importedBy === undefined && holding === 0;
    if (plain && indexed.size === 0) return;
    const { base, size } = found();
    for (const [index, count] of indexed) {
      const known = index.knows(base, about);
      if (known !== undefined) indexed.set(index, count + 1);
      if (known === false) wrong(`the allocation at ${base} is in the index of its ${index.kind}`);
    }
    if (externalId !== undefined) {
      named++;
      const known = arena.allocations.named(externalId) === base;
      if (!known) wrong(`the allocation at ${base} is found by its external id`);
    }
    if (holding !== 0) {
      leased++;
      leasesHere.add(leases.leaseOf(holding));
      if (!leases.holds(holding, arena, base)) wrong(`a lease holds the segment at ${base}`);
    }
    if (importedBy === undefined) return;
    say(holding === 0, `the segment at ${base} is a span, and under no lease`);
    const span = arenas.get(importedBy)?.spans.get(base);
    say(
      span?.imported === true && span.size === size,
      `the segment at ${base} is a span of '${importedBy}', which imported it`,
    );
  };
  let start: bigint | undefined;
  const last = arena.space.each((state, id, found) => {
    segments++;
    if (alone === undefined) verifySpan(found());
    else start ??= found().base;
    if (state === HELD && id === 0) cached += found().size;
    if (id === 0 || state < BUSY) return;
    if (first?.imported === true) tally.set(first.base, (tally.get(first.base) ?? 0) + 1);
    if (seen[id] !== 0) wrong(`the segment at ${found().base} shares its allocation with no other`);
    seen[id] = 1;
    if (state === BUSY) {
      busy++;
      verifyBusy(id, found);
      return;
    }
    const { base, size } = found();
    rested++;
    resting += size;
    if (arena.rests.base(id) !== base) wrong(`the rest of the segment at ${base} knows its start`);
  });
  if (alone !== undefined) {
    const end = last === undefined ? undefined : last.base + last.size;
    say(start === alone.base && end === alone.base + alone.size, 'the segments lie in the span');
  }
  say(cached === arena.cached, 'the cached pieces equal a recount');
  say(resting === arena.rests.size, 'the resting addresses equal a recount');
  say(busy === arena.allocations.count, 'every allocation has a segment');
  verifyRests(arena, rested, say);
  for (const problem of verifyUnrested(arena)) wrong(problem);
  for (const [{ size, kind }, count] of indexed) {
    say(size === count, `the index of ${kind} equals a recount`);
  }
  const { owners } = arena;
  const tallied = owners === undefined || owners.equals(countedOwners(arena));
  say(tallied, 'what owners hold equals a recount');
  say(named === arena.allocations.namedCount, 'the external ids equal a recount');
  say(leased === arena.allocations.leased, 'the allocations under leases equal a recount');
  for (const lease of leasesHere) {
    if (!leases.isCounted(lease)) wrong(`lease ${leases.id(lease)} counts what it holds`);
  }
  let idle = 0;
  let size = 0n;
  for (const span of arena.spans.from(0n)) {
    size += span.size;
    if (!span.imported) continue;
    if (span.busy === 0) idle++;
    say(span.busy === (tally.get(span.base) ?? 0), `the span at ${span.base} counts its segments`);
    const source = arena.source === undefined ? undefined : arenas.get(arena.source);
    const above = source?.space.find(span.base);
    say(
      above?.state === BUSY && above.base === span.base && above.size === span.size,
      `the span at ${span.base} is busy in the source`,
    );
  }
  say(idle === arena.spans.idle, 'the wholly free imported spans equal a recount');
  say(size === arena.space.size, 'the size is the sum of the spans');
  return {
    segments,
    allocations: arena.allocations.count,
    spans: arena.spans.count,
    problems,
  };
}

function verifyRests(
  { rests, allocations, revision }: Arena,
  count: number,
  say: (holds: boolean, sentence: string) => void,
): void {
  say(count === rests.count, 'every rest has a segment');
  say(count === allocations.retired, 'every rest has a record');
  let listed = 0;
  let since = 0;
  let base = -1n;
  let ordered = true;
  for (const id of rests.ids()) {
    listed++;
    ordered &&= rests.since(id) > since || (rests.since(id) === since && rests.base(id) > base);
    since = rests.since(id);
    base = rests.base(id);
  }
  say(listed === count, 'the order of rests has them all');
  say(ordered, 'rests are in the order of their revisions, then of their addresses');
  say(since <= revision, 'no rest is younger than the arena');
}

/** What of the arena is said of it as if nothing rested. */
function verifyUnrested(arena: Arena): string[] {
  const { cache, space, unrested } = arena;
  const problems: string[] = [];
  const counts = new Map<bigint, number>();
  for (const { base, size, pieceSize, resting } of cache?.slabs ?? []) {
    let count = 0;
    space.walk(base, (found) => {
      if (found.base >= base + size) return false;
      if (found.state === HELD && found.id !== 0) count++;
      return true;
    });
    if (count !== resting) problems.push(`the slab at ${base} counts the pieces that rest`);
    if (count > 0) counts.set(pieceSize, (counts.get(pieceSize) ?? 0) + count);
  }
  for (const [pieceSize, count] of cache?.restingPieces() ?? []) {
    if (counts.get(pieceSize) !== count)
      problems.push(`pieces of ${pieceSize} that rest are counted`);
    counts.delete(pieceSize);
  }
  if (counts.size > 0) problems.push('all sizes of pieces that rest are counted');
  if (unrested === undefined) return problems;
  problems.push(...unrested.space.check());
  if (!unrested.agrees(arena.rested)) problems.push('the segments without rests equal a recount');
  return problems;
}
