/** One peer under test: its server, and the process of its clients. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { peers } from './all.ts';
import type { Run } from './holders.ts';
import type { LoadOptions, Message } from './load.ts';
import type { Served } from './peer.ts';

const program = fileURLToPath(new URL('load.ts', import.meta.url));

/** Of one run; times in milliseconds, CPU in microseconds a grant with its free. */
export interface Figures {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  readonly clientCpu: number;
  readonly serverCpu: number;
}

export class Contestant {
  readonly #served: Served;
  readonly #load: ChildProcess;

  private constructor(served: Served, load: ChildProcess) {
    this.#served = served;
    this.#load = load;
  }

  /** Resolves when so many numbers are held. Throws Missing where it is not installed. */
  static async start(
    options: Omit<LoadOptions, 'address'> & { readonly directory: string },
  ): Promise<Contestant> {
    const { directory, ...rest } = options;
    await mkdir(directory);
    const { peer } = await peers[rest.peer]!.load();
    const served = await peer.start(options);
    const words: LoadOptions = { ...rest, address: served.address };
    const load = fork(program, [JSON.stringify(words)]);
    const own = new Contestant(served, load);
    try {
      await own.#message();
      return own;
    } catch (error) {
      await own.stop();
      throw error;
    }
  }

  get version(): string {
    return this.#served.version;
  }

  /** Rejects where two clients have held the same number, or a client got no answer. */
  async run(run: Run): Promise<Figures> {
    const before = await this.#served.cpuSeconds();
    const answer = this.#message();
    this.#load.send(run);
    const message = await answer;
    if (!('load' in message)) throw new Error('its clients were told to run, and did not');
    const { rate, p50, p99, grants, clientCpu, ...load } = message.load;
    const serverCpu = (await this.#served.cpuSeconds()) - before + load.serverCpu;
    const each = (seconds: number): number => (seconds / grants) * 1e6;
    return { rate, p50, p99, clientCpu: each(clientCpu), serverCpu: each(serverCpu) };
  }

  async stop(): Promise<void> {
    if (this.#load.exitCode === null && this.#load.signalCode === null) {
      const exit = once(this.#load, 'exit');
      this.#load.kill('SIGKILL');
      await exit;
    }
    await this.#served.stop();
  }

  /** The next that the clients say; rejects where it is a failure, or where they end instead. */
  async #message(): Promise<Message> {
    const ended = new AbortController();
    const signal = ended.signal;
    const exit = once(this.#load, 'exit', { signal }).then(() => {
      throw new Error('the process of its clients has ended');
    });
    exit.catch(() => undefined);
    try {
      const [message] = (await Promise.race([once(this.#load, 'message', { signal }), exit])) as [
        Message,
      ];
      if ('failure' in message) throw new Error(message.failure);
      return message;
    } finally {
      ended.abort();
    }
  }
}
