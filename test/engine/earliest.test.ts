import { expect, test } from 'vitest';
import type { Constraint, Policy } from '../../src/engine/command.ts';
import { UnitSpace as NarrowSpace } from '../../src/engine/narrow/unit-space.ts';
import { BUSY, HELD } from '../../src/engine/narrow/segments.ts';
import type { Joint, RestOrder, Space } from '../../src/engine/space.ts';
import { UnitSpace as WideSpace } from '../../src/engine/wide/unit-space.ts';
import { Random } from '../model/random.ts';

const policies = ['instantfit', 'bestfit', 'firstfit', 'lastfit', 'nextfit', 'randomfit'] as const;
const END = 1 << 10;

interface Rest extends Joint {
  readonly since: number;
}

/** Spans with blocks side by side, of which some rest since a few revisions; some of them are slabs. */
function filled(random: Random, space: Space): { joints: Joint[]; order: RestOrder } {
  const ids = new Float64Array(END);
  const rests: Rest[] = [];
  const slabs: RestOrder['slabs'][number][] = [];
  let count = 0;
  for (let at = 0, id = 1; at < END;) {
    const end = Math.min(END, at + 1 + random.int(END));
    space.add(BigInt(at), BigInt(end - at), random.chance(0.5), random.chance(0.5));
    while (at < end) {
      const size = Math.min(end - at, 1 + random.int(4));
      const [base, length] = [BigInt(at), BigInt(size)];
      at += size;
      if (random.chance(0.1)) continue;
      const isSlab = size > 1 && random.chance(0.2);
      const since = 1 + random.int(20);
      space.occupy(base, length, BUSY, id);
      // A slab is pieces of one address, and becomes free or does not.
      if (isSlab) {
        for (let piece = 1; piece < size; piece++) space.cut(base + BigInt(piece), ++id);
        for (let piece = 0; piece < size; piece++) {
          space.relabel(base + BigInt(piece), HELD, id - piece);
          ids[id - piece] = 1 + random.int(since);
          count++;
        }
        const stays = random.chance(0.3);
        slabs.push({ base, size: length, since: stays ? Infinity : since });
        if (!stays) rests.push({ base, size: length, since });
      } else if (random.chance(0.7)) {
        space.relabel(base, HELD, id);
        ids[id] = since;
        rests.push({ base, since });
        count++;
      }
      id++;
    }
  }
  rests.sort((a, b) => a.since - b.since || (a.base < b.base ? -1 : 1));
  return { joints: rests, order: { ids, count, slabs } };
}

function constraintFrom(random: Random): Constraint {
  const align = 1n << BigInt(random.int(4));
  const min = BigInt(random.int(END / 2));
  return {
    ...(random.chance(0.3) ? { align, phase: BigInt(random.int(Number(align))) } : {}),
    ...(random.chance(0.3) ? { min, max: min + BigInt(random.int(END / 2)) } : {}),
    ...(random.chance(0.2) ? { nocross: 16n } : {}),
  };
}

test.each([
  ['narrow', () => new NarrowSpace(0, 0n)],
  ['wide', () => new WideSpace(0, 0n)],
])('%s: what becomes room first is the same by halving as one by one', (name, fresh) => {
  const random = new Random(Number(process.env['VMEMD_SEED'] ?? 4_711), `earliest-${name}`);
  let found = 0;
  let late = 0;
  for (let round = 0; round < 60; round++) {
    const space = fresh();
    const { joints, order } = filled(random, space);
    for (let i = 0; i < 12; i++) {
      const windows = [
        { min: 100n, max: 299n },
        { min: 250n, max: 800n },
      ];
      const placement = {
        size: BigInt(1 + random.int(random.pick([8, 40]))),
        constraint: constraintFrom(random),
        policy: random.pick<Policy>(policies),
        cursor: BigInt(random.int(END)),
        seed: random.int(1000),
        ...(random.chance(0.2) ? { windows } : {}),
      };
      const [first, last] = [joints[0], joints.at(-1)];
      const one = space.placeJoining(placement, joints);
      if (space.placeEarliest(placement, order) !== one) throw new Error(JSON.stringify(round));
      if (one === undefined) continue;
      found++;
      if (one !== space.placeJoining(placement, [first!, last!])) late++;
    }
  }
  expect(found).toBeGreaterThan(100);
  expect(late).toBeGreaterThan(100);
});

test('nothing is room where nothing rests', () => {
  const space = new NarrowSpace(0, 0n);
  space.add(0n, 64n, true, true);
  space.occupy(0n, 64n, BUSY, 1);
  const none = { ids: new Float64Array(2), count: 0, slabs: [] };
  const placement = { size: 1n, constraint: {}, policy: 'bestfit', cursor: 0n, seed: 0 } as const;
  expect(space.placeEarliest(placement, none)).toBe(undefined);
});
