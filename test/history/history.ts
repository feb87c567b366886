/**
 * A history: what concurrent clients asked and what they were told, with the times of both on one
 * monotonic clock. It knows nothing of how it came about: a recording over HTTP, a simulation and a
 * test that writes one down by hand give the same form.
 */

export interface Range {
  readonly address: bigint;
  readonly size: bigint;
}

/** An allocation as an answer shows it. */
export interface Held extends Range {
  /** The client's own name of it, unique in the history: an address alone comes back. */
  readonly id: string;
  /** Of its last change. */
  readonly revision?: number;
}

export type Call =
  | {
      readonly type: 'alloc';
      readonly id: string;
      readonly size: bigint;
      /** The base, exactly. */
      readonly address?: bigint;
      /** Bounds of the block, inclusive. */
      readonly min?: bigint;
      readonly max?: bigint;
    }
  | { readonly type: 'free'; readonly address: bigint }
  | (Range & { readonly type: 'resize' })
  | { readonly type: 'freeAll' }
  | { readonly type: 'get'; readonly address: bigint }
  | { readonly type: 'list' }
  | { readonly type: 'usage' }
  | { readonly type: 'check' };

export type Answer =
  /** Of alloc, resize and get: there it is. */
  | { readonly type: 'held'; readonly held: Held }
  /** Of free and freeAll. */
  | { readonly type: 'freed'; readonly count: number; readonly revision?: number }
  /** Of free, resize and get: there is no allocation at this address. */
  | { readonly type: 'absent' }
  /** Of alloc and resize: there is no room; with what an exhausted arena says of itself. */
  | { readonly type: 'refused'; readonly free?: bigint; readonly largestFree?: bigint }
  | { readonly type: 'listed'; readonly held: readonly Held[] }
  | { readonly type: 'usage'; readonly allocated: bigint; readonly allocations: number }
  /** Of check: the revision of the state that was seen. */
  | { readonly type: 'checked'; readonly revision: number };

export interface Operation {
  readonly arena: string;
  readonly call: Call;
  readonly start: number;
  /**
   * When the answer was here. Without an answer: when it was certain that the request could no
   * longer be done, as by the death of the process that had it; Infinity where nothing made it so.
   */
  readonly end: number;
  /** Absent: the connection broke, and the request may have been done or not. */
  readonly answer?: Answer;
}

/** An arena, and what is known of it beforehand. */
export interface Place {
  readonly arena: string;
  /** Arenas that import from one another share a tree, and with it the addresses. */
  readonly tree: string;
  /**
   * All of its space, where it neither imports nor is imported from: then refusals and figures can
   * be held against the state, else only what is held.
   */
  readonly spans?: readonly Range[];
}

export interface History {
  readonly places: readonly Place[];
  readonly operations: readonly Operation[];
}

/** Whether an operation can have changed anything. */
export function changes({ call, answer }: Operation): boolean {
  if (call.type === 'get' || call.type === 'list') return false;
  if (call.type === 'usage' || call.type === 'check') return false;
  return answer === undefined || answer.type === 'held' || answer.type === 'freed';
}

/** The revision that the operation made, where its answer says. */
export function revisionOf(operation: Operation): number | undefined {
  const { answer } = operation;
  if (answer === undefined || !changes(operation)) return undefined;
  if (answer.type === 'held') return answer.held.revision;
  return answer.type === 'freed' ? answer.revision : undefined;
}

/** The allocations that an answer shows. */
export function heldIn(answer: Answer): readonly Held[] {
  if (answer.type === 'listed') return answer.held;
  return answer.type === 'held' ? [answer.held] : [];
}

/** The same history as if no answer had told a revision. */
export function withoutRevisions({ places, operations }: History): History {
  const bare = ({ address, size, id }: Held): Held => ({ address, size, id });
  return {
    places,
    operations: operations
      .filter(({ call }) => call.type !== 'check')
      .map((operation): Operation => {
        const { answer } = operation;
        if (answer?.type === 'held') {
          return { ...operation, answer: { type: 'held', held: bare(answer.held) } };
        }
        if (answer?.type === 'listed') {
          return { ...operation, answer: { type: 'listed', held: answer.held.map(bare) } };
        }
        if (answer?.type === 'freed') {
          return { ...operation, answer: { type: 'freed', count: answer.count } };
        }
        return operation;
      }),
  };
}

/** An operation in one line, for a report. */
export function show({ arena, call, start, end, answer }: Operation): string {
  const text = JSON.stringify([call, answer ?? 'lost'], (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}` : value,
  );
  return `${start.toFixed(3)} - ${end.toFixed(3)} ${arena} ${text}`;
}
