/**
 * Leases over `kill -9`: what was answered is there, every lease has its full time again, however long
 * the service was down, and then ends, with all that it holds. Time passes for real here, a second
 * or two; bounds are from below, as TTLs are.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Server } from './server.ts';

const timeout = 60_000;
let data: string;
let server: Server | undefined;

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'vmemd-lease-'));
});

afterEach(async () => {
  if (server?.running === true) await server.kill();
  await rm(data, { recursive: true, force: true });
});

async function start(): Promise<string> {
  server = await Server.start({ data });
  return server.url;
}

async function ask(url: string, body?: object): Promise<any> {
  const headers = { 'content-type': 'application/json' };
  const sent = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) };
  const reply = await fetch(url, sent);
  const answer = await reply.json();
  expect(reply.status, JSON.stringify(answer)).toBeLessThan(300);
  return answer;
}

test(
  'a killed service gives every lease its full time again, and then ends it',
  { timeout },
  async () => {
    const before = await start();
    const arenas = ['a', 'b'];
    for (const name of arenas) {
      await ask(`${before}/v1/arenas`, { name, spans: [{ base: 0, size: 8 }] });
    }
    // Enough for the requests that have to come before its end, however late they come.
    const ttlSeconds = 3;
    const { id: lease } = await ask(`${before}/v1/leases`, { ttlSeconds });
    for (const name of arenas) {
      await ask(`${before}/v1/arenas/${name}/alloc`, { size: 8, lease });
    }
    const lasting = await ask(`${before}/v1/leases`, { ttlSeconds: 3600 });
    await delay(500);
    await ask(`${before}/v1/leases/${lease}/renew`, {});
    await server!.kill();
    // Longer than it would have had.
    await delay(ttlSeconds * 1000);
    const startedAt = performance.now();
    const after = await start();
    const there = await ask(`${after}/v1/leases`);
    const ids = [lease, lasting.id].toSorted();
    expect(there.items.map(({ id }: { id: string }) => id)).toEqual(ids);
    let goneAt = 0;
    while (goneAt === 0) {
      const { items } = await ask(`${after}/v1/leases`);
      if (items.length === 1) goneAt = performance.now();
      else await delay(20);
    }
    expect(goneAt - startedAt).toBeGreaterThanOrEqual(ttlSeconds * 1000);
    const left = await ask(`${after}/v1/leases`);
    expect(left.items).toMatchObject([{ id: lasting.id, allocations: 0 }]);
    for (const name of arenas) {
      expect(await ask(`${after}/v1/arenas/${name}`)).toMatchObject({ free: '8', allocations: 0 });
    }
    // Its end was an event: it does not come back.
    await server!.kill();
    const last = await start();
    expect((await ask(`${last}/v1/leases`)).items).toHaveLength(1);
  },
);
