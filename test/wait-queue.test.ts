/**
 * How much work the wait queue does: 10,000 wait, in every way in which that many may, and what is
 * counted for each event is small. What it does with them is compared with brute force in
 * test/model/waiting.test.ts.
 */
import { expect, test, vi } from 'vitest';
import { Random } from './model/random.ts';
import { request, WaitDriver } from './wait-driver.ts';

const count = 10_000;
vi.setConfig({ testTimeout: 60_000 });

/** What an event, or a look at who is next, may cost while so many wait. */
const visitsMax = 1_000;

class Room extends WaitDriver {
  /** Whether it really can't be had is looked at now and then. */
  override wait(...asked: Parameters<WaitDriver['wait']>): void {
    const look = this.queue.size % 50 === 0;
    if (look) expect(this.engine.decide(request(...asked))).toHaveProperty('refused');
    super.wait(...asked);
  }

  /** Holds the cost of every event so far against its bounds. */
  expectLittle(tries: number, turns: number): void {
    expect(this.most.tries).toBeLessThanOrEqual(tries);
    expect(this.most.turns).toBeLessThanOrEqual(turns);
    expect(this.most.visits).toBeLessThanOrEqual(visitsMax);
  }
}

test('equal requests: one is tried for each that is served', () => {
  const room = new Room();
  room.create('a', 200n);
  for (let i = 0n; i < 200n; i++) room.take(1n);
  for (let i = 0; i < count; i++) room.wait('a', 1n);
  for (let i = 0n; i < 200n; i++) room.free(i);
  expect(room.served).toBe(200);
  room.expectLittle(1, 4);
});

test('for room that is too small nobody is tried', () => {
  const room = new Room();
  room.create('a', 4000n);
  for (let i = 0n; i < 2000n; i++) room.take(2n);
  for (let i = 0; i < count; i++) room.wait('a', 3n + BigInt(i % 50));
  for (let i = 0n; i < 2000n; i += 2n) room.free(i * 2n);
  expect([room.served, room.queue.tries]).toEqual([0, 0]);
  room.expectLittle(0, 4);
});

test.each(['growing', 'shrinking', 'random'])('%s sizes', (order) => {
  const count = 3_000;
  const room = new Room();
  const random = new Random(20_260_101);
  room.create('a', 1n << 30n);
  const blocks = 100;
  for (let i = 0; i < blocks; i++) room.take(BigInt(1 + ((i * 37) % count)));
  room.take((1n << 30n) - room.engine.arena('a')!.allocated);
  for (let i = 0; i < count; i++) {
    const size =
      order === 'growing' ? i : order === 'shrinking' ? count - i - 1 : random.int(count);
    room.wait('a', BigInt(1 + size));
  }
  for (const { base } of allocations(room, 'a').slice(0, blocks)) room.free(base);
  expect(room.served).toBeGreaterThan(blocks / 2);
  room.expectLittle(2, 5);
});

test('ten thousand arenas that import from one', () => {
  const room = new Room();
  room.create('pool', 256n * 50n);
  room.create('a', 0n, { source: 'pool' });
  for (let i = 0; i < 50; i++) room.take(256n);
  for (let i = 0; i < count; i++) {
    room.create(`node-${i}`, 0n, { source: 'pool' });
    room.wait(`node-${i}`, 256n, { align: 256n });
  }
  // A hole of the size, but not where it would do.
  room.act({ type: 'resize', at: 0, arena: 'a', address: 0n, size: 128n });
  room.act({ type: 'resize', at: 0, arena: 'a', address: 256n, size: 128n });
  for (let i = 0n; i < 50n; i++) room.free(i * 256n);
  expect(room.served).toBe(50);
  room.expectLittle(1, 4);
});

