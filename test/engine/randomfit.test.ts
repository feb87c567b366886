/**
 * randomfit draws evenly among the segments that fit, by whichever of its ways: where most segments fit,
 * where one of hundreds does, where few are large enough or reach into the window. And what it draws
 * depends on the segments alone, not on what was asked before.
 */
import { expect, test } from 'vitest';
import type { Constraint } from '../../src/engine/command.ts';
import { UnitSpace as NarrowSpace } from '../../src/engine/narrow/unit-space.ts';
import { BUSY, FREE } from '../../src/engine/narrow/segments.ts';
import type { Space } from '../../src/engine/space.ts';
import { UnitSpace as WideSpace } from '../../src/engine/wide/unit-space.ts';
import type { Window } from '../../src/engine/windows.ts';
import { lowest, wishOf } from '../model/placement.ts';
import type { Segment } from '../model/placement.ts';
import { Random } from '../model/random.ts';

const SPAN = 1 << 14;
const DRAWS_EACH = 40;

interface Asked {
  readonly about: string;
  readonly size: bigint;
  readonly constraint?: Constraint;
  readonly windows?: readonly Window[];
}

const asked: readonly Asked[] = [
  { about: 'large segments', size: 14n },
  { about: 'an alignment', size: 3n, constraint: { align: 4n, phase: 1n } },
  { about: 'one alignment of many', size: 3n, constraint: { align: 512n, phase: 77n } },
  { about: 'a boundary', size: 12n, constraint: { align: 2n, nocross: 16n } },
  { about: 'half of the span', size: 2n, constraint: { min: 5000n, max: 13_000n, align: 8n } },
  { about: 'a small window', size: 1n, constraint: { min: 7001n, max: 7200n } },
  {
    about: 'a window with rare starts',
    size: 4n,
    constraint: { min: 999n, max: 9000n, align: 256n },
  },
  {
    about: 'windows that share a segment',
    size: 2n,
    windows: [
      { min: 100n, max: 404n },
      { min: 400n, max: 1000n },
      { min: 1003n, max: 1100n },
    ],
  },
  {
    about: 'windows with rare starts',
    size: 3n,
    constraint: { align: 64n },
    windows: [
      { min: 1n, max: 6000n },
      { min: 6002n, max: 16_000n },
    ],
  },
];

/** Blocks and free segments of 1 to 15 units by turns: a thousand of each. */
function filled(space: Space): Segment[] {
  const random = new Random(20261128);
  space.add(0n, BigInt(SPAN), false, false);
  let at = 0;
  for (let id = 1; ; id++) {
    const size = 1 + random.int(15);
    if (at + size > SPAN) break;
    if (id % 2 === 1) space.occupy(BigInt(at), BigInt(size), BUSY, id);
    at += size;
  }
  const free: Segment[] = [];
  space.walk(0n, ({ base, size, state }) => {
    if (state === FREE) free.push({ base, size });
    return true;
  });
  return free;
}

function drawn(space: Space, { size, constraint = {}, windows }: Asked, seed: number): bigint {
  const placement = { size, constraint, cursor: 0n, seed, windows };
  return space.place({ ...placement, policy: 'randomfit' }) ?? -1n;
}

test.each([
  ['narrow', () => new NarrowSpace(0, 0n)],
  ['wide', () => new WideSpace(0, 0n)],
] as const)('%s: evenly among what fits, whatever was asked before', (_, open) => {
  const space = open();
  const free = filled(space);
  const random = new Random(4711);
  for (const ask of asked) {
    const wish = wishOf(ask.size, ask.constraint ?? {}, 1n, 52);
    if (typeof wish === 'string') throw new Error(wish);
    const windows = ask.windows?.map(({ min, max }) => ({ base: min, size: max - min + 1n }));
    const counts = new Map<bigint, number>();
    for (const segment of free) {
      const base = lowest(segment, windows === undefined ? wish : { ...wish, windows });
      if (base !== undefined) counts.set(base, 0);
    }
    expect(counts.size, ask.about).toBeGreaterThan(2);
    const seeds = Array.from({ length: counts.size * DRAWS_EACH }, () => random.bits());
    const fresh = open();
    filled(fresh);
    for (const [n, seed] of seeds.entries()) {
      const base = drawn(space, ask, seed);
      const before = counts.get(base);
      if (before === undefined) expect([...counts.keys()], ask.about).toContain(base);
      counts.set(base, before! + 1);
      if (n === 0) expect(drawn(fresh, ask, seed), ask.about).toBe(base);
    }
    // Chi-squared, of mean k and variance 2k for k degrees of freedom: within five deviations.
    let deviation = 0;
    for (const count of counts.values()) deviation += (count - DRAWS_EACH) ** 2 / DRAWS_EACH;
    const freedom = counts.size - 1;
    expect(deviation, ask.about).toBeLessThan(freedom + 5 * Math.sqrt(2 * freedom));
  }
});
