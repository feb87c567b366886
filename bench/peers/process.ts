/**
 * A server of somebody else in a process of its own: found where the system has it, run in the
 * foreground, and ended with whoever started it.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, constants, readFile, readdir } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Missing } from '../missing.ts';

const execute = promisify(execFile);
const READY_MS_MAX = 30_000;
const READY_STEP_MS = 50;
const END_MS_MAX = 10_000;
/** Of what the server says, so many characters are kept. */
const LOG_MAX = 4000;
/** Linux counts the time of processes in hundredths of a second, whatever its own clock is. */
const TICKS_PER_SECOND = 100;

/** The path of a program: in PATH, or in one of the other folders. Throws {@link Missing}. */
export async function findProgram(
  name: string,
  debianPackage: string,
  folders: readonly string[] = [],
): Promise<string> {
  const path = (process.env['PATH'] ?? '').split(delimiter);
  for (const folder of [...path, ...folders]) {
    const file = join(folder, name);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch {
      // The next folder may have it.
    }
  }
  throw new Missing(`${name} is not installed: apt-get install ${debianPackage}`);
}

/** What a program says of its version. */
export async function versionOf(program: string, pattern: RegExp): Promise<string> {
  const { stdout } = await execute(program, ['--version']);
  return pattern.exec(stdout)?.[1] ?? 'of an unknown version';
}

/** A port of this machine that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export interface ProcessOptions {
  readonly program: string;
  readonly words: readonly string[];
  readonly directory: string;
  /** Resolves once the server answers; asked again while it rejects. */
  readonly ready: () => Promise<unknown>;
  /** The signal that asks for an orderly end. */
  readonly stopSignal: NodeJS.Signals;
  /** Another user to run as. */
  readonly user?: User | undefined;
}

export interface User {
  readonly uid: number;
  readonly gid: number;
}

export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #stopSignal: NodeJS.Signals;
  readonly #exit: Promise<unknown>;
  readonly #killer: () => void;
  #log = '';

  private constructor({ program, words, directory, user, stopSignal }: ProcessOptions) {
    this.#child = spawn(program, words, {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...user,
    });
    this.#stopSignal = stopSignal;
    this.#exit = once(this.#child, 'exit');
    this.#exit.catch(() => undefined);
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#log = (this.#log + text).slice(-LOG_MAX);
      });
    }
    this.#killer = () => this.#child.kill(stopSignal);
    process.once('exit', this.#killer);
  }

  /** Resolves when it is ready; throws with the end of its log where it is not. */
  static async start(options: ProcessOptions): Promise<ServerProcess> {
    const own = new ServerProcess(options);
    const until = performance.now() + READY_MS_MAX;
    for (;;) {
      try {
        await options.ready();
        return own;
      } catch (error) {
        if (own.#running && performance.now() < until) await sleep(READY_STEP_MS);
        else {
          await own.stop();
          const why = `${options.program} does not answer:\n${own.#log}`;
          throw new Error(why, { cause: error });
        }
      }
    }
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async stop(): Promise<void> {
    process.off('exit', this.#killer);
    if (!this.#running) return;
    this.#child.kill(this.#stopSignal);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_MS_MAX);
    await this.#exit;
    clearTimeout(timer);
  }

  get #running(): boolean {
    return (
      this.#child.pid !== undefined &&
      this.#child.exitCode === null &&
      this.#child.signalCode === null
    );
  }
}

/**
 * Seconds of processors that a process and its descendants have taken, with those that have ended
 * and been waited for.
 */
export async function cpuSecondsOf(root: number): Promise<number> {
  const all = new Map<number, { readonly parent: number; readonly ticks: number }>();
  for (const name of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue;
    try {
      const text = await readFile(`/proc/${name}/stat`, 'utf8');
      // The name of the program, in parentheses, may hold anything.
      const words = text.slice(text.lastIndexOf(')') + 2).split(' ');
      // Of itself in and outside of the kernel, and the same of its children that have ended.
      const ticks = words.slice(11, 15).reduce((sum, word) => sum + Number(word), 0);
      all.set(Number(name), { parent: Number(words[1]), ticks });
    } catch {
      // It has just ended.
    }
  }
  const own = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined; at = all.get(at)?.parent) {
      if (at === root) return true;
    }
    return false;
  };
  let ticks = 0;
  for (const [pid, entry] of all) if (own(pid)) ticks += entry.ticks;
  return ticks / TICKS_PER_SECOND;
}
