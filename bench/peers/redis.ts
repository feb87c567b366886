/**
 * Redis with every command in its file before it answers, and a script a grant: a number is popped
 * from the set of free ones and put into the table of those held.
 */
import { createClient } from '@redis/client';
import type { Client, Clients, Peer, Served, Setting } from './peer.ts';
import { cpuSecondsOf, findProgram, freePort, ServerProcess, versionOf } from './process.ts';

const GRANT = `
local number = redis.call('SPOP', KEYS[1])
if number then redis.call('HSET', KEYS[2], number, ARGV[1]) end
return number`;
const FREE = `
if redis.call('HDEL', KEYS[2], ARGV[1]) == 1 then redis.call('SADD', KEYS[1], ARGV[1]) end`;
const KEYS = ['free', 'held'];
/** Members that one command adds. */
const CHUNK = 10_000;

export const peer: Peer = { start, connect };

type RedisClient = Awaited<ReturnType<typeof connected>>;

async function start({ directory, pool }: Setting): Promise<Served> {
  const program = await findProgram('redis-server', 'redis-server');
  const port = await freePort();
  const address = `redis://127.0.0.1:${port}`;
  const settings = {
    bind: '127.0.0.1',
    port: String(port),
    dir: directory,
    save: '',
    appendonly: 'yes',
    appendfsync: 'always',
  };
  const server = await ServerProcess.start({
    program,
    words: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
    directory,
    stopSignal: 'SIGTERM',
    ready: async () => (await connected(address)).close(),
  });
  try {
    const client = await connected(address);
    for (let from = 0; from < pool; from += CHUNK) {
      const length = Math.min(CHUNK, pool - from);
      await client.sAdd(
        'free',
        Array.from({ length }, (_, i) => String(from + i)),
      );
    }
    await client.close();
    const version = `Redis ${await versionOf(program, /v=([0-9.]+)/)}`;
    const cpuSeconds = (): Promise<number> => cpuSecondsOf(server.pid);
    return { address, version, cpuSeconds, stop: () => server.stop() };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function connect(address: string, clients: number): Promise<Clients> {
  const all = await Promise.all(Array.from({ length: clients }, () => connected(address)));
  const [grant, free] = await Promise.all([GRANT, FREE].map((text) => all[0]!.scriptLoad(text)));
  const client = (own: RedisClient): Client => ({
    async grant() {
      const number = await own.evalSha(grant!, { keys: KEYS, arguments: ['somebody'] });
      if (typeof number !== 'string') throw new Error('Redis has no free number.');
      return Number(number);
    },
    async free(number) {
      await own.evalSha(free!, { keys: KEYS, arguments: [String(number)] });
    },
  });
  return {
    each: all.map(client),
    held: () => all[0]!.hLen('held'),
    close: async () => {
      await Promise.all(all.map((own) => own.close()));
    },
  };
}

async function connected(url: string) {
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
