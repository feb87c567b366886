/**
 * Every policy against a look at each free segment, under constraints at the edges: in a tiling of many
 * leaves, with so few kinds of constraint that some get an index of their own, and with so many that
 * most do not; at the bottom of the space and at its very top.
 */
import { expect, test } from 'vitest';
import type { Constraint, Policy } from '../../src/engine/command.ts';
import { UnitSpace as NarrowSpace } from '../../src/engine/narrow/unit-space.ts';
import { BUSY, FREE } from '../../src/engine/narrow/segments.ts';
import type { Space } from '../../src/engine/space.ts';
import { UnitSpace as WideSpace } from '../../src/engine/wide/unit-space.ts';
import { withoutNested } from '../../src/engine/windows.ts';
import type { Window } from '../../src/engine/windows.ts';
import { highest, lowest, wishOf } from '../model/placement.ts';
import type { Segment, Wish } from '../model/placement.ts';
import { Random } from '../model/random.ts';

const policies = ['instantfit', 'bestfit', 'firstfit', 'lastfit', 'nextfit', 'randomfit'] as const;
const SPAN = 1 << 14;
const BLOCKS_MAX = 1800;
const STEPS = 1200;

/** The bases that a policy may answer with; none where the request has to be refused. */
function legal(policy: Policy, free: readonly Segment[], wish: Wish, cursor: bigint): bigint[] {
  const fitting = free.flatMap((segment) => {
    const base = policy === 'lastfit' ? highest(segment, wish) : lowest(segment, wish);
    return base === undefined ? [] : [{ base, size: segment.size }];
  });
  if (fitting.length === 0) return [];
  const [first] = fitting;
  switch (policy) {
    case 'instantfit':
    case 'randomfit':
      return fitting.map(({ base }) => base);
    case 'firstfit':
      return [first!.base];
    case 'lastfit':
      return [fitting.at(-1)!.base];
    case 'nextfit': {
      for (const segment of free) {
        const base = lowest(segment, wish, cursor);
        if (base !== undefined) return [base];
      }
      return [first!.base];
    }
    case 'bestfit':
      return [fitting.reduce((best, other) => (other.size < best.size ? other : best)).base];
  }
}

class Session {
  readonly #random: Random;
  readonly #space: Space;
  readonly #width: number;
  readonly #bottom: bigint;
  readonly #kinds: readonly Constraint[];
  readonly #blocks: bigint[] = [];

  constructor(random: Random, space: Space, width: number, bottom: bigint, kinds: number) {
    this.#random = random;
    this.#space = space;
    this.#width = width;
    this.#bottom = bottom;
    this.#kinds = Array.from({ length: kinds }, () => this.#kind());
    space.add(bottom, BigInt(SPAN), false, false);
    // Side by side, every third one freed again.
    let at = 0;
    for (let id = 1; id <= BLOCKS_MAX * 2; id++) {
      const size = 1 + random.int(7);
      if (at + size > SPAN) break;
      space.occupy(bottom + BigInt(at), BigInt(size), BUSY, id);
      this.#blocks.push(bottom + BigInt(at));
      at += size;
    }
    while (this.#blocks.length > BLOCKS_MAX) this.#freeOne();
  }

  step(id: number): void {
    const random = this.#random;
    const policy = random.pick(policies);
    const size = BigInt(1 + random.int(random.chance(0.1) ? 40 : 8));
    const constraint = this.#constraint(size);
    const windows = random.chance(0.2) ? this.#windows() : undefined;
    const cursor = this.#bottom + BigInt(random.int(SPAN));
    const wish = wishOf(size, constraint, 1n, this.#width);
    if (typeof wish === 'string') return;
    const within = windows?.map(({ min, max }) => ({ base: min, size: max - min + 1n }));
    const wished = within === undefined ? wish : { ...wish, windows: within };
    const expected = legal(policy, this.#free(), wished, cursor);
    const seed = random.bits();
    const base = this.#space.place({ size, constraint, policy, cursor, seed, windows });
    const about = JSON.stringify({ policy, size, constraint, windows, cursor }, (_, value) =>
      typeof value === 'bigint' ? `${value}` : (value as unknown),
    );
    if (base === undefined) expect(expected, about).toEqual([]);
    else expect(expected, about).toContain(base);
    if (base !== undefined) {
      this.#space.occupy(base, size, BUSY, id);
      this.#blocks.push(base);
    }
    while (this.#blocks.length > BLOCKS_MAX) this.#freeOne();
    if (random.chance(0.5)) this.#freeOne();
  }

  #freeOne(): void {
    const at = this.#random.int(this.#blocks.length);
    const last = this.#blocks.pop()!;
    const base = at === this.#blocks.length ? last : this.#blocks[at]!;
    if (base !== last) this.#blocks[at] = last;
    this.#space.vacate(base);
  }

  #free(): Segment[] {
    const free: Segment[] = [];
    this.#space.walk(this.#bottom, ({ base, size, state }) => {
      if (state === FREE) free.push({ base, size });
      return true;
    });
    return free;
  }

