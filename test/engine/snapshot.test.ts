/**
 * Snapshots: an engine restored from one answers like the one that was saved, and the parts tell
 * nothing of how a state came about. That both hold in every shape and for every policy, the random
 * sessions of `test/model` show.
 */
import { describe, expect, test } from 'vitest';
import type { Arena } from '../../src/engine/arena.ts';
import { AssertionError } from '../../src/engine/assert.ts';
import type { Policy } from '../../src/engine/command.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { ArenaPart, SnapshotPart } from '../../src/engine/snapshot.ts';
import { engineFrom, linesOf, reborn } from '../model/checkpoint.ts';
import { pictureOf } from '../model/picture.ts';
import { Random } from '../model/random.ts';
import { Driver, type ArenaDriver, type Options } from './harness.ts';

const far = 1n << 62n;

/** Goes on with both engines by the same commands; they must grant the same addresses. */
function expectAlike(saved: Engine, restored: Engine, policy: Policy, steps: number): void {
  const random = new Random(17, policy);
  const bases: bigint[] = [];
  for (let step = 0; step < steps; step++) {
    const frees = bases.length > 0 && random.chance(0.4);
    const address = frees ? bases.splice(random.int(bases.length), 1)[0]! : 0n;
    const size = BigInt(1 + random.int(12));
    const seed = random.bits();
    const common = { at: step, arena: 'a', labels: {} } as const;
    const command = frees
      ? ({ ...common, type: 'free', address } as const)
      : ({ ...common, type: 'alloc', size, constraint: {}, seed, policy } as const);
    const outcome = saved.decide(command);
    expect(restored.decide(command)).toEqual(outcome);
    if ('refused' in outcome) continue;
    if (outcome.type === 'allocated') bases.push(outcome.base);
    saved.apply(outcome, saved.revision + 1);
    restored.apply(outcome, restored.revision + 1);
  }
  expect(linesOf(restored)).toEqual(linesOf(saved));
}

/** Many blocks of which some were freed, in no order: full queues of free segments. */
function churned(driver: Driver, options: Options, steps = 3000): ArenaDriver {
  const arena = driver.arena('a', options);
  const random = new Random(5);
  const bases: bigint[] = [];
  for (let step = 0; step < steps; step++) {
    driver.now += random.int(1000);
    if (random.chance(0.6) || bases.length === 0) {
      const base = arena.alloc(BigInt(1 + random.int(30)));
      if (typeof base === 'bigint') bases.push(base);
    } else expect(arena.free(bases.splice(random.int(bases.length), 1)[0]!)).toBe('ok');
  }
  return arena;
}

