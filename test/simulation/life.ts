/**
 * One life of a simulated service, from a start to the moment it ends: by a crash, a failure of
 * its journal, a bug, or in order. The sequencer and the engine are the real ones; there is no
 * clock and no I/O. Whatever is asked is followed to its answer, and every answer is held against
 * what the disk had at that very moment.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { SingleCommand } from '../../src/engine/decide.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { changes, type Event } from '../../src/engine/event.ts';
import { encode } from '../../src/journal/record.ts';
import {
  Busy,
  JournalUnavailable,
  type Outcome,
  type Sequencer,
  type SequencerOptions,
} from '../../src/sequencer.ts';
import type { SingleOutcome } from '../model/batch.ts';
import type { Checkpointer } from './checkpointer.ts';
import type { FaultyJournal } from './faulty-journal.ts';
import type { Oracle } from './oracle.ts';
import type { Parts } from './parts.ts';
import type { Totals } from './totals.ts';
import { Violation } from './violation.ts';

/** Bounds so small that they are met all the time, or the defaults. */
export type Bounds = Omit<SequencerOptions, 'onFailure'>;

interface Asked {
  readonly what: string;
  /** The revision whose durability the answer has to wait for. */
  readonly seen: number;
  /** The queue was full. */
  readonly full: boolean;
  /** The service had stopped, or was stopping. */
  readonly late: boolean;
  readonly applied: boolean;
  readonly expected: string;
  settled: boolean;
}

/** What the injected bug throws. */
class Bug extends Error {
  override name = 'Bug';
}

/** Turns after which a service that has everything it needs must have answered. */
const turnsMax = 200;

export class Life {
  readonly engine: Engine;
  readonly journal: FaultyJournal;
  readonly sequencer: Sequencer;
  readonly checkpointer: Checkpointer;
  readonly #oracle: Oracle;
  readonly #totals: Totals;
  readonly #queueMax: number;
  readonly #asked: Asked[] = [];
  /** What goes wrong in a callback of a promise is told at the next turn. */
  #violation: Violation | undefined;
  #failures = 0;
  /** The append that failed was told so, and its group is not on the disk. */
  #fenced = false;
  #closing: Promise<void> | undefined;
  #closed = false;
  #dead = false;
  #answersLeft = Infinity;
  /** Revisions whose clients were told that nothing was done. */
  readonly #denied: number[] = [];

  constructor(
    engine: Engine,
    journal: FaultyJournal,
    oracle: Oracle,
    { parts, bounds, totals }: { parts: Parts; bounds: Bounds; totals: Totals },
  ) {
    this.engine = engine;
    this.journal = journal;
    this.#oracle = oracle;
    this.#totals = totals;
    this.checkpointer = parts.checkpointer(journal.disk);
    this.#queueMax = bounds.queueMax ?? Infinity;
    const onFailure = (): void => void this.#failures++;
    // Not the machine's clock: the same seed has to be the same run. It goes on whenever it is read.
    let ms = 0;
    this.sequencer = parts.sequencer(engine, journal, { ...bounds, onFailure, now: () => ++ms });
  }

  /** Whether it answers: it has not failed, and nobody has asked it to stop. */
  get serving(): boolean {
    return this.#failures === 0 && this.#closing === undefined;
  }

