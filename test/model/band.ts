/**
 * Bands in the model: what a request may have is what is left of the whole space when the exclusive
 * bands are taken out of it, one after another, or else the band that it names.
 */
import type { Alloc, Band } from '../../src/engine/command.ts';
import { contains, overlap, type ModelArena } from './arena.ts';
import { wishOf, type Segment, type Wish } from './placement.ts';
import type { Random } from './random.ts';
import { can, must, type Verdict } from './verdict.ts';

type Asked = Pick<Alloc, 'size' | 'constraint' | 'band'>;

/** The wish, or the field that makes it invalid. A band that is named must be there. */
export function wishIn(arena: ModelArena, { size, constraint, band }: Asked): Wish | string {
  const { quantum, width } = arena.settings;
  const wish = wishOf(size, constraint, quantum, width);
  if (typeof wish === 'string') return wish;
  if (band !== undefined) return { ...wish, windows: [rangeOf(named(arena, band)!)] };
  const whole = { base: 0n, size: 1n << BigInt(width) };
  return exclusive(arena).length === 0 ? wish : { ...wish, windows: outside(arena, [whole]) };
}

export function named(arena: ModelArena, band: string): Band | undefined {
  return arena.settings.bands?.find(({ name }) => name === band);
}

/** What is left of the ranges without the exclusive bands. */
export function outside(arena: ModelArena, ranges: readonly Segment[]): Segment[] {
  let left = [...ranges];
  for (const band of exclusive(arena)) {
    left = left.flatMap(({ base, size }) => {
      const end = base + size;
      const below = { base, size: (band.base < end ? band.base : end) - base };
      const above = band.base + band.size;
      const from = above > base ? above : base;
      return [below, { base: from, size: end - from }].filter((range) => range.size > 0n);
    });
  }
  return left;
}

/** Whether a range reaches into an exclusive band that `but` does not reach into. */
export function isClosed(arena: ModelArena, range: Segment, but?: Segment): boolean {
  return exclusive(arena).some(
    (band) => overlap(band, range) && (but === undefined || !overlap(band, but)),
  );
}

export function verdictOnBands(
  { settings }: ModelArena,
  bands: readonly Band[] | undefined,
): Verdict {
  const { quantum, width } = settings;
  const top = 1n << BigInt(width);
  for (const [i, band] of (bands ?? []).entries()) {
    const others = bands!.slice(0, i);
    const bad =
      band.max >= top ||
      band.min > band.max ||
      band.min % quantum !== 0n ||
      (band.max + 1n) % quantum !== 0n ||
      others.some(({ name }) => name === band.name) ||
      others.some((other) => overlap(rangeOf(other), rangeOf(band)));
    if (bad) return must('invalid-request');
  }
  return can;
}

/** A few bands somewhere about the arena's spans and blocks; rarely some that are wrong. */
export function drawBands(arena: ModelArena, random: Random): Band[] {
  const { quantum, width } = arena.settings;
  const top = 1n << BigInt(width);
  const marks = [...arena.spans, ...arena.held].flatMap(({ base, size }) => [base, base + size]);
  const bands: Band[] = [];
  const count = random.pick([0, 1, 1, 2, 3, 6]);
  for (let tries = 0; tries < 2 * count && bands.length < count; tries++) {
    const at = random.address(top - 1n, quantum, marks);
    const min = at - (at % quantum);
    const size = quantum * random.magnitude(random.pick([4n, 64n, 512n]));
    const max = (min + size > top ? top : min + size) - 1n;
    const band = { name: `band-${bands.length}`, min, max, exclusive: random.chance(0.7) };
    const free = !bands.some((other) => overlap(rangeOf(other), rangeOf(band)));
    if (free || random.chance(0.02)) bands.push(band);
  }
  if (bands.length > 0 && random.chance(0.05)) {
    const wrong = random.pick([{ min: bands[0]!.min + 1n }, { max: top }, { max: -1n }]);
    bands[0] = { ...bands[0]!, ...(quantum === 1n && 'min' in wrong ? { max: top } : wrong) };
  }
  return random.shuffle(bands);
}

/** Whether a piece of a slab may serve the wish. */
export function admits({ windows }: Wish, piece: Segment): boolean {
  return windows === undefined || windows.some((window) => contains(window, piece));
}

function exclusive({ settings }: ModelArena): Segment[] {
  return (settings.bands ?? []).filter((band) => band.exclusive).map(rangeOf);
}

function rangeOf({ min, max }: Band): Segment {
  return { base: min, size: max - min + 1n };
}
