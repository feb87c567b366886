/**
 * Walks every segment and every index of one arena and says what does not agree: the invariants of
 * the tiling, checked against a recount rather than trusted.
 */
import type { Bins } from './bins.ts';
import type { Run } from './run.ts';
import { FREE, VOID } from './segments.ts';
import type { Segments } from './segments.ts';
import { order, ZERO } from './unit.ts';
import type { Unit } from './unit.ts';

/** One sentence per violation; empty when every invariant holds. */
export function verify(segments: Segments): string[] {
  const problems: string[] = [];
  const { say, wrong } = reportTo(problems);
  const { tree } = segments;
  const first = tree.first();
  say(first >= 0 && segments.startOf(first) === ZERO, 'the tiling starts at the origin');
  for (let at = first; at >= 0; at = segments.after(at)) {
    const start = segments.startOf(at);
    if (segments.find(start) !== at) wrong(`unit ${start} is found by its start`);
  }
  const { holes, largest } = verifyTiling(segments, problems);
  if (segments.sizesIndexed) verifySizes(segments, holes, say);
  for (const column of tree.columns) {
    if (column.fit?.plain === true) {
      say(tree.largest(column) === largest, 'the largest free segment equals a recount');
    }
    say(tree.verifyColumn(column), 'every column of capacities equals a recount');
  }
  return problems;
}

/** The same of a run, as it is: no order is made for it. */
export function verifyRun(run: Run): string[] {
  const problems: string[] = [];
  const { say } = reportTo(problems);
  say(run.startOf(run.first()) === run.start, 'the tiling starts where its span does');
  verifyTiling(run, problems);
  say(run.isHashed, 'every busy segment is found by its start');
  return problems;
}

/** What both forms of a tiling have. */
interface Tiling {
  readonly bins: Bins;
  readonly free: Unit;
  readonly size: Unit;
  readonly none: number;
  first(): number;
  after(position: number): number;
  startOf(position: number): Unit;
  endOf(position: number): Unit;
  stateOf(position: number): number;
  gapOf(position: number): number;
  edgeOf(position: number): boolean;
}

/** Holds every segment against its neighbour and the bins, and recounts what is counted. */
function verifyTiling(tiling: Tiling, problems: string[]): { holes: number; largest: Unit } {
  const { say, wrong } = reportTo(problems);
  const { bins } = tiling;
  const counted = bins.histogram();
  const histogram = counted.map(() => 0);
  let free = ZERO;
  let size = ZERO;
  let largest = ZERO;
  let holes = 0;
  let previous = -1;
  for (let at = tiling.first(); at !== tiling.none; at = tiling.after(at)) {
    const start = tiling.startOf(at);
    const length: Unit = tiling.endOf(at) - start;
    const state = tiling.stateOf(at);
    if (length <= ZERO) {
      wrong(`the segment at unit ${start} has a positive size`);
      // Who follows the links further may go round for ever.
      break;
    }
    if (previous === FREE && state === FREE && !tiling.edgeOf(at))
      wrong(`the free neighbours at unit ${start} are merged`);
    if (previous === VOID && state === VOID)
      wrong(`the void neighbours at unit ${start} are merged`);
    if (state !== VOID) size += length;
    if (state === FREE) {
      free += length;
      holes++;
      histogram[order(length)]!++;
      if (length > largest) largest = length;
      const gap = tiling.gapOf(at);
      if (bins.start(gap) !== start) wrong(`the gap at unit ${start} knows its start`);
      if (!bins.isFiled(gap, length)) wrong(`the gap at unit ${start} is filed in its class`);
    }
    previous = state;
  }
  say(free === tiling.free, 'the free units equal a recount');
  say(size === tiling.size, 'the units of all spans equal a recount');
  say(holes === bins.count, 'the holes equal a recount');
  say(
    histogram.every((n, i) => n === counted[i]),
    'the histogram equals a recount',
  );
  return { holes, largest };
}

interface Report {
  /** For what is asked once. */
  readonly say: (holds: boolean, sentence: string) => void;
  /** For sentences that name a segment, which are made only where they are needed. */
  readonly wrong: (sentence: string) => void;
}

function reportTo(problems: string[]): Report {
  const wrong = (sentence: string): void => {
    if (problems.length < 20) problems.push(sentence);
  };
  return {
    wrong,
    say(holds, sentence) {
      if (!holds) wrong(sentence);
    },
  };
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
