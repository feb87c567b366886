/**
 * Mutants: services with one fault each, of the kinds that this service must never have. The
 * simulation is worth something only as far as it finds them.
 */
import type { Command } from '../../src/engine/command.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type { Event } from '../../src/engine/event.ts';
import type { JournalRecord } from '../../src/journal/journal.ts';
import { Busy, Sequencer, type Outcome, type SequencerOptions } from '../../src/sequencer.ts';
import { Checkpointer } from './checkpointer.ts';
import type { Disk } from './disk.ts';
import { FaultyJournal } from './faulty-journal.ts';
import { realParts, type Parts } from './parts.ts';

type Answer<T> = (engine: Engine, event: Event, revision: number) => T;

/** A sequencer whose mutants can look at the engine. */
class OpenSequencer extends Sequencer {
  protected readonly engine: Engine;
  protected readonly queueMax: number;

  constructor(engine: Engine, journal: FaultyJournal, options: SequencerOptions) {
    super(engine, journal, options);
    this.engine = engine;
    this.queueMax = options.queueMax ?? Infinity;
  }
}

class AnswersBeforeTheAppend extends OpenSequencer {
  override execute<T>(command: Command, read: Answer<T>): Promise<Outcome<T>> {
    let early: { revision: number; value: T } | undefined;
    const late = super.execute(command, (engine, event, revision) => {
      const value = read(engine, event, revision);
      early = { revision, value };
      return value;
    });
    if (early === undefined) return late;
    late.catch(() => undefined);
    return Promise.resolve(early);
  }
}

class ReadsTooEarly extends OpenSequencer {
  override read<T>(view: (engine: Engine) => T): Promise<T> {
    const late = super.read(view);
    if (this.failed || this.waiting === 0) return late;
    late.catch(() => undefined);
    return Promise.resolve(view(this.engine));
  }
}

class RefusesTooEarly extends OpenSequencer {
  override execute<T>(command: Command, read: Answer<T>): Promise<Outcome<T>> {
    const decision = this.engine.decide(command);
    const late = super.execute(command, read);
    if (this.failed || this.waiting === 0 || !('refused' in decision)) return late;
    late.catch(() => undefined);
    return Promise.resolve(decision);
  }
}

class BusyLeavesSomethingBehind extends OpenSequencer {
  override execute<T>(command: Command, read: Answer<T>): Promise<Outcome<T>> {
    const decision = this.engine.decide(command);
    const full = !this.failed && this.waiting >= this.queueMax;
    if (!full || 'refused' in decision) return super.execute(command, read);
    this.engine.apply(decision, this.engine.revision + 1);
    return Promise.reject(new Busy('a lie'));
  }
}

class ForgetsReads extends OpenSequencer {
  override read<T>(view: (engine: Engine) => T): Promise<T> {
    const answer = super.read(view);
    if (this.failed || this.waiting % 3 !== 2) return answer;
    answer.catch(() => undefined);
    return new Promise(() => undefined);
  }
}

class AnswersAfterTheFailure extends OpenSequencer {
  override read<T>(view: (engine: Engine) => T): Promise<T> {
    return this.failed ? Promise.resolve(view(this.engine)) : super.read(view);
  }
}

class NeverTooBusy extends OpenSequencer {
  constructor(engine: Engine, journal: FaultyJournal, options: SequencerOptions) {
    super(engine, journal, { ...options, queueMax: 1_000_000 });
  }
}

/** Acknowledges what it has in memory alone, and writes it with the next group. */
class AcknowledgesBeforeStoring extends FaultyJournal {
  #held: readonly JournalRecord[] = [];

