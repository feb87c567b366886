/**
 * The files that are written to, and whether their names still lead to them. A file that was removed, or
 * that another has replaced, goes on taking writes and syncs without a word, and is gone with the
 * process: whatever is answered then is lost.
 *
 * What removes or replaces a file changes the time of its directory (POSIX, unlink and rename), so
 * that mostly one look at that is enough. To look at a file has a price: once its times were asked
 * for, Linux gives the next write a finer one, and the sync after it has an inode more to store.
 */
import { statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { headName } from './head-anchor.ts';
import { RecoveryError } from './recovery-error.ts';
import { databaseName } from './storage-error.ts';

const names = [databaseName, `${databaseName}-wal`, headName];

/** A change that comes so soon after another may have the same time: file systems count it in up to 2 s. */
const sameTimeMs = 3000;
/** So often the files are looked at all the same: not every file system does as it should. */
const looksMs = 1000;

interface OpenFile {
  readonly name: string;
  readonly path: string;
  readonly device: bigint;
  readonly inode: bigint;
}

export class OpenFiles {
  readonly #directory: string;
  readonly #files: readonly OpenFile[];
  /** The directory right before the files were looked at, unless it had changed just then … */
  #seen: Stats | undefined;
  /** … and when that was, by the clock of `performance`. */
  #lookedAt = 0;

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
    const directory = statSync(this.#directory, { throwIfNoEntry: false });
    const now = performance.now();
    if (now - this.#lookedAt < looksMs && isSame(directory, this.#seen)) return;
    // A change that is still to come must not have the time of the last one.
    const settled = directory !== undefined && directory.ctimeMs + sameTimeMs < Date.now();
    this.#look();
    this.#seen = settled ? directory : undefined;
    this.#lookedAt = now;
  }

  #look(): void {
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

function isSame(one: Stats | undefined, other: Stats | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  return one.ctimeMs === other.ctimeMs && one.ino === other.ino && one.dev === other.dev;
}
