/**
 * Judges a history: whether there is one order of all operations, in keeping with real time, in
 * which every answer is true. Such an order exists for the whole if it exists for every tree of
 * arenas by itself; what holds across trees is the order of revisions.
 */
import {
  changes,
  heldIn,
  revisionOf,
  show,
  type Held,
  type History,
  type Operation,
} from './history.ts';
import { unlinearizable } from './linearize.ts';

/** What is wrong with a history, a text each; empty where it is linearizable. */
export function checkHistory(history: History): string[] {
  const problems = revisionProblems(history.operations);
  for (const tree of new Set(history.places.map((place) => place.tree))) {
    const places = history.places.filter((place) => place.tree === tree);
    const arenas = new Set(places.map(({ arena }) => arena));
    const own = history.operations.filter(({ arena }) => arenas.has(arena));
    const problem = unlinearizable(places, resolved(own));
    if (problem !== undefined) problems.push(`${tree}: ${problem}`);
  }
  return problems;
}

/**
 * Revisions are one order over all arenas, and it keeps to real time: a change has a higher one
 * than all that was shown before it began, and a look at the whole state one at least as high.
 */
export function revisionProblems(operations: readonly Operation[]): string[] {
  const problems: string[] = [];
  const made = new Map<number, Operation>();
  const byEnd = operations.toSorted((a, b) => a.end - b.end);
  let ended = 0;
  let shown = 0;
  let shownBy: Operation | undefined;
  for (const operation of operations.toSorted((a, b) => a.start - b.start)) {
    for (; ended < byEnd.length && byEnd[ended]!.end < operation.start; ended++) {
      const most = highestShown(byEnd[ended]!);
      if (most > shown) [shown, shownBy] = [most, byEnd[ended]];
    }
    const { answer } = operation;
    const seen = answer?.type === 'checked' ? answer.revision : Infinity;
    const own = revisionOf(operation);
    if ((own ?? Infinity) <= shown || seen < shown) {
      problems.push(`${show(operation)} comes after ${show(shownBy!)}`);
    }
    if (own === undefined) continue;
    const twin = made.get(own);
    if (twin !== undefined) problems.push(`${show(operation)} has the revision of ${show(twin)}`);
    made.set(own, operation);
  }
  return problems;
}

function highestShown({ answer }: Operation): number {
  const all = answer === undefined ? [] : heldIn(answer).map(({ revision = 0 }) => revision);
  if (answer?.type === 'checked') all.push(answer.revision);
  if (answer?.type === 'freed') all.push(answer.revision ?? 0);
  return Math.max(0, ...all);
}

/**
 * Gives every lost alloc the answer that others saw: a name belongs to one request, so whoever was
 * shown it was shown what this one had been given. One that nobody ever saw has not happened,
 * provided that somebody looked at everything afterwards.
 */
function resolved(operations: readonly Operation[]): Operation[] {
  const shown = new Map<string, Held>();
  for (const { answer } of operations.toSorted((a, b) => a.end - b.end)) {
    for (const held of answer === undefined ? [] : heldIn(answer)) {
      if (!shown.has(held.id)) shown.set(held.id, held);
    }
  }
  return operations.flatMap((operation): Operation[] => {
    const { call, answer } = operation;
    if (answer !== undefined) return [operation];
    if (!changes(operation)) return [];
    if (call.type !== 'alloc') return [operation];
    const held = shown.get(call.id);
    if (held !== undefined) return [{ ...operation, answer: { type: 'held', held } }];
    if (!isLookedAt(operation, operations)) {
      throw new Error(`nobody has listed ${operation.arena} after ${show(operation)}`);
    }
    return [];
  });
}

function isLookedAt({ arena, end }: Operation, operations: readonly Operation[]): boolean {
  // Whoever frees everything frees what nobody has seen.
  if (operations.some((other) => other.arena === arena && other.call.type === 'freeAll')) {
    return false;
  }
  return operations.some(
    (other) => other.arena === arena && other.answer?.type === 'listed' && other.start >= end,
  );
}
