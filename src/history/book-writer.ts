/**
 * Writes the book: applies records, in order, to the tables of periods. What is held is in one
 * table, which is as large as the state; what has ended in the other, filed by fork.
 *
 * Where the journal's history was trimmed before the book was made, it begins with a gap: what was
 * held at the first record that is stored is not known. Up to the checkpoint the writer is then
 * *partial*: what a record names and the book does not know was held since before, and from the
 * checkpoint the rest is taken over. Otherwise whatever a record contradicts is a book that is
 * damaged, or a bug, and throws.
 */
import type { Database, Statement } from 'better-sqlite3';
import { assert, unreachable } from '../engine/assert.ts';
import type { Range } from '../engine/command.ts';
import type { Engine } from '../engine/engine.ts';
import type { AllocationsMerged, BatchEvent, Event, Imported, Released } from '../engine/event.ts';
import type { JournalRecord } from '../journal/journal.ts';
import type { Head } from '../journal/head-anchor.ts';
import { decode } from '../journal/record.ts';
import { forkOf, levelOf } from './fork.ts';
import { endings, type Ending, type Extent, type Facts, type Space } from './history.ts';
import { addressOf, keyOf, sizeOf, storedSizeOf, type StoredSize } from './key.ts';

interface ExtentRow {
  readonly revision: number;
  readonly chain: Buffer;
  readonly trimmed_revision: number;
  readonly complete_revision: number;
  readonly partial: number;
  readonly swept_revision: number;
}

/** An arena that exists. */
interface Living {
  readonly id: number;
  /** Bits of the levels that forks of its periods have. */
  levels: bigint;
}

interface Held {
  readonly base: Buffer;
  readonly size: StoredSize;
  readonly from_revision: number;
  readonly from_at: number | null;
  readonly granted_at: number | null;
  readonly importer: string | null;
  readonly facts: string | null;
}

/** When a record was made, and its place. */
interface When {
  readonly at: number;
  readonly revision: number;
}

const endedPerStep = 1000;
const timesPerStep = 1000;
/** Places that are looked through in one step of a sweep. */
const placesPerStep = 1000;
/** A sweep looks at everything: it comes when so much of it may be removed, 1 / this. */
const sweptPart = 5;

