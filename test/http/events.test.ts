/** Events over real connections: order, resuming, filters, slow readers, and the end of a stream. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventStreamsOptions } from '../../src/http/event-stream.ts';
import { event as eventSchema } from '../../src/http/wire/event.ts';
import { EventClient } from './event-client.ts';
import { Service } from './service.ts';

let service: Service;
let url: string;
let clients: EventClient[];

beforeEach(() => start());
afterEach(async () => {
  for (const client of clients) client.close();
  await service.stop();
});

async function start(events?: EventStreamsOptions, tokens?: string[]): Promise<void> {
  service = await Service.start({ ...(events && { events }), ...(tokens && { tokens }) });
  url = await service.app.listen({ host: '127.0.0.1', port: 0 });
  clients = [];
}

async function restart(events: EventStreamsOptions, tokens?: string[]): Promise<void> {
  await service.stop();
  await start(events, tokens);
}

async function watch(query = '', headers: Record<string, string> = {}): Promise<EventClient> {
  const client = await EventClient.open(url, `/v1/events${query}`, headers);
  clients.push(client);
  if (client.status === 200) await client.when(() => client.beats.length > 0);
  return client;
}

async function done(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: object) {
  const answer = await service.call(method, `/v1${path}`, body);
  expect(answer.status, answer.text).toBeLessThan(300);
  return answer.body;
}

/** So many allocations, each a revision. */
async function allocate(arena: string, count: number): Promise<void> {
  const path = `/v1/arenas/${arena}/alloc`;
  await Promise.all(Array.from({ length: count }, () => service.call('POST', path, { size: 1 })));
}

/** As many with so much text that no socket takes it all; no request may have as much. */
async function fillSockets(arena: string, count: number): Promise<void> {
  const labels = { text: 'x'.repeat(100_000) };
  const command = { type: 'alloc', at: 0, arena, size: 1n, constraint: {} } as const;
  const all = Array.from({ length: count }, () =>
    service.sequencer.execute({ ...command, labels }, () => undefined),
  );
  await Promise.all(all);
}

async function eventsSent(): Promise<string> {
  const { text } = await service.call('GET', '/metrics');
  return /^vmemd_events_sent_total ([0-9]+)$/m.exec(text)?.[1] ?? '';
}