test('many arenas at their own limits, and one that is not', () => {
  const count = 1_000;
  const room = new Room();
  room.create('pool', BigInt(count) + 64n);
  room.create('a', 0n, { source: 'pool' });
  for (let i = 0; i < 64; i++) room.take(1n);
  for (let i = 0; i < count; i++) {
    room.create(`node-${i}`, 0n, { source: 'pool', limit: 1n });
    room.take(1n, `node-${i}`);
    room.wait(`node-${i}`, 1n);
  }
  for (let i = 0; i < 100; i++) room.wait('a', 1n);
  const before = room.queue.tries;
  for (let i = 0n; i < 64n; i++) room.free(i);
  expect([room.served, room.queue.tries - before]).toEqual([64, 64]);
  room.free(64n, 'node-0');
  expect(room.served).toBe(65);
  room.expectLittle(1, 4);
});

test('one arena at its limit', () => {
  const room = new Room();
  room.create('a', 1000n, { limit: 200n });
  for (let i = 0n; i < 200n; i++) room.take(1n);
  for (let i = 0; i < count; i++) room.wait('a', 1n + BigInt(i % 2));
  for (let i = 0n; i < 200n; i++) room.free(i);
  expect(room.served).toBe(200);
  room.expectLittle(2, 5);
});

test('one owner at its limit, and another that is not', () => {
  const room = new Room();
  room.create('a', 1000n, { ownerLimits: [{ owner: 'ann', limit: 200n }] });
  for (let i = 0n; i < 200n; i++) room.take(1n, 'a', 'ann');
  room.take(800n);
  for (let i = 0; i < count; i++) room.wait('a', 1n + BigInt(i % 2), {}, 'ann');
  room.wait('a', 1n);
  // What another gives back is none of her business, though she came first.
  room.act({ type: 'resize', at: 0, arena: 'a', address: 200n, size: 600n });
  expect(room.served).toBe(1);
  for (let i = 0n; i < 200n; i++) room.free(i);
  expect(room.served).toBe(201);
  room.expectLittle(2, 5);
});

test('ten thousand owners, each at its limit', () => {
  const room = new Room();
  room.create('a', 2n * BigInt(count), { ownerLimit: 1n });
  for (let i = 0; i < count; i++) room.take(1n, 'a', `owner-${i}`);
  for (let i = 0; i < count; i++) room.wait('a', 1n, {}, `owner-${i}`);
  const { tries } = room.queue;
  for (let i = 0n; i < 200n; i++) room.free(i * 7n);
  expect([room.served, room.queue.tries - tries]).toEqual([200, 200]);
  room.expectLittle(1, 4);
});

test('ten thousand addresses, and windows', () => {
  const room = new Room();
  room.create('a', BigInt(count));
  for (let i = 0; i < count; i++) room.take(1n);
  for (let i = 0n; i < count / 2; i++) room.wait('a', 1n, { address: i * 2n });
  for (let i = 0n; i < count / 2; i++) room.wait('a', 1n, { min: i * 2n, max: i * 2n + 1n });
  const random = new Random(20_260_101);
  const addresses = random.shuffle(Array.from({ length: count }, (_, i) => BigInt(i)));
  for (const address of addresses.slice(0, 500)) room.free(address);
  expect(room.served).toBe(500);
  room.expectLittle(2, 6);
});

test('everything is freed, and thousands are served', () => {
  const count = 3_000;
  const room = new Room();
  room.create('a', BigInt(count));
  for (let i = 0; i < count; i++) room.take(1n);
  for (let i = 0; i < count; i++) room.wait('a', 1n, i % 2 === 0 ? {} : { address: BigInt(i) });
  room.act({ type: 'freeAll', at: 0, arena: 'a' });
  expect(room.served).toBeGreaterThan(count / 2);
  room.expectLittle(2, 4);
});

test('what a limit leaves may be enough for the size, and not for the piece that serves it', () => {
  const room = new Room();
  const limit = (most: bigint): void =>
    room.act({ type: 'updateArena', at: 0, arena: 'a', changes: { limit: most } });
  // A slab has four pieces of 16, which serve 13 as well.
  room.create('a', 64n, { quantumCacheMax: 16n });
  room.take(16n);
  limit(29n);
  room.wait('a', 13n);
  limit(32n);
  expect(room.served).toBe(1);
});

test('nor for the quantum of the source that holds it', () => {
  const room = new Room();
  const limit = (most: bigint): void =>
    room.act({ type: 'updateArena', at: 0, arena: 'pool', changes: { limit: most } });
  room.create('pool', 16n, { quantum: 4n, limit: 3n });
  room.create('a', 0n, { source: 'pool' });
  room.wait('a', 3n);
  limit(4n);
  expect(room.served).toBe(1);
});

