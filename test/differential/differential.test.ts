/**
 * The engine against the seed's own engine, by recorded traces. Policies differ, so addresses are
 * compared through the state rather than one by one: both have the same segments before every
 * request, and then
 *
 *  - every policy grants if and only if the seed did,
 *  - the address that the seed chose is accepted as an exact placement under the same constraint,
 *    and is the lowest one in its segment here too,
 *  - no policy does worse than the seed at what it is for (`bestfit` takes no larger a segment,
 *    `firstfit` no higher and `lastfit` no lower an address).
 *
 * The engine then takes the seed's address, so that the next step starts from the same state again;
 * all segments are compared at intervals. Where the seed's semantics part from the engine's, the
 * trace says so, and the counts below are exact: a divergence more, or one that has gone, is a failure.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { policies, type Constraint, type Range } from '../../src/engine/command.ts';
import { lowest, meets, wishOf, type Wish } from '../model/placement.ts';
import { arena as newArena, type ArenaDriver } from '../engine/harness.ts';
import { cutAtBorders, explains, type Divergence } from './divergence.ts';
import { presets } from './preset.ts';
import { readTrace, writeRequest, type Answer, type Request } from './trace.ts';

type Counts = Partial<Record<Divergence | 'granted' | 'refused', number>>;

/** What each trace holds. Divergences and their reasons are named in `divergence.ts`. */
const expected: Record<string, Counts> = {
  'unit-test': { granted: 1389, refused: 308 },
  'one-span': { granted: 1146, refused: 257 },
  'many-spans': { granted: 1195, refused: 166 },
  'quantum-16': { granted: 1172, refused: 204 },
  'quantum-4096': { granted: 1151, refused: 251 },
  'nearly-full': { granted: 964, refused: 148 },
  checkerboard: { granted: 995, refused: 250 },
  'adjacent-spans': { granted: 892, refused: 150, adjacent: 87 },
  'top-of-space': { granted: 690, refused: 144, wrap: 7 },
  'large-sizes': { granted: 685, refused: 132, wrap: 24, round: 3 },
  'largest-classes': { granted: 692, refused: 141, wrap: 4, class: 3 },
};

describe('the engine does what the seed did', () => {
  test.each(presets.map(({ name }) => name))('%s', (name) => {
    const text = readFileSync(new URL(`${name}.trace`, import.meta.url), 'utf8');
    expect(new Replay().run(text)).toEqual(expected[name]);
  });
});

class Replay {
  #arena: ArenaDriver = newArena();
  #quantum = 1n;
  readonly #counts: Counts = {};

