/**
 * A file that a tool writes: it appears under its name when it is whole and on disk, and not at all
 * where the tool fails. Until then it has the name with ".partial" behind it.
 */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { chmod, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { exitCode } from '../exit-code.ts';
import { bookName } from '../history/book-file.ts';
import { headName } from '../journal/head-anchor.ts';
import { databaseName } from '../journal/storage-error.ts';
import { fileError, ToolError } from './tool-error.ts';

const dataNames = [databaseName, bookName].flatMap((name) => [name, `${name}-wal`, `${name}-shm`]);
dataNames.push(headName, `${databaseName}-journal`);

/**
 * Refuses a file that would be taken for one of a data directory, or replace one: a folder is one where
 * it has another such file. A backup may be called like the database.
 */
export function refuseDataFile(path: string): void {
  const real = existsSync(path) ? realpathSync(path) : resolve(path);
  const [folder, name] = [dirname(real), basename(real)];
  const among = dataNames.filter((one) => one !== name && existsSync(join(folder, one)));
  if (!dataNames.includes(name) || among.length === 0) return;
  const message = `${path} is where the service keeps its data. Give another name.`;
  throw new ToolError(exitCode.usage, message);
}

/**
 * Makes the file `path` by `write`, which is told where to write. Rejects with ToolError where the
 * file is there already, unless `force`, or cannot be written; with what `write` rejects with.
 */
export async function makeFile<T>(
  path: string,
  force: boolean,
  write: (partial: string) => Promise<T>,
): Promise<T> {
  refuseDataFile(path);
  if (existsSync(path) && statSync(path).isDirectory()) {
    throw new ToolError(exitCode.usage, `${path} is a folder. Give the name of a file.`);
  }
  if (existsSync(path) && !force) {
    const message = `${path} is there already. Give another name, or --force to replace it.`;
    throw new ToolError(exitCode.usage, message);
  }
  const folder = dirname(resolve(path));
  if (!existsSync(folder)) {
    const message = `There is no folder ${folder}. Make it, or give another path.`;
    throw new ToolError(exitCode.dataUnusable, message);
  }
  const partial = `${path}.partial`;
  try {
    await rm(partial, { force: true });
    const result = await write(partial);
    // Whoever can read it knows everything: it is for its owner alone.
    await chmod(partial, 0o600);
    await sync(partial);
    await rename(partial, path);
    await sync(folder);
    return result;
  } catch (error) {
    await rm(partial, { force: true });
    throw fileError(error, path);
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
