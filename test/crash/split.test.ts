/**
 * Splits and merges under kill -9: each is one record, so that an allocation comes back whole or in all
 * of its pieces. Several loops, each with an allocation of its own, split and merge it in turn.
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
const size = 64;

/** Sizes of the pieces: as the last answer had them, and as the request under way would. */
interface Shape {
  answered: readonly number[];
  asked?: readonly number[];
}

test(
  `an allocation is whole or in all of its pieces after ${rounds} kills, seed ${seed}`,
  {
    timeout: (rounds + 1) * 60_000,
  },
  async () => {
    const data = await mkdtemp(join(tmpdir(), 'vmemd-split-'));
    const random = new Random(seed, 'split');
    const shapes = Array.from({ length: loops }, (): Shape => ({ answered: [size] }));
    let server = await Server.start({ data });
    let unanswered = 0;
    try {
      await prepare(server.url);
      for (let round = 0; round < rounds; round++) {
        await changeUntilKilled(server, shapes, 20 + random.int(400), random);
        unanswered += shapes.filter(({ asked }) => asked !== undefined).length;
        server = await Server.start({ data });
        for (const [loop, shape] of shapes.entries()) {
          const found = await sizesOf(server.url, loop);
          const possible = [shape.answered, ...(shape.asked === undefined ? [] : [shape.asked])];
          expect(possible, `VMEMD_SEED=${seed} loop ${loop}`).toContainEqual(found);
          shapes[loop] = { answered: found };
        }
        const client = new Client(server.url);
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
  await client.ask('POST', '/v1/arenas', { name: 'a', spans });
  for (let loop = 0; loop < loops; loop++) {
    const request = { address: loop * size, size, owner: `loop-${loop}` };
    expect(await client.ask('POST', '/v1/arenas/a/xalloc', request)).toMatchObject({ status: 201 });
  }
  client.close();
}

/** All loops at once, until so many answers are there; what was under way then stays `asked`. */
async function changeUntilKilled(
  server: Server,
  shapes: readonly Shape[],
  answers: number,
  random: Random,
): Promise<void> {
  const client = new Client(server.url);
  let left = answers;
  let killed: Promise<unknown> | undefined;
  const loop = async (shape: Shape, index: number): Promise<void> => {
    for (;;) {
      const whole = shape.answered.length === 1;
      const pieces = whole ? cut(random) : [size];
      const path = `/v1/arenas/a/allocations/${index * size}`;
      shape.asked = pieces;
      const answer = whole
        ? await client.ask('POST', `${path}/split`, { sizes: pieces })
        : await client.ask('POST', `${path}/merge`, { end: (index + 1) * size - 1 });
      if (answer === lost) return;
      if (answer.status !== 200) throw new Error(answer.text);
      shape.answered = pieces;
      delete shape.asked;
      if (--left === 0) killed = server.kill();
    }
  };
  await Promise.all(shapes.map(loop));
  await killed;
  client.close();
}

function cut(random: Random): number[] {
  const sizes: number[] = [];
  let rest = size;
  while (rest > 1 && sizes.length < 6) {
    const piece = 1 + random.int(rest - 1);
    sizes.push(piece);
    rest -= piece;
  }
  return [...sizes, rest];
}

async function sizesOf(url: string, loop: number): Promise<number[]> {
  const client = new Client(url);
  const text = await client.get(`/v1/arenas/a/allocations?owner=loop-${loop}`);
  client.close();
  let at = loop * size;
  return JSON.parse(text).items.map((item: { address: string; size: string }) => {
    expect(Number(item.address), 'side by side').toBe(at);
    at += Number(item.size);
    return Number(item.size);
  });
}
