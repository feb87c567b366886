/**
 * Quarantine under kill -9: what was freed rests on after a restart, and nobody gets it before its time,
 * counted from the freeing and from the start. Several loops allocate and free in two arenas, of which
 * one keeps what is freed for an hour and the other for two seconds.
 *
 *   VMEMD_SEED     replays the requests of a run and the moment of its kill
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Random } from '../model/random.ts';
import { Client, lost } from './client.ts';
import { Server } from './server.ts';

const seed = Number(process.env['VMEMD_SEED'] ?? Date.now() % 2 ** 32);
const loops = 6;
const briefSeconds = 2;

interface Range {
  readonly arena: string;
  readonly address: number;
  readonly end: number;
}

/** Ranges that were freed for certain, or may have been, and the earliest time that it can have been. */
interface Freed extends Range {
  readonly at: number;
  certain: boolean;
}

class Ledger {
  readonly held: Range[] = [];
  readonly freed: Freed[] = [];
  /** When the process that runs was started, at the earliest. */
  startedAt = 0;
  early: string[] = [];
  lost = 0;

  /** A range was granted, at the latest now. */
  granted(range: Range): void {
    this.held.push(range);
    const now = performance.now();
    for (const { arena, address, end, at, certain } of this.freed) {
      const overlaps = arena === range.arena && address <= range.end && range.address <= end;
      if (!overlaps || !certain) continue;
      const rested = (now - Math.max(at, this.startedAt)) / 1000;
      if (arena === 'brief' && rested >= briefSeconds) continue;
      this.early.push(`${arena} ${range.address} - ${range.end} after ${rested} seconds`);
    }
  }
}

test(`nobody gets what rests before its time, seed ${seed}`, { timeout: 180_000 }, async () => {
  const data = await mkdtemp(join(tmpdir(), 'vmemd-quarantine-'));
  const random = new Random(seed, 'quarantine');
  const ledger = new Ledger();
  let server = await Server.start({ data });
  try {
    const client = new Client(server.url);
    for (const [name, quarantineSeconds] of [
      ['long', 3600],
      ['brief', briefSeconds],
    ]) {
      const spans = [{ base: 0, size: name === 'long' ? 1_000_000 : 40 }];
      const arena = { name, policy: 'firstfit', spans, quarantineSeconds };
      expect(await client.ask('POST', '/v1/arenas', arena)).toMatchObject({ status: 201 });
    }
    client.close();
    await loadUntilKilled(server, ledger, 150 + random.int(200), random);
    ledger.startedAt = performance.now();
    server = await Server.start({ data });
    await settle(server.url, ledger);
    // Once more, with nothing under way: not a bit may differ.
    const before = await longState(server.url);
    await server.kill();
    ledger.startedAt = performance.now();
    server = await Server.start({ data });
    expect(await longState(server.url)).toBe(before);
    await exhaustBrief(server.url, ledger);
    expect(ledger.early, `VMEMD_SEED=${seed}`).toEqual([]);
    expect(ledger.lost).toBe(loops);
    // An arena in which nothing rests would prove nothing.
    expect(ledger.freed.filter(({ arena }) => arena === 'long').length).toBeGreaterThan(10);
  } finally {
    if (server.running) await server.kill();
    await rm(data, { recursive: true, force: true });
  }
});

/** All loops at once; after so many answers the service is killed, and each loop loses its last one. */
async function loadUntilKilled(
  server: Server,
  ledger: Ledger,
  answers: number,
  random: Random,
): Promise<void> {
  const client = new Client(server.url);
  let left = answers;
  let killed: Promise<unknown> | undefined;
  const loop = async (): Promise<void> => {
    for (;;) {
      const step = random.chance(0.5) ? alloc : free;
      if (!(await step(client, ledger, random))) break;
      if (--left === 0) killed = delay(random.int(4)).then(() => server.kill());
    }
    ledger.lost++;
  };
  await Promise.all(Array.from({ length: loops }, loop));
  await killed;
  client.close();
}

async function alloc(client: Client, ledger: Ledger, random: Random): Promise<boolean> {
  const arena = random.pick(['long', 'brief']);
  const answer = await client.ask('POST', `/v1/arenas/${arena}/alloc`, { size: 1 + random.int(4) });
  if (answer === lost) return false;
  if (answer.status === 409) return true;
  expect(answer.status).toBe(201);
  const { address, end } = JSON.parse(answer.text) as { address: string; end: string };
  ledger.granted({ arena, address: Number(address), end: Number(end) });
  return true;
}

async function free(client: Client, ledger: Ledger, random: Random): Promise<boolean> {
  if (ledger.held.length === 0) return alloc(client, ledger, random);
  const [range] = ledger.held.splice(random.int(ledger.held.length), 1);
  const freed = { ...range!, at: performance.now(), certain: false };
  ledger.freed.push(freed);
  const path = `/v1/arenas/${freed.arena}/allocations/${freed.address}`;
  const answer = await client.ask('DELETE', path);
  if (answer === lost) return false;
  expect(answer.status).toBe(204);
  freed.certain = true;
  return true;
}

/** What was under way is decided: the service says which ranges rest. */
async function settle(url: string, ledger: Ledger): Promise<void> {
  const client = new Client(url);
  for (const arena of ['long', 'brief']) {
    expect(JSON.parse(await client.get(`/v1/arenas/${arena}/check`))).toMatchObject({ ok: true });
    const { items } = JSON.parse(await client.get(`/v1/arenas/${arena}/segments?limit=1000`)) as {
      items: { address: string; end: string; state: string }[];
    };
    for (const freed of ledger.freed) {
      if (freed.arena !== arena) continue;
      const there = items.find(({ address }) => Number(address) === freed.address);
      const rests = there?.state === 'resting' && Number(there.end) === freed.end;
      // What was freed long ago in the brief one may be free, or granted again.
      if (freed.certain && arena === 'long') expect(rests, `${freed.address} rests`).toBe(true);
      else if (!freed.certain) freed.certain = rests;
    }
  }
  client.close();
}

/** All that is known of the arena in which nothing ends by itself. */
async function longState(url: string): Promise<string> {
  const client = new Client(url);
  const paths = ['', '/segments?limit=1000', '/allocations?limit=1000'];
  const texts = await Promise.all(paths.map((path) => client.get(`/v1/arenas/long${path}`)));
  client.close();
  return texts.join('\n');
}

/** Asks for the addresses of the brief arena, one by one, until it has none that rests. */
async function exhaustBrief(url: string, ledger: Ledger): Promise<void> {
  const client = new Client(url);
  for (;;) {
    const { resting } = JSON.parse(await client.get('/v1/arenas/brief')) as { resting: string };
    const answer = await client.ask('POST', '/v1/arenas/brief/alloc', { size: 1 });
    if (answer === lost) throw new Error('an answer was lost without a kill');
    if (answer.status === 201) {
      const { address } = JSON.parse(answer.text) as { address: string };
      ledger.granted({ arena: 'brief', address: Number(address), end: Number(address) });
    } else if (resting === '0') break;
    else await delay(100);
  }
  client.close();
}
