/**
 * A real process is killed with SIGKILL while requests wait for room: those that were answered have
 * what they were told, and the others nothing, unless their grant was on its way.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Client, lost } from './client.ts';
import { Server } from './server.ts';

const blocks = 16;
const waiters = 40;

let data: string;
let server: Server | undefined;
let clients: Client[] = [];

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'vmemd-waiting-'));
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  if (server?.running === true) await server.kill();
  await rm(data, { recursive: true, force: true });
});

function newClient(): Client {
  const client = new Client(server!.url);
  clients.push(client);
  return client;
}

async function waiting(client: Client): Promise<number> {
  return (JSON.parse(await client.get('/v1/arenas/a')) as { waiting: number }).waiting;
}

test('a kill leaves nothing half done', { timeout: 120_000 }, async () => {
  server = await Server.start({ data });
  const client = newClient();
  await client.ask('POST', '/v1/arenas', { name: 'a', spans: [{ base: 0, size: blocks }] });
  for (let i = 0; i < blocks; i++) await client.ask('POST', '/v1/arenas/a/alloc', { size: 1 });
  const answers = Array.from({ length: waiters }, (_, i) =>
    newClient().ask('POST', '/v1/arenas/a/alloc', { size: 1, owner: `w${i}`, waitSeconds: 60 }),
  );
  while ((await waiting(client)) < waiters) continue;
  // Some are freed and answered, and the kill meets others under way.
  for (let i = 0; i < blocks / 2; i++) await client.ask('DELETE', `/v1/arenas/a/allocations/${i}`);
  const open = Array.from({ length: blocks / 2 }, (_, i) =>
    newClient().ask('DELETE', `/v1/arenas/a/allocations/${blocks / 2 + i}`),
  );
  await Promise.race(open);
  await server.kill();

  const told = new Map<string, string>();
  for (const answer of await Promise.all(answers)) {
    if (answer === lost) continue;
    expect(answer.status).toBe(201);
    const { owner, address } = JSON.parse(answer.text) as { owner: string; address: string };
    told.set(owner, address);
  }
  const freed = (await Promise.all(open)).filter((answer) => answer !== lost).length;

  server = await Server.start({ data });
  const after = newClient();
  expect(await waiting(after)).toBe(0);
  const list = JSON.parse(await after.get('/v1/arenas/a/allocations')) as {
    items: { owner?: string; address: string }[];
  };
  const held = new Map(list.items.map(({ owner, address }) => [owner, address]));
  for (const [owner, address] of told) expect(held.get(owner)).toBe(address);
  // A free and the grant that came of it are in one commit.
  const granted = list.items.filter(({ owner }) => owner !== undefined).length;
  expect(told.size).toBeGreaterThan(0);
  expect(granted).toBeGreaterThanOrEqual(Math.max(told.size, blocks / 2 + freed));
  const check = JSON.parse(await after.get('/v1/arenas/a/check')) as { problems: string[] };
  expect(check.problems).toEqual([]);
  await server.stop();
});
