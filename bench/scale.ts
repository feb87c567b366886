/**
 * The service over HTTP as it grows: more live allocations, more arenas, longer chains of imports,
 * more labels. Each row has a service of its own, brought into its state in batches, and is measured
 * by turns with one that is nearly empty, so that whatever else the machine does meets both.
 */
import { rmSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Mistake, answer, helped } from './arguments.ts';
import { median } from './clock.ts';
import { syncTime } from './disk.ts';
import { thisMachine } from './machine.ts';
import { Progress } from './progress.ts';
import { help, parseScaleOptions, type ScaleOptions } from './scale-options.ts';
import {
  showScale,
  writeScaleResults,
  type ScaleFigures,
  type ScaleReport,
  type ScaleResult,
} from './scale-report.ts';
import { EMPTY, scaleNameOf, scaleWeightOf, tellsMemory, type ScaleRow } from './scale-row.ts';
import { ScaleService, type Memory, type ScaleRun } from './scale-service.ts';
import { findWrk } from './wrk.ts';

/** Runs with the words after `scale`; the number is the exit code. */
export function run(words: readonly string[]): Promise<number> {
  return answer(help, async () => {
    const options = parseScaleOptions(words);
    if (options === undefined) return helped(help);
    return runWith(options);
  });
}

async function runWith(options: ScaleOptions): Promise<number> {
  const report = options.from === undefined ? await measured(options) : await read(options.from);
  process.stdout.write(showScale(report, options.markdown));
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  if (options.results !== undefined) await writeScaleResults(options.results, report);
  return report.results.some(({ failure }) => failure !== undefined) ? 1 : 0;
}

async function read(file: string): Promise<ScaleReport> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as ScaleReport;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Mistake(`--from takes a file that --json has written: ${why}.`);
  }
}

async function measured(options: ScaleOptions): Promise<ScaleReport> {
  const { data, rows, connections, rounds, seconds } = options;
  await findWrk();
  const directory = await mkdtemp(join(data, 'vmemd-bench-'));
  const progress = new Progress(rows.reduce((sum, row) => sum + scaleWeightOf(row), 0));
  let empty: ScaleService | undefined;
  // Services end by themselves when this process does.
  const stop = (): void => {
    rmSync(directory, { recursive: true, force: true });
    process.exit(1);
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    const syncMs = await syncTime(directory);
    empty = await ScaleService.start(join(directory, 'empty'), EMPTY, true);
    const emptyMemory = await empty.memory(rows.some(tellsMemory));
    if (options.warmUp) await empty.run(connections, seconds);
    const results: ScaleResult[] = [];
    for (const row of rows) {
      const name = scaleNameOf(row);
      progress.begins(name);
      const own = join(directory, name.replace('/', '-'));
      results.push(await attempt(row, () => figuresOf(row, own, empty!, emptyMemory, options)));
      progress.ends(name, scaleWeightOf(row));
    }
    const machine = thisMachine();
    return { machine, syncMs, connections, seconds, rounds, emptyMemory, results };
  } finally {
    progress.close();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    await empty?.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** A row that fails is a result too: the others go on. */
async function attempt(row: ScaleRow, work: () => Promise<ScaleFigures>): Promise<ScaleResult> {
  try {
    return { row, figures: await work() };
  } catch (error) {
    return { row, failure: error instanceof Error ? error.message : String(error) };
  }
}

async function figuresOf(
  row: ScaleRow,
  directory: string,
  empty: ScaleService,
  emptyMemory: Memory,
  { connections, seconds, rounds, warmUp }: ScaleOptions,
): Promise<ScaleFigures> {
  const service = await ScaleService.start(directory, row.shape, false);
  try {
    if (warmUp) await service.run(connections, seconds);
    const own: ScaleRun[] = [];
    const others: ScaleRun[] = [];
    for (let round = 0; round < rounds; round++) {
      others.push(await empty.run(connections, seconds));
      own.push(await service.run(connections, seconds));
    }
    const memory = await service.memory(tellsMemory(row));
    const beyond = (memory.restarted ?? 0) - (emptyMemory.restarted ?? 0);
    return {
      run: medianOf(own),
      empty: medianOf(others),
      ratio: median(own.map(({ rate }, round) => rate / others[round]!.rate)),
      memory,
      ...(tellsMemory(row) && { bytesPerLive: beyond / row.shape.live }),
    };
  } finally {
    await service.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

function medianOf(runs: readonly ScaleRun[]): ScaleRun {
  const of = (pick: (one: ScaleRun) => number): number => median(runs.map(pick));
  return {
    rate: of(({ rate }) => rate),
    p50: of(({ p50 }) => p50),
    p99: of(({ p99 }) => p99),
    cpu: of(({ cpu }) => cpu),
  };
}
