/** Deadlines of leases, and their end, against a clock and a journal that the test moves. */
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { DeadlineHeap } from '../src/deadline-heap.ts';
import { Deadlines } from '../src/deadlines.ts';
import type { Command } from '../src/engine/command.ts';
import { Engine } from '../src/engine/engine.ts';
import { plainSettings } from '../src/engine/tuning.ts';
import { decode } from '../src/journal/record.ts';
import { LeaseTimer } from '../src/lease-timer.ts';
import { Sequencer } from '../src/sequencer.ts';
import { MemoryJournal } from './journal/memory-journal.ts';
import { reborn } from './model/checkpoint.ts';

test('a heap gives owners in the order of their deadlines, however they were moved', () => {
  const moves = fc.array(fc.tuple(fc.nat({ max: 40 }), fc.nat({ max: 99 })), { maxLength: 200 });
  fc.assert(
    fc.property(moves, fc.nat({ max: 30 }), (list, taken) => {
      const heap = new DeadlineHeap();
      const naive = new Map<number, number>();
      for (const [owner, deadline] of list) {
        heap.set(owner + 1, deadline);
        naive.set(owner + 1, deadline);
      }
      const early = [...heap.early(5)].map((owner) => naive.get(owner));
      expect(early).toEqual([...naive.values()].toSorted((a, b) => a - b).slice(0, 5));
      for (let i = 0; i < taken && naive.size > 0; i++) {
        expect(heap.first).toBe(Math.min(...naive.values()));
        const { owner, deadline } = heap.take();
        expect(deadline).toBe(naive.get(owner));
        expect(deadline).toBe(Math.min(...naive.values()));
        naive.delete(owner);
      }
      expect(heap.count).toBe(naive.size);
      expect(heap.first).toBe(naive.size === 0 ? undefined : Math.min(...naive.values()));
    }),
  );
});

let engine: Engine;
let journal: MemoryJournal;
let sequencer: Sequencer;
let now: number;

beforeEach(() => begin());

function begin(queueMax?: number): void {
  now = 0;
  engine = new Engine();
  resume(queueMax);
}

/** With what the engine holds by now. */
function resume(queueMax?: number): void {
  journal = new MemoryJournal();
  journal.automatic = true;
  sequencer = new Sequencer(engine, journal, {
    onFailure: () => undefined,
    now: () => now,
    ...(queueMax !== undefined && { queueMax }),
  });
}

type Plain<T> = T extends unknown ? Omit<T, 'at'> : never;

async function perform(command: Plain<Command>): Promise<void> {
  const outcome = await sequencer.execute({ ...command, at: 0 } as Command, () => undefined);
  expect(outcome).not.toHaveProperty('refused');
}

function pods(): Promise<void> {
  return perform({
    type: 'createArena',
    arena: 'pods',
    notation: 'decimal',
    width: 64,
    quantum: 1n,
    policy: 'firstfit',
    ...plainSettings,
    spans: [{ base: 0n, size: 1n << 40n }],
  });
}

function create(lease: string, ttlSeconds: number): Promise<void> {
  return perform({ type: 'createLease', lease, ttlSeconds, labels: {} });
}

function alloc(more: object): Promise<void> {
  const plain = { type: 'alloc', arena: 'pods', size: 1n, constraint: {}, labels: {} } as const;
  return perform({ ...plain, ...more });
}

function leases(): string[] {
  const ids: string[] = [];
  engine.walkLeases('', ({ id }) => ids.push(id) > 0);
  return ids;
}

/** Ids by the records that ended them. */
function ends(): string[][] {
  const events = journal.stored.map(({ body }) => decode(body));
  return events
    .filter((event) => event.type === 'leasesEnded')
    .map(({ ended }) => ended.map(({ lease }) => lease));
}

