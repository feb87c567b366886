/**
 * Rows that were refused, one line each: to the standard error, or to a file as CSV.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { sheetLine } from './csv-line.ts';
import type { RefusedRow } from './entry.ts';
import { refuseDataFile } from './new-file.ts';
import type { Progress } from './progress.ts';
import { print, type Terminal } from './terminal.ts';
import { fileError } from './tool-error.ts';

export class RefusedRows {
  readonly #file: FileHandle | undefined;
  readonly #path: string;
  readonly #errors: Terminal['errors'];
  readonly #progress: Progress;

  private constructor(
    file: FileHandle | undefined,
    path: string,
    errors: Terminal['errors'],
    progress: Progress,
  ) {
    this.#file = file;
    this.#path = path;
    this.#errors = errors;
    this.#progress = progress;
  }

  /** Rejects with ToolError where the file cannot be written; one that is there is replaced. */
  static async open(
    path: string | undefined,
    errors: Terminal['errors'],
    progress: Progress,
  ): Promise<RefusedRows> {
    if (path === undefined) return new RefusedRows(undefined, '', errors, progress);
    refuseDataFile(path);
    try {
      const file = await open(path, 'w', 0o600);
      await file.writeFile(sheetLine(['line', 'reason', 'row']));
      return new RefusedRows(file, path, errors, progress);
    } catch (error) {
      throw fileError(error, path);
    }
  }

  async add({ line, text, reason }: RefusedRow): Promise<void> {
    if (this.#file === undefined) {
      this.#progress.end();
      await print(this.#errors, `line ${line}: ${reason}: ${text}\n`);
      return;
    }
    try {
      await this.#file.writeFile(sheetLine([String(line), reason, text]));
    } catch (error) {
      throw fileError(error, this.#path);
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}