describe('a restored engine goes on like the one that was saved', () => {
  test.each([
    ['a run', 'instantfit', [[7n, 100_000n]]],
    ['ordered segments', 'bestfit', [[7n, 100_000n]]],
    [
      'several spans',
      'instantfit',
      [
        [0n, 40_000n],
        [50_000n, 30_000n],
        [80_000n, 9n],
      ],
    ],
    [
      'numbers beyond doubles',
      'instantfit',
      [
        [0n, 20_000n],
        [far, 30_000n],
      ],
    ],
    ['the whole space', 'instantfit', [[0n, 1n << 64n]]],
  ] as const)('%s', (_, policy, spans) => {
    const driver = new Driver();
    churned(driver, { policy, spans });
    const restored = reborn(driver.engine);
    expect(restored.check('a').problems).toEqual([]);
    expect(linesOf(restored)).toEqual(linesOf(driver.engine));
    expectAlike(driver.engine, restored, policy, 1500);
    expect(restored.check('a').problems).toEqual([]);
    expect(pictureOf(restored, driver.now)).toBe(pictureOf(driver.engine, driver.now));
  });

  test('an empty engine, at any revision', () => {
    expect(linesOf(new Engine())).toEqual([]);
    const restored = engineFrom([], 12);
    expect(restored.revision).toBe(12);
    expect(restored.arenas(undefined, 10)).toEqual([]);
  });

  test('an arena without spans, and with settings of every kind', () => {
    const driver = new Driver();
    driver.arena('b');
    const labels = { z: '1', a: '2', 10: 'x', 9: 'y', ...JSON.parse('{"__proto__":"p"}') };
    driver.create('a', {
      notation: 'ipv6',
      width: 128,
      quantum: 16n,
      policy: 'nextfit',
      source: 'b',
      importSize: 64n,
      largeImport: true,
      keepSpans: 3,
      releaseAfterSeconds: 9,
      quantumCacheMax: 48n,
      limit: 1n << 128n,
      ownerLimit: 0n,
      ownerLimits: [
        { owner: 'b', limit: 1n << 128n },
        { owner: '', limit: 7n },
      ],
      labels,
    });
    const restored = reborn(driver.engine);
    expect(restored.arena('a')).toEqual(driver.engine.arena('a'));
    expect(Object.entries(restored.arena('a')!.labels)).toEqual(Object.entries(labels));
    expect(restored.arenas(undefined, 10)).toEqual(driver.engine.arenas(undefined, 10));
  });

  test('what is known of allocations', () => {
    const driver = new Driver();
    const arena = driver.arena('a', { spans: [[0n, 100n]] });
    for (const size of [5n, 6n, 7n, 8n]) expect(typeof arena.alloc(size)).toBe('bigint');
    driver.now = 5_000_000_000_000;
    driver.perform({
      type: 'updateAllocation',
      arena: 'a',
      address: 5n,
      labels: { b: '', a: 'é' },
    });
    driver.perform({ type: 'updateAllocation', arena: 'a', address: 11n, owner: '' });
    const restored = reborn(driver.engine);
    for (const address of [0n, 5n, 11n, 18n]) {
      const allocation = driver.engine.allocation('a', address);
      expect(allocation).toBeDefined();
      expect(restored.allocation('a', address)).toEqual(allocation);
    }
  });

  test('idle spans, since when they were', () => {
    const driver = new Driver();
    driver.arena('root', { spans: [[0n, 1000n]] });
    const arena = driver.arena('a', { source: 'root', importSize: 10n, releaseAfterSeconds: 60 });
    const bases = [1n, 2n, 3n].map(() => arena.alloc(10n) as bigint);
    for (const base of bases.slice(1)) {
      driver.now += 5000;
      arena.free(base);
    }
    const restored = reborn(driver.engine);
    expect(driver.engine.idling()).toHaveLength(1);
    expect(restored.idling()).toEqual(driver.engine.idling());
    expect(restored.check('root').problems).toEqual([]);
    expect(restored.check('a').problems).toEqual([]);
  });

  test('arenas stay in the order of their creation, not of their names', () => {
    const driver = new Driver();
    driver.arena('root', { spans: [[0n, 1000n]] });
    for (const name of ['z', 'm', 'a']) driver.arena(name, { source: 'root' });
    expect(driver.perform({ type: 'destroyArena', arena: 'z', force: false })).not.toHaveProperty(
      'refused',
    );
    driver.arena('z', { source: 'root' });
    const restored = reborn(driver.engine);
    const refused = { type: 'destroyArena', at: 0, arena: 'root', force: false } as const;
    expect(restored.decide(refused)).toEqual(driver.engine.decide(refused));
    expect(restored.decide(refused)).toMatchObject({ detail: expect.stringContaining("'m'") });
    expect(linesOf(restored)).toEqual(linesOf(driver.engine));
  });
});

