/**
 * Commands: what the engine may be asked, in the imperative. A command is a plain value that
 * carries everything the decision needs, the time included, because the engine has no clock and no
 * randomness of its own.
 *
 * Addresses and sizes are bigints here, in plain integers of the address space (not quanta), and
 * every range is half-open: `[base, base + size)`. `min` and `max` are inclusive.
 */

/** A value that is put together field by field: of a literal with many spreads each costs. */
export type Draft<T> = { -readonly [K in keyof T]: T[K] };

export const policies = [
  'instantfit',
  'bestfit',
  'firstfit',
  'lastfit',
  'nextfit',
  'randomfit',
] as const;
export type Policy = (typeof policies)[number];

export const notations = ['decimal', 'hex', 'ipv4', 'ipv6'] as const;
export type Notation = (typeof notations)[number];

export const widths = [32, 64, 128] as const;
export type Width = (typeof widths)[number];

export type Labels = Readonly<Record<string, string>>;

/** Where a block may lie. Absent means unconstrained. Source: the seed's vmem_xalloc. */
export interface Constraint {
  /** Base ≡ phase (mod align); a power of two, or any multiple of the quantum. */
  readonly align?: bigint;
  /** Less than `align`, a multiple of the quantum. */
  readonly phase?: bigint;
  /** No block crosses a multiple of this power of two; at least the size. */
  readonly nocross?: bigint;
  /** Lowest address the block may contain, inclusive. */
  readonly min?: bigint;
  /** Highest address the block may contain, inclusive. */
  readonly max?: bigint;
  /** The base, exactly. */
  readonly address?: bigint;
}

export interface Range {
  readonly base: bigint;
  readonly size: bigint;
}

/** A named part of an arena, both ends inclusive, in whole quanta. */
export interface Band {
  readonly name: string;
  readonly min: bigint;
  readonly max: bigint;
  /** Whether only requests that name it get blocks there. */
  readonly exclusive: boolean;
}

/** The most that one owner may hold in an arena, in addresses; 0 for nothing. */
export interface OwnerLimit {
  readonly owner: string;
  readonly limit: bigint;
}

/** The settings of an arena that can be changed while it lives. */
export interface Tuning {
  readonly policy: Policy;
  /** Least size of a span taken from the source, a multiple of the quantum. */
  readonly importSize?: bigint;
  /** Ask the source for 16 times the size first (the seed's VM_LARGEIMPORT). */
  readonly largeImport: boolean;
  /** How many wholly free imported spans are kept rather than released. */
  readonly keepSpans: number;
  /** How long a wholly free imported span is kept, in seconds; 0 releases it at once. */
  readonly releaseAfterSeconds: number;
  /** How long what is freed rests before it can be granted again, in seconds; 0 for not at all. */
  readonly quarantineSeconds: number;
  /** Most that may be allocated at any time, in addresses. */
  readonly limit?: bigint;
  /** Most that any one owner may hold at any time, in addresses. */
  readonly ownerLimit?: bigint;
  /**
   * Those of single owners, instead. Each owner once; a list, because not every text is a safe key. In
   * an event they are in order of the owners.
   */
  readonly ownerLimits?: readonly OwnerLimit[];
  /** They do not overlap. In an event they are in order of address. */
  readonly bands?: readonly Band[];
  readonly labels: Labels;
}

export interface CreateArena extends Tuning {
  readonly type: 'createArena';
  readonly arena: string;
  readonly notation: Notation;
  readonly width: Width;
  /** Smallest unit, a power of two; every base and size is a multiple of it. */
  readonly quantum: bigint;
  readonly source?: string;
  /** Largest size served from quantum caches; 0 means none. */
  readonly quantumCacheMax: bigint;
  readonly spans: readonly Range[];
}

export interface UpdateArena {
  readonly type: 'updateArena';
  readonly arena: string;
  readonly changes: Partial<Tuning>;
  /** Refuse unless the arena is at this revision (If-Match). */
  readonly ifRevision?: number;
}

export interface DestroyArena {
  readonly type: 'destroyArena';
  readonly arena: string;
  /** Free every allocation first. Arenas that import from this one still refuse it. */
  readonly force: boolean;
  readonly ifRevision?: number;
}

export interface AddSpan extends Range {
  readonly type: 'addSpan';
  readonly arena: string;
  readonly ifRevision?: number;
}

export interface RemoveSpan {
  readonly type: 'removeSpan';
  readonly arena: string;
  readonly base: bigint;
  readonly ifRevision?: number;
}

/** alloc and xalloc: xalloc is alloc with a constraint, and bypasses quantum caches. */
export interface Alloc {
  readonly type: 'alloc' | 'xalloc';
  readonly arena: string;
  readonly size: bigint;
  readonly constraint: Constraint;
  /** The band that the block has to lie in; of xalloc. */
  readonly band?: string;
  readonly policy?: Policy;
  readonly labels: Labels;
  readonly owner?: string;
  /** The client's own id, unique in the arena: what has it is granted again, not anew. */
  readonly externalId?: string;
  /** The lease that the allocation joins or, with `ttlSeconds`, that is made for it by this id. */
  readonly lease?: string;
  /** Time of the lease that is made; it ends with its last allocation. */
  readonly ttlSeconds?: number;
  /** 32 bits for randomfit; unless given they follow from the state, see `seed.ts`. */
  readonly seed?: number;
  /** Refuse unless this is the highest revision of the arena and of all it may import from. */
  readonly ifRevision?: number;
  /** Take what rests where nothing that is free does, what rests longest first. */
  readonly reuse?: boolean;
}

