/**
 * Shapes: the arenas that a random session starts from, each chosen to bring out another kind of
 * fault. A shape is scaled by the quantum and bounded by the width.
 */
import {
  policies,
  type CreateArena,
  type Policy,
  type Range,
  type Width,
} from '../../src/engine/command.ts';
import type { SingleCommand } from '../../src/engine/decide.ts';
import { plainSettings } from '../../src/engine/tuning.ts';
import { ceil } from './placement.ts';
import type { Random } from './random.ts';

export interface Setting {
  readonly policy: Policy;
  readonly width: Width;
  readonly quantum: bigint;
}

/** Arenas that stand alone. */
export const plainShapes = [
  'single',
  'manySpans',
  'adjacentSpans',
  'wholeSpace',
  'topOfSpace',
  'beyondDoubles',
  'checkerboard',
  'comb',
  'nearlyFull',
  'caches',
] as const;
/** Arenas that import from others. */
export const chainShapes = ['imports2', 'imports3', 'imports4', 'cachesAndImports'] as const;
export const shapes = [...plainShapes, ...chainShapes] as const;
export type Shape = (typeof shapes)[number] | 'deep' | (typeof tightShapes)[number];

/** So small that a request often finds no room but what rests. */
export const tightShapes = ['tight', 'tightCaches', 'tightImports'] as const;

/** Blocks of one arena above which a session frees more than it allocates. */
export function crowdOf(shape: Shape): number {
  if (shape === 'deep') return 1500;
  return shape === 'checkerboard' || shape === 'comb' ? 140 : 60;
}

/** The commands that set the shape up; every one must be granted. */
export function setUp(shape: Shape, setting: Setting, random: Random): SingleCommand[] {
  const commands = shaped(shape, setting, random);
  // The model goes through all that rests, time and again: not where that is thousands.
  if (shape === 'deep') return commands;
  return commands.map((command) => {
    const often = shape.startsWith('tight') ? 0.9 : 0.4;
    const quarantines = command.type === 'createArena' && random.chance(often);
    return quarantines ? { ...command, quarantineSeconds: 60 } : command;
  });
}

function shaped(shape: Shape, setting: Setting, random: Random): SingleCommand[] {
  const { quantum: q, width } = setting;
  const top = 1n << BigInt(width);
  const create = (spans: Range[]) => [createArena('a', setting, { spans })];
  switch (shape) {
    case 'single':
      return create([{ base: q * BigInt(random.int(3)), size: q * BigInt(100 + random.int(900)) }]);
    case 'manySpans':
      return create(scattered(q, random));
    case 'adjacentSpans':
      return create(random.shuffle(adjacent(q, random)));
    case 'wholeSpace':
      return create([{ base: 0n, size: top }]);
    case 'topOfSpace':
      return create([{ base: top - q * 512n, size: q * 512n }]);
    case 'beyondDoubles':
      return create(beyondDoubles(top, q));
    case 'checkerboard':
      return [...create([{ base: 0n, size: q * 256n }]), ...checkerboard(q, 256)];
    case 'comb':
      return [...create([{ base: q, size: q * 1024n }]), ...comb(q, 110, random)];
    case 'deep':
      return [...create([{ base: q, size: q * 16_384n }]), ...comb(q, 1500, random)];
    case 'nearlyFull':
      return [...create([{ base: q, size: q * 300n }]), reserve(q, q * 290n)];
    case 'imports2':
    case 'imports3':
    case 'imports4':
      return chain(Number(shape.slice(-1)), setting, random);
    case 'caches':
      return caches(setting, random);
    case 'tight':
      return create([
        { base: q, size: q * 23n },
        { base: q * 24n, size: q * 41n },
        { base: q * 70n, size: q * 16n },
      ]);
    case 'tightCaches':
      return [
        createArena('a', setting, {
          spans: [{ base: q * 3n, size: q * 70n }],
          quantumCacheMax: q * BigInt(1 + random.int(6)),
        }),
      ];
    case 'tightImports':
      return tightChain(setting, random);
    case 'cachesAndImports':
      return chain(3, setting, random).map((command) => ({
        ...command,
        quantumCacheMax: (command as CreateArena).quantum * BigInt(random.pick([0, 3, 4, 13])),
      }));
  }
}

export function createArena(
  arena: string,
  { policy, width, quantum }: Setting,
  more: Partial<CreateArena> = {},
): SingleCommand {
  return {
    type: 'createArena',
    at: 0,
    arena,
    notation: 'decimal',
    width,
    quantum,
    policy,
    ...plainSettings,
    spans: [],
    ...more,
  };
}

