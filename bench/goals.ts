/**
 * The goals, beside what was measured. A goal is judged by its worst row, which is named; where no
 * row of the run speaks to it, it is neither met nor missed.
 */
import { nameOf } from './row.ts';
import type { Result, Row } from './row.ts';

export interface Verdict {
  readonly goal: string;
  readonly target: string;
  /** Absent where nothing was measured that says. */
  readonly figure?: string;
  readonly met?: boolean;
  /** The row that decided. */
  readonly worst?: string;
}

const MIB = 2 ** 20;

export function judge(results: readonly Result[]): Verdict[] {
  const bare = results.filter(({ row }) => row.layer === 'units');
  const at = (live: number) => bare.filter(({ row }) => row.live === live);
  return [
    ...[1e3, 1e4, 1e5, 1e6].map((live) => ratio(at(live), 'churn/instantfit', live)),
    ratio(at(1e5), 'churn/bestfit', 1e5),
    worst('any policy, any constraint: p99 at 1e6', 10_000, 'ns', p99s(at(1e6))),
    worst('growth of the mean, 1e4 to 1e6', 4, '×', growths(bare)),
    worst(
      'refused bounded bestfit, checkerboard: p99 at 1e6',
      10_000,
      'ns',
      p99s(at(1e6).filter(({ row }) => isRow(row, 'checkerboard-bounded/bestfit'))),
    ),
    least('128-bit arenas', 250_000, 'pairs/s', wide(results)),
    worst('memory of the indexes a segment', 40, 'bytes', memory(bare)),
    worst('1e7 live allocations: resident memory', 2048, 'MiB', grown(results, 'rss')),
    worst('1e7 live allocations: longest pause', 20, 'ms', grown(results, 'pause')),
    worst('1e7 live allocations: first bounded request', 20, 'ms', grown(results, 'firstOrdered')),
  ];
}

/** What a row says to a goal. */
interface Said {
  readonly row: Row;
  readonly value: number;
}

function isRow({ workload, policy }: Row, name: string): boolean {
  return `${workload}/${policy}` === name;
}

function ratio(results: readonly Result[], name: string, live: number): Verdict {
  const said: Said[] = [];
  for (const { row, reference } of results) {
    if (isRow(row, name) && reference) said.push({ row, value: reference.ratio });
  }
  const most = name === 'churn/bestfit' ? 0.1 : live === 1e6 ? 0.6 : 1;
  return worst(`${name} against the C allocator at 1e${Math.log10(live)}`, most, '×', said);
}

function p99s(results: readonly Result[]): Said[] {
  return results.flatMap(({ row, figures }) =>
    figures ? [{ row, value: Math.max(figures.alloc.p99, figures.free?.p99 ?? 0) }] : [],
  );
}

function growths(results: readonly Result[]): Said[] {
  const said: Said[] = [];
  for (const { row, figures } of results) {
    if (row.live !== 1e6 || !figures) continue;
    const small = results.find((other) => nameOf(other.row) === nameOf({ ...row, live: 1e4 }));
    if (small?.figures) said.push({ row, value: figures.mean / small.figures.mean });
  }
  return said;
}

function wide(results: readonly Result[]): Said[] {
  return results.flatMap(({ row, figures }) =>
    row.layer === 'wide' && figures ? [{ row, value: 1e9 / figures.mean }] : [],
  );
}

/** Of arenas large enough that what they begin with does not count. */
function memory(results: readonly Result[]): Said[] {
  return results.flatMap(({ row, figures }) =>
    row.live >= 1e4 && figures?.bytesPerSegment !== undefined
      ? [{ row, value: figures.bytesPerSegment }]
      : [],
  );
}

function grown(results: readonly Result[], what: 'rss' | 'pause' | 'firstOrdered'): Said[] {
  return results.flatMap(({ row, figures }) => {
    if (row.workload !== 'growth' || row.live < 1e7 || !figures) return [];
    if (what === 'rss') return [{ row, value: figures.rss / MIB }];
    const pause = what === 'pause' ? figures.alloc.max : figures.firstOrdered;
    return pause === undefined ? [] : [{ row, value: pause / 1e6 }];
  });
}

function worst(goal: string, most: number, unit: string, said: readonly Said[]): Verdict {
  const target = `≤ ${number(most)} ${unit}`;
  const top = said.toSorted((a, b) => b.value - a.value)[0];
  if (top === undefined) return { goal, target };
  return verdict(goal, target, unit, top, top.value <= most);
}

function least(goal: string, few: number, unit: string, said: readonly Said[]): Verdict {
  const target = `≥ ${number(few)} ${unit}`;
  const bottom = said.toSorted((a, b) => a.value - b.value)[0];
  if (bottom === undefined) return { goal, target };
  return verdict(goal, target, unit, bottom, bottom.value >= few);
}

function verdict(goal: string, target: string, unit: string, said: Said, met: boolean): Verdict {
  return { goal, target, figure: `${number(said.value)} ${unit}`, met, worst: nameOf(said.row) };
}

function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 2 : 0 });
}
