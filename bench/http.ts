/**
 * The service over HTTP, measured from outside and beside a bare route of the same framework with the
 * same requests and replies: what vmemd costs is the distance between the two. Both run in processes
 * of their own on this machine, and the load comes from wrk. Of each row the two are measured by
 * turns, so that whatever else the machine does meets both, and in several processes; shown are medians.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Server } from '../test/crash/server.ts';
import { Mistake, answer, helped } from './arguments.ts';
import { median } from './clock.ts';
import { syncTime } from './disk.ts';
import { help, parseHttpOptions, startsOf, type HttpOptions } from './http-options.ts';
import {
  showHttp,
  writeHttpResults,
  type HttpReport,
  type HttpRow,
  type Side,
} from './http-report.ts';
import { httpWorkloads, settle, type HttpWorkload } from './http-workload.ts';
import { thisMachine } from './machine.ts';
import { difference, readMetrics } from './metrics.ts';
import { Progress } from './progress.ts';
import { findWrk, load } from './wrk.ts';

const bareProgram = fileURLToPath(new URL('bare.ts', import.meta.url));
/** Until then what is asked for has been compiled, on the processors that are to be measured. */
const WARM_UP = { connections: 64, seconds: 6 };
/** A batch has more work in it. */
const WARM_UP_BATCH = { connections: 64, seconds: 3 };

/** Runs with the words after `http`; the number is the exit code. */
export function run(words: readonly string[]): Promise<number> {
  return answer(help, async () => {
    const options = parseHttpOptions(words);
    if (options === undefined) return helped(help);
    await runWith(options);
    return 0;
  });
}

async function runWith(options: HttpOptions): Promise<void> {
  const report = options.from === undefined ? await measured(options) : await read(options.from);
  process.stdout.write(showHttp(report, options.markdown));
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  if (options.results !== undefined) await writeHttpResults(options.results, report);
}

async function read(file: string): Promise<HttpReport> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as HttpReport;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Mistake(`--from takes a file that --json has written: ${why}.`);
  }
}

