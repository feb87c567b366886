/**
 * Everything a service holds, read through its API, and what must hold of it whatever was asked:
 * the service's own check of every arena, and the same invariants once more from the outside, so
 * that a fault in that check can't hide one in the engine.
 */
import type { Allocation } from '../../src/http/wire/allocation.ts';
import type { Arena, CheckReport } from '../../src/http/wire/arena.ts';
import type { Lease } from '../../src/http/wire/lease.ts';
import type { Owner } from '../../src/http/wire/owner.ts';
import type { Segment } from '../../src/http/wire/segment.ts';
import type { Span } from '../../src/http/wire/span.ts';
import type { Client } from './client.ts';

export interface ArenaState {
  readonly arena: Arena;
  readonly spans: readonly Span[];
  readonly segments: readonly Segment[];
  readonly allocations: readonly Allocation[];
  readonly owners: readonly Owner[];
  readonly check: CheckReport;
}

export interface State {
  readonly revision: number;
  readonly arenas: ReadonlyMap<string, ArenaState>;
  readonly leases: readonly Lease[];
  /**
   * Every answer as it was sent, in a fixed order, but for when leases run out: equal states have
   * equal text.
   */
  readonly text: string;
}

/** Reads all there is. Nobody may change anything meanwhile. Addresses have to be decimal. */
export async function readState(client: Client): Promise<State> {
  const texts: string[] = [];
  const get = async <T>(path: string): Promise<T> => {
    const text = await client.get(path);
    texts.push(`${path}\n${withoutTimes(text)}`);
    return JSON.parse(text) as T;
  };
  const list = async <T>(path: string): Promise<T[]> => {
    const items: T[] = [];
    for (let query = '?limit=1000'; ;) {
      const page = await get<{ items: T[]; nextCursor?: string }>(path + query);
      items.push(...page.items);
      if (page.nextCursor === undefined) return items;
      query = `?limit=1000&cursor=${encodeURIComponent(page.nextCursor)}`;
    }
  };
  const { revision } = await get<{ revision: number }>('/readyz');
  const arenas = new Map<string, ArenaState>();
  for (const arena of await list<Arena>('/v1/arenas')) {
    const path = `/v1/arenas/${arena.name}`;
    arenas.set(arena.name, {
      arena,
      spans: await list(`${path}/spans`),
      segments: await list(`${path}/segments`),
      allocations: await list(`${path}/allocations`),
      owners: await list(`${path}/owners`),
      check: await get(`${path}/check`),
    });
  }
  const leases = await list<Lease>('/v1/leases');
  return { revision, arenas, leases, text: texts.join('\n') };
}

/** Renewals and starts put off the end of leases and change nothing else. */
function withoutTimes(text: string): string {
  return text
    .replaceAll(/"expiresAt":"[^"]*"/g, '"expiresAt":""')
    .replaceAll(/"remainingSeconds":[0-9]+/g, '"remainingSeconds":0');
}

/** What is wrong in itself, a sentence each. */
export function incoherences({ arenas, leases }: State): string[] {
  const problems: string[] = leaseProblems(arenas, leases);
  for (const state of arenas.values()) {
    const { arena, check } = state;
    const found = [
      ...check.problems.map((problem) => `check: ${problem}`),
      ...tilingProblems(state),
      ...allocationProblems(state),
      ...ownerProblems(state),
      ...importProblems(state, arena.source === undefined ? undefined : arenas.get(arena.source)),
      ...heldProblems(state, arenas),
    ];
    if (!check.ok && found.length === 0) found.push('check is not ok, but names no problem');
    problems.push(...found.map((problem) => `${arena.name}: ${problem}`));
  }
  return problems;
}

/** Every lease counts the allocations that say that it holds them. */
function leaseProblems(
  arenas: ReadonlyMap<string, ArenaState>,
  leases: readonly Lease[],
): string[] {
  const held = new Map<string, number>();
  for (const { allocations } of arenas.values()) {
    for (const { lease } of allocations) {
      if (lease !== undefined) held.set(lease, (held.get(lease) ?? 0) + 1);
    }
  }
  const problems = leases
    .filter(({ id, allocations }) => allocations !== (held.get(id) ?? 0))
    .map(({ id, allocations }) => `lease ${id} says that it holds ${allocations}`);
  for (const { id } of leases) held.delete(id);
  for (const id of held.keys()) problems.push(`lease ${id} holds something and is not there`);
  return problems;
}

