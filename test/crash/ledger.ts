/**
 * The ledger of what was asked and answered: what a service has to know after it was killed.
 *
 *   answered, removal not asked      is there, as answered
 *   answered, removal asked          is there as answered, or gone
 *   removal answered                 is gone
 *   asked, not answered              is there in full, as asked, or not at all
 *   resize asked, not answered       is there as answered before, or with the new size
 *   refused                          was never there
 *
 * A grant that was asked for with an idempotency key may be asked for again: it is there once.
 *
 * A freeAll, or the end of an arena by force, or of a lease, takes all of its grants with it or none. A batch makes
 * all of its grants and removes all that it frees, or does nothing.
 *
 * A label on each allocation carries its number in the ledger, because an address alone says
 * nothing: it may have been freed and granted to the next one.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Allocation } from '../../src/http/wire/allocation.ts';
import type { Arena, Band } from '../../src/http/wire/arena.ts';
import type { Span } from '../../src/http/wire/span.ts';
import type { ArenaState, State } from './state.ts';

export interface GrantRequest {
  readonly size: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly align?: string;
  readonly min?: string;
  readonly nocross?: string;
  readonly reuse?: boolean;
  readonly waitSeconds?: number;
  readonly lease?: string;
  readonly owner?: string;
  readonly band?: string;
}

export interface Grant {
  readonly arena: string;
  readonly request: GrantRequest;
  answer?: Allocation;
  removal?: 'asked' | 'answered';
  /** The size of a resize that was asked for and not answered. */
  resizing?: string;
}

/** Grants that one request removes, all or none. */
export interface Sweep {
  /** What removes them, for people. */
  readonly what: string;
  readonly grants: readonly Grant[];
}

/** Grants that one request makes, and such as it removes: all of both, or none. */
export interface Bundle {
  readonly what: string;
  /** Numbers of the grants that are made. */
  readonly made: readonly string[];
  readonly removed: readonly Grant[];
}

export interface SpanRequest {
  readonly base: string;
  readonly size: string;
}

export interface AddedSpan {
  readonly arena: string;
  readonly request: SpanRequest;
  answer?: Span;
}

export interface ArenaRequest {
  readonly name: string;
  readonly quantum: string;
  readonly policy: string;
  readonly source?: string;
  readonly importSize?: string;
  readonly quantumCacheMax?: string;
  readonly quarantineSeconds?: number;
  readonly ownerLimit?: string;
  readonly bands?: Band[];
  readonly ownerLimits?: readonly { readonly owner: string; readonly limit: string }[];
  readonly spans?: readonly SpanRequest[];
}

export interface CreatedArena {
  readonly request: ArenaRequest;
  answer?: Arena;
  removal?: 'asked' | 'answered';
}

/** The label with the number of a grant. */
export const grantLabel = 'grant';

export class Ledger {
  readonly grants = new Map<string, Grant>();
  readonly spans: AddedSpan[] = [];
  readonly arenas: CreatedArena[] = [];
  readonly sweeps: Sweep[] = [];
  /** Batches under way. */
  readonly bundles = new Set<Bundle>();
  /** Mutations that were answered as done, and such as got no answer, since the last settling. */
  answered = 0;
  unanswered = 0;
  /** As `answered`, but every operation of a batch counts. */
  operations = 0;
  #revision = 0;

  /** Grants that are there for certain, and that nobody has asked to be freed or resized. */
  free(): Grant[] {
    return [...this.grants.values()].filter(
      ({ answer, removal, resizing }) =>
        answer !== undefined && removal === undefined && resizing === undefined,
    );
  }

  /** Where the state is not what it has to be, a sentence each. */
  contradictions(state: State): string[] {
    return [
      ...this.#revisionProblems(state),
      ...this.arenas.flatMap((arena) => arenaProblems(arena, state)),
      ...this.spans.flatMap((span) => spanProblems(span, state.arenas.get(span.arena))),
      ...this.#grantProblems(state),
    ];
  }

