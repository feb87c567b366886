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

const batch = 64;

export class PeriodSearch {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#statements = prepare(db);
  }

  /** What may match, and has to be looked at, in order. */
  all(wanted: Wanted): Iterable<Filed> {
    if (inTime(wanted)) return this.#byTime(wanted);
    const ended = wanted.atRevision === undefined ? this.#ended(wanted) : this.#endedAt(wanted);
    return merged(this.#held(wanted), ended);
  }

  /** All that have their forks on the way to an address, and what holds it, the newest first. */
  *#byTime({ id, width, levels, first: address, after, behind }: Wanted): Generator<Filed> {
    const { before = Infinity } = behind ?? {};
    const streams = pathTo(address, width, levels).map((fork) =>
      this.#atFork(id, fork, after, behind && { fork, before }),
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

  /** All whose forks are from `first` to `last`, or on the way there. */
  *#ended({ id, width, levels, first, last, after, behind }: Wanted): Generator<Filed> {
    const { below, above } = forksAround(first, last, width, levels);
    for (const fork of below) yield* this.#atFork(id, fork, after, behind);
    let low = first - 1n;
    if (behind !== undefined && behind.fork >= first) {
      if (behind.fork <= last) yield* this.#atFork(id, behind.fork, after, behind);
      low = behind.fork;
    }
    while (low < last) {
      const page = this.#statements.ended.all(id, keyAbove(low), keyOf(last), batch);
      if (page.length === 0) break;
      let fork = low;
      let over = false;
      for (const row of page) {
        const one = filed(row);
        if (one.fork !== fork) over = false;
        fork = one.fork;
        // What is before it in time ended even earlier.
        if (over) continue;
        yield one;
        over = row.until_revision !== null && row.until_revision <= after;
      }
      const before = page.at(-1)!.from_revision;
      if (page.length === batch && !over) yield* this.#atFork(id, fork, after, { fork, before });
      low = fork;
    }
    for (const fork of above) yield* this.#atFork(id, fork, after, behind);
  }

  /** The same, of each fork the one that was held last at a revision, or the first one after it. */
  *#endedAt(wanted: Wanted): Generator<Filed> {
    const { id, width, levels, first, last, atRevision, behind } = wanted;
    const { ended, endedBefore } = this.#statements;
    const { below, above } = forksAround(first, last, width, levels);
    const before = atRevision! + 1;
    const oneAt = (fork: bigint): Row | undefined => {
      if (behind === undefined || fork > behind.fork) {
        return endedBefore.get(id, keyOf(fork), before, 1);
      }
      if (fork < behind.fork) return undefined;
      return endedBefore.get(id, keyOf(fork), Math.min(before, behind.before), 1);
    };
    for (const fork of below) {
      const row = oneAt(fork);
      if (row !== undefined) yield filed(row);
    }
    let low = first - 1n;
    if (behind !== undefined && behind.fork >= first) {
      const row = behind.fork <= last ? oneAt(behind.fork) : undefined;
      if (row !== undefined) yield filed(row);
      low = behind.fork;
    }
    for (let most = 16; low < last;) {
      const page = ended.all(id, keyAbove(low), keyOf(last), most);
      let forks = 0;
      let found: bigint | undefined;
      for (const row of page) {
        const one = filed(row);
        if (one.fork !== low) forks += 1;
        low = one.fork;
        // The rest of its fork ended before.
        if (found === low) continue;
        if (row.from_revision < before) found = low;
        yield one;
      }
      if (page.length < most) break;
      // Of the last one there may be more: what began in time is looked up.
      const rest = found === low ? undefined : oneAt(low);
      if (rest !== undefined) yield filed(rest);
      most = forks > most / 2 ? Math.min(256, most * 2) : Math.max(4, most / 2);
    }
    for (const fork of above) {
      const row = oneAt(fork);
      if (row !== undefined) yield filed(row);
    }
  }

  /** What holds the address now, if it does and began in time. */
  *#holder(id: number, address: bigint, before: number): Generator<Filed> {
    const row = this.#statements.heldBefore.get(id, keyOf(address));
    if (row === undefined || row.from_revision >= before) return;
    for (const held of blocksIn(row, address, address)) if (held.last >= address) yield held;
  }

  /** The periods of one fork, the newest first, up to the first that ended at `after` or before. */
  *#atFork(id: number, fork: bigint, after: number, behind?: Behind): Generator<Filed> {
    if (behind !== undefined && fork < behind.fork) return;
    let before = fork === behind?.fork ? behind.before : Number.MAX_SAFE_INTEGER;
    for (let most = 1; ; most = batch) {
      const page = this.#statements.endedBefore.all(id, keyOf(fork), before, most);
      for (const row of page) {
        yield filed(row);
        if (row.until_revision !== null && row.until_revision <= after) return;
        before = row.from_revision;
      }
      if (page.length < most) return;
    }
  }

  /** What is held, in the order of addresses, which is that of forks as well. */
  *#held({ id, first, last, behind }: Wanted): Generator<Filed> {
    const { heldBefore, heldAfter } = this.#statements;
    const start = behind !== undefined && behind.fork > first ? behind.fork : first;
    const rows = function* (): Generator<HeldRow> {
      const before = heldBefore.get(id, keyOf(start));
      if (before !== undefined) yield before;
      let low = start;
      for (;;) {
        const page = heldAfter.all(id, keyOf(low), keyOf(last), batch);
        yield* page;
        if (page.length < batch) return;
        low = addressOf(page.at(-1)!.base);
      }
    };
    for (const row of rows()) {
      for (const held of blocksIn(row, start, last)) if (isBehind(held, behind)) yield held;
    }
  }
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

/** Both are in order. At one fork what is held comes first, because it is the newest. */
function* merged(held: Generator<Filed>, ended: Generator<Filed>): Generator<Filed> {
  let one = held.next();
  let other = ended.next();
  while (one.done !== true || other.done !== true) {
    if (other.done === true || (one.done !== true && one.value.fork <= other.value.fork)) {
      if (one.done !== true) yield one.value;
      one = held.next();
    } else {
      yield other.value;
      other = ended.next();
    }
  }
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
    heldAfter: db.prepare(
      `select ${heldColumns} from held where arena = ${parameter} and base > ${parameter}
         and base <= ${parameter}
       order by base limit ?`,
    ) as Statement<[number, Buffer, Buffer, number], HeldRow>,
    endedBefore: db.prepare(
      `select ${endedColumns} from ended where arena = ${parameter} and fork = ${parameter}
         and from_revision < ${parameter}
       order by from_revision desc limit ?`,
    ) as Statement<[number, Buffer, number, number], Row>,
    ended: db.prepare(
      `select ${endedColumns} from ended where arena = ${parameter} and fork > ${parameter}
         and fork <= ${parameter}
       order by fork, from_revision desc limit ?`,
    ) as Statement<[number, Buffer, Buffer, number], Row>,
  };
}
