/**
 * The wait queue against the rule it stands for, by brute force: after every event, of all that wait
 * in the order of their arrival, the first that the engine would grant now is served, and so on until
 * it would grant none. Random commands, in the shapes of arenas of the other model tests and in trees
 * of arenas with limits, of owners too. `VMEMD_SEED` replays or varies a run, `VMEMD_STEPS` sets the number of
 * commands in all.
 */
import { describe, expect, test } from 'vitest';
import { policies, type At, type Batch } from '../../src/engine/command.ts';
import type { SingleCommand } from '../../src/engine/decide.ts';
import { Engine } from '../../src/engine/engine.ts';
import { changes, type Event } from '../../src/engine/event.ts';
import { WaitQueue, type Waiter } from '../../src/wait-queue.ts';
import { judgeBatch, nextBatch, type SingleOutcome } from './batch.ts';
import { Model } from './model.ts';
import { newLease, nextCommand, tick } from './orders.ts';
import { owners } from './owner.ts';
import { Random } from './random.ts';
import { createArena, crowdOf, setUp, shapes, type Setting, type Shape } from './shape.ts';

const seed = Number(process.env['VMEMD_SEED'] ?? 20_260_101);
const quanta = [1n, 16n];
/** The trees most of all: that is where waiting differs from asking again. */
const trees = Array.from({ length: 10 }, () => 'tree' as const);
const settings = [...shapes, ...trees];
const stepsInAll = Number(process.env['VMEMD_STEPS'] ?? 2_400);
const steps = Math.ceil(stepsInAll / settings.length);
/** Requests that wait at a time; a few ask for much the same, so that they are rivals. */
const waitersMax = 40;

/** Whatever the room, there is nothing to wait for. */
const letGoCodes = [
  'lease-not-found',
  'lease-full',
  'band-not-found',
  'band-required',
  'external-id-taken',
];

class Session {
  readonly engine = new Engine();
  readonly queue = new WaitQueue<undefined>(this.engine);
  readonly model = new Model();
  readonly random: Random;
  /** Those who wait, in the order of arrival. */
  waiting: Waiter<undefined>[] = [];
  served = 0;
  servedByImport = 0;
  /** Those whose owner has a limit. */
  servedOwners = 0;
  letGo = 0;

  constructor(random: Random) {
    this.random = random;
  }

  act(command: SingleCommand, mayWait: boolean): void {
    const outcome = this.engine.decide(command) as SingleOutcome;
    if (!('refused' in outcome)) {
      this.#apply(command, outcome);
      this.#serve(command.at);
      return;
    }
    if (!mayWait || (command.type !== 'alloc' && command.type !== 'xalloc')) return;
    if (!['exhausted', 'taken', 'limit-exceeded'].includes(outcome.refused)) return;
    if (this.waiting.length >= waitersMax) this.#leave(this.random.pick(this.waiting));
    this.waiting.push(this.queue.enter(command, undefined));
  }

  batch(batch: At<Batch>): void {
    const { complaint, outcome } = judgeBatch(this.engine, this.model, batch);
    expect(complaint).toBeUndefined();
    if ('refused' in outcome || !changes(outcome)) return;
    expect(this.queue.note(outcome)).toEqual([]);
    this.#serve(batch.at);
  }

  /** Repeats what somebody waits for, a little larger or smaller, or one that leaves. */
  crowd(at: number): void {
    if (this.waiting.length === 0) return;
    const { command } = this.random.pick(this.waiting);
    if (this.random.chance(0.2)) return this.#leave(this.random.pick(this.waiting));
    const size = command.size + this.random.pick([0n, 0n, 1n, -1n, 2n]);
    // Of a lease that is made, every request makes its own.
    const lease = command.ttlSeconds === undefined ? {} : { lease: newLease(this.random) };
    const seed = this.random.bits();
    const owner = this.random.chance(0.5) ? { owner: this.random.pick(owners) } : {};
    this.act({ ...command, ...lease, ...owner, at, size: size < 1n ? 1n : size, seed }, true);
  }

  /**
   * Takes what is free at the top of a tree, or lets go of some of it: whoever waits below for that is
   * served by an import.
   */
  press(at: number): void {
    const top = this.model.arenas.get(root);
    if (top === undefined) return;
    const free = top.largestFree();
    const own = top.held.filter(({ importedBy }) => importedBy === undefined);
    if (own.length > 0 && (free === 0n || this.random.chance(0.4))) {
      this.act({ type: 'free', at, arena: root, address: this.random.pick(own).base }, false);
    } else if (free > 0n) {
      const size = this.random.chance(0.5) ? free : this.random.magnitude(free);
      const seed = this.random.bits();
      this.act({ type: 'alloc', at, arena: root, size, constraint: {}, labels: {}, seed }, false);
    }
  }

