/**
 * etcd with compare-and-swap: a key for each number that is held, made in a transaction on the
 * condition that it is not there. A client draws numbers until one is free, so a pool that is fuller
 * takes more tries. It is spoken to in JSON, through the gateway that etcd brings with it.
 */
import { Client as Connection } from 'undici';
import type { Client, Clients, Peer, Served, Setting } from './peer.ts';
import { cpuSecondsOf, findProgram, freePort, ServerProcess, versionOf } from './process.ts';

const TRIES_MAX = 1000;
const PREFIX = 'held/';
/** The key that follows the last with the prefix. */
const PREFIX_END = 'held0';

export const peer: Peer = { start, connect };

async function start({ directory }: Setting): Promise<Served> {
  const program = await findProgram('etcd', 'etcd-server');
  const address = `http://127.0.0.1:${await freePort()}`;
  const among = `http://127.0.0.1:${await freePort()}`;
  const words = {
    name: 'bench',
    'data-dir': `${directory}/data`,
    'listen-client-urls': address,
    'advertise-client-urls': address,
    'listen-peer-urls': among,
    'initial-advertise-peer-urls': among,
    'initial-cluster': `bench=${among}`,
    'log-level': 'error',
  };
  const server = await ServerProcess.start({
    program,
    words: Object.entries(words).map(([name, value]) => `--${name}=${value}`),
    directory,
    stopSignal: 'SIGTERM',
    ready: async () => {
      const { health } = (await (await fetch(`${address}/health`)).json()) as { health: string };
      if (health !== 'true') throw new Error('etcd has no leader yet.');
    },
  });
  const version = `etcd ${await versionOf(program, /Version: ([0-9.]+)/)}`;
  const cpuSeconds = (): Promise<number> => cpuSecondsOf(server.pid);
  return { address, version, cpuSeconds, stop: () => server.stop() };
}

async function connect(address: string, clients: number, pool: number): Promise<Clients> {
  const all = Array.from({ length: clients }, () => new Connection(address));
  const value = encoded('somebody');
  const client = (own: Connection): Client => ({
    async grant() {
      for (let tries = 0; tries < TRIES_MAX; tries++) {
        const number = Math.floor(Math.random() * pool);
        const key = encoded(PREFIX + number);
        const answer = await ask<{ readonly succeeded?: boolean }>(own, 'txn', {
          compare: [{ key, target: 'CREATE', result: 'EQUAL', create_revision: '0' }],
          success: [{ request_put: { key, value } }],
        });
        if (answer.succeeded === true) return number;
      }
      throw new Error(`etcd: ${TRIES_MAX} numbers drawn, and all are held.`);
    },
    async free(number) {
      await ask(own, 'deleterange', { key: encoded(PREFIX + number) });
    },
  });
  return {
    each: all.map(client),
    async held() {
      const range = { key: encoded(PREFIX), range_end: encoded(PREFIX_END), count_only: true };
      const { count = '0' } = await ask<{ readonly count?: string }>(all[0]!, 'range', range);
      return Number(count);
    },
    close: async () => {
      await Promise.all(all.map((own) => own.close()));
    },
  };
}

async function ask<Answer>(own: Connection, what: string, body: unknown): Promise<Answer> {
  const answer = await own.request({
    method: 'POST',
    path: `/v3/kv/${what}`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (answer.statusCode === 200) return (await answer.body.json()) as Answer;
  throw new Error(`etcd answers ${answer.statusCode}: ${await answer.body.text()}`);
}

/** Keys and values are bytes, in Base64 on the wire. */
function encoded(text: string): string {
  return Buffer.from(text).toString('base64');
}
