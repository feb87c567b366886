/**
 * Stops: the process is stopped (SIGSTOP) and goes on after a random time, and its wall clock jumps
 * forward and back by up to years, both under load. Nothing may be lost, nothing may run out early,
 * and a time that is told is one that the clock has shown.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Arena } from '../../src/http/wire/arena.ts';
import type { Span } from '../../src/http/wire/span.ts';
import { audit } from '../crash/audit.ts';
import { Client, lost, type Method } from '../crash/client.ts';
import { Ledger } from '../crash/ledger.ts';
import { Load } from '../crash/load.ts';
import { Server } from '../crash/server.ts';
import type { State } from '../crash/state.ts';
import { Random } from '../model/random.ts';
import { must, type Part, type Round } from './part.ts';
import { Shim, shimImpossible } from './shim.ts';

const answers = { usual: 1500, brief: 200 };
/** In each round. */
const stopsMin = 2;
const pauseMsMax = 60;
const stopMsMax = 300;
/** Ten years. */
const jumpMsMax = 315_360_000_000n;
/** Wall clock and test do not read the time in the same moment. */
const slackMs = 2000;
/** Longer than the period in which the service looks for what has run out. */
const lookMs = 1500;

/** Has a wholly free imported span that is to stay for an hour. */
const patient = { name: 'patient', source: 'root', releaseAfterSeconds: 3600 };

export const stops: Part = {
  name: 'stops',
  about: 'SIGSTOP for random times, and a wall clock that jumps forward and back',
  impossible: shimImpossible,
  run: stopAndJump,
};

async function stopAndJump(round: Round): Promise<void> {
  const random = new Random(round.seed, 'stops');
  const data = join(round.folder, 'data');
  await mkdir(data);
  const shim = new Shim({ folder: round.folder, directory: data });
  const clock = new Clock(shim, random, round);
  const ledger = new Ledger();
  const load = new Load(ledger, random);
  let server = await Server.start({ data, environment: shim.environment });
  try {
    await load.prepare(server.url);
    await leaveIdleSpan(server.url, ledger);
    const trouble = makeTrouble(server.pid, clock, random, round);
    // On a quick machine the answers are there before there was any trouble.
    do await load.run(server.url, round.brief ? answers.brief : answers.usual);
    while (trouble.stops < stopsMin || clock.jumps === 0);
    await trouble.end();
    // Forward at last, and long enough to be looked at.
    clock.set(clock.latest + Number(jumpMsMax));
    await delay(lookMs);
    await mustBeIdleStill(server.url);
    // Ten years later by the wall clock, no key is forgotten.
    await load.repeat(server.url);
    const acknowledged = ledger.answered;
    const state = await audit(server.url, ledger);
    round.count('acknowledged', acknowledged);
    mustBeSane(state, clock);
    const exit = await server.stop();
    must('code' in exit && exit.code === 0, `it stopped with ${JSON.stringify(exit)}`);
    // A start at the true time again: for the service the clock has jumped back by years.
    server = await Server.start({ data });
    must((await audit(server.url, ledger)).text === state.text, 'a restart has changed the state');
    await load.repeat(server.url);
  } finally {
    if (server.running) await server.kill();
    shim.close();
  }
}

/** The service's wall clock, and the span of times that it has shown. */
class Clock {
  earliest = 0;
  latest = 0;
  jumps = 0;
  readonly beganAt = Date.now();
  readonly #shim: Shim;
  readonly #random: Random;
  readonly #round: Round;

  constructor(shim: Shim, random: Random, round: Round) {
    this.#shim = shim;
    this.#random = random;
    this.#round = round;
  }

  /** Jumps to an offset from the true time, every order of magnitude alike. */
  jump(): void {
    const distance = Number(this.#random.magnitude(jumpMsMax));
    this.set(this.#random.chance(0.5) ? distance : -distance);
  }

  set(offsetMs: number): void {
    this.earliest = Math.min(this.earliest, offsetMs);
    this.latest = Math.max(this.latest, offsetMs);
    this.#shim.setClock(offsetMs);
    this.jumps += 1;
    this.#round.count('jumps');
  }
}

/** Stops the process and moves its clock, again and again, until it is ended; how often so far. */
function makeTrouble(
  pid: number,
  clock: Clock,
  random: Random,
  round: Round,
): { readonly stops: number; end(): Promise<void> } {
  let stops = 0;
  const ending = new AbortController();
  const running = (async () => {
    while (!ending.signal.aborted) {
      await delay(random.int(pauseMsMax));
      if (random.chance(0.4)) clock.jump();
      process.kill(pid, 'SIGSTOP');
      // Also while it stands still.
      if (random.chance(0.2)) clock.jump();
      await delay(random.int(stopMsMax));
      process.kill(pid, 'SIGCONT');
      stops += 1;
      round.count('stops');
    }
  })();
  return {
    get stops() {
      return stops;
    },
    end: async () => {
      ending.abort();
      await running;
    },
  };
}

async function leaveIdleSpan(url: string, ledger: Ledger): Promise<void> {
  const client = new Client(url);
  const change = async <T>(method: Method, path: string, body?: unknown): Promise<T> => {
    const answer = await client.ask(method, path, body);
    if (answer === lost || answer.status >= 300) throw new Error(`${path}: ${String(answer)}`);
    ledger.answered += 1;
    return (answer.text === '' ? undefined : JSON.parse(answer.text)) as T;
  };
  try {
    await change<Arena>('POST', '/v1/arenas', patient);
    const path = `/v1/arenas/${patient.name}`;
    const { address } = await change<{ address: string }>('POST', `${path}/alloc`, { size: 1 });
    await change('DELETE', `${path}/allocations/${address}`);
  } finally {
    client.close();
  }
}

async function mustBeIdleStill(url: string): Promise<void> {
  const client = new Client(url);
  try {
    const text = await client.get(`/v1/arenas/${patient.name}/spans`);
    const { items } = JSON.parse(text) as { items: Span[] };
    must(items.length === 1, 'a jump of the clock has released a span before its time');
  } finally {
    client.close();
  }
}

/** Every time is one that the clock may have shown. */
function mustBeSane({ arenas }: State, { earliest, latest, beganAt }: Clock): void {
  const from = beganAt + earliest - slackMs;
  const upTo = Date.now() + latest + slackMs;
  for (const { arena, allocations } of arenas.values()) {
    for (const { createdAt } of [arena, ...allocations]) {
      const at = Date.parse(createdAt);
      must(at >= from && at <= upTo, `${arena.name} has something created at ${createdAt}`);
    }
  }
}
