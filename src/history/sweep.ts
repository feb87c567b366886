/**
 * The sweep: removes from the book what the journal no longer keeps the records of, in small steps. It
 * goes through all that has ended, place by place; so it comes only when much of that may go.
 */
import type { Database, Statement } from 'better-sqlite3';

interface Time {
  readonly at: number;
  readonly revision: number;
}

const timesPerStep = 1000;
/** Places that are looked through in one step. */
const placesPerStep = 1000;
/** A sweep looks at everything: it comes when so much of it may be removed, 1 / this. */
const sweptPart = 5;

export class Sweep {
  readonly #statements: ReturnType<typeof prepare>;
  /** What ended up to here is gone. */
  #sweptRevision: number;
  /** How far the one that is under way has come. */
  #place: { readonly upTo: number; arena: number; fork: Buffer } | undefined;

  constructor(db: Database, sweptRevision: number) {
    this.#statements = prepare(db);
    this.#sweptRevision = sweptRevision;
  }

  get sweptRevision(): number {
    return this.#sweptRevision;
  }

  /** Takes one step, within a transaction; returns whether there may be more to do. */
  step(extent: { readonly revision: number; readonly trimmedRevision: number }): boolean {
    return this.#sweepOn(extent) || this.#removeTimes(extent.trimmedRevision);
  }

  /** Goes on, or begins where enough has come together. */
  #sweepOn({ revision, trimmedRevision }: { revision: number; trimmedRevision: number }): boolean {
    const removable = trimmedRevision - this.#sweptRevision;
    if (this.#place === undefined) {
      if (removable === 0 || removable * sweptPart < revision - this.#sweptRevision) return false;
      this.#place = { upTo: trimmedRevision, arena: 0, fork: Buffer.alloc(0) };
    }
    const place = this.#place;
    const { nextPlace, nextArena, placeAfter, sweepUp, dropArenas } = this.#statements;
    const next = nextPlace.get(place.arena, place.fork) ?? nextArena.get(place.arena);
    if (next !== undefined) {
      const { arena } = next;
      const low = arena === place.arena ? place.fork : emptyKey;
      const high = placeAfter.get(arena, low, placesPerStep)?.fork ?? highestKey;
      sweepUp.run(arena, low, high, place.upTo);
      place.arena = arena;
      place.fork = high;
      return true;
    }
    this.#place = undefined;
    this.#sweptRevision = place.upTo;
    dropArenas.run(place.upTo);
    return true;
  }

  /** Times that no revision from the trimmed one on is looked up by. */
  #removeTimes(trimmedRevision: number): boolean {
    const rows = this.#statements.firstTimes.all(timesPerStep + 1);
    let end: number | undefined;
    for (const { at, revision } of rows) {
      if (revision > trimmedRevision) break;
      end = at;
    }
    if (end === undefined) return false;
    this.#statements.dropTimes.run(end);
    return end === rows.at(-1)?.at && rows.length > timesPerStep;
  }
}

const emptyKey = Buffer.alloc(0);
const highestKey = Buffer.alloc(16, 0xff);

function prepare(db: Database) {
  return {
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
    dropTimes: db.prepare('delete from clock where at < ?'),
    firstTimes: db.prepare('select at, revision from clock order by at limit ?') as Statement<
      [number],
      Time
    >,
  };
}