  /** Replays a trace to its end and counts the answers in it. */
  run(text: string): Counts {
    for (const [at, step] of readTrace(text).entries()) {
      const context = `step ${at}`;
      switch (step.type) {
        case 'create':
          this.#quantum = step.quantum;
          this.#arena = newArena({ quantum: step.quantum });
          break;
        case 'add':
          expect(this.#arena.add(step.base, step.size), context).toBe('ok');
          break;
        case 'free':
          expect(this.#arena.free(step.base, step.size), context).toBe('ok');
          break;
        case 'request':
          this.#request(step.request, step.answer, `${context}: ${writeRequest(step.request)}`);
          break;
        case 'segments':
          expect(this.#segments(), context).toBe(step.segments);
          this.#arena.check();
          break;
        case 'sizes':
          expect(this.#arena.view, context).toMatchObject({
            size: step.size,
            allocated: step.allocated,
          });
      }
    }
    this.#arena.finish();
    return this.#counts;
  }

  #request(request: Request, { address, divergence }: Answer, context: string): void {
    const kind = divergence ?? (address === undefined ? 'refused' : 'granted');
    this.#counts[kind] = (this.#counts[kind] ?? 0) + 1;
    const wish = wishOf(request.size, request.constraint, this.#quantum, 64) as Wish;
    const grants = policies.map((policy) => this.#decide(request, request.constraint, policy));
    if (address !== undefined) this.#granted(request, wish, address, grants, context);
    else if (divergence === undefined) {
      expect(grants, context).toEqual(policies.map(() => undefined));
    } else this.#diverged(request.fit, wish, divergence, grants, context);
  }

  #granted(
    request: Request,
    wish: Wish,
    address: bigint,
    grants: readonly (bigint | undefined)[],
    context: string,
  ): void {
    const [, best, first, last] = grants;
    for (const [i, base] of grants.entries()) {
      expect(base, `${context}: ${policies[i]} grants`).toBeDefined();
      expect(this.#isLegal(base!, wish), `${context}: ${policies[i]} at ${base}`).toBe(true);
    }
    const chosen = this.#holding(address);
    expect(this.#holding(best!).size <= chosen.size, `${context}: bestfit`).toBe(true);
    expect(first! <= address && last! >= address, `${context}: firstfit, lastfit`).toBe(true);
    const part = cutAtBorders(chosen, this.#arena.spans()).find(
      ({ base, size }) => address >= base && address < base + size,
    )!;
    expect(this.#lowestIn(part, request), `${context}: in its segment`).toBe(address);
    const placed = this.#arena.xalloc(request.size, { ...request.constraint, address });
    expect(placed, `${context}: as an exact placement`).toBe(address);
  }

  /** What the seed cannot answer, brute force does. */
  #diverged(
    fit: Request['fit'],
    wish: Wish,
    divergence: Divergence,
    grants: readonly (bigint | undefined)[],
    context: string,
  ): void {
    const free = this.#arena.holes().map(([base, size]) => ({ base, size }));
    const room = free.some((segment) => lowest(segment, wish) !== undefined);
    for (const [i, base] of grants.entries()) {
      expect(base !== undefined, `${context}: ${policies[i]}`).toBe(room);
      if (base !== undefined) expect(this.#isLegal(base, wish), context).toBe(true);
    }
    const scene = { free, spans: this.#arena.spans(), wish, fit };
    expect(explains(divergence, scene), `${context}: diverges by ${divergence}`).toBe(true);
  }

  /** Where a policy would put the block; nothing is taken. */
  #decide(
    { type, size }: Request,
    constraint: Constraint,
    policy: (typeof policies)[number],
  ): bigint | undefined {
    const { driver, name: arena } = this.#arena;
    const order = { type, arena, size, constraint, labels: {}, seed: 0x9e3779b9, policy };
    const outcome = driver.engine.decide({ ...order, at: driver.now });
    if ('refused' in outcome) {
      expect(['exhausted', 'never-fits']).toContain(outcome.refused);
      return undefined;
    }
    return outcome.type === 'allocated' ? outcome.base : undefined;
  }

  #lowestIn(part: Range, request: Request): bigint | undefined {
    const { min = 0n, max = (1n << 64n) - 1n } = request.constraint;
    const last = part.base + part.size - 1n;
    const window = { min: min > part.base ? min : part.base, max: max < last ? max : last };
    return this.#decide(
      { ...request, type: 'xalloc' },
      { ...request.constraint, ...window },
      'firstfit',
    );
  }

  #isLegal(base: bigint, wish: Wish): boolean {
    const segment = this.#holding(base);
    return segment.free && base + wish.size <= segment.base + segment.size && meets(base, wish);
  }

  #holding(address: bigint): Range & { free: boolean } {
    let held: (Range & { free: boolean }) | undefined;
    this.#arena.driver.engine.walkSegments(this.#arena.name, address, (segment) => {
      held = { base: segment.address, size: segment.size, free: segment.state === 'free' };
      return false;
    });
    return held!;
  }

  /** All segments as a trace shows them: free ones end where a span does. */
  #segments(): string {
    const spans = this.#arena.spans();
    const parts = this.#arena.walk().flatMap(({ address, size, state }) => {
      const segment = { base: address, size };
      return (state === 'free' ? cutAtBorders(segment, spans) : [segment]).map(
        (part) => `${part.base}+${part.size}${state === 'free' ? 'f' : 'b'}`,
      );
    });
    return parts.join(' ');
  }
}
