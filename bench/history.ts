/**
 * History, measured: a journal of ten million events is written by itself, the book of history is
 * made of it, and then a real service is asked over HTTP who held an address, or a range, at all or
 * at a time. The events are those of three arenas that are nearly full: ids of any size, IPv4
 * blocks of /24 to /32, and IPv6 sites; places are freed and taken again at random.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import type { CreateArena, Labels } from '../src/engine/command.ts';
import type { Event } from '../src/engine/event.ts';
import { plainSettings } from '../src/engine/tuning.ts';
import { bookName } from '../src/history/book-file.ts';
import { Book } from '../src/history/book.ts';
import { formatAddress } from '../src/http/notation.ts';
import { encode } from '../src/journal/record.ts';
import { openSqliteJournal, type SqliteJournal } from '../src/journal/sqlite.ts';
import { Server } from '../test/crash/server.ts';
import { answer, count, directory, helped, valuesOf } from './arguments.ts';
import { Connection } from './connection.ts';
import { Progress } from './progress.ts';

const EVENTS = 10_000_000;
const QUERIES = 2000;
/** Places in all arenas together, of which half are held at any time. */
const PLACES = 1_000_000;
const GROUP = 1000;
const goalMs = 20;
/** Shares of the time, as they are of ten million events. */
const WEIGHTS = { journal: 2, book: 6, start: 1, questions: 1 };

const help = `\
Usage: npm run bench -- history [options]

Writes a journal, makes the book of history of it, and asks a service who held what. Goal: every
kind of question is answered within ${goalMs} ms, but for one in a hundred.

  --events N    allocated and freed                                 ${EVENTS}
  --places N    different ranges                                    ${PLACES}
  --queries N   of each kind                                        ${QUERIES}
  --data DIR    where the data directory is made, on the disk that is to be measured
                                                                    the system's temporary files
  --help        this
`;

interface Options {
  readonly events: number;
  readonly places: number;
  readonly queries: number;
  readonly data: string;
}

/** Runs with the words after `history`; the number is the exit code. */
export function run(words: readonly string[]): Promise<number> {
  return answer(help, async () => {
    const options = parse(words);
    if (options === undefined) return helped(help);
    await measure(options);
    return 0;
  });
}

async function measure({ events, places, queries, data }: Options): Promise<void> {
  const folder = await mkdtemp(join(data, 'vmemd-bench-'));
  const directory = join(folder, 'data');
  const progress = new Progress(Object.values(WEIGHTS).reduce((a, b) => a + b));
  const lines: string[] = [];
  const say = (what: string, figure: string): void => {
    lines.push(`${what.padEnd(48)} ${figure}`);
  };
  try {
    const life = new Life(places);
    progress.begins('writing the journal');
    const journal = await openSqliteJournal({ directory, maintenance: false, followed: true });
    await journal.load({ part: nothing, checkpoint: nothing, record: nothing });
    await life.write(journal, events, (share) => {
      progress.passes('writing the journal', WEIGHTS.journal, share);
    });
    progress.ends('writing the journal', WEIGHTS.journal);
    progress.begins('making the book');
    const ms = await follow(directory, journal, life.revision, (share) => {
      progress.passes('making the book', WEIGHTS.book, share);
    });
    progress.ends('making the book', WEIGHTS.book);
    say('events', life.revision.toLocaleString('en-US'));
    say('the book is made', `${(ms / 1000).toFixed(1)} s, ${rate(life.revision, ms)} events/s`);
    const [book, database] = await Promise.all(
      [bookName, 'vmemd.db'].map((name) => stat(join(directory, name))),
    );
    say('book, and database of the journal', `${mib(book!.size)}, ${mib(database!.size)}`);
    progress.begins('starting the service');
    // It replays all that is in the journal.
    const server = await Server.start({ data: directory, startMsMax: 600_000 });
    progress.ends('starting the service', WEIGHTS.start);
    try {
      lines.push('', 'milliseconds over HTTP             items    p50    p99    max  goal');
      const kinds = Object.entries(life.questions());
      for (const [kind, question] of kinds) {
        progress.begins(kind);
        lines.push(row(kind, await ask(server.url, queries, question)));
        progress.ends(kind, WEIGHTS.questions / kinds.length);
      }
    } finally {
      await server.stop();
    }
  } finally {
    progress.close();
    process.stdout.write(lines.map((line) => `${line}\n`).join(''));
    await rm(folder, { recursive: true, force: true });
  }
}

