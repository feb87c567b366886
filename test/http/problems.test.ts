import { connect, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectProblem, Service } from './service.ts';

let service: Service;
beforeEach(async () => {
  service = await Service.start();
});
afterEach(() => service.stop());

const json = { 'content-type': 'application/json' };

describe('routes', () => {
  it('answers 404 whatever the method and body', async () => {
    for (const url of ['/', '/v1', '/v1/', '/v1/arena', '/v2/arenas', '/v1/arenas/a/b']) {
      await service.refused('route-not-found', 'GET', url);
      await service.refused('route-not-found', 'POST', url, 'not json');
      await service.refused('route-not-found', 'DELETE', url, 'x', { 'content-type': 'text/x' });
    }
  });

  it('answers 405 with the methods there are', async () => {
    for (const [method, url, allow] of [
      ['PUT', '/v1/arenas', 'GET, HEAD, POST'],
      ['POST', '/v1/arenas/a', 'DELETE, GET, HEAD, PATCH'],
      ['GET', '/v1/arenas/a/alloc', 'POST'],
      ['OPTIONS', '/livez', 'GET, HEAD'],
      ['POST', '/openapi.json', 'GET, HEAD'],
    ] as const) {
      const { headers } = await service.refused('method-not-allowed', method, url, undefined);
      expect(headers['allow']).toBe(allow);
    }
  });

  it('answers HEAD like GET, without the body', async () => {
    const { status, text } = await service.call('HEAD', '/v1/arenas');
    expect({ status, text }).toEqual({ status: 200, text: '' });
    expect((await service.call('HEAD', '/v1/arenas/a')).status).toBe(404);
    await service.call('POST', '/v1/arenas', { name: 'a', spans: [{ base: 0, size: 1 }] });
    await service.call('POST', '/v1/arenas/a/alloc', { size: 1 });
    const got = await service.call('GET', '/v1/arenas/a/allocations/0');
    const head = await service.call('HEAD', '/v1/arenas/a/allocations/0');
    expect({ status: head.status, text: head.text }).toEqual({ status: 200, text: '' });
    expect(head.headers['content-length']).toBe(String(got.text.length));
    expect(head.headers['etag']).toBe(got.headers['etag']);
  });

  it('finds no route of the files of the documentation outside them', async () => {
    for (const url of [
      '/docs/static/nope',
      '/docs/static/..%2f..%2fpackage.json',
      '/docs/static/%00',
    ]) {
      const { status } = await service.call('GET', url);
      expect({ url, status: status === 404 || status === 400 }).toEqual({ url, status: true });
    }
  });
});