describe('the parts do not tell how the state came about', () => {
  test('a question that had an order made leaves them as they were', () => {
    const driver = new Driver();
    churned(driver, { policy: 'instantfit', spans: [[0n, 50_000n]] });
    const lines = linesOf(driver.engine);
    expect(driver.engine.check('a').problems).toEqual([]);
    driver.engine.arena('a');
    expect(linesOf(driver.engine)).toEqual(lines);
  });

  test('an arena that once reached farther than doubles count', () => {
    const driver = new Driver();
    const arena = churned(driver, { policy: 'instantfit', spans: [[0n, 50_000n]] });
    const before = reborn(driver.engine);
    const add = { type: 'addSpan', at: 1, arena: 'a', base: far, size: 10n } as const;
    expect(arena.add(far, 10n)).toBe('ok');
    const event = before.decide(add);
    if ('refused' in event) throw new Error(event.detail);
    before.apply(event, before.revision + 1);
    expect(linesOf(before)).toEqual(linesOf(driver.engine));
    expect(arena.removeSpan(far)).toBe('ok');
    // Here the saved engine still counts in bigints, and the restored one in doubles.
    const after = reborn(driver.engine);
    expect(linesOf(after)).toEqual(linesOf(driver.engine));
    expectAlike(driver.engine, after, 'instantfit', 1000);
  });

  test('turning to bigints keeps what instantfit takes next', () => {
    const driver = new Driver();
    const arena = driver.arena('a', { policy: 'instantfit', spans: [[0n, 60n]] });
    for (let i = 0; i < 6; i++) arena.alloc(10n);
    for (const base of [40n, 0n, 20n]) arena.free(base);
    arena.add(far, 1n);
    expect([arena.alloc(10n), arena.alloc(10n), arena.alloc(10n)]).toEqual([40n, 0n, 20n]);
  });
});

describe('restoring', () => {
  test('comes before all events, and events after it', () => {
    const driver = new Driver();
    driver.arena('a', { spans: [[0n, 100n]] });
    const parts = [...driver.engine.snapshot()];
    expect(() => driver.engine.restore(parts[0]!)).toThrow(AssertionError);
    expect(() => driver.engine.restored(1)).toThrow(AssertionError);
    const restored = new Engine();
    for (const part of parts) restored.restore(part);
    const at = { type: 'spanAdded', at: 0, arena: 'a', base: 200n, size: 1n } as const;
    expect(() => restored.apply(at, 1)).toThrow(AssertionError);
    restored.restored(1);
    expect(() => restored.apply(at, 1)).toThrow(AssertionError);
    restored.apply(at, 2);
    expect(restored.arena('a')!.size).toBe(101n);
  });
});

describe('parts', () => {
  test('are bounded, and made one at a time', () => {
    const driver = new Driver();
    const arena = driver.arena('a', { spans: [[0n, 1n << 20n]] });
    const labels = { note: 'x'.repeat(255) };
    for (let i = 0; i < 6000; i++) {
      driver.perform({
        type: 'alloc',
        arena: 'a',
        size: 2n,
        constraint: {},
        labels,
        seed: 0,
      });
    }
    for (let address = 0n; address < 12_000n; address += 4n) arena.free(address);
    const lines = linesOf(driver.engine);
    const types = lines.map((line) => (JSON.parse(line) as SnapshotPart).type);
    expect(types.filter((type) => type === 'segments')).toHaveLength(2);
    expect(types.filter((type) => type === 'abouts').length).toBeGreaterThan(10);
    for (const line of lines) expect(line.length).toBeLessThan(256 * 1024);
    expect(linesOf(engineFrom(lines, driver.engine.revision))).toEqual(lines);
    const first = driver.engine.snapshot().next();
    expect(first.value).toMatchObject({ type: 'arena', arena: 'a' });
  });

  test('name every field of an arena that does not follow from others', () => {
    type Data<T> = { [K in keyof T]: T[K] extends Function ? never : K }[keyof T];
    type Parts = 'name' | 'tuning' | 'spans' | 'allocations' | 'rests' | 'space' | 'cache';
    type Derived =
      | 'unrested'
      | 'rested'
      | 'children'
      | 'limit'
      | 'allocated'
      | 'cached'
      | 'quarantines'
      | 'afterFreeing'
      | 'undo'
      | 'owners'
      | 'charged'
      | 'nextRest';
    type Forgotten = Exclude<Data<Arena>, keyof ArenaPart | Parts | Derived>;
    const forgotten: [Forgotten] extends [never] ? 'nothing' : Forgotten = 'nothing';
    expect(forgotten).toBe('nothing');
  });
});
