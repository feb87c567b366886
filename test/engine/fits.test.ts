/** What still fits, against brute force: blocks counted are blocks that are then granted. */
import { describe, expect, test } from 'vitest';
import type { Constraint } from '../../src/engine/command.ts';
import type { FitsView } from '../../src/engine/view.ts';
import { Fit } from '../../src/engine/narrow/fit.ts';
import type { Refusal } from '../../src/engine/refusal.ts';
import { NONE } from '../../src/engine/narrow/unit.ts';
import { Fit as WideFit } from '../../src/engine/wide/fit.ts';
import { Random } from '../model/random.ts';
import { arena, Driver, type ArenaDriver } from './harness.ts';

const seed = Number(process.env['VMEMD_SEED'] ?? 20_260_101);
const most = 10_000;

function fitsOf({ driver, name }: ArenaDriver, size: bigint, constraint: Constraint = {}) {
  const found = driver.engine.fits(name, { size, constraint, most });
  if ('refused' in found) throw new Error(found.detail);
  return found;
}

/** Takes blocks until there is no room, and gives how many there were. */
function fill(into: ArenaDriver, size: bigint, constraint: Constraint): bigint {
  let blocks = 0n;
  while (typeof into.xalloc(size, constraint, 'firstfit') === 'bigint') blocks++;
  return blocks;
}

test('blocks in one range, in both number systems', () => {
  const random = new Random(seed, 'count');
  let several = 0;
  const wrong: object[] = [];
  for (let round = 0; round < 20_000; round++) {
    const size = 1 + random.int(random.pick([4, 40]));
    // Powers of two, other multiples, and none, of all orders around the size.
    const align = random.pick([1, 2 ** random.int(8), 1 + random.int(60)]);
    const order = Math.ceil(Math.log2(size)) + random.int(4);
    const nocross = random.pick([0, 2 ** order]);
    const phase = random.int(align);
    const start = random.int(300);
    const end = start + random.int(700);
    const fit = new Fit(align, phase, nocross);
    const count = fit.count(start, end, size);
    let greedy = 0;
    for (let at = start; ; greedy++) {
      const next = fit.lowest(at, end, size);
      if (next === NONE) break;
      at = next + size;
    }
    if (greedy > 3 && nocross > 0 && align > 2) several++;
    const wide = new WideFit(BigInt(align), BigInt(phase), BigInt(nocross));
    const wideCount = wide.count(BigInt(start), BigInt(end), BigInt(size));
    if (count === greedy && wideCount === BigInt(greedy)) continue;
    wrong.push({ size, align, phase, nocross, start, end, count, wideCount, greedy });
  }
  expect(wrong).toEqual([]);
  expect(several).toBeGreaterThan(1000);
});

describe('what is counted is granted', () => {
  test.each<[string, bigint, bigint]>([
    ['narrow', 0n, 16n],
    ['wide', (1n << 60n) + 5n, 1n],
  ])('%s', (_name, base, quantum) => {
    const random = new Random(seed, `grants ${base}`);
    let counted = 0n;
    for (let round = 0; round < 60; round++) {
      const start = base - (base % quantum);
      const length = quantum * 400n;
      const far = { base: start + (1n << 70n), size: quantum * 10n };
      const here = arena({
        width: 128,
        quantum,
        spans: [[start, length], ...(base > 0n ? [[far.base, far.size] as const] : [])],
        ...(random.chance(0.2) && { limit: quantum * BigInt(100 + random.int(300)) }),
      });
      for (let i = random.int(60); i > 0; i--) {
        here.reserve(start + quantum * random.big(400n), quantum * (1n + random.big(8n)));
      }
      const size = random.size(length / 20n, quantum, []) || 1n;
      const constraint: Constraint = {
        ...(random.chance(0.5) && { align: quantum * (1n + random.big(12n)) }),
        ...(random.chance(0.4) && { nocross: 1n << BigInt(size.toString(2).length + 4) }),
        ...(random.chance(0.3) && { min: start + random.big(length) }),
        ...(random.chance(0.3) && { max: start + length - random.big(length / 4n) - 1n }),
      };
      const found = here.driver.engine.fits('arena', { size, constraint, most });
      if ('refused' in found) {
        // As a request for the block would be.
        expect(here.xalloc(size, constraint)).toBe(found.refused);
        continue;
      }
      const { view } = here;
      expect(found).toMatchObject({ more: false, free: view.free, holes: view.holes });
      expect(found.largestFree).toBe(view.largestFree);
      expect(sum(found.histogram.map(({ holes }) => BigInt(holes)))).toBe(BigInt(view.holes));
      expect(found.count).toBe(fill(here, size, constraint));
      expect(found.whyNone === undefined).toBe(found.count > 0n);
      const { last } = here.driver;
      // Now that there is none, it says what the refusal does.
      const { exhaustion } = last as Refusal;
      const { whyNone } = fitsOf(here, size, constraint);
      if (exhaustion !== undefined) expect(whyNone).toEqual(exhaustion);
      else expect(last).toMatchObject({ refused: expect.stringMatching(/never-fits|limit/) });
      counted += found.count;
    }
    expect(counted).toBeGreaterThan(500n);
  });

  test('in slices of a bounded number of free segments', () => {
    const here = arena({ spans: [[0n, 1000n]] });
    for (let i = 0n; i < 100n; i++) here.reserve(10n * i, 1n);
    const at = (bound: number) =>
      here.driver.engine.fits('arena', { size: 4n, constraint: {}, most: bound });
    expect(at(100)).toMatchObject({ count: 200n, more: false });
    expect(at(99)).toMatchObject({ count: 198n, more: true });
    // What is too small costs no look.
    here.free(10n);
    expect(here.driver.engine.fits('arena', { size: 15n, constraint: {}, most: 1 })).toMatchObject({
      count: 1n,
      more: false,
    });
  });
});

