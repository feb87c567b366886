/**
 * The life of blocks and arenas: what free, resize, the limit, create and destroy accept and
 * refuse, and that a refusal changes nothing.
 */
import { describe, expect, test } from 'vitest';
import { arena, Driver, type Options } from '../harness.ts';

const M = 2n ** 64n;

describe('free', () => {
  test('a wrong size, an interior address and a second free change nothing', () => {
    const a = arena({ quantum: 16n, spans: [[0n, 1024n]] });
    expect(a.alloc(17n)).toBe(0n);
    expect(a.view.allocated).toBe(32n);
    const before = a.walk();
    const wrong: readonly [bigint, bigint | undefined, string][] = [
      [0n, 1n, 'size-mismatch'],
      [0n, 16n, 'size-mismatch'],
      [0n, 33n, 'size-mismatch'],
      [0n, 48n, 'size-mismatch'],
      [16n, undefined, 'allocation-not-found'],
      [1n, undefined, 'allocation-not-found'],
      [32n, undefined, 'allocation-not-found'],
      [4096n, undefined, 'allocation-not-found'],
    ];
    for (const [address, size, answer] of wrong) expect(a.free(address, size)).toBe(answer);
    expect(a.walk()).toEqual(before);
    for (const size of [17n, 24n, 32n, undefined]) {
      expect(a.free(0n, size)).toBe('ok');
      expect(a.free(0n, size)).toBe('allocation-not-found');
      expect(a.alloc(17n)).toBe(0n);
    }
    a.finish();
  });

  test('neighbours merge on both sides, at the ends of the space too', () => {
    const a = arena({ width: 32, spans: [[0n, 2n ** 32n]] });
    const last = 2n ** 32n - 1n;
    for (const at of [0n, 1n, 2n, last - 2n, last - 1n, last]) expect(a.reserve(at, 1n)).toBe(at);
    for (const at of [0n, 2n, 1n, last, last - 2n, last - 1n]) expect(a.free(at, 1n)).toBe('ok');
    expect(a.holes()).toEqual([[0n, 2n ** 32n]]);
    a.finish();
  });
});

describe('resize', () => {
  test('grows into free space behind the block and shrinks, in place', () => {
    const a = arena({ quantum: 16n, spans: [[0n, 128n]] });
    expect(a.alloc(32n)).toBe(0n);
    expect(a.reserve(96n, 16n)).toBe(96n);
    expect(a.resize(0n, 96n)).toBe('ok');
    expect(a.resize(0n, 97n)).toBe('taken');
    expect(a.resize(0n, 129n)).toBe('never-fits');
    expect(a.resize(0n, 0n)).toBe('invalid-request');
    expect(a.resize(16n, 16n)).toBe('allocation-not-found');
    expect(a.blocks()).toEqual([
      [0n, 96n],
      [96n, 16n],
    ]);
    expect(a.resize(0n, 1n)).toBe('ok');
    expect(a.resize(96n, 32n)).toBe('ok');
    expect(a.blocks()).toEqual([
      [0n, 16n],
      [96n, 32n],
    ]);
    a.finish();
  });
});

describe('limit', () => {
  test('bounds what may be allocated, and free gives it back', () => {
    const a = arena({ spans: [[0n, 100n]], limit: 40n });
    expect(a.alloc(40n)).toBe(0n);
    expect(a.alloc(1n)).toBe('limit-exceeded');
    expect(a.resize(0n, 41n)).toBe('limit-exceeded');
    expect(a.reserve(0n, 1n)).toBe('limit-exceeded');
    expect(a.alloc(101n)).toBe('never-fits');
    expect(a.add(100n, 100n)).toBe('ok');
    expect(a.resize(0n, 39n)).toBe('ok');
    expect(a.alloc(2n)).toBe('limit-exceeded');
    expect(a.alloc(1n)).toBe(39n);
    expect(a.update({ limit: M })).toBe('ok');
    a.finish();
  });
});

describe('create and destroy', () => {
  test('destroy is refused while anything is allocated, unless forced', () => {
    const driver = new Driver();
    const a = driver.arena('a', { spans: [[0n, 100n]] });
    expect(a.alloc(1n)).toBe(0n);
    expect(a.destroy()).toBe('arena-busy');
    expect(driver.create('a')).toBe('arena-exists');
    a.finish();
    expect(a.alloc(1n)).toBe(0n);
    expect(a.destroy(true)).toBe('ok');
    expect(a.alloc(1n)).toBe('arena-not-found');
    expect(a.destroy()).toBe('arena-not-found');
    expect(driver.create('a', { source: 'none' })).toBe('arena-not-found');
    driver.arena('a', { spans: [[0n, 7n]] }).finish();
  });

  test.each([
    [
      {
        spans: [
          [0n, 10n],
          [5n, 10n],
        ],
      },
      'overlap',
    ],
    [{ spans: [[0n, 0n]] }, 'invalid-request'],
    [{ quantum: 16n, spans: [[8n, 16n]] }, 'invalid-request'],
    [{ width: 32, spans: [[0n, 2n ** 32n + 1n]] }, 'invalid-request'],
    [{ quantum: 3n }, 'invalid-request'],
    [{ quantum: 0n }, 'invalid-request'],
    [{ quantum: 16n, importSize: 24n }, 'invalid-request'],
  ] as [Options, string][])('create with %o → %s', (options, answer) => {
    const driver = new Driver();
    expect(driver.create('a', options)).toBe(answer);
    expect(driver.engine.arena('a')).toBeUndefined();
    driver.arena('a', { spans: [[0n, 10n]] }).finish();
  });
});
