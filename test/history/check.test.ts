/**
 * The checker of histories: right ones pass, known wrong ones do not, and on small ones it says
 * what trying every order says.
 */
import { describe, expect, test } from 'vitest';
import { checkHistory, revisionProblems } from './check.ts';
import { corrupted, rightHistory } from './generated.ts';
import {
  changes,
  withoutRevisions,
  type Answer,
  type Call,
  type History,
  type Operation,
  type Place,
} from './history.ts';
import { replayHistory } from './replay.ts';
import { State } from './state.ts';

const places: Place[] = [{ arena: 'a', tree: 'a', spans: [{ address: 0n, size: 10n }] }];

type Written = readonly [start: number, end: number, call: Call, answer?: Answer];

/** A history of one arena of the addresses 0 to 9. */
function written(...lines: Written[]): History {
  const operations = lines.map(([start, end, call, answer]): Operation => {
    return { arena: 'a', call, start, end, ...(answer === undefined ? {} : { answer }) };
  });
  return { places, operations };
}

const alloc = (id: string, size = 4n): Call => ({ type: 'alloc', id, size });
const free = (address: bigint): Call => ({ type: 'free', address });
const get = (address: bigint): Call => ({ type: 'get', address });
const list: Call = { type: 'list' };
const held = (id: string, address: bigint, revision?: number, size = 4n): Answer => {
  return {
    type: 'held',
    held: { id, address, size, ...(revision === undefined ? {} : { revision }) },
  };
};
const freed: Answer = { type: 'freed', count: 1 };
const absent: Answer = { type: 'absent' };
const listed = (...all: Answer[]): Answer => {
  return { type: 'listed', held: all.flatMap((a) => (a.type === 'held' ? [a.held] : [])) };
};

