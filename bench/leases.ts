/**
 * Leases in great number, in this process, with the journal on disk and without HTTP: how fast they
 * are renewed, and what it costs the others when all of them run out within one second. Meanwhile
 * somebody allocates and frees in another arena, one request at a time.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Command } from '../src/engine/command.ts';
import { Engine } from '../src/engine/engine.ts';
import { plainSettings } from '../src/engine/tuning.ts';
import type { JournalRecord } from '../src/journal/journal.ts';
import { recover } from '../src/journal/recovery.ts';
import { encode } from '../src/journal/record.ts';
import { openSqliteJournal } from '../src/journal/sqlite.ts';
import { LeaseTimer } from '../src/lease-timer.ts';
import { Sequencer } from '../src/sequencer.ts';
import { answer, count, directory, helped, seconds, valuesOf } from './arguments.ts';

const LEASES = 1_000_000;
const SECONDS = 2;
const TTL_SECONDS = 3600;
const GROUP = 1000;
/** Renewals under way at a time. */
const TOGETHER = 256;
const GOAL_MS = 20;

const help = `\
Usage: npm run bench -- leases [options]

So many leases, of one allocation each unless told otherwise: renewals a second, and how long the event
loop and a request in another arena are held up while all of them run out within one second, in this
process, with the journal on disk and without HTTP.

  --leases N         how many                                        ${LEASES}
  --each N           allocations of each of them                     1
  --renew-seconds N  how long renewals are measured                  ${SECONDS}
  --idle-seconds N   how long the machine is, with nothing to do     ${SECONDS}
  --data DIR         where the data directory is made, on the disk that is to be measured
                                                                     the system's temporary files
  --help             this
`;

/** Runs with the words after `leases`; the number is the exit code. */
export function run(words: readonly string[]): Promise<number> {
  return answer(help, async () => {
    const options = parse(words);
    if (options === undefined) return helped(help);
    process.stdout.write(await measure(options));
    return 0;
  });
}

interface Options {
  readonly leases: number;
  readonly each: number;
  readonly renewSeconds: number;
  readonly idleSeconds: number;
  readonly data: string;
}

async function measure({
  leases,
  each,
  renewSeconds,
  idleSeconds,
  data,
}: Options): Promise<string> {
  const folder = await mkdtemp(join(data, 'vmemd-bench-'));
  const journal = await openSqliteJournal({ directory: join(folder, 'data') });
  const lines: string[] = [];
  const say = (what: string, figure: number, unit: string): void => {
    lines.push(`${what.padEnd(52)} ${Math.round(figure * 10) / 10} ${unit}\n`);
  };
  try {
    const engine = new Engine();
    await recover(journal, engine);
    const before = heap();
    let group: JournalRecord[] = [];
    const flush = async (): Promise<void> => {
      if (group.length > 0 && (await journal.append(group)) !== 'acked') throw journal.failure;
      group = [];
    };
    for (const command of commands(leases, each)) {
      const event = engine.decide(command);
      if ('refused' in event) throw new Error(event.detail);
      const revision = engine.revision + 1;
      group.push({ revision, body: encode(event) });
      engine.apply(event, revision);
      if (group.length === GROUP) await flush();
    }
    await flush();
    // The clock that leases run out by is set forward, by which all of them are due at once.
    let ahead = 0;
    const now = () => performance.now() + ahead;
    const sequencer = new Sequencer(engine, journal, {
      now,
      onFailure: (cause) => {
        throw cause;
      },
    });
    say('heap of a lease, without arrays', (heap() - before) / leases, 'bytes');
    say('renewals', await renewals(sequencer, leases, renewSeconds), 'a second');
    const timer = new LeaseTimer(sequencer);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    // What the setting up left to be done is not counted; what the machine does by itself is told.
    await pause(200);
    delay.enable();
    await pause(idleSeconds * 1000);
    delay.disable();
    say('event loop: longest delay with nothing to do', delayOf(delay.max), 'ms');
    delay.reset();
    const groupsBefore = sequencer.groups;
    const prober = new Prober(sequencer);
    delay.enable();
    const begin = performance.now();
    ahead = TTL_SECONDS * 1000 + 1000;
    const probing = prober.run();
    const turns = new Turns();
    const counting = turns.run();
    while (engine.totals().leases > 0) {
      await timer.look();
      await pause(1);
    }
    const seconds = (performance.now() - begin) / 1000;
    prober.stop();
    turns.stop();
    await Promise.all([probing, counting]);
    delay.disable();
    say('expirations', leases / seconds, 'a second');
    if (each > 1) say('allocations that they freed', (leases * each) / seconds, 'a second');
    say('until all of them had ended', seconds, 'seconds');
    say('commits meanwhile', sequencer.groups - groupsBefore, '');
    const longest = delayOf(delay.max);
    say('event loop: longest delay', longest, 'ms');
    say('event loop: 99th percentile', delayOf(delay.percentile(99)), 'ms');
    say('processor time of the longest turn of the loop', turns.longest, 'ms');
    say('requests of somebody else meanwhile', prober.asked, '');
    say('the longest of these took', prober.longest, 'ms');
    const met = turns.longest <= GOAL_MS ? 'met' : 'missed';
    lines.push(`goal: no turn takes more than ${GOAL_MS} ms of the processor: ${met}\n`);
    await sequencer.close();
    return lines.join('');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** In milliseconds; what is measured is the distance of ticks, in nanoseconds. */
function delayOf(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e6 - 1);
}

/** Somebody who allocates and frees, one after the other. */
class Prober {
  readonly #sequencer: Sequencer;
  #stopped = false;
  asked = 0;
  longest = 0;

  constructor(sequencer: Sequencer) {
    this.#sequencer = sequencer;
  }

  async run(): Promise<void> {
    const block = { at: 0, arena: 'other' } as const;
    while (!this.#stopped) {
      await this.#ask({ type: 'alloc', ...block, size: 1n, constraint: {}, labels: {} });
      await this.#ask({ type: 'free', ...block, address: 0n });
      await pause(2);
    }
  }

  async #ask(command: Command): Promise<void> {
    const begin = performance.now();
    await this.#sequencer.execute(command, () => undefined);
    this.asked += 1;
    this.longest = Math.max(this.longest, performance.now() - begin);
  }

  stop(): void {
    this.#stopped = true;
  }
}

