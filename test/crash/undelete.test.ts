/**
 * Undelete under kill -9: an allocation that was freed rests, and comes back with all that is known of it, or
 * rests still. Several loops, each with an allocation of its own, free it and bring it back in turn, plain and
 * under an idempotency key.
 *
 *   VMEMD_SEED     replays the requests of a run and the moments of its kills
 */
import { expect, test } from 'vitest';
import { Random } from '../model/random.ts';
import type { Client } from './client.ts';
import { killRounds, killRoundsTimeout, type Rounds } from './kill-rounds.ts';

const seed = Number(process.env['VMEMD_SEED'] ?? Date.now() % 2 ** 32);
const random = new Random(seed, 'undelete');
const loops = 6;
const size = 16;

/** Of whether the allocation is there. */
const undeleting: Rounds<boolean> = {
  loops,
  first: true,
  async prepare(client) {
    const spans = [{ base: 0, size: loops * size }];
    await client.ask('POST', '/v1/arenas', { name: 'a', spans, quarantineSeconds: 86_400 });
    for (let loop = 0; loop < loops; loop++) {
      const request = { address: loop * size, size, ...knownOf(loop) };
      const answer = await client.ask('POST', '/v1/arenas/a/xalloc', request);
      expect(answer).toMatchObject({ status: 201 });
    }
  },
  change(client, loop, there) {
    const path = `/v1/arenas/a/allocations/${loop * size}`;
    const drawn = `key-${random.int(2 ** 32)}-${random.int(2 ** 32)}`;
    const key = random.chance(0.5) ? drawn : undefined;
    if (there) {
      return { makes: false, status: 204, answer: client.ask('DELETE', path, undefined, key) };
    }
    const owner = `loop-${loop}`;
    const answer = client.ask('POST', `${path}/undelete`, { owner }, key);
    return { makes: true, status: 200, answer };
  },
  find: isThere,
};

test(
  `what rests comes back whole or rests after kills, seed ${seed}`,
  { timeout: killRoundsTimeout },
  () => killRounds(undeleting, random, `VMEMD_SEED=${seed}`),
);

function knownOf(loop: number): object {
  return { owner: `loop-${loop}`, externalId: `id-${loop}`, labels: { loop: String(loop) } };
}

/** Throws where it is neither there, with all that is known of it, nor does it rest. */
async function isThere(client: Client, loop: number): Promise<boolean> {
  const arena = '/v1/arenas/a';
  const { items } = JSON.parse(await client.get(`${arena}/allocations?owner=loop-${loop}`));
  const whole = { address: String(loop * size), size: String(size), ...knownOf(loop) };
  if (items.length > 0) expect(items).toEqual([expect.objectContaining(whole)]);
  const { state } = JSON.parse(await client.get(`${arena}/whatis/${loop * size}`));
  expect(state).toBe(items.length > 0 ? 'busy' : 'resting');
  return items.length > 0;
}
