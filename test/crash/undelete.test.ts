/**
 * Undelete under kill -9: an allocation that was freed rests, and comes back with all that is known of it, or
 * rests still. Several loops, each with an allocation of its own, free it and bring it back in turn, plain and
 * under an idempotency key.
 *
 *   VMEMD_SEED     replays the requests of a run and the moments of its kills
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Random } from '../model/random.ts';
import { Client, lost } from './client.ts';
import { Server } from './server.ts';

const seed = Number(process.env['VMEMD_SEED'] ?? Date.now() % 2 ** 32);
const rounds = 3;
const loops = 6;
const size = 16;

/** Whether the allocation is there: as the last answer had it, and as the request under way would. */
interface Known {
  answered: boolean;
  asked?: boolean;
}

test(
  `what rests comes back whole or rests after ${rounds} kills, seed ${seed}`,
  { timeout: (rounds + 1) * 60_000 },
  async () => {
    const data = await mkdtemp(join(tmpdir(), 'vmemd-undelete-'));
    const random = new Random(seed, 'undelete');
    const all = Array.from({ length: loops }, (): Known => ({ answered: true }));
    let server = await Server.start({ data });
    let unanswered = 0;
    try {
      await prepare(server.url);
      for (let round = 0; round < rounds; round++) {
        await changeUntilKilled(server, all, 20 + random.int(400), random);
        unanswered += all.filter(({ asked }) => asked !== undefined).length;
        server = await Server.start({ data });
        const client = new Client(server.url);
        for (const [loop, { answered, asked = answered }] of all.entries()) {
          const found = await isThere(client, loop);
          expect([answered, asked], `VMEMD_SEED=${seed} loop ${loop}`).toContain(found);
          all[loop] = { answered: found };
        }
        expect(JSON.parse(await client.get('/v1/arenas/a/check'))).toMatchObject({ ok: true });
        client.close();
      }
      // A kill with nothing under way would prove nothing.
      expect(unanswered).toBeGreaterThan(0);
    } finally {
      if (server.running) await server.kill();
      await rm(data, { recursive: true, force: true });
    }
  },
);

async function prepare(url: string): Promise<void> {
  const client = new Client(url);
  const spans = [{ base: 0, size: loops * size }];
  await client.ask('POST', '/v1/arenas', { name: 'a', spans, quarantineSeconds: 86_400 });
  for (let loop = 0; loop < loops; loop++) {
    const request = { address: loop * size, size, ...knownOf(loop) };
    expect(await client.ask('POST', '/v1/arenas/a/xalloc', request)).toMatchObject({ status: 201 });
  }
  client.close();
}

function knownOf(loop: number): object {
  return { owner: `loop-${loop}`, externalId: `id-${loop}`, labels: { loop: String(loop) } };
}

/** All loops at once, until so many answers are there; what was under way then stays `asked`. */
async function changeUntilKilled(
  server: Server,
  all: readonly Known[],
  answers: number,
  random: Random,
): Promise<void> {
  const client = new Client(server.url);
  let left = answers;
  let killed: Promise<unknown> | undefined;
  const loop = async (known: Known, index: number): Promise<void> => {
    for (;;) {
      const path = `/v1/arenas/a/allocations/${index * size}`;
      const key = random.chance(0.5)
        ? `key-${random.int(2 ** 32)}-${random.int(2 ** 32)}`
        : undefined;
      known.asked = !known.answered;
      const answer = known.answered
        ? await client.ask('DELETE', path, undefined, key)
        : await client.ask('POST', `${path}/undelete`, { owner: `loop-${index}` }, key);
      if (answer === lost) return;
      if (answer.status !== (known.asked ? 200 : 204)) throw new Error(answer.text);
      known.answered = known.asked;
      delete known.asked;
      if (--left === 0) killed = server.kill();
    }
  };
  await Promise.all(all.map(loop));
  await killed;
  client.close();
}

/** Throws where it is neither there, with all that is known of it, nor does it rest as it was. */
async function isThere(client: Client, loop: number): Promise<boolean> {
  const path = '/v1/arenas/a';
  const { items } = JSON.parse(await client.get(`${path}/allocations?owner=loop-${loop}`));
  const whole = { address: String(loop * size), size: String(size), ...knownOf(loop) };
  if (items.length > 0) expect(items).toEqual([expect.objectContaining(whole)]);
  const { state } = JSON.parse(await client.get(`${path}/whatis/${loop * size}`));
  expect(state).toBe(items.length > 0 ? 'busy' : 'resting');
  return items.length > 0;
}