async function measured(options: HttpOptions): Promise<HttpReport> {
  const { data, only, rounds, seconds } = options;
  const names = Object.keys(httpWorkloads).filter(
    (name) => only.length === 0 || only.some((text) => name.includes(text)),
  );
  if (names.length === 0) throw new Mistake('No workload has such a name.');
  const leftOut = leftOutText(names, options);
  await findWrk();
  if (leftOut !== undefined) process.stderr.write(`bench: ${leftOut}\n`);
  const directory = await mkdtemp(join(data, 'vmemd-bench-'));
  const all = names.map((name) => connectionsOf(httpWorkloads[name]!, options).length);
  const progress = new Progress(all.reduce((sum, count) => sum + count, 0) * rounds);
  const rows: HttpRow[] = [];
  try {
    const syncMs = await syncTime(directory);
    for (const name of names) {
      rows.push(...(await new Comparison(name, join(directory, name), options, progress).rows()));
    }
    return { machine: thisMachine(), syncMs, seconds, rounds, rows };
  } finally {
    progress.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** As many as were asked for, but for what so many would not get one answer of in the time. */
function connectionsOf(
  { connectionsMax = Infinity }: HttpWorkload,
  { connections }: HttpOptions,
): number[] {
  return connections.filter((count) => count <= connectionsMax);
}

/** Which connections are not measured, and why; throws {@link Mistake} where these are all. */
function leftOutText(names: readonly string[], options: HttpOptions): string | undefined {
  const bounds = names.flatMap((name) => {
    const { connectionsMax = Infinity } = httpWorkloads[name]!;
    return options.connections.some((count) => count > connectionsMax)
      ? [`${name} takes at most ${connectionsMax} connections`]
      : [];
  });
  if (bounds.length === 0) return undefined;
  const text = `${bounds.join(', ')}: of more, a short run would be over before the first answer.`;
  const some = names.some((name) => connectionsOf(httpWorkloads[name]!, options).length > 0);
  if (!some) throw new Mistake(`${text} Give fewer --connections.`);
  return text;
}

/** What the rounds at so many connections have shown. */
interface Measured {
  readonly connections: number;
  readonly bare: Side[];
  readonly vmemd: Side[];
  readonly syncs: number[];
}

/**
 * One workload against the two. They are started anew several times, each time for a part of the rounds:
 * not all processes of the same program are equally fast.
 */
class Comparison {
  readonly #name: string;
  readonly #workload: HttpWorkload;
  readonly #directory: string;
  readonly #options: HttpOptions;
  readonly #progress: Progress;
  readonly #measured: readonly Measured[];
  #first = true;

  constructor(name: string, directory: string, options: HttpOptions, progress: Progress) {
    this.#name = name;
    this.#workload = httpWorkloads[name]!;
    this.#directory = directory;
    this.#options = options;
    this.#progress = progress;
    this.#measured = connectionsOf(this.#workload, options).map((connections) => {
      return { connections, bare: [], vmemd: [], syncs: [] };
    });
  }

  async rows(): Promise<HttpRow[]> {
    const { rounds } = this.#options;
    for (let from = 0, left = startsOf(rounds); left > 0; left--) {
      const to = from + Math.ceil((rounds - from) / left);
      await this.#rounds(from, to);
      from = to;
    }
    const { grants = 1 } = this.#workload;
    return this.#measured.map(({ connections, bare, vmemd, syncs }) => ({
      workload: this.#name,
      connections,
      grants,
      ratio: median(vmemd.map((side, i) => side.rate / bare[i]!.rate)),
      syncMs: median(syncs),
      bare: medianOf(bare),
      vmemd: medianOf(vmemd),
    }));
  }

  /** Starts the two, measures so many rounds, and stops them. */
  async #rounds(from: number, to: number): Promise<void> {
    const servers: Server[] = [];
    this.#first = true;
    try {
      const bare = await Server.start({ data: this.#directory, program: bareProgram });
      servers.push(bare);
      const own = await Server.start({ data: this.#directory });
      servers.push(own);
      if (this.#options.warmUp) {
        const run = (this.#workload.grants ?? 1) === 1 ? WARM_UP : WARM_UP_BATCH;
        await this.#side(bare.url, true, run);
        await this.#side(own.url, false, run);
      }
      for (const measured of this.#measured) {
        const { connections } = measured;
        const name = `${this.#name}, ${connections} connections`;
        for (let round = from; round < to; round++) {
          this.#progress.begins(name);
          await this.#round(measured, { bare: bare.url, own: own.url }, round);
          this.#progress.ends(name, 1);
        }
      }
    } finally {
      for (const server of servers) if (server.running) await server.stop();
      await rm(this.#directory, { recursive: true, force: true });
    }
  }

  async #round(
    { connections, bare, vmemd, syncs }: Measured,
    urls: { readonly bare: string; readonly own: string },
    round: number,
  ): Promise<void> {
    const seconds = Math.max(this.#workload.secondsMin ?? 0, this.#options.seconds);
    const run = { connections, seconds };
    syncs.push(await syncTime(dirname(this.#directory)));
    // Whoever is first in one round is last in the next: the machine may become slower or faster.
    const ownFirst = round % 2 === 1;
    if (ownFirst) vmemd.push(await this.#side(urls.own, false, run));
    bare.push(await this.#side(urls.bare, true, run));
    if (!ownFirst) vmemd.push(await this.#side(urls.own, false, run));
  }

  async #side(
    url: string,
    isBare: boolean,
    run: { readonly connections: number; readonly seconds: number },
  ): Promise<Side> {
    const words = await this.#workload.prepare({
      ...(!isBare && { url }),
      seconds: run.seconds,
      first: this.#first,
      addresses: this.#options.addresses,
      file: `${this.#directory}.held`,
    });
    if (!isBare) {
      this.#first = false;
      // An arena with all that the run before has left is gone: the book still has to write that down.
      await settle(url);
    }
    const before = await readMetrics(url);
    const { requests, seconds, p50, p99, p999 } = await load({ url, ...run, words });
    const { loopDelay, group } = difference(before, await readMetrics(url));
    // What was put off under load is paid for by who put it off, and not while the other is measured.
    if (!isBare) await settle(url);
    const { cpu } = difference(before, await readMetrics(url));
    const rate = requests / seconds;
    const cpuMicroseconds = (cpu / requests) * 1e6;
    const grouped = group !== undefined && { group };
    return { rate, p50, p99, p999, cpuMicroseconds, loopDelay, ...grouped };
  }
}

function medianOf(sides: readonly Side[]): Side {
  const of = (pick: (side: Side) => number): number => median(sides.map(pick));
  const groups = sides.map(({ group }) => group).filter((group) => group !== undefined);
  return {
    rate: of(({ rate }) => rate),
    p50: of(({ p50 }) => p50),
    p99: of(({ p99 }) => p99),
    p999: of(({ p999 }) => p999),
    cpuMicroseconds: of(({ cpuMicroseconds }) => cpuMicroseconds),
    loopDelay: of(({ loopDelay }) => loopDelay),
    ...(groups.length > 0 && { group: median(groups) }),
  };
}
