/** The options of the benchmark of scale: `npm run bench -- scale --help`. */
import { tmpdir } from 'node:os';
import {
  count,
  directory,
  Mistake,
  reporting,
  reportingOf,
  valuesOf,
  type Reporting,
} from './arguments.ts';
import { dimensions, EMPTY, planScale, type ScaleRow } from './scale-row.ts';

export interface ScaleOptions extends Reporting {
  readonly rows: readonly ScaleRow[];
  readonly connections: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly warmUp: boolean;
  readonly data: string;
}

const CONNECTIONS = 64;
const SECONDS = 2;
const ROUNDS = 3;

const dimensionLines = Object.entries(dimensions)
  .map(([name, about]) => `  ${name.padEnd(8)} ${about}`)
  .join('\n');

export const help = `\
Usage: npm run bench -- scale [options]

The service over HTTP as it grows: frees and allocations a second, waiting times and memory. Each row
has a service of its own, which is measured by turns with one that is nearly empty (${EMPTY.live} live
allocations). The load comes from wrk, which has to be installed (apt-get install wrk). The table goes
to the standard output, progress to the standard error.

  --connections N    at a time                                       ${CONNECTIONS}
  --seconds N        how long one is measured at a time, an integer  ${SECONDS}, quick: 1
  --rounds N         how often the two are measured by turns         ${ROUNDS}, quick: 1
  --only TEXT        rows whose name contains TEXT, as in live/1000000; repeatable
  --quick            few and small rows, one short round; says little
  --large            1e7 live allocations too
  --data DIR         where the data directories are made, on the disk that is to be measured
                                                                     the system's temporary files
  --markdown         the table in Markdown
  --json FILE        the figures in JSON as well
  --from FILE        measures nothing: shows the figures of such a file
  --results DIR      writes scale.md and scale.svg there             bench/results for a whole run,
                     nowhere for --quick, --only, --connections
                     and --from
  --help             this

Exit codes: 0 measured; 1 a row failed; 2 the options are not understood, or wrk is missing.

Varied are:
${dimensionLines}
`;

const described = {
  connections: { type: 'string' },
  seconds: { type: 'string' },
  rounds: { type: 'string' },
  only: { type: 'string', multiple: true },
  quick: { type: 'boolean' },
  large: { type: 'boolean' },
  data: { type: 'string' },
  ...reporting,
} as const;

/** Reads the words after `scale`. Throws {@link Mistake}; undefined where help is asked for. */
export function parseScaleOptions(words: readonly string[]): ScaleOptions | undefined {
  const values = valuesOf(words, described);
  if (values.help === true) return undefined;
  const quick = values.quick === true;
  const { from, only, connections } = values;
  const part = quick || [from, only, connections].some((value) => value !== undefined);
  const rows = planScale({ quick, large: values.large === true, only: only ?? [] });
  if (rows.length === 0) throw new Mistake('No row has such a name.');
  return {
    rows,
    connections: count('connections', connections ?? String(CONNECTIONS)),
    seconds: count('seconds', values.seconds ?? String(quick ? 1 : SECONDS)),
    rounds: count('rounds', values.rounds ?? String(quick ? 1 : ROUNDS)),
    warmUp: !quick,
    data: directory('data', values.data ?? tmpdir()),
    ...reportingOf(values, part),
  };
}