describe('bodies', () => {
  it.each<[string, string, Record<string, string>]>([
    ['no JSON', 'name=a', json],
    ['half of it', '{"name":', json],
    ['an empty body', '', json],
    ['a __proto__ key', '{"name":"a","__proto__":{"policy":"bestfit"}}', json],
    ['a __proto__ label', '{"name":"a","labels":{"__proto__":"x"}}', json],
    ['a constructor key', '{"name":"a","constructor":{"prototype":{}}}', json],
    ['a list', '[]', json],
    ['a null', 'null', json],
    ['a number', '7', json],
    ['text', '"name"', json],
    ['a deep nest', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, json],
    ['a deep nest in a field', `{"name":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`, json],
  ])('refuses %s', async (_what, body, headers) => {
    const problem = await service.refused('invalid-request', 'POST', '/v1/arenas', body, headers);
    expect(problem.errors?.length).toBeGreaterThan(0);
    expect(service.engine.revision).toBe(0);
  });

  it('refuses no body at all', async () => {
    const { errors } = await service.refused('invalid-request', 'POST', '/v1/arenas');
    expect(errors).toEqual([{ pointer: '', detail: expect.stringMatching(/JSON object/) }]);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'json', '%'])(
    'refuses the content type %s',
    async (type) => {
      const headers = { 'content-type': type };
      await service.refused('unsupported-media-type', 'POST', '/v1/arenas', '{}', headers);
    },
  );

  it('says what is known in place of a field that is not', async () => {
    const span = { base: '0', size: '9', bas: 1 };
    const arena = JSON.stringify({ name: 'a', spans: [span], nam: 'b' });
    const { errors = [] } = await service.refused('invalid-request', 'POST', '/v1/arenas', arena);
    expect(errors.map(({ pointer }) => pointer)).toEqual(['/spans/0/bas', '/nam']);
    expect(errors[0]!.detail).toBe('is not a known field; known are base, size, end, cidr');
    expect(errors[1]!.detail).toMatch(/^is not a known field; known are name, .*labels/);
    const alloc = '/v1/arenas/a/alloc';
    const constrained = await service.refused(
      'invalid-request',
      'POST',
      alloc,
      '{"size":1,"min":2,"align":8}',
    );
    expect(constrained.errors).toEqual(
      ['/min', '/align'].map((pointer) => ({
        pointer,
        detail: 'is a field of xalloc, not of alloc',
      })),
    );
    const both = await service.refused(
      'invalid-request',
      'POST',
      alloc,
      '{"size":1,"min":2,"x":8}',
    );
    expect(both.errors?.[0]?.detail).toMatch(/known are size, /);
  });

  it('refuses what is not UTF-8, instead of changing it', async () => {
    const body = Buffer.from('{"name":"a","labels":{"x":"caf\xe9"}}', 'latin1');
    const { detail } = await service.refused('invalid-request', 'POST', '/v1/arenas', body);
    expect(detail).toMatch(/UTF-8/);
    // The character that stands for one that could not be read is one like others.
    const there = Buffer.from('{"name":"a","labels":{"x":"caf\ufffd"}}');
    expect((await service.call('POST', '/v1/arenas', there)).status).toBe(201);
  });

  it('refuses an encoding, but for none', async () => {
    const headers = { 'content-encoding': 'gzip' };
    await service.refused('unsupported-media-type', 'POST', '/v1/arenas', '{"name":"a"}', headers);
    const identity = { 'content-encoding': 'identity' };
    expect((await service.call('POST', '/v1/arenas', '{"name":"a"}', identity)).status).toBe(201);
  });

  it('says what is needed where the type is wrong, in words of its own', async () => {
    const from0 = 'must be a revision, an integer from 0';
    for (const [method, url, body, pointer, detail] of [
      ['POST', '/v1/arenas', '[]', '', 'must be an object'],
      ['POST', '/v1/arenas', { name: 'a', labels: [] }, '/labels', 'must be an object of strings'],
      ['POST', '/v1/arenas', { name: 'a', labels: { x: 7 } }, '/labels/x', 'must be a string'],
      ['POST', '/v1/arenas', { name: 7 }, '/name', 'must be a string'],
      ['POST', '/v1/arenas/a/alloc', { size: 1, owner: 7 }, '/owner', 'must be a string'],
      [
        'POST',
        '/v1/arenas/a/alloc',
        { size: 1, externalId: [] },
        '/externalId',
        'must be a string',
      ],
      ['POST', '/v1/arenas/a/alloc', { size: 1, lease: true }, '/lease', 'must be a string'],
      ['POST', '/v1/arenas/a/alloc', { size: 1, band: 7 }, '/band', 'must be a string'],
      ['GET', '/v1/allocations?owner=a&owner=b', undefined, '/query/owner', 'must be given once'],
      ['GET', '/v1/events?after=-1', undefined, '/query/after', from0],
      ['GET', '/v1/arenas/a/history?after=x', undefined, '/query/after', from0],
    ] as const) {
      const { errors } = await service.refused('invalid-request', method, url, body);
      expect(errors).toEqual([{ pointer, detail }]);
    }
  });

  it('takes JSON with a character set', async () => {
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    const { status } = await service.call('POST', '/v1/arenas', '{"name":"a"}', headers);
    expect(status).toBe(201);
  });

  it('refuses more than 1 MiB', async () => {
    const body = JSON.stringify({ name: 'a', labels: { x: 'x'.repeat(1_048_576) } });
    await service.refused('payload-too-large', 'POST', '/v1/arenas', body);
  });

  it('lists no more than 20 errors, and repeats no endless names', async () => {
    const body = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`${i}`.repeat(500), 1]));
    const { errors, detail } = await service.refused('invalid-request', 'POST', '/v1/arenas', body);
    expect(errors).toHaveLength(20);
    expect(Math.max(...(errors ?? []).map(({ pointer }) => pointer.length))).toBeLessThan(140);
    expect(detail.length).toBeLessThan(5000);
  });
});

describe('paths', () => {
  it.each(['/v1/arenas/%', '/v1/arenas/%zz', '/v1/arenas/%ff', '/%c0%af'])(
    'refuses the malformed %s',
    async (url) => {
      const problem = await service.refused('invalid-request', 'GET', url);
      expect(problem.errors?.[0]?.pointer).toBe('/path');
    },
  );

  it('refuses a name of many kilobytes like any other', async () => {
    const url = `/v1/arenas/${'a'.repeat(15_000)}`;
    const { errors } = await service.refused('invalid-request', 'GET', url);
    expect(errors?.[0]?.pointer).toBe('/path/arena');
  });
});

