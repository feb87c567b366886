/**
 * What the benchmark of scale varies: one thing a row, the others stay. Rows go into the JSON file,
 * so they are plain data.
 */

/** How many allocations live, over how many arenas, below how many others, with how many labels. */
export interface Shape {
  readonly live: number;
  readonly arenas: number;
  /** Arenas in the chain; every grant of the lowest is imported through all of them. */
  readonly nesting: number;
  readonly labels: number;
}

export const dimensions = {
  live: 'live allocations in an arena that has little room besides; from a million on it is 99.9 % full',
  arenas: 'arenas, with as many allocations in all',
  nesting:
    'arenas in a chain: each grant is imported through all of them, and given back by its free',
  labels: 'labels on each allocation',
} as const satisfies Record<keyof Shape, string>;

export interface ScaleRow {
  readonly dimension: keyof Shape;
  readonly shape: Shape;
}

/** What all rows are compared with: nearly empty, one arena, no labels. */
export const EMPTY: Shape = { live: 1000, arenas: 1, nesting: 1, labels: 0 };

const VALUES: Readonly<Record<keyof Shape, readonly number[]>> = {
  live: [1e3, 1e4, 1e5, 1e6],
  arenas: [1, 1e2, 1e4, 1e5],
  nesting: [1, 2, 4, 8],
  labels: [0, 1, 4, 16],
};
const QUICK: typeof VALUES = {
  live: [1e3, 1e4],
  arenas: [1, 1e2],
  nesting: [1, 4],
  labels: [0, 16],
};
const LARGE = 1e7;
/** Where it is not what is varied. In a chain there are as many for each arena. */
const LIVE: Readonly<Record<keyof Shape, number>> = {
  live: 0,
  arenas: 1e5,
  nesting: 1e4,
  labels: 1e5,
};
const LIVE_QUICK = 1000;
const BYTES_FROM_LIVE = 1e5;

export interface PlanOptions {
  readonly quick: boolean;
  readonly large: boolean;
  readonly only: readonly string[];
}

export function planScale({ quick, large, only }: PlanOptions): ScaleRow[] {
  const rows = (Object.keys(dimensions) as (keyof Shape)[]).flatMap((dimension) => {
    const values = (quick ? QUICK : VALUES)[dimension];
    const live = quick ? LIVE_QUICK : LIVE[dimension];
    const all = large && dimension === 'live' ? [...values, LARGE] : values;
    return all.map((value): ScaleRow => {
      return { dimension, shape: { ...EMPTY, live, [dimension]: value } };
    });
  });
  return rows.filter(
    (row) => only.length === 0 || only.some((text) => scaleNameOf(row).includes(text)),
  );
}

/** The name that `--only` is matched with: `live/1000000`. */
export function scaleNameOf({ dimension, shape }: ScaleRow): string {
  return `${dimension}/${shape[dimension]}`;
}

/** Whether it shows what an allocation takes: with fewer it is chance what a process keeps. */
export function tellsMemory({ shape }: ScaleRow): boolean {
  return shape.live >= BYTES_FROM_LIVE;
}

/** How long a row takes, relative to others: for the progress line. */
export function scaleWeightOf({ shape }: ScaleRow): number {
  return 1 + shape.live / 1e6 + shape.arenas / 1e5;
}
