/** The options of the benchmark over HTTP: `npm run bench -- http --help`. */
import { tmpdir } from 'node:os';
import { count, directory, reporting, reportingOf, valuesOf, type Reporting } from './arguments.ts';
import { BATCH_SECONDS, httpWorkloads } from './http-workload.ts';

export interface HttpOptions extends Reporting {
  readonly connections: readonly number[];
  readonly seconds: number;
  readonly rounds: number;
  readonly only: readonly string[];
  /** Of the arena that is nearly full. */
  readonly addresses: number;
  readonly warmUp: boolean;
  readonly data: string;
}

const CONNECTIONS = [1, 16, 64, 256];
const QUICK = [1, 64];
const SECONDS = 1;
const ROUNDS = 9;
const STARTS = 3;
const ADDRESSES = 2 ** 20;

const workloadLines = Object.entries(httpWorkloads)
  .map(([name, { about }]) => `  ${name.padEnd(12)} ${about}`)
  .join('\n');

export const help = `\
Usage: npm run bench -- http [options]

The service over HTTP, beside a bare Fastify route with the same requests and replies: requests a
second, waiting times, and what a request costs. A whole run takes half an hour. The load
comes from wrk, which has to be installed (apt-get install wrk). The table goes to the standard output,
progress to the standard error.

  --connections N    instead of ${CONNECTIONS.join(', ')}; repeatable
  --seconds N        how long one is measured at a time, an integer; batches for at least ${BATCH_SECONDS}
                                                                     ${SECONDS}, quick: 1
  --rounds N         how often the two are measured by turns, started ${STARTS} times in all
                                                                     ${ROUNDS}, quick: 1
  --only TEXT        workloads whose name contains TEXT; repeatable
  --addresses N      of the arena that is nearly full                ${ADDRESSES}, quick: ${ADDRESSES / 16}
  --quick            ${QUICK.join(' and ')} connections, one short round; says little
  --data DIR         where the data directory is made, on the disk that is to be measured
                                                                     the system's temporary files
  --markdown         the table in Markdown
  --json FILE        the figures in JSON as well
  --from FILE        measures nothing: shows the figures of such a file
  --results DIR      writes http.md and http.svg there               bench/results for a whole run,
                     nowhere for --quick, --only, --connections
                     and --from
  --help             this

Exit codes: 0 measured; 2 the options are not understood, or wrk is missing.

Workloads:
${workloadLines}
`;

const described = {
  connections: { type: 'string', multiple: true },
  seconds: { type: 'string' },
  rounds: { type: 'string' },
  only: { type: 'string', multiple: true },
  addresses: { type: 'string' },
  quick: { type: 'boolean' },
  data: { type: 'string' },
  ...reporting,
} as const;

/** How often the two are started for a workload, each time for a part of the rounds. */
export function startsOf(rounds: number): number {
  return Math.min(STARTS, rounds);
}

/** Reads the words after `http`. Throws {@link Mistake}; undefined where help is asked for. */
export function parseHttpOptions(words: readonly string[]): HttpOptions | undefined {
  const values = valuesOf(words, described);
  if (values.help === true) return undefined;
  const quick = values.quick === true;
  const { from, only, connections } = values;
  const part = quick || [from, only, connections].some((value) => value !== undefined);
  const usual = quick ? QUICK : CONNECTIONS;
  return {
    connections: connections?.map((text) => count('connections', text)) ?? usual,
    seconds: count('seconds', values.seconds ?? String(quick ? 1 : SECONDS)),
    rounds: count('rounds', values.rounds ?? String(quick ? 1 : ROUNDS)),
    only: only ?? [],
    addresses: count('addresses', values.addresses ?? String(quick ? ADDRESSES / 16 : ADDRESSES)),
    warmUp: !quick,
    data: directory('data', values.data ?? tmpdir()),
    ...reportingOf(values, part),
  };
}