/** What the thread does from one turn of the loop to the next; what others on the machine do is not. */
class Turns {
  #stopped = false;
  /** Milliseconds of the processor. */
  longest = 0;

  async run(): Promise<void> {
    let before = processorMs();
    while (!this.#stopped) {
      await nextTurn();
      const now = processorMs();
      this.longest = Math.max(this.longest, now - before);
      before = now;
    }
  }

  stop(): void {
    this.#stopped = true;
  }
}

function processorMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Bytes in use on the heap, without what is garbage; arrays of numbers are elsewhere. */
function heap(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

/** Renewals a second, so many at a time, of leases all over. */
async function renewals(sequencer: Sequencer, leases: number, seconds: number): Promise<number> {
  const begin = performance.now();
  let done = 0;
  while (performance.now() - begin < seconds * 1000) {
    const some = Array.from({ length: TOGETHER }, (_, i) => {
      const lease = idOf(((done + i) * 7919) % leases);
      return sequencer.execute({ type: 'renewLease', at: 0, lease }, (engine) =>
        engine.lease(lease),
      );
    });
    await Promise.all(some);
    done += TOGETHER;
  }
  return done / ((performance.now() - begin) / 1000);
}

function* commands(leases: number, each: number): Generator<Command> {
  const settings = {
    type: 'createArena',
    at: 0,
    notation: 'decimal',
    width: 64,
    quantum: 1n,
    policy: 'instantfit',
    ...plainSettings,
  } as const;
  yield { ...settings, arena: 'ids', spans: [{ base: 0n, size: BigInt(leases * each) * 2n }] };
  yield { ...settings, arena: 'other', spans: [{ base: 0n, size: 1000n }] };
  for (let i = 0; i < leases; i++) {
    const lease = idOf(i);
    const block = {
      type: 'alloc',
      at: 0,
      arena: 'ids',
      size: 1n,
      constraint: {},
      labels: {},
    } as const;
    yield { ...block, lease, ttlSeconds: TTL_SECONDS };
    for (let more = 1; more < each; more++) yield { ...block, lease };
  }
}

/** As ids are: 36 characters, in no order. */
function idOf(index: number): string {
  const scattered = Math.imul(index + 1, 0x9e3779b1) >>> 0;
  const [head, tail] = [scattered.toString(16).padStart(8, '0'), String(index).padStart(12, '0')];
  return `${head}-0000-4000-8000-${tail}`;
}

function parse(words: readonly string[]): Options | undefined {
  const values = valuesOf(words, {
    leases: { type: 'string', default: String(LEASES) },
    each: { type: 'string', default: '1' },
    'renew-seconds': { type: 'string', default: String(SECONDS) },
    'idle-seconds': { type: 'string', default: String(SECONDS) },
    data: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help === true) return undefined;
  return {
    leases: count('leases', values.leases),
    each: count('each', values.each),
    renewSeconds: seconds('renew-seconds', values['renew-seconds']),
    idleSeconds: seconds('idle-seconds', values['idle-seconds']),
    data: directory('data', values.data),
  };
}
