/**
 * What is measured, behind one face: workloads ask for blocks by slot, and do not see which layer
 * of the engine answers. This is the only file of the benchmarks that knows the engine's insides.
 *
 * - `units`: the segments and the policies alone, in units. This is what compares with the
 *   allocator in C, which has no events and no records either.
 * - `space`: the same behind addresses (bigints).
 * - `wide`: addresses of 128 bits, in a span of 2^100; one unit of the workload is a block of
 *   2^100 / span addresses, so that the arithmetic is as wide as the arena.
 * - `engine`: commands decided and events applied, allocations' records included.
 */
import { assert } from '../src/engine/assert.ts';
import type { Constraint, Policy } from '../src/engine/command.ts';
import { Engine } from '../src/engine/engine.ts';
import { Fit } from '../src/engine/narrow/fit.ts';
import { Run } from '../src/engine/narrow/run.ts';
import { plainFit } from '../src/engine/narrow/ascent.ts';
import { place } from '../src/engine/narrow/search.ts';
import { BUSY, Segments, VOID } from '../src/engine/narrow/segments.ts';
import { UnitSpace as NarrowSpace } from '../src/engine/narrow/unit-space.ts';
import { LIMIT, NONE } from '../src/engine/narrow/unit.ts';
import type { Space } from '../src/engine/space.ts';
import { plainSettings } from '../src/engine/tuning.ts';
import { UnitSpace as WideSpace } from '../src/engine/wide/unit-space.ts';
import { Xorshift32 } from './random.ts';

export const layers = ['units', 'space', 'wide', 'engine'] as const;
export type Layer = (typeof layers)[number];

/** End of a window that has none. */
export const UNBOUNDED = LIMIT;

/** A constraint in units; nocross 0 is none; so are 0 and UNBOUNDED in the window `[from, to)`. */
export interface Ask {
  readonly align: number;
  readonly phase: number;
  readonly nocross: number;
  readonly from: number;
  readonly to: number;
}

export interface Setup {
  readonly layer: Layer;
  readonly policy: Policy;
  /** Units of the arena's one span. */
  readonly span: number;
  /** Blocks that the workload holds at most. */
  readonly slots: number;
}

export interface Subject {
  /** Takes a block of `size` units into a slot; false where it is refused. */
  alloc(slot: number, size: number, ask: Ask | undefined): boolean;
  /** Frees the block of a slot. */
  free(slot: number): void;
  /** Takes a block at a place known to be free: for setting up, not for measuring. */
  takeAt(slot: number, unit: number, size: number): void;
  /** Takes a slot's last block again, where nothing came between. */
  putBack(slot: number, size: number): void;
  /** Units of the block in a slot; 0 when it has none. */
  sizeOf(slot: number): number;
  /** Units taken. */
  readonly used: number;
  /** Linear in the segments. */
  census(): Census;
}

export interface Census {
  readonly segments: number;
  /** Of the indexes; 0 where the layer does not tell. */
  readonly bytes: number;
}

export function openSubject(setup: Setup): Subject {
  switch (setup.layer) {
    case 'units':
      return new UnitSubject(setup);
    case 'space':
      return new SpaceSubject(setup, new NarrowSpace(0, 0n), 0n, 1n);
    case 'wide': {
      const scale = 2n ** 100n / BigInt(setup.span);
      return new SpaceSubject(setup, new WideSpace(0, 0n), 2n ** 127n, scale);
    }
    case 'engine':
      return new EngineSubject(setup);
  }
}

/** What slots hold, and what policies need beside a size. */
abstract class Slots<Address> {
  protected readonly policy: Policy;
  readonly #sizes: Uint32Array;
  /** Its own generator, so that the workload draws the same operations under every policy. */
  readonly #seeds = new Xorshift32(88172645);
  protected abstract readonly bases: { [slot: number]: Address };
  used = 0;

  constructor(setup: Setup) {
    this.policy = setup.policy;
    this.#sizes = new Uint32Array(setup.slots);
  }

  sizeOf(slot: number): number {
    return this.#sizes[slot]!;
  }