test('which keeps nobody up who comes by another way', () => {
  const room = new Room();
  room.create('pool', 8n, { quantum: 4n });
  room.create('middle', 0n, { source: 'pool', quantum: 4n, limit: 3n });
  room.create('a', 0n, { source: 'middle' });
  room.create('b', 0n, { source: 'pool' });
  room.take(4n, 'pool');
  room.take(4n, 'pool');
  room.wait('a', 3n);
  room.wait('b', 3n);
  room.free(0n, 'pool');
  expect([room.served, room.engine.arena('b')?.allocated]).toEqual([1, 3n]);
});

test('room that one can’t reach, because its source is narrower, is for the next', () => {
  const room = new Room();
  room.create('pool', 0n, { spans: [{ base: 1n << 40n, size: 1n }] });
  room.create('middle', 1n, { source: 'pool', width: 32 });
  room.create('a', 0n, { source: 'middle' });
  room.create('b', 0n, { source: 'pool' });
  room.take(1n, 'middle');
  room.take(1n, 'pool');
  room.wait('a', 1n);
  room.wait('b', 1n);
  room.free(1n << 40n, 'pool');
  expect([room.served, room.engine.arena('b')?.allocated]).toEqual([1, 1n]);
});

test('who is let in late stands before those who came after it', () => {
  const room = new Room();
  const limit = (arena: string, most: bigint): void =>
    room.act({ type: 'updateArena', at: 0, arena, changes: { limit: most } });
  room.create('top', 3n);
  room.create('pool', 0n, { source: 'top', limit: 1n });
  room.create('a', 0n, { source: 'pool', limit: 1n });
  room.create('b', 0n, { source: 'pool' });
  room.take(1n, 'a');
  room.take(1n, 'top');
  room.take(1n, 'top');
  room.wait('a', 1n);
  room.wait('b', 1n);
  limit('a', 2n);
  const { tries } = room.queue;
  // Now the first of the two alone is tried, in vain, because there is nothing at the top.
  limit('pool', 2n);
  expect([room.served, room.queue.tries - tries]).toEqual([0, 1]);
  room.free(1n, 'top');
  expect(room.engine.arena('a')?.allocated).toBe(2n);
  limit('pool', 3n);
  room.free(2n, 'top');
  expect(room.engine.arena('b')?.allocated).toBe(1n);
});

test('who is tried in vain leaves the smaller ones their turn', () => {
  const room = new Room();
  const holes = 20n;
  room.create('pool', 16n * holes + 1n);
  room.create('a', 0n, { source: 'pool' });
  room.act(request('a', 1n, { address: 0n }));
  // More holes than are looked at one by one, none with an aligned 8, but all with an aligned 4.
  for (let i = 0n; i < holes; i++) {
    room.act(request('pool', 11n, { address: 16n * i + 1n }));
    room.act(request('a', 5n, { address: 16n * i + 12n }));
  }
  room.wait('pool', 8n, { align: 8n });
  room.wait('pool', 4n, { align: 8n });
  room.act({ type: 'freeAll', at: 0, arena: 'pool' });
  expect([room.served, room.queue.tries, room.queue.size]).toEqual([1, 2, 1]);
});

test('whoever leaves costs little, too', () => {
  const room = new Room();
  room.create('a', 1n);
  room.take(1n);
  for (let i = 0; i < count; i++) room.wait('a', 1n);
  let most = 0;
  for (const waiter of room.queue.all()) {
    const before = room.queue.visits;
    room.queue.leave(waiter);
    most = Math.max(most, room.queue.visits - before);
  }
  expect(most).toBeLessThan(visitsMax);
  expect([room.queue.size, room.queue.countIn('a')]).toEqual([0, 0]);
});

function allocations(room: Room, arena: string): { base: bigint }[] {
  const found: { base: bigint }[] = [];
  room.engine.walkAllocations(arena, 0n, ({ address }) => found.push({ base: address }) > 0);
  return found;
}
