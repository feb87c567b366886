/**
 * Searches the tables of periods: gives those that may be what is wanted, in order, each with what is
 * needed to tell.
 *
 * The order is that of places, and of one place the newest first. A place is the fork of a range, see
 * fork.ts: what is held at one time is therefore in the order of addresses. All periods that hold a
 * single address are put in the order of time.
 */
import type { Database, Statement } from 'better-sqlite3';
import { parameter } from './book-file.ts';
import { forkOf, pathTo } from './fork.ts';
import type { Position } from './history.ts';
import { addressOf, keyOf, sizeOf, type StoredSize } from './key.ts';

export interface Row {
  readonly fork: Buffer | null;
  readonly base: Buffer | null;
  readonly size: StoredSize;
  readonly from_revision: number;
  readonly from_at: number | null;
  readonly granted_at: number | null;
  readonly importer: string | null;
  readonly facts: string | null;
  readonly until_revision: number | null;
  readonly until_at: number | null;
  readonly ending: number | null;
}

/** Of what is held: a run of blocks of this size, see held-table.ts. */
interface HeldRow extends Row {
  readonly base: Buffer;
  readonly count: number;
}

/** A row with where it is, or where one of its blocks is. */
export interface Filed {
  readonly row: Row;
  readonly fork: bigint;
  readonly first: bigint;
  readonly last: bigint;
}

/** Up to this fork, and of its periods all, everything was looked at. */
export interface Passed {
  readonly row?: undefined;
  readonly fork: bigint;
}

type Behind = Pick<Position, 'fork' | 'before'>;

/** What is wanted of one arena. */
export interface Wanted {
  readonly id: number;
  readonly width: number;
  /** The levels of forks that there are. */
  readonly levels: bigint;
  readonly first: bigint;
  readonly last: bigint;
  readonly atRevision: number | undefined;
  readonly after: number;
  /** Only what comes behind this. */
  readonly behind: Behind | undefined;
}

/** Rows of a table that are looked through at once. */
const windowRows = 64;

export class PeriodSearch {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #windowRows: number;

  constructor(db: Database, rows = windowRows) {
    this.#statements = prepare(db);
    this.#windowRows = rows;
  }

  /** What may match, and has to be looked at, in order, and how far windows of rows were passed. */
  all(wanted: Wanted): Iterable<Filed | Passed> {
    if (inTime(wanted)) return this.#byTime(wanted);
    return merged(this.#held(wanted), this.#ended(wanted));
  }

  /** All that have their forks on the way to an address, and what holds it, the newest first. */
  *#byTime(wanted: Wanted): Generator<Filed> {
    const { id, width, levels, first: address, behind } = wanted;
    const { before = Number.MAX_SAFE_INTEGER } = behind ?? {};
    const streams = pathTo(address, width, levels).map((fork) =>
      this.#atFork(wanted, fork, before),
    );
    streams.push(this.#holder(id, address, before));
    const heads: { filed: Filed; stream: Generator<Filed> }[] = [];
    for (const stream of streams) {
      const head = stream.next();
      if (head.done !== true) heads.push({ filed: head.value, stream });
    }
    while (heads.length > 0) {
      let at = 0;
      for (const [index, { filed: one }] of heads.entries()) {
        if (one.row.from_revision > heads[at]!.filed.row.from_revision) at = index;
      }
      const head = heads[at]!;
      yield head.filed;
      const following = head.stream.next();
      if (following.done === true) heads.splice(at, 1);
      else head.filed = following.value;
    }
  }

  /**
   * All whose forks are from `first` to `last`, or on the way there. Of the rows of a window only
   * those that were held in time are read; of its last fork there may be more than that.
   */
  *#ended(wanted: Wanted): Generator<Filed | Passed> {
    const { id, width, levels, first, last, after, atRevision, behind } = wanted;
    const { nthEnded, endedIn } = this.#statements;
    const { below, above } = forksAround(first, last, width, levels);
    for (const fork of below) yield* this.#behindAt(wanted, fork);
    let low = first - 1n;
    if (behind !== undefined && behind.fork >= first) {
      if (behind.fork <= last) yield* this.#behindAt(wanted, behind.fork);
      low = behind.fork;
    }
    while (low < last) {
      const nth = nthEnded.get(id, keyAbove(low), keyOf(last), this.#windowRows - 1);
      const fork = nth === undefined ? last + 1n : addressOf(nth.fork);
      const ends = [keyAbove(low), keyAbove(fork - 1n)] as const;
      const rows = endedIn.all(id, ...ends, beforeAt(wanted), atRevision ?? after);
      for (const row of rows) yield filed(row);
      if (nth === undefined) break;
      yield* this.#behindAt(wanted, fork);
      yield { fork };
      low = fork;
    }
    for (const fork of above) yield* this.#behindAt(wanted, fork);
  }

  /** What holds the address now, if it does and began in time. */
  *#holder(id: number, address: bigint, before: number): Generator<Filed> {
    const row = this.#statements.heldBefore.get(id, keyOf(address));
    if (row === undefined || row.from_revision >= before) return;
    for (const held of blocksIn(row, address, address)) if (held.last >= address) yield held;
  }

