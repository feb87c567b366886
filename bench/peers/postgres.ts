/** PostgreSQL: a server as initdb makes it, and clients that send one prepared statement a grant. */
import { execFile } from 'node:child_process';
import { chown, realpath, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import type { Client, Clients, Peer, Served, Setting } from './peer.ts';
import {
  cpuSecondsOf,
  findProgram,
  freePort,
  ServerProcess,
  versionOf,
  type User,
} from './process.ts';

const execute = promisify(execFile);
const DEBIAN = '/usr/lib/postgresql';
/** For those who look at it, and its own processes. */
const SPARE_CONNECTIONS = 10;

/** What is asked of it, in SQL. */
export interface Method {
  /** Run once; `$POOL` stands for the number of numbers. */
  readonly schema: string;
  /** Gives a row with the number in `number`, or none. */
  readonly grant: string;
  /** The number is `$1`. */
  readonly free: string;
  readonly count: string;
}

/** PostgreSQL, used in this way. */
export function postgres(method: Method): Peer {
  return {
    start: (setting) => start(method, setting),
    connect: (address, clients, pool) => connect(method, address, clients, pool),
  };
}

async function start({ schema }: Method, setting: Setting): Promise<Served> {
  const { directory, clients, pool } = setting;
  const initdb = await realpath(await findProgram('initdb', 'postgresql', await debianFolders()));
  const program = join(dirname(initdb), 'postgres');
  const user = await unprivileged();
  if (user !== undefined) await chown(directory, user.uid, user.gid);
  const data = join(directory, 'data');
  const made = ['-D', data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  await execute(initdb, made, { cwd: directory, ...user });
  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: clients + SPARE_CONNECTIONS,
    fsync: 'on',
    synchronous_commit: 'on',
    full_page_writes: 'on',
  };
  const words = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const address = `postgres://bench@127.0.0.1:${port}/postgres`;
  const server = await ServerProcess.start({
    program,
    words: ['-D', data, ...words],
    directory,
    user,
    // Fast: without waiting for the connections to end.
    stopSignal: 'SIGINT',
    ready: async () => (await connected(address)).end(),
  });
  try {
    const client = await connected(address);
    await client.query(schema.replaceAll('$POOL', String(pool)));
    await client.query('analyze');
    await client.end();
    const version = `PostgreSQL ${await versionOf(program, /([0-9.]+)/)}`;
    const cpuSeconds = (): Promise<number> => cpuSecondsOf(server.pid);
    return { address, version, cpuSeconds, stop: () => server.stop() };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function connect(
  { grant, free, count }: Method,
  address: string,
  clients: number,
  pool: number,
): Promise<Clients> {
  const all = await Promise.all(Array.from({ length: clients }, () => connected(address)));
  const text = grant.replaceAll('$POOL', String(pool));
  const client = (own: pg.Client): Client => ({
    async grant() {
      return numberOf(await own.query({ name: 'grant', text }));
    },
    async free(number) {
      await own.query({ name: 'free', text: free, values: [number] });
    },
  });
  return {
    each: all.map(client),
    held: async () => numberOf(await all[0]!.query(count)),
    close: async () => {
      await Promise.all(all.map((own) => own.end()));
    },
  };
}

async function connected(address: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: address });
  // A server that goes away says so also while nothing is asked.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Of one row; 64-bit integers come as text. */
function numberOf({ rows }: pg.QueryResult<{ readonly number?: string | null }>): number {
  const number = rows[0]?.number;
  if (number === undefined || number === null) throw new Error('PostgreSQL has no free number.');
  return Number(number);
}

/** PostgreSQL refuses to run as root; Debian's package has made a user for it. */
async function unprivileged(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (flag: string): Promise<number> =>
    Number((await execute('id', [flag, 'postgres'])).stdout);
  return { uid: await id('-u'), gid: await id('-g') };
}

/** Where Debian keeps programs that are not for the PATH; the newest version first. */
async function debianFolders(): Promise<string[]> {
  try {
    const versions = (await readdir(DEBIAN)).toSorted((a, b) => Number(b) - Number(a));
    return versions.map((version) => join(DEBIAN, version, 'bin'));
  } catch {
    return [];
  }
}
