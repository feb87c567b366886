/**
 * The deterministic simulation: engine, sequencer and recovery over a journal that fails,
 * thousands of lives a second, with no clock, no file and no thread. A round is a seed: a few
 * arenas, bounds of the sequencer, and several lives on one disk, each ended at a moment that the
 * seed chose. After each the service is recovered from the disk and held against the oracle.
 *
 * The same seed gives the same round: the only scheduler is this loop, and promises and turns of
 * the loop run in the order in which they were made.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { policies, widths } from '../../src/engine/command.ts';
import type { SingleCommand } from '../../src/engine/decide.ts';
import { Engine } from '../../src/engine/engine.ts';
import { RecoveryError } from '../../src/journal/recovery-error.ts';
import { recover } from '../../src/journal/recovery.ts';
import { nextCommand, tick } from '../model/orders.ts';
import { Random } from '../model/random.ts';
import { setUp } from '../model/shape.ts';
import { Disk } from './disk.ts';
import { Life, type Bounds } from './life.ts';
import { Oracle } from './oracle.ts';
import { realParts, type Parts } from './parts.ts';
import { noTotals, type Ending, type Totals } from './totals.ts';
import { Violation } from './violation.ts';

export interface SimulationOptions {
  /** Round n of a run has the seed `seed + n`, so that any round can be replayed as the first. */
  readonly seed: number;
  readonly rounds: number;
  /** Called after every round; `true` ends the simulation. */
  readonly onProgress?: (totals: Totals) => boolean | undefined;
  readonly parts?: Parts;
}

/** Runs the rounds. Rejects with {@link Violation} at the first fault, with how to replay it. */
export async function runSimulation(options: SimulationOptions): Promise<Totals> {
  const { seed, rounds, onProgress, parts = realParts } = options;
  const totals = noTotals();
  for (let round = 0; round < rounds; round++) {
    const own = seed + round;
    try {
      await new Round(own, parts, totals).run();
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      const replay = `VMEMD_SEED=${own} VMEMD_ROUNDS=1 npm test -- test/simulation`;
      throw new Violation(`seed ${own}: ${message}; replay: ${replay}`, { cause });
    }
    totals.rounds++;
    if (onProgress?.(totals) === true) break;
  }
  return totals;
}

/** Small worlds: what matters here is when things happen, and every state is compared in full. */
const shapes = ['single', 'adjacentSpans', 'imports2', 'imports3', 'caches', 'cachesAndImports'];
/** Blocks of an arena above which mostly frees are drawn. */
const crowd = 10;
const livesMax = 8;
const stepsMax = 20;

const endingWeights: Readonly<Record<Ending, number>> = {
  crash: 20,
  crashStored: 15,
  crashAnswering: 15,
  crashQuiet: 5,
  fenced: 8,
  unknownStored: 8,
  unknownLost: 8,
  thrownStored: 4,
  thrownLost: 4,
  bug: 5,
  close: 8,
};

const stepWeights = {
  command: 50,
  read: 12,
  turn: 18,
  acknowledge: 16,
  store: 4,
  checkpoint: 12,
  trim: 6,
};

class Round {
  readonly #random: Random;
  readonly #parts: Parts;
  readonly #totals: Totals;
  readonly #disk = new Disk();
  readonly #oracle = new Oracle();
  /** Creates the arenas; what a crash has undone is asked for again. */
  readonly #begin: readonly SingleCommand[];
  readonly #bounds: Bounds;
  /** Commands so far: the time of the next one. */
  #step = 0;