  #apply(command: SingleCommand, event: SingleOutcome & Event): void {
    if (changes(event)) this.engine.apply(event, this.engine.revision + 1);
    expect(this.model.judge(command, event)).toBeUndefined();
    const gone = this.waiting.filter(
      ({ command: { arena } }) => this.engine.arena(arena) === undefined,
    );
    expect(this.queue.note(event)).toEqual(gone);
    this.waiting = this.waiting.filter((waiter) => !gone.includes(waiter));
  }

  #serve(at: number): void {
    for (;;) {
      const expected = this.#expected(at);
      const found = this.#next(at);
      const waiter = found?.waiter;
      const told = `${show(waiter)} is served, must be ${show(expected)}`;
      expect(waiter?.arrival, told).toBe(expected?.arrival);
      if (found === undefined || waiter === undefined) break;
      const event = found.event as SingleOutcome & Event;
      this.served += 1;
      if (event.type === 'allocated' && event.imported.length > 0) this.servedByImport += 1;
      if (waiter.levels[0]?.owner !== undefined) this.servedOwners += 1;
      this.#leave(waiter);
      this.#apply({ ...waiter.command, at }, event);
    }
    expect(this.queue.size).toBe(this.waiting.length);
  }

  /** Who is served next; those whose lease or band is no more are let go on the way. */
  #next(at: number): ReturnType<WaitQueue<undefined>['next']> {
    for (;;) {
      const found = this.queue.next(at);
      if (found === undefined && this.queue.busy) continue;
      if (found === undefined || !('refused' in found.event)) return found;
      const { refused } = found.event;
      expect(this.engine.decide({ ...found.waiter.command, at })).toMatchObject({ refused });
      expect(letGoCodes).toContain(refused);
      this.letGo += 1;
      this.#leave(found.waiter);
    }
  }

  #expected(at: number): Waiter<undefined> | undefined {
    return this.waiting.find(
      ({ command }) => !('refused' in this.engine.decide({ ...command, at })),
    );
  }

  #leave(waiter: Waiter<undefined>): void {
    this.queue.leave(waiter);
    this.waiting = this.waiting.filter((other) => other !== waiter);
  }
}

function show(waiter: Waiter<undefined> | undefined): string {
  return JSON.stringify(waiter?.command ?? 'nobody', (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}` : value,
  );
}

/** The arena at the top of a tree. */
const root = 'd';

/** Some levels of arenas, several to a source, most of them with limits. */
function tree(setting: Setting, random: Random): SingleCommand[] {
  const { quantum: q } = setting;
  const names = [root, 'c', 'b', 'a', 'e', 'f', 'g'];
  const mixed = random.chance(0.3);
  const commands: SingleCommand[] = [];
  for (const [index, name] of names.entries()) {
    const quantum = mixed && name !== 'a' ? q * random.pick([1n, 1n, 4n]) : q;
    const source = index === 0 ? undefined : random.pick(names.slice(0, Math.min(index, 3)));
    const size = q * BigInt(32 + random.int(200));
    commands.push(
      createArena(
        name,
        { ...setting, policy: random.pick(policies), quantum },
        {
          spans: index === 0 ? [{ base: 0n, size: size - (size % quantum) }] : [],
          keepSpans: random.pick([0, 0, 0, 1]),
          largeImport: random.chance(0.2),
          ...(random.chance(0.3) ? { importSize: quantum * BigInt(1 + random.int(16)) } : {}),
          ...(random.chance(0.5) ? { limit: q * BigInt(1 + random.int(100)) } : {}),
          ...(random.chance(0.7) ? { ownerLimit: q * BigInt(1 + random.int(32)) } : {}),
          ...(random.chance(0.2) ? { quantumCacheMax: quantum * 4n } : {}),
          ...(source === undefined ? {} : { source }),
        },
      ),
    );
  }
  return commands;
}

function run(shape: Shape | 'tree', quantum: bigint, label: string): Session {
  const random = new Random(seed, `waiting ${label}`);
  const session = new Session(random);
  const setting: Setting = { policy: random.pick(policies), width: 64, quantum };
  const commands = shape === 'tree' ? tree(setting, random) : setUp(shape, setting, random);
  for (const command of commands) session.act(command, false);
  const crowd = shape === 'tree' ? 12 : crowdOf(shape);
  for (let step = 0; step < steps; step++) {
    const at = step * tick;
    try {
      if (shape === 'tree' && random.chance(0.25)) session.press(at);
      else if (random.chance(0.25)) session.crowd(at);
      else if (random.chance(0.02)) session.batch(nextBatch(session.model, random, at, crowd));
      else session.act(nextCommand(session.model, random, at, crowd), random.chance(0.8));
    } catch (error) {
      const replay = `VMEMD_SEED=${seed} VMEMD_STEPS=${stepsInAll} npm test -- waiting.test -t '${shape}'`;
      throw new Error(`step ${step} of ${label}: ${(error as Error).message}\nreplay: ${replay}`, {
        cause: error,
      });
    }
  }
  return session;
}

describe('who is served is who came first of those who could be', () => {
  const inAll = { served: 0, servedByImport: 0, servedOwners: 0, letGo: 0 };
  test.each([...settings.entries()])('%i %s', { timeout: 600_000 }, (index, shape) => {
    const quantum = quanta[index % quanta.length]!;
    const { served, servedByImport, servedOwners, letGo } = run(
      shape,
      quantum,
      `${index} ${shape} ${quantum}`,
    );
    inAll.served += served;
    inAll.servedByImport += servedByImport;
    inAll.servedOwners += servedOwners;
    inAll.letGo += letGo;
  });
  test('and many were', () => {
    expect(inAll.served).toBeGreaterThan(stepsInAll / 100);
    expect(inAll.servedByImport).toBeGreaterThan(stepsInAll / 300);
    expect(inAll.servedOwners).toBeGreaterThan(stepsInAll / 500);
    // In a short run there may be none.
    expect(inAll.letGo).toBeGreaterThanOrEqual(Math.floor(stepsInAll / 20_000));
  });
});
