/** A service in the state of a row: its process, the load on it, and what it keeps in memory. */
import { readFile } from 'node:fs/promises';
import { kill } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Server } from '../test/crash/server.ts';
import { difference, readMetrics } from './metrics.ts';
import type { Shape } from './scale-row.ts';
import { ScaleState } from './scale-state.ts';
import { load } from './wrk.ts';

const collect = fileURLToPath(new URL('collect.ts', import.meta.url));
/** A service that takes less than this of a processor has nothing left to do. */
const IDLE_SHARE = 0.1;
const IDLE_STEP_MS = 500;
const IDLE_MS_MAX = 60_000;
/** Long enough to have let go of everything, at ten million allocations too. */
const COLLECT_MS = 1000;

/** Of one run; times in milliseconds. */
export interface ScaleRun {
  /** Requests a second, frees and allocations by turns. */
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  /** Of all threads of the service, a request; microseconds. */
  readonly cpu: number;
}

/** Resident bytes of the whole process. */
export interface Memory {
  /** When nothing is left to do and garbage has been collected. */
  readonly kept: number;
  /** The most until then; 0 where the system does not tell. */
  readonly peak: number;
  /** After a restart, when garbage has been collected; where it was asked for. */
  readonly restarted?: number;
}

export class ScaleService {
  readonly #directory: string;
  readonly #state: ScaleState;
  #server: Server;

  private constructor(directory: string, state: ScaleState, server: Server) {
    this.#directory = directory;
    this.#state = state;
    this.#server = server;
  }

  /** Starts it on an empty directory and makes its state. */
  static async start(directory: string, shape: Shape, empty: boolean): Promise<ScaleService> {
    const state = new ScaleState(shape, empty);
    const own = new ScaleService(directory, state, await started(directory));
    try {
      await state.make(own.#server.url);
      await own.#settle();
      return own;
    } catch (error) {
      await own.stop();
      throw error;
    }
  }

  /** Frees and allocations by turns, at so many connections. */
  async run(connections: number, seconds: number): Promise<ScaleRun> {
    const { url } = this.#server;
    const words = await this.#state.load(url, `${this.#directory}.held`);
    const before = await readMetrics(url);
    const { requests, seconds: took, p50, p99 } = await load({ url, connections, seconds, words });
    const { cpu } = difference(before, await readMetrics(url));
    return { rate: requests / took, p50, p99, cpu: (cpu / requests) * 1e6 };
  }

  async memory(restart: boolean): Promise<Memory> {
    const kept = await this.#resident();
    const peak = await peakOf(this.#server.pid);
    if (!restart) return { kept, peak };
    await this.stop();
    this.#server = await started(this.#directory);
    return { kept, peak, restarted: await this.#resident() };
  }

  async stop(): Promise<void> {
    if (this.#server.running) await this.#server.stop();
  }

  async #resident(): Promise<number> {
    await this.#settle();
    kill(this.#server.pid, 'SIGUSR2');
    await sleep(COLLECT_MS);
    return (await readMetrics(this.#server.url)).get('process_resident_memory_bytes') ?? 0;
  }

  /** Waits until what follows a load, such as a checkpoint, is done. */
  async #settle(): Promise<void> {
    const until = performance.now() + IDLE_MS_MAX;
    let before = await readMetrics(this.#server.url);
    while (performance.now() < until) {
      await sleep(IDLE_STEP_MS);
      const after = await readMetrics(this.#server.url);
      const { cpu } = difference(before, after);
      if (cpu < (IDLE_STEP_MS / 1000) * IDLE_SHARE) return;
      before = after;
    }
  }
}

function started(data: string): Promise<Server> {
  const environment = { NODE_OPTIONS: `--expose-gc --import=${collect}` };
  return Server.start({ data, environment });
}

async function peakOf(pid: number): Promise<number> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+([0-9]+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
