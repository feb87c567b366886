/**
 * A journal in memory whose commits complete when the test says so, and fail when it says so. Its
 * checkpoints replay what is stored into an engine of their own, as the real one's do.
 */
import { createHash } from 'node:crypto';
import { assert } from '../../src/engine/assert.ts';
import { Engine } from '../../src/engine/engine.ts';
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
import { decodedPart } from '../../src/journal/decoded-page.ts';
import type { Keyed } from '../../src/journal/keyed.ts';
import { recover } from '../../src/journal/recovery.ts';
import { encodePart } from '../../src/journal/snapshot-part.ts';

/** A checkpoint as it is stored. */
export interface StoredCheckpoint {
  readonly revision: number;
  readonly parts: readonly string[];
}

export function visitCheckpoint({ revision, parts }: StoredCheckpoint, visitor: Visitor): void {
  for (const [i, part] of parts.entries()) visitor.part(decodedPart(part, i));
  visitor.checkpoint(revision);
}

export class MemoryJournal implements Journal {
  /** What a restart would find: the records that were not trimmed … */
  readonly stored: JournalRecord[];
  /** … and the newest checkpoint. */
  storedCheckpoint: StoredCheckpoint | undefined;
  /** The groups handed to append, in order, acked or not. */
  readonly groups: (readonly JournalRecord[])[] = [];
  failure: Error | undefined;
  closed = false;
  /** Complete commits by themselves, rather than by `complete`. */
  automatic = false;
  keysMax = 1000;
  #complete: ((outcome: AppendOutcome | Error) => void) | undefined;

  constructor(stored: readonly JournalRecord[] = [], checkpoint?: StoredCheckpoint) {
    this.stored = [...stored];
    this.storedCheckpoint = checkpoint;
  }

  async load(visitor: Visitor): Promise<void> {
    const base = this.storedCheckpoint?.revision ?? 0;
    if (this.storedCheckpoint !== undefined) visitCheckpoint(this.storedCheckpoint, visitor);
    const first = this.stored.findIndex(({ revision }) => revision > base);
    if (first === -1) return;
    for (const record of this.stored.slice(first)) visitor.record(record);
  }

  append(records: readonly JournalRecord[]): Promise<AppendOutcome> {
    assert(this.#complete === undefined, 'one append at a time');
    assert(records.length > 0 && !this.closed, 'an append has records and an open journal');
    this.groups.push(records);
    return new Promise((resolve, reject) => {
      this.#complete = (outcome) => {
        this.#complete = undefined;
        if (outcome instanceof Error) return reject(outcome);
        if (outcome === 'acked') this.stored.push(...records);
        else this.failure = new Error('the disk is on fire');
        resolve(outcome);
      };
      if (this.automatic) setImmediate(() => this.complete());
    });
  }

  get appending(): boolean {
    return this.#complete !== undefined;
  }

  /** Ends the append under way. */
  complete(outcome: AppendOutcome | Error = 'acked'): void {
    assert(this.#complete !== undefined, 'an append is under way');
    this.#complete(outcome);
  }

  keyed(key: string): Promise<Keyed | undefined> | undefined {
    const found = this.stored.findLast(({ keyed }) => keyed?.key === key)?.keyed;
    return found && Promise.resolve(found);
  }

  get keys(): KeyFigures {
    const held = this.stored.filter(({ keyed }) => keyed !== undefined).length;
    return { held, max: this.keysMax, oldestLeavesIn: held === 0 ? 0 : 3_600_000 };
  }

  async checkpoint(): Promise<CheckpointReport> {
    const { revision, parts } = await this.#replayed();
    if (revision > 0) this.storedCheckpoint = { revision, parts };
    const bytes = parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
    return { revision, hash: hashOf(parts), parts: parts.length, bytes, partsKept: 0, ms: 0 };
  }

  async state(): Promise<StateHash> {
    const { revision, parts } = await this.#replayed();
    return { revision, hash: hashOf(parts) };
  }

  async history(after: number): Promise<HistoryPage> {
    const records = this.stored.filter(({ revision }) => revision > after).slice(0, 1000);
    return { records, trimmedRevision: this.figures.trimmedRevision };
  }

  /** Forgets the records that the checkpoint has. */
  trim(): void {
    const base = this.storedCheckpoint?.revision ?? 0;
    const kept = this.stored.filter(({ revision }) => revision > base);
    this.stored.splice(0, this.stored.length, ...kept);
  }

  get figures(): JournalFigures {
    const { revision: base = 0, parts = [] } = this.storedCheckpoint ?? {};
    const since = this.stored.filter(({ revision }) => revision > base);
    const bytesOf = (records: readonly JournalRecord[]) =>
      records.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
    const bytes = parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
    return {
      ...(base > 0 && {
        checkpoint: {
          revision: base,
          hash: hashOf(parts),
          completedAt: 1,
          ms: 1,
          parts: parts.length,
          bytes,
        },
      }),
      checkpointing: false,
      recordsSinceCheckpoint: since.length,
      bytesSinceCheckpoint: bytesOf(since),
      historyBytes: bytesOf(this.stored),
      trimmedRevision: this.stored[0] === undefined ? base : this.stored[0].revision - 1,
    };
  }

  async close(): Promise<void> {
    assert(this.#complete === undefined, 'no append is under way');
    this.closed = true;
  }

  async #replayed(): Promise<StoredCheckpoint> {
    const engine = new Engine();
    await recover(this, engine);
    return { revision: engine.revision, parts: [...engine.snapshot()].map(encodePart) };
  }
}

/** The hash of the state that these parts are, see StateHash. */
export function hashOf(parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\n');
  return hash.digest('hex');
}
