/** The options of the comparison with others: `npm run bench -- peers --help`. */
import { tmpdir } from 'node:os';
import {
  count,
  directory,
  Mistake,
  reporting,
  reportingOf,
  seconds,
  valuesOf,
  type Reporting,
} from './arguments.ts';
import { peers } from './peers/all.ts';

export interface PeersOptions extends Reporting {
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
}

/** As many numbers as are held are a quarter of the pool. */
export const POOL_BY_HELD = 4;

const CLIENTS = [1, 16, 64];
const QUICK = [64];
const SECONDS = 3;
const ROUNDS = 5;
const HELD = 4096;
const HELD_QUICK = 1024;

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

const described = {
  clients: { type: 'string', multiple: true },
  seconds: { type: 'string' },
  rounds: { type: 'string' },
  only: { type: 'string', multiple: true },
  held: { type: 'string' },
  quick: { type: 'boolean' },
  data: { type: 'string' },
  ...reporting,
} as const;

/** Reads the words after `peers`. Throws {@link Mistake}; undefined where help is asked for. */
export function parsePeersOptions(words: readonly string[]): PeersOptions | undefined {
  const values = valuesOf(words, described);
  if (values.help === true) return undefined;
  const quick = values.quick === true;
  const { from, only, clients, held } = values;
  const part = quick || [from, only, clients, held].some((value) => value !== undefined);
  const counts = clients?.map((text) => count('clients', text)) ?? (quick ? QUICK : CLIENTS);
  const options: PeersOptions = {
    clients: counts.toSorted((a, b) => a - b),
    seconds: seconds('seconds', values.seconds ?? String(quick ? 1 : SECONDS)),
    rounds: count('rounds', values.rounds ?? String(quick ? 1 : ROUNDS)),
    names: namesOf(only),
    held: count('held', held ?? String(quick ? HELD_QUICK : HELD)),
    warmUp: !quick,
    data: directory('data', values.data ?? tmpdir()),
    ...reportingOf(values, part),
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
