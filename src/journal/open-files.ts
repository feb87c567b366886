/**
 * The files that are written to, and whether their names still lead to them. A file that was removed, or
 * that another has replaced, goes on taking writes and syncs without a word, and is gone with the
 * process: whatever is answered then is lost.
 *
 * Removing or replacing a file changes the times of its directory (POSIX, unlink and rename), so one
 * stat of the directory usually suffices. A stat of a file has a price: on Linux from 6.13 on, a file
 * whose times were read gets a fresh time at its next write, and the sync after it has to store its inode.
 */
import { lstatSync, statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { RecoveryError } from './recovery-error.ts';

/** Two changes this close may carry the same time: file systems count in steps of up to 2 s. */
const sameTimeMs = 3000;
/** The files are looked at this often in any case: not every file system changes those times. */
const looksMs = 1000;

interface OpenFile {
  readonly name: string;
  readonly path: string;
  readonly device: bigint;
  readonly inode: bigint;
}

export class OpenFiles {
  readonly #directory: string;
  readonly #files: OpenFile[] = [];
  /** Whether one is a link: its directory does not tell what becomes of the file behind it. */
  #linked = false;
  /** The directory as it was before the last look; undefined where a later change may look the same. */
  #seen: Stats | undefined;
  /** When the files were last looked at, by `performance.now()`. */
  #lookedAt = 0;

  /** None yet, of this directory. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Adds one that was just opened. */
  add(name: string): void {
    const path = join(this.#directory, name);
    const { dev: device, ino: inode } = statSync(path, { bigint: true });
    this.#files.push({ name, path, device, inode });
    this.#linked ||= lstatSync(path).isSymbolicLink();
    this.#seen = undefined;
  }

  /**
   * Throws RecoveryError if one was removed or replaced. On a file system that does not keep to POSIX
   * it may take a second to notice.
   */
  check(): void {
    const directory = statSync(this.#directory, { throwIfNoEntry: false });
    const now = performance.now();
    if (now - this.#lookedAt < looksMs && isSame(directory, this.#seen)) return;
    // Asked before the look, which finds every change up to now: only later ones need another time.
    const settled = directory !== undefined && changedAt(directory) + sameTimeMs < Date.now();
    this.#look();
    this.#seen = settled && !this.#linked ? directory : undefined;
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

function changedAt({ ctimeMs, mtimeMs }: Stats): number {
  return Math.max(ctimeMs, mtimeMs);
}

function isSame(one: Stats | undefined, other: Stats | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  const sameTimes = one.ctimeMs === other.ctimeMs && one.mtimeMs === other.mtimeMs;
  return sameTimes && one.ino === other.ino && one.dev === other.dev;
}