  /** The periods of one fork that are behind where the page begins. */
  *#behindAt(wanted: Wanted, fork: bigint): Generator<Filed> {
    const { behind } = wanted;
    if (behind !== undefined && fork < behind.fork) return;
    yield* this.#atFork(wanted, fork, fork === behind?.fork ? behind.before : undefined);
  }

  /**
   * The periods of one fork that began before a revision, the newest first, up to the first that
   * ended at `after` or before; of those at a revision there is but one.
   */
  *#atFork(wanted: Wanted, fork: bigint, before = Number.MAX_SAFE_INTEGER): Generator<Filed> {
    const { id, after, atRevision } = wanted;
    let next = Math.min(before, beforeAt(wanted));
    for (let most = 1; ; most = this.#windowRows) {
      const page = this.#statements.endedBefore.all(id, keyOf(fork), next, most);
      for (const row of page) {
        yield filed(row);
        if (row.until_revision !== null && row.until_revision <= after) return;
        next = row.from_revision;
      }
      if (page.length < most || atRevision !== undefined) return;
    }
  }

  /** What is held, in the order of addresses, which is that of forks as well. */
  *#held(wanted: Wanted): Generator<Filed | Passed> {
    const { id, first, last, behind } = wanted;
    const { heldBefore, nthHeld, heldIn } = this.#statements;
    const start = behind !== undefined && behind.fork > first ? behind.fork : first;
    const before = beforeAt(wanted);
    const row = heldBefore.get(id, keyOf(start));
    if (row !== undefined && row.from_revision < before) yield* blocksBehind(row, start, wanted);
    let low = keyOf(start);
    for (;;) {
      const nth = nthHeld.get(id, low, keyOf(last), this.#windowRows - 1);
      const rows = heldIn.all(id, low, nth?.base ?? keyOf(last), before);
      for (const one of rows) yield* blocksBehind(one, start, wanted);
      if (nth === undefined) return;
      for (const { fork } of blocksIn(nth, last, last)) yield { fork };
      low = nth.base;
    }
  }
}

/** What began at this revision or later is not wanted. */
function beforeAt({ atRevision }: Wanted): number {
  return atRevision === undefined ? Number.MAX_SAFE_INTEGER : atRevision + 1;
}

/** Whether the order is that of time alone. */
export function inTime({ first, last, atRevision }: Wanted): boolean {
  return first === last && atRevision === undefined;
}

/** The forks of ranges that overlap this one and have theirs outside of it, on either side. */
function forksAround(first: bigint, last: bigint, width: number, levels: bigint) {
  return {
    below: pathTo(first, width, levels)
      .filter((fork) => fork < first)
      .toSorted(ascending),
    above: pathTo(last, width, levels)
      .filter((fork) => fork > last)
      .toSorted(ascending),
  };
}

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The key that all those above `address` are greater than; that of −1 is before all. */
function keyAbove(address: bigint): Buffer {
  return address < 0n ? Buffer.alloc(0) : keyOf(address);
}

