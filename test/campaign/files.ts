/**
 * The files of a data directory, held in memory: to be altered, written out and compared. Without
 * the book of history, which is derived: a service makes it anew.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bookName } from '../../src/history/book-file.ts';

export type Files = ReadonlyMap<string, Buffer>;

/** Where fsync costs nothing, if there is such a place. */
const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

export async function readFiles(directory: string): Promise<Map<string, Buffer>> {
  const names = (await readdir(directory)).filter((name) => !name.startsWith(bookName));
  const contents = names.map(
    async (name) => [name, await readFile(join(directory, name))] as const,
  );
  return new Map(await Promise.all(contents));
}

/** Creates the directory if it is missing. */
export async function writeFiles(directory: string, files: Files): Promise<void> {
  await mkdir(directory, { recursive: true });
  await Promise.all([...files].map(([name, bytes]) => writeFile(join(directory, name), bytes)));
}

export function sameFiles(a: Files, b: Files): boolean {
  return a.size === b.size && [...a].every(([name, bytes]) => b.get(name)?.equals(bytes) === true);
}

/** Lets `use` have the files in a directory of their own, in memory where that is possible. */
export async function withFiles<T>(
  files: Files,
  use: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(memory, 'vmemd-files-'));
  try {
    await writeFiles(directory, files);
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