  #kind(): Constraint {
    const random = this.#random;
    // Some that are no powers of two.
    const align = random.chance(0.2) ? 1 + random.int(100) : 1 << random.int(8);
    return {
      align: BigInt(align),
      phase: BigInt(random.chance(0.3) ? align - 1 : random.int(align)),
      ...(random.chance(0.4) ? { nocross: 1n << BigInt(6 + random.int(5)) } : {}),
    };
  }

  #constraint(size: bigint): Constraint {
    const random = this.#random;
    const kind = random.chance(0.2) ? {} : random.pick(this.#kinds);
    if (random.chance(0.3)) return kind;
    const [min, max] = this.#ends(size);
    return { ...kind, min, max };
  }

  /** A window that begins or ends where a segment does, or next to it, or as large as the block. */
  #ends(size: bigint): [min: bigint, max: bigint] {
    const random = this.#random;
    const top = this.#bottom + BigInt(SPAN) - 1n;
    const near = (): bigint => {
      const somewhere = this.#bottom + BigInt(random.int(SPAN));
      const { base } = this.#space.find(somewhere);
      return random.chance(0.5) ? somewhere : base + BigInt(random.int(3)) - 1n;
    };
    const inside = (unit: bigint): bigint =>
      unit < this.#bottom ? this.#bottom : unit > top ? top : unit;
    const min = inside(near());
    const max = random.chance(0.2) ? inside(min + size - 1n) : inside(near());
    return min <= max ? [min, max] : [max, min];
  }

  #windows(): Window[] {
    const ends = [this.#ends(8n), this.#ends(8n), this.#ends(8n)];
    const windows = ends.map(([min, max]) => ({ min, max }));
    windows.sort((a, b) => (a.min < b.min || (a.min === b.min && a.max < b.max) ? -1 : 1));
    return withoutNested(windows);
  }

  finish(): void {
    expect(this.#space.check()).toEqual([]);
  }
}

test.each([
  ['narrow', 1],
  ['narrow', 400],
  ['wide', 3],
  ['wide', 400],
] as const)('%s, %i kinds of constraint', (name, kinds) => {
  const random = new Random(20261127, `${name} ${kinds}`);
  const narrow = name === 'narrow';
  const width = narrow ? 52 : 128;
  const isAtTop = kinds === 400;
  const bottom = isAtTop ? (1n << BigInt(width)) - BigInt(SPAN) : 0n;
  const space = narrow ? new NarrowSpace(0, 0n) : new WideSpace(0, 0n);
  const session = new Session(random, space, width, bottom, kinds);
  for (let step = 0; step < STEPS; step++) session.step(BLOCKS_MAX * 2 + 1 + step);
  session.finish();
});
