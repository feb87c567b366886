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

test('what one event lets rest in order is as if it came one by one', () => {
  const rests = new Rests();
  const model = new Rests();
  // Of one revision, not in order.
  for (const [id, base] of [
    [5, 90n],
    [2, 40n],
  ] as const) {
    rests.add(id, base, 3n, 6);
    model.add(id, base, 3n, 6);
  }
  const many = [
    [1, 7, 2],
    [9, 2 ** 52, 2 ** 52],
    [4, 2n ** 53n, 2 ** 52],
    [3, 2n ** 100n, 2n ** 99n],
  ] as const;
  rests.addAll(7, 10, (add) => {
    for (const [id, base, size] of many) add(id, base, size);
  });
  for (const [id, base, size] of many) model.add(id, BigInt(base), BigInt(size), 7);
  expect([...rests.ids()]).toEqual([2, 5, 1, 9, 4, 3]);
  expect([...rests.ids()].map((id) => [rests.base(id), rests.since(id)])).toEqual(
    [...model.ids()].map((id) => [model.base(id), model.since(id)]),
  );
  expect([rests.count, rests.size, rests.oldest]).toEqual([model.count, model.size, 6]);
  expect(() => rests.addAll(7, 12, (add) => add(11, 0, 1))).toThrow('revisions grow');
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
