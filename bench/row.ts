/**
 * A row of the table: what is measured, and the figures that came out. Rows cross the border
 * between the campaign and the process that measures one of them, and go into the JSON file, so
 * they are plain data.
 */
import type { Policy } from '../src/engine/command.ts';
import type { Summary } from './clock.ts';
import type { Layer } from './subject.ts';
import type { WorkloadName } from './workload.ts';

/** `growth` is no workload of operations in turn: allocations are added and nothing else. */
export type RowKind = WorkloadName | 'growth';

export interface Row {
  readonly workload: RowKind;
  readonly policy: Policy;
  readonly layer: Layer;
  /** Live allocations. */
  readonly live: number;
  /** Pairs measured for the mean, at most; what is measured ends sooner after `secondsMax`. */
  readonly pairs: number;
  /** Of each phase: warm-up, mean, samples. */
  readonly secondsMax: number;
}

export interface Figures {
  /** Mean of a pair, or of a refused request; in nanoseconds. */
  readonly mean: number;
  /** Pairs, or refused requests, behind the mean. */
  readonly pairs: number;
  /** Single requests for a block, in nanoseconds. */
  readonly alloc: Summary;
  /** Single frees; absent where nothing is freed. */
  readonly free?: Summary;
  /** Share of the requests that were refused, 0 to 1. */
  readonly refused: number;
  readonly segments: number;
  /** Bytes of the indexes for each segment; absent where the layer does not tell or all is free. */
  readonly bytesPerSegment?: number;
  /** Most memory that the process had resident, in bytes. */
  readonly rss: number;
  /** The first request that needs an order of the segments, after growth; in nanoseconds. */
  readonly firstOrdered?: number;
  /** The warm-up ended before its last operation, because `secondsMax` had passed. */
  readonly cutShort: boolean;
}

/** The C allocator on the same operations, in nanoseconds a pair. */
export interface Reference {
  readonly mean: number;
  readonly ours: number;
  readonly ratio: number;
  /** How often the two were run in turn. */
  readonly rounds: number;
}

export interface Result {
  readonly row: Row;
  readonly figures?: Figures;
  readonly reference?: Reference;
  /** Why there are no figures. */
  readonly failure?: string;
}

/** The name that `--only` is matched with: `churn/bestfit/units/100000`. */
export function nameOf({ workload, policy, layer, live }: Row): string {
  return `${workload}/${policy}/${layer}/${live}`;
}
