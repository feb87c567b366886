/**
 * Presets: the arenas that traces are recorded on, and the requests that are drawn for each. What
 * the seed takes for granted is kept to: alignments are powers of two and whole quanta, a phase that
 * itself would cross is not asked for, spans do not overlap, and what is freed is busy. The drawing
 * aims at borders of segments, exact sizes and powers of two, because faults live there.
 */
import type { Range } from '../../src/engine/command.ts';
import type { ModelArena } from '../model/arena.ts';
import { ceil } from '../model/placement.ts';
import type { Random } from '../model/random.ts';
import type { Request } from './trace.ts';

export interface Preset {
  readonly name: string;
  readonly about: string;
  readonly quantum: bigint;
  readonly spans: readonly Range[];
  /** Added one by one while the trace goes on. */
  readonly laterSpans?: readonly Range[];
  /** Busy from the start. */
  readonly reserved?: readonly Range[];
  readonly sizeMax: bigint;
  /** Busy segments above which frees outnumber requests. */
  readonly crowd: number;
  /** Draws the bounds of the seed's own unit test rather than borders of segments. */
  readonly unitTestBounds?: boolean;
  readonly steps: number;
}

const space = 1n << 64n;
const spaced = (count: number, quantum: bigint, extent: (span: bigint) => bigint): Range[] =>
  Array.from({ length: count }, (_, span) => ({
    base: quantum * 500n * BigInt(span),
    size: quantum * extent(BigInt(span)),
  }));

export const presets: readonly Preset[] = [
  {
    name: 'unit-test',
    about: "the seed's own unit test: seven spans, the last one at the top of 32 bits",
    quantum: 1n,
    spans: [
      { base: 0n, size: 50n },
      { base: 100n, size: 200n },
      { base: 2000n, size: 1n },
      { base: 40000n, size: 65536n },
      { base: 10000n, size: 10000n },
      { base: 500n, size: 1000n },
      { base: 0xffffff00n, size: 0x100n },
    ],
    sizeMax: 500n,
    crowd: 90,
    unitTestBounds: true,
    steps: 3000,
  },
  {
    name: 'one-span',
    about: 'one span from address 0',
    quantum: 1n,
    spans: [{ base: 0n, size: 4096n }],
    sizeMax: 300n,
    crowd: 50,
    steps: 2500,
  },
  {
    name: 'many-spans',
    about: 'spans of many sizes with gaps between them, and more of them as time goes on',
    quantum: 1n,
    spans: spaced(12, 1n, (span) => 1n + ((span * 131n) % 400n)),
    laterSpans: spaced(24, 1n, (span) => 1n + ((span * 197n) % 450n)).slice(12),
    sizeMax: 200n,
    crowd: 60,
    steps: 2500,
  },
  {
    name: 'quantum-16',
    about: 'quantum 16, three spans',
    quantum: 16n,
    spans: spaced(3, 16n, (span) => 450n - span * 100n),
    sizeMax: 1000n,
    crowd: 50,
    steps: 2500,
  },
  {
    name: 'quantum-4096',
    about: 'quantum 4096, one span beyond 32 bits and one below',
    quantum: 4096n,
    spans: [
      { base: 4096n * 7n, size: 4096n * 300n },
      { base: 1n << 40n, size: 4096n * 512n },
    ],
    sizeMax: 200_000n,
    crowd: 50,
    steps: 2500,
  },
  {
    name: 'nearly-full',
    about: 'all but a few units of one span are busy from the start',
    quantum: 1n,
    spans: [{ base: 64n, size: 1024n }],
    reserved: Array.from({ length: 16 }, (_, i) => ({ base: 64n + 64n * BigInt(i), size: 62n })),
    sizeMax: 40n,
    crowd: 60,
    steps: 2000,
  },
  {
    name: 'checkerboard',
    about: 'every second unit is busy from the start',
    quantum: 1n,
    spans: [{ base: 0n, size: 256n }],
    reserved: Array.from({ length: 128 }, (_, i) => ({ base: 2n * BigInt(i), size: 1n })),
    sizeMax: 6n,
    crowd: 110,
    steps: 2000,
  },
  {
    name: 'adjacent-spans',
    about: 'eight spans without gaps, over whose borders the seed grants nothing',
    quantum: 1n,
    spans: Array.from({ length: 8 }, (_, i) => ({ base: 100n + 90n * BigInt(i), size: 90n })),
    sizeMax: 120n,
    crowd: 20,
    steps: 2000,
  },
  {
    name: 'top-of-space',
    about: 'one span that ends with the last address of 64 bits, where alignment wraps in the seed',
    quantum: 1n,
    spans: [{ base: space - 700n, size: 700n }],
    sizeMax: 60n,
    crowd: 30,
    steps: 1500,
  },
  {
    name: 'large-sizes',
    about: 'one span of all addresses but the first 4096, and sizes of every magnitude',
    quantum: 4096n,
    spans: [{ base: 4096n, size: space - 4096n }],
    sizeMax: space - 1n,
    crowd: 30,
    steps: 1500,
  },
  {
    name: 'largest-classes',
    about:
      'one span of all addresses but the first; instant fit above 2^63 has no class in the seed',
    quantum: 1n,
    spans: [{ base: 1n, size: space - 1n }],
    sizeMax: space - 1n,
    crowd: 30,
    steps: 1500,
  },
];

