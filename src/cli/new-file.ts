/**
 * A file that a tool writes: it appears under its name when it is whole and on disk, and not at all
 * where the tool fails. Until then it has the name with ".partial" behind it.
 */
import { existsSync } from 'node:fs';
import { chmod, open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { exitCode } from '../exit-code.ts';
import { fileError, ToolError } from './tool-error.ts';

/**
 * Makes the file `path` by `write`, which is told where to write. Rejects with ToolError where the
 * file is there already, unless `force`, or cannot be written; with what `write` rejects with.
 */
export async function makeFile<T>(
  path: string,
  force: boolean,
  write: (partial: string) => Promise<T>,
): Promise<T> {
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
