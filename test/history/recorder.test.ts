/**
 * The service under concurrent clients, over real HTTP: what they were told is one history that
 * has an order. Once with a journal in memory that is slow now and then, where the records tell
 * the order as well; and once as a process of its own that is killed and started again on the same
 * data.
 *
 *   VMEMD_SEED     what is asked, and when it is killed
 *   VMEMD_ROUNDS   how many kills, 2 unless set
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Server } from '../crash/server.ts';
import { Service } from '../http/service.ts';
import { Random } from '../model/random.ts';
import { checkHistory } from './check.ts';
import { withoutRevisions, type History, type Operation } from './history.ts';
import { numbered } from './numbered.ts';
import { recordHistory, Recorder } from './recorder.ts';
import { replayHistory } from './replay.ts';

const seed = integerOf('VMEMD_SEED', Date.now() % 2 ** 32);
const kills = integerOf('VMEMD_ROUNDS', 2);
/** A hang of the service fails the test after this long, on however slow a machine. */
const roundMsMax = 60_000;

test(
  `concurrent clients are told one history, seed ${seed}`,
  { timeout: 2 * roundMsMax },
  async () => {
    const service = await Service.start();
    try {
      const url = await service.app.listen({ host: '127.0.0.1', port: 0 });
      const random = new Random(seed, 'recorded');
      const history = await recordHistory({ url, random, clients: 6, answers: 1200 });
      expect(checkHistory(history), `VMEMD_SEED=${seed}`).toEqual([]);
      expect(replayHistory(numbered(history, service.journal.stored))).toEqual([]);
      // Fewer at a time, because without revisions many more orders are possible.
      const few = { url, random, clients: 3, answers: 400, prefix: 'few-' };
      const hidden = withoutRevisions(await recordHistory(few));
      expect(checkHistory(hidden), `VMEMD_SEED=${seed}`).toEqual([]);
      expectAllKinds(history);
      expectOverlaps(history);
    } finally {
      await service.stop();
    }
  },
);

test(
  `what clients are told before and after ${kills} kills is one history, seed ${seed}`,
  { timeout: (kills + 2) * roundMsMax },
  async () => {
    const data = await mkdtemp(join(tmpdir(), 'vmemd-history-'));
    const random = new Random(seed, 'killed');
    const recorder = new Recorder({ random, clients: 6 });
    let server = await Server.start({ data });
    try {
      await recorder.prepare(server.url);
      for (let kill = 0; kill < kills; kill++) {
        const answers = 1 + Number(random.magnitude(600n));
        const waitMs = random.int(4);
        await recorder.run(server.url, answers, async () => {
          await delay(waitMs);
          await server.kill();
        });
        server = await Server.start({ data });
        await recorder.look(server.url);
      }
      expect(recorder.unanswered).toBeGreaterThan(0);
      expect(checkHistory(recorder.history), `VMEMD_SEED=${seed}`).toEqual([]);
    } finally {
      if (server.running) await server.kill();
      await rm(data, { recursive: true, force: true });
    }
  },
);

/** A history without refusals, or without anything missing, would prove less than it seems to. */
function expectAllKinds({ operations }: History): void {
  const kinds = new Set(operations.map(({ call, answer }) => `${call.type} ${answer?.type}`));
  expect([...kinds].toSorted()).toEqual(
    expect.arrayContaining([
      'alloc held',
      'alloc refused',
      'check checked',
      'free freed',
      'get absent',
      'get held',
      'list listed',
      'resize held',
      'resize refused',
      'usage usage',
    ]),
  );
}

function expectOverlaps({ operations }: History): void {
  const inOrder = operations.toSorted((a, b) => a.start - b.start);
  const overlaps = (at: Operation, index: number): boolean =>
    index > 0 && inOrder[index - 1]!.end > at.start;
  expect(inOrder.filter(overlaps).length).toBeGreaterThan(operations.length / 2);
}

function integerOf(variable: string, otherwise: number): number {
  const text = process.env[variable];
  if (text === undefined) return otherwise;
  if (!/^[0-9]{1,10}$/.test(text)) throw new Error(`${variable} must be a number, not "${text}"`);
  return Number(text);
}
