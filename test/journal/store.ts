/**
 * A data directory with the engine and the sequencer on it, for tests of what is stored: it opens,
 * grows by real commands, tells the hash of its state, and may be edited while it is closed.
 */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect } from 'vitest';
import { Engine } from '../../src/engine/engine.ts';
import { plainSettings } from '../../src/engine/tuning.ts';
import type { JournalRecord, StateHash } from '../../src/journal/journal.ts';
import { recover, type RecoveryReport } from '../../src/journal/recovery.ts';
import { encodePart } from '../../src/journal/snapshot-part.ts';
import {
  openSqliteJournal,
  type JournalEvent,
  type SqliteJournal,
  type SqliteOptions,
} from '../../src/journal/sqlite.ts';
import { Sequencer } from '../../src/sequencer.ts';
import { hashOf } from './memory-journal.ts';

/** Larger than any test grows: no checkpoint comes of its own accord. */
const never = 1e12;

export class Store {
  readonly directory: string;
  readonly journal: SqliteJournal;
  readonly engine: Engine;
  readonly sequencer: Sequencer;
  readonly report: RecoveryReport;
  readonly events: JournalEvent[];
  readonly failures: unknown[] = [];
  readonly #waiting: (() => void)[];
  #at = 1000;

  private constructor(
    directory: string,
    journal: SqliteJournal,
    engine: Engine,
    report: RecoveryReport,
    events: JournalEvent[],
    waiting: (() => void)[],
  ) {
    this.directory = directory;
    this.journal = journal;
    this.engine = engine;
    this.report = report;
    this.events = events;
    this.#waiting = waiting;
    this.sequencer = new Sequencer(engine, journal, {
      onFailure: (cause) => this.failures.push(cause),
    });
  }

  /** Rejects as opening or recovering does, with nothing left open. */
  static async open(directory: string, options: Partial<SqliteOptions> = {}): Promise<Store> {
    const events: JournalEvent[] = [];
    const waiting: (() => void)[] = [];
    const journal = await openSqliteJournal({ directory, checkpointBytes: never, ...options });
    journal.onEvent = (event) => {
      events.push(event);
      for (const wake of waiting.splice(0)) wake();
    };
    const engine = new Engine();
    try {
      const report = await recover(journal, engine);
      return new Store(directory, journal, engine, report, events, waiting);
    } catch (error) {
      await journal.close();
      throw error;
    }
  }

  /** Creates this many arenas, each a few parts of a snapshot, and allocates and frees in them. */
  async grow(arenas: number, allocations = 20): Promise<void> {
    const first = this.engine.arenas(undefined, 1000).length;
    for (let arena = first; arena < first + arenas; arena += 1) {
      await this.#done({
        type: 'createArena',
        at: this.#at,
        arena: `arena-${arena}`,
        notation: 'decimal',
        width: 64,
        quantum: 1n,
        policy: 'instantfit',
        ...plainSettings,
        labels: { n: String(arena) },
        spans: [{ base: 0n, size: 1n << 40n }],
      });
      await this.churn(`arena-${arena}`, allocations);
    }
  }

  /** Allocates so many times and frees every second one; each is a record. */
  async churn(arena: string, allocations: number): Promise<void> {
    const answers = Array.from({ length: allocations }, (_, index) =>
      this.sequencer.execute(
        {
          type: 'alloc',
          at: (this.#at += 1),
          arena,
          size: BigInt((index % 7) + 1),
          constraint: {},
          labels: index % 5 === 0 ? { index: String(index) } : {},
          seed: 0,
        },
        (_engine, event) => ('base' in event ? event.base : 0n),
      ),
    );
    const granted = await Promise.all(answers);
    const every2nd = granted.filter((_answer, index) => index % 2 === 0);
    await Promise.all(
      every2nd.map((answer) => {
        if ('refused' in answer) expect.unreachable(answer.detail);
        return this.#done({ type: 'free', at: (this.#at += 1), arena, address: answer.value });
      }),
    );
  }

  async freeAll(arena: string): Promise<void> {
    await this.#done({ type: 'freeAll', at: (this.#at += 1), arena });
  }

  async #done(command: Parameters<Sequencer['execute']>[0]): Promise<void> {
    const answer = await this.sequencer.execute(command, () => undefined);
    expect(answer).not.toHaveProperty('refused');
  }

  /** The hash of what the live engine holds. */
  hash(): string {
    return stateOf(this.engine).hash;
  }

  /** Resolves when an event of this type has come that was not there before. */
  async event<T extends JournalEvent['type']>(
    type: T,
  ): Promise<Extract<JournalEvent, { type: T }>> {
    for (;;) {
      const index = this.events.findIndex((event) => event.type === type);
      if (index !== -1) {
        return this.events.splice(index, 1)[0] as Extract<JournalEvent, { type: T }>;
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** All records that are stored, in order. */
  async records(): Promise<JournalRecord[]> {
    const records: JournalRecord[] = [];
    for (;;) {
      const page = await this.journal.history(records.at(-1)?.revision ?? 0);
      if (page.records.length === 0) return records;
      records.push(...page.records);
    }
  }

  /** The state that all stored records make, from the first on. */
  async replayed(): Promise<StateHash> {
    const records = await this.records();
    const engine = new Engine();
    const load = async (visitor: { record(record: JournalRecord): void }): Promise<void> => {
      for (const record of records) visitor.record(record);
    };
    await recover({ load }, engine);
    return stateOf(engine);
  }

  close(): Promise<void> {
    return this.sequencer.close();
  }
}

export function stateOf(engine: Engine): StateHash {
  return { revision: engine.revision, hash: hashOf([...engine.snapshot()].map(encodePart)) };
}

/** Edits the database of a directory that nobody has open. */
export function edit(directory: string, change: (db: Database.Database) => void): void {
  const db = new Database(join(directory, 'vmemd.db'));
  try {
    change(db);
  } finally {
    db.close();
  }
}
