/**
 * Views: read-only copies of what the engine holds, in the order of addresses. Bigints are
 * addresses and sizes in plain integers; `end` is never stored, it is `address + size - 1`.
 */
import type { CreateArena, Labels, Notation, Range, Width } from './command.ts';
import type { Exhaustion } from './refusal.ts';

export interface Addressing {
  readonly notation: Notation;
  readonly width: Width;
  readonly quantum: bigint;
}

export interface ArenaView extends Omit<CreateArena, 'type' | 'spans'> {
  /** Sum of the spans. `size = allocated + free + resting + cached`. */
  readonly size: bigint;
  readonly allocated: bigint;
  readonly free: bigint;
  readonly resting: bigint;
  /** Held in the slabs of quantum caches and not allocated. */
  readonly cached: bigint;
  readonly largestFree: bigint;
  /** Number of allocations, the segments held by arenas that import included. */
  readonly allocations: number;
  readonly spans: number;
  /** Number of free segments. */
  readonly holes: number;
  readonly createdAt: number;
  readonly revision: number;
}

/** What an owner holds in an arena. */
export interface OwnerView {
  readonly owner: string;
  /** In addresses. */
  readonly allocated: bigint;
  readonly allocations: number;
  /** The most that it may hold, in addresses; absent where nothing bounds that. */
  readonly limit?: bigint;
}

/** How many there are, in all arenas. */
export interface Totals {
  readonly arenas: number;
  readonly spans: number;
  readonly allocations: number;
  /** Ranges that rest. */
  readonly resting: number;
  readonly leases: number;
}

export interface SpanView extends Range {
  readonly kind: 'static' | 'imported';
  /** The source, of an imported span. */
  readonly from?: string;
  readonly revision: number;
}

export type SegmentState = 'free' | 'busy' | 'resting' | 'cached';

export interface SegmentView {
  readonly address: bigint;
  readonly size: bigint;
  readonly state: SegmentState;
}

export interface AllocationView {
  readonly arena: string;
  readonly address: bigint;
  readonly size: bigint;
  readonly labels: Labels;
  readonly owner?: string;
  /** The arena that holds this segment as one of its spans. */
  readonly importedBy?: string;
  readonly externalId?: string;
  /** The lease that it is under. */
  readonly lease?: string;
  /** When that runs out, by the clock of whoever told; absent where nobody has. */
  readonly deadline?: number;
  readonly createdAt: number;
  readonly revision: number;
}

export interface LeaseView {
  readonly id: string;
  readonly ttlSeconds: number;
  /** When it runs out, by the clock of whoever told; absent where nobody has. */
  readonly deadline?: number;
  /** How many allocations it holds. */
  readonly allocations: number;
  readonly labels: Labels;
  readonly owner?: string;
  readonly createdAt: number;
  readonly revision: number;
}

/** One step of whatis: the segment of `arena` that holds the address. */
export interface WhatisStep extends SegmentView {
  readonly arena: string;
}

export interface WhatisView {
  /** From the arena asked down to the leaf: each next one imported the segment before it. */
  readonly path: readonly WhatisStep[];
  /** The allocation that holds the address in the leaf, where it is busy. */
  readonly allocation?: AllocationView;
}

/** An arena with wholly free imported spans that it may give back after a time. */
export interface Idling {
  readonly arena: string;
  readonly releaseAfterSeconds: number;
  /** Revision since which the span that is free for longest is so. */
  readonly since: number;
}

export interface FitsView {
  /** Of a block, rounded up to the quantum. */
  readonly size: bigint;
  /** Blocks that the arena's own free segments have room for; at least, if there may be `more`. */
  readonly count: bigint;
  readonly more: boolean;
  /** Blocks that imports may serve beyond those, at most; absent without a source. */
  readonly importable?: bigint;
  readonly free: bigint;
  readonly largestFree: bigint;
  /** The largest size that would be granted under the constraint now, imports included. */
  readonly largestFitting: bigint;
  readonly holes: number;
  /** Addresses that rest. */
  readonly resting: bigint;
  /** Where not even one such block would be granted now: what its refusal would say. */
  readonly whyNone?: Exhaustion;
  /** How many free segments have a size of [2^order, 2^(order + 1)), where any has. */
  readonly histogram: readonly { readonly order: number; readonly holes: number }[];
}

/** An arena in which ranges rest. */
export interface Resting {
  readonly arena: string;
  readonly quarantineSeconds: number;
  /** Revision since which the range that rests longest does so. */
  readonly since: number;
}

/** A range that rests. */
export interface RestView {
  readonly arena: string;
  readonly address: bigint;
  readonly size: bigint;
  /** Revision since which it rests. */
  readonly since: number;
  /** The allocation that it was, as it was; absent where it is only a part of one, or was a span. */
  readonly former?: AllocationView;
}

export interface CheckView {
  readonly segments: number;
  readonly allocations: number;
  readonly spans: number;
  /** What is wrong, one sentence each; empty when every invariant holds. */
  readonly problems: readonly string[];
}
