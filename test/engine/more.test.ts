/**
 * More of the same: a batch that asks for the same many times is granted what the same operations are
 * that are decided one by one, leaves the same behind, and takes all of it back where it is refused.
 */
import { describe, expect, test } from 'vitest';
import {
  policies,
  type Alloc,
  type CreateArena,
  type Operation,
} from '../../src/engine/command.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { Event } from '../../src/engine/event.ts';
import { plainSettings } from '../../src/engine/tuning.ts';
import { linesOf } from '../model/checkpoint.ts';
import { Random } from '../model/random.ts';

const at = 1_763_798_400_000;
const settings = {
  ...plainSettings,
  arena: 'a',
  notation: 'decimal',
  width: 64,
  quantum: 1n,
  policy: 'instantfit',
  spans: [{ base: 0n, size: 4096n }],
} as const;
const plain = { type: 'alloc', arena: 'a', size: 3n, constraint: {}, labels: {} } as const;

/** An engine with gaps of many sizes, filed in an order of their own. */
function gappy(changes: Partial<CreateArena>, seed: number): Engine {
  const engine = new Engine();
  const random = new Random(seed);
  const act = (event: ReturnType<Engine['decide']>): Event => {
    if ('refused' in event) throw new Error(event.detail);
    engine.apply(event, engine.revision + 1);
    return event;
  };
  act(engine.decide({ type: 'createArena', at, ...settings, ...changes }));
  const unit = changes.quantum ?? 1n;
  const live: bigint[] = [];
  for (let i = 0; i < 150; i++) {
    const size = unit * BigInt(1 + random.int(12));
    const event = act(engine.decide({ ...plain, at, size, constraint: {} }));
    if (event.type === 'allocated') live.push(event.base);
  }
  for (const address of live) {
    if (random.chance(0.5)) act(engine.decide({ type: 'free', at, arena: 'a', address }));
  }
  return engine;
}

/** So many times the same, or as many copies of it, which are decided one by one. */
function batchOf(command: Alloc, times: number, copies: boolean) {
  const operation: Operation = { command, references: [] };
  const operations = Array.from({ length: times }, () => (copies ? { ...operation } : operation));
  return { type: 'batch', at, operations, piecesMax: 16 } as const;
}

const arenas: [string, Partial<CreateArena>, Partial<Alloc>][] = [
  ...policies.map((policy) => [policy, { policy }, {}] as [string, {}, {}]),
  ['owners that are limited', { ownerLimit: 900n }, { owner: 'me' }],
  ['a limit', { limit: 2000n }, {}],
  ['a quantum', { quantum: 4n, spans: [{ base: 0n, size: 16384n }] }, { size: 9n }],
  ['far addresses', { spans: [{ base: (1n << 60n) + 8n, size: 4096n }] }, { owner: 'me' }],
  ['two spans', { spans: [settings.spans[0], { base: 1n << 62n, size: 4096n }] }, {}],
  ['a quantum cache', { quantumCacheMax: 8n }, {}],
  ['bands', { bands: [{ name: 'b', min: 0n, max: 2047n, exclusive: true }] }, {}],
  ['a band', { bands: [{ name: 'b', min: 0n, max: 2047n, exclusive: false }] }, { band: 'b' }],
  ['a constraint', {}, { type: 'xalloc', constraint: { align: 8n, phase: 1n, max: 3000n } }],
  ['an exact address', {}, { type: 'xalloc', constraint: { address: 4000n } }],
  ['labels', {}, { labels: { a: 'b' }, owner: 'me', policy: 'bestfit' }],
  ['an external id', {}, { externalId: 'x' }],
  ['a condition', {}, { ifRevision: 1 }],
];

describe.each(arenas)('with %s', (_name, changes, asked) => {
  const command = { ...plain, ...asked } as Alloc;

  test.each([1, 2, 3])('grants are those that come one by one, seed %i', (seed) => {
    for (const times of [2, 40, 400]) {
      const [engine, other] = [gappy(changes, seed), gappy(changes, seed)];
      const before = linesOf(engine);
      const outcome = engine.decide(batchOf(command, times, false));
      expect(linesOf(engine)).toEqual(before);
      expect(outcome).toEqual(other.decide(batchOf(command, times, true)));
      expect(engine.perform(batchOf(command, times, false), () => true)).toEqual(outcome);
      other.perform(batchOf(command, times, true), () => true);
      expect(linesOf(engine)).toEqual(linesOf(other));
      expect(engine.check('a').problems).toEqual([]);
    }
  });

  test('what can not all be granted is taken back', () => {
    const engine = gappy(changes, 4);
    const before = linesOf(engine);
    const outcome = engine.perform(batchOf(command, 10_000, false), () => true);
    if (!('refused' in outcome)) return;
    expect(linesOf(engine)).toEqual(before);
    expect(outcome).toEqual(engine.decide(batchOf(command, 10_000, true)));
    expect(engine.check('a').problems).toEqual([]);
  });
});