describe('the journal', () => {
  const alloc = ['POST', '/v1/arenas/a/alloc', { size: 1 }] as const;

  it('is waited for: no answer before its commit, refusals and reads included', async () => {
    await service.call('POST', '/v1/arenas', { name: 'a', spans: [{ base: 0, size: 1 }] });
    await service.call('GET', '/v1/arenas/a/allocations');
    service.journal.automatic = false;
    const answers: string[] = [];
    const granted = service.call(...alloc).then(() => answers.push('granted'));
    await service.commitUnderWay();
    const others = [
      service.call(...alloc).then(({ status }) => answers.push(`refused ${status}`)),
      service.call('GET', '/v1/arenas/a').then(({ status }) => answers.push(`read ${status}`)),
    ];
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
    expect(answers).toEqual([]);
    expect(service.sequencer.waiting).toBe(3);
    service.journal.complete();
    await Promise.all([granted, ...others]);
    expect(answers.toSorted()).toEqual(['granted', 'read 200', 'refused 409']);
  });

  it('that fails makes everything 503, and the service not ready', async () => {
    await service.call('POST', '/v1/arenas', { name: 'a', spans: [{ base: 0, size: 1 }] });
    service.journal.automatic = false;
    const pending = service.refused('journal-unavailable', ...alloc);
    await service.commitUnderWay();
    service.journal.complete('unknown');
    expect((await pending).detail).toMatch(/known after a restart/);
    const { detail } = await service.refused('journal-unavailable', ...alloc);
    expect(detail).toMatch(/nothing was done/);
    await service.refused('journal-unavailable', 'GET', '/v1/arenas');
    await service.refused('journal-unavailable', 'GET', '/readyz');
    expect((await service.call('GET', '/livez')).status).toBe(200);
  });

  it('that is overrun makes clients wait a second', async () => {
    await service.stop();
    service = await Service.start({ queueMax: 1 });
    await service.call('POST', '/v1/arenas', { name: 'a', spans: [{ base: 0, size: 1 }] });
    await service.call('GET', '/v1/arenas/a/allocations');
    service.journal.automatic = false;
    const pending = service.call(...alloc);
    await service.commitUnderWay();
    const { headers, detail } = await service.refused('journal-unavailable', ...alloc);
    expect(headers['retry-after']).toBe('1');
    expect(detail).toMatch(/nothing was done/);
    service.journal.complete();
    service.journal.automatic = true;
    expect((await pending).status).toBe(201);
  });
});

describe('bugs', () => {
  it('are answered with 500 and without a word of what happened', async () => {
    service.engine.arenas = () => {
      throw new Error('the secret of /etc/passwd');
    };
    const problem = await service.refused('internal', 'GET', '/v1/arenas');
    expect(JSON.stringify(problem)).not.toMatch(/secret/);
  });
});

/**
 * Sends bytes as they are and gives back what comes, up to the end of the connection. With `last` the
 * client closes its direction behind them.
 */
function exchange(port: number, bytes: string, last = false): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () =>
      last ? socket.end(bytes) : socket.write(bytes),
    );
    socket.on('end', () => socket.end());
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (data: string) => (text += data));
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });
}

describe('over a socket', () => {
  it.each<[string, string, number, string]>([
    ['what is no HTTP', 'hello\r\n\r\n', 400, 'invalid-request'],
    ['a bad method', 'BREW /v1 HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'invalid-request'],
    ['no host', 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'invalid-request'],
    [
      'two lengths',
      'POST /v1/arenas HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx',
      400,
      'invalid-request',
    ],
    [
      'large headers',
      `GET /livez HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers-too-large',
    ],
    [
      'the type of a body that is not there',
      'POST /v1/arenas HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n',
      400,
      'invalid-request',
    ],
    [
      'the type of a body that is not there, of a request that takes none',
      'DELETE /v1/arenas/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n',
      404,
      'arena-not-found',
    ],
    [
      'an expectation that nobody knows',
      'GET /livez HTTP/1.1\r\nHost: x\r\nExpect: cake\r\n\r\n',
      400,
      'invalid-request',
    ],
    [
      'who takes it for a proxy',
      'CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n',
      405,
      'method-not-allowed',
    ],
    [
      'an unknown method of HTTP',
      'PROPFIND /v1/arenas HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      405,
      'method-not-allowed',
    ],
  ])('answers %s with a problem', async (_what, bytes, status, code) => {
    await service.app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = service.app.server.address() as AddressInfo;
    const text = await exchange(port, bytes);
    const [head = '', body = ''] = text.split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expectProblem({
      status,
      headers: { 'content-type': /^content-type: (.*)$/im.exec(head)?.[1] },
      text,
      body: JSON.parse(body),
    });
    expect(JSON.parse(body).code).toBe(code);
  });

  it('answers a client that has sent its last, and hangs up then', async () => {
    await service.call('POST', '/v1/arenas', { name: 'a', spans: [{ base: 0, size: 8 }] });
    await service.app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = service.app.server.address() as AddressInfo;
    const alloc =
      'POST /v1/arenas/a/alloc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n' +
      'Content-Length: 10\r\n\r\n{"size":1}';
    service.journal.automatic = false;
    const text = exchange(port, alloc + alloc, true);
    await service.commitUnderWay();
    // Longer than it takes to learn that nothing more comes.
    await delay(50);
    service.journal.complete();
    service.journal.automatic = true;
    expect((await text).match(/HTTP\/1.1 201 Created/g)).toHaveLength(2);
  });

  it('serves real clients', async () => {
    const address = await service.app.listen({ host: '127.0.0.1', port: 0 });
    const reply = await fetch(`${address}/v1/arenas`, {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ name: 'a' }),
    });
    expect(reply.status).toBe(201);
    expect(await reply.json()).toMatchObject({ name: 'a', revision: 1 });
  });
});
