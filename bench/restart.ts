/**
 * Restart, measured: a data directory is filled with live allocations and free segments between
 * them, a checkpoint of it is made while small commits go on, more records follow, and a service in
 * a process of its own is started on it. Shown are how long the checkpoint held up the event loop
 * and the commits, how much is on disk, and how long the service takes until it answers; the hash
 * of its state has to be the one from before.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Command } from '../src/engine/command.ts';
import { Engine } from '../src/engine/engine.ts';
import { plainSettings } from '../src/engine/tuning.ts';
import type { JournalRecord } from '../src/journal/journal.ts';
import { recover } from '../src/journal/recovery.ts';
import { encode } from '../src/journal/record.ts';
import { openSqliteJournal, type SqliteJournal } from '../src/journal/sqlite.ts';
import { Server } from '../test/crash/server.ts';
import { answer, count, directory, helped, valuesOf } from './arguments.ts';
import { Progress } from './progress.ts';

const LIVE = 1_000_000;
const AFTER = 100_000;
const STARTS = 3;
/** Records in a commit while the directory is filled, and while the checkpoint is made. */
const GROUP = 1000;
const SMALL_GROUP = 8;

const help = `\
Usage: npm run bench -- restart [options]

How long a restart takes, and what making a checkpoint costs those who are served meanwhile.

  --live N     live allocations, with as many free segments between them   ${LIVE}
  --after N    records after the checkpoint                                ${AFTER}
  --starts N   how often the service is started                            ${STARTS}
  --data DIR   where the data directory is made, on the disk that is to be measured
                                                                           the system's temporary files
  --help       this
`;

/** Runs with the words after `restart`; the number is the exit code. */
export function run(words: readonly string[]): Promise<number> {
  return answer(help, async () => {
    const options = parse(words);
    if (options === undefined) return helped(help);
    await measure(options);
    return 0;
  });
}

interface Options {
  readonly live: number;
  readonly after: number;
  readonly starts: number;
  readonly data: string;
}

async function measure({ live, after, starts, data }: Options): Promise<void> {
  const folder = await mkdtemp(join(data, 'vmemd-bench-'));
  const directory = join(folder, 'data');
  const progress = new Progress(3 + starts);
  const lines: string[] = [];
  const say = (what: string, figure: string): void => {
    lines.push(`${what.padEnd(50)} ${figure}`);
  };
  try {
    const writer = await Writer.open(directory);
    progress.begins('filling');
    await writer.fill(live);
    progress.ends('filling', 1);
    progress.begins('checkpoint');
    for (const [what, figure] of await writer.checkpoint()) say(what, figure);
    progress.ends('checkpoint', 1);
    progress.begins('records after it');
    // Of the records that were committed meanwhile, that checkpoint has none: another one covers them.
    await writer.journal.checkpoint();
    await writer.churn(after);
    const { hash } = await writer.journal.state();
    await writer.journal.close();
    progress.ends('records after it', 1);
    const { size } = await stat(join(directory, 'vmemd.db'));
    const { bytesPerEvent } = writer;
    say('text of a record', `${bytesPerEvent.toFixed(0)} bytes`);
    say('database, whole history included', `${(size / 2 ** 20).toFixed(0)} MiB`);
    say('… for each record', `${(size / writer.revision).toFixed(0)} bytes`);
    for (let start = 1; start <= starts; start++) {
      const name = `start ${start}`;
      progress.begins(name);
      const begin = performance.now();
      const server = await Server.start({ data: directory });
      const ready = performance.now() - begin;
      const answer = await fetch(`${server.url}/v1/state`);
      const state = (await answer.json()) as { hash?: string };
      await server.stop();
      progress.ends(name, 1);
      const same = state.hash === hash ? 'the state is the same' : 'THE STATE IS ANOTHER ONE';
      say(`${name}: from the command to the first answer`, `${seconds(ready)}, ${same}`);
    }
  } finally {
    progress.close();
    process.stdout.write(lines.map((line) => `${line}\n`).join(''));
    await rm(folder, { recursive: true, force: true });
  }
}

/** An engine and its journal, without what lies between them in the service. */
class Writer {
  readonly journal: SqliteJournal;
  readonly #engine = new Engine();
  /** Bases. Numbers, because a million objects would be what its garbage collector is busy with. */
  #live = new Float64Array(0);
  #group: JournalRecord[] = [];
  #records = 0;
  #characters = 0;
  #random = 12_345;

  private constructor(journal: SqliteJournal) {
    this.journal = journal;
  }