  /** What was open is decided: the state says what became of it. Call once nothing contradicts. */
  settle(state: State): void {
    const found = grantsOf(state);
    for (const [number, grant] of this.grants) {
      const there = found.get(number);
      if (there === undefined) this.grants.delete(number);
      else {
        grant.answer = there;
        delete grant.removal;
        delete grant.resizing;
      }
    }
    this.sweeps.length = 0;
    this.bundles.clear();
    keep(this.arenas, (arena) => {
      const there = state.arenas.get(arena.request.name);
      if (there !== undefined) {
        arena.answer = there.arena;
        delete arena.removal;
      }
      return there !== undefined;
    });
    keep(this.spans, (span) => {
      const there = spanAt(state.arenas.get(span.arena), span.request.base);
      if (there !== undefined) span.answer = there;
      return there !== undefined;
    });
    this.#revision = state.revision;
    this.answered = 0;
    this.unanswered = 0;
    this.operations = 0;
  }

  /** Each request is one record, whatever it imported, and a refusal is none. */
  #revisionProblems({ revision }: State): string[] {
    const least = this.#revision + this.answered;
    const most = least + this.unanswered;
    if (revision >= least && revision <= most) return [];
    return [`revision ${revision} is not in ${least} - ${most}`];
  }

  #grantProblems(state: State): string[] {
    const found = grantsOf(state);
    const problems = [...found.keys()]
      .filter((number) => !this.grants.has(number))
      .map((number) => `grant ${number} is there, but was refused or never asked for`);
    for (const [number, grant] of this.grants) {
      const problem = grantProblem(grant, found.get(number), state);
      if (problem !== undefined) problems.push(`grant ${number} of ${grant.arena} ${problem}`);
    }
    for (const { what, grants } of this.sweeps) {
      const kept = grants.filter(({ request }) => found.has(request.labels[grantLabel] ?? ''));
      if (kept.length === 0 || kept.length === grants.length) continue;
      problems.push(`${what} is half done: ${kept.length} of ${grants.length} grants are left`);
    }
    for (const { what, made, removed } of this.bundles) {
      const there = made.filter((number) => found.has(number)).length;
      const gone = removed.filter(({ request }) => !found.has(request.labels[grantLabel]!)).length;
      const none = there === 0 && gone === 0;
      if (none || (there === made.length && gone === removed.length)) continue;
      problems.push(
        `${what} is half done: ${there} of ${made.length} grants are there, ` +
          `${gone} of ${removed.length} are freed`,
      );
    }
    return problems;
  }
}

/** What the size of an allocation depends on, and where it may lie. */
export type Rounding = Pick<Arena, 'quantum' | 'quantumCacheMax' | 'bands'>;

/** Whether an allocation is what was asked for. */
export function fulfils(
  { arena, request }: Grant,
  allocation: Allocation,
  rounding: Rounding,
): boolean {
  const address = BigInt(allocation.address);
  const end = BigInt(allocation.end);
  const { align = '1', min = '0', nocross } = request;
  return (
    allocation.arena === arena &&
    allocation.lease === request.lease &&
    allocation.owner === request.owner &&
    isSize(allocation.size, request, rounding) &&
    end - address + 1n === BigInt(allocation.size) &&
    JSON.stringify(allocation.labels) === JSON.stringify(request.labels) &&
    address % BigInt(align) === 0n &&
    address >= BigInt(min) &&
    liesRight(address, end, request, rounding) &&
    (nocross === undefined || address / BigInt(nocross) === end / BigInt(nocross))
  );
}

/** Inside of the band that it names; or outside of all that only those get who name them. */
function liesRight(
  address: bigint,
  end: bigint,
  { band }: GrantRequest,
  { bands = [] }: Rounding,
): boolean {
  return bands.every(({ name, min, max, exclusive }) => {
    if (name === band) return address >= BigInt(min) && end <= BigInt(max);
    return !exclusive || band !== undefined || end < BigInt(min) || address > BigInt(max);
  });
}

