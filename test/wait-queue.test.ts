/**
 * How much work the wait queue does: 10,000 wait, in every way in which that many may, and what is
 * counted for each event is small. What it does with them is compared with brute force in
 * test/model/waiting.test.ts.
 */
import { expect, test, vi } from 'vitest';
import type { Alloc, At, Command, CreateArena } from '../src/engine/command.ts';
import { Engine } from '../src/engine/engine.ts';
import type { Event } from '../src/engine/event.ts';
import { WaitQueue } from '../src/wait-queue.ts';
import { Random } from './model/random.ts';

const count = 10_000;
vi.setConfig({ testTimeout: 60_000 });

/** What an event, or a look at who is next, may cost while so many wait. */
const visitsMax = 1_000;

class Room {
  readonly engine = new Engine();
  readonly queue = new WaitQueue<undefined>(this.engine);
  /** The most that one event cost, with all grants that came of it, by grants. */
  readonly most = { tries: 0, turns: 0, visits: 0 };
  served = 0;

  create(arena: string, size: bigint, more: Partial<CreateArena> = {}): void {
    this.act({
      type: 'createArena',
      at: 0,
      arena,
      notation: 'decimal',
      width: 64,
      quantum: 1n,
      policy: 'firstfit',
      largeImport: false,
      keepSpans: 0,
      releaseAfterSeconds: 0,
      quantumCacheMax: 0n,
      labels: {},
      spans: size === 0n ? [] : [{ base: 0n, size }],
      ...more,
    });
  }

  take(size: bigint, arena = 'a'): void {
    this.act(request(arena, size));
  }

  free(address: bigint, arena = 'a'): void {
    this.act({ type: 'free', at: 0, arena, address });
  }

  /** Asks for what can't be had now; whether that is so is looked at now and then. */
  wait(arena: string, size: bigint, constraint: Alloc['constraint'] = {}): void {
    const command = request(arena, size, constraint);
    const look = this.queue.size % 50 === 0;
    if (look) expect(this.engine.decide(command)).toHaveProperty('refused');
    this.queue.enter(command, undefined);
  }

  /** Applies an event and serves whom it can; notes what that cost. */
  act(command: Command): void {
    const event = this.engine.decide(command);
    if ('refused' in event) throw new Error(event.detail);
    const { tries, turns, visits } = this.queue;
    const before = this.served;
    this.#apply(event);
    while (this.queue.busy) {
      const found = this.queue.next(0);
      if (found === undefined) continue;
      this.served += 1;
      this.queue.leave(found.waiter);
      this.#apply(found.event as Event);
    }
    const steps = this.served - before + 1;
    const { most } = this;
    most.tries = Math.max(most.tries, (this.queue.tries - tries) / steps);
    most.turns = Math.max(most.turns, (this.queue.turns - turns) / steps);
    most.visits = Math.max(most.visits, (this.queue.visits - visits) / steps);
  }

  /** Holds the cost of every event so far against its bounds. */
  expectLittle(tries: number, turns: number): void {
    expect(this.most.tries).toBeLessThanOrEqual(tries);
    expect(this.most.turns).toBeLessThanOrEqual(turns);
    expect(this.most.visits).toBeLessThanOrEqual(visitsMax);
  }

  #apply(event: Event): void {
    this.engine.apply(event, this.engine.revision + 1);
    this.queue.note(event);
  }
}

function request(arena: string, size: bigint, constraint: Alloc['constraint'] = {}): At<Alloc> {
  const type = Object.keys(constraint).length > 0 ? 'xalloc' : 'alloc';
  return { type, at: 0, arena, size, constraint, labels: {} };
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
  const room = new Room();
  const random = new Random(20_260_101);
  room.create('a', 1n << 30n);
  const blocks = 300;
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

test('ten thousand arenas at their own limits, and one that is not', () => {
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

test('everything is freed, and ten thousand are served', () => {
  const room = new Room();
  room.create('a', BigInt(count));
  for (let i = 0; i < count; i++) room.take(1n);
  for (let i = 0; i < count; i++) room.wait('a', 1n, i % 2 === 0 ? {} : { address: BigInt(i) });
  room.act({ type: 'freeAll', at: 0, arena: 'a' });
  expect(room.served).toBeGreaterThan(count / 2);
  room.expectLittle(2, 4);
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
