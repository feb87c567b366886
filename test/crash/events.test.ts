/**
 * Events of a real process that is killed with SIGKILL while it is under load: a watcher that
 * resumes after each kill with the last id it has sees every revision once, in order, and every
 * change that was answered, as it was answered.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EventClient, type Received } from '../http/event-client.ts';
import { Client, lost } from './client.ts';
import { Server } from './server.ts';

const rounds = 3;
const clients = 6;
const answersPerRound = 60;

let data: string;
let server: Server | undefined;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'vmemd-events-'));
});
afterEach(async () => {
  if (server?.running === true) await server.kill();
  await rm(data, { recursive: true, force: true });
});

test('a watcher that resumes after kills misses nothing', { timeout: 120_000 }, async () => {
  const seen: Received[] = [];
  const answered = new Map<number, unknown>();
  let lastId = '0';
  for (let round = 0; round <= rounds; round += 1) {
    server = await Server.start({ data });
    const running = server;
    const watcher = await EventClient.open(running.url, '/v1/events?after=0', {
      'last-event-id': lastId,
    });
    if (round === 0) await create(running.url);
    if (round < rounds) {
      await load(running, answered, answersPerRound);
      await running.kill();
    } else {
      const ready = await fetch(`${running.url}/readyz`);
      const { revision } = (await ready.json()) as { revision: number };
      await watcher.when(() => watcher.lastId === String(revision));
      expect(await running.stop()).toEqual({ code: 0 });
      expect(await watcher.ended).toBe(true);
    }
    await watcher.ended;
    seen.push(...watcher.received);
    lastId = seen.at(-1)?.id ?? lastId;
  }
  expect(seen.map(({ id }) => Number(id))).toEqual(seen.map((_, index) => index + 1));
  expect(answered.size).toBeGreaterThanOrEqual(rounds * answersPerRound);
  for (const [revision, allocation] of answered) {
    expect(seen[revision - 1]?.data).toMatchObject({
      type: 'allocated',
      ...(allocation as object),
    });
  }
});

async function create(url: string): Promise<void> {
  const spans = [{ cidr: '10.0.0.0/8' }];
  const client = new Client(url);
  const answer = await client.ask('POST', '/v1/arenas', { name: 'a', notation: 'ipv4', spans });
  client.close();
  expect(answer).toMatchObject({ status: 201 });
}

/** Allocates from several clients until so many were answered; the others are then under way. */
async function load(running: Server, answered: Map<number, unknown>, count: number): Promise<void> {
  const before = answered.size;
  await new Promise<void>((resolve, reject) => {
    for (let number = 0; number < clients; number += 1) {
      const client = new Client(running.url);
      const loop = async (): Promise<void> => {
        for (;;) {
          const body = { size: 1 + (answered.size % 5), owner: `client-${number}` };
          const answer = await client.ask('POST', '/v1/arenas/a/alloc', body);
          if (answer === lost) return client.close();
          expect(answer.status, answer.text).toBe(201);
          const { revision, createdAt: at, labels: _, ...allocation } = JSON.parse(answer.text);
          answered.set(revision, { at, revision, ...allocation });
          if (answered.size - before >= count) resolve();
        }
      };
      loop().catch(reject);
    }
  });
}
