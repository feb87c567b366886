/**
 * A real process under load is killed with SIGKILL at random moments and started again on the same
 * data: what it had answered must be there, and what it had not, in full or not at all.
 * SIGKILL spares what the operating system has buffered, so this proves the order of answers and
 * commits, not that a commit reached the disk.
 *
 *   VMEMD_SEED     replays the requests of a run and the moments of its kills, counted in answers;
 *                  which of the requests under way the service takes first is not in our hands
 *   VMEMD_ROUNDS   how many kills, 5 unless set
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Random } from '../model/random.ts';
import { audit } from './audit.ts';
import { Ledger } from './ledger.ts';
import { Load } from './load.ts';
import { Server } from './server.ts';
import type { State } from './state.ts';

const seed = integerOf('VMEMD_SEED', Date.now() % 2 ** 32);
const rounds = integerOf('VMEMD_ROUNDS', 5);
/** A hang of the service fails the test after this long, on however slow a machine. */
const roundMsMax = 60_000;

let data: string;
let server: Server | undefined;

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'vmemd-crash-'));
});

afterEach(async ({ task }) => {
  if (server?.running === true) await server.kill();
  // A service that ended by itself has said why.
  if (task.result?.state === 'fail') console.error(server?.log);
  await rm(data, { recursive: true, force: true });
});

test(
  `nothing answered is lost and nothing is half done after ${rounds} kills, seed ${seed}`,
  { timeout: (rounds + 1) * roundMsMax },
  async () => {
    const random = new Random(seed, 'kill');
    const ledger = new Ledger();
    const load = new Load(ledger, random);
    let unanswered = 0;
    const first = await start();
    await load.prepare(first.url);
    for (let round = 1; round <= rounds; round++) {
      const running = round === 1 ? first : await start();
      if (round > 1) await verify(running, ledger, `before round ${round}`);
      // Every order of magnitude alike: early moments catch the journal's first groups.
      const answers = 1 + Number(random.magnitude(1500n));
      const waitMs = random.int(4);
      await load.run(running.url, answers, {
        end: async () => {
          await delay(waitMs);
          expect(await running.kill()).toEqual({ signal: 'SIGKILL' });
        },
      });
      unanswered += ledger.unanswered;
    }
    const last = await start();
    await verify(last, ledger, 'after the last kill');
    await load.repeat(last.url);
    await verify(last, ledger, 'after asking again');
    // A kill with nothing under way would prove nothing.
    expect(unanswered).toBeGreaterThan(0);
    expect(load.replays).toBeGreaterThan(0);
  },
);

test(
  `an idle service that is killed comes back the same, byte for byte, seed ${seed}`,
  { timeout: 3 * roundMsMax },
  async () => {
    const ledger = new Ledger();
    const load = new Load(ledger, new Random(seed, 'idle'));
    const before = await start();
    await load.prepare(before.url);
    await load.run(before.url, 600);
    const { text } = await verify(before, ledger, 'before the kill');
    expect(await before.kill()).toEqual({ signal: 'SIGKILL' });
    const after = await start();
    expect((await verify(after, ledger, 'after the kill')).text).toBe(text);
    expect(await after.stop()).toEqual({ code: 0 });
    const last = await start();
    expect((await verify(last, ledger, 'after an orderly end')).text).toBe(text);
  },
);

async function start(): Promise<Server> {
  server = await Server.start({ data });
  return server;
}

/** Fails with the seed where the state is not what it has to be. */
async function verify({ url }: Server, ledger: Ledger, when: string): Promise<State> {
  try {
    return await audit(url, ledger);
  } catch (cause) {
    throw new Error(`${when}; replay with VMEMD_SEED=${seed}: ${String(cause)}`, { cause });
  }
}

function integerOf(variable: string, otherwise: number): number {
  const text = process.env[variable];
  if (text === undefined) return otherwise;
  if (!/^[0-9]{1,10}$/.test(text)) throw new Error(`${variable} must be a number, not "${text}"`);
  return Number(text);
}
