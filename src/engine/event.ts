/**
 * Events: what happened, in the past tense, exactly as journaled. An event names every address it
 * touches, so that applying it decides nothing: replay can't be refused, and a later change of
 * policy can't rewrite the past.
 */
import type { CreateArena, Labels, Notation, Policy, Range, Tuning, Width } from './command.ts';

/** A span that `arena` took from its source, in the order in which it must be applied: topmost first. */
export interface Imported extends Range {
  readonly arena: string;
  readonly source: string;
}

/** A span that `arena` gave back to its source, in the order of application: lowest first. */
export interface Released extends Range {
  readonly arena: string;
  readonly source: string;
  /** It rests in the source from now on. */
  readonly rests?: true;
}

/** A range of `arena`, about to be granted, in which rests end before their time. */
export interface Reused extends Range {
  readonly arena: string;
  /**
   * The block is none of a quantum cache's, though it lies like a piece of a slab: the slab is given
   * up. Absent in records of older versions, which kept it, and where the block lies otherwise.
   */
  readonly noPiece?: true;
}

export interface ArenaCreated extends Omit<CreateArena, 'type'> {
  readonly type: 'arenaCreated';
}
export interface ArenaUpdated {
  readonly type: 'arenaUpdated';
  readonly arena: string;
  readonly changes: Partial<Tuning>;
  /** Wholly free spans that the new settings no longer keep. */
  readonly released: readonly Released[];
}
export interface ArenaDestroyed {
  readonly type: 'arenaDestroyed';
  readonly arena: string;
  /** All that the arena had imported. */
  readonly released: readonly Released[];
  /** What it was, for who reads its events when it is gone; absent in records of older versions. */
  readonly notation?: Notation;
  readonly width?: Width;
}
export interface SpanAdded extends Range {
  readonly type: 'spanAdded';
  readonly arena: string;
}
/** What rested in the span does so no longer. */
export interface SpanRemoved extends Range {
  readonly type: 'spanRemoved';
  readonly arena: string;
  /** Non-empty where the span was an imported one; its own release included. */
  readonly released: readonly Released[];
}
export interface Allocated extends Range {
  readonly type: 'allocated';
  readonly arena: string;
  readonly policy: Policy;
  readonly labels: Labels;
  readonly owner?: string;
  /** The client's own id, which no other allocation of the arena has. */
  readonly externalId?: string;
  /** The lease that holds it; with `ttlSeconds`, it was made by this event, and ends when empty. */
  readonly lease?: string;
  readonly ttlSeconds?: number;
  readonly imported: readonly Imported[];
  /** The slab of a quantum cache that this allocation opened, if it did. */
  readonly slab?: Range;
  /** The block, or the topmost imported span, where it takes what rested. */
  readonly reused?: Reused;
}
/** What was asked for was there already, by its external id. Nothing changes. */
export interface AllocationKept extends Range {
  readonly type: 'allocationKept';
  readonly arena: string;
}
export interface Freed extends Range {
  readonly type: 'freed';
  readonly arena: string;
  /** The range rests from now on; else it is free. */
  readonly rests?: true;
  readonly released: readonly Released[];
}
export interface AllFreed {
  readonly type: 'allFreed';
  readonly arena: string;
  readonly rests?: true;
  readonly count: number;
  readonly released: readonly Released[];
}
export interface Resized extends Range {
  readonly type: 'resized';
  readonly arena: string;
  /** What was cut off rests from now on. */
  readonly rests?: true;
  readonly previousSize: bigint;
}
/** The range is that of the allocation, which is now the pieces: side by side, in order of address. */
export interface AllocationSplit extends Range {
  readonly type: 'allocationSplit';
  readonly arena: string;
  readonly pieces: readonly Range[];
}
/** The parts, side by side and in order of address, are now one allocation, the range. */
export interface AllocationsMerged extends Range {
  readonly type: 'allocationsMerged';
  readonly arena: string;
  readonly parts: readonly Range[];
  /** Of the one; absent where it keeps those of the first part. */
  readonly labels?: Labels;
}
export interface AllocationUpdated {
  readonly type: 'allocationUpdated';
  readonly arena: string;
  readonly address: bigint;
  readonly labels?: Labels;
  readonly owner?: string;
}
/** A resting former allocation is one again, as it was. */
export interface Undeleted extends Range {
  readonly type: 'undeleted';
  readonly arena: string;
  /** As the allocation was and is again, for who reads events alone; absent in older records. */
  readonly createdAt?: number;
  readonly labels?: Labels;
  readonly owner?: string;
  readonly externalId?: string;
}
export interface RestsEnded {
  readonly type: 'restsEnded';
  readonly arena: string;
  /** In the order in which their rests began, then of their addresses. */
  readonly ended: readonly Range[];
  readonly released: readonly Released[];
}
export interface SpansReleased {
  readonly type: 'spansReleased';
  readonly arena: string;
  readonly released: readonly Released[];
}