/**
 * Both are in order. At one fork what is held comes first, because it is the newest; but that the
 * fork was passed is so when what has ended there was looked at, too.
 */
function* merged(
  held: Generator<Filed | Passed>,
  ended: Generator<Filed | Passed>,
): Generator<Filed | Passed> {
  let one = held.next();
  let other = ended.next();
  while (one.done !== true || other.done !== true) {
    if (other.done === true || (one.done !== true && isFirst(one.value, other.value))) {
      if (one.done !== true) yield one.value;
      one = held.next();
    } else {
      yield other.value;
      other = ended.next();
    }
  }
}

function isFirst(held: Filed | Passed, { fork }: Filed | Passed): boolean {
  return held.fork < fork || (held.fork === fork && held.row !== undefined);
}

function* blocksBehind(row: HeldRow, start: bigint, { last, behind }: Wanted): Generator<Filed> {
  for (const held of blocksIn(row, start, last)) if (isBehind(held, behind)) yield held;
}

function isBehind({ fork, row }: Filed, behind: Behind | undefined): boolean {
  if (behind === undefined || fork > behind.fork) return true;
  return fork === behind.fork && row.from_revision < behind.before;
}

/** The blocks of a run from the last that begins at `start` or before it to the last that does at `last`. */
function* blocksIn(row: HeldRow, start: bigint, last: bigint): Generator<Filed> {
  const size = sizeOf(row.size);
  const base = addressOf(row.base);
  const end = base + size * BigInt(row.count);
  let first = base;
  if (start >= end) first = end - size;
  else if (start > base) first = start - ((start - base) % size);
  for (; first < end && first <= last; first += size) {
    yield { row, fork: forkOf(first, first + size - 1n), first, last: first + size - 1n };
  }
}

function filed(row: Row): Filed {
  const fork = addressOf(row.fork!);
  const first = row.base === null ? fork : addressOf(row.base);
  return { row, fork, first, last: first + sizeOf(row.size) - 1n };
}

const heldColumns = `null as fork, base, size, count, from_revision, from_at, granted_at, importer, facts,
  null as until_revision, null as until_at, null as ending`;
const endedColumns = `fork, base, size, from_revision, from_at, granted_at, importer, facts,
  until_revision, until_at, ending`;

function prepare(db: Database) {
  return {
    heldBefore: db.prepare(
      `select ${heldColumns} from held where arena = ${parameter} and base <= ${parameter}
       order by base desc limit 1`,
    ) as Statement<[number, Buffer], HeldRow>,
    nthHeld: db.prepare(
      `select ${heldColumns} from held where arena = ${parameter} and base > ${parameter}
         and base <= ${parameter}
       order by base limit 1 offset ${parameter}`,
    ) as Statement<[number, Buffer, Buffer, number], HeldRow>,
    heldIn: db.prepare(
      `select ${heldColumns} from held where arena = ${parameter} and base > ${parameter}
         and base <= ${parameter} and from_revision < ${parameter}
       order by base`,
    ) as Statement<[number, Buffer, Buffer, number], HeldRow>,
    endedBefore: db.prepare(
      `select ${endedColumns} from ended where arena = ${parameter} and fork = ${parameter}
         and from_revision < ${parameter}
       order by from_revision desc limit ${parameter}`,
    ) as Statement<[number, Buffer, number, number], Row>,
    nthEnded: db.prepare(
      `select fork from ended where arena = ${parameter} and fork > ${parameter}
         and fork <= ${parameter}
       order by fork, from_revision desc limit 1 offset ${parameter}`,
    ) as Statement<[number, Buffer, Buffer, number], { fork: Buffer }>,
    endedIn: db.prepare(
      `select ${endedColumns} from ended where arena = ${parameter} and fork > ${parameter}
         and fork <= ${parameter} and from_revision < ${parameter} and until_revision > ${parameter}
       order by fork, from_revision desc`,
    ) as Statement<[number, Buffer, Buffer, number, number], Row>,
  };
}
