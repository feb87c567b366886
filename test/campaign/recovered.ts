/**
 * Recovery in this process: what the service would come to if it were started on a data directory,
 * through the same functions, in one thread or, slower, in the two that the service has for it.
 */
import { createHash } from 'node:crypto';
import { Engine } from '../../src/engine/engine.ts';
import type { Journal, Visitor } from '../../src/journal/journal.ts';
import { recover } from '../../src/journal/recovery.ts';
import { Replay, visitPages, type Page } from '../../src/journal/replay.ts';
import { encodePart } from '../../src/journal/snapshot-part.ts';
import { openDatabase } from '../../src/journal/sqlite-open.ts';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { storageError } from '../../src/journal/storage-error.ts';

export interface Recovered {
  readonly revision: number;
  readonly fingerprint: string;
}

export interface RecoveredKeys extends Recovered {
  /** What was answered to requests with an idempotency key, by revision. */
  readonly answers: ReadonlyMap<number, string>;
}

const pageLimit = { characters: 1 << 20, ms: 100 };

/** Rejects with RecoveryError where the service would refuse to start. */
export async function recovered(directory: string): Promise<RecoveredKeys> {
  let opened;
  try {
    opened = openDatabase({ directory });
    const { db, groups, checkpoints, keyed, expected } = opened;
    const source = { db, directory, groups, checkpoints, keyed };
    const options = { keyed: true, ...(expected !== undefined && { expected }) };
    const replay = new Replay(source, groups.last.revision, options);
    const answers = new Map<number, string>();
    const next = async (): Promise<Page> => {
      const page = replay.next(pageLimit);
      if (page.type === 'keyed') for (const row of page.rows) answers.set(row.revision, row.reply);
      return page;
    };
    const load = (visitor: Visitor): Promise<void> => visitPages(next, visitor);
    return { ...(await recoveredFrom({ load })), answers };
  } catch (error) {
    throw storageError(error, directory);
  } finally {
    opened?.db.close();
  }
}

/** The same through the whole journal, with its threads; it is ready for appends then. */
export async function recoveredInThreads(directory: string): Promise<Recovered> {
  const journal = await openSqliteJournal({ directory, maintenance: false });
  try {
    return await recoveredFrom(journal);
  } finally {
    await journal.close();
  }
}

async function recoveredFrom(journal: Pick<Journal, 'load'>): Promise<Recovered> {
  const engine = new Engine();
  const { revision } = await recover(journal, engine);
  return { revision, fingerprint: fingerprintOf(engine) };
}

/** The hash of the state, as the journal defines it: engines that answer alike have the same. */
export function fingerprintOf(engine: Engine): string {
  const hash = createHash('sha256');
  for (const part of engine.snapshot()) hash.update(`${encodePart(part)}\n`);
  return hash.digest('hex');
}
