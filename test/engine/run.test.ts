/**
 * The run, which knows no order, against the ordered segments: the same commands must give the same
 * addresses and leave the same queues, and the tiling built from a run must go on like one that was
 * there from the start.
 */
import { describe, expect, test, vi } from 'vitest';
import { verify } from '../../src/engine/narrow/check.ts';
import { Run } from '../../src/engine/narrow/run.ts';
import { plainFit } from '../../src/engine/narrow/ascent.ts';
import { largestFree, place } from '../../src/engine/narrow/search.ts';
import { BUSY, Segments } from '../../src/engine/narrow/segments.ts';
import { LIMIT, NONE, ZERO } from '../../src/engine/narrow/unit.ts';
import { linesOf, reborn } from '../model/checkpoint.ts';
import { Random } from '../model/random.ts';
import { Driver } from './harness.ts';

const seeds = [1, 2, 3, 4, 5, 6];

function placed(segments: Segments, size: number): number {
  const request = { size, fit: plainFit, from: ZERO, to: LIMIT, policy: 'instantfit' as const };
  return place(segments, { ...request, cursor: ZERO, seed: 0 });
}

/** Random blocks and frees on both; returns what is live, by start. */
function drive(run: Run, segments: Segments, random: Random, steps: number, sizeMax: number) {
  const live = new Map<number, number>();
  const starts: number[] = [];
  for (let step = 0; step < steps; step++) {
    if (random.chance(0.54)) {
      const size = 1 + random.int(random.chance(0.1) ? sizeMax * 8 : sizeMax);
      const at = run.place(size);
      // Where the run needs an order, the ordered segments may still find a last member.
      if (at === NONE) continue;
      expect(placed(segments, size), `step ${step}`).toBe(at);
      expect(run.occupy(at, size, BUSY, step + 1)).toBe(true);
      segments.occupy(at, size, BUSY, step + 1);
      live.set(at, size);
      starts.push(at);
    } else if (starts.length > 0) {
      const index = random.int(starts.length);
      const at = starts[index]!;
      starts[index] = starts.at(-1)!;
      starts.pop();
      live.delete(at);
      expect(run.vacate(at)).toBe(true);
      segments.vacate(at);
    }
    expect(run.free).toBe(segments.free);
    if (step % 16 === 0) compareLargest(run, segments);
  }
  expect(run.isHashed).toBe(true);
  return live;
}

/** The run may say that it does not know, but only where there are many of nearly that size. */
function compareLargest(run: Run, segments: Segments): void {
  const most = run.largestFree();
  if (most !== NONE) expect(most).toBe(largestFree(segments));
  else expect(run.bins.count).toBeGreaterThan(64);
}

function tiling(segments: Segments): string[] {
  const list: string[] = [];
  for (let at = segments.tree.first(); at >= 0; at = segments.after(at)) {
    const id = segments.stateOf(at) === BUSY ? segments.idOf(at) : '';
    list.push(`${segments.startOf(at)} ${segments.stateOf(at)} ${id}`);
  }
  return list;
}

test.each(seeds)('a cell that is not as it was is noticed, seed %i', (seed) => {
  const random = new Random(seed);
  const run = new Run(0, 20_000);
  const starts = Array.from({ length: 300 }, () => {
    const size = 1 + random.int(40);
    const start = run.place(size);
    expect(run.occupy(start, size, BUSY, 1)).toBe(true);
    return start;
  });
  for (const start of starts) if (random.chance(0.3)) run.vacate(start);
  const { cells } = run.bins;
  const { words } = cells;
  for (const start of starts) {
    const cell = run.find(start);
    if (cell === 0) continue;
    // What comes behind it in its bucket and in the list, and its state.
    for (const word of [2, 4, 6]) {
      const at = (cell << 3) | word;
      const was = words[at]!;
      words[at] = word === 6 ? 0 : was ^ 1;
      expect(run.isHashed, `unit ${start}, word ${word}`).toBe(false);
      words[at] = was;
    }
    cells.setStart(cell, start ^ 1);
    expect(run.isHashed, `unit ${start}`).toBe(false);
    cells.setStart(cell, start);
  }
  expect(run.isHashed).toBe(true);
});

describe('a run and the ordered segments', () => {
  test.each(seeds)('take the same blocks, and go on alike, seed %i', (seed) => {
    const random = new Random(seed);
    const start = random.chance(0.5) ? 0 : 1000;
    const end = random.chance(0.3) ? LIMIT : start + 20_000;
    const run = new Run(start, end);
    const segments = new Segments();
    segments.addRun(start, end, false, false);
    drive(run, segments, random, 6000, 64);
    const built = Segments.of(run);
    expect(tiling(built)).toEqual(tiling(segments));
    expect(verify(built)).toEqual([]);
    for (let i = 0; i < 2000; i++) {
      const size = 1 + random.int(100);
      const at = placed(built, size);
      expect(placed(segments, size)).toBe(at);
      if (at === NONE) break;
      built.occupy(at, size, BUSY, 1);
      segments.occupy(at, size, BUSY, 1);
    }
    expect(verify(built)).toEqual([]);
  });

  test('a run that is freed is one free segment again', () => {
    const random = new Random(99);
    const run = new Run(0, 4096);
    const segments = new Segments();
    segments.addRun(0, 4096, false, false);
    const live = drive(run, segments, random, 2000, 32);
    for (const at of live.keys()) expect(run.vacate(at)).toBe(true);
    expect(run.free).toBe(4096);
    expect(run.place(4096)).toBe(0);
    expect(run.occupy(0, 4096, BUSY, 1)).toBe(true);
    expect(run.place(1)).toBe(NONE);
  });

  test('a block that would go elsewhere is not the run’s to take', () => {
    const run = new Run(0, 100);
    expect(run.occupy(50, 10, BUSY, 1)).toBe(false);
    expect(run.free).toBe(100);
    expect(run.find(50)).toBe(0);
  });
});

test('an order is made for a question that needs one, not for a check, a saving or a restore', () => {
  const made = vi.spyOn(Segments, 'of');
  const driver = new Driver();
  const arena = driver.arena('a', { policy: 'instantfit', spans: [[0n, 1000n]] });
  for (let i = 0; i < 9; i++) arena.alloc(10n);
  arena.free(40n);
  const restored = reborn(driver.engine);
  for (const engine of [driver.engine, restored]) {
    expect(engine.check('a').problems).toEqual([]);
    linesOf(engine);
    engine.allocation('a', 30n);
  }
  expect(made).not.toHaveBeenCalled();
  arena.xalloc(10n, { min: 500n });
  expect(made).toHaveBeenCalledOnce();
  made.mockRestore();
});
