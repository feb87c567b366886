/**
 * Runs a tool and turns every way to end into an exit code and, where it failed, into a sentence on
 * the standard error; with --json into an object on the standard output as well, because whoever
 * reads that reads nothing else.
 */
import { InvalidSetting, type Flags } from '../config.ts';
import { exitCode, type ExitCode } from '../exit-code.ts';
import { StorageFailure } from '../journal/journal.ts';
import { RecoveryError } from '../journal/recovery-error.ts';
import type { ToolName } from './arguments.ts';
import { backup } from './backup.ts';
import { compact } from './compact.ts';
import { dump } from './dump.ts';
import { exportFile } from './export.ts';
import { importFile } from './import.ts';
import { load } from './load.ts';
import { restore } from './restore.ts';
import { print, type Terminal } from './terminal.ts';
import { fileError, ToolError } from './tool-error.ts';
import { verify } from './verify.ts';

type Tool = (flags: Flags, terminal: Terminal) => Promise<void>;

const tools: Readonly<Record<ToolName, Tool>> = {
  verify,
  backup,
  restore,
  dump,
  load,
  compact,
  import: importFile,
  export: exportFile,
};

/** Resolves with the exit code; never rejects. */
export async function runTool(name: ToolName, flags: Flags, terminal: Terminal): Promise<ExitCode> {
  try {
    await tools[name](flags, terminal);
    return exitCode.ok;
  } catch (error) {
    return await report(error, flags, terminal);
  }
}

async function report(error: unknown, flags: Flags, terminal: Terminal): Promise<ExitCode> {
  const { code, message, ...named } = reasonOf(error);
  terminal.errors.write(`vmemd: ${message}\n`);
  if (flags['json'] === true && code !== exitCode.usage) {
    const failure = { ok: false, ...named, message, exitCode: code };
    // Where nobody reads any more, that was the failure.
    await print(terminal.output, `${JSON.stringify(failure)}\n`).catch(() => undefined);
  }
  return code;
}

function reasonOf(thrown: unknown): {
  readonly code: ExitCode;
  readonly message: string;
  readonly reason?: string;
} {
  if (thrown instanceof Error && 'code' in thrown && thrown.code === 'EPIPE') {
    const message = 'Nobody reads the output any more.';
    return { code: exitCode.dataUnusable, message };
  }
  const error = isOfWrite(thrown) ? fileError(thrown, 'The standard output') : thrown;
  if (error instanceof InvalidSetting) return { code: exitCode.usage, message: error.message };
  if (error instanceof RecoveryError) {
    const { exitCode: code, code: reason, message, remedy } = error;
    return { code, reason, message: `${message} ${remedy}` };
  }
  if (error instanceof ToolError) {
    return { ...error.report, code: error.exitCode, message: error.message };
  }
  if (error instanceof StorageFailure) {
    return { code: exitCode.dataUnusable, message: error.message };
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: exitCode.internalError, message: `A bug of vmemd ended the command. ${text}` };
}

/** Whether something could not be written; where that is a file, its name was given to it before. */
function isOfWrite(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall === 'write';
}
