/**
 * The engine benchmark, from the words of the command line to the table: plans the rows, has them
 * measured, and shows what came out beside the goals. Interrupted, it shows what it has.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { Mistake, answer, helped } from './arguments.ts';
import { measureAll } from './campaign.ts';
import { thisMachine } from './machine.ts';
import { help, parseOptions } from './engine-options.ts';
import type { Options } from './engine-options.ts';
import { plan } from './plan.ts';
import { show, writeResults } from './report.ts';
import type { Report } from './report.ts';
import { nameOf } from './row.ts';
import { SeedBench } from './seed-bench.ts';

/** Runs with the words after `engine`; the number is the exit code. */
export function run(words: readonly string[]): Promise<number> {
  return answer(help, async () => {
    const options = parseOptions(words, process.env);
    if (options === undefined) return helped(help);
    await runWith(options);
    return 0;
  });
}

async function runWith(options: Options): Promise<void> {
  const rows = plan(options);
  if (rows.length === 0) throw new Mistake('No row has such a name; --list names them all.');
  if (options.list) {
    process.stdout.write(`${rows.map(nameOf).join('\n')}\n`);
    return;
  }
  const report = options.from === undefined ? await measured(options) : await read(options.from);
  process.stdout.write(show(report, options.markdown));
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  if (options.results !== undefined && report.complete) await writeResults(options.results, report);
}

async function measured(options: Options): Promise<Report> {
  const aborter = new AbortController();
  const stop = (): void => aborter.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const bench = await openSeedBench(options.seedBench);
  try {
    const rows = plan(options);
    const results = await measureAll(rows, options, bench, aborter.signal);
    return { machine: thisMachine(), results, complete: !aborter.signal.aborted };
  } finally {
    await bench?.close();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

async function openSeedBench(path: string | undefined): Promise<SeedBench | undefined> {
  if (path === undefined) return skipped('neither --seed-bench nor VMEMD_SEED_BENCH is set');
  try {
    return await SeedBench.open(path);
  } catch (error) {
    return skipped(error instanceof Error ? error.message.trim() : String(error));
  }
}

function skipped(why: string): undefined {
  process.stderr.write(`bench: no comparison with the allocator in C: ${why}.\n`);
}

async function read(file: string): Promise<Report> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Report;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Mistake(`--from takes a file that --json has written: ${why}.`);
  }
}
