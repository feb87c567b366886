/**
 * Search against brute force: whatever indexes there are, half grown or whole, a search gives what a
 * look at every allocation does; and once an index is whole, it looks at the answers alone.
 */
import { describe, expect, test } from 'vitest';
import { OrderedSet } from '../../src/engine/ordered-set.ts';
import type { Term } from '../../src/engine/allocation-index.ts';
import type { Search } from '../../src/engine/allocation-search.ts';
import type { Labels } from '../../src/engine/command.ts';
import type { AllocationView } from '../../src/engine/view.ts';
import { Random } from '../model/random.ts';
import { Driver, type ArenaDriver } from './harness.ts';

const seed = Number(process.env['VMEMD_SEED'] ?? 20_260_101);
const top = (1n << 128n) - 1n;

test('a set of addresses is a sorted list', () => {
  const random = new Random(seed, 'addresses');
  const list = new Set(Array.from({ length: 700 }, (_, i) => BigInt(i * 9)));
  const set = new OrderedSet([...list]);
  for (let step = 0; step < 20_000; step++) {
    // It grows to some thousands, then shrinks to nothing, so that pieces part and join.
    const address = random.big(8192n);
    const wanted = step < 10_000 ? random.chance(0.8) : random.chance(0.1);
    if (wanted && !list.has(address)) {
      list.add(address);
      set.add(address);
    } else if (!wanted && list.size > 0) {
      const near = set.from(address).next().value ?? set.from(0n).next().value!;
      list.delete(near);
      set.remove(near);
    }
    if (step % 1000 > 0) continue;
    const from = random.big(8192n);
    const sorted = [...list].toSorted((a, b) => (a < b ? -1 : 1));
    const above = sorted.filter((one) => one >= from);
    expect([...set.from(from)].join()).toBe(above.join());
    expect(set.count).toBe(list.size);
  }
});

test('a set of addresses holds each once', () => {
  const set = new OrderedSet<bigint>();
  set.add(5n);
  expect(() => set.add(5n)).toThrow('once');
  expect(() => set.remove(6n)).toThrow('is in the set');
});

const owners = ['ann', 'bob', 'common'];

function aboutAt(random: Random): { owner?: string; labels: Labels } {
  const owner = random.chance(0.7) ? 'common' : random.pick(owners);
  return {
    ...(random.chance(0.9) && { owner }),
    labels: {
      ...(random.chance(0.6) && { env: random.pick(['prod', 'test']) }),
      ...(random.chance(0.02) && { rare: 'yes' }),
    },
  };
}

function termsAt(random: Random): Term[] {
  const terms: Term[] = [];
  if (random.chance(0.6)) terms.push({ kind: 'owner', key: '', value: random.pick(owners) });
  if (random.chance(0.4)) terms.push({ kind: 'labelKey', key: 'rare', value: '' });
  if (random.chance(0.4)) terms.push({ kind: 'label', key: 'env', value: 'prod' });
  if (random.chance(0.1)) terms.push({ kind: 'label', key: 'none', value: '' });
  return terms;
}

function has(view: AllocationView, { kind, key, value }: Term): boolean {
  if (kind === 'owner') return view.owner === value;
  return kind === 'label' ? view.labels[key] === value : view.labels[key] !== undefined;
}

function searchAt(random: Random): Omit<Search, 'limit' | 'most'> {
  const terms = termsAt(random);
  const from = random.chance(0.5) ? 0n : random.big(6000n);
  return {
    terms,
    from,
    to: random.chance(0.5) ? top : from + random.big(3000n),
    across: random.chance(0.5),
    matches: (view) => terms.every((term) => has(view, term)),
  };
}

function bruteForce({ driver, name }: ArenaDriver, wanted: Omit<Search, 'limit' | 'most'>) {
  const found: AllocationView[] = [];
  driver.engine.walkAllocations(name, 0n, (view) => {
    const begins = view.address >= wanted.from;
    const reaches = wanted.across && view.address + view.size > wanted.from;
    if ((begins || reaches) && view.address <= wanted.to && wanted.matches(view)) found.push(view);
    return true;
  });
  return found;
}

/** All pages of a search one after the other; `between` is done between two of them. */
function pages(
  { driver, name }: ArenaDriver,
  wanted: Omit<Search, 'limit' | 'most'>,
  bounds: Pick<Search, 'limit' | 'most'>,
  between: () => void = () => undefined,
): { views: AllocationView[]; looked: number } {
  const views: AllocationView[] = [];
  let looked = 0;
  let resume: bigint | undefined;
  for (;;) {
    const from = resume === undefined ? {} : { from: resume, across: false };
    const page = driver.engine.search(name, { ...wanted, ...from, ...bounds });
    expect(page.views.length).toBeLessThanOrEqual(bounds.limit);
    expect(page.looked).toBeLessThanOrEqual(bounds.most);
    views.push(...page.views);
    looked += page.looked;
    if (page.next === undefined) return { views, looked };
    if (resume !== undefined) expect(page.next).toBeGreaterThan(resume);
    resume = page.next;
    between();
  }
}