  /** Asks for a change; with `bug`, the making of the answer throws. */
  execute(command: SingleCommand, bug = false): void {
    const { serving, full } = this;
    const before = this.engine.revision;
    const decided = this.engine.decide(command);
    // Renewing a lease for the time that it has is answered, and changes nothing.
    const changing = 'refused' in decided || changes(decided);
    const next = before + Number(changing);
    let applied: Event | undefined;
    const promise = this.sequencer.execute(command, (engine, event, revision) => {
      applied = event;
      if (revision !== next || engine.revision !== revision) this.#violate('revision skipped');
      if (bug && changing) throw new Bug('the answer cannot be made');
      return textOf(event);
    });
    // Followed only below, after checks that may throw.
    promise.catch(() => undefined);
    const answered = applied !== undefined;
    const changed = answered && changing;
    if (answered !== (serving && !full && !('refused' in decided))) {
      throw new Violation(`${command.type} was ${answered ? '' : 'not '}answered`);
    }
    if (this.engine.revision !== before + Number(changed)) {
      throw new Violation(`${command.type} left the engine at ${this.engine.revision}`);
    }
    this.#oracle.judge(command, (applied ?? decided) as SingleOutcome, changed);
    this.#totals.commands++;
    this.#follow(promise, {
      what: command.type,
      seen: this.engine.revision,
      full,
      late: !serving,
      applied: changed,
      expected: textOf(decided),
      settled: false,
    });
  }

  /** Asks for a view of the state. */
  read(): void {
    const { serving, full } = this;
    const { revision } = this.engine;
    const promise = this.sequencer.read((engine) => `state ${engine.revision}`);
    this.#totals.reads++;
    this.#follow(promise, {
      what: 'read',
      seen: revision,
      full,
      late: !serving,
      applied: false,
      expected: `state ${revision}`,
      settled: false,
    });
  }

  get full(): boolean {
    return this.sequencer.waiting >= this.#queueMax;
  }

  /** Lets everything run that is ready to. */
  async turn(): Promise<void> {
    await turn();
    if (this.#violation !== undefined) throw this.#violation;
  }

  /** Runs until an append is under way; not every life has anything left to append. */
  async untilAppending(): Promise<boolean> {
    for (let turns = 0; turns < 3 && !this.journal.appending; turns++) await this.turn();
    return this.journal.appending;
  }

  /** The journal does its work from now on: everybody must get an answer. */
  async settle(): Promise<void> {
    for (let turns = 0; turns < turnsMax; turns++) {
      await this.turn();
      if (this.journal.appending) this.journal.acknowledge();
      else if (this.#asked.every(({ settled }) => settled)) break;
    }
    const silent = this.#asked.filter(({ settled }) => !settled);
    if (silent.length > 0) throw new Violation(`${silent[0]?.what} is never answered`);
    const { durableRevision, waiting } = this.sequencer;
    const held = this.engine.revision;
    if (durableRevision !== held || this.journal.disk.revision !== held || waiting > 0) {
      throw new Violation(`${durableRevision} of ${held} is durable when all is answered`);
    }
  }

  /** The append under way fails; everybody must be told, and nobody answered any more. */
  async fail(outcome: 'fenced' | 'unknown' | Error): Promise<void> {
    this.#fenced = outcome === 'fenced';
    this.journal.fail(outcome);
    await this.turn();
    this.#expectStopped();
  }

  /** The service has stopped by itself: nothing is left waiting, and nothing more is taken. */
  #expectStopped(): void {
    if (this.#failures !== 1) throw new Violation(`the owner was told ${this.#failures} times`);
    if (!this.sequencer.failed || this.sequencer.waiting > 0) {
      throw new Violation('a failed service keeps somebody waiting');
    }
  }

  /** A bug strikes while an answer is made. */
  async strike(command: SingleCommand): Promise<void> {
    // Answers that were there before are on their way.
    await Promise.resolve();
    this.execute(command, true);
    await this.turn();
    if (this.#failures > 0) this.#expectStopped();
  }

  /** Asks it to stop in order. */
  close(): void {
    this.#closing = this.sequencer.close();
    this.#closing.then(
      () => (this.#closed = true),
      (error: unknown) => this.#violate(`close failed: ${String(error)}`),
    );
  }

  /** Waits until it has stopped in order. */
  async closed(): Promise<void> {
    await this.settle();
    await this.turn();
    if (!this.#closed || !this.journal.closed) throw new Violation('close never ends');
  }

  /** The machine stops after so many more answers have gone out. */
  dieAfter(answers: number): void {
    this.#answersLeft = answers;
  }

  /** The machine stops now. What was told so far is all that anybody knows. */
  end(): void {
    this.#dead = true;
    this.journal.die();
    if (this.#violation !== undefined) throw this.#violation;
    const { revision } = this.journal.disk;
    const lie = this.#denied.find((denied) => denied <= revision);
    if (lie !== undefined) throw new Violation(`${lie} was told not to be done, and is stored`);
  }

  #follow(promise: Promise<Outcome<string> | string>, asked: Asked): void {
    this.#asked.push(asked);
    promise.then(
      (answer) => this.#settled(asked, () => this.#answered(asked, answer)),
      (error: unknown) => this.#settled(asked, () => this.#rejected(asked, error)),
    );
  }

  /** An answer that the machine no longer sends is none. */
  #settled(asked: Asked, look: () => void): void {
    if (this.#dead) return;
    if (this.#answersLeft === 0) {
      this.#dead = true;
      return;
    }
    this.#answersLeft--;
    if (asked.settled) this.#violate(`${asked.what} is answered twice`);
    asked.settled = true;
    look();
  }

  #answered(asked: Asked, answer: Outcome<string> | string): void {
    const { what, seen, applied, expected } = asked;
    this.#totals.answers++;
    if (asked.late || asked.full) this.#violate(`${what} is answered, though nothing was taken`);
    if (this.#failures > 0) this.#violate(`${what} is answered after the failure`);
    const { revision } = this.journal.disk;
    if (seen > revision) this.#violate(`${what} shows ${seen}, durable is ${revision}`);
    const told = typeof answer === 'object' && 'value' in answer ? answer.value : answer;
    const text = typeof told === 'string' ? told : textOf(told);
    if (text !== expected) this.#violate(`${what} is answered ${text}, must be ${expected}`);
    if (!applied) return;
    this.#totals.acknowledged++;
    const given = typeof answer === 'object' && 'revision' in answer ? answer.revision : undefined;
    if (given !== seen) this.#violate(`${what} is answered as ${given}, is ${seen}`);
    this.#oracle.acknowledged = Math.max(this.#oracle.acknowledged, seen);
  }

  #rejected(asked: Asked, error: unknown): void {
    const { what, seen, applied, full, late } = asked;
    if (error instanceof Bug) {
      this.#denied.push(seen);
      return;
    }
    if (error instanceof Busy) {
      this.#totals.busy++;
      if (!full || late || applied) this.#violate(`${what} is told busy`);
      return;
    }
    if (!(error instanceof JournalUnavailable)) {
      this.#violate(`${what} is rejected: ${String(error)}`);
      return;
    }
    if (this.serving) this.#violate(`${what} is rejected by a service that serves`);
    const open = applied && !this.#fenced && seen <= this.journal.handedRevision;
    if (error.outcomeUnknown !== open) this.#violate(`${what} is told the wrong outcome`);
    if (applied && !error.outcomeUnknown) this.#denied.push(seen);
    if (error.outcomeUnknown) this.#totals.unknown++;
  }

  #violate(what: string): void {
    this.#violation ??= new Violation(what);
  }
}

function textOf(outcome: Event | object): string {
  if ('type' in outcome) return encode(outcome as Event);
  return JSON.stringify(outcome, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
}
