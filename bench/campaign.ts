/**
 * Runs rows one after the other, each in a process of its own, and, where the C allocator's bench
 * has the same operations, the two in turn: ours, theirs, ours, theirs. A machine that grows slow
 * for a while then slows both. The figures of such a row are those of the round with the median
 * mean; the ratio is that of the medians.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { median } from './clock.ts';
import type { Options } from './engine-options.ts';
import { weightOf } from './plan.ts';
import { Progress } from './progress.ts';
import { nameOf } from './row.ts';
import type { Figures, Result, Row } from './row.ts';
import { comparable, counterpart } from './seed-bench.ts';
import type { SeedBench } from './seed-bench.ts';

const execute = promisify(execFile);
const CHILD = new URL('child.ts', import.meta.url).pathname;
/** A row that takes longer is given up: set-up has no other limit. */
const ROW_MS_MAX = 15 * 60_000;

/** Results in the order of the rows; when the signal aborts, those there are. */
export async function measureAll(
  rows: readonly Row[],
  { rounds }: Pick<Options, 'rounds'>,
  bench: SeedBench | undefined,
  signal: AbortSignal,
): Promise<Result[]> {
  const compared = (row: Row): boolean => bench !== undefined && counterpart(row) !== undefined;
  const weight = (row: Row): number => weightOf(row) * (compared(row) ? rounds * 2 : 1);
  const progress = new Progress(rows.reduce((sum, row) => sum + weight(row), 0));
  const results: Result[] = [];
  for (const row of rows) {
    if (signal.aborted) break;
    progress.begins(nameOf(row));
    const result = await attempt(row, async () =>
      compared(row)
        ? compare(comparable(row), rounds, bench!, signal)
        : { row, figures: await measureOne(row, signal) },
    );
    if (!signal.aborted) results.push(result);
    progress.ends(nameOf(row), weight(row));
  }
  progress.close();
  return results;
}

/** A row that fails is a result too: the others go on. */
async function attempt(row: Row, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    return { row, failure: reasonOf(error) };
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('killed' in error && error.killed === true) return 'took too long';
  const said = 'stderr' in error ? String(error.stderr) : '';
  return /^\w*Error: .*$/m.exec(said)?.[0] ?? error.message.split('\n')[0] ?? 'failed';
}

async function compare(
  row: Row,
  rounds: number,
  bench: SeedBench,
  signal: AbortSignal,
): Promise<Result> {
  const ours: Figures[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(await measureOne(row, signal));
    theirs.push(await bench.run(row, signal));
  }
  const mean = median(theirs);
  const own = median(ours.map((figures) => figures.mean));
  const typical = ours.toSorted((a, b) => a.mean - b.mean)[ours.length >> 1]!;
  return {
    row,
    figures: typical,
    reference: { mean, ours: own, ratio: own / mean, rounds },
  };
}

async function measureOne(row: Row, signal: AbortSignal): Promise<Figures> {
  const words = ['--no-warnings', CHILD, JSON.stringify(row)];
  const { stdout } = await execute(process.execPath, words, { signal, timeout: ROW_MS_MAX });
  return JSON.parse(stdout) as Figures;
}