function nothing(): void {
  // Neither is there a checkpoint nor any record yet.
}

/** Makes the book of the whole journal; how long that took, in milliseconds. */
async function follow(
  directory: string,
  journal: SqliteJournal,
  revision: number,
  onProgress: (share: number) => void,
): Promise<number> {
  const startedAt = performance.now();
  const { port1, port2 } = new MessageChannel();
  const failed: string[] = [];
  const book = new Book({
    directory,
    port: port1,
    waitMs: 0x7fff_ffff,
    onEvent: (event) => {
      if (event.type === 'failed' || event.type === 'discarded') failed.push(event.message);
    },
  });
  await journal.follow(port2);
  const telling = setInterval(() => onProgress((book.extent?.revision ?? 0) / revision), 1000);
  telling.unref();
  // Answered when all is known.
  await book.space('none', revision);
  clearInterval(telling);
  const ms = performance.now() - startedAt;
  await book.close();
  await journal.close();
  if (failed.length > 0) throw new Error(`the book failed: ${failed.join('; ')}`);
  return ms;
}

interface Measured {
  readonly items: number;
  /** Milliseconds, ascending. */
  readonly times: readonly number[];
}

async function ask(url: string, queries: number, question: () => string): Promise<Measured> {
  const connection = await Connection.open(url);
  const times: number[] = [];
  let items = 0;
  for (let n = 0; n < queries; n++) {
    const path = question();
    const begin = performance.now();
    const { status, body } = await connection.ask('GET', path);
    times.push(performance.now() - begin);
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${body}`);
    items += (JSON.parse(body) as { items: unknown[] }).items.length;
  }
  connection.close();
  return { items, times: times.toSorted((a, b) => a - b) };
}

function row(kind: string, { items, times }: Measured): string {
  const p99 = times[Math.floor(times.length * 0.99)]!;
  const figures = [times[Math.floor(times.length / 2)]!, p99, times.at(-1)!];
  const mean = (items / times.length).toFixed(1);
  const cells = figures.map((ms) => ms.toFixed(2).padStart(6)).join(' ');
  return `${kind.padEnd(32)} ${mean.padStart(7)} ${cells}  ${p99 <= goalMs ? 'met' : 'MISSED'}`;
}

function rate(events: number, ms: number): string {
  return Math.round((events / ms) * 1000).toLocaleString('en-US');
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

/** An arena that is divided into places, each of which is free or held. */
interface Places {
  readonly arena: string;
  readonly notation: CreateArena['notation'];
  readonly width: CreateArena['width'];
  readonly base: bigint;
  /** Addresses of one place. */
  readonly step: bigint;
  readonly count: number;
  /** Draws a range within a place. */
  readonly draw: (life: Life) => { readonly offset: bigint; readonly size: bigint };
  readonly held: Map<number, { readonly base: bigint; readonly size: bigint }>;
}

const none: Labels = {};

class Life {
  readonly #arenas: readonly Places[];
  readonly #startedAt = Date.UTC(2026, 0, 1);
  readonly #places: number;
  #random = 12_345;
  revision = 0;

  constructor(places: number) {
    this.#places = places;
    const count = Math.ceil(places / 3);
    const shapes: Omit<Places, 'count' | 'held'>[] = [
      {
        arena: 'ids',
        notation: 'decimal',
        width: 64,
        base: 0n,
        step: 16n,
        draw: (life) => {
          const size = 1 + life.int(16);
          return { offset: BigInt(life.int(17 - size)), size: BigInt(size) };
        },
      },
      {
        arena: 'pods',
        notation: 'ipv4',
        width: 32,
        base: 10n << 24n,
        step: 256n,
        draw: (life) => {
          const size = 1 << life.int(9);
          return { offset: BigInt(life.int(256 / size) * size), size: BigInt(size) };
        },
      },
      {
        arena: 'sites',
        notation: 'ipv6',
        width: 128,
        base: 0x2001_0db8n << 96n,
        step: 1n << 80n,
        draw: () => ({ offset: 0n, size: 1n << 80n }),
      },
    ];
    this.#arenas = shapes.map((shape) => ({ ...shape, count, held: new Map() }));
  }

  int(below: number): number {
    this.#random = (Math.imul(this.#random, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((this.#random / 2 ** 32) * below);
  }

  /** Writes so many events, and before them those that create the arenas. */
  async write(
    journal: SqliteJournal,
    events: number,
    onProgress: (share: number) => void,
  ): Promise<void> {
    let group: { revision: number; body: string }[] = [];
    const commit = async (): Promise<void> => {
      const outcome = await journal.append(group);
      if (outcome !== 'acked') throw new Error(`a commit failed: ${journal.failure?.message}`);
      group = [];
      onProgress(this.revision / events);
    };
    for (const event of this.#events(events)) {
      this.revision += 1;
      group.push({ revision: this.revision, body: encode(event) });
      if (group.length === GROUP) await commit();
    }
    if (group.length > 0) await commit();
  }

  *#events(count: number): Generator<Event> {
    for (const arena of this.#arenas) {
      const { notation, width, base, step } = arena;
      yield {
        type: 'arenaCreated',
        at: this.#startedAt,
        arena: arena.arena,
        notation,
        width,
        quantum: 1n,
        policy: 'firstfit',
        ...plainSettings,
        labels: none,
        spans: [{ base, size: step * BigInt(arena.count) }],
      };
    }
    for (let n = 0; n < count; n++) yield this.#change(this.#startedAt + n);
  }

  /** Takes a place that is free, or frees one that is held. */
  #change(at: number): Event {
    const { arena, base, step, count, draw, held } = this.#arenas[this.int(this.#arenas.length)]!;
    const place = this.int(count);
    const found = held.get(place);
    if (found !== undefined) {
      held.delete(place);
      return { type: 'freed', at, arena, ...found, released: [] };
    }
    const { offset, size } = draw(this);
    const range = { base: base + BigInt(place) * step + offset, size };
    held.set(place, range);
    const labels = this.int(10) === 0 ? { rack: `r${this.int(100)}` } : none;
    const owner = `node-${this.int(this.#places)}`;
    return {
      type: 'allocated',
      at,
      arena,
      ...range,
      policy: 'firstfit',
      labels,
      owner,
      imported: [],
    };
  }

  /** By kind, what makes the path of a question of that kind. */
  questions(): Record<string, () => string> {
    const where = () => {
      const arena = this.#arenas[this.int(this.#arenas.length)]!;
      const offset = BigInt(this.int(arena.count)) * arena.step;
      const address =
        arena.base + offset + BigInt(this.int(Number(arena.step % 65_536n) || 65_536));
      return { path: `/v1/arenas/${arena.arena}/history`, arena, address };
    };
    const address = () => {
      const { path, arena, address: at } = where();
      return `${path}?address=${formatAddress(at, arena)}`;
    };
    const range = (places: bigint) => () => {
      const { path, arena, address: at } = where();
      const last = at + places * arena.step - 1n;
      return `${path}?from=${formatAddress(at, arena)}&to=${formatAddress(clip(last, arena), arena)}`;
    };
    const time = () => {
      const at = this.#startedAt + this.int(this.revision);
      return `&at=${new Date(at).toISOString()}`;
    };
    const revision = () => `&atRevision=${this.int(this.revision)}`;
    return {
      'an address, at any time': address,
      'an address, at a time': () => address() + time(),
      'an address, at a revision': () => address() + revision(),
      'ten places, at any time': range(10n),
      'a thousand places, at any time': range(1000n),
      'ten places, at a time': () => range(10n)() + time(),
      'a thousand places, at a revision': () => range(1000n)() + revision(),
      'an address, since a revision': () => `${address()}&after=${this.int(this.revision)}`,
    };
  }
}

/** The last address of the space, where it is lower. */
function clip(address: bigint, { width }: Places): bigint {
  const highest = (1n << BigInt(width)) - 1n;
  return address > highest ? highest : address;
}

function parse(words: readonly string[]): Options | undefined {
  const values = valuesOf(words, {
    events: { type: 'string', default: String(EVENTS) },
    places: { type: 'string', default: String(PLACES) },
    queries: { type: 'string', default: String(QUERIES) },
    data: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help === true) return undefined;
  return {
    events: count('events', values.events),
    places: count('places', values.places),
    queries: count('queries', values.queries),
    data: directory('data', values.data),
  };
}
