import { expect, test } from 'vitest';
import { Rests } from '../../src/engine/rests.ts';
import { Random } from '../model/random.ts';

interface Rest {
  readonly id: number;
  readonly base: bigint;
  readonly since: number;
}

function sorted(rests: readonly Rest[]): number[] {
  return rests
    .toSorted((a, b) => a.since - b.since || (a.base < b.base ? -1 : 1))
    .map(({ id }) => id);
}

test('what rests is in the order of revisions, then of addresses, however it comes and goes', () => {
  const random = new Random(Number(process.env['VMEMD_SEED'] ?? 4_711), 'rests');
  const rests = new Rests();
  const model: Rest[] = [];
  let since = 1;
  for (let id = 1; id <= 2000; id++) {
    // Many of one revision, in any order.
    if (random.chance(0.1)) since++;
    const base = BigInt(random.int(1 << 30));
    rests.add(id, base, 1n, since);
    model.push({ id, base, since });
    if (random.chance(0.4)) rests.remove(take(model, random).id, 1n);
    // A change that is taken back: what was taken out returns, whatever was asked meanwhile.
    if (random.chance(0.1)) {
      const { id: gone, base: its } = random.pick(model);
      const place = rests.remove(gone, 1n);
      rests.add(5000, 7n, 1n, since + 1);
      if (random.chance(0.5)) expect([...rests.ids()]).not.toContain(gone);
      rests.remove(5000, 1n);
      rests.insert(gone, its, 1n, place);
    }
    if (!random.chance(0.05)) continue;
    expect([...rests.ids()]).toEqual(sorted(model));
    expect(rests.oldest).toBe(Math.min(...model.map((rest) => rest.since)));
  }
  expect([...rests.ids()]).toEqual(sorted(model));
  expect(rests.count).toBe(model.length);
  expect(rests.size).toBe(BigInt(model.length));
});

test('where nothing rests nothing is the oldest', () => {
  const rests = new Rests();
  expect(rests.oldest).toBe(Infinity);
  rests.add(3, 8n, 4n, 9);
  expect(rests.oldest).toBe(9);
  rests.trim(3, 1n);
  rests.insert(7, 11n, 1n, { since: 9, before: 3 });
  expect([...rests.ids()]).toEqual([3, 7]);
  rests.remove(3, 3n);
  rests.remove(7, 1n);
  expect([...rests.ids()]).toEqual([]);
  expect(rests.oldest).toBe(Infinity);
  expect(rests.size).toBe(0n);
});

function take(model: Rest[], random: Random): Rest {
  return model.splice(random.int(model.length), 1)[0]!;
}
