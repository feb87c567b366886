/**
 * What is asked of the engine: each workload sets up an arena with a number of live allocations and
 * then draws one operation after another. Workloads draw from one generator in a fixed order, so
 * that every policy, every layer and the allocator in C are asked the same.
 *
 * Sizes are units. Churns keep their live allocations steady in a span that they about half fill;
 * the checkerboards ask for what cannot be had, which must cost no more than what can.
 */
import { Checkerboard, aligned, twoUnits, twoUnitsWithin } from './checkerboard.ts';
import { Churn, constrained, mixed, prefix, uniform, within } from './churn.ts';
import { Comb } from './comb.ts';
import { Full } from './full.ts';
import { Impossible } from './impossible.ts';
import type { Operation } from './operation.ts';
import { Sawtooth } from './sawtooth.ts';
import type { Subject } from './subject.ts';

export interface Workload {
  /** Units of the arena's one span. */
  readonly span: number;
  /** Blocks held at most. */
  readonly slots: number;
  /** Operations drawn after `setUp` and before anything is measured. */
  readonly warmUp: number;
  /** A measured run is a multiple of this many operations. */
  readonly cycle: number;
  setUp(subject: Subject): void;
  draw(operation: Operation, subject: Subject): void;
}

interface Kind {
  readonly about: string;
  readonly open: (live: number) => Workload;
}

export const workloads = {
  churn: {
    about: 'a random block freed, one of 1 to 64 units allocated',
    open: (live) => new Churn(live, live * 64, uniform),
  },
  prefix: {
    about: 'churn with size = align = 2^k, k from 0 to 10',
    open: (live) => new Churn(live, live * 512, prefix),
  },
  bounded: {
    about: 'churn with align 16 and min, max at the ends of the span',
    open: (live) => new Churn(live, live * 64, within(live * 64)),
  },
  constrained: {
    about: 'churn with align 16, phase 8, nocross 1024, and min, max around the middle half',
    open: (live) => new Churn(live, live * 128, constrained(live * 32, live * 96)),
  },
  mixed: {
    about: 'churn with align, phase, nocross, min and max drawn anew for every request',
    open: (live) => new Churn(live, live * 128, mixed(live * 128)),
  },
  'checkerboard-plain': {
    about: 'every second unit free, 2 units asked for: refused',
    open: (live) => new Checkerboard(live, twoUnits),
  },
  'checkerboard-bounded': {
    about: 'the same within min, max around a random half of the span',
    open: (live) => new Checkerboard(live, twoUnitsWithin(live)),
  },
  'checkerboard-aligned': {
    about: 'every second unit free, one asked for at an align that none has: 2, 4, 8 or 16',
    open: (live) => new Checkerboard(live, aligned(4)),
  },
  'checkerboard-mixed': {
    about: 'the same with aligns from 2 to 2^16, many kinds of request in turn',
    open: (live) => new Checkerboard(live, aligned(16)),
  },
  impossible: {
    about: 'free segments large enough, requests that cross their nocross wherever they start',
    open: (live) => new Impossible(live),
  },
  comb: {
    about: 'segments of 1024 freed between single units; blocks of 1 to 1024 come and go in order',
    open: (live) => new Comb(live),
  },
  sawtooth: {
    about: 'grows from nothing by blocks of 1 to 64, frees all in order, and again',
    open: (live) => new Sawtooth(live),
  },
  full: {
    about:
      '99.9 % taken; a random block freed for one that keeps it so, mostly refused and put back',
    open: (live) => new Full(live),
  },
} as const satisfies Record<string, Kind>;

export type WorkloadName = keyof typeof workloads;
export const workloadNames = Object.keys(workloads) as WorkloadName[];
