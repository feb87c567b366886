/** The options of the comparison with others: `npm run bench -- peers --help`. */
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { count, Mistake } from './options.ts';
import { peers } from './peers/all.ts';

export interface PeersOptions {
  /** Clients at a time, ascending. */
  readonly clients: readonly number[];
  readonly seconds: number;
  readonly rounds: number;
  /** Peers to be measured, vmemd among them. */
  readonly names: readonly string[];
  readonly held: number;
  /** All are measured once before, which does not count. */
  readonly warmUp: boolean;
  readonly data: string;
  readonly markdown: boolean;
  readonly json?: string;
  readonly from?: string;
  /** Where the committed table and plots go; absent for runs that are not the whole. */
  readonly results?: string;
}

/** As many numbers as are held are a quarter of the pool. */
export const POOL_BY_HELD = 4;

const CLIENTS = [1, 16, 64];
const QUICK = [64];
const SECONDS = 3;
const ROUNDS = 5;
const HELD = 4096;
const HELD_QUICK = 1024;
const RESULTS = new URL('results/', import.meta.url).pathname;

const peerLines = Object.entries(peers)
  .map(([name, { about }]) => `  ${name.padEnd(15)} ${about}`)
  .join('\n');

export const help = `\
Usage: npm run bench -- peers [options]

vmemd beside what else one may take to hand out numbers: durable grants a second, how long a client
waits for one, and what that costs. Each server is started by this program, on 127.0.0.1 and in a
directory of its own; what is not installed is left out. On Debian the others are there after
  apt-get install postgresql redis-server etcd-server

Clients are in a Node process, with a connection each. A fixed number of numbers is held: a client
frees one of these, drawn at random, and asks for another. A number that two hold is an error. The
table goes to the standard output, progress to the standard error.

  --clients N        instead of ${CLIENTS.join(', ')}; repeatable
  --seconds N        how long one is measured at a time              ${SECONDS}, quick: 1
  --rounds N         how often all are measured in turn              ${ROUNDS}, quick: 1
  --only TEXT        those whose name contains TEXT, and vmemd; repeatable
  --held N           numbers held, of ${POOL_BY_HELD} times as many                 ${HELD}, quick: ${HELD_QUICK}
  --quick            ${QUICK.join(' and ')} clients, one short round; says little
  --data DIR         where the data directories are made, on the disk that is to be measured
                                                                     the system's temporary files
  --markdown         the table in Markdown
  --json FILE        the figures in JSON as well
  --from FILE        measures nothing: shows the figures of such a file
  --results DIR      writes peers.md and peers.svg there             bench/results for a whole run,
                     nowhere for --quick, --only, --clients,
                     --held and --from
  --help             this

Exit codes: 0 measured; 1 one of them failed; 2 the options are not understood.

Compared are:
${peerLines}
`;

/** Reads the words after `peers`. Throws {@link Mistake}; undefined where help is asked for. */
export function parsePeersOptions(words: readonly string[]): PeersOptions | undefined {
  const values = parse(words);
  if (values.help === true) return undefined;
  const quick = values.quick === true;
  const { json, from, only, clients, held } = values;
  const part = quick || [from, only, clients, held].some((value) => value !== undefined);
  const results = values.results ?? (part ? undefined : RESULTS);
  const counts = clients?.map((text) => count('clients', text)) ?? (quick ? QUICK : CLIENTS);
  const options: PeersOptions = {
    clients: counts.toSorted((a, b) => a - b),
    seconds: seconds(values.seconds ?? String(quick ? 1 : SECONDS)),
    rounds: count('rounds', values.rounds ?? String(quick ? 1 : ROUNDS)),
    names: namesOf(only),
    held: count('held', held ?? String(quick ? HELD_QUICK : HELD)),
    warmUp: !quick,
    data: values.data ?? tmpdir(),
    markdown: values.markdown === true,
    ...(json !== undefined && { json }),
    ...(from !== undefined && { from }),
    ...(results !== undefined && { results }),
  };
  if (options.held >= options.clients.at(-1)!) return options;
  throw new Mistake('--held must be at least --clients: each client frees one before it asks.');
}

function namesOf(only: readonly string[] | undefined): string[] {
  const names = Object.keys(peers);
  if (only === undefined) return names;
  for (const text of only) {
    if (!names.some((name) => name.includes(text))) {
      throw new Mistake(`Nothing that is compared has "${text}" in its name.`);
    }
  }
  return names.filter((name) => name === 'vmemd' || only.some((text) => name.includes(text)));
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        clients: { type: 'string', multiple: true },
        seconds: { type: 'string' },
        rounds: { type: 'string' },
        only: { type: 'string', multiple: true },
        held: { type: 'string' },
        quick: { type: 'boolean' },
        data: { type: 'string' },
        markdown: { type: 'boolean' },
        json: { type: 'string' },
        from: { type: 'string' },
        results: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new Mistake(error instanceof Error ? error.message : String(error));
  }
}

function seconds(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 3600) return value;
  throw new Mistake(`--seconds takes a number above 0, up to 3600, not "${text}".`);
}
