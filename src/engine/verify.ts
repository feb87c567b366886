/**
 * The whole-arena check: the invariants of the tiling (each number system checks its own) and those
 * that tie an arena's spans, allocations and source together.
 */
import type { Arena } from './arena.ts';
import { BUSY, HELD } from './narrow/segments.ts';
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
  const ids = new Set<number>();
  const indexed = new Map(arena.allocations.indexes.map((index) => [index, 0]));
  let leased = 0;
  let named = 0;
  const leasesHere = new Set<number>();
  let covered = 0n;
  let cached = 0n;
  let resting = 0n;
  const tally = new Map<bigint, number>();
  let first: Span | undefined;
  let firstEnd = 0n;
  arena.space.walk(0n, ({ base, size, state, id }) => {
    segments++;
    covered += size;
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
    if (state === HELD && id === 0) cached += size;
    if (id === 0 || state < BUSY) return true;
    if (first?.imported === true) tally.set(first.base, (tally.get(first.base) ?? 0) + 1);
    if (ids.has(id)) wrong(`the segment at ${base} shares its allocation with no other`);
    ids.add(id);
    if (state === HELD) {
      resting += size;
      if (arena.rests.base(id) !== base)
        wrong(`the rest of the segment at ${base} knows its start`);
      return true;
    }
    busy++;
    const about = arena.allocations.about(id);
    for (const [index, count] of indexed) {
      const known = index.knows(base, about);
      if (known !== undefined) indexed.set(index, count + 1);
      if (known === false) wrong(`the allocation at ${base} is in the index of its ${index.kind}`);
    }
    const { externalId } = about;
    if (externalId !== undefined) {
      named++;
      const known = arena.allocations.named(externalId) === base;
      if (!known) wrong(`the allocation at ${base} is found by its external id`);
    }
    const holding = arena.allocations.holding(id);
    if (holding !== 0) {
      leased++;
      leasesHere.add(leases.leaseOf(holding));
      if (!leases.holds(holding, arena, base)) wrong(`a lease holds the segment at ${base}`);
    }
    const { importedBy } = about;
    if (importedBy === undefined) return true;
    say(holding === 0, `the segment at ${base} is a span, and under no lease`);
    const span = arenas.get(importedBy)?.spans.get(base);
    say(
      span?.imported === true && span.size === size,
      `the segment at ${base} is a span of '${importedBy}', which imported it`,
    );
    return true;
  });
  say(covered === arena.space.size, 'the segments cover the spans');
  say(cached === arena.cached, 'the cached pieces equal a recount');
  say(resting === arena.rests.size, 'the resting addresses equal a recount');
  say(busy === arena.allocations.count, 'every allocation has a segment');
  verifyRests(arena, ids.size - busy, say);
  for (const [{ size, kind }, count] of indexed) {
    say(size === count, `the index of ${kind} equals a recount`);
  }
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
