/**
 * What a tool reads: a data directory that no service has open, or a backup. A backup is never
 * opened itself, because opening writes to what it opens; a data directory is made of a copy of it,
 * in the folder for temporary files, and removed afterwards.
 */
import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { InvalidSetting, readSettings, type Environment, type Flags } from '../config.ts';
import { exitCode } from '../exit-code.ts';
import { installBackup } from '../journal/data-directory.ts';
import { headName } from '../journal/head-anchor.ts';
import { RecoveryError, restoreBackup, type RecoveryCode } from '../journal/recovery-error.ts';
import { openSqliteJournal, type SqliteJournal } from '../journal/sqlite.ts';
import { databaseName } from '../journal/storage-error.ts';
import { Progress } from './progress.ts';
import type { Terminal } from './terminal.ts';
import { ToolError } from './tool-error.ts';

/** Variables that tools share with the service; the others are none of their business. */
const variables = ['VMEMD_DATA', 'VMEMD_HISTORY_DAYS', 'VMEMD_HISTORY_MIB'] as const;

/** The settings that a tool shares with the service. Throws InvalidSetting. */
export function sharedSettings(flags: Flags, environment: Environment) {
  const named = variables.map((name) => [name, environment[name]] as const);
  return readSettings(flags, Object.fromEntries(named));
}

/** What `--data` or `--from` names. */
export interface Source {
  readonly kind: 'directory' | 'backup';
  readonly path: string;
}

/** Throws InvalidSetting. */
export function sourceOf(flags: Flags, environment: Environment): Source {
  const { from, ...others } = flags;
  if (typeof from !== 'string') {
    return { kind: 'directory', path: sharedSettings(others, environment).data };
  }
  if (flags['data'] !== undefined) {
    throw new InvalidSetting('--from must not be given together with --data.');
  }
  return { kind: 'backup', path: pathOf('from', from) };
}

/** The path that a flag names. Throws InvalidSetting. */
export function pathOf(flag: string, value: Flags[string]): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
  throw new InvalidSetting(`--${flag} must be the path of a file.`);
}

/**
 * Opens the journal of a source, hands it to `work`, and closes it however that ends. Rejects with
 * RecoveryError where the data cannot be used, with ToolError where there is none.
 */
export function withJournal<T>(
  source: Source,
  terminal: Terminal,
  work: Work<T>,
  settings: OpenSettings = {},
): Promise<T> {
  const { kind, path } = source;
  return kind === 'directory'
    ? withDirectory(path, terminal, work, settings)
    : withBackup(path, tmpdir(), terminal, work);
}

export type Work<T> = (journal: SqliteJournal, progress: Progress) => Promise<T>;

/** As {@link withJournal}, of a backup, of which a copy is made in a folder inside `folder`. */
export async function withBackup<T>(
  file: string,
  folder: string,
  terminal: Terminal,
  work: Work<T>,
): Promise<T> {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    const message = `There is no backup ${file}. Give the path of one with --from.`;
    throw new ToolError(exitCode.dataUnusable, message);
  }
  refuseForeignFile(file);
  const copy = mkdtempSync(join(folder, 'vmemd-backup-'));
  const progress = new Progress(terminal.errors);
  try {
    installBackup({
      file,
      directory: copy,
      onProgress: (done, total) => progress.update('bytes of the backup read', done, total),
    });
    return await withDirectory(copy, terminal, work);
  } catch (error) {
    throw named(error, copy, file);
  } finally {
    progress.end();
    rmSync(copy, { recursive: true, force: true });
  }
}

const magic = 'SQLite format 3\0';
/** Where SQLite keeps the number of the application that a database is of, and ours: "vmem". */
const applicationIdAt = 68;
const applicationId = 'vmem';

/** Refuses what is no database of ours, before anything is made of it. */
function refuseForeignFile(file: string): void {
  const start = Buffer.alloc(applicationIdAt + applicationId.length);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, start, 0, start.length, 0);
  } finally {
    closeSync(descriptor);
  }
  const remedy = 'Give the path of a backup with --from. Nothing was changed.';
  if (start.toString('latin1', 0, magic.length) !== magic) {
    throw new RecoveryError('not-a-database', `${file} is not a SQLite database.`, remedy);
  }
  if (start.toString('latin1', applicationIdAt) === applicationId) return;
  const message = `${file} is a SQLite database, but not one of vmemd.`;
  throw new RecoveryError('foreign-database', message, remedy);
}

/** What is missing for the copy is missing in its folder. */
const ofFolder: ReadonlySet<RecoveryCode> = new Set([
  'disk-full',
  'directory-read-only',
  'directory-unusable',
]);

/** What else is wrong with the copy is wrong with the backup. */
function named(error: unknown, copy: string, file: string): unknown {
  if (!(error instanceof RecoveryError)) return error;
  const { code, message, remedy } = error;
  if (ofFolder.has(code)) {
    const text = message
      .replaceAll(copy, dirname(copy))
      .replace('the data directory', 'the folder');
    return new RecoveryError(code, text, remedy, { cause: error });
  }
  const text = message.replaceAll(join(copy, databaseName), file).replaceAll(copy, file);
  const another = remedy === restoreBackup ? 'Nothing was changed. Take another backup.' : remedy;
  return new RecoveryError(code, text, another, { cause: error });
}

export interface OpenSettings {
  readonly historyDays?: number;
  readonly historyBytes?: number;
  readonly keyed?: boolean;
}

/** As {@link withJournal}, of a data directory. Nothing is trimmed or added of its own accord. */
export async function withDirectory<T>(
  directory: string,
  { errors }: Pick<Terminal, 'errors'>,
  work: Work<T>,
  settings: OpenSettings = {},
): Promise<T> {
  // Opening would make a new one; where the database alone is lost, opening says so.
  const there = [databaseName, headName].some((name) => existsSync(join(directory, name)));
  if (!there) {
    throw new ToolError(
      exitCode.dataUnusable,
      `There is no data in ${directory}: ${databaseName} is missing. ` +
        'Give the data directory of the service with --data.',
    );
  }
  const journal = await openSqliteJournal({ directory, maintenance: false, ...settings });
  const progress = new Progress(errors);
  try {
    for (const warning of journal.warnings) errors.write(`${warning}\n`);
    return await work(journal, progress);
  } finally {
    progress.end();
    await journal.close();
  }
}
