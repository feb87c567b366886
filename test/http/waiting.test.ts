/**
 * Waiting for room, over real connections: who is served, who is not, and what a client sees. Where a
 * test says "waits" it has asked the service how many do.
 */
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../src/limits.ts';
import { expectProblem, Service, type Answer, type Method } from './service.ts';

let service: Service;
let address: string;
let hangUp: AbortController;

async function begin(options: Parameters<typeof Service.start>[0] = {}): Promise<void> {
  service = await Service.start(options);
  address = await service.app.listen({ host: '127.0.0.1', port: 0 });
  hangUp = new AbortController();
}

beforeEach(() => begin());
afterEach(async () => {
  hangUp.abort();
  await service.stop();
});

/** Sends a request over a connection of its own. */
async function ask(method: Method, path: string, body?: unknown): Promise<Answer> {
  const reply = await fetch(`${address}${path}`, {
    method,
    signal: hangUp.signal,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  const headers = Object.fromEntries(reply.headers);
  const answer = { status: reply.status, headers, text, body: text && JSON.parse(text) };
  if (answer.status >= 400) expectProblem(answer);
  return answer;
}

type Ask = Record<string, unknown> & { readonly arena?: string };

/** A request that waits; resolves once it does, to what will be its answer. */
async function waits({ arena = 'a', ...body }: Ask): Promise<{ answer: Promise<Answer> }> {
  const before = service.sequencer.room.figures.waiting;
  const route = 'address' in body || 'min' in body || 'align' in body ? 'xalloc' : 'alloc';
  const answer = ask('POST', `/v1/arenas/${arena}/${route}`, { waitSeconds: 60, ...body });
  answer.catch(() => undefined);
  await waiting(before + 1);
  return { answer };
}

async function waiting(count: number): Promise<void> {
  while (service.sequencer.room.figures.waiting !== count) await turn();
}

async function arena(name: string, size: number, more: object = {}): Promise<void> {
  const spans = size === 0 ? [] : [{ base: 0, size }];
  expect((await ask('POST', '/v1/arenas', { name, spans, ...more })).status).toBe(201);
}

async function take(size: number, name = 'a'): Promise<string> {
  const { status, body } = await ask('POST', `/v1/arenas/${name}/alloc`, { size });
  expect(status).toBe(201);
  return body.address;
}

async function free(address: string | number, name = 'a'): Promise<void> {
  const { status } = await ask('DELETE', `/v1/arenas/${name}/allocations/${address}`);
  expect(status).toBe(204);
}

async function granted(waiter: { answer: Promise<Answer> }, address: string): Promise<void> {
  expect(await waiter.answer).toMatchObject({ status: 201, body: { address } });
}

describe('who is served', () => {
  it('is who came first', async () => {
    await arena('a', 2);
    await take(1);
    await take(1);
    const [first, second, third] = [
      await waits({ size: 1 }),
      await waits({ size: 1 }),
      await waits({ size: 1 }),
    ];
    await free(1);
    await granted(first, '1');
    await free(0);
    await granted(second, '0');
    expect(service.sequencer.room.figures).toMatchObject({ waiting: 1, granted: 2 });
    await free(0);
    await granted(third, '0');
  });

  it('is not held up by a larger one before it, and does not overtake a rival', async () => {
    await arena('a', 16);
    for (let block = 0; block < 4; block++) await take(4);
    const large = await waits({ size: 8 });
    const first = await waits({ size: 4 });
    const late = await waits({ size: 1 });
    await free(4);
    await granted(first, '4');
    await free(12);
    await granted(late, '12');
    await free(0);
    await free(4);
    await granted(large, '0');
  });

  it('is served before any request that comes later', async () => {
    await arena('a', 1);
    await take(1);
    const first = await waits({ size: 1 });
    const [, late] = await Promise.all([
      service.call('DELETE', '/v1/arenas/a/allocations/0'),
      service.refused('exhausted', 'POST', '/v1/arenas/a/alloc', { size: 1 }),
    ]);
    expect(late.headers['retry-after']).toBeUndefined();
    await granted(first, '0');
  });

  it('may be a newcomer, where nobody who waits could have had it', async () => {
    await arena('a', 8);
    await take(4);
    const large = await waits({ size: 8 });
    expect(await take(2)).toBe('4');
    await free(4);
    await free(0);
    await granted(large, '0');
  });

  it('is who waits for just this address', async () => {
    await arena('a', 4);
    for (let block = 0; block < 4; block++) await take(1);
    const exact = await waits({ size: 1, address: '2' });
    const window = await waits({ size: 1, min: '1', max: '2' });
    const aligned = await waits({ size: 1, align: 4 });
    await free(3);
    expect(service.sequencer.room.figures.waiting).toBe(3);
    await free(1);
    await granted(window, '1');
    await free(2);
    await granted(exact, '2');
    await free(0);
    await granted(aligned, '0');
  });
});

describe('room comes from', () => {
  it('an arena that is imported from, through all levels, by what another gives back', async () => {
    await arena('top', 16);
    await arena('middle', 0, { source: 'top' });
    await arena('a', 0, { source: 'middle' });
    await arena('other', 0, { source: 'top' });
    await take(16, 'other');
    const waiter = await waits({ size: 8 });
    await free(0, 'other');
    await granted(waiter, '0');
    expect(service.engine.spans('middle', 0n, 9)).toMatchObject([{ base: 0n, size: 8n }]);
  });

  it('a span that is added', async () => {
    await arena('a', 2);
    const never = await ask('POST', '/v1/arenas/a/alloc', { size: 4, waitSeconds: 60 });
    expect(never).toMatchObject({ status: 422, body: { code: 'never-fits' } });
    await take(2);
    const waiter = await waits({ size: 2 });
    await ask('POST', '/v1/arenas/a/spans', { base: 8, size: 4 });
    await granted(waiter, '8');
  });

  it('a limit that is raised, or no longer reached', async () => {
    await arena('a', 16, { limit: 4 });
    await take(4);
    const first = await waits({ size: 2 });
    const second = await waits({ size: 2 });
    await ask('PATCH', '/v1/arenas/a', { limit: 6 });
    await granted(first, '4');
    await free(0);
    await granted(second, '0');
  });

  it('an allocation that shrinks, everything that is freed, and an arena that is destroyed', async () => {
    await arena('top', 8);
    await arena('a', 0, { source: 'top' });
    await arena('other', 0, { source: 'top' });
    await take(8, 'other');
    const first = await waits({ size: 2, arena: 'other' });
    await ask('POST', '/v1/arenas/other/allocations/0/resize', { size: 6 });
    await granted(first, '6');
    const second = await waits({ size: 1, arena: 'other' });
    await ask('DELETE', '/v1/arenas/other/allocations');
    await granted(second, '0');
    const third = await waits({ size: 8 });
    await ask('DELETE', '/v1/arenas/other?force=true');
    await granted(third, '0');
  });

  it('a batch', async () => {
    await arena('a', 2);
    await take(2);
    const waiter = await waits({ size: 1 });
    await service.sequencer.execute(
      {
        type: 'batch',
        at: 1,
        operations: [
          { command: { type: 'free', arena: 'a', address: 0n }, references: [] },
          {
            command: { type: 'alloc', arena: 'a', size: 1n, constraint: {}, labels: {} },
            references: [],
          },
        ],
        piecesMax: 0,
      },
      () => undefined,
    );
    await granted(waiter, '1');
  });
});

describe('a request that can’t be granted', () => {
  it('is answered at once where it would never be, is invalid, or does not wait', async () => {
    await arena('a', 2);
    await take(2);
    const alloc = '/v1/arenas/a/alloc';
    await service.refused('never-fits', 'POST', alloc, { size: 3, waitSeconds: 60 });
    await service.refused('invalid-request', 'POST', alloc, { size: 0, waitSeconds: 60 });
    const missing = { size: 1, waitSeconds: 60 };
    await service.refused('arena-not-found', 'POST', '/v1/arenas/none/alloc', missing);
    for (const body of [{ size: 1 }, { size: 1, waitSeconds: 0 }]) {
      const { headers } = await service.refused('exhausted', 'POST', alloc, body);
      expect(headers['retry-after']).toBeUndefined();
    }
    for (const waitSeconds of [-1, 61, 1.5, '5', true]) {
      await service.refused('invalid-request', 'POST', alloc, { size: 1, waitSeconds });
    }
    const { errors } = await service.refused(
      'invalid-request',
      'POST',
      alloc,
      { size: 1, waitSeconds: 5 },
      { 'if-match': '"1"' },
    );
    expect(errors).toMatchObject([{ pointer: '/waitSeconds' }]);
    expect(service.sequencer.room.figures).toMatchObject({ waiting: 0, tries: 0 });
  });

  it('is answered as one that comes now when its time is over', async () => {
    await arena('a', 8);
    await take(4);
    await take(4);
    const answer = service.call('POST', '/v1/arenas/a/alloc', { size: 8, waitSeconds: 1 });
    await waiting(1);
    await free(4);
    expect(await answer).toMatchObject({
      status: 409,
      headers: { 'retry-after': '1' },
      body: { code: 'exhausted', exhaustion: { free: '4', largestFitting: '4' } },
    });
    expect(service.sequencer.room.figures).toMatchObject({ waiting: 0, timedOut: 1, granted: 0 });
    expect(service.sequencer.room.figures.seconds).toBeGreaterThan(0.9);
  });

  it('is told when its arena is destroyed', async () => {
    await arena('a', 1);
    await take(1);
    const waiter = await waits({ size: 1 });
    await ask('DELETE', '/v1/arenas/a?force=true');
    expect(await waiter.answer).toMatchObject({ status: 404, body: { code: 'arena-not-found' } });
    await arena('a', 1);
    await take(1);
    expect(service.sequencer.room.figures).toMatchObject({ waiting: 0, dismissed: 1 });
  });

  it('is told at once when too many wait already', async () => {
    await service.stop();
    await begin({ waitersMax: 1 });
    await arena('a', 1);
    await take(1);
    const waiter = await waits({ size: 1 });
    const body = { size: 1, waitSeconds: 60 };
    const { headers } = await service.refused(
      'too-many-requests',
      'POST',
      '/v1/arenas/a/alloc',
      body,
    );
    expect(headers['retry-after']).toBe('1');
    await free(0);
    await granted(waiter, '0');
  });
});

describe('a client that goes away', () => {
  let gone: AbortController;

  /** Asks like one who will go away, which aborting `gone` does; resolves when it waits. */
  async function waitsFor(body: object, headers = {}): Promise<{ socket: Socket }> {
    gone = new AbortController();
    const arrived = once(service.app.server, 'request');
    const before = service.sequencer.room.figures.waiting;
    fetch(`${address}/v1/arenas/a/alloc`, {
      method: 'POST',
      signal: gone.signal,
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ waitSeconds: 60, ...body }),
    }).catch(() => undefined);
    const [{ socket }] = await arrived;
    await waiting(before + 1);
    return { socket };
  }

  it('leaves with nothing allocated, and the next is served', async () => {
    await arena('a', 1);
    await take(1);
    await waitsFor({ size: 1, owner: 'gone' });
    const next = await waits({ size: 1, owner: 'next' });
    gone.abort();
    await waiting(1);
    await free(0);
    expect(await next.answer).toMatchObject({ status: 201, body: { owner: 'next' } });
    expect(service.sequencer.room.figures).toMatchObject({ abandoned: 1, granted: 1, waiting: 0 });
  });

  it('leaves also where it only says that it sends nothing more', async () => {
    await arena('a', 1);
    await take(1);
    const { port } = service.app.server.address() as AddressInfo;
    const body = JSON.stringify({ size: 1, waitSeconds: 60 });
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.write(
      'POST /v1/arenas/a/alloc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n' +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
    );
    await waiting(1);
    socket.end();
    await waiting(0);
    expect(service.sequencer.room.figures).toMatchObject({ abandoned: 1 });
  });

  it('leaves its idempotency key unused', async () => {
    await arena('a', 1);
    await take(1);
    const key = { 'Idempotency-Key': 'k' };
    const body = { size: 1, waitSeconds: 60 };
    await waitsFor(body, key);
    await service.refused('idempotency-in-progress', 'POST', '/v1/arenas/a/alloc', body, key);
    gone.abort();
    await waiting(0);
    await free(0);
    const again = await service.call('POST', '/v1/arenas/a/alloc', body, key);
    expect(again).toMatchObject({ status: 201, body: { address: '0' } });
    expect(again.headers['idempotency-replayed']).toBeUndefined();
  });

  it('after its grant was decided keeps what it got, and gets it by its idempotency key', async () => {
    await arena('a', 1);
    await take(1);
    const key = { 'Idempotency-Key': 'k' };
    const body = { size: 1, owner: 'gone', waitSeconds: 60 };
    const { socket } = await waitsFor(body, key);
    service.journal.automatic = false;
    const freed = ask('DELETE', '/v1/arenas/a/allocations/0');
    await service.commitUnderWay();
    const closed = once(socket, 'close');
    gone.abort();
    await closed;
    service.journal.complete();
    service.journal.automatic = true;
    expect((await freed).status).toBe(204);
    const { body: list } = await ask('GET', '/v1/arenas/a/allocations?owner=gone');
    expect(list.items).toMatchObject([{ address: '0', owner: 'gone' }]);
    const again = await service.call('POST', '/v1/arenas/a/alloc', body, key);
    expect(again).toMatchObject({ status: 201, body: list.items[0] });
    expect(again.headers['idempotency-replayed']).toBe('true');
  });
});