/** After anything was thrown it is of no more use: the database is what it was, this is not. */
export class BookWriter {
  readonly #db: Database;
  /** The arenas that exist. */
  readonly #arenas = new Map<string, Living>();
  readonly #statements: ReturnType<typeof prepare>;
  #extent: Extent & Head;
  #partial: boolean;
  #sweptRevision: number;
  /** How far a sweep is. */
  #sweep: { readonly upTo: number; arena: number; fork: Buffer } | undefined;

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
    this.#partial = row.partial === 1;
    this.#sweptRevision = row.swept_revision;
    const arenas = db.prepare<[], { id: number; name: string; levels: string }>(
      'select id, name, levels from arena where destroyed_revision is null',
    );
    for (const { id, name, levels } of arenas.iterate()) {
      this.#arenas.set(name, { id, levels: BigInt(levels) });
    }
  }

  /** What is known, and the journal's digest there. */
  get extent(): Extent & Head {
    return this.#extent;
  }

  /** Whether the checkpoint has not been taken over yet. */
  get partial(): boolean {
    return this.#partial;
  }

  /** Begins an empty book behind what was trimmed; it is complete from a checkpoint on. */
  begin(trimmed: Head, completeRevision: number): void {
    assert(this.#extent.revision === 0 && this.#arenas.size === 0, 'the book is empty');
    const { revision, chain } = trimmed;
    this.#partial = true;
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
    assert(this.#partial && revision === completeRevision, 'what is complete needs nothing');
    assert(engine.revision === revision, 'the checkpoint is of this revision');
    this.commit();
    this.#db.transaction(() => {
      for (let after: string | undefined; ;) {
        const page = engine.arenas(after, endedPerStep);
        for (const { arena, notation, width } of page) {
          const { id } = this.#arenaOf(arena, true);
          this.#db
            .prepare('update arena set notation = ?, width = ? where id = ?')
            .run(notation, width, id);
          engine.walkAllocations(arena, 0n, (view) => {
            const { address, size, createdAt, revision: from, importedBy } = view;
            const found = this.#held(id, address);
            if (found === undefined) {
              const when = { at: createdAt, revision: from };
              this.#insertHeld(id, { base: address, size }, view, importedBy, when);
            }
            return true;
          });
        }
        after = page.at(-1)?.arena;
        if (page.length < endedPerStep) break;
      }
      this.#dropUnknownArenas();
      this.#partial = false;
      this.#note(this.#extent);
      const { arenas, allocations } = this.#db
        .prepare<[], { arenas: number; allocations: number }>(
          `select (select count(*) from arena where destroyed_revision is null) as arenas,
             (select count(*) from held) as allocations`,
        )
        .get()!;
      const totals = engine.totals();
      assert(arenas === totals.arenas && allocations === totals.allocations, 'all are in both');
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
    return this.#db.transaction(() => this.#sweepOn() || this.#removeTimes())();
  }

  #apply(event: Event, revision: number): void {
    const { at } = event;
    if (event.type !== 'batched') this.#applyOne(event, { at, revision });
    else for (const one of event.events) this.#applyOne(one, { at, revision });
  }

  #applyOne(event: BatchEvent | Exclude<Event, { type: 'batched' }>, when: When): void {
    switch (event.type) {
      case 'arenaCreated':
        this.#createArena(event.arena, event, when.revision);
        return;
      case 'arenaDestroyed':
        this.#endAll(event.arena, 'arena-destroyed', when);
        this.#release(event.released, when);
        this.#destroyArena(event.arena, event, when.revision);
        return;
      case 'undeleted': {
        const { at } = when;
        const { id } = this.#arenaOf(event.arena);
        const granted = { granted_at: event.createdAt ?? at, from_at: at };
        this.#insertNext(id, event, granted, textOf(event), when);
        return;
      }
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
          for (const range of freed) this.#end(range.arena, range, event.reason, when);
        }
        this.#release(event.released, when);
        return;
      case 'allocated':
        this.#import(event.imported, when);
        this.#insertHeld(this.#arenaOf(event.arena).id, event, event, undefined, when);
        return;
      case 'freed':
        this.#end(event.arena, event, 'freed', when);
        this.#release(event.released, when);
        return;
      case 'allFreed': {
        const count = this.#endAll(event.arena, 'freed-all', when);
        assert(count === event.count || this.#partial, 'all that is freed was held');
        this.#release(event.released, when);
        return;
      }
      case 'resized':
        this.#change(event.arena, event.base, { size: event.size }, 'resized', when);
        return;
      case 'allocationSplit':
        this.#split(event.arena, event.base, event.pieces, when);
        return;
      case 'allocationsMerged':
        this.#merge(event.arena, event, when);
        return;
      case 'allocationUpdated':
        this.#change(event.arena, event.address, event, 'updated', when);
        return;
      default:
        unreachable(event);
    }
  }

  #import(imported: readonly Imported[], when: When): void {
    for (const span of imported) {
      this.#insertHeld(this.#arenaOf(span.source).id, span, {}, span.arena, when);
    }
  }

  #release(released: readonly Released[], when: When): void {
    for (const span of released) this.#end(span.source, span, 'released', when, span.arena);
  }

  #insertHeld(
    arena: number,
    { base, size }: Range,
    facts: Facts,
    importer: string | undefined,
    { at, revision }: When,
  ): void {
    const text = textOf(facts);
    this.#statements.hold.run(arena, keyOf(base), storedSizeOf(size), revision, at, importer, text);
  }

  #end(arena: string, { base, size }: Range, ending: Ending, when: When, importer?: string): void {
    const living = this.#arenaOf(arena);
    const held = this.#statements.drop.get(living.id, keyOf(base));
    if (held !== undefined) {
      assert(sizeOf(held.size) === size, `what ends at ${when.revision} has its size`);
      this.#insertEnded(living, held, ending, when);
      return;
    }
    assert(this.#partial, `what ends at ${when.revision} was held`);
    const unknown = { from_revision: 0, from_at: null, granted_at: null, facts: null };
    const range = { base: keyOf(base), size: storedSizeOf(size), importer: importer ?? null };
    this.#insertEnded(living, { ...unknown, ...range }, ending, when);
  }

  /** All allocations of an arena, but what others have imported; how many. */
  #endAll(arena: string, ending: Ending, when: When): number {
    const living = this.#arenaOf(arena);
    const { id } = living;
    const { heldAfter, drop } = this.#statements;
    let after: Buffer | undefined;
    let count = 0;
    for (;;) {
      const page = heldAfter.all(id, after ?? Buffer.alloc(0), endedPerStep);
      for (const held of page) {
        if (held.importer !== null) continue;
        drop.get(id, held.base);
        this.#insertEnded(living, held, ending, when);
        count += 1;
      }
      after = page.at(-1)?.base;
      if (page.length < endedPerStep) return count;
    }
  }

  #change(
    arena: string,
    address: bigint,
    changes: Facts & { readonly size?: bigint },
    ending: Ending,
    when: When,
  ): void {
    const living = this.#arenaOf(arena);
    const { id } = living;
    const held = this.#held(id, address);
    // What it was before is not known, nor how large it is.
    if (held === undefined && this.#partial) return;
    assert(held !== undefined, `what is changed at ${when.revision} is held`);
    const { owner, labels } = changes;
    const text = textOf({
      ...factsOf(held.facts),
      ...(owner !== undefined && { owner }),
      ...(labels !== undefined && { labels }),
    });
    const size = changes.size === undefined ? held.size : storedSizeOf(changes.size);
    // Of several changes at one revision nobody has seen any but the last.
    const seen = held.from_revision < when.revision;
    if (seen) this.#insertEnded(living, held, ending, when);
    this.#statements.change.run(
      size,
      text,
      seen ? when.revision : held.from_revision,
      seen ? when.at : held.from_at,
      seen ? (held.granted_at ?? held.from_at) : held.granted_at,
      id,
      held.base,
    );
  }

  #split(arena: string, address: bigint, pieces: readonly Range[], when: When): void {
    const living = this.#arenaOf(arena);
    const whole = this.#statements.drop.get(living.id, keyOf(address));
    if (whole === undefined && this.#partial) return;
    assert(whole !== undefined, `what is split at ${when.revision} is held`);
    this.#insertEnded(living, whole, 'split', when);
    // An external id is that of one allocation: the first piece keeps it.
    const { externalId: _, ...facts } = factsOf(whole.facts);
    for (const piece of pieces) {
      const text = piece.base === address ? whole.facts : textOf(facts);
      this.#insertNext(living.id, piece, whole, text, when);
    }
  }

  /** The one keeps what the first part had, but for labels that are given. */
  #merge(arena: string, merged: AllocationsMerged, when: When): void {
    const living = this.#arenaOf(arena);
    let first: Held | undefined;
    for (const [index, { base }] of merged.parts.entries()) {
      const part = this.#statements.drop.get(living.id, keyOf(base));
      assert(part !== undefined || this.#partial, `what is merged at ${when.revision} is held`);
      if (part !== undefined) this.#insertEnded(living, part, 'merged', when);
      if (index === 0) first = part;
    }
    // Where the first is not known, what it has become is not either.
    if (first === undefined) return;
    const { labels } = merged;
    const facts = { ...factsOf(first.facts), ...(labels !== undefined && { labels }) };
    this.#insertNext(living.id, merged, first, textOf(facts), when);
  }

  /** What was granted together with another that has just ended. */
  #insertNext(
    arena: number,
    { base, size }: Range,
    before: Pick<Held, 'granted_at' | 'from_at'>,
    facts: string | null,
    { at, revision }: When,
  ): void {
    const granted = before.granted_at ?? before.from_at;
    const { holdNext } = this.#statements;
    holdNext.run(arena, keyOf(base), storedSizeOf(size), revision, at, granted, facts);
  }

  /** What began and ended at one revision was never there for anybody to see. */
  #insertEnded(arena: Living, held: Held, ending: Ending, { at, revision }: When): void {
    const { base, size, from_revision: from, importer, facts } = held;
    if (from === revision) return;
    const first = addressOf(base);
    const fork = forkOf(first, first + sizeOf(size) - 1n);
    const level = 1n << levelOf(fork);
    if ((arena.levels & level) === 0n) {
      arena.levels |= level;
      this.#statements.levels.run(`0x${arena.levels.toString(16)}`, arena.id);
    }
    this.#statements.ended.run(
      arena.id,
      fork === first ? base : keyOf(fork),
      from,
      fork === first ? null : base,
      size,
      held.from_at,
      held.granted_at,
      importer,
      facts,
      revision,
      at,
      endings.indexOf(ending),
    );
  }

  #held(arena: number, address: bigint): Held | undefined {
    return this.#statements.held.get(arena, keyOf(address));
  }

  #arenaOf(name: string, checkpoint = false): Living {
    const arena = this.#arenas.get(name);
    if (arena !== undefined) return arena;
    assert(this.#partial || checkpoint, `arena '${name}' is known`);
    return this.#insertArena(name, null, 0);
  }

  #createArena(name: string, space: Space, revision: number): void {
    assert(!this.#arenas.has(name), `arena '${name}' is not there yet`);
    this.#insertArena(name, space, revision);
  }

  #insertArena(name: string, space: Space | null, created: number): Living {
    const { lastInsertRowid } = this.#db
      .prepare(
        `insert into arena (name, notation, width, created_revision, levels)
         values (?, ?, ?, ?, '0x0')`,
      )
      .run(name, space?.notation ?? null, space?.width ?? null, created);
    const arena = { id: Number(lastInsertRowid), levels: 0n };
    this.#arenas.set(name, arena);
    return arena;
  }

  #destroyArena(name: string, space: Partial<Space>, revision: number): void {
    const { id } = this.#arenaOf(name);
    this.#db
      .prepare(
        `update arena set destroyed_revision = ?, notation = coalesce(notation, ?),
           width = coalesce(width, ?) where id = ?`,
      )
      .run(revision, space.notation ?? null, space.width ?? null, id);
    this.#arenas.delete(name);
  }

  /** Records of older versions do not say how addresses of an arena that is gone were written. */
  #dropUnknownArenas(): void {
    const unknown = '(select id from arena where notation is null)';
    this.#db.exec(`delete from ended where arena in ${unknown}`);
    this.#db.exec(`delete from arena where notation is null`);
  }

  /** Takes the place of all later times of earlier revisions. */
  #noteTimes(times: readonly When[]): void {
    const { forgetTimes, noteTime } = this.#statements;
    forgetTimes.run(times[0]!.at);
    for (const { at, revision } of times) noteTime.run(at, revision);
  }

  /** Goes on with a sweep, or begins one where enough has come together. */
  #sweepOn(): boolean {
    const { revision, trimmedRevision } = this.#extent;
    const removable = trimmedRevision - this.#sweptRevision;
    if (this.#sweep === undefined) {
      if (removable === 0 || removable * sweptPart < revision - this.#sweptRevision) return false;
      this.#sweep = { upTo: trimmedRevision, arena: 0, fork: Buffer.alloc(0) };
    }
    const sweep = this.#sweep;
    const { nextPlace, nextArena, placeAfter, sweepUp, dropArenas } = this.#statements;
    const next = nextPlace.get(sweep.arena, sweep.fork) ?? nextArena.get(sweep.arena);
    if (next !== undefined) {
      const { arena } = next;
      const low = arena === sweep.arena ? sweep.fork : emptyKey;
      const high = placeAfter.get(arena, low, placesPerStep)?.fork ?? highestKey;
      sweepUp.run(arena, low, high, sweep.upTo);
      sweep.arena = arena;
      sweep.fork = high;
      return true;
    }
    this.#sweep = undefined;
    this.#sweptRevision = sweep.upTo;
    dropArenas.run(sweep.upTo);
    this.#note(this.#extent);
    return true;
  }

  /** Times that no revision from the trimmed one on is looked up by. */
  #removeTimes(): boolean {
    const rows = this.#statements.firstTimes.all(timesPerStep + 1);
    const { trimmedRevision } = this.#extent;
    let end: number | undefined;
    for (const { at, revision } of rows) {
      if (revision > trimmedRevision) break;
      end = at;
    }
    if (end === undefined) return false;
    this.#db.prepare('delete from clock where at < ?').run(end);
    return end === rows.at(-1)?.at && rows.length > timesPerStep;
  }

  #note(extent: Extent & Head): void {
    const { revision, chain, trimmedRevision, completeRevision } = extent;
    const partial = this.#partial ? 1 : 0;
    const { note } = this.#statements;
    note.run(revision, chain, trimmedRevision, completeRevision, partial, this.#sweptRevision);
    this.#extent = extent;
  }
}

