/**
 * What a process asked of the kernel, as `strace` saw it, in the one order in which it saw it: a
 * traced thread stands still at the beginning and at the end of every call, so a call whose end is
 * written before the beginning of another was over before the other began.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

/** One system call. */
export interface SystemCall {
  readonly name: string;
  /** The arguments as strace writes them, files and sockets by their names. */
  readonly text: string;
  /** Lines of the trace at which it began and at which it returned. */
  readonly begins: number;
  readonly returns: number;
  /** Negative where it failed. */
  readonly result: number;
}

const traced = ['fsync', 'fdatasync', 'pwrite64', 'write', 'writev', 'sendto', 'sendmsg'];
/** More than a page of the database and its header. */
const textMax = 8192;

/** Why there can be no trace here, or undefined. */
export function whyNoStrace(): string | undefined {
  const { error, status } = spawnSync('strace', ['-V'], { stdio: 'ignore' });
  return error === undefined && status === 0 ? undefined : 'strace is not installed';
}

/**
 * Traces all threads of a running process while `during` goes on, into `file`. Undefined where the
 * system does not let us.
 */
export async function trace(
  pid: number,
  file: string,
  during: () => Promise<void>,
): Promise<SystemCall[] | undefined> {
  const filter = `trace=${traced.join(',')}`;
  const words = ['-f', '-y', '-ttt', '-s', String(textMax), '-e', filter, '-o', file];
  const child = spawn('strace', [...words, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  const attached = new Promise<boolean>((resolve) => {
    createInterface(child.stderr).on('line', (line) => {
      if (/attached/.test(line)) resolve(true);
    });
    void exited.then(() => resolve(false));
  });
  if (!(await attached)) return undefined;
  try {
    await during();
  } finally {
    // It lets the process go and writes what it still has.
    child.kill('SIGINT');
    await exited;
  }
  return parseTrace(await readFile(file, 'latin1'));
}

/** Reads a trace made with `-f -ttt -o`. */
export function parseTrace(text: string): SystemCall[] {
  const calls: SystemCall[] = [];
  const open = new Map<string, { name: string; text: string; begins: number }>();
  for (const [line, words] of text.split('\n').entries()) {
    const [, thread = '', rest = ''] = /^([0-9]+) +[0-9.]+ (.*)$/s.exec(words) ?? [];
    const resumed = /^<\.\.\. [a-z0-9_]+ resumed>.* = (-?[0-9]+)/s.exec(rest);
    if (resumed !== null) {
      const begun = open.get(thread);
      open.delete(thread);
      if (begun !== undefined) calls.push({ ...begun, returns: line, result: Number(resumed[1]) });
      continue;
    }
    const [, name, given = ''] = /^([a-z0-9_]+)\((.*)$/s.exec(rest) ?? [];
    if (name === undefined) continue;
    if (given.endsWith('<unfinished ...>')) {
      open.set(thread, { name, text: given, begins: line });
      continue;
    }
    const result = /\) += (-?[0-9]+)[^=]*$/.exec(given)?.[1];
    if (result === undefined) continue;
    calls.push({ name, text: given, begins: line, returns: line, result: Number(result) });
  }
  return calls.toSorted((a, b) => a.begins - b.begins);
}
