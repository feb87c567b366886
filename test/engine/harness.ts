/**
 * Drives the engine tersely: one method per command, which decides and applies it and answers with
 * the address, `'ok'` or the code of the refusal, so that a table of cases reads as a table.
 * `finish` ends every test the same way: free all, then allocate every run of the arena whole.
 */
import { expect } from 'vitest';
import type {
  Command,
  Constraint,
  CreateArena,
  Policy,
  Range,
  Tuning,
} from '../../src/engine/command.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { Event } from '../../src/engine/event.ts';
import type { Refusal, RefusalCode } from '../../src/engine/refusal.ts';
import { plainSettings } from '../../src/engine/tuning.ts';
import type { SegmentView, SpanView } from '../../src/engine/view.ts';

type Plain<T> = T extends unknown ? Omit<T, 'at'> : never;
/** A command without its time, which the driver adds. */
export type Order = Plain<Command>;

/** `[base, size]` */
export type Pair = readonly [base: bigint, size: bigint];

export type Options = Partial<Omit<CreateArena, 'type' | 'spans' | 'arena'>> & {
  readonly spans?: readonly Pair[];
};

const everything = 1_000_000;

/**
 * What `expect(actual).toBe(expected)` says, for loops of many thousands: `expect` is only made where
 * it fails, because to make it takes longer than what is tested.
 */
export function expectSame<T>(actual: T, expected: T): void {
  if (!Object.is(actual, expected)) expect(actual).toBe(expected);
}

export class Driver {
  readonly engine = new Engine();
  /** Milliseconds, the time of the next command. */
  now = 1_000;
  /** The last event or refusal, for tests that look at more than its gist. */
  last: Event | Refusal | undefined;

  perform(order: Order): Event | Refusal {
    const outcome = this.engine.decide({ ...order, at: this.now } as Command);
    if (!('refused' in outcome)) this.engine.apply(outcome, this.engine.revision + 1);
    this.last = outcome;
    return outcome;
  }

  create(name: string, options: Options = {}): RefusalCode | 'ok' {
    return gist(this.perform(createOrder(name, options)));
  }

  /** Creates an arena, which must succeed. */
  arena(name: string, options: Options = {}): ArenaDriver {
    expect(this.create(name, options)).toBe('ok');
    return new ArenaDriver(this, name);
  }
}

export class ArenaDriver {
  readonly driver: Driver;
  readonly name: string;

  constructor(driver: Driver, name: string) {
    this.driver = driver;
    this.name = name;
  }

  add(base: bigint, size: bigint): RefusalCode | 'ok' {
    return this.#ok({ type: 'addSpan', arena: this.name, base, size });
  }

  removeSpan(base: bigint): RefusalCode | 'ok' {
    return this.#ok({ type: 'removeSpan', arena: this.name, base });
  }

  alloc(size: bigint, policy?: Policy, seed = 0): bigint | RefusalCode {
    return this.#alloc('alloc', size, {}, policy, seed);
  }

  xalloc(size: bigint, constraint: Constraint, policy?: Policy, seed = 0): bigint | RefusalCode {
    return this.#alloc('xalloc', size, constraint, policy, seed);
  }

  /** The block at exactly this address. */
  reserve(address: bigint, size: bigint): bigint | RefusalCode {
    return this.xalloc(size, { address });
  }

  free(address: bigint, size?: bigint): RefusalCode | 'ok' {
    const given = size === undefined ? {} : { size };
    return this.#ok({ type: 'free', arena: this.name, address, ...given });
  }

  freeAll(): RefusalCode | 'ok' {
    return this.#ok({ type: 'freeAll', arena: this.name });
  }

  resize(address: bigint, size: bigint): RefusalCode | 'ok' {
    return this.#ok({ type: 'resize', arena: this.name, address, size });
  }

  update(changes: Partial<Tuning>): RefusalCode | 'ok' {
    return this.#ok({ type: 'updateArena', arena: this.name, changes });
  }

