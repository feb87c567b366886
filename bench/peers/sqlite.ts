/**
 * SQLite in a thread of the process that needs numbers, a transaction a request: no server, and
 * nothing between the clients and the database but messages. The thread is in sqlite-thread.ts.
 */
import Database from 'better-sqlite3';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Client, Clients, Peer, Served, Setting } from './peer.ts';
import type { Answer, Request } from './sqlite-thread.ts';

export const peer: Peer = { start, connect };

/** Makes the file; there is nothing to start. */
async function start({ directory, pool }: Setting): Promise<Served> {
  const address = join(directory, 'pool.db');
  const database = new Database(address);
  database.pragma('journal_mode = WAL');
  database.exec(`
    create table pool (number integer primary key, holder text);
    create index pool_free on pool (number) where holder is null`);
  const insert = database.prepare('insert into pool (number) values (?)');
  database.transaction(() => {
    for (let number = 0; number < pool; number++) insert.run(number);
  })();
  const version = database.prepare('select sqlite_version()').pluck().get() as string;
  database.close();
  return {
    address,
    version: `SQLite ${version}`,
    cpuSeconds: async () => 0,
    stop: async () => undefined,
  };
}

async function connect(address: string, clients: number): Promise<Clients> {
  const worker = new Worker(new URL('sqlite-thread.ts', import.meta.url), { workerData: address });
  await once(worker, 'online');
  /** By their order: the thread answers in turn. */
  const waiting: PromiseWithResolvers<Answer>[] = [];
  worker.on('message', (answer: Answer) => waiting.shift()!.resolve(answer));
  worker.on('error', (error) => {
    for (const { reject } of waiting) reject(error);
  });
  const ask = async (request: Request): Promise<number> => {
    const own = Promise.withResolvers<Answer>();
    waiting.push(own);
    worker.postMessage(request);
    const answer = await own.promise;
    if (answer === undefined) throw new Error('SQLite has no free number.');
    return answer;
  };
  const client: Client = {
    grant: () => ask({ what: 'grant' }),
    async free(number) {
      await ask({ what: 'free', number });
    },
  };
  return {
    each: Array.from({ length: clients }, () => client),
    async serverCpuSeconds() {
      const { user, system } = await worker.cpuUsage();
      return (user + system) / 1e6;
    },
    held: () => ask({ what: 'count' }),
    async close() {
      await worker.terminate();
    },
  };
}
