/**
 * Services that lie in ways that no single answer gives away. Whoever judges the service by what
 * concurrent clients are told has to find them out, over the same HTTP as ever.
 */
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { Engine } from '../../src/engine/engine.ts';
import type { Event } from '../../src/engine/event.ts';
import { Feed } from '../../src/feed.ts';
import { buildApp, type AppOptions } from '../../src/http/app.ts';
import { Sequencer } from '../../src/sequencer.ts';
import { MemoryJournal } from '../journal/memory-journal.ts';
import { Random } from '../model/random.ts';
import { checkHistory } from './check.ts';
import { withoutRevisions, type History } from './history.ts';
import { recordHistory } from './recorder.ts';

type Part = AppOptions['sequencer'];
const seed = 11;

test('a service that does not lie is not found out', async () => {
  const history = await recorded((sequencer) => sequencer);
  expect(checkHistory(history)).toEqual([]);
  expect(checkHistory(withoutRevisions(history))).toEqual([]);
});

test('reads from a replica that lags behind', async () => {
  const history = await recorded((sequencer) => {
    const replica = new Engine();
    const late: Event[] = [];
    return inPlaceOf(sequencer, {
      execute: (command, read) =>
        sequencer.execute(command, (engine, event, revision) => {
          late.push(event);
          const due = late.length > 2 || event.type === 'arenaCreated' ? late.splice(0) : [];
          for (const one of due) replica.apply(one, replica.revision + 1);
          return read(engine, event, revision);
        }),
      read: async (view) => view(replica),
    });
  });
  expectFound(history);
});

test('a grant that is answered to two', async () => {
  let count = 0;
  let last: { readonly revision: number; readonly value: unknown } | undefined;
  const history = await recorded((sequencer) =>
    inPlaceOf(sequencer, {
      async execute<T>(...given: Parameters<typeof sequencer.execute<T>>) {
        const [command] = given;
        const isAlloc = command.type === 'alloc' && command.arena === 'hot';
        count += isAlloc ? 1 : 0;
        // A retry that is taken for the request before it.
        if (isAlloc && count % 40 === 0 && last !== undefined) {
          return last as { revision: number; value: T };
        }
        const outcome = await sequencer.execute(...given);
        if (isAlloc && !('refused' in outcome)) last = outcome;
        return outcome;
      },
    }),
  );
  expectFound(history);
});

test('a free that is answered and not done', async () => {
  let count = 0;
  const history = await recorded((sequencer) =>
    inPlaceOf(sequencer, {
      async execute<T>(...given: Parameters<typeof sequencer.execute<T>>) {
        const [command] = given;
        count += command.type === 'free' && command.arena === 'hot' ? 1 : 0;
        if (count !== 30) return sequencer.execute(...given);
        count++;
        return { revision: 0, value: undefined as T };
      },
    }),
  );
  expectFound(history);
});

/** The sequencer with some functions replaced. */
function inPlaceOf(sequencer: Sequencer, functions: Partial<Part>): Part {
  return new Proxy(sequencer, {
    get(target, name) {
      const own: unknown = functions[name as keyof Part] ?? Reflect.get(target, name, target);
      return typeof own === 'function' ? own.bind(target) : own;
    },
  });
}

function expectFound(history: History): void {
  expect(checkHistory(history)).not.toEqual([]);
  // It is not the revisions alone that give it away.
  expect(checkHistory(withoutRevisions(history))).not.toEqual([]);
}

async function recorded(part: (sequencer: Sequencer) => Part): Promise<History> {
  const engine = new Engine();
  const journal = new MemoryJournal();
  journal.automatic = true;
  const sequencer = new Sequencer(engine, journal, { onFailure: () => undefined });
  const logger = pino({ level: 'silent' });
  const noBackups = { file: '', make: () => Promise.reject(new Error('nobody asks for a backup')) };
  const feed = new Feed(journal, 0);
  const noHistory = () => Promise.reject(new Error('nobody asks for the past'));
  const history = { ask: noHistory, space: noHistory, spaceAt: noHistory, extent: undefined };
  const options = { feed, history, backups: noBackups, logger, version: '0.0.0' };
  const app = await buildApp({ ...options, sequencer: part(sequencer) });
  try {
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    const random = new Random(seed, 'sabotage');
    return await recordHistory({ url, random, clients: 3, answers: 500 });
  } finally {
    await app.close();
    await sequencer.close();
  }
}
