/** vmemd as it is started by `npm start`, over HTTP. */
import { createRequire } from 'node:module';
import { Client as Connection } from 'undici';
import { Server } from '../../test/crash/server.ts';
import type { Client, Clients, Peer, Served, Setting } from './peer.ts';
import { cpuSecondsOf } from './process.ts';

const ARENA = '/v1/arenas/ids';

export const peer: Peer = { start, connect };

async function start({ directory, pool }: Setting): Promise<Served> {
  const server = await Server.start({ data: directory });
  const address = server.url;
  const first = new Connection(address);
  const spans = [{ base: '0', size: String(pool) }];
  await ask(first, 'POST', '/v1/arenas', { name: 'ids', spans });
  await first.close();
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
  return {
    address,
    version: `vmemd ${version}`,
    cpuSeconds: () => cpuSecondsOf(server.pid),
    async stop() {
      if (server.running) await server.stop();
    },
  };
}

async function connect(address: string, clients: number): Promise<Clients> {
  const all = Array.from({ length: clients }, () => new Connection(address));
  const client = (own: Connection): Client => ({
    async grant() {
      const granted = await ask(own, 'POST', `${ARENA}/alloc`, { size: '1' });
      return Number((JSON.parse(granted) as { readonly address: string }).address);
    },
    async free(number) {
      await ask(own, 'DELETE', `${ARENA}/allocations/${number}`);
    },
  });
  return {
    each: all.map(client),
    async held() {
      const arena = await ask(all[0]!, 'GET', ARENA);
      return (JSON.parse(arena) as { readonly allocations: number }).allocations;
    },
    close: async () => {
      await Promise.all(all.map((own) => own.close()));
    },
  };
}

async function ask(
  own: Connection,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<string> {
  const answer = await own.request({
    method,
    path,
    ...(body !== undefined && {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  });
  const text = await answer.body.text();
  if (answer.statusCode < 400) return text;
  throw new Error(`vmemd answers ${answer.statusCode}: ${text}`);
}
