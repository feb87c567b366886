/**
 * Where the seed's semantics and the engine's part: the seed refuses, or fails to answer, and brute
 * force says what is right. Nothing is tolerated in silence: each such answer is written down with
 * its reason when it is recorded, and the reason is proved from the state when it is replayed.
 *
 *  - `adjacent`: the seed never joins free neighbours across the border of two spans; the engine
 *    does, for static spans, so a block may lie over the border.
 *  - `wrap`: the seed aligns the start of a segment at the top of the space past 2^64, finds an
 *    address that the segment does not have, and only an assertion keeps it from granting that.
 *  - `class`: instant fit of more than 2^63 units looks for a class of sizes above the last one.
 *  - `round`: a size within the last quantum below 2^64 rounds up to zero.
 */
import { ceil, lowest, type Segment, type Wish } from '../model/placement.ts';

export const divergences = ['adjacent', 'wrap', 'class', 'round'] as const;
export type Divergence = (typeof divergences)[number];

/** What a divergence is judged by: the state before the request, and the request. */
export interface Scene {
  readonly free: readonly Segment[];
  /** In the order of addresses. */
  readonly spans: readonly Segment[];
  readonly wish: Wish;
  readonly fit: 'I' | 'B';
}

const space = 1n << 64n;

/** Whether the reason holds here. `adjacent` is one for refusing, the others are for dying. */
export function explains(divergence: Divergence, { free, spans, wish, fit }: Scene): boolean {
  const parts = free.flatMap((segment) => cutAtBorders(segment, spans));
  const fits = (segment: Segment): boolean => lowest(segment, wish) !== undefined;
  switch (divergence) {
    case 'adjacent':
      return free.some(fits) && !parts.some(fits);
    case 'wrap':
      return parts.some((part) => wraps(part, wish));
    case 'class':
      return fit === 'I' && wish.size / wish.quantum > space / 2n;
    case 'round':
      return wish.size === space;
  }
}

/** The parts of a segment that each lie in one span; `spans` are in the order of addresses. */
export function cutAtBorders(segment: Segment, spans: readonly Segment[]): Segment[] {
  const end = segment.base + segment.size;
  const borders = spans.map(({ base }) => base).filter((base) => base > segment.base && base < end);
  const starts = [segment.base, ...borders];
  return starts.map((base, i) => ({ base, size: (starts[i + 1] ?? end) - base }));
}

/** Whether the seed's two roundings, to the alignment and past a boundary, leave 64 bits. */
function wraps({ base, size: extent }: Segment, wish: Wish): boolean {
  const { size, align, phase, nocross, min, max } = wish;
  const from = base > min ? base : min;
  if (extent < size || from > max || from >= base + extent) return false;
  const start = from <= phase ? phase : ceil(from - phase, align) + phase;
  if (start >= space || nocross === undefined) return start >= space;
  const crosses = start / nocross !== (start + size - 1n) / nocross;
  return crosses && (start / nocross + 1n) * nocross >= space;
}
