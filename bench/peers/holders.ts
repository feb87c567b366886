/**
 * Clients that hold a fixed number of numbers between them: each frees one of these, drawn at random,
 * and asks for another, again and again. That no two of them hold the same number is looked at with
 * every grant, and after a run that the server counts as many as they do.
 */
import { quantile } from '../clock.ts';
import type { Client, Clients } from './peer.ts';

/** The first part of a run is not counted. */
const WARM_UP_SHARE = 0.2;

export interface Run {
  readonly clients: number;
  readonly seconds: number;
}

/** Times in milliseconds; CPU in seconds, of the whole run with its warm-up. */
export interface Load {
  /** Grants a second, each with a free before it. */
  readonly rate: number;
  /** How long a grant took, by the clock of the client. */
  readonly p50: number;
  readonly p99: number;
  /** In the whole run. */
  readonly grants: number;
  readonly clientCpu: number;
  /** Where the server is a thread of this process. */
  readonly serverCpu: number;
}

export class Holders {
  readonly #clients: Clients;
  readonly #held: number[] = [];
  readonly #isHeld: Uint8Array;
  #grants = 0;
  #failed = false;

  constructor(clients: Clients, pool: number) {
    this.#clients = clients;
    this.#isHeld = new Uint8Array(pool);
  }

  /** All clients ask until so many numbers are held. */
  async fill(count: number): Promise<void> {
    let left = count;
    await this.#all(this.#clients.each, async (client) => {
      while (left > 0 && !this.#failed) {
        left--;
        await this.#grant(client);
      }
    });
    await this.#compare();
  }

  /** Goes on beyond its time until one grant is counted: a disk may stall for longer than that. */
  async run({ clients, seconds }: Run): Promise<Load> {
    const [before, cpuBefore, serverBefore] = [this.#grants, process.cpuUsage(), await this.#cpu()];
    const begin = performance.now() + seconds * 1000 * WARM_UP_SHARE;
    let end = begin + seconds * 1000;
    const times: number[] = [];
    await this.#all(this.#clients.each.slice(0, clients), async (client) => {
      while ((performance.now() < end || times.length === 0) && !this.#failed) {
        await this.#free(client);
        const asked = performance.now();
        await this.#grant(client);
        const answered = performance.now();
        if (times.length === 0) end = Math.max(end, answered);
        if (answered >= begin && answered <= end) times.push(answered - asked);
      }
    });
    const { user, system } = process.cpuUsage(cpuBefore);
    const serverCpu = (await this.#cpu()) - serverBefore;
    await this.#compare();
    const sorted = Float64Array.from(times).toSorted();
    return {
      rate: times.length / ((end - begin) / 1000),
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      grants: this.#grants - before,
      clientCpu: (user + system) / 1e6 - serverCpu,
      serverCpu,
    };
  }

  async #grant(client: Client): Promise<void> {
    const number = await client.grant();
    if (!(Number.isInteger(number) && number >= 0 && number < this.#isHeld.length)) {
      throw new Error(`granted is ${number}, which is not of the pool`);
    }
    if (this.#isHeld[number] === 1) throw new Error(`two clients hold ${number}`);
    this.#isHeld[number] = 1;
    this.#held.push(number);
    this.#grants++;
  }

  async #free(client: Client): Promise<void> {
    const at = Math.floor(Math.random() * this.#held.length);
    const number = this.#held[at]!;
    this.#held[at] = this.#held.at(-1)!;
    this.#held.pop();
    // Before it is asked for: the server may grant it again before this client is answered.
    this.#isHeld[number] = 0;
    await client.free(number);
  }

  /** What one fails with all fail with, after what is under way has ended. */
  async #all(clients: readonly Client[], work: (client: Client) => Promise<void>): Promise<void> {
    const failing = clients.map(async (client) => {
      try {
        await work(client);
      } catch (error) {
        this.#failed = true;
        throw error;
      }
    });
    const failed = (await Promise.allSettled(failing)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  async #compare(): Promise<void> {
    const held = await this.#clients.held();
    if (held === this.#held.length) return;
    throw new Error(`its clients hold ${this.#held.length} numbers, and it says ${held}`);
  }

  async #cpu(): Promise<number> {
    return (await this.#clients.serverCpuSeconds?.()) ?? 0;
  }
}
