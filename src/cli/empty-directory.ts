/** A directory that a tool is to make data in: it must have none, and gets none where that fails. */
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { exitCode } from '../exit-code.ts';
import { databaseName } from '../journal/storage-error.ts';
import { fileError, ToolError } from './tool-error.ts';

/**
 * Sees to it that `directory` is there while `fill` makes data in it. Where `fill` fails and the
 * directory was not there before, it is removed again. Rejects with ToolError where there is data
 * in it, or part of some: a write-ahead log would be taken for one of the new database.
 */
export async function fillDirectory<T>(directory: string, fill: () => Promise<T>): Promise<T> {
  const names = [databaseName, `${databaseName}-wal`, `${databaseName}-journal`];
  const found = names.find((name) => existsSync(join(directory, name)));
  if (found !== undefined) {
    throw new ToolError(
      exitCode.dataUnusable,
      `${directory} has data in it already: ${found}. ` +
        'Give another directory with --data, or move what is in this one away.',
    );
  }
  const wasThere = existsSync(directory);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return await fill();
  } catch (error) {
    if (!wasThere) removeEmpty(directory);
    throw fileError(error, directory);
  }
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // There is something in it, which says more than an empty place would.
  }
}