/** The segments cover the spans exactly, in order. */
function tilingProblems({ spans, segments }: ArenaState): string[] {
  const problems: string[] = [];
  let index = 0;
  for (const span of spans) {
    let next = BigInt(span.base);
    while (next <= BigInt(span.end)) {
      const segment = segments[index];
      if (segment === undefined || BigInt(segment.address) !== next) {
        return [...problems, `nothing is at ${next} of the span at ${span.base}`];
      }
      next = BigInt(segment.end) + 1n;
      index += 1;
    }
    // Adjacent static spans may share a free segment; these tests keep their spans apart.
    if (next !== BigInt(span.end) + 1n)
      problems.push(`a segment ends beyond the span ${span.base}`);
  }
  const beyond = segments[index];
  if (beyond !== undefined) problems.push(`the segment at ${beyond.address} is in no span`);
  return problems;
}

/** The allocations are the busy segments, so no two overlap, and the totals are their sums. */
function allocationProblems({ arena, segments, allocations }: ArenaState): string[] {
  const problems: string[] = [];
  const busy = segments.filter(({ state }) => state === 'busy').map(rangeOf);
  const ranges = allocations.map(rangeOf);
  if (busy.join() !== ranges.join()) problems.push('busy segments and allocations differ');
  for (const [i, { address }] of allocations.entries()) {
    const before = allocations[i - 1];
    if (before !== undefined && BigInt(before.end) >= BigInt(address)) {
      problems.push(`the allocations at ${before.address} and ${address} overlap`);
    }
  }
  const allocated = allocations.reduce((sum, { size }) => sum + BigInt(size), 0n);
  if (allocated.toString() !== arena.allocated) {
    problems.push(
      `says that ${arena.allocated} are allocated; the allocations sum to ${allocated}`,
    );
  }
  return problems;
}

/** What owners are said to hold is the sum of their allocations, and within limits that never changed. */
function ownerProblems({ allocations, owners }: ArenaState): string[] {
  const held = new Map<string, bigint>();
  for (const { owner, size } of allocations) {
    if (owner !== undefined) held.set(owner, (held.get(owner) ?? 0n) + BigInt(size));
  }
  const problems: string[] = [];
  for (const { owner, allocated, limit } of owners) {
    if (BigInt(allocated) !== held.get(owner)) problems.push(`${owner} does not hold ${allocated}`);
    if (limit !== undefined && BigInt(allocated) > BigInt(limit)) {
      problems.push(`${owner} holds ${allocated}, more than its limit ${limit}`);
    }
    held.delete(owner);
  }
  for (const owner of held.keys()) problems.push(`${owner} is not among the owners`);
  return problems;
}

function rangeOf({ address, end }: { readonly address: string; readonly end: string }): string {
  return `${address} - ${end}`;
}

/** Each imported span is an allocation of the source, held by this arena, and is in use. */
function importProblems(
  { arena, spans, allocations }: ArenaState,
  source: ArenaState | undefined,
): string[] {
  const problems: string[] = [];
  const above = new Map(source?.allocations.map((held) => [held.address, held]));
  const addresses = allocations.map(({ address }) => BigInt(address));
  // Spans and allocations are both in the order of addresses, so one pass finds who is where.
  let next = 0;
  for (const span of spans) {
    const base = BigInt(span.base);
    while (next < addresses.length && addresses[next]! < base) next += 1;
    if (span.kind !== 'imported') continue;
    const held = above.get(span.base);
    if (held?.end !== span.end || held.importedBy !== arena.name || span.from !== arena.source) {
      problems.push(`the source does not hold the imported span at ${span.base} for it`);
    }
    // Free spans may be kept, for a while or for as long as there are few.
    if (arena.keepSpans > 0 || arena.releaseAfterSeconds > 0) continue;
    const first = addresses[next];
    if (first === undefined || first > BigInt(span.end)) {
      problems.push(`the imported span at ${span.base} is free, but was not released`);
    }
  }
  return problems;
}

/** Each allocation that is held for another arena is a span of that arena. */
function heldProblems(
  { arena, allocations }: ArenaState,
  arenas: ReadonlyMap<string, ArenaState>,
): string[] {
  const problems: string[] = [];
  const held = allocations.filter(({ importedBy }) => importedBy !== undefined);
  for (const [name = '', ranges] of Map.groupBy(held, ({ importedBy }) => importedBy)) {
    const spans = new Map(arenas.get(name)?.spans.map((span) => [span.base, span]));
    for (const { address, end } of ranges) {
      const span = spans.get(address);
      if (span?.end === end && span.kind === 'imported' && span.from === arena.name) continue;
      problems.push(`${name} has no span for what is held at ${address}`);
    }
  }
  return problems;
}
