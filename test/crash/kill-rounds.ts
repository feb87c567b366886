/**
 * Rounds of kill -9 while several loops change something each, one request at a time: after each kill it is as
 * the last answer had it, or as the request under way would, and nothing between.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Random } from '../model/random.ts';
import { Client, lost, type Answer } from './client.ts';
import { Server } from './server.ts';

const rounds = 3;
export const killRoundsTimeout = (rounds + 1) * 60_000;

/** A request, and what it makes of the thing of its loop where it is answered with this status. */
export interface Change<T> {
  readonly makes: T;
  readonly status: number;
  readonly answer: Promise<Answer | typeof lost>;
}

export interface Rounds<T> {
  readonly loops: number;
  /** What the thing of every loop is at first, once `prepare` is done in the arena `a`. */
  readonly first: T;
  prepare(client: Client): Promise<void>;
  change(client: Client, loop: number, now: T): Change<T>;
  find(client: Client, loop: number): Promise<T>;
}

interface Known<T> {
  answered: T;
  asked?: T;
}

/** `replay` is what a failure is reported with. */
export async function killRounds<T>(of: Rounds<T>, random: Random, replay: string): Promise<void> {
  const data = await mkdtemp(join(tmpdir(), 'vmemd-rounds-'));
  const all = Array.from({ length: of.loops }, (): Known<T> => ({ answered: of.first }));
  let server = await Server.start({ data });
  let unanswered = 0;
  try {
    await asked(server, (client) => of.prepare(client));
    for (let round = 0; round < rounds; round++) {
      await changeUntilKilled(server, of, all, 20 + random.int(400));
      server = await Server.start({ data });
      await asked(server, async (client) => {
        for (const [loop, known] of all.entries()) {
          if (known.asked !== undefined) unanswered++;
          const found = await of.find(client, loop);
          const possible = [known.answered, ...(known.asked === undefined ? [] : [known.asked])];
          expect(possible, `${replay} loop ${loop}`).toContainEqual(found);
          all[loop] = { answered: found };
        }
        expect(JSON.parse(await client.get('/v1/arenas/a/check'))).toMatchObject({ ok: true });
      });
    }
    // A kill with nothing under way would prove nothing.
    expect(unanswered).toBeGreaterThan(0);
  } finally {
    if (server.running) await server.kill();
    await rm(data, { recursive: true, force: true });
  }
}

/** All loops at once, until so many answers are there; what was under way then stays `asked`. */
async function changeUntilKilled<T>(
  server: Server,
  of: Rounds<T>,
  all: readonly Known<T>[],
  answers: number,
): Promise<void> {
  let left = answers;
  let killed: Promise<unknown> | undefined;
  await asked(server, async (client) => {
    const loop = async (known: Known<T>, index: number): Promise<void> => {
      for (;;) {
        const { makes, status, answer } = of.change(client, index, known.answered);
        known.asked = makes;
        const got = await answer;
        if (got === lost) return;
        if (got.status !== status) throw new Error(got.text);
        known.answered = makes;
        delete known.asked;
        if (--left === 0) killed = server.kill();
      }
    };
    await Promise.all(all.map(loop));
    await killed;
  });
}

async function asked(server: Server, ask: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client(server.url);
  try {
    await ask(client);
  } finally {
    client.close();
  }
}
