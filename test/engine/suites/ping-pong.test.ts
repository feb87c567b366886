/**
 * No ping-pong: an arena that allocates and frees at the border of what it has imported takes a span
 * from its source once and keeps it, rather than once per allocation. What is counted is the imports
 * and releases in the events, which is what a source would have to write down.
 */
import { expect, test } from 'vitest';
import type { At, ReleaseSpans } from '../../../src/engine/command.ts';
import { SpanTimer } from '../../../src/span-timer.ts';
import { Driver, type ArenaDriver, type Options } from '../harness.ts';

const pairs = 1000;

interface Traffic {
  imports: number;
  releases: number;
}

function family(child: Options): { driver: Driver; top: ArenaDriver; child: ArenaDriver } {
  const driver = new Driver();
  const top = driver.arena('top', { quantum: 16n, spans: [[0n, 0x10000n]] });
  return { driver, top, child: driver.arena('child', { quantum: 16n, source: 'top', ...child }) };
}

/** A timer that looks at the engine only when asked, by the driver's clock. */
function timerOf(driver: Driver): () => At<ReleaseSpans>[] {
  const timer = new SpanTimer({} as never);
  return () => timer.due(driver.engine.idling(), driver.engine.revision, driver.now);
}

/** Counts what the last command imported and released. */
function count({ last }: Driver, traffic: Traffic): void {
  if (last === undefined || 'refused' in last) throw new Error('the command was granted');
  if (last.type === 'allocated') traffic.imports += last.imported.length;
  if ('released' in last) traffic.releases += last.released.length;
}

/** Allocates and frees `pairs` times, `step` milliseconds apart. */
function pingPong(driver: Driver, child: ArenaDriver, step: number): Traffic {
  const traffic = { imports: 0, releases: 0 };
  const overdue = timerOf(driver);
  for (let pair = 0; pair < pairs; pair++) {
    const base = child.alloc(32n);
    expect(base).toBeTypeOf('bigint');
    count(driver, traffic);
    driver.now += step;
    expect(child.free(base as bigint)).toBe('ok');
    count(driver, traffic);
    driver.now += step;
    for (const due of overdue()) driver.perform(due);
  }
  return traffic;
}

test.each([
  ['keepSpans 1', { keepSpans: 1 }, 1, 0],
  ['keepSpans 1 and a quantum cache', { keepSpans: 1, quantumCacheMax: 64n }, 1, 0],
  ['keepSpans 1 and a large import', { keepSpans: 1, largeImport: true }, 1, 0],
  ['releaseAfterSeconds', { releaseAfterSeconds: 60 }, 1, 0],
  ['neither: the seed does so too', {}, pairs, pairs],
] as [string, Options, number, number][])('1000 pairs with %s', (_, options, imports, releases) => {
  const { driver, top, child } = family(options);
  expect(pingPong(driver, child, 10)).toEqual({ imports, releases });
  expect(child.view.allocated).toBe(0n);
  expect(top.view.allocated).toBe(child.view.size);
  child.check();
  expect(child.update({ keepSpans: 0, releaseAfterSeconds: 0 })).toBe('ok');
  expect(top.view.allocated).toBe(0n);
  top.finish();
});

test('a chain of three imports once per level', () => {
  const { driver, top, child } = family({ keepSpans: 1 });
  const leaf = driver.arena('leaf', { quantum: 16n, source: 'child', keepSpans: 1 });
  expect(pingPong(driver, leaf, 10)).toEqual({ imports: 2, releases: 0 });
  for (const arena of [leaf, child]) expect(arena.update({ keepSpans: 0 })).toBe('ok');
  expect(top.view.allocated).toBe(0n);
  top.finish();
});

test('keepSpans keeps one of many, however many become free at once', () => {
  const { driver, top, child } = family({ keepSpans: 1 });
  for (let n = 0; n < 100; n++) expect(child.alloc(16n)).toBe(BigInt(n) * 16n);
  expect(child.spans()).toHaveLength(100);
  expect(child.freeAll()).toBe('ok');
  expect(driver.last).toMatchObject({ count: 100 });
  expect(child.spans()).toHaveLength(1);
  expect(child.update({ keepSpans: 0 })).toBe('ok');
  top.finish();
});

/** Frees one span each second, then asks every half second what is overdue. */
test('nothing is released before its time, and everything at its time', () => {
  const releaseAfterSeconds = 7;
  const { driver, top, child } = family({ releaseAfterSeconds });
  const overdue = timerOf(driver);
  const freedAt = new Map<bigint, number>();
  for (let n = 0; n < 20; n++) expect(child.alloc(16n)).toBe(BigInt(n) * 16n);
  const releasedAt = new Map<bigint, number>();
  for (let half = 0; half < 60; half++) {
    if (half % 2 === 0 && half < 40) {
      const base = BigInt(half / 2) * 16n;
      expect(child.free(base)).toBe('ok');
      expect(driver.last).toMatchObject({ released: [] });
      freedAt.set(base, driver.now);
    }
    for (const due of overdue()) {
      const outcome = driver.perform(due);
      if ('refused' in outcome || outcome.type !== 'spansReleased') throw new Error('not released');
      expect(outcome.released).not.toEqual([]);
      for (const { base } of outcome.released) releasedAt.set(base, driver.now);
    }
    driver.now += 500;
  }
  expect(releasedAt.size).toBe(20);
  for (const [base, at] of releasedAt) {
    expect(at - freedAt.get(base)!, `span ${base}`).toBe(releaseAfterSeconds * 1000);
  }
  expect(top.view.allocated).toBe(0n);
  top.finish();
});

test('a span taken again within its time starts anew', () => {
  const { driver, top, child } = family({ releaseAfterSeconds: 10 });
  const overdue = timerOf(driver);
  expect(child.alloc(16n)).toBe(0n);
  expect(child.free(0n)).toBe('ok');
  expect(overdue()).toEqual([]);
  driver.now += 9_999;
  expect(overdue()).toEqual([]);
  expect(child.alloc(16n)).toBe(0n);
  expect(driver.last).toMatchObject({ imported: [] });
  driver.now += 60_000;
  expect(overdue()).toEqual([]);
  expect(child.free(0n)).toBe('ok');
  expect(overdue()).toEqual([]);
  driver.now += 9_999;
  expect(overdue()).toEqual([]);
  driver.now += 1;
  for (const due of overdue()) driver.perform(due);
  expect(child.spans()).toEqual([]);
  top.finish();
});
