/**
 * Walks every segment and every index of one arena and says what does not agree: the invariants of
 * the tiling, checked against a recount rather than trusted.
 */
import { FREE, VOID } from './segments.ts';
import type { Segments } from './segments.ts';
import { order, ZERO } from './unit.ts';
import type { Unit } from './unit.ts';

/** One sentence per violation; empty when every invariant holds. */
export function verify(segments: Segments): string[] {
  const problems: string[] = [];
  const wrong = (sentence: string): void => {
    if (problems.length < 20) problems.push(sentence);
  };
  // For what is asked once: a sentence that names a segment is made only where it is needed.
  const say = (holds: boolean, sentence: string): void => {
    if (!holds) wrong(sentence);
  };
  const { tree, bins } = segments;
  const histogram = Array.from(bins.histogram(), () => 0);
  let free = ZERO;
  let size = ZERO;
  let largest = ZERO;
  let holes = 0;
  let previous = -1;
  let at = tree.first();
  say(at >= 0 && segments.startOf(at) === ZERO, 'the tiling starts at the origin');
  for (; at >= 0; at = segments.after(at)) {
    const start = segments.startOf(at);
    const length: Unit = segments.endOf(at) - start;
    const state = segments.stateOf(at);
    if (length <= ZERO) wrong(`the segment at unit ${start} has a positive size`);
    if (segments.find(start) !== at) wrong(`unit ${start} is found by its start`);
    if (previous >= 0) {
      const twins = segments.stateOf(previous) === FREE && state === FREE;
      if (twins && !segments.edgeOf(at)) wrong(`the free neighbours at unit ${start} are merged`);
      if (segments.stateOf(previous) === VOID && state === VOID)
        wrong(`the void neighbours at unit ${start} are merged`);
    }
    if (state !== VOID) size += length;
    if (state === FREE) {
      free += length;
      holes++;
      histogram[order(length)]!++;
      if (length > largest) largest = length;
      if (bins.start(segments.idOf(at)) !== start)
        wrong(`the gap at unit ${start} knows its start`);
      if (!bins.isFiled(segments.idOf(at), length))
        wrong(`the gap at unit ${start} is filed in its class`);
    }
    previous = at;
  }
  say(free === segments.free, 'the free units equal a recount');
  say(size === segments.size, 'the units of all spans equal a recount');
  say(holes === bins.count, 'the holes equal a recount');
  const counted = bins.histogram();
  say(
    histogram.every((n, i) => n === counted[i]),
    'the histogram equals a recount',
  );
  if (segments.sizesIndexed) verifySizes(segments, holes, say);
  for (const column of tree.columns) {
    if (column.fit?.plain === true) {
      say(tree.largest(column) === largest, 'the largest free segment equals a recount');
    }
    say(tree.verifyColumn(column), 'every column of capacities equals a recount');
  }
  return problems;
}

function verifySizes(
  segments: Segments,
  holes: number,
  say: (holds: boolean, sentence: string) => void,
): void {
  const { sizes, bins } = segments;
  let count = 0;
  let previousSize = ZERO;
  let previousStart = ZERO;
  for (let at = sizes.first(); at >= 0; at = sizes.after(at)) {
    const gap = sizes.ref[at]!;
    const size = sizes.key[at]!;
    const start = bins.start(gap);
    say(
      count === 0 || size > previousSize || (size === previousSize && start > previousStart),
      `the size index is in order at size ${size}`,
    );
    const there = segments.find(start);
    say(
      segments.stateOf(there) === FREE && segments.endOf(there) - start === size,
      `the size index knows the gap at unit ${start}`,
    );
    previousSize = size;
    previousStart = start;
    count++;
  }
  say(count === holes, 'the size index holds every gap');
  for (const column of sizes.columns) {
    say(sizes.verifyColumn(column), 'every column of the size index equals a recount');
  }
}