function reserve(address: bigint, size: bigint): SingleCommand {
  return {
    type: 'xalloc',
    at: 0,
    arena: 'a',
    size,
    constraint: { address },
    labels: {},
    seed: 0,
  };
}

function checkerboard(quantum: bigint, units: number): SingleCommand[] {
  const commands: SingleCommand[] = [];
  for (let unit = 0; unit < units; unit += 2) {
    commands.push(reserve(quantum * BigInt(unit), quantum));
  }
  return commands;
}

/** Spans around the size of a slab, so that slabs are many, or just fit, or do not. */
function caches(setting: Setting, random: Random): SingleCommand[] {
  const { quantum: q } = setting;
  const quantumCacheMax = q * BigInt(1 + random.int(16));
  const sizes = [400n, 70n, 64n, 63n, 1n];
  const spans = sizes.map((size, at) => ({ base: q * 500n * BigInt(at), size: q * size }));
  return [createArena('a', setting, { spans, quantumCacheMax })];
}

/** Two arenas that import from one that is soon full, with quanta that differ. */
function tightChain(setting: Setting, random: Random): SingleCommand[] {
  const { quantum: q } = setting;
  const top = q * random.pick([1n, 4n]);
  const source = { spans: [{ base: 0n, size: top * 40n }] };
  const quantumCacheMax = q * BigInt(random.pick([0, 0, 3]));
  return [
    createArena('c', { ...setting, policy: random.pick(policies), quantum: top }, source),
    createArena('b', setting, { source: 'c', keepSpans: random.int(2) }),
    createArena('a', setting, { source: 'b', keepSpans: random.int(2), quantumCacheMax }),
  ];
}

/** Short blocks behind gaps of many lengths and no alignment: many holes that nearly fit. */
function comb(quantum: bigint, teeth: number, random: Random): SingleCommand[] {
  const commands: SingleCommand[] = [];
  let unit = 1;
  for (let tooth = 0; tooth < teeth; tooth++) {
    unit += 1 + random.int(7);
    const size = 1 + random.int(2);
    commands.push(reserve(quantum * BigInt(unit), quantum * BigInt(size)));
    unit += size;
  }
  return commands;
}

/** Spans of many sizes with gaps between them. */
function scattered(quantum: bigint, random: Random): Range[] {
  const spans: Range[] = [];
  let base = 0n;
  for (let span = 0; span < 12; span++) {
    const size = quantum * random.magnitude(200n);
    spans.push({ base, size });
    base += size + quantum * random.magnitude(30n);
  }
  return random.shuffle(spans);
}

/** Spans without gaps: blocks may straddle them. */
function adjacent(quantum: bigint, random: Random): Range[] {
  const spans: Range[] = [];
  let base = quantum * 5n;
  for (let span = 0; span < 8; span++) {
    const size = quantum * random.magnitude(60n);
    spans.push({ base, size });
    base += size;
  }
  return spans;
}

/** More units than a double counts exactly, where the width has room for them. */
function beyondDoubles(top: bigint, quantum: bigint): Range[] {
  const units = 1n << 53n;
  const size = quantum * (units + 1n);
  if (size + quantum > top) return [{ base: quantum, size: top - quantum * 2n }];
  const room = top - size > size ? size : quantum;
  return [
    { base: quantum, size },
    { base: top - room, size: room },
  ];
}

/**
 * A chain of arenas, each importing from the one above: `a` is the lowest. Quanta differ between
 * the levels in both directions, and a static span of a child lies where its source has none.
 */
function chain(depth: number, setting: Setting, random: Random): SingleCommand[] {
  const commands: SingleCommand[] = [];
  const { quantum: q } = setting;
  const names = ['a', 'b', 'c', 'd'].slice(0, depth).toReversed();
  for (const [level, name] of names.entries()) {
    const policy = name === 'a' ? setting.policy : random.pick(policies);
    const quantum = name === 'a' ? q : q * random.pick([1n, 1n, 2n, 8n, 512n]);
    const own = random.chance(0.4) || level === 0;
    const base = BigInt(level) * q * 4096n;
    const size = ceil(q * (level === 0 ? 1024n : 32n), quantum);
    commands.push(
      createArena(
        name,
        { ...setting, policy, quantum },
        {
          spans: own ? [{ base, size }] : [],
          largeImport: random.chance(0.3),
          keepSpans: random.pick([0, 0, 1, 2]),
          releaseAfterSeconds: random.pick([0, 0, 0, 2]),
          ...(level === 0 ? {} : { source: names[level - 1]! }),
          ...(random.chance(0.5) ? { importSize: quantum * BigInt(1 + random.int(32)) } : {}),
        },
      ),
    );
  }
  return commands;
}