/** Whole quanta; a quantum cache may give a larger piece where nothing is constrained. */
function isSize(text: string, request: GrantRequest, rounding: Rounding): boolean {
  const size = BigInt(text);
  const quantum = BigInt(rounding.quantum);
  const rounded = ((BigInt(request.size) + quantum - 1n) / quantum) * quantum;
  const pieceMax = request.min === undefined ? BigInt(rounding.quantumCacheMax) : 0n;
  return size === rounded || (size > rounded && size <= pieceMax && size % quantum === 0n);
}

/** All allocations with a number, by it. */
function grantsOf({ arenas }: State): Map<string, Allocation> {
  const grants = new Map<string, Allocation>();
  for (const { allocations } of arenas.values()) {
    for (const allocation of allocations) {
      const number = allocation.labels[grantLabel];
      if (number === undefined) continue;
      if (grants.has(number)) throw new Error(`grant ${number} is there twice`);
      grants.set(number, allocation);
    }
  }
  return grants;
}

function grantProblem(
  grant: Grant,
  there: Allocation | undefined,
  { arenas }: State,
): string | undefined {
  const { answer, removal, resizing } = grant;
  if (there === undefined) {
    const open = answer === undefined || removal !== undefined;
    return open ? undefined : 'is gone, though nobody freed it';
  }
  if (removal === 'answered') return 'is there again after it was freed';
  const found = JSON.stringify(there);
  const { arena } = arenas.get(there.arena)!;
  if (answer === undefined) {
    if (fulfils(grant, there, arena)) return undefined;
    return `is ${found}, not as asked: ${JSON.stringify(grant.request)}`;
  }
  if (isDeepStrictEqual(lasting(there), lasting(answer))) return undefined;
  const answered = JSON.stringify(answer);
  if (resizing !== undefined && isResized(grant, answer, there, arena)) return undefined;
  return `is ${found}, not as answered: ${answered}`;
}

/** All but when its lease runs out, which the next renewal and the next start put off. */
export function lasting({ expiresAt: _expiresAt, ...allocation }: Allocation): unknown {
  return allocation;
}

/** Whether it is the same allocation as before, in the size that was asked for last. */
function isResized(grant: Grant, before: Allocation, there: Allocation, arena: Arena): boolean {
  const { resizing: size } = grant;
  if (size === undefined) return false;
  const resized = { ...grant, request: { ...grant.request, size } };
  return (
    fulfils(resized, there, arena) &&
    there.address === before.address &&
    there.createdAt === before.createdAt &&
    there.revision > before.revision
  );
}

function arenaProblems({ request, answer, removal }: CreatedArena, { arenas }: State): string[] {
  const there = arenas.get(request.name);
  if (there === undefined) {
    const open = answer === undefined || removal !== undefined;
    return open ? [] : [`arena ${request.name} is gone`];
  }
  if (removal === 'answered') return [`arena ${request.name} is there again`];
  const { spans: initial = [], ...settings } = request;
  const problems = Object.entries(settings)
    .filter(([name, value]) => !isDeepStrictEqual(there.arena[name as keyof Arena], value))
    .map(([name]) => `arena ${request.name} has another ${name} than asked`);
  if (answer !== undefined && there.arena.createdAt !== answer.createdAt) {
    problems.push(`arena ${request.name} was created at another time than answered`);
  }
  for (const { base, size } of initial) {
    if (spanAt(there, base)?.size === size) continue;
    problems.push(`arena ${request.name} lacks its span at ${base}`);
  }
  return problems;
}

function spanProblems(span: AddedSpan, arena: ArenaState | undefined): string[] {
  const { request, answer } = span;
  const there = spanAt(arena, request.base);
  if (there === undefined) {
    return answer === undefined ? [] : [`the span at ${request.base} of ${span.arena} is gone`];
  }
  const same =
    answer === undefined
      ? there.size === request.size && there.kind === 'static'
      : JSON.stringify(there) === JSON.stringify(answer);
  return same ? [] : [`the span at ${request.base} of ${span.arena} is another one`];
}

function spanAt(arena: ArenaState | undefined, base: string): Span | undefined {
  return arena?.spans.find((span) => span.base === base);
}

function keep<T>(list: T[], is: (item: T) => boolean): void {
  list.splice(0, list.length, ...list.filter(is));
}