  protected override write(records: readonly JournalRecord[]): void {
    if (this.#held.length > 0) super.write(this.#held);
    this.#held = records;
  }
}

class LosesTheLastRecord extends FaultyJournal {
  protected override write(records: readonly JournalRecord[]): void {
    super.write(records.length > 1 ? records.slice(0, -1) : records);
  }
}

class LosesTheFirstRecord extends FaultyJournal {
  protected override write(records: readonly JournalRecord[]): void {
    super.write(records.length > 1 ? records.slice(1) : records);
  }
}

class StoresBackwards extends FaultyJournal {
  protected override write(records: readonly JournalRecord[]): void {
    super.write(records.toReversed());
  }
}

/** A record of the right form that says something else. */
class AltersARecord extends FaultyJournal {
  protected override write(records: readonly JournalRecord[]): void {
    super.write(
      records.map((record) => ({ ...record, body: record.body.replace('"at":25', '"at":26') })),
    );
  }
}

class SwallowsAFailure extends FaultyJournal {
  override fail(): void {
    this.end()?.resolve('acked');
  }
}

class StoresAndSaysFenced extends FaultyJournal {
  override fail(outcome: 'fenced' | 'unknown' | Error): void {
    if (outcome === 'fenced') this.store();
    super.fail(outcome);
  }
}

class TrimsTooMuch extends Checkpointer {
  protected override mayTrim(): boolean {
    return true;
  }
}

class CompletesTooEarly extends Checkpointer {
  protected override isComplete(stored: number, all: number): boolean {
    return stored >= all - 1;
  }
}

/** Takes up an interrupted checkpoint as one of what is there now. */
class MixesCheckpoints extends Checkpointer {
  override async step(): Promise<void> {
    const { unfinished, revision } = this.disk;
    if (!this.underWay && unfinished !== undefined) {
      this.disk.unfinished = { revision, parts: unfinished.parts };
    }
    return super.step();
  }
}

/** Has the parts of one state and the revision of another. */
class MisdatesACheckpoint extends Checkpointer {
  override async step(): Promise<void> {
    await super.step();
    const { checkpoint, revision } = this.disk;
    if (checkpoint !== undefined && checkpoint.revision < revision) {
      this.disk.checkpoint = { ...checkpoint, revision: checkpoint.revision + 1 };
    }
  }
}

type SequencerClass = new (...given: ConstructorParameters<typeof OpenSequencer>) => Sequencer;

function sequencer(Mutant: SequencerClass): Parts {
  return { ...realParts, sequencer: (...given) => new Mutant(...given) };
}

function journal(Mutant: new (disk: Disk) => FaultyJournal): Parts {
  return { ...realParts, journal: (disk) => new Mutant(disk) };
}

function checkpointer(Mutant: new (disk: Disk) => Checkpointer): Parts {
  return { ...realParts, checkpointer: (disk) => new Mutant(disk) };
}

/** By what they do wrong. */
export const mutants: Readonly<Record<string, Parts>> = {
  'answers before the append': sequencer(AnswersBeforeTheAppend),
  'answers reads before what they show is durable': sequencer(ReadsTooEarly),
  'answers refusals before what they rest on is durable': sequencer(RefusesTooEarly),
  'is busy and does it all the same': sequencer(BusyLeavesSomethingBehind),
  'forgets to answer': sequencer(ForgetsReads),
  'answers after the failure of its journal': sequencer(AnswersAfterTheFailure),
  'lets its queue grow beyond the bound': sequencer(NeverTooBusy),
  'acknowledges before it stores': journal(AcknowledgesBeforeStoring),
  'loses the last record of a group': journal(LosesTheLastRecord),
  'loses the first record of a group': journal(LosesTheFirstRecord),
  'stores a group backwards': journal(StoresBackwards),
  'alters a record': journal(AltersARecord),
  'swallows a failure': journal(SwallowsAFailure),
  'stores what it calls fenced': journal(StoresAndSaysFenced),
  'trims records that no checkpoint has': checkpointer(TrimsTooMuch),
  'completes a checkpoint before its last part': checkpointer(CompletesTooEarly),
  'goes on with a checkpoint of an older state': checkpointer(MixesCheckpoints),
  'dates a checkpoint too late': checkpointer(MisdatesACheckpoint),
};