  static async open(directory: string): Promise<Writer> {
    const writer = new Writer(await openSqliteJournal({ directory, maintenance: false }));
    await recover(writer.journal, writer.#engine);
    return writer;
  }

  get revision(): number {
    return this.#engine.revision;
  }

  get bytesPerEvent(): number {
    return this.#characters / this.#records;
  }

  /** Twice as many allocations as wanted, of which every other one is freed again. */
  async fill(live: number): Promise<void> {
    this.#do({
      type: 'createArena',
      at: Date.now(),
      arena: 'ids',
      notation: 'decimal',
      width: 64,
      quantum: 1n,
      policy: 'instantfit',
      ...plainSettings,
      spans: [{ base: 0n, size: 1n << 40n }],
    });
    const all = new Float64Array(live * 2);
    for (let i = 0; i < live * 2; i++) {
      all[i] = this.#alloc();
      if (this.#group.length >= GROUP) await this.#commit();
    }
    for (const [i, base] of all.entries()) {
      if (i % 2 === 0) this.#free(base);
      if (this.#group.length >= GROUP) await this.#commit();
    }
    await this.#commit();
    this.#live = all.filter((_, i) => i % 2 === 1);
  }

  /** Frees one and allocates one, in turn. */
  async churn(records: number): Promise<void> {
    for (let done = 0; done < records; done += 2) {
      this.#swap();
      if (this.#group.length >= GROUP) await this.#commit();
    }
    await this.#commit();
  }

  /** Makes a checkpoint while small commits go on; what it took, and what it cost those. */
  async checkpoint(): Promise<[string, string][]> {
    const delays = monitorEventLoopDelay({ resolution: 1 });
    const commits: number[] = [];
    const state = { making: true };
    delays.enable();
    const making = this.journal.checkpoint().finally(() => {
      state.making = false;
    });
    while (state.making) {
      for (let i = 0; i < SMALL_GROUP; i += 2) this.#swap();
      const begin = performance.now();
      await this.#commit();
      commits.push(performance.now() - begin);
    }
    delays.disable();
    const report = await making;
    const sorted = commits.toSorted((a, b) => a - b);
    const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? 0;
    return [
      ['checkpoint', `${seconds(report.ms)}, ${(report.bytes / 2 ** 20).toFixed(1)} MiB`],
      ['longest stall of the event loop meanwhile', `${(delays.max / 1e6 - 1).toFixed(1)} ms`],
      [`commits of ${SMALL_GROUP} records meanwhile`, String(commits.length)],
      ['… the longest of them, and the 99th percentile', `${ms(sorted.at(-1) ?? 0)}, ${ms(p99)}`],
    ];
  }

  #swap(): void {
    this.#random = (Math.imul(this.#random, 1_103_515_245) + 12_345) >>> 0;
    const at = (this.#random >>> 8) % this.#live.length;
    this.#free(this.#live[at]!);
    this.#live[at] = this.#alloc();
  }

  #alloc(): number {
    this.#random = (Math.imul(this.#random, 1_103_515_245) + 12_345) >>> 0;
    const size = BigInt(1 + ((this.#random >>> 8) % 16));
    const event = this.#do({
      type: 'alloc',
      at: Date.now(),
      arena: 'ids',
      size,
      constraint: {},
      labels: {},
      seed: 0,
    });
    return Number((event as { base: bigint }).base);
  }

  #free(base: number): void {
    this.#do({ type: 'free', at: Date.now(), arena: 'ids', address: BigInt(base) });
  }

  #do(command: Command): object {
    const event = this.#engine.decide(command);
    if ('refused' in event) throw new Error(event.detail);
    const body = encode(event);
    const revision = this.#engine.revision + 1;
    this.#engine.apply(event, revision);
    this.#group.push({ revision, body });
    this.#records += 1;
    this.#characters += body.length + 1;
    return event;
  }

  async #commit(): Promise<void> {
    if (this.#group.length === 0) return;
    const outcome = await this.journal.append(this.#group.splice(0));
    if (outcome !== 'acked') throw new Error(`a commit failed: ${this.journal.failure?.message}`);
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

function ms(milliseconds: number): string {
  return `${milliseconds.toFixed(1)} ms`;
}

function parse(words: readonly string[]): Options | undefined {
  const values = valuesOf(words, {
    live: { type: 'string', default: String(LIVE) },
    after: { type: 'string', default: String(AFTER) },
    starts: { type: 'string', default: String(STARTS) },
    data: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help === true) return undefined;
  return {
    live: count('live', values.live),
    after: count('after', values.after),
    starts: count('starts', values.starts),
    data: directory('data', values.data),
  };
}
