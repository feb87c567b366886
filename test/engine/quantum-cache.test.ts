/** Quantum caches: what the seed's pools give, and what they must not cost. */
import { describe, expect, test } from 'vitest';
import { Random } from '../model/random.ts';
import type { ArenaDriver } from './harness.ts';
import { Driver, expectSame } from './harness.ts';

function cachedArena(size = 4096n, quantumCacheMax = 64n, quantum = 16n): ArenaDriver {
  return new Driver().arena('a', { quantum, quantumCacheMax, spans: [[0n, size]] });
}

function healthy(arena: ArenaDriver): void {
  expect(arena.driver.engine.check('a').problems).toEqual([]);
}

describe('quantum caches', () => {
  test('pack blocks of one size side by side, whatever is freed between', () => {
    const arena = cachedArena();
    // Slabs are 256: the power of two above three times 64. 16 pieces of 16 fill one.
    const small = Array.from({ length: 16 }, () => arena.alloc(16n));
    expect(small).toEqual(Array.from({ length: 16 }, (_, i) => BigInt(i) * 16n));
    expect(arena.alloc(64n)).toBe(256n);
    expect(arena.alloc(16n)).toBe(512n);
    expect(arena.view).toMatchObject({ allocated: 336n, cached: 432n, free: 4096n - 768n });
    expect(arena.free(160n)).toBe('ok');
    expect(arena.alloc(16n)).toBe(160n);
    healthy(arena);
  });

  test('sizes of which a slab holds equally many share its pieces', () => {
    const arena = new Driver().arena('a', { quantumCacheMax: 16n, spans: [[0n, 1024n]] });
    // Slabs are 64. 13, 12 and 11 all leave room for... 64/13 = 4, 64/14 = 4, 64/16 = 4.
    expect(arena.alloc(13n)).toBe(0n);
    expect(arena.alloc(16n)).toBe(16n);
    expect(arena.driver.engine.allocation('a', 0n)?.size).toBe(16n);
    expect(arena.alloc(12n)).toBe(64n);
    expect(arena.free(0n, 12n)).toBe('size-mismatch');
    expect(arena.free(0n, 13n)).toBe('ok');
    healthy(arena);
  });

  test('larger blocks and xalloc bypass them', () => {
    const arena = cachedArena();
    expect(arena.alloc(65n)).toBe(0n);
    expect(arena.xalloc(16n, {})).toBe(80n);
    expect(arena.view.cached).toBe(0n);
    healthy(arena);
  });

  test('an empty slab is free space again', () => {
    const arena = cachedArena(256n);
    expect(arena.alloc(16n)).toBe(0n);
    expect(arena.xalloc(256n, {})).toBe('exhausted');
    expect(arena.free(0n)).toBe('ok');
    expect(arena.view).toMatchObject({ cached: 0n, free: 256n, holes: 1 });
    expect(arena.xalloc(256n, {})).toBe(0n);
    healthy(arena);
  });

  test('where no slab fits any more a plain block does', () => {
    const arena = cachedArena(272n);
    expect(arena.alloc(64n)).toBe(0n);
    expect(arena.alloc(16n)).toBe(256n);
    expect(arena.view).toMatchObject({ free: 0n, cached: 192n, allocated: 80n });
    expect(arena.alloc(16n)).toBe('exhausted');
    expect(arena.free(256n, 16n)).toBe('ok');
    healthy(arena);
  });

  test('a slab is imported like any block and goes back whole', () => {
    const driver = new Driver();
    const source = driver.arena('source', { quantum: 16n, spans: [[0n, 4096n]] });
    const arena = driver.arena('a', { quantum: 16n, quantumCacheMax: 64n, source: 'source' });
    const first = arena.alloc(32n);
    const second = arena.alloc(32n);
    expect([first, second]).toEqual([0n, 32n]);
    expect(source.view.allocated).toBe(256n);
    expect(arena.free(0n)).toBe('ok');
    expect(source.view.allocated).toBe(256n);
    expect(arena.free(32n)).toBe('ok');
    expect(source.view.allocated).toBe(0n);
    healthy(arena);
  });

  test('freeAll and destroy leave nothing cached', () => {
    const arena = cachedArena();
    for (let i = 0; i < 40; i++) expect(arena.alloc(BigInt(1 + (i % 64)))).toBeTypeOf('bigint');
    expect(arena.freeAll()).toBe('ok');
    expect(arena.view).toMatchObject({ cached: 0n, free: 4096n, holes: 1 });
    expect(arena.xalloc(4096n, {})).toBe(0n);
    healthy(arena);
  });

  test('a cached block keeps the size of its cache', () => {
    const arena = cachedArena();
    expect(arena.alloc(32n)).toBe(0n);
    expect(arena.resize(0n, 16n)).toBe('invalid-request');
    expect(arena.free(0n)).toBe('ok');
  });

  test.each([
    ['an alloc takes a piece, and the slab stays', 'alloc', 'a', 48n],
    ['an xalloc a plain block, and the slab is given up', 'xalloc', 'a', 0n],
    ['so does who imports', 'alloc', 'child', 0n],
  ] as const)('of what rests in a slab %s', (_what, type, name, cached) => {
    const driver = new Driver();
    const quarantineSeconds = 60;
    // One slab is all of the arena.
    const arena = driver.arena('a', {
      quantumCacheMax: 16n,
      quarantineSeconds,
      spans: [[0n, 64n]],
    });
    driver.arena('child', { source: 'a' });
    for (const base of [0n, 16n, 32n, 48n]) expect(arena.alloc(16n)).toBe(base);
    for (const base of [0n, 16n, 32n, 48n]) expect(arena.free(base)).toBe('ok');
    const order = {
      type,
      arena: name,
      size: 16n,
      constraint: {},
      labels: {},
      seed: 0,
      reuse: true,
    };
    expect(driver.perform(order)).toMatchObject({ base: 0n, size: 16n });
    expect(arena.view).toMatchObject({ allocated: 16n, resting: 48n });
    driver.perform({ type: 'endRests', arena: 'a', restingSince: Infinity, most: 1000 });
    expect(arena.view).toMatchObject({ allocated: 16n, resting: 0n, cached, free: 48n - cached });
    healthy(arena);
  });

  test('are bounded to 16 quanta', () => {
    const driver = new Driver();
    expect(driver.create('a', { quantumCacheMax: 17n })).toBe('invalid-request');
    expect(driver.create('a', { quantum: 16n, quantumCacheMax: 24n })).toBe('invalid-request');
    expect(driver.create('a', { quantum: 16n, quantumCacheMax: 256n })).toBe('ok');
  });

  test.each([1, 2, 3, 4])('random use keeps every invariant, seed %i', (seed) => {
    const draws = new Random(seed);
    const random = (): number => draws.bits() / 2 ** 32;
    const arena = cachedArena(8192n, 128n);
    const live = new Map<bigint, bigint>();
    for (let step = 0; step < 3000; step++) {
      const size = BigInt(1 + Math.floor(random() * 160));
      if (random() < 0.52) {
        const base = random() < 0.2 ? arena.xalloc(size, {}) : arena.alloc(size);
        if (typeof base !== 'bigint') continue;
        const charged = arena.driver.engine.allocation('a', base)!.size;
        expect(charged, `seed ${seed} step ${step}`).toBeGreaterThanOrEqual(size);
        for (const [other, length] of live) {
          const apart = base >= other + length || base + charged <= other;
          if (!apart) expect.fail(`step ${step}: at ${base} over what is at ${other}`);
        }
        live.set(base, charged);
      } else if (live.size > 0) {
        const base = [...live.keys()][Math.floor(random() * live.size)]!;
        live.delete(base);
        expect(arena.free(base), `seed ${seed} step ${step}`).toBe('ok');
      }
      if (step % 16 === 0) healthy(arena);
      const { size: total, allocated, free, cached } = arena.view;
      expectSame(allocated + free + cached, total);
    }
    for (const base of live.keys()) expect(arena.free(base)).toBe('ok');
    expect(arena.view).toMatchObject({ cached: 0n, free: 8192n, holes: 1 });
  });
});
