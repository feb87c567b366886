/**
 * The files that are written to, and whether their names still lead to them. A file that was removed, or
 * that another has replaced, goes on taking writes and syncs without a word, and is gone with the
 * process: whatever is answered then is lost.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { headName } from './head-anchor.ts';
import { RecoveryError } from './recovery-error.ts';
import { databaseName } from './storage-error.ts';

const names = [databaseName, `${databaseName}-wal`, headName];

interface OpenFile {
  readonly name: string;
  readonly path: string;
  readonly device: bigint;
  readonly inode: bigint;
}

export class OpenFiles {
  readonly #directory: string;
  readonly #files: readonly OpenFile[];

  /** Those of a data directory that is open. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#files = names.map((name) => {
      const path = join(directory, name);
      const { dev: device, ino: inode } = statSync(path, { bigint: true });
      return { name, path, device, inode };
    });
  }

  /** Throws RecoveryError where one is not there any more. */
  check(): void {
    for (const { name, path, device, inode } of this.#files) {
      const found = statSync(path, { bigint: true, throwIfNoEntry: false });
      if (found?.ino === inode && found.dev === device) continue;
      throw new RecoveryError(
        'directory-unusable',
        `${name} in ${this.#directory} was removed or replaced while it was in use.`,
        'Put it back if it is still there, or restore a backup.',
      );
    }
  }
}