  protected get seed(): number {
    return this.policy === 'randomfit' ? this.#seeds.next() : 0;
  }

  protected hold(slot: number, base: Address, size: number): void {
    this.bases[slot] = base;
    this.#sizes[slot] = size;
    this.used += size;
  }

  protected empty(slot: number): Address {
    this.used -= this.#sizes[slot]!;
    this.#sizes[slot] = 0;
    return this.bases[slot]!;
  }
}

/** As the engine's own space does, but for the bigints. */
class UnitSubject extends Slots<number> implements Subject {
  protected readonly bases: Float64Array;
  /** The segments without an order, until a request needs one. */
  #run: Run | undefined;
  #segments: Segments | undefined;
  readonly #instant: boolean;
  /** End of the last grant, which is what nextfit goes on from. */
  #cursor = 0;

  constructor(setup: Setup) {
    super(setup);
    this.bases = new Float64Array(setup.slots);
    this.#instant = setup.policy === 'instantfit';
    this.#run = new Run(0, setup.span);
  }

  alloc(slot: number, size: number, ask: Ask | undefined): boolean {
    const at = this.#place(size, ask);
    if (at === NONE) return false;
    this.#take(slot, at, size);
    this.#cursor = at + size;
    return true;
  }

  free(slot: number): void {
    const base = this.empty(slot);
    if (this.#run?.vacate(base) !== true) this.#ordered.vacate(base);
  }

  takeAt(slot: number, unit: number, size: number): void {
    this.#take(slot, unit, size);
  }

  putBack(slot: number, size: number): void {
    this.#take(slot, this.bases[slot]!, size);
  }

  census(): Census {
    // Before the walk, which may build an index.
    const { bytes } = this.#run ?? this.#ordered;
    const tiling = this.#ordered;
    let segments = 0;
    for (let at = tiling.find(0); at >= 0; at = tiling.after(at)) {
      if (tiling.stateOf(at) !== VOID) segments++;
    }
    return { segments, bytes };
  }

  get #ordered(): Segments {
    if (this.#segments === undefined) {
      this.#segments = Segments.of(this.#run!);
      this.#run = undefined;
    }
    return this.#segments;
  }

  #place(size: number, ask: Ask | undefined): number {
    if (this.#instant && this.#run !== undefined && ask === undefined) {
      const at = this.#run.place(size);
      if (at !== NONE) return at;
    }
    return this.#search(size, ask);
  }

  #search(size: number, ask: Ask | undefined): number {
    return place(this.#ordered, {
      size,
      fit: ask === undefined ? plainFit : fitOf(ask),
      from: ask === undefined ? 0 : ask.from,
      to: ask === undefined ? UNBOUNDED : ask.to,
      policy: this.policy,
      cursor: this.#cursor,
      seed: this.seed,
    });
  }

  #take(slot: number, base: number, size: number): void {
    const taken = this.#run?.occupy(base, size, BUSY, slot) === true;
    if (!taken) this.#ordered.occupy(base, size, BUSY, slot);
    this.hold(slot, base, size);
  }
}

function fitOf({ align, phase, nocross }: Ask): Fit {
  return align === 1 && nocross === 0 ? plainFit : new Fit(align, phase, nocross);
}

class SpaceSubject extends Slots<bigint> implements Subject {
  protected readonly bases: bigint[];
  readonly #space: Space;
  readonly #origin: bigint;
  readonly #scale: bigint;
  #cursor = 0n;

  constructor(setup: Setup, space: Space, origin: bigint, scale: bigint) {
    super(setup);
    this.bases = Array.from({ length: setup.slots }, () => 0n);
    this.#space = space;
    this.#origin = origin;
    this.#scale = scale;
    const size = setup.layer === 'wide' ? 2n ** 100n : BigInt(setup.span);
    space.add(origin, size, false, false);
  }

