/**
 * Which of several fitting segments a policy takes. Where the contract leaves a choice, as
 * instantfit does between size classes, a case lists every legal answer.
 */
import { describe, expect, test } from 'vitest';
import type { Constraint, Policy } from '../../../src/engine/command.ts';
import { Driver, arena, type ArenaDriver, type Pair } from '../harness.ts';

describe('the choice of a segment', () => {
  const cases: readonly [spans: Pair[], policy: Policy, size: bigint, answers: bigint[]][] = [
    [
      [
        [0n, 10n],
        [100n, 15n],
      ],
      'bestfit',
      9n,
      [0n],
    ],
    [
      [
        [0n, 15n],
        [100n, 10n],
      ],
      'bestfit',
      9n,
      [100n],
    ],
    [
      [
        [0n, 15n],
        [100n, 10n],
      ],
      'firstfit',
      9n,
      [0n],
    ],
    [
      [
        [0n, 15n],
        [100n, 10n],
      ],
      'lastfit',
      9n,
      [101n],
    ],
    [
      [
        [0n, 15n],
        [100n, 15n],
        [200n, 15n],
      ],
      'bestfit',
      9n,
      [0n],
    ],
    [
      [
        [0n, 15n],
        [100n, 64n],
      ],
      'instantfit',
      9n,
      [0n, 100n],
    ],
    [
      [
        [0n, 16n],
        [100n, 17n],
      ],
      'instantfit',
      16n,
      [0n],
    ],
    [
      [
        [0n, 16n],
        [100n, 17n],
      ],
      'bestfit',
      16n,
      [0n],
    ],
    [
      [
        [0n, 17n],
        [100n, 16n],
      ],
      'bestfit',
      16n,
      [100n],
    ],
    [
      [
        [0n, 15n],
        [100n, 8n],
      ],
      'instantfit',
      15n,
      [0n],
    ],
    [
      [
        [0n, 8n],
        [100n, 15n],
      ],
      'randomfit',
      9n,
      [100n],
    ],
    [
      [
        [0n, 10n],
        [100n, 10n],
      ],
      'nextfit',
      10n,
      [0n],
    ],
  ];
  test.each(cases)('%o under %s for %s → one of %o', (spans, policy, size, answers) => {
    const a = arena({ policy, spans });
    const got = a.alloc(size);
    expect(answers).toContain(got);
    a.finish();
  });

  test('bestfit counts a segment that fits only in size as no fit', () => {
    const a = arena({
      spans: [
        [1n, 16n],
        [32n, 100n],
      ],
    });
    expect(a.xalloc(16n, { align: 16n })).toBe(32n);
    expect(a.xalloc(16n, {})).toBe(1n);
    a.finish();
  });

  test('nextfit goes on behind its last grant, and only its own grants move it', () => {
    const a = arena({ policy: 'nextfit', spans: [[0n, 10n]] });
    expect([a.alloc(2n), a.alloc(2n), a.alloc(2n)]).toEqual([0n, 2n, 4n]);
    expect(a.free(0n)).toBe('ok');
    expect(a.free(2n)).toBe('ok');
    expect(a.alloc(1n, 'firstfit')).toBe(0n);
    expect([a.alloc(2n), a.alloc(2n)]).toEqual([6n, 8n]);
    expect([a.alloc(2n), a.alloc(1n), a.alloc(1n)]).toEqual([1n, 3n, 'exhausted']);
    a.finish();
  });

  test('nextfit visits every id before it uses one again', () => {
    const ids = 100n;
    const a = arena({ policy: 'nextfit', spans: [[1n, ids]] });
    for (let round = 0; round < 3; round++) {
      for (let id = 1n; id <= ids; id++) {
        expect(a.alloc(1n)).toBe(id);
        expect(a.free(id)).toBe('ok');
      }
    }
    a.finish();
  });

  test('nextfit fits into two halves of a segment that its cursor divides', () => {
    const a = arena({ policy: 'nextfit', spans: [[0n, 10n]] });
    expect(a.alloc(4n)).toBe(0n);
    expect(a.free(0n)).toBe('ok');
    expect(a.alloc(8n)).toBe(0n);
    a.finish();
  });

  test('instantfit takes the segment freed longest ago', () => {
    const a = arena({ policy: 'instantfit', spans: [[0n, 100n]] });
    for (let block = 0n; block < 10n; block++)
      expect(a.reserve(block * 10n, 10n)).toBe(block * 10n);
    const freed = [70n, 10n, 50n, 30n];
    for (const address of freed) expect(a.free(address)).toBe('ok');
    expect(freed.map(() => a.alloc(10n))).toEqual(freed);
    a.finish();
  });

  test('randomfit depends on the seed alone and reaches every segment', () => {
    const spans = Array.from({ length: 8 }, (_, at): Pair => [BigInt(at) * 100n, 10n]);
    const a = arena({ policy: 'randomfit', spans });
    const seen = new Set<unknown>();
    for (let seed = 1; seed <= 400; seed++) {
      const spread = Math.imul(seed, 0x9e3779b1) >>> 0;
      const first = a.alloc(10n, 'randomfit', spread);
      expect(a.free(first as bigint)).toBe('ok');
      expect(a.alloc(10n, 'randomfit', spread)).toBe(first);
      expect(a.free(first as bigint)).toBe('ok');
      seen.add(first);
    }
    expect(seen).toEqual(new Set(spans.map(([base]) => base)));
    a.finish();
  });

  test('without a seed, randomfit draws from the state, evenly', () => {
    const spans = Array.from({ length: 8 }, (_, at): Pair => [BigInt(at) * 100n, 10n]);
    const driver = new Driver();
    const a = driver.arena('arena', { policy: 'randomfit', spans });
    const draw = { type: 'alloc', arena: 'arena', size: 10n, constraint: {}, labels: {} } as const;
    const seen = new Map<bigint, number>();
    for (let round = 0; round < 800; round++) {
      const expected = driver.engine.decide({ ...draw, at: driver.now });
      const event = driver.perform(draw);
      expect(event).toEqual(expected);
      if ('refused' in event || event.type !== 'allocated') throw new Error('must be granted');
      seen.set(event.base, (seen.get(event.base) ?? 0) + 1);
      expect(a.free(event.base)).toBe('ok');
    }
    // One hundred each, give or take four standard deviations.
    expect(seen.size).toBe(8);
    for (const count of seen.values()) expect(Math.abs(count - 100)).toBeLessThan(38);
    a.finish();
  });

  // Which indexes there are follows from what was asked before, and must show in no answer.
  test('instantfit answers the same however often it was asked', () => {
    const holes: Pair[] = [
      [10n, 19n],
      [100n, 35n],
      [998n, 19n],
      [1995n, 35n],
    ];
    const a = perforated(3000n, holes);
    const constraint = { align: 1000n };
    const first = ask(a, 'instantfit', 17n, constraint, 0);
    expect([1000n, 2000n]).toContain(first);
    for (let again = 0; again < 80; again++) {
      expect(ask(a, 'instantfit', 17n, constraint, 0)).toBe(first);
    }
  });

  test('randomfit answers the same however often it was asked', () => {
    const holes = Array.from({ length: 3000 }, (_, at): Pair => [BigInt(at) * 100n + 90n, 10n]);
    for (let seed = 1; seed <= 3; seed++) {
      const a = perforated(300_000n, holes);
      const constraint = { align: 30_000n, phase: 91n };
      const first = ask(a, 'randomfit', 8n, constraint, seed);
      expect(typeof first).toBe('bigint');
      for (let again = 0; again < 4; again++) {
        expect(ask(a, 'randomfit', 8n, constraint, seed)).toBe(first);
      }
    }
  });
});

/** An arena in which just the holes are free, freed in their order. */
function perforated(size: bigint, holes: readonly Pair[]): ArenaDriver {
  const a = arena({ policy: 'firstfit', spans: [[0n, size]] });
  let at = 0n;
  for (const [base, length] of holes) {
    if (at < base) expect(a.reserve(at, base - at)).toBe(at);
    expect(a.reserve(base, length)).toBe(base);
    at = base + length;
  }
  if (at < size) expect(a.reserve(at, size - at)).toBe(at);
  for (const [base] of holes) expect(a.free(base)).toBe('ok');
  return a;
}

/** The address that the arena would answer with. */
function ask(
  { driver, name }: ArenaDriver,
  policy: Policy,
  size: bigint,
  constraint: Constraint,
  seed: number,
): bigint | undefined {
  const order = {
    type: 'xalloc',
    arena: name,
    size,
    constraint,
    labels: {},
    policy,
    seed,
  } as const;
  const event = driver.engine.decide({ ...order, at: 1 });
  return 'refused' in event || event.type !== 'allocated' ? undefined : event.base;
}
