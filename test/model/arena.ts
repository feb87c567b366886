/**
 * One arena of the naive model: a sorted array of spans and a sorted array of blocks held. Free
 * segments are never stored: they are what is left of the spans, computed by one linear pass, so
 * that no bookkeeping of the model can drift from the truth.
 */
import type { CreateArena, Labels, Policy } from '../../src/engine/command.ts';
import type { SegmentView } from '../../src/engine/view.ts';
import { admits } from './band.ts';
import { highest, lowest, type Segment, type Wish } from './placement.ts';
import type { Rest } from './rest.ts';
import { nextPiece, pieceSizeOf, piecesOf, type Slab } from './slab.ts';

export interface Span extends Segment {
  readonly kind: 'static' | 'imported';
}

export interface Held extends Segment {
  readonly labels: Labels;
  readonly owner?: string;
  /** The arena that holds this block as a span of its own. */
  readonly importedBy?: string;
  /** The lease that it is under. */
  readonly lease?: string;
  readonly externalId?: string;
}

export type Settings = {
  -readonly [K in keyof Omit<CreateArena, 'type' | 'spans'>]: CreateArena[K];
};

export class ModelArena {
  readonly settings: Settings;
  spans: Span[] = [];
  held: Held[] = [];
  resting: Rest[] = [];
  /** Of the quantum caches, each with at least one piece held. */
  slabs: Slab[] = [];
  /** End of the last nextfit grant. */
  cursor = 0n;
  /** By base: since when an imported span is wholly free, in milliseconds. */
  idleSince = new Map<bigint, number>();
  /** Computed since the last change. */
  #segments: readonly SegmentView[] | undefined;
  #free: readonly Segment[] | undefined;
  readonly #stateOf = (base: bigint): 'busy' | 'resting' | undefined => {
    if (this.heldAt(base) !== undefined) return 'busy';
    return this.restAt(base) === undefined ? undefined : 'resting';
  };

  constructor({ type: _type, spans: _spans, ...settings }: CreateArena) {
    this.settings = { ...settings };
  }

  /** Another one like this, to try something out. */
  copy(): ModelArena {
    const copy = new ModelArena({ type: 'createArena', spans: [], ...this.settings });
    const { spans, held, resting, slabs, cursor } = this;
    Object.assign(copy, { spans: [...spans], held: [...held], resting: [...resting] });
    return Object.assign(copy, { slabs: [...slabs], cursor });
  }

  get name(): string {
    return this.settings.arena;
  }

  /** Stretches that one block may lie in: adjacent static spans together, imported ones alone. */
  runs(): Segment[] {
    const runs: { base: bigint; size: bigint; kind: Span['kind'] }[] = [];
    for (const { base, size, kind } of this.spans) {
      const before = runs.at(-1);
      const joins =
        kind === 'static' && before?.kind === 'static' && before.base + before.size === base;
      if (joins) before.size += size;
      else runs.push({ base, size, kind });
    }
    return runs;
  }

  free(): readonly Segment[] {
    return (this.#free ??= this.segments()
      .filter((s) => s.state === 'free')
      .map(asSegment));
  }

  /** Every segment in the order of addresses, as the engine's walk must show it. */
  segments(): readonly SegmentView[] {
    return (this.#segments ??= this.#cut());
  }

  #changed(): void {
    this.#segments = undefined;
    this.#free = undefined;
  }

  /** The runs, cut into what is taken and what is free between. */
  #cut(): SegmentView[] {
    const found: SegmentView[] = [];
    const taken = this.#taken();
    let next = 0;
    for (const run of this.runs()) {
      let at = run.base;
      const end = run.base + run.size;
      for (let one = taken[next]; one && one.address < end; one = taken[++next]) {
        if (one.address > at) found.push({ address: at, size: one.address - at, state: 'free' });
        found.push(one);
        at = one.address + one.size;
      }
      if (at < end) found.push({ address: at, size: end - at, state: 'free' });
    }
    return found;
  }

  /** What is not free, in order: blocks outside of slabs, and all pieces of the slabs. */
  #taken(): SegmentView[] {
    const outside = ({ base }: Segment) => this.slabHolding(base) === undefined;
    const busy = this.held.filter(outside).map((one) => asView(one, 'busy'));
    if (this.slabs.length === 0 && this.resting.length === 0) return busy;
    const resting = this.resting.filter(outside).map((one) => asView(one, 'resting'));
    const pieces = this.slabs.flatMap((slab) => piecesOf(slab, this.#stateOf));
    return [...busy, ...resting, ...pieces].toSorted((a, b) => compare(a.address, b.address));
  }

  size(): bigint {
    return sum(this.spans);
  }

  allocated(): bigint {
    return sum(this.held);
  }

  /** Freed and not yet reusable. */
  restingSize(): bigint {
    return sum(this.resting);
  }

  /** In slabs and neither allocated nor resting. */
  cached(): bigint {
    if (this.slabs.length === 0) return 0n;
    const inside = ({ base }: Segment) => this.slabHolding(base) !== undefined;
    return sum(this.slabs) - sum(this.held.filter(inside)) - sum(this.resting.filter(inside));
  }

  /** Neither allocated, nor resting, nor in a slab. */
  freeSize(): bigint {
    return this.size() - this.allocated() - this.restingSize() - this.cached();
  }

  /** Whether what is freed rests. */
  get quarantines(): boolean {
    return this.settings.quarantineSeconds > 0;
  }

  largestFree(): bigint {
    return this.free().reduce((max, { size }) => (size > max ? size : max), 0n);
  }

  hold(held: Held): void {
    insert(this.held, held);
    this.#changed();
  }

  /** Forgets the block at `base`, which must be held, and its slab if that was the last of it. */
  drop(base: bigint): Held {
    this.#changed();
    const dropped = remove(this.held, base);
    this.#closeSlab(base);
    return dropped;
  }

  /** Changes what is known of the block at `base`. */
  describe(base: bigint, changes: Partial<Pick<Held, 'labels' | 'owner'>>): void {
    const at = this.held.findIndex((held) => held.base === base);
    this.held[at] = { ...this.held[at]!, ...changes };
  }

  /** The block at `base`, which must be held, rests; a span of another arena is no former allocation. */
  rest(base: bigint, since: number): Held {
    this.#changed();
    const held = remove(this.held, base);
    const { lease: _, ...unleased } = held;
    const former = held.importedBy === undefined ? { former: unleased } : {};
    insert(this.resting, { base, size: held.size, since, ...former });
    return held;
  }

  /** The end of the block at `base` is cut off, and rests. */
  restTail(base: bigint, size: bigint, since: number): void {
    this.#changed();
    const held = remove(this.held, base);
    insert(this.held, { ...held, size });
    insert(this.resting, { base: base + size, size: held.size - size, since });
  }

  endRest(base: bigint): Rest {
    this.#changed();
    const rest = remove(this.resting, base);
    this.#closeSlab(base);
    return rest;
  }

  /** What rests at `base` is held again. */
  undelete(base: bigint): void {
    this.#changed();
    insert(this.held, remove(this.resting, base).former!);
  }

  /** A resting piece of a slab is a cached one. */
  reusePiece(base: bigint): void {
    this.#changed();
    remove(this.resting, base);
  }

  /** The range is free of rests, and of slabs without a piece that is held. */
  endRestsIn(range: Segment): void {
    this.#changed();
    this.slabs = this.slabs.filter((slab) => !overlap(slab, range) || this.isBusy(slab));
    for (const rest of this.resting.filter((one) => overlap(one, range))) {
      remove(this.resting, rest.base);
      const { base, size, since } = rest;
      const end = base + size;
      const after = range.base + range.size;
      if (base < range.base) insert(this.resting, { base, size: range.base - base, since });
      if (end > after) insert(this.resting, { base: after, size: end - after, since });
    }
  }

  restAt(base: bigint): Rest | undefined {
    return this.resting.find((rest) => rest.base === base);
  }

  #closeSlab(base: bigint): void {
    const slab = this.slabHolding(base);
    if (slab !== undefined && !this.isUsed(slab)) remove(this.slabs, slab.base);
  }

  openSlab(slab: Slab): void {
    insert(this.slabs, slab);
    this.#changed();
  }

  slabHolding(address: bigint): Slab | undefined {
    return this.slabs.find((slab) => contains(slab, { base: address, size: 1n }));
  }

  /** The piece that an alloc takes from a slab that is open. */
  cachedPiece(wish: Wish): bigint | undefined {
    const { size } = wish;
    if (size > this.settings.quantumCacheMax) return undefined;
    const isAllowed = (piece: Segment) => admits(wish, piece);
    return nextPiece(this.slabs, pieceSizeOf(size, this.settings), this.#stateOf, isAllowed);
  }

  addSpan(span: Span): void {
    insert(this.spans, span);
    this.#changed();
  }

  dropSpan(base: bigint): Span {
    this.#changed();
    return remove(this.spans, base);
  }

  heldAt(base: bigint): Held | undefined {
    return this.held.find((held) => held.base === base);
  }

  spanAt(base: bigint): Span | undefined {
    return this.spans.find((span) => span.base === base);
  }

  isBusy(range: Segment): boolean {
    return this.held.some((held) => overlap(held, range));
  }

  /** Whether something in the range is held, or rests. */
  isUsed(range: Segment): boolean {
    return this.isBusy(range) || this.resting.some((rest) => overlap(rest, range));
  }

  isFree(range: Segment): boolean {
    return this.free().some((free) => contains(free, range));
  }

  /** Imported spans with nothing in them. */
  idleSpans(): Span[] {
    return this.spans.filter((span) => span.kind === 'imported' && !this.isUsed(span));
  }

  /**
   * The bases that the policy may choose in the arena's own space: one for a deterministic
   * policy, any free segment's lowest placement for instantfit and randomfit, none where the
   * wish fits nowhere.
   */
  choices(wish: Wish, policy: Policy): bigint[] {
    if (policy === 'lastfit') return first(reversed(this.free(), (s) => highest(s, wish)));
    if (policy === 'nextfit') {
      const ahead = first(present(this.free(), (s) => lowest(s, wish, this.cursor)));
      return ahead.length > 0 ? ahead : first(present(this.free(), (s) => lowest(s, wish)));
    }
    if (policy === 'bestfit') {
      const bySize = this.free().toSorted((a, b) => compare(a.size, b.size));
      return first(present(bySize, (s) => lowest(s, wish)));
    }
    const all = present(this.free(), (s) => lowest(s, wish));
    return policy === 'firstfit' ? first(all) : [...all];
  }
}

