/**
 * The rotation: the parts of the campaign take turns, the one that had the least time so far goes
 * next. The k-th round of a part has the seed of the campaign plus k, so that a part that goes
 * through a list of cases by its seed leaves none out, and any round can be run alone.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Part } from './part.ts';
import { Tally } from './tally.ts';

export interface RotationOptions {
  readonly parts: readonly Part[];
  readonly seed: number;
  /** No round begins after this many seconds. */
  readonly seconds: number;
  /** Nor after this many rounds of a part. */
  readonly rounds?: number;
  readonly brief?: boolean;
  readonly tally?: Tally;
  /** Ends the rotation after the round that is under way. */
  readonly signal?: AbortSignal;
  /** Called before each round. */
  readonly onRound?: (part: Part, seed: number) => void;
}

/** A round that found something: how to run it again, and where its data was left. */
export class FailedRound extends Error {
  override name = 'FailedRound';
  readonly part: string;
  readonly seed: number;
  readonly folder: string;
  /** The command that runs it again. */
  readonly again: string;

  constructor(part: string, seed: number, brief: boolean, folder: string, cause: unknown) {
    const words = ['--only', part, '--seed', seed, '--rounds', 1, ...(brief ? ['--brief'] : [])];
    const again = `npm run campaign -- ${words.join(' ')}`;
    const what = cause instanceof Error ? cause.message : String(cause);
    super(`${part}, seed ${seed}: ${what}\nAgain: ${again}\nData: ${folder}`, { cause });
    this.part = part;
    this.seed = seed;
    this.folder = folder;
    this.again = again;
  }
}

/** Runs rounds until the time or the rounds are used up. Rejects with FailedRound at the first. */
export async function rotate(options: RotationOptions): Promise<Tally> {
  const { parts, seed, seconds, rounds = Infinity, brief = false, tally = new Tally() } = options;
  const deadline = performance.now() + seconds * 1000;
  const begun = new Map(parts.map((part) => [part, { rounds: 0, ms: 0 }]));
  while (performance.now() < deadline && options.signal?.aborted !== true) {
    const open = [...begun].filter(([, done]) => done.rounds < rounds);
    const next = open.toSorted(([, a], [, b]) => a.ms - b.ms)[0];
    if (next === undefined) break;
    const [part, done] = next;
    const own = (seed + done.rounds) % 2 ** 32;
    options.onRound?.(part, own);
    const begin = performance.now();
    await runRound(part, own, brief, tally);
    done.ms += performance.now() - begin;
    done.rounds += 1;
  }
  return tally;
}

async function runRound(part: Part, seed: number, brief: boolean, tally: Tally): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), `vmemd-${part.name}-`));
  const begin = performance.now();
  try {
    await part.run({
      seed,
      folder,
      brief,
      count: (what, by = 1) => tally.count(part.name, what, by),
    });
  } catch (error) {
    throw new FailedRound(part.name, seed, brief, folder, error);
  } finally {
    tally.count(part.name, 'seconds', (performance.now() - begin) / 1000);
  }
  tally.count(part.name, 'rounds');
  await rm(folder, { recursive: true, force: true });
}
