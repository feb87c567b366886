/**
 * Brings a service into the state of a row, in batches, and draws from it the allocations that the
 * load is to free. Those are a part, from everywhere, so that the load generator can hold them.
 */
import { writeFile } from 'node:fs/promises';
import { Connection } from './connection.ts';
import type { Shape } from './scale-row.ts';

/** With 16 labels each, so many are some megabytes. */
const BATCH = 5000;
/** Requests under way while arenas are made. */
const CONNECTIONS = 32;
const WORKING_SET = 20_000;
/** Of so many arenas the working set is at most. */
const ARENAS_DRAWN = 4000;
/** Of one arena it comes in so many pages. */
const PAGES = 100;
const PAGE_MAX = 1000;
/** Where an arena is full, as many requests may be under way as there are connections, and more. */
const SPARE = 512;
const FULL = 0.999;
/** The top of a chain, and an arena that is nearly empty. */
const LARGE = 2 ** 48;
/** Labels have values of so many different ones. */
const VALUES = 1000;

export class ScaleState {
  readonly #shape: Shape;
  /** Those that allocations are made in; of a chain the lowest. */
  readonly #arenas: readonly string[];
  /** Numbers of each of them. */
  readonly #size: number;

  constructor(shape: Shape, empty: boolean) {
    this.#shape = shape;
    const { live, arenas } = shape;
    const each = live / arenas;
    this.#size = empty ? LARGE : Math.max(Math.ceil(each / FULL), Math.ceil(each) + SPARE);
    this.#arenas = Array.from({ length: arenas }, (_, i) => `ids.${i}`);
  }

  /** Makes the arenas and the allocations. */
  async make(url: string): Promise<void> {
    await this.#makeArenas(url);
    const connection = await Connection.open(url);
    try {
      const { live } = this.#shape;
      for (let from = 0; from < live; from += BATCH) {
        const length = Math.min(BATCH, live - from);
        const operations = Array.from({ length }, (_, i) => this.#allocation(from + i));
        await connection.asked('POST', '/v1/batch', { operations });
      }
    } finally {
      connection.close();
    }
  }

  /** The words for wrk, which holds a working set of what there is now; `file` is written for it. */
  async load(url: string, file: string): Promise<readonly string[]> {
    const connection = await Connection.open(url);
    try {
      const lines: string[] = [];
      for (const [arena, from, limit] of this.#pages()) {
        const path = `/v1/arenas/${arena}/allocations?from=${from}&limit=${limit}`;
        const { items } = JSON.parse(await connection.asked('GET', path)) as {
          readonly items: readonly { readonly address: string }[];
        };
        for (const { address } of items) lines.push(`${arena}/allocations/${address}`);
      }
      // Pages of an arena with gaps may overlap.
      await writeFile(file, [...new Set(lines)].join('\n'));
    } finally {
      connection.close();
    }
    return ['spread', JSON.stringify({ size: '1', ...this.#labels(0) }), file];
  }

  async #makeArenas(url: string): Promise<void> {
    const { nesting } = this.#shape;
    let next = 0;
    const work = async (): Promise<void> => {
      const connection = await Connection.open(url);
      try {
        for (let at = next++; at < this.#arenas.length; at = next++) {
          const name = this.#arenas[at]!;
          const base = { base: '0', size: String(nesting === 1 ? this.#size : LARGE) };
          let source: string | undefined;
          for (let level = 1; level <= nesting; level++) {
            const own = level === nesting ? name : `${name}.above.${level}`;
            const from = source === undefined ? { spans: [base] } : { source };
            await connection.asked('POST', '/v1/arenas', { name: own, ...from });
            source = own;
          }
        }
      } finally {
        connection.close();
      }
    };
    const count = Math.min(CONNECTIONS, this.#arenas.length);
    await Promise.all(Array.from({ length: count }, work));
  }

  #allocation(index: number): object {
    const arena = this.#arenas[index % this.#arenas.length]!;
    return { op: 'alloc', arena, size: '1', ...this.#labels(index) };
  }

  #labels(index: number): { readonly labels?: Readonly<Record<string, string>> } {
    const { labels } = this.#shape;
    if (labels === 0) return {};
    const value = `value-${index % VALUES}`;
    const entries = Array.from({ length: labels }, (_, i) => [`label-${i}`, value] as const);
    return { labels: Object.fromEntries(entries) };
  }

  /** Arena, address from which on, and how many. */
  *#pages(): Generator<readonly [string, number, number]> {
    const { live } = this.#shape;
    const wanted = Math.min(WORKING_SET, live);
    const step = Math.ceil(this.#arenas.length / ARENAS_DRAWN);
    const drawn = this.#arenas.filter((_, i) => i % step === 0);
    const pages = Math.max(1, Math.ceil(PAGES / drawn.length));
    const limit = Math.min(PAGE_MAX, Math.ceil(wanted / pages / drawn.length));
    const used = live / this.#arenas.length;
    for (const arena of drawn) {
      for (let page = 0; page < pages; page++) {
        yield [arena, Math.floor((used / pages) * page), limit];
      }
    }
  }
}
