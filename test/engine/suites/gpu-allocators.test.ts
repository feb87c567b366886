/**
 * Sequences from the tests and the bug reports of small range allocators made for graphics memory
 * and virtual machines, with what they should have answered. Sizes and addresses are those of the
 * reports; an allocator that rounds sizes into bins refuses some of these although they fit.
 */
import { describe, expect, test } from 'vitest';
import { arena, type ArenaDriver, type Pair } from '../harness.ts';

const MiB = 1024n * 1024n;

describe('an offset allocator of 256 MiB', () => {
  const size = 256n * MiB;
  const fresh = () => arena({ policy: 'bestfit', spans: [[0n, size]] });

  test('blocks follow one another, and an empty one is invalid', () => {
    const a = fresh();
    expect(a.alloc(0n)).toBe('invalid-request');
    expect([a.alloc(1n), a.alloc(123n), a.alloc(1234n)]).toEqual([0n, 1n, 124n]);
    a.finish();
  });

  test('a hole is used again where it fits', () => {
    const a = fresh();
    expect([a.alloc(1024n), a.alloc(3456n)]).toEqual([0n, 1024n]);
    expect(a.free(0n)).toBe('ok');
    expect([a.alloc(2345n), a.alloc(456n), a.alloc(512n)]).toEqual([4480n, 0n, 456n]);
    expect(a.view.free).toBe(size - 3456n - 2345n - 456n - 512n);
    expect(a.view.largestFree).toBe(size - 4480n - 2345n);
    a.finish();
  });

  test('slots of one size leave no fragments', () => {
    const a = fresh();
    for (let slot = 0n; slot < 256n; slot++) expect(a.alloc(MiB)).toBe(slot * MiB);
    for (const slot of [243n, 5n, 123n, 95n, 151n, 152n, 153n, 154n]) {
      expect(a.free(slot * MiB)).toBe('ok');
    }
    const refilled = [1, 2, 3, 4].map(() => a.alloc(MiB));
    expect(refilled).toEqual([5n, 95n, 123n, 243n].map((slot) => slot * MiB));
    expect(a.alloc(4n * MiB)).toBe(151n * MiB);
    expect(a.view.free).toBe(0n);
    a.finish();
  });

  test.each([17n, 118n, 513n, 65_537n, 529_445n, 699_050n, 1_048_575n])(
    'a space of exactly %s serves a request for all of it',
    (whole) => {
      for (const policy of ['instantfit', 'bestfit'] as const) {
        const a = arena({ policy, spans: [[0n, whole]] });
        expect(a.alloc(whole)).toBe(0n);
        a.finish();
      }
    },
  );

  test.each([
    [324n, 255n, 67n],
    [699_050n, 34_142n, 664_908n],
  ])('of %s, after %s, the remaining %s can be had', (whole, first, rest) => {
    for (const policy of ['instantfit', 'bestfit'] as const) {
      const a = arena({ policy, spans: [[0n, whole]] });
      expect(a.alloc(first)).toBe(0n);
      expect(a.alloc(rest)).toBe(first);
      a.finish();
    }
  });
});

describe('a range allocator of a vector', () => {
  test('a full range refuses, and a grown one goes on behind', () => {
    const a = fill(1n, 10n, 11n);
    expect(a.alloc(4n)).toBe('exhausted');
    expect(a.add(11n, 9n)).toBe('ok');
    expect(a.alloc(4n)).toBe(10n);
    a.finish();
  });

  test('growing behind a live block hands out none of it', () => {
    const a = arena({ policy: 'bestfit', spans: [[0n, 10n]] });
    expect(a.reserve(3n, 7n)).toBe(3n);
    expect(a.add(10n, 10n)).toBe('ok');
    expect(a.alloc(15n)).toBe('exhausted');
    expect(a.alloc(10n)).toBe(10n);
    a.finish();
  });

  test('holes that are too small are left, and one that fits better is preferred', () => {
    const a = fill(3n, 3n, 10n);
    expect(a.free(3n)).toBe('ok');
    expect(a.alloc(1n)).toBe(9n);
    expect(a.free(9n)).toBe('ok');
    expect(a.alloc(3n)).toBe(3n);
    a.finish();
  });

  test('every second of ten blocks is freed and filled by six and four', () => {
    const a = fill(10n, 10n, 100n);
    for (let at = 10n; at < 100n; at += 20n) expect(a.free(at, 10n)).toBe('ok');
    for (let at = 10n; at < 100n; at += 20n) expect(a.alloc(6n)).toBe(at);
    expect(a.holes()).toEqual([16n, 36n, 56n, 76n, 96n].map((at): Pair => [at, 4n]));
    for (let at = 16n; at < 100n; at += 20n) expect(a.alloc(4n)).toBe(at);
    expect(a.holes()).toEqual([]);
    a.finish();
  });

  test('a block merges with both neighbours', () => {
    const a = fill(3n, 3n, 9n);
    for (const at of [0n, 6n, 3n]) expect(a.free(at)).toBe('ok');
    expect(a.holes()).toEqual([[0n, 9n]]);
    a.finish();
  });
});