export function contains(outer: Segment, inner: Segment): boolean {
  return inner.base >= outer.base && inner.base + inner.size <= outer.base + outer.size;
}

export function overlap(a: Segment, b: Segment): boolean {
  return a.base < b.base + b.size && b.base < a.base + a.size;
}

function sum(list: readonly Segment[]): bigint {
  return list.reduce((total, { size }) => total + size, 0n);
}

/** Sorting is stable, so equal sizes stay in the order of addresses. */
function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function asView({ base, size }: Segment, state: SegmentView['state']): SegmentView {
  return { address: base, size, state };
}

function asSegment({ address, size }: SegmentView): Segment {
  return { base: address, size };
}

function* present<T>(list: readonly T[], value: (item: T) => bigint | undefined) {
  for (const item of list) {
    const found = value(item);
    if (found !== undefined) yield found;
  }
}

function reversed<T>(list: readonly T[], value: (item: T) => bigint | undefined) {
  return present(list.toReversed(), value);
}

function first(values: Iterable<bigint>): bigint[] {
  for (const value of values) return [value];
  return [];
}

function insert<T extends Segment>(list: T[], item: T): void {
  const at = list.findIndex((other) => other.base > item.base);
  list.splice(at < 0 ? list.length : at, 0, item);
}

function remove<T extends Segment>(list: T[], base: bigint): T {
  const at = list.findIndex((item) => item.base === base);
  const [gone] = at < 0 ? [] : list.splice(at, 1);
  if (gone === undefined) throw new Error(`model: nothing at ${base}`);
  return gone;
}
