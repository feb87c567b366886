/**
 * Writes the book: applies records, in order, to the tables of periods, and notes how far it is.
 *
 * Where the journal's history was trimmed before the book was made, it begins with a gap: what was
 * held at the first record that is stored is not known. Up to the checkpoint the book is then
 * *partial*, and from the checkpoint the rest is taken over.
 */
import type { Database } from 'better-sqlite3';
import { alike } from '../engine/alike.ts';
import { assert, unreachable } from '../engine/assert.ts';
import type { Engine } from '../engine/engine.ts';
import type { BatchEvent, Event, FreedRange, Imported, Released } from '../engine/event.ts';
import type { JournalRecord } from '../journal/journal.ts';
import type { Head } from '../journal/head-anchor.ts';
import { decode } from '../journal/record.ts';
import type { Extent } from './history.ts';
import { PeriodTable, type When } from './period-table.ts';
import { Sweep } from './sweep.ts';

interface ExtentRow {
  readonly revision: number;
  readonly chain: Buffer;
  readonly trimmed_revision: number;
  readonly complete_revision: number;
  readonly partial: number;
  readonly swept_revision: number;
}

/** After anything was thrown it is of no more use: the database is what it was, this is not. */
export class BookWriter {
  readonly #db: Database;
  readonly #periods: PeriodTable;
  readonly #sweep: Sweep;
  readonly #statements: ReturnType<typeof prepare>;
  #extent: Extent & Head;