describe('an address allocator of a virtual machine', () => {
  test('first match, aligned', () => {
    const a = arena({ policy: 'firstfit', spans: [[0x1000n, 0x1000n]] });
    const align = 0x100n;
    const got = [0x110n, 0x100n, 0x10n].map((size) => a.xalloc(size, { align }));
    expect(got).toEqual([0x1000n, 0x1200n, 0x1300n]);
    a.finish();
  });

  test('last match, aligned', () => {
    const a = arena({ policy: 'lastfit', spans: [[0x1000n, 0x10000n]] });
    const align = 0x100n;
    const got = [0x110n, 0x100n, 0x10n].map((size) => a.xalloc(size, { align }));
    expect(got).toEqual([0x10e00n, 0x10d00n, 0x10c00n]);
    a.finish();
  });

  test('last, too large, first', () => {
    const a = arena({ policy: 'firstfit', spans: [[0x1000n, 0x1000n]] });
    const align = 0x100n;
    expect(a.xalloc(0x800n, { align }, 'lastfit')).toBe(0x1800n);
    expect(a.xalloc(0x900n, { align })).toBe('exhausted');
    expect(a.xalloc(0x400n, { align })).toBe(0x1000n);
    a.finish();
  });

  test('exact addresses between others', () => {
    const a = arena({ policy: 'firstfit', spans: [[0x1000n, 0x1000n]] });
    expect(a.xalloc(0x800n, { align: 0x100n })).toBe(0x1000n);
    expect(a.reserve(0x1a00n, 0x200n)).toBe(0x1a00n);
    expect(a.reserve(0x1800n, 0x800n)).toBe('taken');
    expect(a.reserve(0x1800n, 0x100n)).toBe(0x1800n);
    a.finish();
  });

  test('one unit left at the bottom, and one-unit holes', () => {
    const a = arena({ policy: 'firstfit', spans: [[1n, 1000n]] });
    expect(a.xalloc(10n, { align: 2n })).toBe(2n);
    expect(a.xalloc(1n, { align: 1n })).toBe(1n);
    expect(a.free(1n, 1n)).toBe('ok');
    expect(a.reserve(1n, 1n)).toBe(1n);
    a.finish();
  });

  test('addresses 1 and 2^64-2 are freed like any other', () => {
    const top = 2n ** 64n;
    const a = arena({ policy: 'firstfit', spans: [[0n, top]] });
    for (const at of [1n, top - 2n]) {
      expect(a.reserve(at, 1n)).toBe(at);
      expect(a.free(at, 1n)).toBe('ok');
      expect(a.reserve(at, 1n)).toBe(at);
    }
    a.finish();
  });

  test.each([
    [32, 5n, 23n],
    [32, 2n ** 32n - 2n, 2n ** 32n - 1n],
  ] as const)('ids of %i bits from %s to %s', (width, first, last) => {
    const a = arena({ width, policy: 'firstfit', spans: [[first, last - first + 1n]] });
    for (let id = first; id <= last; id++) expect(a.alloc(1n)).toBe(id);
    expect(a.alloc(1n)).toBe('exhausted');
    for (let id = first; id <= last; id++) {
      expect(a.free(id)).toBe('ok');
      expect(a.free(id)).toBe('allocation-not-found');
      expect(a.alloc(1n)).toBe(id);
    }
    a.finish();
  });
});

describe('a heap whose blocks must not span a boundary', () => {
  test.each([
    [1n, 37n, 20n],
    [16n, 22n, 20n],
  ])('the highest place in [%s, +%s) is %s', (base, size, answer) => {
    const a = arena({ policy: 'lastfit', spans: [[base, size]] });
    expect(a.xalloc(12n, { nocross: 16n })).toBe(answer);
    a.finish();
  });
});

describe('two spans of a kernel arena', () => {
  test.each(['instantfit', 'bestfit'] as const)('%s', (policy) => {
    const page = 4096n;
    const a = arena({
      policy,
      quantum: page,
      spans: [
        [0n, 8n * page],
        [16n * page, 20n * page],
      ],
    });
    expect(a.alloc(1000n * page)).toBe('never-fits');
    expect(a.alloc(17n * page)).toBe(16n * page);
    expect(a.alloc(8n * page)).toBe(0n);
    expect(a.alloc(page)).toBe(33n * page);
    expect(a.alloc(10n * page)).toBe('exhausted');
    expect(a.free(16n * page)).toBe('ok');
    expect(a.alloc(10n * page)).toBe(16n * page);
    a.finish();
  });
});

describe('ids', () => {
  test.each([0n, 1024n, 65_536n])(
    '1024 of them from %s on, lowest first, again and again',
    (from) => {
      const a = arena({ policy: 'firstfit', spans: [[0n, 2n ** 31n]] });
      for (let round = 0; round < 2; round++) {
        for (let id = from; id < from + 1024n; id++) expect(a.xalloc(1n, { min: from })).toBe(id);
        expect(a.freeAll()).toBe('ok');
        expect(a.alloc(1n)).toBe(0n);
        expect(a.freeAll()).toBe('ok');
      }
      a.finish();
    },
  );
});

/** A range filled from below with blocks of one size. */
function fill(count: bigint, each: bigint, size: bigint): ArenaDriver {
  const a = arena({ policy: 'bestfit', spans: [[0n, size]] });
  for (let at = 0n; at < count; at++) expect(a.alloc(each)).toBe(at * each);
  return a;
}
