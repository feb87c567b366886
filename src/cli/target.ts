/** The arenas that rows go to: as the service has them, or as they are made on the way. */
import type { Band, Notation, Range, Width } from '../engine/command.ts';
import { exitCode } from '../exit-code.ts';
import type { ArenaSpace } from '../http/address-space.ts';
import { readBands } from '../http/arenas.ts';
import type { Arena } from '../http/wire/arena.ts';
import { problemOf, type Client } from './client.ts';
import { ToolError } from './tool-error.ts';

export interface Target extends ArenaSpace {
  readonly name: string;
  /** Bands that a request has to name, to get what is in them. */
  readonly exclusive: readonly Band[];
  /** Of an arena that is yet to be made, and only rehearsed with: the spans that it will have. */
  readonly spans?: readonly Range[];
}

/** How arenas that are missing are made. */
export interface Creation {
  readonly notation: Notation;
  readonly width: Width;
  readonly spans: readonly Range[];
}

export class Targets {
  readonly #client: Client;
  readonly #creation: Creation | undefined;
  readonly #rehearsed: boolean;
  readonly #known = new Map<string, Promise<Target | undefined>>();
  created = 0;

  /** Without `creation` what is missing stays so; `rehearsed` makes nothing. */
  constructor(client: Client, creation: Creation | undefined, rehearsed: boolean) {
    this.#client = client;
    this.#creation = creation;
    this.#rehearsed = rehearsed;
  }

  /** The arena of a name; undefined where there is none, and none is to be made. */
  of(name: string): Promise<Target | undefined> {
    let known = this.#known.get(name);
    if (known === undefined) {
      known = this.#find(name);
      this.#known.set(name, known);
    }
    return known;
  }

  async #find(name: string): Promise<Target | undefined> {
    const path = `v1/arenas/${encodeURIComponent(name)}`;
    const reply = await this.#client.send('GET', path);
    if (reply.status === 200) return targetOf(reply.body as Arena);
    if (this.#creation === undefined) return undefined;
    const { notation, width, spans } = this.#creation;
    if (this.#rehearsed) return { name, notation, width, quantum: 1n, exclusive: [], spans };
    const request = {
      name,
      notation,
      width,
      spans: spans.map(({ base, size }) => ({ base: base.toString(), size: size.toString() })),
    };
    const made = await this.#client.send('POST', 'v1/arenas', request);
    const problem = problemOf(made);
    if (problem === undefined) {
      this.created += 1;
      return targetOf(made.body as Arena);
    }
    const message = `The arena ${name} could not be made: ${problem.detail}`;
    throw new ToolError(exitCode.usage, message);
  }
}

function targetOf({ name, notation, width, quantum, bands = [] }: Arena): Target {
  const exclusive = readBands(bands, { notation, width }).filter((band) => band.exclusive);
  return { name, notation, width, quantum: BigInt(quantum), exclusive };
}