describe('the service', () => {
  it('answers all who wait when it stops, and lets nobody wait after that', async () => {
    await arena('a', 1);
    await take(1);
    const both = [await waits({ size: 1 }), await waits({ size: 1 })];
    const closed = service.app.close();
    for (const { answer } of both) {
      expect(await answer).toMatchObject({ status: 503, body: { code: 'journal-unavailable' } });
    }
    await closed;
    expect(service.engine.revision).toBe(2);
    const late = new AbortController();
    const patience = { seconds: 60, signal: late.signal };
    await expect(
      service.sequencer.execute(
        { type: 'alloc', at: 1, arena: 'a', size: 1n, constraint: {}, labels: {} },
        () => undefined,
        undefined,
        patience,
      ),
    ).rejects.toMatchObject({ name: 'JournalUnavailable', outcomeUnknown: false });
  });

  it('does not take a connection for idle on which a request waits', async () => {
    await arena('a', 1);
    await take(1);
    const accepted = once(service.app.server, 'connection');
    const { port } = service.app.server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (data: string) => (text += data));
    const body = JSON.stringify({ size: 1, waitSeconds: 45 });
    const request =
      'POST /v1/arenas/a/alloc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n' +
      `Content-Length: ${body.length}\r\n\r\n${body}`;
    // Two on one connection: the second gets it when the first has its answer.
    socket.write(request + request);
    const [there] = await accepted;
    await waiting(2);
    const patient = 45_000 + limits.connectionTimeoutMs;
    expect(there.timeout).toBe(patient);
    await free(0);
    while (!text.includes('"address":"0"')) await once(socket, 'data');
    await waiting(1);
    expect(there.timeout).toBe(patient);
    await free(0);
    await waiting(0);
    while (text.split('201 Created').length < 3) await once(socket, 'data');
    expect(there.timeout).toBeLessThanOrEqual(limits.keepAliveTimeoutMs + 1000);
    socket.destroy();
  });

  it('shows who waits', async () => {
    await arena('a', 256, { notation: 'ipv4', width: 32 });
    await arena('b', 0, { source: 'a', notation: 'ipv4', width: 32 });
    await take(256);
    await waits({ size: 3, owner: 'x', labels: { k: 'v' }, policy: 'lastfit' });
    await waits({ size: 1, address: '0.0.0.7' });
    await waits({ prefixLength: 30, arena: 'b', min: '0.0.0.8', waitSeconds: 7 });
    const list = (query: string) => service.call('GET', `/v1/arenas/a/waiters${query}`);
    const all = await list('');
    expect(all.body.items).toMatchObject([
      { size: '3', owner: 'x', labels: { k: 'v' }, policy: 'lastfit', remainingSeconds: 60 },
      { size: '1', address: '0.0.0.7', labels: {} },
    ]);
    expect(Date.parse(all.body.items[0].since)).toBeLessThanOrEqual(Date.now());
    const first = await list('?limit=1');
    expect(first.body.items).toEqual(all.body.items.slice(0, 1));
    const second = await list(`?limit=1&cursor=${first.body.nextCursor}`);
    expect(second.body).toEqual({ items: all.body.items.slice(1) });
    const b = await service.call('GET', '/v1/arenas/b/waiters');
    expect(b.body.items).toMatchObject([
      { size: '4', align: '4', min: '0.0.0.8', remainingSeconds: 7 },
    ]);
    await service.refused('arena-not-found', 'GET', '/v1/arenas/c/waiters');
    const arenas = await service.call('GET', '/v1/arenas');
    expect(arenas.body.items.map((item: { waiting: number }) => item.waiting)).toEqual([2, 1]);
    expect((await service.call('GET', '/v1/arenas/a')).body.waiting).toBe(2);
    const { text } = await service.call('GET', '/metrics');
    expect(text).toContain('\nvmemd_waiters 3\n');
    expect(text).toContain('\nvmemd_waits_total{outcome="granted"} 0\n');
  });
});
