/**
 * Replay: what a journal holds, page by page: the parts of the newest checkpoint, where they are
 * asked for the answers kept for idempotency keys, then the groups after it. One side reads pages from the database, in the thread that has it; the other, in the
 * thread that wants them, visits each page while the next one is read. The engine that serves is
 * filled this way at the start, and so is the one that the next checkpoint is taken from.
 */
import type { Database } from 'better-sqlite3';
import { PartReader, type CheckpointTable } from './checkpoint-table.ts';
import { partsOf, type DecodedPage } from './decoded-page.ts';
import { GroupReader, type GroupTable, type Mark, type StepLimit } from './group-table.ts';
import { splitRecords, type Group } from './group.ts';
import type { Head } from './head-anchor.ts';
import type { JournalRecord, Visitor } from './journal.ts';
import type { StoredKeyed } from './keyed.ts';
import { KeyedReader } from './keyed-reader.ts';
import type { KeyedTable } from './keyed-table.ts';
import { RecoveryError, restoreBackup } from './recovery-error.ts';

export type Page =
  /** `first` is the place of the first of them among all of the checkpoint, from 0. */
  | { readonly type: 'parts'; readonly first: number; readonly bodies: readonly string[] }
  | { readonly type: 'checkpoint'; readonly revision: number }
  | { readonly type: 'keyed'; readonly rows: readonly StoredKeyed[] }
  | { readonly type: 'groups'; readonly groups: readonly Group[] }
  | { readonly type: 'end' };

export interface ReplaySource {
  readonly db: Database;
  readonly directory: string;
  readonly groups: GroupTable;
  readonly checkpoints: CheckpointTable;
  readonly keyed: KeyedTable;
}

export interface ReplayOptions {
  /** Where reading passes it, the chain has to have this digest. */
  readonly expected?: Head;
  /** Reads the groups before the checkpoint too, all that are stored. */
  readonly history?: boolean;
  /** Reads the keyed rows too, and compares them with the groups. */
  readonly keyed?: boolean;
}

const start: Mark = { revision: 0, chain: new Uint8Array(32), bytesTotal: 0 };

export class Replay {
  readonly #groups: GroupReader;
  #parts: PartReader | undefined;
  readonly #keyed: KeyedReader | undefined;
  #keyedRead = false;

  /** Up to the group that ends at `upTo`. */
  constructor(
    source: ReplaySource,
    upTo: number,
    { expected, history, keyed }: ReplayOptions = {},
  ) {
    const { db, directory, groups, checkpoints } = source;
    const { newest } = checkpoints;
    this.#parts = newest && new PartReader(db, newest);
    // Where nothing was trimmed, what reading begins with is known and not believed.
    const stored = groups.trimmed.revision === 0 ? start : groups.trimmed;
    const from = history === true ? stored : (newest ?? stored);
    this.#groups = new GroupReader(db, directory, from, upTo, expected);
    if (keyed !== true) return;
    const checkpoint = newest ?? { revision: 0, keyedRevision: 0 };
    const options = { directory, upTo, checkpoint, from: from.revision };
    this.#keyed = new KeyedReader(db, source.keyed, options);
  }

  /** Where the groups read so far end. */
  get mark(): Mark {
    return this.#groups.mark;
  }

  next(limit: StepLimit): Page {
    if (this.#parts !== undefined) {
      const first = this.#parts.read;
      const bodies = this.#parts.next(limit);
      if (bodies.length > 0) return { type: 'parts', first, bodies };
      const { revision } = this.#parts;
      this.#parts = undefined;
      return { type: 'checkpoint', revision };
    }
    if (this.#keyed !== undefined && !this.#keyedRead) {
      const rows = this.#keyed.next(limit);
      if (rows.length > 0) return { type: 'keyed', rows };
      this.#keyedRead = true;
    }
    const groups = this.#groups.next(limit);
    if (groups.length > 0) {
      this.#keyed?.compare(groups);
      return { type: 'groups', groups };
    }
    this.#keyed?.compared();
    return { type: 'end' };
  }
}

/** Of keyed rows what finding them needs, in a form that passes between threads quickly. */
export interface KeysPage {
  readonly type: 'keys';
  /** The keys of all rows, one after another. */
  readonly keys: string;
  readonly revisions: Float64Array;
  readonly ranMs: Float64Array;
}

export function keysPageOf(rows: readonly StoredKeyed[]): KeysPage {
  return {
    type: 'keys',
    keys: rows.map(({ key }) => key).join(''),
    revisions: Float64Array.from(rows, ({ revision }) => revision),
    ranMs: Float64Array.from(rows, ({ ranMs }) => ranMs),
  };
}

export interface PageVisitor extends Visitor {
  keys?(page: KeysPage): void;
}

/** Asks for pages and hands what is on them to the visitor, while the next page is under way. */
export async function visitPages<P extends Page | DecodedPage | KeysPage>(
  ask: () => Promise<P>,
  visitor: PageVisitor,
): Promise<void> {
  let page = await ask();
  while (page.type !== 'end') {
    const next = ask();
    // A visit that throws leaves nobody waiting for it; its failure then matters no more.
    next.catch(() => undefined);
    visit(page, visitor);
    page = await next;
  }
}

function visit(page: Page | DecodedPage | KeysPage, visitor: PageVisitor): void {
  switch (page.type) {
    case 'parts':
    case 'decoded':
      for (const part of partsOf(page)) visitor.part(part);
      return;
    case 'checkpoint':
      visitor.checkpoint(page.revision);
      return;
    case 'keys':
      visitor.keys?.(page);
      return;
    case 'keyed':
    case 'end':
      return;
    case 'groups':
      for (const group of page.groups) {
        for (const record of recordsOf(group)) visitor.record(record);
      }
  }
}

/** The records of a stored group. Throws RecoveryError where they are not as many as it says. */
export function recordsOf(group: Group): JournalRecord[] {
  const records = splitRecords(group);
  if (records !== undefined) return records;
  throw new RecoveryError(
    'damaged',
    `Records ${group.firstRevision} to ${group.lastRevision} do not agree with their count.`,
    restoreBackup,
  );
}
