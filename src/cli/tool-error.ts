/**
 * Why a tool did not do what it was asked, other than for the data it found: that is a
 * RecoveryError. Each one names the remedy, and has the exit code of the process.
 */
import { exitCode, type ExitCode } from '../exit-code.ts';

export class ToolError extends Error {
  override name = 'ToolError';
  readonly exitCode: ExitCode;
  /** What was done all the same, for whoever asked for JSON. */
  readonly report: object | undefined;

  constructor(code: ExitCode, message: string, options: ErrorOptions & { report?: object } = {}) {
    super(message, options);
    this.exitCode = code;
    this.report = options.report;
  }
}

/** Names an error of the file system about a file that the command line named. */
export function fileError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return error;
  const full = /^(ENOSPC|EDQUOT|EFBIG)$/.test(String(error.code));
  const remedy = full
    ? 'Make room on the disk, or give a file on another one.'
    : 'Check the path, and that this user may use it.';
  const message = `${path} cannot be used: ${error.message}. ${remedy}`;
  return new ToolError(full ? exitCode.diskFull : exitCode.dataUnusable, message, { cause: error });
}

export function messageOf(error: unknown): string {
  // A name that resolves to several addresses gives several errors, and a message to none.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}
