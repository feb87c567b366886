/**
 * The allocator in C whose semantics the engine has: its own bench, on the same operations, is the
 * yardstick. It is no part of this repository. Who has it names a directory that holds the
 * executable `bench` (usage: `bench LIVE PAIRS I|B|X`), or a script that builds one into the
 * directory it is given.
 */
import { execFile } from 'node:child_process';
import { access, constants, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Row } from './row.ts';

const execute = promisify(execFile);

const BUILD_MS = 120_000;
/** Its best fit walks a list: beyond this many live allocations a round takes minutes. */
const BESTFIT_LIVE_MAX = 100_000;
const BESTFIT_PAIRS_MAX = 100_000;

type Mode = 'I' | 'B' | 'X';

export class SeedBench {
  readonly #program: string;
  /** Where it was built, to be removed; absent if it was there before. */
  readonly #built: string | undefined;

  private constructor(program: string, built: string | undefined) {
    this.#program = program;
    this.#built = built;
  }

  /** Throws an `Error` with a sentence for a person where there is nothing to run. */
  static async open(path: string): Promise<SeedBench> {
    const given = resolve(path);
    if ((await stat(given)).isDirectory()) {
      const program = join(given, 'bench');
      await access(program, constants.X_OK);
      return new SeedBench(program, undefined);
    }
    const built = await mkdtemp(join(tmpdir(), 'vmemd-seed-bench-'));
    const bench = new SeedBench(join(built, 'bench'), built);
    try {
      await execute(given, [built], { timeout: BUILD_MS });
      await access(bench.#program, constants.X_OK);
      return bench;
    } catch (error) {
      await bench.close();
      throw error;
    }
  }

  /** Mean of a pair in nanoseconds, on the operations of a row that `counterpart` has accepted. */
  async run(row: Row, signal: AbortSignal): Promise<number> {
    const words = [String(row.live), String(row.pairs), counterpart(row) ?? ''];
    const { stdout } = await execute(this.#program, words, { signal });
    const figure = /([\d.]+) ns\/pair/.exec(stdout)?.[1];
    if (figure === undefined) throw new Error(`the seed's bench answered "${stdout.trim()}"`);
    return Number(figure);
  }

  async close(): Promise<void> {
    if (this.#built !== undefined) await rm(this.#built, { recursive: true, force: true });
  }
}

/** The mode in which the C bench does the operations of a row; undefined where it has none. */
export function counterpart({ layer, workload, policy, live }: Row): Mode | undefined {
  if (layer !== 'units') return undefined;
  if (workload === 'churn' && policy === 'instantfit') return 'I';
  if (workload === 'churn' && policy === 'bestfit' && live <= BESTFIT_LIVE_MAX) return 'B';
  if (workload === 'bounded' && policy === 'instantfit') return 'X';
  return undefined;
}

/** As many pairs as the C bench can do in seconds: the two must do equally many. */
export function comparable(row: Row): Row {
  if (counterpart(row) !== 'B') return row;
  return { ...row, pairs: Math.min(row.pairs, BESTFIT_PAIRS_MAX) };
}
