/**
 * Reads the book: who held an address, or the addresses of a range, at all or at one revision. A
 * page looks at a bounded number of periods, whatever they are asked for; it may then be short, even
 * empty, and still have a next one.
 */
import type { Database, Statement } from 'better-sqlite3';
import { parameter } from './book-file.ts';
import {
  endings,
  type Extent,
  type HistoryAnswer,
  type HistoryQuery,
  type NamedSpace,
  type Period,
  type Position,
  type TooEarly,
} from './history.ts';
import { inTime, PeriodSearch, type Filed, type Wanted } from './period-search.ts';
import { factsOf } from './period-table.ts';

/** Periods that one page takes up; a window of rows that was looked through counts as a few. */
const lookedAtMax = 2000;
const perWindow = 8;

interface ArenaRow extends NamedSpace {
  readonly id: number;
  readonly levels: bigint;
}

/** How much is looked at: what is usual, unless given. */
export interface Bounds {
  /** By one page. */
  readonly lookedAtMax?: number;
  /** At once. */
  readonly windowRows?: number;
}

export class BookReader {
  readonly #search: PeriodSearch;
  readonly #lookedAtMax: number;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: Database, bounds: Bounds = {}) {
    this.#search = new PeriodSearch(db, bounds.windowRows);
    this.#lookedAtMax = bounds.lookedAtMax ?? lookedAtMax;
    this.#statements = prepare(db);
  }

  /** The arena that had the name at a revision, or else the last one that had it. */
  space(name: string, revision?: number): NamedSpace | undefined {
    const found = this.#arenas(name).find(
      ({ created, destroyed = Infinity }) =>
        revision === undefined || (created <= revision && revision <= destroyed),
    );
    if (found === undefined) return undefined;
    const { notation, width, created, destroyed } = found;
    return { notation, width, created, ...(destroyed !== undefined && { destroyed }) };
  }

  answer(query: HistoryQuery, extent: Extent): HistoryAnswer | TooEarly {
    const atRevision = this.#revisionOf(query, extent);
    const earliest = Math.max(extent.trimmedRevision, extent.completeRevision);
    if (atRevision !== undefined && atRevision < earliest) return { ...extent, tooEarly: true };
    const periods: Period[] = [];
    let looked = 0;
    let next: Position | undefined;
    for (const arena of this.#arenas(query.arena)) {
      const wanted = wantedOf(arena, query, atRevision, extent.trimmedRevision);
      if (wanted === undefined) continue;
      const { created } = arena;
      const at = atRevision === undefined ? {} : { atRevision };
      for (const one of this.#search.all(wanted)) {
        if (one.row === undefined) {
          looked += perWindow;
          next = { created, fork: one.fork, before: 0, ...at };
        } else {
          const found = matches(one, wanted);
          if (found && periods.length === query.limit) {
            return { ...extent, periods, ...(next && { next }) };
          }
          if (found) periods.push(periodOf(arena, one));
          const before = beforeOf(one, wanted, found || next?.before === one.row.from_revision);
          looked += 1;
          next = { created, fork: one.fork, before, ...at };
        }
        if (looked >= this.#lookedAtMax) return { ...extent, periods, next };
      }
    }
    return { ...extent, periods };
  }

  /** The newest first. */
  #arenas(name: string): ArenaRow[] {
    return this.#statements.arenas.all(name).map(({ destroyed, levels, ...arena }) => ({
      ...arena,
      levels: BigInt(levels),
      ...(destroyed !== null && { destroyed }),
    }));
  }

  /** The revision that is asked for; one that is known of nothing, where the time is too early. */
  #revisionOf({ position, atRevision, at }: HistoryQuery, extent: Extent): number | undefined {
    if (position !== undefined) return position.atRevision;
    if (at === undefined) return atRevision;
    const found = this.#statements.clock.get(at);
    if (found !== undefined) return found.revision;
    // Before the first change there was nothing.
    return extent.trimmedRevision === 0 ? 0 : -1;
  }
}

function wantedOf(
  { id, width, levels, created, destroyed = Infinity }: ArenaRow,
  { first, last, position, ...query }: HistoryQuery,
  atRevision: number | undefined,
  trimmedRevision: number,
): Wanted | undefined {
  // What is trimmed may still be there.
  const after = Math.max(query.after ?? 0, trimmedRevision);
  if (position !== undefined && created > position.created) return undefined;
  if (destroyed <= after) return undefined;
  if (atRevision !== undefined && (atRevision < created || atRevision >= destroyed))
    return undefined;
  const highest = (1n << BigInt(width)) - 1n;
  if (first > highest) return undefined;
  const behind = position?.created === created ? position : undefined;
  return {
    id,
    width,
    levels,
    first,
    last: last > highest ? highest : last,
    atRevision,
    after,
    behind,
  };
}

function matches({ row, first, last }: Filed, wanted: Wanted): boolean {
  if (last < wanted.first || first > wanted.last) return false;
  const { from_revision: from, until_revision: until } = row;
  if (until !== null && until <= wanted.after) return false;
  const { atRevision } = wanted;
  return atRevision === undefined || (from <= atRevision && (until === null || until > atRevision));
}

/**
 * What is next at the place of a row. Of several forks more than one period may have begun at a
 * revision, of which one at most holds a given address: they are passed over when that was found.
 */
function beforeOf({ row }: Filed, wanted: Wanted, found: boolean): number {
  return found || !inTime(wanted) ? row.from_revision : row.from_revision + 1;
}

function periodOf({ notation, width }: ArenaRow, { row, first, last }: Filed): Period {
  const { from_at: heldFrom, granted_at: grantedAt, until_at: at, importer, ending } = row;
  return {
    space: { notation, width },
    base: first,
    size: last - first + 1n,
    facts: { ...factsOf(row.facts), ...(importer !== null && { importedBy: importer }) },
    ...(heldFrom !== null && {
      grantedAt: grantedAt ?? heldFrom,
      heldFrom,
      revision: row.from_revision,
    }),
    ...(at !== null && {
      end: { at, revision: row.until_revision!, ending: endings[ending!]! },
    }),
  };
}

function prepare(db: Database) {
  return {
    arenas: db.prepare(
      `select id, notation, width, created_revision as created, destroyed_revision as destroyed,
         levels
       from arena where name = ${parameter} and notation is not null order by created_revision desc`,
    ) as Statement<
      [string],
      Omit<ArenaRow, 'destroyed' | 'levels'> & { destroyed: number | null; levels: string }
    >,
    clock: db.prepare(
      `select revision from clock where at <= ${parameter} order by at desc limit 1`,
    ) as Statement<[number], { revision: number }>,
  };
}
