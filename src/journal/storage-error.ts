/**
 * Naming errors of the file system and of SQLite: each becomes a RecoveryError with the directory,
 * the cause and the remedy, told by the error's code.
 */
import { join } from 'node:path';
import { RecoveryError, restoreBackup } from './recovery-error.ts';

export const databaseName = 'vmemd.db';

/**
 * Names an error of the file system or of SQLite, met while opening or reading. What is neither is
 * returned as it is: a bug of ours.
 */
export function storageError(error: unknown, directory: string): unknown {
  if (error instanceof RecoveryError || !(error instanceof Error)) return error;
  const code = 'code' in error ? String(error.code) : '';
  const options = { cause: error };
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    return new RecoveryError(
      'locked',
      `Another process has the data directory ${directory} open.`,
      'Stop that process, or give this one another data directory with --data.',
      options,
    );
  }
  if (code === 'SQLITE_NOTADB') return notADatabase(directory, options);
  if (code.startsWith('SQLITE_CORRUPT')) {
    return new RecoveryError(
      'damaged',
      `${join(directory, databaseName)} is damaged: ${error.message}.`,
      restoreBackup,
      options,
    );
  }
  if (/^(SQLITE_FULL|ENOSPC|EDQUOT|EFBIG)/.test(code)) {
    return new RecoveryError(
      'disk-full',
      `There is no room in the data directory ${directory}: ${error.message} (${code}).`,
      'Make room on the disk, or raise the quota, and start again. Nothing durable is lost.',
      options,
    );
  }
  if (/^(SQLITE_READONLY|EROFS)/.test(code)) {
    return new RecoveryError(
      'directory-read-only',
      `The data directory ${directory} may only be read: ${error.message} (${code}).`,
      'Mount it for writing, and let this user write to it and to the files in it.',
      options,
    );
  }
  if (/^(SQLITE_(IOERR|CANTOPEN|PERM)|E[A-Z]+$)/.test(code)) {
    return new RecoveryError(
      'directory-unusable',
      `The data directory ${directory} cannot be used: ${error.message} (${code}).`,
      'Check that it is a directory, and that this user owns it or may write to it.',
      options,
    );
  }
  return error;
}

export function notADatabase(directory: string, options?: ErrorOptions): RecoveryError {
  return new RecoveryError(
    'not-a-database',
    `${join(directory, databaseName)} is not a SQLite database.`,
    restoreBackup,
    options,
  );
}
