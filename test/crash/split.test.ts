/**
 * Splits and merges under kill -9: each is one record, so that an allocation comes back whole or in all
 * of its pieces. Several loops, each with an allocation of its own, split and merge it in turn.
 *
 *   VMEMD_SEED     replays the requests of a run and the moments of its kills
 */
import { expect, test } from 'vitest';
import { Random } from '../model/random.ts';
import type { Client } from './client.ts';
import { killRounds, killRoundsTimeout, type Rounds } from './kill-rounds.ts';

const seed = Number(process.env['VMEMD_SEED'] ?? Date.now() % 2 ** 32);
const random = new Random(seed, 'split');
const loops = 6;
const size = 64;

/** Of the sizes of its pieces. */
const splitting: Rounds<readonly number[]> = {
  loops,
  first: [size],
  async prepare(client) {
    const spans = [{ base: 0, size: loops * size }];
    await client.ask('POST', '/v1/arenas', { name: 'a', spans });
    for (let loop = 0; loop < loops; loop++) {
      const request = { address: loop * size, size, owner: `loop-${loop}` };
      const answer = await client.ask('POST', '/v1/arenas/a/xalloc', request);
      expect(answer).toMatchObject({ status: 201 });
    }
  },
  change(client, loop, pieces) {
    const path = `/v1/arenas/a/allocations/${loop * size}`;
    if (pieces.length > 1) {
      const answer = client.ask('POST', `${path}/merge`, { end: (loop + 1) * size - 1 });
      return { makes: [size], status: 200, answer };
    }
    const sizes = cut();
    return { makes: sizes, status: 200, answer: client.ask('POST', `${path}/split`, { sizes }) };
  },
  find: sizesOf,
};

test(
  `an allocation is whole or in all of its pieces after kills, seed ${seed}`,
  { timeout: killRoundsTimeout },
  () => killRounds(splitting, random, `VMEMD_SEED=${seed}`),
);

function cut(): number[] {
  const sizes: number[] = [];
  let rest = size;
  while (rest > 1 && sizes.length < 6) {
    const piece = 1 + random.int(rest - 1);
    sizes.push(piece);
    rest -= piece;
  }
  return [...sizes, rest];
}

async function sizesOf(client: Client, loop: number): Promise<number[]> {
  const text = await client.get(`/v1/arenas/a/allocations?owner=loop-${loop}`);
  let at = loop * size;
  return JSON.parse(text).items.map((item: { address: string; size: string }) => {
    expect(Number(item.address), 'side by side').toBe(at);
    at += Number(item.size);
    return Number(item.size);
  });
}
