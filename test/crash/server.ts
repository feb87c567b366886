/**
 * A real `vmemd serve` in a process of its own, for the tests that need one: on a port that the
 * system chose, on loopback. It ends with the test process, however that ends: the channel to it
 * breaks then, and the service takes that as the end of whoever started it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { runtimeEnvironment, runtimeFlags } from './runtime.ts';

const program = fileURLToPath(new URL('../../src/vmemd.js', import.meta.url));
/** A start that takes longer is a hang: recovery of what the tests write takes milliseconds. */
const startMsMax = 60_000;
/** So is an end that takes longer, whether the process was asked to end or has to by itself. */
const endMsMax = 30_000;

/** What is run: the service as it is here, unless a path of another `vmemd.js` is given. */
export interface Build {
  readonly program?: string;
  /** Variables on top of those of this process, which pass but for the settings of the service. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface ServerOptions extends Build {
  /** The data directory. */
  readonly data: string;
  /** Further flags. */
  readonly flags?: readonly string[];
  /** How long a start may take: a minute unless given. */
  readonly startMsMax?: number;
}

/** How a process ended: by itself with a code, or by a signal. */
export type Exit = { readonly code: number } | { readonly signal: NodeJS.Signals };

export class Server {
  readonly #child: ChildProcess;
  readonly #log: string[] = [];
  readonly #exit: Promise<Exit>;
  readonly #listening: Promise<string>;
  #url: string | undefined;

  /** Starts the process and does not wait for anything. */
  constructor({ data, flags = [], environment = {}, ...options }: ServerOptions) {
    const words = ['serve', '--host', '127.0.0.1', '--port', '0', '--data', data, ...flags];
    const started = [...runtimeFlags, options.program ?? program, ...words];
    this.#child = spawn(process.execPath, started, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...runtimeEnvironment, ...withoutSettings(process.env), ...environment },
    });
    // Not at its exit: what it wrote last is here only when its streams have ended too.
    this.#exit = once(this.#child, 'close').then(([code, signal]): Exit =>
      signal === null ? { code: code as number } : { signal: signal as NodeJS.Signals },
    );
    createInterface(this.#child.stderr!).on('line', (line) => this.#log.push(line));
    this.#listening = this.#listens(options.startMsMax ?? startMsMax);
    // Whoever does not wait for it learns from the exit what happened.
    this.#listening.catch(() => undefined);
  }

  /** Starts the service and waits until it listens; throws with its log where it does not. */
  static async start(options: ServerOptions): Promise<Server> {
    const server = new Server(options);
    await server.listening();
    return server;
  }

  /** Resolves when it listens; rejects with its log where it ends before that, or hangs. */
  async listening(): Promise<void> {
    this.#url = await this.#listening;
  }

  /** `http://127.0.0.1:PORT`, once it listens. */
  get url(): string {
    if (this.#url === undefined) throw new Error('The server does not listen yet.');
    return this.#url;
  }

  /** The process, for whoever sends it signals. */
  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('The server could not be started.');
    return this.#child.pid;
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
    return this.ended();
  }

  /** Waits until it ends by itself; one that does not is killed, and the promise rejects. */
  async ended(): Promise<Exit> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#child.kill('SIGKILL');
    }, endMsMax);
    const exit = await this.#exit;
    clearTimeout(timer);
    if (late) throw new Error(`The server did not end within ${endMsMax} ms:\n${this.log}`);
    return exit;
  }

  #listens(msMax: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        clearTimeout(timer);
        reject(new Error(`The server ${why}. Its log:\n${this.log}`));
      };
      const timer = setTimeout(() => {
        this.#child.kill('SIGKILL');
        fail(`did not listen within ${msMax} ms`);
      }, msMax);
      void this.#exit.then((how) => fail(`ended before it listened: ${JSON.stringify(how)}`));
      createInterface(this.#child.stdout!).on('line', (line) => {
        this.#log.push(line);
        const address = /"address":"([^"]+)".*"msg":"listening"/.exec(line)?.[1];
        if (address === undefined) return;
        clearTimeout(timer);
        resolve(address);
      });
    });
  }
}

/** Settings of the developer's own shell are not to reach the service under test. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !name.startsWith('VMEMD_')),
  );
}
