/**
 * The short way to judge a history in which every change has a revision: then the order is known,
 * and it is enough to go through it once. A look has to be true at some moment between the last
 * change that ended before it and the first that began after it.
 */
import { changes, revisionOf, show, type History, type Operation, type Place } from './history.ts';
import { revisionProblems } from './check.ts';
import { State } from './state.ts';

/**
 * What is wrong with a history without lost answers, a text each. Throws where a change has no
 * revision; `numbered` helps where the journal is at hand.
 */
export function replayHistory({ places, operations }: History): string[] {
  const problems = revisionProblems(operations);
  for (const tree of new Set(places.map((place) => place.tree))) {
    const own = places.filter((place) => place.tree === tree);
    const arenas = new Set(own.map(({ arena }) => arena));
    const problem = replayTree(
      own,
      operations.filter(({ arena }) => arenas.has(arena)),
    );
    if (problem !== undefined) problems.push(`${tree}: ${problem}`);
  }
  return problems;
}

function replayTree(
  places: readonly Place[],
  operations: readonly Operation[],
): string | undefined {
  const order = operations.filter(changes).toSorted((a, b) => numberOf(a) - numberOf(b));
  const states = [State.empty(places)];
  for (const change of order) {
    const after = states.at(-1)!.after(change);
    if (after === undefined) return `${show(change)} cannot come after the changes before it`;
    states.push(after);
  }
  for (const look of operations) {
    if (changes(look)) continue;
    const first = order.findLastIndex(({ end }) => end < look.start) + 1;
    const last = order.findIndex(({ start }) => start > look.end);
    const window = states.slice(first, (last < 0 ? order.length : last) + 1);
    if (!window.some((state) => state.after(look) !== undefined)) {
      return `${show(look)} is true at no moment`;
    }
  }
  return undefined;
}

function numberOf(change: Operation): number {
  const revision = revisionOf(change);
  if (revision === undefined) throw new Error(`no revision: ${show(change)}`);
  return revision;
}
