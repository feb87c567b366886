/** The options of the engine benchmark: `npm run bench -- engine --help`. */
import { count, reporting, reportingOf, valuesOf, type Reporting } from './arguments.ts';

export interface Options extends Reporting {
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
  readonly list: boolean;
}

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

const described = {
  quick: { type: 'boolean' },
  large: { type: 'boolean' },
  goals: { type: 'boolean' },
  only: { type: 'string', multiple: true },
  live: { type: 'string', multiple: true },
  pairs: { type: 'string' },
  seconds: { type: 'string' },
  rounds: { type: 'string' },
  'seed-bench': { type: 'string' },
  list: { type: 'boolean' },
  ...reporting,
} as const;

/** Reads the words after `engine`. Throws {@link Mistake}; undefined where help is asked for. */
export function parseOptions(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
): Options | undefined {
  const values = valuesOf(words, described);
  if (values.help === true) return undefined;
  const quick = values.quick === true;
  const goals = values.goals === true;
  const part = quick || goals || values.only !== undefined || values.live !== undefined;
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
    ...reportingOf(values, part),
    list: values.list === true,
  };
}
