/**
 * Making data directories without a service: from a backup, and from the parts of a state. Both
 * refuse a directory that has a database, and verify all they take in. The head anchor comes first
 * and the database appears under its name last, so that what an interruption leaves is not started
 * on, and may be made again.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { Engine } from '../engine/engine.ts';
import { CheckpointTable, type Checkpoint } from './checkpoint-table.ts';
import { decodedPart } from './decoded-page.ts';
import { GroupTable, type Mark, type StepLimit } from './group-table.ts';
import { createHead, readHead } from './head-anchor.ts';
import type { StateHash, Visitor } from './journal.ts';
import { KeyedTable } from './keyed-table.ts';
import { migrate, missingMigrations, readMigrations } from './migration.ts';
import { NewDatabase } from './new-database.ts';
import { recover } from './recovery.ts';
import { Replay, type Page } from './replay.ts';
import { encodePart } from './snapshot-part.ts';
import { databaseName, storageError } from './storage-error.ts';

export interface Installed {
  /** The last revision of what was installed. */
  readonly revision: number;
  /** What the directory's head anchor said before, if there was one: what is beyond is given up. */
  readonly headRevision?: number;
}

const pageLimit: StepLimit = { characters: 1 << 20, ms: 100 };

/**
 * Makes the data directory of a backup, and the directory if it is missing. Throws RecoveryError
 * where the backup is damaged or the directory cannot be used, and Error where it has a database.
 */
export function installBackup(options: {
  readonly file: string;
  readonly directory: string;
  readonly onProgress?: (done: number, total: number) => void;
}): Installed {
  const { file, directory, onProgress } = options;
  let backup: OpenBackup | undefined;
  try {
    backup = openBackup(file);
    const { db } = backup;
    const groups = new GroupTable(db);
    const checkpoints = new CheckpointTable(db);
    const keyed = new KeyedTable(db);
    const { last, trimmed, ranMs } = groups;
    const checkpoint = checkpoints.newest;
    const source = { db, directory: file, groups, checkpoints, keyed };
    const replay = new Replay(source, last.revision, {
      history: true,
      keyed: true,
      ...(checkpoint !== undefined && { expected: checkpoint }),
    });
    const total = (checkpoint?.bytes ?? 0) + last.bytesTotal - trimmed.bytesTotal;
    let done = 0;
    const pages = function* (): Generator<Page> {
      for (;;) {
        const page = replay.next(pageLimit);
        if (page.type === 'end') return;
        yield page;
        for (const text of textOf(page)) done += text.length;
        onProgress?.(Math.min(done, total), total);
      }
    };
    const keyedRemoved = keyed.removed;
    return install(directory, { trimmed, ranMs, keyedRemoved, last, pages: pages(), checkpoint });
  } catch (error) {
    throw storageError(error, directory);
  } finally {
    backup?.close();
  }
}

interface OpenBackup {
  readonly db: Database.Database;
  close(): void;
}

/** Opens a backup to read; of one that an older version made, a copy that is brought up to date. */
function openBackup(file: string): OpenBackup {
  const known = readMigrations();
  const db = new Database(file, { readonly: true, fileMustExist: true });
  let folder: string | undefined;
  try {
    if (missingMigrations(db, known, file) === 0) return { db, close: () => void db.close() };
    db.close();
    folder = mkdtempSync(join(tmpdir(), 'vmemd-older-'));
    const copy = join(folder, databaseName);
    copyFileSync(file, copy);
    const updated = new Database(copy);
    const close = (): void => {
      updated.close();
      rmSync(dirname(copy), { recursive: true, force: true });
    };
    try {
      migrate(updated, known);
    } catch (error) {
      updated.close();
      throw error;
    }
    return { db: updated, close };
  } catch (error) {
    db.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Makes a data directory whose state is that of `parts`, as `encodePart` writes them, at
 * `revision`, which is at least 1. Rejects with RecoveryError where the parts are not a whole state.
 */
export async function createDataDirectory(options: {
  readonly directory: string;
  readonly revision: number;
  readonly parts: Iterable<string>;
}): Promise<StateHash> {
  const { directory, revision, parts } = options;
  const engine = new Engine();
  const load = async (visitor: Visitor): Promise<void> => {
    let index = 0;
    for (const body of parts) visitor.part(decodedPart(body, index++));
    visitor.checkpoint(revision);
  };
  await recover({ load }, engine);
  const hash = createHash('sha256');
  let [count, bytes] = [0, 0];
  for (const body of encoded(engine)) {
    hash.update(body).update('\n');
    bytes += Buffer.byteLength(body);
    count += 1;
  }
  const digest = hash.digest();
  // There are no records before, so the chain begins with the state that they would have made.
  const mark: Mark = { revision, chain: digest, bytesTotal: 0 };
  // Nor is there anything kept for keys.
  const [keyedRevision, keyedRemoved] = [0, 0];
  const completedAt = Date.now();
  const completion = { ms: 0, parts: count, bytes, hash: digest };
  const checkpoint = { ...mark, keyedRevision, completedAt, ...completion };
  const pages = function* (): Generator<Page> {
    let first = 0;
    for (const body of encoded(engine)) yield { type: 'parts', first: first++, bodies: [body] };
  };
  try {
    const marks = { trimmed: mark, ranMs: 0, keyedRemoved, last: mark };
    install(directory, { ...marks, pages: pages(), checkpoint });
  } catch (error) {
    throw storageError(error, directory);
  }
  return { revision, hash: digest.toString('hex') };
}

function install(
  directory: string,
  contents: {
    readonly trimmed: Mark;
    readonly ranMs: number;
    readonly keyedRemoved: number;
    readonly last: Mark;
    readonly pages: Iterable<Page>;
    readonly checkpoint: Checkpoint | undefined;
  },
): Installed {
  const { trimmed, ranMs, keyedRemoved, last, pages, checkpoint } = contents;
  mkdirSync(resolve(directory), { recursive: true, mode: 0o700 });
  const database = new NewDatabase({
    file: join(directory, databaseName),
    trimmed,
    ranMs,
    keyedRemoved,
    ...(checkpoint !== undefined && { checkpoint }),
  });
  try {
    for (const page of pages) database.write(page);
    const before = readHead(directory);
    createHead(directory, last);
    database.finish();
    const headRevision = typeof before === 'object' ? before.revision : undefined;
    return { revision: last.revision, ...(headRevision !== undefined && { headRevision }) };
  } catch (error) {
    database.discard();
    throw error;
  }
}

function* encoded(engine: Engine): Generator<string> {
  for (const part of engine.snapshot()) yield encodePart(part);
}

function textOf(page: Page): readonly string[] {
  if (page.type === 'parts') return page.bodies;
  return page.type === 'groups' ? page.groups.map(({ body }) => body) : [];
}