  constructor(seed: number, parts: Parts, totals: Totals) {
    this.#random = new Random(seed, 'simulation');
    this.#parts = parts;
    this.#totals = totals;
    const random = this.#random;
    const quantum = random.pick([1n, 16n, 4096n]);
    const setting = { policy: random.pick(policies), width: random.pick(widths), quantum };
    this.#begin = setUp(random.pick(shapes) as 'single', setting, random);
    this.#bounds = {
      queueMax: random.pick([1, 3, 8, 20, 10_000, 10_000]),
      groupRecordsMax: random.pick([1, 2, 3, 1000, 1000]),
      groupCharactersMax: random.pick([1, 500, 4 << 20, 4 << 20]),
    };
  }

  async run(): Promise<void> {
    const lives = 2 + this.#random.int(livesMax - 1);
    for (let life = 0; life < lives; life++) {
      const running = await this.#start();
      const steps = this.#random.int(stepsMax);
      for (let step = 0; step < steps; step++) await this.#act(running);
      await this.#end(running);
    }
    await this.#start();
  }

  /** Recovers from the disk. */
  async #start(): Promise<Life> {
    const engine = new Engine();
    const journal = this.#parts.journal(this.#disk);
    try {
      const { checkpoint } = await recover(journal, engine);
      if (checkpoint > 0) this.#totals.restored++;
    } catch (error) {
      if (!(error instanceof RecoveryError)) throw error;
      throw new Violation(`recovery refuses: ${error.code}: ${error.message}`, { cause: error });
    }
    const { revision } = this.#oracle;
    const thorough = this.#random.chance(0.05);
    this.#oracle.recovered(engine, this.#disk, thorough, this.#now());
    this.#totals.lost += revision - engine.revision;
    const rest = { parts: this.#parts, bounds: this.#bounds, totals: this.#totals };
    return new Life(engine, journal, this.#oracle, rest);
  }

  async #act(life: Life): Promise<void> {
    const { journal } = life;
    switch (this.#random.weighted(stepWeights)) {
      case 'command':
        return life.execute(this.#command());
      case 'read':
        return life.read();
      case 'turn':
        return life.turn();
      case 'acknowledge':
        return journal.appending ? journal.acknowledge() : life.turn();
      case 'store':
        return journal.appending ? journal.store() : life.turn();
      case 'checkpoint':
        for (let left = this.#random.int(8); left > 0; left--) {
          this.#totals.checkpointSteps++;
          await life.checkpointer.step();
        }
        return;
      case 'trim':
        return life.checkpointer.trim();
    }
  }

  async #end(life: Life): Promise<void> {
    // Some die while they are stopping.
    if (this.#random.chance(0.1)) life.close();
    const ending = this.#random.weighted(endingWeights);
    this.#totals.endings[ending]++;
    await this.#endBy(ending, life);
    life.end();
    // What a dead process still has in its hands runs out here, and must touch nothing.
    await turn();
  }

  async #endBy(ending: Ending, life: Life): Promise<void> {
    const { journal } = life;
    switch (ending) {
      case 'crash':
        return;
      case 'crashStored':
        if (await life.untilAppending()) journal.store();
        return;
      case 'crashAnswering':
        if (!(await life.untilAppending())) return;
        life.dieAfter(this.#random.int(4));
        journal.acknowledge();
        return life.turn();
      case 'crashQuiet':
        return life.settle();
      case 'fenced':
        return this.#fail(life, false, 'fenced');
      case 'unknownStored':
        return this.#fail(life, true, 'unknown');
      case 'unknownLost':
        return this.#fail(life, false, 'unknown');
      case 'thrownStored':
        return this.#fail(life, true, new Error('a bug in the journal'));
      case 'thrownLost':
        return this.#fail(life, false, new Error('a bug in the journal'));
      case 'bug':
        await life.strike(this.#command());
        return this.#askInVain(life);
      case 'close':
        if (life.serving) life.close();
        this.#askInVain(life);
        return life.closed();
    }
  }

  async #fail(life: Life, stored: boolean, outcome: 'fenced' | 'unknown' | Error): Promise<void> {
    if (!(await life.untilAppending())) return;
    if (stored) life.journal.store();
    // One that is fenced off has written nothing.
    await life.fail(outcome === 'fenced' && life.journal.stored ? 'unknown' : outcome);
    this.#askInVain(life);
    await life.turn();
  }

  /** A service that has failed or is stopping takes nothing more; one that has not, does. */
  #askInVain(life: Life): void {
    life.read();
    life.execute(this.#command());
  }

  #command(): SingleCommand {
    const at = this.#now();
    this.#step++;
    const { model } = this.#oracle;
    const missing = this.#begin.find((one) => 'arena' in one && !model.arenas.has(one.arena));
    if (missing !== undefined && (model.arenas.size === 0 || this.#random.chance(0.7))) {
      return { ...missing, at };
    }
    return nextCommand(model, this.#random, at, crowd);
  }

  #now(): number {
    return this.#step * tick;
  }
}
