/**
 * The workloads over HTTP: what the arena is before a run, and what wrk then asks for, in the words
 * of wrk.lua. Each run begins from the same state, but for what stays of the ones before it where
 * allocations are held from run to run.
 */
import { writeFile } from 'node:fs/promises';
import { Connection } from './connection.ts';

const ARENA = '/v1/arenas/ids';
const ALLOCATIONS = `${ARENA}/allocations`;
/** Never full in a run. */
const LARGE = 2 ** 48;
/** Allocations that are asked for, all there. */
const READ = 100_000;
/** Frees a second that no service gets to, so that there is always one left. */
const FREES = 50_000;
/** Of those held, so many, drawn from everywhere, are freed and made anew by turns. */
const WORKING_SET = 20_000;
const SAMPLE_PAGES = 100;
const BATCH = 10_000;
const SETTLE_TRIES = 30;
/** In a shorter run only few of them would be answered. */
export const BATCH_SECONDS = 2;

export interface Setting {
  /** Where the service is; absent for one that holds nothing. */
  readonly url?: string;
  readonly seconds: number;
  /** The service has just been started. */
  readonly first: boolean;
  /** Addresses of an arena that is nearly full. */
  readonly addresses: number;
  /** For the addresses that wrk is to hold. */
  readonly file: string;
}

export interface HttpWorkload {
  readonly about: string;
  /** Grants of a request, where they are more than one. */
  readonly grants?: number;
  /** Of more at a time, a short run would be over before the first answer. */
  readonly connectionsMax?: number;
  /** It is measured for so long at a time, at least. */
  readonly secondsMin?: number;
  /** Makes the state that a run begins with; resolves with the words for wrk. */
  readonly prepare: (setting: Setting) => Promise<readonly string[]>;
}

const fresh = async ({ url }: Setting): Promise<void> => {
  if (url === undefined) return;
  await withConnection(url, async (connection) => {
    await connection.ask('DELETE', `${ARENA}?force=true`);
    await createArena(connection, LARGE);
  });
};

export const httpWorkloads: Readonly<Record<string, HttpWorkload>> = {
  alloc: {
    about: 'one address, anywhere',
    async prepare(setting) {
      await fresh(setting);
      return ['same', 'POST', `${ARENA}/alloc`, '{"size":"1"}'];
    },
  },
  xalloc: {
    about: '16 addresses, aligned to 64, within a 4096, in a window of 2^24 drawn anew each time',
    async prepare(setting) {
      await fresh(setting);
      const body = '{"size":"16","align":"64","nocross":"4096"}';
      return ['window', `${ARENA}/xalloc`, body, String(2 ** 24)];
    },
  },
  free: {
    about: 'of single addresses that lie side by side, in order',
    async prepare(setting) {
      await fresh(setting);
      const count = Math.ceil(setting.seconds * FREES);
      if (setting.url !== undefined) await fill(setting.url, count);
      return ['count', 'DELETE', `${ALLOCATIONS}/`, String(count)];
    },
  },
  'mixed-0': mixed(0),
  'mixed-90': mixed(0.9),
  'mixed-99.9': mixed(0.999),
  get: {
    about: `one of ${READ.toLocaleString('en-US')} allocations, drawn anew each time`,
    async prepare(setting) {
      if (setting.first) {
        await fresh(setting);
        if (setting.url !== undefined) await fill(setting.url, READ);
      }
      return ['number', 'GET', `${ALLOCATIONS}/`, String(READ)];
    },
  },
  'batch-100': batch(100),
  'batch-1000': batch(1000),
};

/** Waits until the book of history, which falls behind under load, has everything. */
export async function settle(url: string): Promise<void> {
  for (let tries = 0; tries < SETTLE_TRIES; tries++) {
    // It is answered when it has what was durable when it was asked, or refused after ten seconds.
    const { status } = await fetch(`${url}${ARENA}/history?address=0&limit=1`);
    if (status !== 503) return;
  }
  throw new Error('The book of history does not catch up.');
}

/** Frees and allocations of single addresses by turns, with so much of the arena allocated. */
function mixed(share: number): HttpWorkload {
  const full = share === 0 ? 'next to nothing' : `${share * 100} %`;
  return {
    about: `frees and allocations of one address by turns, ${full} of the arena being allocated`,
    async prepare({ url, first, addresses, file }) {
      if (url !== undefined) {
        await withConnection(url, async (connection) => {
          if (first) {
            await createArena(connection, addresses);
            await fillWith(connection, Math.max(1000, Math.floor(addresses * share)));
          }
          await writeFile(file, (await sample(connection, addresses)).join('\n'));
        });
      } else {
        await writeFile(file, Array.from({ length: WORKING_SET }, (_, i) => i).join('\n'));
      }
      return ['hold', ARENA, '{"size":"1"}', file];
    },
  };
}

function batch(operations: number): HttpWorkload {
  return {
    about: `batches of ${operations} allocations of one address`,
    grants: operations,
    connectionsMax: Math.floor(64_000 / operations),
    secondsMin: BATCH_SECONDS,
    async prepare(setting) {
      await fresh(setting);
      return ['same', 'POST', '/v1/batch', JSON.stringify({ operations: grants(operations) })];
    },
  };
}

function grants(count: number): object[] {
  return Array.from({ length: count }, () => ({ op: 'alloc', arena: 'ids', size: '1' }));
}

async function withConnection<T>(url: string, use: (own: Connection) => Promise<T>): Promise<T> {
  const connection = await Connection.open(url);
  try {
    return await use(connection);
  } finally {
    connection.close();
  }
}

async function createArena(connection: Connection, size: number): Promise<void> {
  const spans = [{ base: '0', size: String(size) }];
  await connection.asked('POST', '/v1/arenas', { name: 'ids', spans });
}

/** From a wholly free arena, the addresses from 0 to below `count`. */
async function fill(url: string, count: number): Promise<void> {
  await withConnection(url, (connection) => fillWith(connection, count));
}

async function fillWith(connection: Connection, count: number): Promise<void> {
  for (let left = count; left > 0; left -= BATCH) {
    await connection.asked('POST', '/v1/batch', { operations: grants(Math.min(left, BATCH)) });
  }
}

/** Addresses of allocations that are there now, from all over the arena. */
async function sample(connection: Connection, addresses: number): Promise<readonly string[]> {
  const found = new Set<string>();
  const limit = WORKING_SET / SAMPLE_PAGES;
  for (let page = 0; page < SAMPLE_PAGES; page++) {
    const from = Math.floor((addresses / SAMPLE_PAGES) * page);
    const path = `${ALLOCATIONS}?from=${from}&limit=${limit}`;
    const { items } = JSON.parse(await connection.asked('GET', path)) as {
      items: { address: string }[];
    };
    for (const { address } of items) found.add(address);
  }
  return [...found];
}
