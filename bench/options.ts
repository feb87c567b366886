/** The options of the engine benchmark: `npm run bench -- engine --help`. */
import { parseArgs } from 'node:util';

export interface Options {
  readonly quick: boolean;
  readonly large: boolean;
  /** Only the rows that the goals need. */
  readonly goals: boolean;
  /** Rows whose name contains one of these; all where there are none. */
  readonly only: readonly string[];
  /** Live allocations, instead of the usual ones. */
  readonly live?: readonly number[];
  readonly pairs: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly seedBench?: string;
  readonly markdown: boolean;
  readonly json?: string;
  readonly from?: string;
  /** Where the committed table and plots go; absent for runs that are not the whole. */
  readonly results?: string;
  readonly list: boolean;
}

/** What was asked could not be understood; the message says what to do instead. */
export class Mistake extends Error {}

export const help = `\
Usage: npm run bench -- engine [options]

Measures the engine: every policy under every workload at 1e3 to 1e6 live allocations, each row in
a process of its own. The table goes to the standard output, progress to the standard error.

  --quick            1e3 and 1e4 live allocations, few pairs; says little
  --large            1e7 live allocations too
  --goals            only rows that decide a goal; some minutes
  --only TEXT        rows whose name contains TEXT, as in churn/bestfit/units/1000; repeatable
  --live N           live allocations, instead of the usual ones; repeatable
  --pairs N          measured pairs a row                            1e6, quick: 2e4
  --seconds N        no phase of a row goes on for longer            10, quick and goals: 2
  --list             names the rows and measures nothing
  --seed-bench PATH  compares with the allocator in C: a directory that holds its bench, or a
                     script that builds it there        VMEMD_SEED_BENCH
  --rounds N         how often the two run in turn                   5
  --markdown         the table in Markdown
  --json FILE        the figures in JSON as well
  --from FILE        measures nothing: shows the figures of such a file
  --results DIR      writes engine.md and engine.svg there           bench/results for a whole run,
                     nowhere for --quick, --goals, --only and --live
  --help             this

In the table "mean" is a pair (a free and an allocation), or one request where all are refused;
"alloc" and "free" are single ones, without what reading the clock costs.
`;

/** Reads the words after `engine`. Throws {@link Mistake}; undefined where help is asked for. */
export function parseOptions(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
): Options | undefined {
  const values = parse(words);
  if (values.help === true) return undefined;
  const quick = values.quick === true;
  const goals = values.goals === true;
  const part = quick || goals || values.only !== undefined || values.live !== undefined;
  const results = values.results ?? (part ? undefined : RESULTS);
  const seedBench = values['seed-bench'] ?? environment['VMEMD_SEED_BENCH'];
  return {
    quick,
    large: values.large === true,
    goals,
    only: values.only ?? [],
    ...(values.live === undefined ? {} : { live: values.live.map((n) => count('live', n)) }),
    pairs: count('pairs', values.pairs ?? (quick ? '2e4' : '1e6')),
    seconds: count('seconds', values.seconds ?? (quick || goals ? '2' : '10')),
    rounds: count('rounds', values.rounds ?? '5'),
    ...(seedBench === undefined || seedBench === '' ? {} : { seedBench }),
    markdown: values.markdown === true,
    ...(values.json === undefined ? {} : { json: values.json }),
    ...(values.from === undefined ? {} : { from: values.from }),
    ...(results === undefined ? {} : { results }),
    list: values.list === true,
  };
}

const RESULTS = new URL('results/', import.meta.url).pathname;

function parse(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        quick: { type: 'boolean' },
        large: { type: 'boolean' },
        goals: { type: 'boolean' },
        only: { type: 'string', multiple: true },
        live: { type: 'string', multiple: true },
        pairs: { type: 'string' },
        seconds: { type: 'string' },
        rounds: { type: 'string' },
        'seed-bench': { type: 'string' },
        markdown: { type: 'boolean' },
        json: { type: 'string' },
        from: { type: 'string' },
        results: { type: 'string' },
        list: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new Mistake(error instanceof Error ? error.message : String(error));
  }
}

/** A positive integer of an option. Throws {@link Mistake}. */
export function count(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Mistake(`--${name} takes a positive integer, as 1000 or 1e3, not "${text}".`);
}