  destroy(force = false): RefusalCode | 'ok' {
    return this.#ok({ type: 'destroyArena', arena: this.name, force });
  }

  releaseSpans(freeSince: number): RefusalCode | 'ok' {
    return this.#ok({ type: 'releaseSpans', arena: this.name, freeSince });
  }

  get view() {
    const view = this.driver.engine.arena(this.name);
    if (view === undefined) throw new Error(`no arena ${this.name}`);
    return view;
  }

  spans(): SpanView[] {
    return this.driver.engine.spans(this.name, 0n, everything);
  }

  walk(): SegmentView[] {
    return walk(this.driver.engine, this.name);
  }

  /** Free segments as `[base, size]`. */
  holes(): Pair[] {
    return pairs(this.walk().filter((segment) => segment.state === 'free'));
  }

  /** Busy segments as `[base, size]`. */
  blocks(): Pair[] {
    return pairs(this.walk().filter((segment) => segment.state === 'busy'));
  }

  /** Expects every invariant that the engine can check itself. */
  check(): void {
    expect(this.driver.engine.check(this.name).problems).toEqual([]);
  }

  /**
   * Frees all, expects one hole per run of adjacent static spans and nothing imported, and
   * allocates each of them whole.
   */
  finish(): void {
    this.check();
    expect(this.freeAll()).toBe('ok');
    const runs = runsOf(this.spans());
    expect(this.holes()).toEqual(runs);
    this.check();
    for (const [base, size] of runs) expect(this.reserve(base, size)).toBe(base);
    expect(this.view.free).toBe(0n);
    expect(this.view.allocations).toBe(runs.length);
    for (const [base, size] of runs) expect(this.free(base, size)).toBe('ok');
    expect(this.holes()).toEqual(runs);
    this.check();
  }

  #ok(order: Order): RefusalCode | 'ok' {
    return gist(this.driver.perform(order));
  }

  #alloc(
    type: 'alloc' | 'xalloc',
    size: bigint,
    constraint: Constraint,
    policy: Policy | undefined,
    seed: number,
  ): bigint | RefusalCode {
    const { name: arena } = this;
    const chosen = policy === undefined ? {} : { policy };
    const order: Order = { type, arena, size, constraint, labels: {}, seed, ...chosen };
    const outcome = this.driver.perform(order);
    if ('refused' in outcome) return outcome.refused;
    if (outcome.type !== 'allocated') throw new Error(`alloc answered with ${outcome.type}`);
    return outcome.base;
  }
}

/** An arena of its own engine. */
export function arena(options: Options = {}): ArenaDriver {
  return new Driver().arena('arena', options);
}

export function createOrder(name: string, { spans = [], ...options }: Options = {}): Order {
  return {
    type: 'createArena',
    arena: name,
    notation: 'decimal',
    width: 64,
    quantum: 1n,
    policy: 'bestfit',
    ...plainSettings,
    ...options,
    spans: spans.map(([base, size]): Range => ({ base, size })),
  };
}

/** All segments of an arena. */
export function walk(engine: Engine, name: string): SegmentView[] {
  const segments: SegmentView[] = [];
  engine.walkSegments(name, 0n, (segment) => segments.push(segment) > 0);
  return segments;
}

function gist(outcome: Event | Refusal): RefusalCode | 'ok' {
  return 'refused' in outcome ? outcome.refused : 'ok';
}

function pairs(segments: readonly SegmentView[]): Pair[] {
  return segments.map(({ address, size }) => [address, size] as const);
}

function runsOf(spans: readonly SpanView[]): Pair[] {
  const runs: [bigint, bigint][] = [];
  for (const { base, size, kind } of spans) {
    const before = runs.at(-1);
    if (kind === 'static' && before && before[0] + before[1] === base) before[1] += size;
    else runs.push([base, size]);
  }
  return runs;
}
