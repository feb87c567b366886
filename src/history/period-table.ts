/**
 * The tables of periods: what is held now is in one, which is as large as the state; what has ended is
 * in the other, filed by fork.
 *
 * While it is *partial*, what a record names and the tables do not know was held since before the first
 * record. Otherwise whatever a record contradicts is a book that is damaged, or a bug, and throws.
 */
import type { Database, Statement } from 'better-sqlite3';
import { assert } from '../engine/assert.ts';
import type { Range } from '../engine/command.ts';
import type { Engine } from '../engine/engine.ts';
import type { AllocationsMerged } from '../engine/event.ts';
import { forkOf, levelOf } from './fork.ts';
import { endings, type Ending, type Facts, type Space } from './history.ts';
import { addressOf, keyOf, sizeOf, storedSizeOf, type StoredSize } from './key.ts';

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
export interface When {
  readonly at: number;
  readonly revision: number;
}

const rowsPerStep = 1000;

/** After anything was thrown it is of no more use: the database is what it was, this is not. */
export class PeriodTable {
  readonly #db: Database;
  /** The arenas that exist. */
  readonly #arenas = new Map<string, Living>();
  readonly #statements: ReturnType<typeof prepare>;
  #partial: boolean;

  constructor(db: Database, partial: boolean) {
    this.#db = db;
    this.#statements = prepare(db);
    this.#partial = partial;
    const arenas = db.prepare<[], { id: number; name: string; levels: string }>(
      'select id, name, levels from arena where destroyed_revision is null',
    );
    for (const { id, name, levels } of arenas.iterate()) {
      this.#arenas.set(name, { id, levels: BigInt(levels) });
    }
  }

  /** Whether the checkpoint has not been taken over yet. */
  get partial(): boolean {
    return this.#partial;
  }

