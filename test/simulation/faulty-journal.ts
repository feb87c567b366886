/**
 * A journal in memory that does nothing by itself: when a group reaches the disk, when the append
 * is answered and with what, and when the machine stops in between, is the simulation's to say.
 * What a restart would find is the disk, which outlives the journal. Like a real one it keeps the
 * order of groups and stores each whole or not at all.
 */
import { assert } from '../../src/engine/assert.ts';
import type {
  AppendOutcome,
  CheckpointReport,
  HistoryPage,
  Journal,
  JournalFigures,
  JournalRecord,
  KeyFigures,
  StateHash,
  Visitor,
} from '../../src/journal/journal.ts';
import type { Keyed } from '../../src/journal/keyed.ts';
import { MemoryJournal } from '../journal/memory-journal.ts';
import type { Disk } from './disk.ts';

interface UnderWay {
  readonly records: readonly JournalRecord[];
  stored: boolean;
  resolve(outcome: AppendOutcome): void;
  reject(error: Error): void;
}

export class FaultyJournal implements Journal {
  failure: Error | undefined;
  closed = false;
  /** The last revision that the caller has handed over, stored or not. */
  handedRevision: number;
  readonly disk: Disk;
  #underWay: UnderWay | undefined;
  #dead = false;
  #ended = false;

  constructor(disk: Disk) {
    this.disk = disk;
    this.handedRevision = disk.revision;
  }

  async load(visitor: Visitor): Promise<void> {
    this.disk.visit(visitor);
  }

  append(records: readonly JournalRecord[]): Promise<AppendOutcome> {
    // A machine that has stopped runs nothing, although its promises are still in our memory.
    if (this.#dead) return new Promise(() => undefined);
    assert(this.#underWay === undefined, 'one append at a time');
    assert(!this.closed && !this.#ended, 'nothing is appended after the end');
    const [first] = records;
    assert(first?.revision === this.handedRevision + 1, 'groups follow on from one another');
    this.handedRevision += records.length;
    assert(records.at(-1)?.revision === this.handedRevision, 'a group has no gap');
    return new Promise((resolve, reject) => {
      this.#underWay = { records, stored: false, resolve, reject };
    });
  }

  get appending(): boolean {
    return this.#underWay !== undefined;
  }

  /** Whether the group under way has reached the disk. */
  get stored(): boolean {
    return this.#underWay?.stored === true;
  }

  /** The group under way reaches the disk; nobody is told yet. */
  store(): void {
    assert(this.#underWay !== undefined, 'an append is under way');
    if (this.#underWay.stored) return;
    this.#underWay.stored = true;
    this.write(this.#underWay.records);
  }

  /** Ends the append under way as durable. */
  acknowledge(): void {
    this.store();
    this.end()?.resolve('acked');
  }

  /** Ends the append under way with a failure, after which nothing is appended any more. */
  fail(outcome: 'fenced' | 'unknown' | Error): void {
    this.failure = new Error('the disk is on fire');
    this.#ended = true;
    const underWay = this.end();
    if (outcome instanceof Error) underWay?.reject(outcome);
    else underWay?.resolve(outcome);
  }

  async checkpoint(): Promise<CheckpointReport> {
    const view = this.#view();
    const report = await view.checkpoint();
    this.disk.checkpoint = view.storedCheckpoint;
    return report;
  }

  async state(): Promise<StateHash> {
    return this.#dead ? new Promise(() => undefined) : this.#view().state();
  }

  async history(after: number): Promise<HistoryPage> {
    return this.#view().history(after);
  }

  keyed(key: string): Promise<Keyed | undefined> | undefined {
    return this.#dead ? new Promise(() => undefined) : this.#view().keyed(key);
  }

  get keys(): KeyFigures {
    return this.#view().keys;
  }

  get figures(): JournalFigures {
    return this.#view().figures;
  }

  /** The machine stops: whoever waits for this journal waits for ever. */
  die(): void {
    this.#dead = true;
    this.#underWay = undefined;
  }

  async close(): Promise<void> {
    if (this.#dead) return new Promise(() => undefined);
    assert(this.#underWay === undefined, 'no append is under way');
    this.closed = true;
  }

  /** Apart, so that a journal with a fault can write something else than it was given. */
  protected write(records: readonly JournalRecord[]): void {
    this.disk.groups.push(records);
  }

  /** What another one would find on the disk. */
  #view(): MemoryJournal {
    return new MemoryJournal(this.disk.records, this.disk.checkpoint);
  }

  protected end(): UnderWay | undefined {
    const underWay = this.#underWay;
    assert(underWay !== undefined, 'an append is under way');
    this.#underWay = undefined;
    return underWay;
  }
}