/** A request that keeps to what the seed takes for granted. */
export function drawRequest(preset: Preset, arena: ModelArena, random: Random): Request {
  const { quantum, sizeMax } = preset;
  const fit = random.pick(['I', 'B'] as const);
  const size = drawSize(preset, arena, random);
  if (random.chance(0.45)) return { type: 'alloc', size, constraint: {}, fit };
  const rounded = ceil(size, quantum);
  const alignMax = (sizeMax < space / 2n ? ceil(sizeMax, quantum) : space / 2n) / quantum;
  const align = random.chance(0.6) ? quantum * random.power(alignMax) : 0n;
  const phase = align > 0n && random.chance(0.4) ? floorTo(random.big(align), quantum) : 0n;
  const boundary = powerFrom(rounded) << BigInt(random.int(5));
  const crosses = phase / boundary !== (phase + rounded - 1n) / boundary;
  const bounded = !crosses && boundary < space && random.chance(0.35);
  return {
    type: 'xalloc',
    size,
    constraint: {
      ...(align === 0n ? {} : { align }),
      ...(phase === 0n ? {} : { phase }),
      ...(bounded ? { nocross: boundary } : {}),
      ...drawWindow(preset, arena, random),
    },
    fit,
  };
}

/** Whether the next step frees, by how much is busy. */
export function wantsFree({ crowd }: Preset, arena: ModelArena, random: Random): boolean {
  const { length } = arena.held;
  return length > 0 && random.chance(length > crowd ? 0.65 : 0.36);
}

function drawSize({ quantum, sizeMax }: Preset, arena: ModelArena, random: Random): bigint {
  const free = arena.free();
  const offers = free.length > 0 ? [random.pick(free).size, arena.largestFree()] : [];
  const size = random.size(random.chance(0.7) ? sizeMax / 4n + 1n : sizeMax, quantum, offers);
  return size < 1n ? 1n : size >= space ? space - 1n : size;
}

function drawWindow(preset: Preset, arena: ModelArena, random: Random) {
  const [hasMin, hasMax] = [random.chance(0.4), random.chance(0.4)];
  let [min, max] = [0n, space - 1n];
  if (preset.unitTestBounds === true && random.chance(0.6)) {
    [min, max] = [random.big(50_000n), random.big(70_000n)];
  } else {
    const some = [...arena.free(), ...arena.held, ...arena.spans];
    const [one, other] = [random.pick(some), random.pick(some)];
    const marks = [one.base, one.base + one.size - 1n, other.base, other.base + other.size];
    if (hasMin) min = random.address(space - 1n, preset.quantum, marks);
    if (hasMax) max = random.address(space - 1n, preset.quantum, marks);
  }
  if (min > max) [min, max] = [max, min];
  return { ...(min === 0n ? {} : { min }), ...(max === space - 1n ? {} : { max }) };
}

function powerFrom(size: bigint): bigint {
  return 1n << BigInt((size - 1n).toString(2).length - (size === 1n ? 1 : 0));
}

function floorTo(value: bigint, unit: bigint): bigint {
  return value - (value % unit);
}