describe('rejected:', () => {
  const wrong: Readonly<Record<string, History>> = {
    'one range granted twice': written(
      [0, 1, alloc('x'), held('x', 0n)],
      [2, 3, alloc('y'), held('y', 0n)],
    ),
    'two grants that overlap': written(
      [0, 3, alloc('x'), held('x', 0n)],
      [1, 2, alloc('y'), held('y', 3n)],
    ),
    'a free that is lost': written(
      [0, 1, alloc('x'), held('x', 0n)],
      [2, 3, free(0n), freed],
      [4, 5, get(0n), held('x', 0n)],
    ),
    'a range granted again before its free was asked for': written(
      [0, 1, alloc('x'), held('x', 0n)],
      [2, 3, alloc('y'), held('y', 0n)],
      [4, 5, free(0n), freed],
      [6, 7, get(0n), held('y', 0n)],
    ),
    'a free of what two have freed': written(
      [0, 1, alloc('x'), held('x', 0n)],
      [2, 5, free(0n), freed],
      [3, 4, free(0n), freed],
    ),
    'a stale read': written([0, 1, alloc('x'), held('x', 0n)], [2, 3, get(0n), absent]),
    'a stale list': written([0, 1, alloc('x'), held('x', 0n)], [2, 3, list, listed()]),
    'two reads that disagree about the order': written(
      [0, 9, alloc('x'), held('x', 0n)],
      [1, 2, get(0n), held('x', 0n)],
      [3, 4, get(0n), absent],
    ),
    'a read from the future': written(
      [0, 1, get(0n), held('x', 0n)],
      [2, 3, alloc('x'), held('x', 0n)],
    ),
    'an allocation that nobody asked for': written([0, 1, list, listed(held('x', 0n))]),
    'another size than was granted': written(
      [0, 1, alloc('x'), held('x', 0n)],
      [2, 3, get(0n), held('x', 0n, undefined, 5n)],
    ),
    'less than was asked for': written([0, 1, alloc('x', 5n), held('x', 0n)]),
    'a block outside of the spans': written([0, 1, alloc('x'), held('x', 8n)]),
    'a refusal though there is room': written([0, 1, alloc('x'), { type: 'refused' }]),
    'an exhaustion with wrong figures': written([
      0,
      1,
      alloc('x', 11n),
      { type: 'refused', free: 10n, largestFree: 9n },
    ]),
    'wrong figures of an arena': written(
      [0, 1, alloc('x'), held('x', 0n)],
      [2, 3, { type: 'usage' }, { type: 'usage', allocated: 8n, allocations: 2 }],
    ),
    'an acknowledged grant that a crash undid': written(
      [0, 1, alloc('x'), held('x', 0n)],
      [2, 3, free(9n)],
      [4, 5, list, listed()],
    ),
    'a double grant after a crash': written(
      [0, 1, alloc('x'), held('x', 0n)],
      [2, 3, alloc('z')],
      [4, 5, alloc('y'), held('y', 0n)],
      [6, 7, list, listed(held('y', 0n))],
    ),
    'a read of what a crash undid': written(
      [0, 3, alloc('x')],
      [1, 2, get(0n), held('x', 0n)],
      [4, 5, list, listed()],
    ),
    'a request that is done after its process died': written(
      [0, 1, alloc('x')],
      [2, 3, list, listed()],
      [4, 5, list, listed(held('x', 0n))],
    ),
    'a lost free that is done after its process died': written(
      [0, 1, alloc('x'), held('x', 0n)],
      [2, 3, free(0n)],
      [4, 5, get(0n), held('x', 0n)],
      [6, 7, get(0n), absent],
    ),
    'half of a request without an answer': written(
      [0, 1, alloc('x', 4n)],
      [2, 3, list, listed(held('x', 0n, undefined, 2n))],
    ),
    'revisions against real time': written(
      [0, 1, alloc('x'), held('x', 0n, 2)],
      [2, 3, alloc('y'), held('y', 4n, 1)],
    ),
    'one revision twice': written(
      [0, 3, alloc('x'), held('x', 0n, 1)],
      [1, 2, alloc('y'), held('y', 4n, 1)],
    ),
    'revisions against what a read saw': written(
      [0, 9, alloc('x'), held('x', 0n, 2)],
      [0, 9, alloc('y'), held('y', 4n, 1)],
      [1, 2, list, listed(held('x', 0n, 2))],
    ),
    'a look at a state that is older than an answer': written(
      [0, 1, alloc('x'), held('x', 0n, 1)],
      [2, 3, { type: 'check' }, { type: 'checked', revision: 0 }],
    ),
    'a look at a state that is not there yet': written(
      [0, 1, { type: 'check' }, { type: 'checked', revision: 1 }],
      [2, 3, alloc('x'), held('x', 0n, 1)],
    ),
  };
  test.each(Object.entries(wrong))('%s', (_, history) => {
    expect(checkHistory(history)).not.toEqual([]);
  });

  test('a grant across two arenas of one tree', () => {
    const [child, parent] = [
      { arena: 'child', tree: 'parent' },
      { arena: 'parent', tree: 'parent' },
    ];
    const grants = [child, parent].map(({ arena }, index): Operation => {
      const answer = held(arena, 0n);
      return { arena, call: alloc(arena), start: 2 * index, end: 2 * index + 1, answer };
    });
    expect(checkHistory({ places: [child, parent], operations: grants })).toHaveLength(1);
    const apart = [child, { arena: 'parent', tree: 'other' }];
    expect(checkHistory({ places: apart, operations: grants })).toEqual([]);
  });

  test('is not said of what nobody can know', () => {
    const history = written([0, 1, alloc('x')]);
    expect(() => checkHistory(history)).toThrow('nobody has listed a');
  });
});