describe('deadlines', () => {
  test('come in their order, whichever way the time began', async () => {
    await pods();
    await create('c', 30);
    await create('a', 10);
    await alloc({ lease: 'b', ttlSeconds: 20 });
    now = 5_000;
    await perform({ type: 'renewLease', lease: 'a' });
    await perform({ type: 'renewLease', lease: 'c', ttlSeconds: 7 });
    const { deadlines } = sequencer;
    expect(deadlines.next).toBe(7_000);
    now = 12_000;
    expect(deadlines.take(100)).toEqual(['c']);
    expect(deadlines.take(100)).toEqual([]);
    deadlines.giveBack(['c']);
    now = 60_000;
    expect(deadlines.take(100)).toEqual(['c', 'a', 'b']);
  });

  test('are those of the last lease by a number', async () => {
    await pods();
    for (let i = 0; i < 50; i++) {
      await alloc({ lease: `brief-${i}`, ttlSeconds: 1_000 + i });
      await perform({ type: 'free', arena: 'pods', address: 0n });
    }
    await create('last', 2_000);
    expect(sequencer.deadlines.next).toBe(2_000_000);
    now = 1_500_000;
    expect(sequencer.deadlines.take(100)).toEqual([]);
    now = 2_000_000;
    expect(sequencer.deadlines.take(100)).toEqual(['last']);
    expect(sequencer.deadlines.next).toBeUndefined();
  });

  test('of a batch are set when all of it is granted, by a record of its own or none', async () => {
    await pods();
    await create('a', 10);
    await create('b', 10);
    const renewal = (lease: string) => ({
      command: { type: 'renewLease', lease } as const,
      references: [],
    });
    now = 4_000;
    const refused = await sequencer.execute(
      { type: 'batch', at: 0, operations: [renewal('a'), renewal('none')], piecesMax: 0 },
      () => undefined,
    );
    expect(refused).toMatchObject({ refused: 'lease-not-found', operation: 1 });
    expect(sequencer.deadlines.next).toBe(6_000);
    const records = journal.stored.length;
    await perform({ type: 'batch', operations: [renewal('a'), renewal('b')], piecesMax: 0 });
    expect(journal.stored).toHaveLength(records);
    expect(sequencer.deadlines.next).toBe(10_000);
    const block = { type: 'alloc', arena: 'pods', size: 1n, constraint: {}, labels: {} } as const;
    const own = { command: { ...block, lease: 'c', ttlSeconds: 1 }, references: [] };
    await perform({ type: 'batch', operations: [renewal('a'), own, renewal('b')], piecesMax: 0 });
    expect(journal.stored).toHaveLength(records + 1);
    expect(sequencer.deadlines.next).toBe(1_000);
  });

  test('are all full again after a restart', async () => {
    await pods();
    await create('a', 10);
    await alloc({ lease: 'b', ttlSeconds: 20 });
    now = 9_000;
    const later = new Deadlines(reborn(engine), () => now);
    now = 18_999;
    expect(later.take(10)).toEqual([]);
    now = 19_000;
    expect(later.take(10)).toEqual(['a']);
    expect(later.next).toBe(10_000);
  });
});

describe('the timer', () => {
  test('ends nothing early, and everything that is due in order', async () => {
    await pods();
    for (const [i, id] of ['d', 'b', 'c', 'a'].entries()) await create(id, 10 + i);
    const timer = new LeaseTimer(sequencer);
    now = 9_999;
    await timer.look();
    expect(ends()).toEqual([]);
    now = 12_000;
    await timer.look();
    expect(ends()).toEqual([['d', 'b', 'c']]);
    expect(leases()).toEqual(['a']);
    expect(sequencer.deadlines.expired).toBe(3);
  });

  test('lets others in between where many are due, and waits for the disk', async () => {
    const count = 9_000;
    const id = (i: number) => `${1e6 + i}`;
    for (let i = 0; i < count; i++) {
      const terms = { lease: id(i), ttlSeconds: i < count - 1 ? 10 : 11, labels: {} };
      engine.apply({ type: 'leaseCreated', at: 0, ...terms }, engine.revision + 1);
    }
    resume();
    journal.automatic = false;
    now = 11_000;
    const timer = new LeaseTimer(sequencer);
    const done = timer.look();
    for (let turns = 0; turns < 200; turns++) await turn();
    // With a disk that does nothing, few of them are on their way, and others can be asked for.
    const waiting = sequencer.waiting;
    expect(waiting).toBeGreaterThan(1);
    expect(waiting).toBeLessThan(100);
    const renewed = sequencer.execute({ type: 'renewLease', at: 0, lease: id(count - 1) }, (then) =>
      then.lease(id(count - 1)),
    );
    journal.automatic = true;
    journal.complete();
    await done;
    expect(await renewed).toMatchObject({ value: { id: id(count - 1) } });
    expect(leases()).toEqual([id(count - 1)]);
    for (const ended of ends()) expect(ended.length).toBeLessThanOrEqual(128);
    expect(ends().flat()).toHaveLength(count - 1);
  });

  test('comes back for what the queue had no room for', async () => {
    begin(2);
    await pods();
    await create('a', 10);
    await create('b', 20);
    journal.automatic = false;
    now = 10_000;
    const more = [create('c', 100), create('d', 100)];
    const timer = new LeaseTimer(sequencer);
    await timer.look();
    expect(leases()).toEqual(['a', 'b', 'c', 'd']);
    journal.automatic = true;
    journal.complete();
    await Promise.all(more);
    await timer.look();
    expect(leases()).toEqual(['b', 'c', 'd']);
  });

  test('stops', async () => {
    await pods();
    await create('a', 10);
    now = 10_000;
    const timer = new LeaseTimer(sequencer);
    timer.start();
    timer.stop();
    await timer.look();
    expect(leases()).toEqual(['a']);
  });
});
