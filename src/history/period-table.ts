/**
 * The tables of periods: what is held now is in one, by run; what has ended is in the other, block by
 * block, filed by fork.
 *
 * While it is *partial*, what a record names and the tables do not know was held since before the first
 * record. Otherwise whatever a record contradicts is a book that is damaged, or a bug, and throws.
 */
import type { Database } from 'better-sqlite3';
import { assert } from '../engine/assert.ts';
import type { Range } from '../engine/command.ts';
import type { Engine } from '../engine/engine.ts';
import type { AllocationsMerged } from '../engine/event.ts';
import { forkOf, levelOf } from './fork.ts';
import { endings, type Ending, type Facts, type Space } from './history.ts';
import { blocksOf, HeldTable, type Held, type Run } from './held-table.ts';
import { addressOf, keyOf, sizeOf, storedSizeOf } from './key.ts';

/** An arena that exists. */
interface Living {
  readonly id: number;
  /** Bits of the levels that forks of its periods have. */
  levels: bigint;
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
  readonly #held: HeldTable;
  readonly #statements: ReturnType<typeof prepare>;
  #partial: boolean;

  constructor(db: Database, partial: boolean) {
    this.#db = db;
    this.#held = new HeldTable(db);
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
          if (!this.#held.has(id, address)) {
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
    const { arenas } = this.#db
      .prepare<[], { arenas: number }>(
        'select count(*) as arenas from arena where destroyed_revision is null',
      )
      .get()!;
    const allocations = this.#held.blocks;
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
  hold(arena: string, run: Run, facts: Facts, when: When, importer?: string): void {
    this.#insertHeld(this.#arenaOf(arena).id, run, facts, when, importer);
  }

  /** A freed allocation is held again, granted at `createdAt`, where that is known. */
  holdAgain(arena: string, range: Range, facts: Facts, when: When, createdAt?: number): void {
    const { id } = this.#arenaOf(arena);
    const granted = { granted_at: createdAt ?? when.at, from_at: when.at };
    this.#insertNext(id, range, granted, textOf(facts), when);
  }

  end(arena: string, run: Run, ending: Ending, when: When, importer?: string): void {
    const living = this.#arenaOf(arena);
    const { size, count = 1 } = run;
    let { base } = run;
    for (let left = count; left > 0;) {
      const held = this.#held.take(living.id, base, left) ?? this.#unknown(base, size, importer);
      assert(sizeOf(held.size) === size, 'what ends has its size', when.revision);
      this.#insertEnded(living, held, ending, when);
      left -= held.count;
      base += size * BigInt(held.count);
    }
  }

  /** A block that was held since before the first record. */
  #unknown(base: bigint, size: bigint, importer: string | null = null): Held {
    assert(this.#partial, 'what ends was held');
    const since = { from_revision: 0, from_at: null, granted_at: null };
    return {
      ...since,
      base: keyOf(base),
      size: storedSizeOf(size),
      count: 1,
      importer,
      facts: null,
    };
  }

  /** All allocations of an arena, but what others have imported; how many. */
  endAll(arena: string, ending: Ending, when: When): number {
    const living = this.#arenaOf(arena);
    const { id } = living;
    let after: Buffer | undefined;
    let count = 0;
    for (;;) {
      const page = this.#held.page(id, after, rowsPerStep);
      for (const held of page) {
        if (held.importer !== null) continue;
        this.#held.remove(id, held);
        this.#insertEnded(living, held, ending, when);
        count += held.count;
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
    const held = this.#held.alone(id, address);
    // What it was before is not known, nor how large it is.
    if (held === undefined && this.#partial) return;
    assert(held !== undefined, 'what is changed is held', when.revision);
    const { owner, labels } = changes;
    const text = textOf({
      ...factsOf(held.facts),
      ...(owner !== undefined && { owner }),
      ...(labels !== undefined && { labels }),
    });
    // Of several changes at one revision nobody has seen any but the last.
    const seen = held.from_revision < when.revision;
    if (seen) this.#insertEnded(living, held, ending, when);
    this.#held.change(id, address, changes.size ?? sizeOf(held.size), {
      ...(seen ? { ...nextOf(held, when), importer: held.importer } : held),
      facts: text,
    });
  }

  split(arena: string, address: bigint, pieces: readonly Range[], when: When): void {
    const living = this.#arenaOf(arena);
    const whole = this.#held.take(living.id, address, 1);
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
      const part = this.#held.take(living.id, base, 1);
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
    run: Run,
    facts: Facts,
    { at, revision }: When,
    importer: string | null = null,
  ): void {
    const since = { from_revision: revision, from_at: at, granted_at: null };
    this.#held.insert(arena, run, { ...since, importer, facts: textOf(facts) });
  }

  /** What was granted together with another that has just ended. */
  #insertNext(arena: number, range: Range, before: Since, facts: string | null, when: When): void {
    this.#held.insert(arena, range, { ...nextOf(before, when), importer: null, facts });
  }

  /** What began and ended at one revision was never there for anybody to see. */
  #insertEnded(arena: Living, held: Held, ending: Ending, { at, revision }: When): void {
    const { size, from_revision: from, importer, facts } = held;
    if (from === revision) return;
    const last = sizeOf(size) - 1n;
    for (const base of blocksOf(held)) {
      const first = addressOf(base);
      const fork = forkOf(first, first + last);
      this.#noteLevel(arena, fork);
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
  }

  #noteLevel(arena: Living, fork: bigint): void {
    const level = 1n << levelOf(fork);
    if ((arena.levels & level) !== 0n) return;
    arena.levels |= level;
    this.#statements.levels.run(`0x${arena.levels.toString(16)}`, arena.id);
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

/** Since when what follows on a period is held, and when it was granted. */
function nextOf({ granted_at: granted, from_at: from }: Since, { at, revision }: When) {
  return { from_revision: revision, from_at: at, granted_at: granted ?? from };
}

type Since = Pick<Held, 'granted_at' | 'from_at'>;

function prepare(db: Database) {
  return {
    ended: db.prepare(
      `insert into ended (arena, fork, from_revision, base, size, from_at, granted_at, importer,
         facts, until_revision, until_at, ending) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    levels: db.prepare('update arena set levels = ? where id = ?'),
  };
}