export interface LeaseCreated {
  readonly type: 'leaseCreated';
  readonly lease: string;
  readonly ttlSeconds: number;
  readonly labels: Labels;
  readonly owner?: string;
}
/** With the time that the lease has from now on; without, where it has the same as before. */
export interface LeaseRenewed {
  readonly type: 'leaseRenewed';
  readonly lease: string;
  readonly ttlSeconds?: number;
}
/** Several expire at once; a lease that was made for an allocation also ends, unsaid, with its last. */
export interface LeasesEnded {
  readonly type: 'leasesEnded';
  readonly reason: 'expired' | 'revoked';
  /** In the order in which they end, and what they held in the order in which it is freed. */
  readonly ended: readonly EndedLease[];
  /** Spans that go back when all of that is free. */
  readonly released: readonly Released[];
}
export interface EndedLease {
  readonly lease: string;
  readonly freed: readonly FreedRange[];
}
export interface FreedRange extends Range {
  readonly arena: string;
  /** It rests from now on. */
  readonly rests?: true;
}

/** What the operations of a batch led to, in their order: all at one time, of one revision. */
export interface Batched {
  readonly type: 'batched';
  readonly events: readonly BatchEvent[];
}
/** `at` is that of the batch. */
export type BatchEvent = { readonly at: number } & (
  | Allocated
  | AllocationKept
  | Freed
  | Resized
  | AllocationSplit
  | AllocationsMerged
  | AllocationUpdated
  | Undeleted
  | LeaseRenewed
);

/** `at` is the time of the command, in milliseconds since 1970 UTC. */
export type Event = { readonly at: number } & (
  | ArenaCreated
  | ArenaUpdated
  | ArenaDestroyed
  | SpanAdded
  | SpanRemoved
  | Allocated
  | AllocationKept
  | Freed
  | AllFreed
  | Resized
  | AllocationSplit
  | AllocationsMerged
  | AllocationUpdated
  | Undeleted
  | RestsEnded
  | SpansReleased
  | LeaseCreated
  | LeaseRenewed
  | LeasesEnded
  | Batched
);

/** What to call in a message what an event happened to. */
export function subjectOf(event: Event): string {
  switch (event.type) {
    case 'batched':
      return `${event.events.length} operations`;
    case 'leaseCreated':
    case 'leaseRenewed':
      return `lease ${event.lease}`;
    case 'leasesEnded':
      return `${event.ended.length} leases`;
    default:
      return event.arena;
  }
}

/** Whether the event changes anything: what does not needs no record. */
export function changes(event: Event): boolean {
  return event.type === 'batched' ? event.events.some(changesAlone) : changesAlone(event);
}

function changesAlone(event: Event | BatchEvent): boolean {
  if (event.type === 'allocationKept') return false;
  return event.type !== 'leaseRenewed' || event.ttlSeconds !== undefined;
}
