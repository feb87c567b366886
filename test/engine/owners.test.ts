/** The tally of what owners hold: what it adds up to, and that a check finds one that is wrong. */
import { expect, test } from 'vitest';
import { Arena } from '../../src/engine/arena.ts';
import { countedOwners, Owners } from '../../src/engine/owners.ts';
import { State } from '../../src/engine/state.ts';
import { plainSettings } from '../../src/engine/tuning.ts';
import { verifyArena } from '../../src/engine/verify.ts';

const limits = { ownerLimit: 10n, ownerLimits: [{ owner: '__proto__', limit: 0n }] };

test('the own limit of an owner comes before that of all', () => {
  const owners = new Owners(limits);
  owners.add('a', 12n, 1);
  expect(['a', 'b', '__proto__', 'constructor'].map((owner) => owners.left(owner))).toEqual([
    0n,
    10n,
    0n,
    10n,
  ]);
  expect(new Owners({}).left('a')).toBeUndefined();
});

test('nobody holds less than nothing, nor something without an allocation', () => {
  const owners = new Owners(limits);
  expect(() => owners.add('a', -1n, -1)).toThrow('gets an allocation first');
  owners.add('a', 5n, 1);
  expect(() => owners.add('a', -4n, -1)).toThrow('holds nothing');
  const others = new Owners(limits);
  others.add('a', 5n, 1);
  expect(() => others.add('a', -5n, 0)).toThrow('holds something');
});

test('a check finds a tally that is wrong, in any way', () => {
  const state = new State();
  const settings = {
    arena: 'a',
    notation: 'decimal',
    width: 64,
    quantum: 1n,
    policy: 'firstfit',
    ...plainSettings,
    ...limits,
  } as const;
  const arena = new Arena(settings, 0, 1, state);
  arena.addSpan({ base: 0n, size: 100n }, false, 1);
  arena.allocate({ base: 0n, size: 10n }, { labels: {}, owner: 'a' }, 1, 0);
  const sentence = 'what owners hold equals a recount';
  expect(verifyArena(state, arena).problems).toEqual([]);
  for (const [owner, size, count] of [
    ['a', 1n, 0],
    ['a', 0n, 1],
    ['b', 1n, 1],
    ['a', -10n, -1],
  ] as const) {
    arena.owners = countedOwners(arena);
    arena.owners.add(owner, size, count);
    expect(verifyArena(state, arena).problems).toEqual([sentence]);
  }
});
