/**
 * Replay: what a journal holds, page by page: the parts of the newest checkpoint, then the groups
 * after it. One side reads pages from the database, in the thread that has it; the other, in the
 * thread that wants them, visits each page while the next one is read. The engine that serves is
 * filled this way at the start, and so is the one that the next checkpoint is taken from.
 */
import type { Database } from 'better-sqlite3';
import { PartReader, type CheckpointTable } from './checkpoint-table.ts';
import { GroupReader, type GroupTable, type Mark, type StepLimit } from './group-table.ts';
import { splitRecords, type Group } from './group.ts';
import type { Head } from './head-anchor.ts';
import type { JournalRecord, Visitor } from './journal.ts';
import { RecoveryError, restoreBackup } from './recovery-error.ts';

export type Page =
  | { readonly type: 'parts'; readonly bodies: readonly string[] }
  | { readonly type: 'checkpoint'; readonly revision: number }
  | { readonly type: 'groups'; readonly groups: readonly Group[] }
  | { readonly type: 'end' };

export interface ReplaySource {
  readonly db: Database;
  readonly directory: string;
  readonly groups: GroupTable;
  readonly checkpoints: CheckpointTable;
}

export interface ReplayOptions {
  /** Where reading passes it, the chain has to have this digest. */
  readonly expected?: Head;
  /** Reads the groups before the checkpoint too, all that are stored. */
  readonly history?: boolean;
}

const start: Mark = { revision: 0, chain: new Uint8Array(32), bytesTotal: 0 };

export class Replay {
  readonly #groups: GroupReader;
  #parts: PartReader | undefined;
  readonly #revision: number;

  /** Up to the group that ends at `upTo`. */
  constructor(source: ReplaySource, upTo: number, { expected, history }: ReplayOptions = {}) {
    const { db, directory, groups, checkpoints } = source;
    const { newest } = checkpoints;
    this.#parts = newest && new PartReader(db, newest);
    this.#revision = newest?.revision ?? 0;
    // Where nothing was trimmed, what reading begins with is known and not believed.
    const stored = groups.trimmed.revision === 0 ? start : groups.trimmed;
    const from = history === true ? stored : (newest ?? stored);
    this.#groups = new GroupReader(db, directory, from, upTo, expected);
  }

  /** Where the groups read so far end. */
  get mark(): Mark {
    return this.#groups.mark;
  }

  next(limit: StepLimit): Page {
    if (this.#parts !== undefined) {
      const bodies = this.#parts.next(limit);
      if (bodies.length > 0) return { type: 'parts', bodies };
      this.#parts = undefined;
      return { type: 'checkpoint', revision: this.#revision };
    }
    const groups = this.#groups.next(limit);
    return groups.length === 0 ? { type: 'end' } : { type: 'groups', groups };
  }
}

/** Asks for pages and hands what is on them to the visitor, while the next page is under way. */
export async function visitPages(ask: () => Promise<Page>, visitor: Visitor): Promise<void> {
  let page = await ask();
  while (page.type !== 'end') {
    const next = ask();
    // A visit that throws leaves nobody waiting for it; its failure then matters no more.
    next.catch(() => undefined);
    visit(page, visitor);
    page = await next;
  }
}

function visit(page: Exclude<Page, { type: 'end' }>, visitor: Visitor): void {
  switch (page.type) {
    case 'parts':
      for (const body of page.bodies) visitor.part(body);
      return;
    case 'checkpoint':
      visitor.checkpoint(page.revision);
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
