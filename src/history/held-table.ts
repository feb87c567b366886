/**
 * The table of what is held now. A row is a *run*: blocks of one size side by side, of which all that
 * is known is the same, as a batch grants them; most are of one block. Where something happens to a
 * block of a run, it is taken out, and what is on either side of it stays a run.
 */
import type { Database, Statement } from 'better-sqlite3';
import type { Range } from '../engine/command.ts';
import { parameter } from './book-file.ts';
import { addressOf, keyOf, sizeOf, storedSizeOf, type StoredSize } from './key.ts';

/** So many blocks of a size, side by side from `base` on; one where it is not said. */
export interface Run extends Range {
  readonly count?: number;
}

/** A row: `size` is that of a block. */
export interface Held {
  readonly base: Buffer;
  readonly size: StoredSize;
  readonly count: number;
  readonly from_revision: number;
  readonly from_at: number | null;
  readonly granted_at: number | null;
  readonly importer: string | null;
  readonly facts: string | null;
}

/** What is known of each block. */
export type Known = Omit<Held, 'base' | 'size' | 'count'>;

export class HeldTable {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#statements = prepare(db);
  }

  /** All blocks that are held, of all arenas. */
  get blocks(): number {
    return this.#statements.blocks.get()!.blocks;
  }

  insert(arena: number, { base, size, count = 1 }: Run, known: Known): void {
    this.#insert(arena, { ...known, base: keyOf(base), size: storedSizeOf(size), count });
  }

  /** The block at exactly this address, in a row of its own from now on. */
  alone(arena: number, address: bigint): Held | undefined {
    const { at } = this.#statements;
    const found = at.get(arena, keyOf(address));
    if (found?.count === 1) return found;
    const taken = this.take(arena, address, 1);
    if (taken !== undefined) this.#insert(arena, taken);
    return taken;
  }

  /** Whether a block begins at exactly this address. */
  has(arena: number, address: bigint): boolean {
    return this.#covering(arena, keyOf(address), address) !== undefined;
  }

  /**
   * Takes out the block at exactly this address and those behind it that are of the same run, `most`
   * at most; undefined where there is none.
   */
  take(arena: number, address: bigint, most: number): Held | undefined {
    const { drop, remove, shorten } = this.#statements;
    const key = keyOf(address);
    const single = drop.get(arena, key);
    if (single !== undefined) return single;
    const found = this.#covering(arena, key, address);
    if (found === undefined) return undefined;
    const { row, before } = found;
    const count = Math.min(most, row.count - before);
    const behind = row.count - before - count;
    if (before === 0) remove.run(arena, row.base);
    else shorten.run(before, arena, row.base);
    if (behind > 0) {
      const base = keyOf(address + sizeOf(row.size) * BigInt(count));
      this.#insert(arena, { ...row, base, count: behind });
    }
    return { ...row, base: key, count };
  }

  /** Changes the row of the block that is alone at this address. */
  change(arena: number, address: bigint, size: bigint, known: Known): void {
    const { from_revision: revision, from_at: at, granted_at: granted, facts } = known;
    const { change } = this.#statements;
    change.run(storedSizeOf(size), facts, revision, at, granted, arena, keyOf(address));
  }

  /** Rows behind a key, at most so many, in the order of addresses; all where there is no key. */
  page(arena: number, after: Buffer | undefined, most: number): Held[] {
    return this.#statements.after.all(arena, after ?? Buffer.alloc(0), most);
  }

  remove(arena: number, { base }: Held): void {
    this.#statements.remove.run(arena, base);
  }

  /** The row that has the block, and how many of its blocks are before that one. */
  #covering(
    arena: number,
    key: Buffer,
    address: bigint,
  ): { readonly row: Held; readonly before: number } | undefined {
    const row = this.#statements.upTo.get(arena, key);
    if (row === undefined) return undefined;
    const offset = address - addressOf(row.base);
    const size = sizeOf(row.size);
    const before = offset / size;
    if (before * size !== offset || before >= BigInt(row.count)) return undefined;
    return { row, before: Number(before) };
  }

  #insert(arena: number, row: Held): void {
    this.#statements.insert.run(
      arena,
      row.base,
      row.size,
      row.count,
      row.from_revision,
      row.from_at,
      row.granted_at,
      row.importer,
      row.facts,
    );
  }
}

/** The blocks of a run, in the order of addresses. */
export function* blocksOf({ base, size, count }: Held): Generator<Buffer> {
  yield base;
  const step = sizeOf(size);
  let address = addressOf(base);
  for (let left = count - 1; left > 0; left--) {
    address += step;
    yield keyOf(address);
  }
}

function prepare(db: Database) {
  return {
    insert: db.prepare('insert into held values (?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    at: db.prepare('select * from held where arena = ? and base = ?') as Finding,
    upTo: db.prepare(
      `select * from held where arena = ${parameter} and base <= ${parameter}
       order by base desc limit 1`,
    ) as Finding,
    after: db.prepare(
      `select * from held where arena = ${parameter} and base > ${parameter}
       order by base limit ${parameter}`,
    ) as Statement<[number, Buffer, number], Held>,
    drop: db.prepare(
      'delete from held where arena = ? and base = ? and count = 1 returning *',
    ) as Finding,
    remove: db.prepare('delete from held where arena = ? and base = ?'),
    shorten: db.prepare('update held set count = ? where arena = ? and base = ?'),
    change: db.prepare(
      `update held set size = ?, facts = ?, from_revision = ?, from_at = ?, granted_at = ?
       where arena = ? and base = ?`,
    ),
    blocks: db.prepare('select coalesce(sum(count), 0) as blocks from held') as Statement<
      [],
      { blocks: number }
    >,
  };
}

type Finding = Statement<[number, Buffer], Held>;