export function factsOf(text: string | null): Facts {
  return text === null ? {} : (JSON.parse(text) as Facts);
}

/** Null where nothing is known beside where it is. */
function textOf({ owner, labels, externalId, lease }: Facts): string | null {
  const known: Facts = {
    ...(owner !== undefined && { owner }),
    ...(labels !== undefined && Object.keys(labels).length > 0 && { labels }),
    ...(externalId !== undefined && { externalId }),
    ...(lease !== undefined && { lease }),
  };
  const text = JSON.stringify(known);
  return text === '{}' ? null : text;
}

function prepare(db: Database) {
  return {
    note: db.prepare(
      `update extent set revision = ?, chain = ?, trimmed_revision = ?, complete_revision = ?,
         partial = ?, swept_revision = ?`,
    ),
    hold: db.prepare(
      `insert into held (arena, base, size, from_revision, from_at, importer, facts)
       values (?, ?, ?, ?, ?, ?, ?)`,
    ),
    holdNext: db.prepare(
      `insert into held (arena, base, size, from_revision, from_at, granted_at, facts)
       values (?, ?, ?, ?, ?, ?, ?)`,
    ),
    held: db.prepare('select * from held where arena = ? and base = ?') as Finding<Held>,
    heldAfter: db.prepare(
      'select * from held where arena = ? and base > ? order by base limit ?',
    ) as Statement<[number, Buffer, number], Held>,
    drop: db.prepare('delete from held where arena = ? and base = ? returning *') as Finding<Held>,
    change: db.prepare(
      `update held set size = ?, facts = ?, from_revision = ?, from_at = ?, granted_at = ?
       where arena = ? and base = ?`,
    ),
    ended: db.prepare(
      `insert into ended (arena, fork, from_revision, base, size, from_at, granted_at, importer,
         facts, until_revision, until_at, ending) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    levels: db.prepare('update arena set levels = ? where id = ?'),
    nextPlace: db.prepare(
      'select arena from ended where arena = ? and fork > ? limit 1',
    ) as Statement<[number, Buffer], { arena: number }>,
    nextArena: db.prepare(
      'select arena from ended where arena > ? order by arena limit 1',
    ) as Statement<[number], { arena: number }>,
    placeAfter: db.prepare(
      `select fork from ended where arena = ? and fork > ? order by fork limit 1 offset ?`,
    ) as Statement<[number, Buffer, number], { fork: Buffer }>,
    sweepUp: db.prepare(
      'delete from ended where arena = ? and fork > ? and fork <= ? and until_revision <= ?',
    ),
    dropArenas: db.prepare(
      `delete from arena where destroyed_revision <= ?
         and not exists (select 1 from ended where ended.arena = arena.id)`,
    ),
    forgetTimes: db.prepare('delete from clock where at >= ?'),
    noteTime: db.prepare('insert into clock (at, revision) values (?, ?)'),
    firstTimes: db.prepare('select at, revision from clock order by at limit ?') as Statement<
      [number],
      When
    >,
  };
}

const emptyKey = Buffer.alloc(0);
const highestKey = Buffer.alloc(16, 0xff);

type Finding<T> = Statement<[number, Buffer], T>;
