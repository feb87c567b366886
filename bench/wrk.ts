/**
 * wrk, the load generator: a program of its own, so that what it costs is not taken for what the
 * service costs, and fast enough not to be what is measured. What is asked for is in wrk.lua.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Missing } from './missing.ts';

const execute = promisify(execFile);
const script = fileURLToPath(new URL('wrk.lua', import.meta.url));

/** What one run has shown; times in milliseconds. */
export interface Load {
  readonly requests: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** A run: `words` are those of wrk.lua. */
export interface LoadOptions {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly words: readonly string[];
}

/** Throws {@link Missing} where wrk is not installed. */
export async function findWrk(): Promise<void> {
  try {
    await execute('wrk', ['--version']);
  } catch (error) {
    // Asked for its version it tells it, and ends with 1.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return;
    throw new Missing('The load generator wrk is missing: apt-get install wrk.', { cause: error });
  }
}

/** Rejects where a request was refused or a connection broke: the figures would mean nothing. */
export async function load({ url, connections, seconds, words }: LoadOptions): Promise<Load> {
  const flags = ['--threads', '1', '--connections', String(connections), '--timeout', '30s'];
  const duration = ['--duration', `${Math.max(1, Math.round(seconds))}s`];
  const rest = ['--script', script, url, '--', ...words];
  const { stdout } = await execute('wrk', [...flags, ...duration, ...rest]);
  const said = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Record<string, number>;
  const { requests = 0, duration: microseconds = 0, p50, p99, p999, refused, broken } = said;
  if (requests === 0 || refused !== 0 || broken !== 0) {
    throw new Error(
      `Of ${requests} answers to "${words[0]}", ${refused} were errors; ${broken} never came.`,
    );
  }
  const ms = (value = 0): number => value / 1000;
  return { requests, seconds: microseconds / 1e6, p50: ms(p50), p99: ms(p99), p999: ms(p999) };
}
