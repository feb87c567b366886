/**
 * Group commit, measured over HTTP: a service in a process of its own, so many connections from
 * this one, each with one request for one address under way. Shown are the grants a second, how
 * long a client waits for one, and how many records a commit holds, which the journal itself tells
 * when the service has ended.
 */
import Database from 'better-sqlite3';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server } from '../test/crash/server.ts';
import { answer, count, directory, helped, seconds, valuesOf } from './arguments.ts';
import { Samples } from './clock.ts';
import { Connection } from './connection.ts';
import { syncTime } from './disk.ts';
import { Progress } from './progress.ts';
import { render } from './table.ts';

const CONNECTIONS = [1, 16, 64, 256];
const CONNECTIONS_MAX = 4096;
const SECONDS = 5;
/** The first part of a row is not counted: compilers, caches and the connections warm up. */
const WARM_UP_SHARE = 0.3;
const SAMPLES_MAX = 4_000_000;
const GOAL = { connections: 64, records: 8 };

const help = `\
Usage: npm run bench -- group [options]

Grants a second, waiting times and records in a commit, at several numbers of connections, against
a service in a process of its own. The table goes to the standard output.

  --connections N    instead of ${CONNECTIONS.join(', ')}; repeatable
  --seconds N        how long a row is measured                      ${SECONDS}
  --data DIR         where the data directory is made, on the disk that is to be measured
                                                                     the system's temporary files
  --markdown         the table in Markdown
  --help             this
`;

interface Options {
  readonly connections: readonly number[];
  readonly seconds: number;
  readonly data: string;
  readonly markdown: boolean;
}

interface Measured {
  readonly connections: number;
  readonly grants: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** The revisions of the measured part: above the first, up to the second. */
  readonly from: number;
  readonly to: number;
}

interface Groups {
  readonly groups: number;
  readonly records: number;
  readonly largest: number;
}

/** Runs with the words after `group`; the number is the exit code. */
export function run(words: readonly string[]): Promise<number> {
  return answer(help, async () => {
    const options = parse(words);
    if (options === undefined) return helped(help);
    await runWith(options);
    return 0;
  });
}

async function runWith({ connections, seconds, data, markdown }: Options): Promise<void> {
  const directory = await mkdtemp(join(data, 'vmemd-bench-'));
  try {
    const syncMs = await syncTime(directory);
    const rows = await measureAll(directory, connections, seconds);
    const groups = rows.map((row) => groupsOf(directory, row));
    const table = render({ ...tableOf(rows, groups), figuresFrom: 0 }, markdown);
    process.stdout.write(`${table}\n\nfdatasync of 4 KiB here: ${syncMs.toFixed(2)} ms (median)\n`);
    for (const [at, row] of rows.entries()) {
      if (row.connections === GOAL.connections) process.stdout.write(verdict(groups[at]!));
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function measureAll(
  data: string,
  connections: readonly number[],
  seconds: number,
): Promise<Measured[]> {
  const server = await Server.start({ data: join(data, 'data') });
  const progress = new Progress(connections.length);
  try {
    await createArena(server.url);
    const rows: Measured[] = [];
    for (const count of connections) {
      progress.begins(`${count} connections`);
      rows.push(await measure(server.url, count, seconds));
      progress.ends(`${count} connections`, 1);
    }
    return rows;
  } finally {
    progress.close();
    // In order, so that the journal can be read.
    if (server.running) await server.stop();
  }
}

async function createArena(url: string): Promise<void> {
  const connection = await Connection.open(url);
  const spans = [{ base: '0', size: String(2 ** 48) }];
  const { status, body } = await connection.post('/v1/arenas', { name: 'ids', spans });
  connection.close();
  if (status !== 201) throw new Error(`The arena is not created: ${status} ${body}`);
}

/** One row: all connections ask at once, again as soon as they are answered. */
async function measure(url: string, count: number, seconds: number): Promise<Measured> {
  const samples = new Samples(SAMPLES_MAX, 0);
  const all = await Promise.all(Array.from({ length: count }, () => Connection.open(url)));
  const begin = performance.now() + seconds * 1000 * WARM_UP_SHARE;
  const end = begin + seconds * 1000;
  let grants = 0;
  let [from, to] = [0, 0];
  const loop = async (connection: Connection): Promise<void> => {
    for (let asked = performance.now(); asked < end;) {
      const { status, body } = await connection.post('/v1/arenas/ids/alloc', { size: '1' });
      if (status !== 201) throw new Error(`An allocation is answered ${status}: ${body}`);
      const revision = Number(/"revision":([0-9]+)/.exec(body)?.[1]);
      const answered = performance.now();
      if (answered < begin) from = Math.max(from, revision);
      else if (answered < end) {
        samples.add(answered - asked);
        to = Math.max(to, revision);
        grants++;
      }
      asked = answered;
    }
  };
  try {
    await Promise.all(all.map(loop));
  } finally {
    for (const connection of all) connection.close();
  }
  const { p50, p99 } = samples.summary();
  return { connections: count, grants, seconds, p50, p99, from, to };
}

/** The groups that lie wholly in the measured part; one row of the journal is one commit. */
function groupsOf(directory: string, { from, to }: Measured): Groups {
  const database = new Database(join(directory, 'data', 'vmemd.db'), { readonly: true });
  try {
    return database
      .prepare<[number, number], Groups>(
        `select count(*) as groups,
                coalesce(sum(last_revision - first_revision + 1), 0) as records,
                coalesce(max(last_revision - first_revision + 1), 0) as largest
         from journal_group where first_revision > ? and last_revision <= ?`,
      )
      .get(from, to)!;
  } finally {
    database.close();
  }
}

function tableOf(rows: readonly Measured[], groups: readonly Groups[]) {
  const head = [
    'connections',
    'grants/s',
    'p50 ms',
    'p99 ms',
    'commits/s',
    'mean group',
    'largest',
  ];
  const cells = rows.map(({ connections, grants, seconds, p50, p99 }, at) => {
    const own = groups[at]!;
    const rate = (count: number): string => Math.round(count / seconds).toLocaleString('en-US');
    const times = [p50.toFixed(2), p99.toFixed(2)];
    const group = [rate(own.groups), mean(own).toFixed(1), String(own.largest)];
    return [String(connections), rate(grants), ...times, ...group];
  });
  return { head, rows: cells };
}

function mean({ records, groups }: Groups): number {
  return groups === 0 ? 0 : records / groups;
}

function verdict(groups: Groups): string {
  const met = mean(groups) > GOAL.records ? 'met' : 'missed';
  const { records, connections } = GOAL;
  return `goal: more than ${records} records in a commit at ${connections} connections: ${met}\n`;
}

function parse(words: readonly string[]): Options | undefined {
  const values = valuesOf(words, {
    connections: { type: 'string', multiple: true },
    seconds: { type: 'string' },
    data: { type: 'string' },
    markdown: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help === true) return undefined;
  return {
    connections:
      values.connections?.map((text) => count('connections', text, CONNECTIONS_MAX)) ?? CONNECTIONS,
    seconds: seconds('seconds', values.seconds ?? String(SECONDS)),
    data: directory('data', values.data ?? tmpdir()),
    markdown: values.markdown === true,
  };
}