const revisions = (client: EventClient) => client.received.map(({ id }) => Number(id));
const upTo = (last: number, first = 1) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe('a stream of events', () => {
  it('shows everything that happens, as clients know it', async () => {
    const client = await watch();
    expect(client.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    const pods = { notation: 'ipv4', spans: [{ cidr: '10.0.0.0/16' }] };
    await done('POST', '/arenas', { name: 'pods', ...pods, labels: { env: 'prod' } });
    await done('POST', '/arenas', { name: 'web', notation: 'hex', width: 32, source: 'pods' });
    await done('POST', '/arenas/pods/spans', { cidr: '10.1.0.0/16' });
    const labels = { 'a/b': 'one\ntwo'.replace('\n', ' '), role: 'ünï' };
    await done('POST', '/arenas/web/xalloc', { size: 64, align: 64, owner: 'web', labels });
    await done('PATCH', '/arenas/web/allocations/0x0a000000', { labels: {} });
    await done('POST', '/arenas/web/allocations/0x0a000000/resize', { size: 32 });
    await done('DELETE', '/arenas/web/allocations/0x0a000000');
    const limits = { limit: 1000, ownerLimit: 500, ownerLimits: [{ owner: 'web', limit: 600 }] };
    await done('PATCH', '/arenas/pods', { policy: 'firstfit', ...limits });
    await done('POST', '/arenas/pods/alloc', { size: 3 });
    await done('DELETE', '/arenas/pods/allocations');
    await done('DELETE', '/arenas/pods/spans/10.1.0.0');
    await done('DELETE', '/arenas/web');
    const received = await client.until(12);
    for (const { id, type, data } of received) {
      expect(eventSchema.parse(data)).toEqual(data);
      expect({ id, type }).toEqual({ id: String(data.revision), type: data.type });
      expect(new Date(data.at).toISOString()).toBe(data.at);
    }
    const moved = {
      arena: 'web',
      source: 'pods',
      base: '0xa000000',
      end: '0xa00003f',
      size: '64',
    };
    const whole = { address: '0xa000000', end: '0xa00003f', size: '64' };
    const half = { address: '0xa000000', end: '0xa00001f', size: '32' };
    const kept = { keepSpans: 0, releaseAfterSeconds: 0, quarantineSeconds: 0 };
    const settings = { largeImport: false, ...kept };
    const created = { ...settings, quantum: '1', quantumCacheMax: '0', policy: 'instantfit' };
    expect(received.map(({ data }) => ({ ...data, at: undefined }))).toEqual([
      {
        revision: 1,
        type: 'arenaCreated',
        arena: 'pods',
        notation: 'ipv4',
        width: 32,
        ...created,
        labels: { env: 'prod' },
        spans: [{ base: '10.0.0.0', end: '10.0.255.255', size: '65536', cidr: '10.0.0.0/16' }],
      },
      {
        revision: 2,
        type: 'arenaCreated',
        arena: 'web',
        notation: 'hex',
        width: 32,
        ...created,
        source: 'pods',
        labels: {},
      },
      {
        revision: 3,
        type: 'spanAdded',
        arena: 'pods',
        address: '10.1.0.0',
        end: '10.1.255.255',
        size: '65536',
        cidr: '10.1.0.0/16',
      },
      {
        revision: 4,
        type: 'allocated',
        arena: 'web',
        ...whole,
        owner: 'web',
        labels,
        policy: 'instantfit',
        imported: [moved],
      },
      { revision: 5, type: 'allocationUpdated', arena: 'web', address: '0xa000000', labels: {} },
      { revision: 6, type: 'resized', arena: 'web', ...half, previousSize: '64' },
      { revision: 7, type: 'freed', arena: 'web', ...half, released: [moved] },
      {
        revision: 8,
        type: 'arenaUpdated',
        arena: 'pods',
        policy: 'firstfit',
        limit: '1000',
        ownerLimit: '500',
        ownerLimits: [{ owner: 'web', limit: '600' }],
      },
      {
        revision: 9,
        type: 'allocated',
        arena: 'pods',
        address: '10.0.0.0',
        end: '10.0.0.2',
        size: '3',
        policy: 'firstfit',
      },
      { revision: 10, type: 'allFreed', arena: 'pods', count: 1 },
      {
        revision: 11,
        type: 'spanRemoved',
        arena: 'pods',
        address: '10.1.0.0',
        end: '10.1.255.255',
        size: '65536',
        cidr: '10.1.0.0/16',
      },
      { revision: 12, type: 'arenaDestroyed', arena: 'web' },
    ]);
  });

  it('shows a batch as one event, to all whom it touches', async () => {
    await done('POST', '/arenas', { name: 'top', spans: [{ base: 100, size: 100 }] });
    await done('POST', '/arenas', { name: 'web', notation: 'hex', source: 'top', importSize: 8 });
    await done('POST', '/arenas', { name: 'ids', spans: [{ base: 0, size: 100 }] });
    const all = await Promise.all(
      ['web', 'top', 'ids', 'x'].map((name) => watch(`?arena=${name}`)),
    );
    const alloc = (arena: string, size: bigint) => ({
      command: { type: 'alloc', arena, size, constraint: {}, labels: {} } as const,
      references: [],
    });
    await service.sequencer.execute(
      { type: 'batch', at: 0, operations: [alloc('web', 2n), alloc('ids', 5n)], piecesMax: 0 },
      () => undefined,
    );
    await done('DELETE', '/arenas/ids?force=true');
    const [web, top, ids, none] = all;
    await Promise.all([web!.until(1), top!.until(1), ids!.until(2)]);
    const moved = { arena: 'web', source: 'top', base: '0x68', end: '0x6f', size: '8' };
    const placed = { address: '0x68', end: '0x69', size: '2', imported: [moved] };
    const policy = 'instantfit';
    expect(web!.received[0]).toEqual({
      id: '4',
      type: 'batched',
      data: {
        revision: 4,
        at: '1970-01-01T00:00:00.000Z',
        type: 'batched',
        events: [
          { type: 'allocated', arena: 'web', ...placed, policy },
          { type: 'allocated', arena: 'ids', address: '0', end: '4', size: '5', policy },
        ],
      },
    });
    expect(eventSchema.parse(web!.received[0]?.data)).toEqual(web!.received[0]?.data);
    expect([web, top, ids, none].map((client) => revisions(client!))).toEqual([
      [4],
      [4],
      [4, 5],
      [],
    ]);
  });

  it('begins now, or after a revision, and says where', async () => {
    await done('POST', '/arenas', { name: 'a' });
    await done('POST', '/arenas', { name: 'b' });
    const [now, start, middle] = [await watch(), await watch('?after=0'), await watch('?after=1')];
    const beginnings = [now, start, middle].map(({ beats }) => beats[0]);
    expect(beginnings).toEqual(['2', '0', '1'].map((n) => `: after revision ${n}\nid: ${n}`));
    await done('POST', '/arenas', { name: 'c' });
    await Promise.all([now.until(1), start.until(3), middle.until(2)]);
    expect([now, start, middle].map(revisions)).toEqual([[3], [1, 2, 3], [2, 3]]);
  });

  it('resumes after the last id, which goes before `after`', async () => {
    await done('POST', '/arenas', { name: 'a', spans: [{ base: 0, size: 1000 }] });
    await allocate('a', 5);
    const client = await watch('?after=0', { 'last-event-id': '4' });
    await client.until(2);
    expect(revisions(client)).toEqual([5, 6]);
  });

  it('refuses what is no revision, or is ahead', async () => {
    await done('POST', '/arenas', { name: 'a' });
    for (const [query, id, pointer] of [
      ['?after=2', undefined, '/query/after'],
      ['?after=x', undefined, '/query/after'],
      ['?after=-1', undefined, '/query/after'],
      ['?since=1', undefined, '/query/since'],
      ['?arena=A', undefined, '/query/arena'],
      ['?after=1', '2', '/headers/last-event-id'],
      ['', 'x', '/headers/last-event-id'],
      ['', '99999999999999999999', '/headers/last-event-id'],
    ]) {
      const headers = id === undefined ? {} : { 'last-event-id': id };
      const refusal = service.refused('invalid-request', 'GET', `/v1/events${query}`, undefined, {
        ...(headers as Record<string, string>),
      });
      expect((await refusal).errors?.[0]?.pointer, `${query} ${id}`).toBe(pointer);
    }
    expect((await service.call('HEAD', '/v1/events')).status).toBe(405);
  });

  it('of one arena has all that touches it, also from below and above', async () => {
    await done('POST', '/arenas', { name: 'top', spans: [{ base: 0, size: 1000 }] });
    await done('POST', '/arenas', { name: 'mid', source: 'top', importSize: 100 });
    await done('POST', '/arenas', { name: 'leaf', source: 'mid', importSize: 10 });
    const [top, mid, leaf, none] = [
      await watch('?after=0&arena=top'),
      await watch('?arena=mid'),
      await watch('?arena=leaf'),
      await watch('?arena=o'),
    ];
    await allocate('top', 1);
    await allocate('leaf', 1);
    await leaf.until(1);
    await done('POST', '/arenas', { name: 'other', labels: { of: 'leaf', o: 'o' } });
    await done('DELETE', `/arenas/leaf/allocations/${leaf.received[0]?.data.address}`);
    await done('PATCH', '/arenas/mid', { keepSpans: 1 });
    await allocate('leaf', 1);
    await Promise.all([top.until(5), mid.until(4), leaf.until(3)]);
    expect([top, mid, leaf, none].map(revisions)).toEqual([
      [1, 4, 5, 7, 9],
      [5, 7, 8, 9],
      [5, 7, 9],
      [],
    ]);
  });

  it('writes addresses as the arena of that time did, whatever has its name now', async () => {
    const spans = [{ base: 10, size: 10 }];
    const address = (client: EventClient) => client.received.map(({ data }) => data.address);
    for (const notation of ['ipv4', 'hex', 'decimal'] as const) {
      await done('POST', '/arenas', { name: 'a', notation, spans });
      await allocate('a', 1);
      await done('DELETE', '/arenas/a?force=true');
    }
    await done('POST', '/arenas', { name: 'a', notation: 'ipv6', spans });
    await allocate('a', 1);
    const all = await watch('?after=0');
    await all.until(11);
    expect(address(all).filter((text) => text !== undefined)).toEqual([
      '0.0.0.10',
      '0xa',
      '10',
      '::a',
    ]);
  });

  it('shows nothing that a crash could undo', async () => {
    const client = await watch();
    service.journal.automatic = false;
    const pending = service.call('POST', '/v1/arenas', { name: 'a' });
    await service.commitUnderWay();
    const late = EventClient.open(url, '/v1/events?after=0');
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    expect(client.received).toEqual([]);
    service.journal.complete();
    await pending;
    await client.until(1);
    clients.push(await late);
    await clients.at(-1)!.until(1);
    expect(clients.map(revisions)).toEqual([[1], [1]]);
  });

  it('needs a token where there are tokens', async () => {
    await restart({}, ['0123456789abcdef']);
    expect((await watch()).status).toBe(401);
    const client = await watch('', { authorization: 'Bearer 0123456789abcdef' });
    expect(client.status).toBe(200);
  });
});

describe('many and slow readers', () => {
  it(
    'one that does not read holds up nobody, and misses nothing',
    { timeout: 60_000 },
    async () => {
      await done('POST', '/arenas', { name: 'a', spans: [{ base: 0, size: 2 ** 40 }] });
      const [slow, quick] = [await watch('?after=0'), await watch('?after=0')];
      slow.pause();
      const total = 150;
      await fillSockets('a', total);
      await quick.until(total + 1);
      expect(revisions(quick)).toEqual(upTo(total + 1));
      // More than sockets and streams hold, so that the stream had to stop.
      expect(slow.received.length).toBeLessThan(total);
      slow.resume();
      await slow.until(total + 1);
      expect(revisions(slow)).toEqual(upTo(total + 1));
    },
  );

  it('many see the same', { timeout: 60_000 }, async () => {
    await done('POST', '/arenas', { name: 'a', spans: [{ base: 0, size: 1000 }] });
    const all = await Promise.all(upTo(60).map((n) => watch(`?after=${n % 2}`)));
    await allocate('a', 200);
    await Promise.all(all.map((client, index) => client.until(200 + (index % 2))));
    for (const [index, client] of all.entries()) {
      expect(revisions(client)).toEqual(upTo(201, 1 + ((index + 1) % 2)));
    }
  });

  it('more than there may be are told to wait', async () => {
    await restart({ streamsMax: 2 });
    const [first, , third] = [await watch(), await watch(), await watch()];
    expect(third.status).toBe(429);
    await third.ended;
    expect(third.body).toMatchObject({ code: 'too-many-requests', status: 429 });
    expect(third.headers['retry-after']).toBe('10');
    first.close();
    let again = await watch();
    while (again.status === 429) again = await watch();
    expect(again.status).toBe(200);
    const metrics = await service.call('GET', '/metrics');
    expect(metrics.text).toMatch(/^vmemd_event_streams 2$/m);
  });

  it('metrics count streams and events', async () => {
    const all = [await watch(), await watch()];
    await done('POST', '/arenas', { name: 'a' });
    await Promise.all(all.map((client) => client.until(1)));
    const { text } = await service.call('GET', '/metrics');
    expect(text).toMatch(/^vmemd_event_streams 2$/m);
    expect(text).toMatch(/^vmemd_events_sent_total 2$/m);
  });
});

describe('what is trimmed', () => {
  it('is answered with 410', async () => {
    await done('POST', '/arenas', { name: 'a', spans: [{ base: 0, size: 100 }] });
    await allocate('a', 3);
    await restartFromCheckpoint();
    for (const [query, headers] of [
      ['?after=3', {}],
      ['?after=0', {}],
      ['', { 'last-event-id': '3' }],
    ] as const) {
      const problem = await service.refused(
        'revision-trimmed',
        'GET',
        `/v1/events${query}`,
        undefined,
        { ...headers },
      );
      expect(problem.detail).toContain('the first that is has revision 5');
    }
    const client = await watch('?after=4');
    await allocate('a', 1);
    await client.until(1);
    expect(revisions(client)).toEqual([5]);
  });

  it('ends a stream that has fallen behind, with the reason', async () => {
    await done('POST', '/arenas', { name: 'a', spans: [{ base: 0, size: 100_000 }] });
    await allocate('a', 2000);
    await restartFromCheckpoint(false);
    const { history } = service.journal;
    let pages = 0;
    service.journal.history = async (after) => {
      // The first page was read before the history was trimmed.
      pages += 1;
      if (pages === 2) service.journal.trim();
      return history.call(service.journal, after);
    };
    const client = await watch('?after=0');
    expect(await client.ended).toBe(true);
    const last = client.received.pop();
    expect(last).toMatchObject({ type: 'problem', data: { code: 'revision-trimmed' } });
    // The id is still that of the last event, so that resuming is answered with 410.
    expect(last?.id).toBe('1000');
    expect(revisions(client)).toEqual(upTo(1000));
  });

  /** The same journal with a new service on it, its history trimmed unless said otherwise. */
  async function restartFromCheckpoint(trimmed = true): Promise<void> {
    await service.journal.checkpoint();
    if (trimmed) service.journal.trim();
    const { stored, storedCheckpoint } = service.journal;
    await service.stop();
    service = await Service.start({ stored, ...(storedCheckpoint && { storedCheckpoint }) });
    url = await service.app.listen({ host: '127.0.0.1', port: 0 });
  }
});

describe('a stream where nothing happens', () => {
  it('is sent something all the same, which says how far all was looked at', async () => {
    await restart({ heartbeatMs: 30 });
    await done('POST', '/arenas', { name: 'a' });
    const client = await watch('?arena=b');
    await client.when(() => client.beats.length >= 3);
    expect(client.lastId).toBe('1');
    await done('POST', '/arenas', { name: 'c' });
    await client.when(() => client.lastId === '2');
    expect(client.received).toEqual([]);
    for (const beat of client.beats.slice(1)) expect(beat).toMatch(/^: nothing new\nid: [12]$/);
  });

  it('is sent it also while what happens is of no concern to it', async () => {
    await restart({ heartbeatMs: 30 });
    await done('POST', '/arenas', { name: 'a', spans: [{ base: 0, size: 100_000 }] });
    const client = await watch('?arena=b');
    while (client.beats.length < 4) await allocate('a', 10);
    expect(client.received).toEqual([]);
  });
});

describe('the end', () => {
  it('of the service ends streams in order', async () => {
    const all = [await watch(), await watch('?arena=a')];
    await service.app.close();
    expect(await Promise.all(all.map(({ ended }) => ended))).toEqual([true, true]);
  });

  it('does not wait for one that does not read', { timeout: 30_000 }, async () => {
    await done('POST', '/arenas', { name: 'a', spans: [{ base: 0, size: 2 ** 40 }] });
    const slow = await watch('?after=0');
    slow.pause();
    await fillSockets('a', 150);
    // Until nothing more goes into the socket.
    let [before, sent] = ['', await eventsSent()];
    while (sent !== before) {
      await delay(100);
      [before, sent] = [sent, await eventsSent()];
    }
    await service.app.close();
    slow.resume();
    await slow.ended;
    expect(slow.received.length).toBeLessThan(150);
  });

  it('of a client is noticed', async () => {
    const client = await watch();
    client.close();
    await open(0);
    await done('POST', '/arenas', { name: 'a' });
  });

  it('of a client is noticed where it only says that it sends nothing more', async () => {
    const { hostname: host, port } = new URL(url);
    const socket = connect({ host, port: Number(port), allowHalfOpen: true });
    socket.write('GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n');
    await open(1);
    socket.end();
    await open(0);
  });

  /** Resolves once so many streams are open. */
  async function open(count: number): Promise<void> {
    for (;;) {
      const { text } = await service.call('GET', '/metrics');
      if (text.includes(`\nvmemd_event_streams ${count}\n`)) return;
      await new Promise(setImmediate);
    }
  }
});
