/**
 * The tests of VulkanMemoryAllocator's virtual blocks, with its random numbers: a linear
 * congruential generator whose two draws are combined, first draw first. Buddy descent must never
 * fail, and figures must always be the sum of what is allocated.
 */
import { describe, expect, test } from 'vitest';
import { arena } from '../harness.ts';

const MiB = 1024n * 1024n;
const timeout = 120_000;

/** One number of 32 bits per call. */
function generator(seed: number): (below: number) => number {
  let state = BigInt(seed);
  const draw = () => {
    state = (state * 196_314_165n + 907_633_515n) % 2n ** 32n;
    return Number(state);
  };
  return (below) => ((draw() ^ (draw() >>> 7)) >>> 0) % below;
}

test('a block of 16 MiB', () => {
  const a = arena({ spans: [[0n, 16n * MiB]] });
  expect([a.alloc(8n * MiB), a.alloc(4n * MiB)]).toEqual([0n, 8n * MiB]);
  expect(a.alloc(8n * MiB)).toBe('exhausted');
  expect(a.alloc(32n * MiB)).toBe('never-fits');
  expect(a.free(8n * MiB)).toBe('ok');
  expect(a.alloc(8n * MiB)).toBe(8n * MiB);
  expect(a.freeAll()).toBe('ok');
  let allocated = 0n;
  for (let at = 0n; at < 32n; at++) {
    const size = 15n + at * 3n;
    expect((a.xalloc(size, { align: 8n }) as bigint) % 8n).toBe(0n);
    allocated += size;
    expect(a.view).toMatchObject({ allocated, free: 16n * MiB - allocated });
  }
  a.finish();
});

test.each([3454335, 2342435, 20092010])('random sizes of seed %i never overlap', (seed) => {
  for (const policy of ['instantfit', 'bestfit', 'firstfit', 'lastfit'] as const) {
    const random = generator(seed);
    const a = arena({ policy, spans: [[0n, 10_000n]] });
    const live: { base: bigint; size: bigint }[] = [];
    const take = () => {
      const size = BigInt(5 + random(20));
      const base = a.xalloc(size, { align: 16n });
      expect(base).toBeTypeOf('bigint');
      live.push({ base: base as bigint, size });
    };
    for (let n = 0; n < 20; n++) take();
    for (let n = 0; n < 5; n++) {
      const [gone] = live.splice(random(live.length), 1);
      expect(a.free(gone!.base, gone!.size)).toBe('ok');
    }
    for (let n = 0; n < 6; n++) take();
    expect(a.alloc(20_000n)).toBe('never-fits');
    for (let n = 0; n < 3; n++) take();
    live.sort((x, y) => Number(x.base - y.base));
    expect(a.blocks()).toEqual(live.map(({ base, size }) => [base, size]));
    expect(a.view).toMatchObject({
      allocations: live.length,
      allocated: live.reduce((sum, { size }) => sum + size, 0n),
    });
    a.finish();
  }
});

describe('buddy descent', () => {
  test.each(['instantfit', 'bestfit', 'firstfit', 'lastfit', 'nextfit'] as const)(
    '%s',
    (policy) => {
      const levels = 11;
      const random = generator(3454335);
      const a = arena({ policy, spans: [[0n, 2n ** BigInt(levels)]] });
      const live: { base: bigint; size: bigint }[] = [];
      const take = (size: bigint) => {
        const base = a.xalloc(size, { align: size });
        expect(base).toBeTypeOf('bigint');
        live.push({ base: base as bigint, size });
      };
      take(2n ** BigInt(levels));
      for (let level = levels; level > 0; level--) {
        const victims = live.filter(({ size }) => size === 2n ** BigInt(level));
        const { base, size } = victims[random(victims.length)]!;
        expect(a.free(base, size)).toBe('ok');
        live.splice(
          live.findIndex((block) => block.base === base),
          1,
        );
        take(size / 2n);
        take(size / 2n);
        expect(a.view.free).toBe(0n);
      }
      expect(a.alloc(1n)).toBe('exhausted');
      a.finish();
    },
  );
});

test('a block of 48 MiB, a size that lies on the border of its class', () => {
  const a = arena({ spans: [[0n, 50_331_648n]] });
  const align = 2n;
  expect(a.xalloc(576n, { align })).toBe(0n);
  expect(a.xalloc(648n, { align })).toBe(576n);
  expect(a.free(0n)).toBe('ok');
  expect(a.xalloc(720n, { align })).toBe(1224n);
  a.finish();
});

test.each([1n, 16n, 64n, 256n])(
  '7200 blocks and 14,400 changes, aligned to %s',
  { timeout },
  (align) => {
    for (const policy of ['instantfit', 'bestfit', 'firstfit'] as const) {
      const random = generator(20092010);
      const a = arena({ policy, spans: [[0n, 7200n * 4096n]] });
      const live: bigint[] = [];
      const take = () => {
        const base = a.xalloc(BigInt(1 + random(2056)), { align });
        if (typeof base !== 'bigint' || base % align !== 0n) throw new Error(`got ${base}`);
        live.push(base);
      };
      for (let n = 0; n < 7200; n++) take();
      for (let n = 0; n < 14_400; n++) {
        if (live.length === 0 || random(2) === 0) {
          take();
          continue;
        }
        const at = random(live.length);
        if (a.free(live[at]!) !== 'ok') throw new Error(`cannot free ${live[at]}`);
        live[at] = live.at(-1)!;
        live.pop();
      }
      expect(a.view.allocations).toBe(live.length);
      a.finish();
    }
  },
);