/** Some change of the arena, on the average keeping it at some hundreds of allocations. */
function change(arena: ArenaDriver, random: Random): void {
  const { driver, name } = arena;
  let near: AllocationView | undefined;
  driver.engine.walkAllocations(name, random.big(6000n), (view) => {
    near = view;
    return false;
  });
  switch (random.weighted({ alloc: 55, free: 30, update: 20, resize: 5, freeAll: 0.05 })) {
    case 'alloc': {
      const size = 1n + random.big(15n);
      const about = aboutAt(random);
      driver.perform({ type: 'alloc', arena: name, size, constraint: {}, seed: 0, ...about });
      return;
    }
    case 'free':
      if (near !== undefined) arena.free(near.address);
      return;
    case 'update':
      if (near === undefined) return;
      driver.perform({
        type: 'updateAllocation',
        arena: name,
        address: near.address,
        ...aboutAt(random),
      });
      return;
    case 'resize':
      if (near !== undefined) arena.resize(near.address, near.size + 1n);
      return;
    case 'freeAll':
      arena.freeAll();
  }
}

function everyFrom(from: bigint): Omit<Search, 'limit' | 'most'> {
  return { terms: [], from, to: top, across: false, matches: () => true };
}

describe('a search', () => {
  test.each(['firstfit', 'instantfit'] as const)('gives what brute force does: %s', (policy) => {
    const random = new Random(seed, policy);
    const arena = new Driver().arena('a', { policy, spans: [[0n, 6000n]] });
    let most = 0;
    for (let step = 0; step < 2000; step++) {
      change(arena, random);
      if (step % 10 > 0) continue;
      const wanted = searchAt(random);
      const bounds = { limit: 1 + random.int(50), most: 1 + random.int(400) };
      const { views } = pages(arena, wanted, bounds);
      expect(views).toEqual(bruteForce(arena, wanted));
      if (step % 200 === 0) arena.check();
      most = Math.max(most, views.length);
    }
    expect(most).toBeGreaterThan(100);
    arena.finish();
  });

  test('gives all that stays, once, while others write', () => {
    const random = new Random(seed, 'writes');
    const arena = new Driver().arena('a', { policy: 'firstfit', spans: [[0n, 6000n]] });
    for (let step = 0; step < 1000; step++) change(arena, random);
    for (let round = 0; round < 20; round++) {
      const wanted = { ...searchAt(random), across: false };
      const always = new Map(bruteForce(arena, wanted).map((view) => [view.address, view]));
      const { views } = pages(arena, wanted, { limit: 20, most: 60 }, () => {
        change(arena, random);
        const now = new Set(bruteForce(arena, wanted).map(({ address }) => address));
        for (const address of always.keys()) if (!now.has(address)) always.delete(address);
      });
      const addresses = views.map(({ address }) => address);
      expect(addresses).toEqual([...new Set(addresses)].toSorted((a, b) => (a < b ? -1 : 1)));
      for (const address of always.keys()) expect(addresses).toContain(address);
    }
  });

  test('looks at the answers alone once the index is whole', () => {
    const arena = new Driver().arena('a', { policy: 'firstfit', spans: [[0n, 5000n]] });
    for (let index = 0; index < 5000; index++) {
      arena.driver.perform({
        type: 'alloc',
        arena: 'a',
        size: 1n,
        constraint: {},
        labels: index % 1000 === 999 ? { rare: 'yes' } : {},
        owner: 'common',
        seed: 0,
      });
    }
    const terms: Term[] = [
      { kind: 'owner', key: '', value: 'common' },
      { kind: 'label', key: 'rare', value: 'yes' },
    ];
    const wanted = {
      ...everyFrom(0n),
      terms,
      matches: (view: AllocationView) => terms.every((term) => has(view, term)),
    };
    const bounds = { limit: 100, most: 700 };
    const looks = Array.from({ length: 4 }, () => pages(arena, wanted, bounds).looked);
    // By scanning; by the index of the owner, which is none of a help; by that of the label.
    expect(looks).toEqual([5000, 5000, 5, 5]);
    const [one] = terms.slice(1).map((term) => pages(arena, { ...wanted, terms: [term] }, bounds));
    expect(one).toMatchObject({ looked: 5 });
    // A search of few of them makes no index of its own.
    const few = { ...wanted, from: 10n, to: 40n };
    expect(pages(arena, few, bounds)).toEqual({ views: [], looked: 0 });
  });

  test('by more kinds of terms than there are indexes for is still exact', () => {
    const arena = new Driver().arena('a', { policy: 'firstfit', spans: [[0n, 1000n]] });
    for (let index = 0; index < 1000; index++) {
      const labels = { [`key-${index % 20}`]: 'x' };
      arena.driver.perform({
        type: 'alloc',
        arena: 'a',
        size: 1n,
        constraint: {},
        labels,
        seed: 0,
      });
    }
    for (let round = 0; round < 3; round++) {
      for (let key = 0; key < 20; key++) {
        const term: Term = { kind: 'labelKey', key: `key-${key}`, value: '' };
        const wanted = {
          ...everyFrom(0n),
          terms: [term],
          matches: (v: AllocationView) => has(v, term),
        };
        const { views } = pages(arena, wanted, { limit: 1000, most: 300 });
        expect(views.map(({ address }) => Number(address) % 20)).toEqual(
          Array.from({ length: 50 }, () => key),
        );
        arena.free(views[0]!.address);
        arena.driver.perform({
          type: 'alloc',
          arena: 'a',
          size: 1n,
          constraint: {},
          labels: { [term.key]: 'y' },
          seed: 0,
        });
      }
    }
  });
});
