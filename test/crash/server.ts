/**
 * A real `vmemd serve` in a process of its own, for the tests that need one: on a port that the
 * system chose, on loopback. It ends with the test process, however that ends: the channel to it
 * breaks then, and the service takes that as the end of whoever started it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../src/vmemd.js', import.meta.url));
/** A start that takes longer is a hang: recovery of what the tests write takes milliseconds. */
const startMsMax = 60_000;

export interface ServerOptions {
  /** The data directory. */
  readonly data: string;
}

/** How a process ended: by itself with a code, or by a signal. */
export type Exit = { readonly code: number } | { readonly signal: NodeJS.Signals };

export class Server {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #log: readonly string[];
  readonly #exit: Promise<Exit>;

  private constructor(
    url: string,
    child: ChildProcess,
    log: readonly string[],
    exit: Promise<Exit>,
  ) {
    this.url = url;
    this.#child = child;
    this.#log = log;
    this.#exit = exit;
  }

  /** Starts the service and waits until it listens; throws with its log where it does not. */
  static async start({ data }: ServerOptions): Promise<Server> {
    const flags = ['--host', '127.0.0.1', '--port', '0', '--data', data];
    const child = spawn(process.execPath, [program, 'serve', ...flags], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: withoutSettings(process.env),
    });
    const log: string[] = [];
    const exit = once(child, 'exit').then(([code, signal]): Exit =>
      signal === null ? { code: code as number } : { signal: signal as NodeJS.Signals },
    );
    createInterface(child.stderr!).on('line', (line) => log.push(line));
    const url = await new Promise<string>((resolve, reject) => {
      const fail = (why: string): void => {
        clearTimeout(timer);
        reject(new Error(`The server ${why}. Its log:\n${log.join('\n')}`));
      };
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        fail(`did not listen within ${startMsMax} ms`);
      }, startMsMax);
      void exit.then((how) => fail(`ended before it listened: ${JSON.stringify(how)}`));
      createInterface(child.stdout!).on('line', (line) => {
        log.push(line);
        const address = /"address":"([^"]+)".*"msg":"listening"/.exec(line)?.[1];
        if (address === undefined) return;
        clearTimeout(timer);
        resolve(address);
      });
    });
    return new Server(url, child, log, exit);
  }

  /** What it wrote so far, to stdout and stderr. */
  get log(): string {
    return this.#log.join('\n');
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** SIGKILL, as the machine's out-of-memory killer does it: no chance to finish anything. */
  async kill(): Promise<Exit> {
    this.#child.kill('SIGKILL');
    return this.#exit;
  }

  /** SIGTERM: an orderly end. */
  async stop(): Promise<Exit> {
    this.#child.kill('SIGTERM');
    return this.#exit;
  }
}

/** Settings of the developer's own shell are not to reach the service under test. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !name.startsWith('VMEMD_')),
  );
}