  constructor(db: Database) {
    this.#db = db;
    this.#statements = prepare(db);
    const row = db.prepare<[], ExtentRow>('select * from extent').get();
    assert(row !== undefined, 'the book has its extent');
    this.#extent = {
      revision: row.revision,
      chain: row.chain,
      trimmedRevision: row.trimmed_revision,
      completeRevision: row.complete_revision,
    };
    this.#periods = new PeriodTable(db, row.partial === 1);
    this.#sweep = new Sweep(db, row.swept_revision);
  }

  /** What is known, and the journal's digest there. */
  get extent(): Extent & Head {
    return this.#extent;
  }

  /** Whether the checkpoint has not been taken over yet. */
  get partial(): boolean {
    return this.#periods.partial;
  }

  /** Begins an empty book behind what was trimmed; it is complete from a checkpoint on. */
  begin(trimmed: Head, completeRevision: number): void {
    assert(this.#extent.revision === 0, 'the book is empty');
    const { revision, chain } = trimmed;
    this.#periods.begin();
    this.#note({ revision, chain, trimmedRevision: revision, completeRevision });
  }

  /** Takes the records up to `head`; what was taken is there together, when it is committed. */
  take(records: readonly JournalRecord[], head: Head): void {
    const { revision: before } = this.#extent;
    assert(records[0]?.revision === before + 1, `record ${before + 1} comes next`);
    if (!this.#db.inTransaction) this.#db.exec('begin');
    const times: When[] = [];
    for (const { body, revision } of records) {
      const event = decode(body);
      this.#apply(event, revision);
      // Of a clock that was set back the last revision of a time counts, and of any before.
      while (times.length > 0 && times.at(-1)!.at >= event.at) times.pop();
      times.push({ at: event.at, revision });
    }
    this.#noteTimes(times);
    this.#note({ ...this.#extent, revision: head.revision, chain: head.chain });
  }

  commit(): void {
    if (this.#db.inTransaction) this.#db.exec('commit');
  }

  /** Takes over what the checkpoint has and the records do not tell; `engine` is at its revision. */
  complete(engine: Engine): void {
    const { revision, completeRevision } = this.#extent;
    assert(revision === completeRevision, 'it is at the checkpoint');
    assert(engine.revision === revision, 'the checkpoint is of this revision');
    this.commit();
    this.#db.transaction(() => {
      this.#periods.complete(engine);
      this.#note(this.#extent);
    })();
  }

  /** The journal no longer keeps records up to this one. */
  noteTrimmed(trimmedRevision: number): void {
    if (trimmedRevision > this.#extent.trimmedRevision) {
      this.#note({ ...this.#extent, trimmedRevision });
    }
  }

  /** Removes some of what was noted as trimmed; returns whether there may be more. */
  sweep(): boolean {
    this.commit();
    return this.#db.transaction(() => {
      const before = this.#sweep.sweptRevision;
      const more = this.#sweep.step(this.#extent);
      if (this.#sweep.sweptRevision > before) this.#note(this.#extent);
      return more;
    })();
  }

  #apply(event: Event, revision: number): void {
    const { at } = event;
    const when = { at, revision };
    if (event.type !== 'batched') return this.#applyOne(event, when);
    const { events } = event;
    for (let place = 0; place < events.length;) {
      const first = events[place]!;
      const count = alikeSideBySide(events, place);
      if (count === 1) this.#applyOne(first, when);
      else this.#applyRun(first, count, when);
      place += count;
    }
  }

  /** So many like events of blocks side by side, of which this is the first. */
  #applyRun(first: BatchEvent, count: number, when: When): void {
    const periods = this.#periods;
    if (first.type === 'freed') periods.end(first.arena, { ...first, count }, 'freed', when);
    else {
      assert(first.type === 'allocated', 'grants and frees are alike');
      periods.hold(first.arena, { ...first, count }, first, when);
    }
  }

  #applyOne(event: BatchEvent | Exclude<Event, { type: 'batched' }>, when: When): void {
    const periods = this.#periods;
    switch (event.type) {
      case 'arenaCreated':
        periods.createArena(event.arena, event, when.revision);
        return;
      case 'arenaDestroyed':
        periods.endAll(event.arena, 'arena-destroyed', when);
        this.#release(event.released, when);
        periods.destroyArena(event.arena, event, when.revision);
        return;
      case 'undeleted':
        periods.holdAgain(event.arena, event, event, when, event.createdAt);
        return;
      case 'arenaUpdated':
      case 'restsEnded':
      case 'spanRemoved':
      case 'spansReleased':
        this.#release(event.released, when);
        return;
      case 'spanAdded':
      case 'allocationKept':
      case 'leaseCreated':
      case 'leaseRenewed':
        return;
      case 'leasesEnded':
        for (const { freed } of event.ended) {
          for (let place = 0; place < freed.length;) {
            const { arena, base, size } = freed[place]!;
            const count = sideBySide(freed, place);
            periods.end(arena, { base, size, count }, event.reason, when);
            place += count;
          }
        }
        this.#release(event.released, when);
        return;
      case 'allocated':
        this.#import(event.imported, when);
        periods.hold(event.arena, event, event, when);
        return;
      case 'freed':
        periods.end(event.arena, event, 'freed', when);
        this.#release(event.released, when);
        return;
      case 'allFreed': {
        const count = periods.endAll(event.arena, 'freed-all', when);
        assert(count === event.count || periods.partial, 'all that is freed was held');
        this.#release(event.released, when);
        return;
      }
      case 'resized':
        periods.change(event.arena, event.base, { size: event.size }, 'resized', when);
        return;
      case 'allocationSplit':
        periods.split(event.arena, event.base, event.pieces, when);
        return;
      case 'allocationsMerged':
        periods.merge(event.arena, event, when);
        return;
      case 'allocationUpdated':
        periods.change(event.arena, event.address, event, 'updated', when);
        return;
      default:
        unreachable(event);
    }
  }

  #import(imported: readonly Imported[], when: When): void {
    for (const span of imported) {
      this.#periods.hold(span.source, span, {}, when, span.arena);
    }
  }

  #release(released: readonly Released[], when: When): void {
    for (const span of released) this.#periods.end(span.source, span, 'released', when, span.arena);
  }

  /** Takes the place of all later times of earlier revisions. */
  #noteTimes(times: readonly When[]): void {
    const { forgetTimes, noteTime } = this.#statements;
    forgetTimes.run(times[0]!.at);
    for (const { at, revision } of times) noteTime.run(at, revision);
  }

  #note(extent: Extent & Head): void {
    const { revision, chain, trimmedRevision, completeRevision } = extent;
    const partial = this.partial ? 1 : 0;
    const { note } = this.#statements;
    note.run(
      revision,
      chain,
      trimmedRevision,
      completeRevision,
      partial,
      this.#sweep.sweptRevision,
    );
    this.#extent = extent;
  }
}

/** How many events from a place on are alike, and of blocks side by side. */
function alikeSideBySide(events: readonly BatchEvent[], place: number): number {
  const first = events[place]!;
  if (first.type !== 'allocated' && first.type !== 'freed') return 1;
  let next = first.base + first.size;
  let end = place + 1;
  for (; end < events.length; end++) {
    const event = events[end]!;
    if (!('base' in event) || event.base !== next || !alike(first, event)) break;
    next += first.size;
  }
  return end - place;
}

/** How many ranges from a place on are of one size and side by side in one arena. */
function sideBySide(ranges: readonly FreedRange[], place: number): number {
  const { arena, base, size } = ranges[place]!;
  let next = base + size;
  let end = place + 1;
  for (; end < ranges.length; end++) {
    const range = ranges[end]!;
    if (range.base !== next || range.size !== size || range.arena !== arena) break;
    next += size;
  }
  return end - place;
}

function prepare(db: Database) {
  return {
    note: db.prepare(
      `update extent set revision = ?, chain = ?, trimmed_revision = ?, complete_revision = ?,
         partial = ?, swept_revision = ?`,
    ),
    forgetTimes: db.prepare('delete from clock where at >= ?'),
    noteTime: db.prepare('insert into clock (at, revision) values (?, ?)'),
  };
}