  /** Begins behind what was trimmed, while all is empty. */
  begin(): void {
    assert(this.#arenas.size === 0, 'the book is empty');
    this.#partial = true;
  }

  /** Takes over what the checkpoint has and the records did not tell; within a transaction. */
  complete(engine: Engine): void {
    assert(this.#partial, 'what is complete needs nothing');
    for (let after: string | undefined; ;) {
      const page = engine.arenas(after, rowsPerStep);
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
            this.#insertHeld(id, { base: address, size }, view, when, importedBy);
          }
          return true;
        });
      }
      after = page.at(-1)?.arena;
      if (page.length < rowsPerStep) break;
    }
    this.#dropUnknownArenas();
    this.#partial = false;
    const { arenas, allocations } = this.#db
      .prepare<[], { arenas: number; allocations: number }>(
        `select (select count(*) from arena where destroyed_revision is null) as arenas,
           (select count(*) from held) as allocations`,
      )
      .get()!;
    const totals = engine.totals();
    assert(arenas === totals.arenas && allocations === totals.allocations, 'all are in both');
  }

  createArena(name: string, space: Space, revision: number): void {
    assert(!this.#arenas.has(name), `arena '${name}' is not there yet`);
    this.#insertArena(name, space, revision);
  }

  destroyArena(name: string, space: Partial<Space>, revision: number): void {
    const { id } = this.#arenaOf(name);
    this.#db
      .prepare(
        `update arena set destroyed_revision = ?, notation = coalesce(notation, ?),
           width = coalesce(width, ?) where id = ?`,
      )
      .run(revision, space.notation ?? null, space.width ?? null, id);
    this.#arenas.delete(name);
  }

  /** What is granted; with `importer`, to the arena that has it as a span. */
  hold(arena: string, range: Range, facts: Facts, when: When, importer?: string): void {
    this.#insertHeld(this.#arenaOf(arena).id, range, facts, when, importer);
  }

  /** A freed allocation is held again, granted at `createdAt`, where that is known. */
  holdAgain(arena: string, range: Range, facts: Facts, when: When, createdAt?: number): void {
    const { id } = this.#arenaOf(arena);
    const granted = { granted_at: createdAt ?? when.at, from_at: when.at };
    this.#insertNext(id, range, granted, textOf(facts), when);
  }

  end(arena: string, { base, size }: Range, ending: Ending, when: When, importer?: string): void {
    const living = this.#arenaOf(arena);
    const held = this.#statements.drop.get(living.id, keyOf(base));
    if (held !== undefined) {
      assert(sizeOf(held.size) === size, 'what ends has its size', when.revision);
      this.#insertEnded(living, held, ending, when);
      return;
    }
    assert(this.#partial, 'what ends was held', when.revision);
    const unknown = { from_revision: 0, from_at: null, granted_at: null, facts: null };
    const range = { base: keyOf(base), size: storedSizeOf(size), importer: importer ?? null };
    this.#insertEnded(living, { ...unknown, ...range }, ending, when);
  }

  /** All allocations of an arena, but what others have imported; how many. */
  endAll(arena: string, ending: Ending, when: When): number {
    const living = this.#arenaOf(arena);
    const { id } = living;
    const { heldAfter, drop } = this.#statements;
    let after: Buffer | undefined;
    let count = 0;
    for (;;) {
      const page = heldAfter.all(id, after ?? Buffer.alloc(0), rowsPerStep);
      for (const held of page) {
        if (held.importer !== null) continue;
        drop.get(id, held.base);
        this.#insertEnded(living, held, ending, when);
        count += 1;
      }
      after = page.at(-1)?.base;
      if (page.length < rowsPerStep) return count;
    }
  }

  change(
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
    assert(held !== undefined, 'what is changed is held', when.revision);
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

  split(arena: string, address: bigint, pieces: readonly Range[], when: When): void {
    const living = this.#arenaOf(arena);
    const whole = this.#statements.drop.get(living.id, keyOf(address));
    if (whole === undefined && this.#partial) return;
    assert(whole !== undefined, 'what is split is held', when.revision);
    this.#insertEnded(living, whole, 'split', when);
    // An external id is that of one allocation: the first piece keeps it.
    const { externalId: _, ...facts } = factsOf(whole.facts);
    for (const piece of pieces) {
      const text = piece.base === address ? whole.facts : textOf(facts);
      this.#insertNext(living.id, piece, whole, text, when);
    }
  }

  /** The one keeps what the first part had, but for labels that are given. */
  merge(arena: string, merged: AllocationsMerged, when: When): void {
    const living = this.#arenaOf(arena);
    let first: Held | undefined;
    for (const [index, { base }] of merged.parts.entries()) {
      const part = this.#statements.drop.get(living.id, keyOf(base));
      assert(part !== undefined || this.#partial, 'what is merged is held', when.revision);
      if (part !== undefined) this.#insertEnded(living, part, 'merged', when);
      if (index === 0) first = part;
    }
    // Where the first is not known, what it has become is not either.
    if (first === undefined) return;
    const { labels } = merged;
    const facts = { ...factsOf(first.facts), ...(labels !== undefined && { labels }) };
    this.#insertNext(living.id, merged, first, textOf(facts), when);
  }

  #insertHeld(
    arena: number,
    { base, size }: Range,
    facts: Facts,
    { at, revision }: When,
    importer?: string,
  ): void {
    const text = textOf(facts);
    this.#statements.hold.run(arena, keyOf(base), storedSizeOf(size), revision, at, importer, text);
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

  /** Records of older versions do not say how addresses of an arena that is gone were written. */
  #dropUnknownArenas(): void {
    const unknown = '(select id from arena where notation is null)';
    this.#db.exec(`delete from ended where arena in ${unknown}`);
    this.#db.exec(`delete from arena where notation is null`);
  }
}

export function factsOf(text: string | null): Facts {
  return text === null ? {} : (JSON.parse(text) as Facts);
}

/** Null where nothing is known beside where it is. */
function textOf({ owner, labels = {}, externalId, lease }: Facts): string | null {
  const labelled = Object.keys(labels).length > 0;
  if (!labelled && (owner ?? externalId ?? lease) === undefined) return null;
  const known: Facts = {
    ...(owner !== undefined && { owner }),
    ...(labelled && { labels }),
    ...(externalId !== undefined && { externalId }),
    ...(lease !== undefined && { lease }),
  };
  return JSON.stringify(known);
}

function prepare(db: Database) {
  return {
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
  };
}

type Finding<T> = Statement<[number, Buffer], T>;