export interface Free {
  readonly type: 'free';
  readonly arena: string;
  readonly address: bigint;
  /** Verified when given: rounded up to the quantum it must be the allocation's. */
  readonly size?: bigint;
  readonly ifRevision?: number;
}

export interface FreeAll {
  readonly type: 'freeAll';
  readonly arena: string;
  readonly ifRevision?: number;
}

export interface Resize {
  readonly type: 'resize';
  readonly arena: string;
  readonly address: bigint;
  readonly size: bigint;
  readonly ifRevision?: number;
}

/** Makes one allocation several, side by side, each with all that is known of it. */
export interface Split {
  readonly type: 'split';
  readonly arena: string;
  readonly address: bigint;
  /** Sizes of the pieces in order of address, multiples of the quantum; or that of each of them. */
  readonly sizes: readonly bigint[] | bigint;
  /** Most pieces that it may lead to. */
  readonly piecesMax: number;
  readonly ifRevision?: number;
}

/** Makes allocations that lie side by side one. */
export interface Merge {
  readonly type: 'merge';
  readonly arena: string;
  /** Of the lowest of them. */
  readonly address: bigint;
  /** Addresses of the others, in any order; or the last address of all. */
  readonly others: readonly bigint[] | { readonly end: bigint };
  /** Most parts that it may take in. */
  readonly partsMax: number;
  /** Of the one that they become; unless given theirs are the same, and stay. */
  readonly labels?: Labels;
  /** Of the lowest of them. */
  readonly ifRevision?: number;
}

export interface UpdateAllocation {
  readonly type: 'updateAllocation';
  readonly arena: string;
  readonly address: bigint;
  readonly labels?: Labels;
  readonly owner?: string;
  readonly ifRevision?: number;
}

/** A time for which allocations are held; the id is random, so that nobody's is guessed. */
export interface CreateLease {
  readonly type: 'createLease';
  readonly lease: string;
  readonly ttlSeconds: number;
  readonly labels: Labels;
  readonly owner?: string;
}

/** The time begins anew, with `ttlSeconds` another one. */
export interface RenewLease {
  readonly type: 'renewLease';
  readonly lease: string;
  readonly ttlSeconds?: number;
}

/** Ends a lease before its time and frees all that it holds. */
export interface RevokeLease {
  readonly type: 'revokeLease';
  readonly lease: string;
  readonly ifRevision?: number;
}

/** Ends leases that have run out, and frees all that they hold. Whether they have is not asked. */
export interface ExpireLeases {
  readonly type: 'expireLeases';
  /** At least one, each once. */
  readonly leases: readonly string[];
}

/** Brings a resting former allocation back as it was. */
export interface Undelete {
  readonly type: 'undelete';
  readonly arena: string;
  readonly address: bigint;
  /** Its owner, if it had one. */
  readonly owner?: string;
  /** Refuse unless it was at this revision (If-Match). */
  readonly ifRevision?: number;
}

/** Ends rests whose quarantineSeconds have run out, those that began first. */
export interface EndRests {
  readonly type: 'endRests';
  readonly arena: string;
  /** Ranges that rest since this revision or an earlier one are due. */
  readonly restingSince: number;
  /** How many end at most. */
  readonly most: number;
}

/** Gives back wholly free imported spans whose releaseAfterSeconds has run out. */
export interface ReleaseSpans {
  readonly type: 'releaseSpans';
  readonly arena: string;
  /** Spans wholly free since this revision or an earlier one are due. */
  readonly freeSince: number;
}

/** A command with its time, in milliseconds since 1970 UTC. */
export type At<C> = C & { readonly at: number };

/** What a batch may consist of: all that happens to single allocations, and renewals. */
export type BatchCommand =
  Alloc | Free | Resize | Split | Merge | UpdateAllocation | Undelete | RenewLease;

/** Which address or size an operation takes from what one before it led to. */
export interface Reference {
  /** Of the operation as requests have it: where the value goes. */
  readonly field: ReferenceField;
  /** In a list: the place of the value in it, which something else holds until then. */
  readonly item?: number;
  /** Place in the batch of the operation that is referred to. */
  readonly operation: number;
  /** What is taken of the block that it was about. */
  readonly value: 'address' | 'end' | 'size';
}
export const referenceFields = ['address', 'size', 'min', 'max', 'end'] as const;
/** Fields that are lists, of sizes of pieces and of addresses of parts. */
export const referenceLists = ['sizes', 'with'] as const;
export type ReferenceField = (typeof referenceFields)[number] | (typeof referenceLists)[number];

export interface Operation {
  readonly command: BatchCommand;
  /** Only to operations before this one. What they fill in must not be given in the command as well. */
  readonly references: readonly Reference[];
}

/** Several commands, all or nothing, each on the state that those before it lead to. */
export interface Batch {
  readonly type: 'batch';
  /** At least one. */
  readonly operations: readonly Operation[];
  /** Most pieces that all splits may lead to, and parts that all merges may take in, together. */
  readonly piecesMax: number;
}

export type Command = At<
  | CreateArena
  | UpdateArena
  | DestroyArena
  | AddSpan
  | RemoveSpan
  | Alloc
  | Free
  | FreeAll
  | Resize
  | Split
  | Merge
  | UpdateAllocation
  | Undelete
  | EndRests
  | ReleaseSpans
  | CreateLease
  | RenewLease
  | RevokeLease
  | ExpireLeases
  | Batch
>;
