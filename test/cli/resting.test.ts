/** What rests, in a dump and back: whole allocations, parts of them, pieces of slabs, in imported spans. */
import { expect, test } from 'vitest';
import type { Constraint } from '../../src/engine/command.ts';
import { Engine } from '../../src/engine/engine.ts';
import { stateHashOf } from '../../src/cli/state-hash.ts';
import { createOrder, Driver } from '../engine/harness.ts';
import { engineOf, textOf, type Line } from './edited-dump.ts';

function restingEngine(): Engine {
  const driver = new Driver();
  const create = (name: string, options: Parameters<typeof createOrder>[1]) =>
    driver.perform(createOrder(name, { quarantineSeconds: 60, ...options }));
  create('pool', { spans: [[0n, 4096n]] });
  create('child', { source: 'pool', importSize: 64n, quarantineSeconds: 5 });
  create('cached', { quantumCacheMax: 4n, spans: [[0n, 64n]] });
  const take = (arena: string, size: bigint, constraint: Constraint = {}, more = {}) => {
    const type = Object.keys(constraint).length > 0 ? ('xalloc' as const) : ('alloc' as const);
    const order = { type, arena, size, constraint, labels: {}, seed: 0, ...more };
    expect(driver.perform(order)).toHaveProperty('base');
  };
  const free = (arena: string, address: bigint) =>
    expect(driver.perform({ type: 'free', arena, address })).toHaveProperty('base');
  const about = { owner: 'node-17', labels: { env: 'prod' }, externalId: 'x-1' };
  take('pool', 8n, { address: 8n }, about);
  take('pool', 8n, { address: 16n });
  take('pool', 16n, { address: 32n });
  free('pool', 16n);
  free('pool', 8n);
  driver.perform({ type: 'resize', arena: 'pool', address: 32n, size: 4n });
  take('child', 10n);
  take('child', 10n);
  free('child', 74n);
  free('child', 64n);
  for (let i = 0; i < 3; i++) take('cached', 2n);
  free('cached', 0n);
  free('cached', 4n);
  return driver.engine;
}

const dump = textOf(restingEngine());
const lines = dump
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Line);

test('a dump has all that rests, and makes the same state again', async () => {
  const resting = lines.filter(({ type }) => type === 'resting');
  expect(resting).toHaveLength(7);
  expect(resting[0]).toEqual({
    type: 'resting',
    arena: 'pool',
    address: '8',
    end: '15',
    size: '8',
    labels: { env: 'prod' },
    owner: 'node-17',
    externalId: 'x-1',
    createdAt: '1970-01-01T00:00:01.000Z',
    revision: 4,
    restingSince: 8,
  });
  // What was cut off says nothing of an allocation.
  const tail = { type: 'resting', arena: 'pool', address: '36', end: '47', size: '12' };
  expect(resting[2]).toEqual({ ...tail, restingSince: 9 });
  const loaded = await engineOf(dump);
  expect(stateHashOf(loaded)).toBe(stateHashOf(restingEngine()));
  for (const { arena } of loaded.arenas(undefined, 10)) {
    expect(loaded.check(arena).problems).toEqual([]);
  }
  const back = { type: 'undelete', at: 0, arena: 'pool', address: 8n, owner: 'node-17' } as const;
  expect(loaded.decide(back)).toMatchObject({ type: 'undeleted', size: 8n });
  // In the order in which they were freed.
  const end = { type: 'endRests', at: 0, arena: 'pool', restingSince: 99, most: 9 } as const;
  expect(loaded.decide(end)).toMatchObject({ ended: [{ base: 16n }, { base: 8n }, { base: 36n }] });
});

test.each<[string, (line: Line) => void, RegExp]>([
  [
    'a rest that began before the allocation',
    (line) => (line['restingSince'] = 2),
    /\/revision must be at most that of its rest, 2/,
  ],
  [
    'a rest that is younger than the arena',
    (line) => (line['restingSince'] = 99),
    /\/restingSince must be at most that of arena pool/,
  ],
  [
    'half of what an allocation was',
    (line) => delete line['createdAt'],
    /give the createdAt and the revision/,
  ],
  ['a range that is not one of quanta', (line) => (line['address'] = '17'), /\/(address|size|end)/],
  ['an unknown field', (line) => (line['lease'] = 'x'), /lease/],
])('refuses %s', async (_, change, message) => {
  const changed = lines.map((line) => structuredClone(line));
  change(changed.find(({ type }) => type === 'resting')!);
  const text = `${changed.map((line) => JSON.stringify(line)).join('\n')}\n`;
  await expect(engineOf(text)).rejects.toThrow(message);
});