  alloc(slot: number, units: number, ask: Ask | undefined): boolean {
    const size = BigInt(units) * this.#scale;
    const at = this.#space.place({
      size,
      constraint: ask === undefined ? {} : constraintOf(ask, this.#origin, this.#scale),
      policy: this.policy,
      cursor: this.#cursor,
      seed: this.seed,
    });
    if (at === undefined) return false;
    this.#space.occupy(at, size, BUSY, slot);
    this.#cursor = at + size;
    this.hold(slot, at, units);
    return true;
  }

  free(slot: number): void {
    this.#space.vacate(this.empty(slot));
  }

  takeAt(slot: number, unit: number, size: number): void {
    this.#take(slot, this.#origin + BigInt(unit) * this.#scale, size);
  }

  putBack(slot: number, size: number): void {
    this.#take(slot, this.bases[slot]!, size);
  }

  census(): Census {
    // Before the walk, which may build an index; a wide space counts references, not its bigints.
    const bytes = this.#scale === 1n ? this.#space.bytes : 0;
    let segments = 0;
    this.#space.walk(0n, () => ++segments > 0);
    return { segments, bytes };
  }

  #take(slot: number, base: bigint, size: number): void {
    this.#space.occupy(base, BigInt(size) * this.#scale, BUSY, slot);
    this.hold(slot, base, size);
  }
}

const ARENA = 'bench';

class EngineSubject extends Slots<bigint> implements Subject {
  protected readonly bases: bigint[];
  readonly #engine = new Engine();
  /** The clock of the commands, in milliseconds; it need not be the real one. */
  #at = 0;

  constructor(setup: Setup) {
    super(setup);
    this.bases = Array.from({ length: setup.slots }, () => 0n);
    const created = this.#engine.decide({
      type: 'createArena',
      at: this.#at,
      arena: ARENA,
      notation: 'decimal',
      width: 64,
      quantum: 1n,
      policy: setup.policy,
      ...plainSettings,
      spans: [{ base: 0n, size: BigInt(setup.span) }],
    });
    assert('type' in created, 'an empty engine creates an arena');
    this.#engine.apply(created, 1);
  }

  alloc(slot: number, size: number, ask: Ask | undefined): boolean {
    return this.#xalloc(slot, size, ask === undefined ? {} : constraintOf(ask, 0n, 1n));
  }

  free(slot: number): void {
    const address = this.empty(slot);
    const event = this.#engine.decide({ type: 'free', at: ++this.#at, arena: ARENA, address });
    assert('type' in event, 'what a slot holds can be freed');
    this.#engine.apply(event, this.#engine.revision + 1);
  }

  takeAt(slot: number, unit: number, size: number): void {
    const taken = this.#xalloc(slot, size, { address: BigInt(unit) });
    assert(taken, 'workloads set up blocks where it is free');
  }

  putBack(slot: number, size: number): void {
    const taken = this.#xalloc(slot, size, { address: this.bases[slot]! });
    assert(taken, 'what was freed last can be taken again');
  }

  census(): Census {
    let segments = 0;
    this.#engine.walkSegments(ARENA, 0n, () => ++segments > 0);
    return { segments, bytes: 0 };
  }

  #xalloc(slot: number, size: number, constraint: Constraint): boolean {
    const event = this.#engine.decide({
      type: 'xalloc',
      at: ++this.#at,
      arena: ARENA,
      size: BigInt(size),
      constraint,
      labels: {},
      seed: this.seed,
    });
    if (!('type' in event)) return false;
    assert(event.type === 'allocated', 'xalloc leads to an allocation');
    this.#engine.apply(event, this.#engine.revision + 1);
    this.hold(slot, event.base, size);
    return true;
  }
}

function constraintOf(ask: Ask, origin: bigint, scale: bigint): Constraint {
  const { align, phase, nocross, from, to } = ask;
  return {
    ...(align === 1 ? {} : { align: BigInt(align) * scale, phase: BigInt(phase) * scale }),
    ...(nocross === 0 ? {} : { nocross: BigInt(nocross) * scale }),
    ...(from === 0 ? {} : { min: origin + BigInt(from) * scale }),
    ...(to === UNBOUNDED ? {} : { max: origin + BigInt(to) * scale - 1n }),
  };
}