test('the largest block under a constraint that nearly no free segment meets', () => {
  const here = arena({ spans: [[0n, 8000n]] });
  // Free segments of five from 8i + 1 on have no multiple of 8.
  for (let i = 0n; i < 1000n; i++) {
    here.reserve(8n * i, 1n);
    here.reserve(8n * i + 6n, 2n);
  }
  const largest = (bounds: Constraint = {}) =>
    fitsOf(here, 1n, { align: 8n, ...bounds }).largestFitting;
  expect(largest()).toBe(0n);
  here.free(4000n);
  expect(largest()).toBe(6n);
  expect(largest({ max: 4003n })).toBe(4n);
  expect(largest({ min: 4001n })).toBe(0n);
  here.free(4006n);
  expect(largest()).toBe(8n);
  here.check();
});

describe('arithmetic alone', () => {
  test.each<[bigint, Constraint, bigint]>([
    [1n, {}, 1n << 128n],
    [3n, {}, (1n << 128n) / 3n],
    [1n << 64n, { align: 1n << 64n }, 1n << 64n],
    [1n, { align: 2n, phase: 1n }, 1n << 127n],
    [3n, { nocross: 4n }, 1n << 126n],
    // Of five boundaries, three have a start behind them that leaves room for six before the next.
    [6n, { align: 5n, nocross: 8n }, (((1n << 125n) - 2n) / 5n) * 3n + 2n],
    [2n, { align: 5n, nocross: 4n }, (((1n << 128n) - 1n) / 5n / 4n) * 3n + 3n],
    [1n << 128n, {}, 1n],
    [256n, { min: 1n, max: 1023n }, 3n],
  ])('%d under %o in all of 128 bits', (size, constraint, count) => {
    const here = arena({ width: 128, spans: [[0n, 1n << 128n]] });
    expect(fitsOf(here, size, constraint).count).toBe(count);
  });
});

describe('imports', () => {
  function chain(options: { quantum?: bigint; limit?: bigint } = {}): ArenaDriver {
    const driver = new Driver();
    driver.arena('top', { quantum: options.quantum ?? 1n, spans: [[0n, 4096n]] });
    driver.arena('middle', { source: 'top', ...options });
    return driver.arena('low', { source: 'middle' });
  }

  test.each<[bigint, { quantum?: bigint; limit?: bigint }, Partial<FitsView>]>([
    [64n, {}, { count: 0n, importable: 64n }],
    [100n, { quantum: 64n }, { count: 0n, importable: 40n }],
    [64n, { limit: 1000n }, { count: 0n, importable: 15n }],
  ])('%d through two sources with %o', (size, options, expected) => {
    const low = chain(options);
    expect(fitsOf(low, size)).toMatchObject(expected);
    expect(fill(low, size, {})).toBeLessThanOrEqual(expected.importable!);
    expect(fitsOf(low, size).count).toBe(0n);
  });

  test('what is imported and free is the own', () => {
    const driver = new Driver();
    driver.arena('top', { spans: [[0n, 4096n]] });
    const low = driver.arena('low', {
      source: 'top',
      importSize: 1024n,
      keepSpans: 1,
      limit: 2000n,
    });
    const at = low.alloc(100n);
    expect(fitsOf(low, 100n)).toMatchObject({ count: 9n, importable: 10n, more: false });
    expect(low.free(at as bigint)).toBe('ok');
    expect(fitsOf(low, 100n)).toMatchObject({ count: 10n, importable: 10n });
    expect(fitsOf(low, 100n, { min: 1024n })).toMatchObject({ count: 0n, importable: 20n });
  });

  test('are bounded by what is free where there are too many segments to look at', () => {
    const driver = new Driver();
    const top = driver.arena('top', { spans: [[0n, 100n]] });
    for (let i = 0n; i < 10n; i++) top.reserve(10n * i, 1n);
    driver.arena('low', { source: 'top' });
    const at = (bound: number) =>
      driver.engine.fits('low', { size: 6n, constraint: {}, most: bound });
    expect(at(20)).toMatchObject({ count: 0n, importable: 10n });
    expect(at(19)).toMatchObject({ count: 0n, importable: 15n });
  });
});

function sum(numbers: readonly bigint[]): bigint {
  return numbers.reduce((total, number) => total + number, 0n);
}
