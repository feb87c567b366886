/**
 * vmemd beside what else hands out numbers durably: each has its own server and its own process of
 * clients, on this machine. All are started first and then measured in turn, round after round, so
 * that whatever else the machine does meets all; shown are medians.
 */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Mistake, answer, helped } from './arguments.ts';
import { median } from './clock.ts';
import { syncTime } from './disk.ts';
import { thisMachine } from './machine.ts';
import { Missing } from './missing.ts';
import { help, parsePeersOptions, POOL_BY_HELD, type PeersOptions } from './peers-options.ts';
import { showPeers, writePeersResults, type PeerRow, type PeersReport } from './peers-report.ts';
import { Contestant, type Figures } from './peers/contestant.ts';
import { Progress } from './progress.ts';

/** Runs with the words after `peers`; the number is the exit code. */
export function run(words: readonly string[]): Promise<number> {
  return answer(help, async () => {
    const options = parsePeersOptions(words);
    if (options === undefined) return helped(help);
    return runWith(options);
  });
}

async function runWith(options: PeersOptions): Promise<number> {
  const report = options.from === undefined ? await measured(options) : await read(options.from);
  process.stdout.write(showPeers(report, options.markdown));
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  if (options.results !== undefined) await writePeersResults(options.results, report);
  return report.rows.some(({ failure }) => failure !== undefined) ? 1 : 0;
}

async function read(file: string): Promise<PeersReport> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as PeersReport;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Mistake(`--from takes a file that --json has written: ${why}.`);
  }
}

async function measured(options: PeersOptions): Promise<PeersReport> {
  const { data, clients, rounds, seconds, held } = options;
  const directory = await mkdtemp(join(data, 'vmemd-bench-'));
  // A server that runs as another user has to get to its own directory.
  await chmod(directory, 0o711);
  const comparison = new Comparison(options, directory);
  const stop = (): void => void comparison.stop().finally(() => process.exit(1));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    const syncMs = await syncTime(directory);
    await comparison.start();
    const rows: PeerRow[] = [];
    for (const count of clients) rows.push(...(await comparison.rows(count)));
    const { versions, skipped } = comparison;
    const pool = held * POOL_BY_HELD;
    const machine = thisMachine();
    return { machine, syncMs, seconds, rounds, held, pool, versions, skipped, rows };
  } finally {
    await comparison.stop();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

class Comparison {
  readonly versions: Record<string, string> = {};
  readonly skipped: Record<string, string> = {};
  readonly #options: PeersOptions;
  readonly #directory: string;
  readonly #progress: Progress;
  readonly #contestants = new Map<string, Contestant>();
  /** Why a peer is not measured any more. */
  readonly #failures = new Map<string, string>();

  constructor(options: PeersOptions, directory: string) {
    this.#options = options;
    this.#directory = directory;
    const { names, clients, rounds } = options;
    this.#progress = new Progress(names.length * clients.length * rounds);
  }

  /** Starts all that are installed, has their clients hold what they are to hold, and warms up. */
  async start(): Promise<void> {
    const { names, clients, held, seconds, warmUp } = this.#options;
    for (const peer of names) {
      const directory = join(this.#directory, peer);
      this.#progress.begins(`${peer} starts`);
      try {
        const pool = held * POOL_BY_HELD;
        const most = clients.at(-1)!;
        const contestant = await Contestant.start({ peer, directory, clients: most, pool, held });
        this.#contestants.set(peer, contestant);
        this.versions[peer] = contestant.version;
        if (warmUp) await contestant.run({ clients: most, seconds });
      } catch (error) {
        if (error instanceof Missing) this.skipped[peer] = error.message;
        else this.#failures.set(peer, messageOf(error));
      }
    }
  }

  /** The rows of one number of clients. */
  async rows(clients: number): Promise<PeerRow[]> {
    const names = this.#options.names.filter((name) => !(name in this.skipped));
    const all = new Map(names.map((name) => [name, [] as Figures[]]));
    for (let round = 0; round < this.#options.rounds; round++) {
      for (const [name, figures] of all) {
        const text = `${name}, ${clients} clients`;
        this.#progress.begins(text);
        if (!this.#failures.has(name)) await this.#measure(name, clients, figures);
        this.#progress.ends(text, 1);
      }
    }
    const own = all.get('vmemd')!;
    return names.map((peer): PeerRow => {
      const failure = this.#failures.get(peer);
      if (failure !== undefined) return { peer, clients, failure };
      const figures = all.get(peer)!;
      const compared = peer !== 'vmemd' && !this.#failures.has('vmemd');
      const ratio = median(figures.map(({ rate }, round) => (own[round]?.rate ?? 0) / rate));
      return { peer, clients, figures: medianOf(figures), ...(compared && { ratio }) };
    });
  }

  async #measure(name: string, clients: number, figures: Figures[]): Promise<void> {
    try {
      const { seconds } = this.#options;
      figures.push(await this.#contestants.get(name)!.run({ clients, seconds }));
    } catch (error) {
      this.#failures.set(name, messageOf(error));
    }
  }

  /** Ends all, and removes what they have written. */
  async stop(): Promise<void> {
    this.#progress.close();
    const all = [...this.#contestants.values()];
    this.#contestants.clear();
    await Promise.all(all.map((contestant) => contestant.stop()));
    await rm(this.#directory, { recursive: true, force: true });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function medianOf(all: readonly Figures[]): Figures {
  const of = (pick: (figures: Figures) => number): number => median(all.map(pick));
  return {
    rate: of(({ rate }) => rate),
    p50: of(({ p50 }) => p50),
    p99: of(({ p99 }) => p99),
    clientCpu: of(({ clientCpu }) => clientCpu),
    serverCpu: of(({ serverCpu }) => serverCpu),
  };
}
