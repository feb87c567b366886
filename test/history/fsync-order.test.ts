/**
 * No reply is sent before its fsync: a real service under a light load, watched from outside by
 * strace. Skipped, with a word, where strace is missing or not allowed to watch.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client, lost, type Answer, type Method } from '../crash/client.ts';
import { Server } from '../crash/server.ts';
import { isReply, isSyncOfLog, orderProblems, type Expected } from './fsync-order.ts';
import { parseTrace, trace, whyNoStrace } from './strace.ts';

const clients = 4;
const grantsEach = 20;
const frees = 20;
/** The service runs many times slower while it is watched. */
const timeMsMax = 120_000;

test(
  'every reply to a change follows the fsync of its group',
  { timeout: timeMsMax },
  async (c) => {
    const why = whyNoStrace();
    c.skip(why !== undefined, why);
    const data = await mkdtemp(join(tmpdir(), 'vmemd-fsync-'));
    const server = await Server.start({ data });
    try {
      const spans = [{ base: '0', size: '1000000' }];
      await ask(new Client(server.url), 'POST', '/v1/arenas', { name: 'ids', spans });
      const calls = await trace(server.pid, join(data, 'trace'), () => load(server.url));
      c.skip(calls === undefined, 'strace may not watch a process here');
      const replies = expectedReplies();
      expect(orderProblems(calls!, replies)).toEqual([]);
      // The trace has what the proof rests on, and the proof does not hold without it.
      const syncs = calls!.filter(isSyncOfLog);
      expect(syncs.length).toBeGreaterThan(frees);
      const unsynced = calls!.filter((call) => !isSyncOfLog(call));
      expect(orderProblems(unsynced, replies)).toHaveLength(replies.length);
      const early = calls!.map((call) => (isReply(call) ? { ...call, begins: 0 } : call));
      expect(orderProblems(early, replies)).toHaveLength(replies.length);
    } finally {
      await server.kill();
      await rm(data, { recursive: true, force: true });
    }
  },
);

test('a trace is read, calls of several threads mixed', () => {
  const text = [
    '7 1.000001 pwrite64(20</d/vmemd.db-wal>, "one", 3, 0) = 3',
    '7 1.000002 fdatasync(20</d/vmemd.db-wal> <unfinished ...>',
    '9 1.000003 write(5<socket:[1]>, "HTTP/1.1 200 OK (a) = 1", 20) = 20',
    '7 1.000004 <... fdatasync resumed>)        = 0',
    '9 1.000005 fsync(20</d/vmemd.db-wal>) = -1 EIO (Input/output error)',
    '9 1.000006 +++ exited with 0 +++',
  ].join('\n');
  const calls = parseTrace(text);
  expect(calls.map(({ name, begins, returns, result }) => [name, begins, returns, result])).toEqual(
    [
      ['pwrite64', 0, 0, 3],
      ['fdatasync', 1, 3, 0],
      ['write', 2, 2, 20],
      ['fsync', 4, 4, -1],
    ],
  );
  const reply = { reply: /HTTP\/1.1 200/, record: 'one' };
  expect(orderProblems(calls, [reply])).toEqual(['one is answered before the log is synchronised']);
  const [write, sync, sent] = calls;
  const later = [write!, sync!, { ...sent!, begins: 4, returns: 4 }];
  expect(orderProblems(later, [reply])).toEqual([]);
});

/** The address of a grant, which is also a text that occurs nowhere else in a record. */
function addressOf(client: number, number: number): string {
  return String(700_000 + client * 1000 + number);
}

/** Several clients at once are granted, then one frees, one request after another. */
async function load(url: string): Promise<void> {
  const each = async (client: number): Promise<void> => {
    const connection = new Client(url);
    for (let number = 0; number < grantsEach; number++) {
      const request = { size: '1', address: addressOf(client, number) };
      const { status } = await ask(connection, 'POST', '/v1/arenas/ids/xalloc', request);
      expect(status).toBe(201);
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: clients }, (_, client) => each(client)));
  const connection = new Client(url);
  for (let number = 0; number < frees; number++) {
    // The reply to a free says nothing; one that names the address next to come shows where it is.
    const mark = `/v1/arenas/ids/allocations/${markOf(number)}`;
    expect((await ask(connection, 'GET', mark)).status).toBe(404);
    const path = `/v1/arenas/ids/allocations/${addressOf(0, number)}`;
    expect((await ask(connection, 'DELETE', path)).status).toBe(204);
  }
  // A reply is here before strace has seen its call return; one more, and the last free's has.
  expect((await ask(connection, 'GET', '/livez')).status).toBe(200);
  connection.close();
}

/** An address at which there never is anything. */
function markOf(number: number): string {
  return String(600_000 + number);
}

function expectedReplies(): Expected[] {
  const grants = Array.from({ length: clients * grantsEach }, (_, index): Expected => {
    const address = addressOf(index % clients, Math.floor(index / clients));
    return { reply: new RegExp(`HTTP/1.1 201 .*${address}`, 's'), record: address };
  });
  const freed = Array.from({ length: frees }, (_, number): Expected => {
    const after = new RegExp(`HTTP/1.1 404 .*${markOf(number)}`, 's');
    return { reply: /HTTP\/1.1 204 /, record: addressOf(0, number), after };
  });
  return [...grants, ...freed];
}

async function ask(client: Client, method: Method, path: string, body?: unknown): Promise<Answer> {
  const answer = await client.ask(method, path, body);
  if (answer === lost) throw new Error(`${method} ${path}: the connection broke`);
  return answer;
}
