import { expect, test } from 'vitest';
import { Addresses } from '../../src/engine/addresses.ts';
import { leaseId, LeaseIds } from '../../src/engine/lease-ids.ts';
import { LeaseIndex } from '../../src/engine/lease-index.ts';
import { Random } from '../model/random.ts';

const seed = Number(process.env['VMEMD_SEED'] ?? 4_711);

/** UUIDs that differ in few digits, and what only looks like one. */
function idFrom(random: Random): string {
  const digit = (): string => random.pick(['0', '7', '8', '9', 'a', 'f']);
  const id = `${digit()}0000000-000${digit()}-4000-8000-${digit()}0000000000${digit()}`;
  const like = [
    id.toUpperCase(),
    id.slice(1),
    `${id}0`,
    id.replace('-', '0'),
    id.replace('4', 'g'),
  ];
  return random.chance(0.2) ? random.pick([...like, `ÿ${id.slice(1)}`, 'b', 'lease-1']) : id;
}

test('leases are found by their ids and are in the order of these as texts', () => {
  const random = new Random(seed, 'lease-index');
  const ids = new LeaseIds();
  const index = new LeaseIndex(ids);
  const model = new Map<string, number>();
  const spare: number[] = [];
  let used = 0;
  for (let step = 0; step < 6000; step++) {
    const text = idFrom(random);
    const known = model.get(text) ?? 0;
    expect(index.find(text)).toBe(known);
    if (known === 0) {
      const lease = spare.pop() ?? ++used;
      expect(ids.has(lease)).toBe(false);
      index.add(lease, leaseId(text));
      ids.set(lease, leaseId(text));
      model.set(text, lease);
      expect(ids.get(lease)).toBe(text);
    } else if (random.chance(0.3)) {
      index.remove(known, leaseId(text));
      ids.remove(known);
      model.delete(text);
      spare.push(known);
      expect(ids.get(known)).toBe('');
    }
    if (step % 500 !== 0) continue;
    const all = [...model.keys()].toSorted((a, b) => (a < b ? -1 : 1));
    expect([...index.after('')].map((lease) => ids.get(lease))).toEqual(all);
    const from = idFrom(random);
    const behind = all.filter((id) => id > from);
    expect([...index.after(from)].map((lease) => ids.get(lease))).toEqual(behind);
    expect(index.count).toBe(model.size);
  }
});

test('a list of more leases than one short list takes keeps its order', () => {
  const random = new Random(seed, 'lease-index-large');
  const ids = new LeaseIds();
  const index = new LeaseIndex(ids);
  const texts: string[] = [];
  for (let lease = 1; lease <= 3000; lease++) {
    const head = random
      .int(2 ** 32)
      .toString(16)
      .padStart(8, '0');
    const text = `${head}-0000-4000-8000-${String(lease).padStart(12, '0')}`;
    texts.push(text);
    index.add(lease, leaseId(text));
    ids.set(lease, leaseId(text));
  }
  for (const [at, text] of texts.entries()) if (index.find(text) !== at + 1) throw new Error(text);
  const order = [...index.after('')].map((lease) => ids.get(lease));
  expect(order).toEqual(texts.toSorted((a, b) => (a < b ? -1 : 1)));
  for (let lease = 1; lease < 3000; lease++) index.remove(lease, leaseId(texts[lease - 1]!));
  expect([...index.after('')]).toEqual([3000]);
});

test('addresses of any width are kept as they are', () => {
  const random = new Random(seed, 'addresses');
  const addresses = new Addresses();
  const model: bigint[] = [];
  for (let step = 0; step < 2000; step++) {
    // The first ones fit half a row.
    const bits = BigInt(random.int(step < 500 ? 65 : 129));
    const address = bits === 0n ? 0n : (1n << bits) - 1n - BigInt(random.int(2));
    const at = random.chance(0.3) && step > 0 ? random.int(model.length) : model.length;
    // What a number says exactly may be given as one.
    const isSmall = address < 2n ** 53n && random.chance(0.5);
    addresses.set(at, isSmall ? Number(address) : address);
    model[at] = address;
  }
  expect(model.map((_, at) => addresses.get(at))).toEqual(model);
});
