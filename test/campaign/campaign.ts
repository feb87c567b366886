/**
 * The fault campaign: `npm run campaign -- --minutes N`. It hurts the real service in every way of
 * its parts in turn, until the time is up, and checks after each fault that what was answered is
 * there and that nothing is half done. The totals go to the standard output, as a table and as one
 * line of JSON, progress to the standard error. It ends with 1 at the first violation, keeps the
 * data of that round and says how to run it again.
 */
import { parseArgs } from 'node:util';
import { bitFlips } from './bit-flips.ts';
import { fullDisks } from './full-disks.ts';
import { ioFaults } from './io-faults.ts';
import { kills } from './kills.ts';
import type { Part } from './part.ts';
import { powerCuts } from './power-cuts.ts';
import { Progress } from './progress.ts';
import { FailedRound, rotate } from './rotation.ts';
import { sabotage } from './sabotage.ts';
import { simulated } from './simulated.ts';
import { stops } from './stops.ts';
import { Tally } from './tally.ts';
import { walCuts } from './wal-cuts.ts';

const parts: readonly Part[] = [
  kills,
  ioFaults,
  fullDisks,
  powerCuts,
  walCuts,
  bitFlips,
  stops,
  sabotage,
  simulated,
];

const help = `\
Usage: npm run campaign -- [options]

  --minutes N    how long                                        5
  --seed S       of the first round; the next have S+1, S+2 …    by chance
  --only NAME    only this part; repeatable
  --rounds N     at most so many rounds of each part
  --brief        short rounds, as in the tests
  --help         this

${parts.map(({ name, about }) => `  ${name.padEnd(14)} ${about}`).join('\n')}
`;

interface Options {
  readonly parts: readonly Part[];
  readonly seed: number;
  readonly seconds: number;
  readonly rounds?: number;
  readonly brief: boolean;
}

/** The options, or what to say instead, as a sentence. */
function readOptions(words: readonly string[]): Options | string {
  const { values } = parseArgs({
    args: [...words],
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 32) },
      only: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      brief: { type: 'boolean', default: false },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return help;
  const seconds = Number(values.minutes) * 60;
  if (!(seconds > 0)) return `--minutes must be a number above 0, not "${values.minutes}".`;
  const seed = Number(values.seed);
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    return `--seed must be an integer from 0 to 2^32 - 1, not "${values.seed}".`;
  }
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
    return `--rounds must be an integer above 0, not "${values.rounds}".`;
  }
  const names = values.only ?? parts.map(({ name }) => name);
  const unknown = names.find((name) => !parts.some((part) => part.name === name));
  if (unknown !== undefined) return `--only: there is no part "${unknown}"; see --help.`;
  return {
    parts: parts.filter(({ name }) => names.includes(name)),
    seed,
    seconds,
    brief: values.brief,
    ...(rounds !== undefined && { rounds }),
  };
}

async function run(words: readonly string[]): Promise<number> {
  let options: Options | string;
  try {
    options = readOptions(words);
  } catch (error) {
    options = error instanceof Error ? error.message : String(error);
  }
  if (options === help) {
    process.stdout.write(help);
    return 0;
  }
  if (typeof options === 'string') {
    process.stderr.write(`campaign: ${options}\n\n${help}`);
    return 2;
  }
  const able = options.parts.filter(({ name, impossible }) => {
    const why = impossible?.();
    if (why !== undefined) process.stderr.write(`campaign: ${name} is left out: ${why}\n`);
    return why === undefined;
  });
  const tally = new Tally();
  const progress = new Progress(options.seconds, tally);
  const interrupted = new AbortController();
  // The round under way ends in order, so that nothing stays mounted; a second one ends at once.
  process.once('SIGINT', () => interrupted.abort());
  try {
    await rotate({
      ...options,
      parts: able,
      tally,
      signal: interrupted.signal,
      onRound: ({ name }, seed) => progress.show(`${name}, seed ${seed}`),
    });
  } catch (error) {
    progress.close();
    if (!(error instanceof FailedRound)) throw error;
    report(tally, options.seed, error);
    return 1;
  }
  progress.close();
  report(tally, options.seed);
  return 0;
}

function report(tally: Tally, seed: number, failed?: FailedRound): void {
  process.stdout.write(`${tally.table()}\n`);
  process.stdout.write(
    `${JSON.stringify({ seed, failed: failed !== undefined, ...tally.toJSON() })}\n`,
  );
  if (failed === undefined) return;
  const { part, folder, again } = failed;
  const cause = failed.cause instanceof Error ? failed.cause.stack : failed.message;
  process.stderr.write(
    `\nVIOLATION in ${part}, seed ${failed.seed}\n${cause}\n\n` +
      `The data directory was kept: ${folder}\n` +
      `Again: ${again}\n`,
  );
}

process.exitCode = await run(process.argv.slice(2));
