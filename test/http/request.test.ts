import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TakenRequest } from '../../src/http/request.ts';
import { Service } from './service.ts';

const LENGTH_MAX = 100;

type Handle = (request: TakenRequest, response: ServerResponse) => void;

let server: Server;
let handle: Handle;
/** What takers were told, in order. */
let told: string[];

/** Answers with the body, or with why there is none. */
const echo: Handle = (request, response) => {
  request.takeBody(LENGTH_MAX, (body) => {
    told.push(String(body));
    response.end(body instanceof Error ? body.message : `<${String(body)}>`);
  });
};

beforeEach(async () => {
  told = [];
  handle = echo;
  server = createServer({ IncomingMessage: TakenRequest }, (request, response) =>
    handle(request, response),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function open(port = (server.address() as AddressInfo).port): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  await once(socket, 'connect');
  return socket;
}

const head = (more: string): string => `POST / HTTP/1.1\r\nHost: x\r\n${more}\r\n\r\n`;
const last = 'Connection: close\r\n';
const sized = (body: string, more = ''): string =>
  head(`${more}Content-Length: ${body.length}`) + body;
const chunk = (body: string): string => `${body.length.toString(16)}\r\n${body}\r\n`;

/** Sends pieces, each in a packet of its own, and gives back all that comes. */
async function exchange(...pieces: readonly string[]): Promise<string> {
  const socket = await open();
  const answer = text(socket);
  for (const piece of pieces) {
    socket.write(piece);
    await sleep(5);
  }
  return answer;
}

describe('a body is told whole', () => {
  test('that came with its headers', async () => {
    expect(await exchange(sized('abc', last))).toMatch(/<abc>/);
  });

  test('that came behind them, byte by byte', async () => {
    const [headers = '', body] = sized('abcdef', last).split(/(?<=\r\n\r\n)/);
    expect(await exchange(headers, ...body!)).toMatch(/<abcdef>/);
  });

  test('that came in chunks, with a trailer', async () => {
    const headers = head(`${last}Transfer-Encoding: chunked`);
    const body = [chunk('abc'), chunk('d'), `0\r\nX-Y: z\r\n\r\n`];
    expect(await exchange(headers, ...body)).toMatch(/<abcd>/);
    expect(await exchange(headers + body.join(''))).toMatch(/<abcd>/);
  });

  test('that is empty', async () => {
    expect(await exchange(sized('', last))).toMatch(/<>/);
    expect(await exchange(head(`${last}Transfer-Encoding: chunked`), '0\r\n\r\n')).toMatch(/<>/);
  });

  test('that is as long as it may be', async () => {
    const body = 'x'.repeat(LENGTH_MAX);
    expect(await exchange(sized(body, last))).toContain(`<${body}>`);
  });

  test('that was asked for when a part of it had come, or all', async () => {
    handle = (request, response) => void sleep(30).then(() => echo(request, response));
    const [headers = '', body = ''] = sized('abcdef', last).split(/(?<=\r\n\r\n)/);
    expect(await exchange(headers, body.slice(0, 3), ...body.slice(3))).toMatch(/<abcdef>/);
    expect(await exchange(headers + body.slice(0, 3), ...body.slice(3))).toMatch(/<abcdef>/);
    expect(await exchange(headers + body)).toMatch(/<abcdef>/);
  });

  test('once, and the connection serves what comes next', async () => {
    const many = Array.from({ length: 50 }, (_, i) => `body ${i}`);
    const bytes = many.map((body, i) => sized(body, i === 49 ? last : '')).join('');
    const answers = (await exchange(bytes)).match(/<[^>]+>/g);
    expect(answers).toEqual(many.map((body) => `<${body}>`));
    expect(told).toEqual(many);
  });
});

describe('there is none', () => {
  test.each([
    ['in one packet', (pieces: readonly string[]) => [pieces.join('')]],
    ['one by one', (pieces: readonly string[]) => pieces],
  ])('where it is too long, and the rest of it is dropped: %s', async (_how, packets) => {
    const headers = head('Transfer-Encoding: chunked');
    const long = 'x'.repeat(LENGTH_MAX / 2);
    const pieces = [headers, ...[long, long, 'y', long, long].map(chunk), '0\r\n\r\n'];
    const answer = await exchange(...packets(pieces), sized('next', last));
    expect(answer).toMatch(/too large[^]*<next>/);
    expect(told).toEqual([expect.stringMatching(/too large/), 'next']);
  });

  test('where the connection breaks before its end', async () => {
    const socket = await open();
    const began = new Promise<void>((resolve) => {
      handle = (request, response) => {
        echo(request, response);
        resolve();
      };
    });
    socket.write(sized('abcdef').slice(0, -2));
    await began;
    socket.resetAndDestroy();
    while (told.length === 0) await nextTurn();
    expect(told).toEqual([expect.stringMatching(/Content-Length/)]);
  });

  test('where nobody asks for it, and the connection serves what comes next', async () => {
    handle = (request, response) => {
      if (request.headers['x-skip'] === undefined) echo(request, response);
      else response.end('skipped');
    };
    const answer = await exchange(sized('abc', 'X-Skip: 1\r\n'), sized('def', last));
    expect(answer).toMatch(/skipped[^]*<def>/);
    expect(told).toEqual(['def']);
  });
});

test('what has been told is at its end', async () => {
  let ended: readonly boolean[] = [];
  handle = (request, response) => {
    const before = request.readableEnded;
    request.takeBody(LENGTH_MAX, () => {
      ended = [before, request.readableEnded];
      response.end();
    });
  };
  await exchange(sized('abc', last));
  expect(ended).toEqual([false, true]);
});

describe('of the service', () => {
  let service: Service;
  let port: number;

  beforeEach(async () => {
    service = await Service.start();
    await service.app.listen({ host: '127.0.0.1', port: 0 });
    ({ port } = service.app.server.address() as AddressInfo);
  });

  afterEach(() => service.stop());

  const chunked = (path: string, ...pieces: readonly string[]): string =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
    `Transfer-Encoding: chunked\r\n\r\n${pieces.map(chunk).join('')}0\r\n\r\n`;

  test('a body in chunks is taken', async () => {
    const socket = await open(port);
    socket.write(chunked('/v1/arenas', '{"name"', ':"a"}'));
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 201 /);
    socket.destroy();
  });

  test('more than 1 MiB in chunks is refused, but for a batch, and the connection ends', async () => {
    const labels = JSON.stringify({ x: ' '.repeat(2 ** 20) });
    const socket = await open(port);
    const answer = text(socket);
    socket.write(chunked('/v1/arenas', '{"name":"a","labels":', labels, '}'));
    expect(await answer).toMatch(/^HTTP\/1.1 413 [^]*payload-too-large/);
    await service.call('POST', '/v1/arenas', { name: 'a', spans: [{ base: 0, size: 1 }] });
    const other = await open(port);
    const operation = '{"op":"alloc","arena":"a","size":1}';
    other.write(chunked('/v1/batch', '{"operations":[', operation, ' '.repeat(2 ** 20), ']}'));
    expect(String((await once(other, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /);
    other.destroy();
  });

  test('one that breaks off does nothing', async () => {
    const socket = await open(port);
    socket.write(
      'POST /v1/arenas HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n' +
        'Content-Length: 13\r\n\r\n{"name":"a"}',
    );
    await sleep(20);
    socket.resetAndDestroy();
    await sleep(20);
    expect((await service.call('GET', '/v1/arenas')).body.items).toEqual([]);
  });
});