describe('accepted:', () => {
  const right: Readonly<Record<string, History>> = {
    'a range granted again by overlapping requests': written(
      [0, 1, alloc('x'), held('x', 0n)],
      [2, 8, free(0n), freed],
      [3, 7, alloc('y'), held('y', 0n)],
      [4, 5, get(0n), held('x', 0n)],
    ),
    'a lost free that was done': written(
      [0, 1, alloc('x'), held('x', 0n)],
      [2, 3, free(0n)],
      [4, 5, list, listed()],
    ),
    'a lost free that was not': written(
      [0, 1, alloc('x'), held('x', 0n)],
      [2, 3, free(0n)],
      [4, 5, list, listed(held('x', 0n))],
    ),
    'a lost alloc that was done': written([0, 1, alloc('x')], [2, 3, list, listed(held('x', 0n))]),
    'a lost alloc that was not': written([0, 1, alloc('x')], [2, 3, list, listed()]),
    'a lost alloc that others feel': written(
      [0, 5, alloc('x')],
      [1, 4, alloc('y', 8n), { type: 'refused', free: 6n, largestFree: 6n }],
      [6, 7, list, listed(held('x', 0n))],
    ),
    'a lost resize': written(
      [0, 1, alloc('x'), held('x', 0n, 1)],
      [2, 3, { type: 'resize', address: 0n, size: 6n }],
      [4, 5, get(0n), held('x', 0n, 2, 6n)],
    ),
  };
  test.each(Object.entries(right))('%s', (_, history) => {
    expect(checkHistory(history)).toEqual([]);
  });

  const seeds = Array.from({ length: 40 }, (_, seed) => seed);
  test.each(seeds)('a history made by an allocator, seed %i', (seed) => {
    const history = rightHistory(seed, { operations: 120, clients: 5, lost: 0 });
    expect(checkHistory(history)).toEqual([]);
    expect(checkHistory(withoutRevisions(history))).toEqual([]);
    expect(replayHistory(history)).toEqual([]);
    const lossy = rightHistory(seed, { operations: 120, clients: 4, lost: 0.1 });
    expect(lossy.operations.some(({ answer }) => answer === undefined)).toBe(true);
    expect(checkHistory(lossy)).toEqual([]);
    expect(checkHistory(withoutRevisions(lossy))).toEqual([]);
  });
});

test('on small histories it says what trying every order says', () => {
  let [right, wrong] = [0, 0];
  for (let seed = 0; seed < 1500; seed++) {
    const made = rightHistory(seed, { operations: 7, clients: 3, lost: 0 });
    const history = withoutRevisions(seed % 3 === 0 ? made : corrupted(made, seed));
    const found = checkHistory(history).length === 0;
    const expected = history.places.every((place) => hasOrder(history, place));
    expect(found, `seed ${seed}`).toBe(expected);
    if (expected) right++;
    else wrong++;
  }
  expect(Math.min(right, wrong)).toBeGreaterThan(200);
});

test('with revisions it says what one pass in their order says', () => {
  let [right, wrong] = [0, 0];
  for (let seed = 0; seed < 300; seed++) {
    const made = rightHistory(seed, { operations: 30, clients: 4, lost: 0 });
    const history = seed % 3 === 0 ? made : corrupted(made, seed);
    // A lie about a change may leave it without a revision, and then there is no such pass.
    if (history.operations.some((o) => changes(o) && !isNumbered(o))) continue;
    const problems = replayHistory(history);
    expect(checkHistory(history).length > 0, `seed ${seed}`).toBe(problems.length > 0);
    if (problems.length > 0) wrong++;
    else right++;
  }
  expect(Math.min(right, wrong)).toBeGreaterThan(50);
});

function isNumbered({ answer }: Operation): boolean {
  if (answer?.type === 'held') return answer.held.revision !== undefined;
  return answer?.type === 'freed' && answer.revision !== undefined;
}

/** Tries every order of the operations on one arena that keeps to real time. */
function hasOrder({ operations }: History, place: Place): boolean {
  const own = operations.filter(({ arena }) => arena === place.arena);
  const extend = (state: State, left: readonly Operation[]): boolean => {
    if (left.length === 0) return true;
    return left.some((next) => {
      if (left.some((other) => other.end < next.start)) return false;
      const after = state.after(next);
      const rest = left.filter((other) => other !== next);
      return after !== undefined && extend(after, rest);
    });
  };
  return revisionProblems(own).length === 0 && extend(State.empty([place]), own);
}
