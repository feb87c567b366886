import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Service } from './service.ts';

let service: Service;
beforeEach(async () => {
  service = await Service.start();
});
afterEach(() => service.stop());

describe('createArena', () => {
  it('answers 201 with the arena, its place and its tag', async () => {
    const { status, body, headers } = await service.call('POST', '/v1/arenas', {
      name: 'team-a.pods',
      notation: 'ipv4',
      spans: [{ cidr: '10.0.0.0/8' }, { base: '192.168.0.0', size: 65536 }],
      labels: { env: 'prod' },
      limit: '0x100',
    });
    expect(status).toBe(201);
    expect(headers).toMatchObject({ location: '/v1/arenas/team-a.pods', etag: '"1"' });
    expect(body).toEqual({
      name: 'team-a.pods',
      notation: 'ipv4',
      width: 32,
      quantum: '1',
      policy: 'instantfit',
      largeImport: false,
      keepSpans: 0,
      releaseAfterSeconds: 0,
      quarantineSeconds: 0,
      quantumCacheMax: '0',
      limit: '256',
      labels: { env: 'prod' },
      size: String(2 ** 24 + 65536),
      allocated: '0',
      free: String(2 ** 24 + 65536),
      resting: '0',
      cached: '0',
      largestFree: String(2 ** 24),
      allocations: 0,
      spans: 2,
      holes: 2,
      waiting: 0,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      revision: 1,
    });
  });

  it.each([
    [{}, 'decimal', 64],
    [{ notation: 'hex' }, 'hex', 64],
    [{ notation: 'hex', width: 128 }, 'hex', 128],
    [{ notation: 'ipv4' }, 'ipv4', 32],
    [{ notation: 'ipv4', width: 32 }, 'ipv4', 32],
    [{ notation: 'ipv6' }, 'ipv6', 128],
    [{ width: 32 }, 'decimal', 32],
  ])('takes width and notation from %j', async (fields, notation, width) => {
    const { body } = await service.call('POST', '/v1/arenas', { name: 'a', ...fields });
    expect(body).toMatchObject({ notation, width });
  });

  it('can cover the whole of 128 bits with one span', async () => {
    const { status, body } = await service.call('POST', '/v1/arenas', {
      name: 'all',
      notation: 'ipv6',
      spans: [{ cidr: '::/0' }],
    });
    expect({ status, size: body.size }).toEqual({ status: 201, size: (1n << 128n).toString() });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['a width other than the notation’s', { notation: 'ipv6', width: 64 }, '/width'],
    ['a width that is none', { width: 48 }, '/width'],
    ['a name with capitals', { name: 'Pods' }, '/name'],
    ['a name that is too long', { name: 'a'.repeat(129) }, '/name'],
    ['a missing name', { name: undefined }, '/name'],
    ['an unknown policy', { policy: 'worstfit' }, '/policy'],
    ['an unknown field', { colour: 'red' }, '/colour'],
    ['an unknown field that needs escaping', { 'a/b~c': 1 }, '/a~1b~0c'],
    ['a null', { policy: null }, '/policy'],
    ['a quantum that is no power of two', { quantum: 3 }, '/quantum'],
    ['a quantum of 0', { quantum: '0' }, '/quantum'],
    ['a negative number', { quantum: -1 }, '/quantum'],
    ['a fraction', { quantum: 1.5 }, '/quantum'],
    ['a number above 2^53-1', { limit: 2 ** 53 }, '/limit'],
    ['a cache of more than 16 quanta', { quantumCacheMax: 17 }, '/quantumCacheMax'],
    ['too many spans to keep', { keepSpans: 1_000_001 }, '/keepSpans'],
    ['text for a small integer', { keepSpans: '1' }, '/keepSpans'],
    ['a label with a bad key', { labels: { 'a b': 'x' } }, '/labels/a b'],
    ['a label that is no text', { labels: { a: 1 } }, '/labels/a'],
    ['a label that is too long', { labels: { a: 'x'.repeat(256) } }, '/labels/a'],
    ['a label with a control character', { labels: { a: '\u0000' } }, '/labels/a'],
    ['a label with half a character', { labels: { a: '\ud800' } }, '/labels/a'],
    ['a span in two forms', { spans: [{ cidr: '::/0', base: 0 }] }, '/spans/0/cidr'],
    ['a span without a base', { spans: [{ size: 1 }] }, '/spans/0/base'],
    ['a span without an end', { spans: [{ base: 1 }] }, '/spans/0/size'],
    ['a span with two ends', { spans: [{ base: 1, size: 1, end: 1 }] }, '/spans/0/end'],
    ['a span that ends before it begins', { spans: [{ base: 2, end: 1 }] }, '/spans/0/end'],
    ['an empty span', { spans: [{ base: 2, size: 0 }] }, '/spans/0/size'],
    [
      'a span beyond the width',
      { spans: [{ base: 0 }, { base: 1, size: '0x1' + '0'.repeat(16) }] },
      '/spans/0/size',
    ],
    [
      'the second span wrong',
      {
        spans: [
          { base: 0, size: 1 },
          { base: -3, size: 1 },
        ],
      },
      '/spans/1/base',
    ],
    ['a span off the quantum', { quantum: 16, spans: [{ base: 8, size: 16 }] }, '/spans/0/base'],
    ['an end off the quantum', { quantum: 16, spans: [{ base: 0, end: 16 }] }, '/spans/0/end'],
    ['a cidr in a decimal arena', { spans: [{ cidr: '10.0.0.0/8' }] }, '/spans/0/cidr'],
    [
      '1001 spans',
      { spans: Array.from({ length: 1001 }, (_, i) => ({ base: 2 * i, size: 1 })) },
      '/spans',
    ],
  ])('refuses %s', async (_what, fields, pointer) => {
    const body = { name: 'a', ...fields };
    const { errors } = await service.refused('invalid-request', 'POST', '/v1/arenas', body);
    expect(errors?.[0]?.pointer).toBe(pointer);
    expect(service.engine.revision).toBe(0);
  });

  it('lists every error of the form at once', async () => {
    const body = { name: '', policy: 'x', keepSpans: -1 };
    const { errors } = await service.refused('invalid-request', 'POST', '/v1/arenas', body);
    expect(errors?.map(({ pointer }) => pointer)).toEqual(['/name', '/policy', '/keepSpans']);
  });

  it('takes 64 labels and refuses 65', async () => {
    const labels = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, '']));
    const { errors } = await service.refused('invalid-request', 'POST', '/v1/arenas', {
      name: 'a',
      labels,
    });
    expect(errors?.[0]?.pointer).toBe('/labels');
    delete labels['k0'];
    expect((await service.call('POST', '/v1/arenas', { name: 'a', labels })).status).toBe(201);
  });

  it('takes names of object members as labels', async () => {
    const labels = { constructor: 'a', toString: 'b', hasOwnProperty: 'c' };
    const { body } = await service.call('POST', '/v1/arenas', { name: 'a', labels });
    expect(body.labels).toEqual(labels);
  });

  it('takes 255 characters beyond the basic plane as a label', async () => {
    const labels = { face: '😀'.repeat(255) };
    const { status } = await service.call('POST', '/v1/arenas', { name: 'a', labels });
    expect(status).toBe(201);
    const more = { face: '😀'.repeat(256) };
    await service.refused('invalid-request', 'POST', '/v1/arenas', { name: 'b', labels: more });
  });

  it('refuses a name that is taken, an unknown source and spans that overlap', async () => {
    await service.call('POST', '/v1/arenas', { name: 'a' });
    await service.refused('arena-exists', 'POST', '/v1/arenas', { name: 'a' });
    await service.refused('arena-not-found', 'POST', '/v1/arenas', { name: 'b', source: 'c' });
    const spans = [
      { base: 0, size: 10 },
      { base: 9, size: 1 },
    ];
    await service.refused('overlap', 'POST', '/v1/arenas', { name: 'b', spans });
  });
});

describe('getArena, updateArena', () => {
  beforeEach(() =>
    service.call('POST', '/v1/arenas', {
      name: 'a',
      labels: { x: '1' },
      spans: [{ base: 0, size: 100 }],
    }),
  );

  it('gives the arena with its tag', async () => {
    const { body, headers } = await service.call('GET', '/v1/arenas/a');
    expect(body).toMatchObject({ name: 'a', size: '100', revision: 1 });
    expect(headers['etag']).toBe('"1"');
  });

  it('changes what is given and keeps the rest', async () => {
    const changes = { policy: 'bestfit', limit: 50, labels: { y: '2' }, keepSpans: 3 };
    const { body, headers } = await service.call('PATCH', '/v1/arenas/a', changes);
    expect(body).toMatchObject({ policy: 'bestfit', limit: '50', keepSpans: 3, size: '100' });
    expect(body.labels).toEqual({ y: '2' });
    expect(headers['etag']).toBe(`"${body.revision}"`);
  });

  it('changes nothing at another revision', async () => {
    const stale = { 'if-match': '"999"' };
    await service.refused('precondition-failed', 'PATCH', '/v1/arenas/a', { limit: 5 }, stale);
    const fresh = { 'if-match': '"1"' };
    const { status } = await service.call('PATCH', '/v1/arenas/a', { limit: 5 }, fresh);
    expect(status).toBe(200);
    const any = { 'if-match': '*' };
    expect((await service.call('PATCH', '/v1/arenas/a', { limit: 6 }, any)).status).toBe(200);
  });

  it.each(['1', 'W/"1"', '"x"', '"1", "2"', '""', '"01"', '"-1"'])(
    'refuses the tag %s',
    async (tag) => {
      const headers = { 'if-match': tag };
      const { errors } = await service.refused(
        'invalid-request',
        'PATCH',
        '/v1/arenas/a',
        { limit: 5 },
        headers,
      );
      expect(errors?.[0]?.pointer).toBe('/headers/if-match');
    },
  );

  it.each([[{}], [{ name: 'b' }], [{ quantum: 2 }], [{ limit: 'many' }], [[]], [7]])(
    'refuses the change %j',
    async (body) => {
      await service.refused('invalid-request', 'PATCH', '/v1/arenas/a', body);
    },
  );

  it('knows no other arena', async () => {
    await service.refused('arena-not-found', 'GET', '/v1/arenas/b');
    await service.refused('arena-not-found', 'PATCH', '/v1/arenas/b', { limit: 5 });
    await service.refused('arena-not-found', 'DELETE', '/v1/arenas/b');
    await service.refused('arena-not-found', 'GET', '/v1/arenas/b/check');
  });

  it('refuses a name that could be none', async () => {
    for (const name of ['A', '-a', 'a%2fb', '%00', 'a'.repeat(129), '__proto__']) {
      const { errors } = await service.refused('invalid-request', 'GET', `/v1/arenas/${name}`);
      expect(errors?.[0]?.pointer).toBe('/path/arena');
    }
    await service.refused('arena-not-found', 'GET', '/v1/arenas/constructor');
  });

  it('refuses query parameters it does not know', async () => {
    const { errors } = await service.refused('invalid-request', 'GET', '/v1/arenas/a?verbose=1');
    expect(errors?.[0]?.pointer).toBe('/query/verbose');
  });
});

describe('destroyArena', () => {
  beforeEach(async () => {
    await service.call('POST', '/v1/arenas', { name: 'a', spans: [{ base: 0, size: 100 }] });
  });

  it('answers 204 and the arena is gone', async () => {
    const { status, text } = await service.call('DELETE', '/v1/arenas/a');
    expect({ status, text }).toEqual({ status: 204, text: '' });
    await service.refused('arena-not-found', 'GET', '/v1/arenas/a');
  });

  it('refuses an arena with allocations unless forced', async () => {
    await service.call('POST', '/v1/arenas/a/alloc', { size: 1 });
    await service.refused('arena-busy', 'DELETE', '/v1/arenas/a');
    await service.refused('arena-busy', 'DELETE', '/v1/arenas/a?force=false');
    await service.refused('invalid-request', 'DELETE', '/v1/arenas/a?force=yes');
    expect((await service.call('DELETE', '/v1/arenas/a?force=true')).status).toBe(204);
  });

  it('refuses a source even when forced', async () => {
    await service.call('POST', '/v1/arenas', { name: 'b', source: 'a' });
    await service.refused('arena-busy', 'DELETE', '/v1/arenas/a?force=true');
  });

  it('honours If-Match', async () => {
    await service.refused('precondition-failed', 'DELETE', '/v1/arenas/a', undefined, {
      'if-match': '"2"',
    });
    const { status } = await service.call('DELETE', '/v1/arenas/a', undefined, {
      'if-match': '"1"',
    });
    expect(status).toBe(204);
  });

  it('reads addresses as the new arena of the same name does', async () => {
    await service.call('POST', '/v1/arenas/a/alloc', { size: 1 });
    await service.call('DELETE', '/v1/arenas/a?force=true');
    const spans = [{ cidr: '10.0.0.0/8' }];
    await service.call('POST', '/v1/arenas', { name: 'a', notation: 'ipv4', spans });
    const { body } = await service.call('POST', '/v1/arenas/a/xalloc', {
      size: 1,
      address: '10.0.0.9',
    });
    expect(body).toMatchObject({ address: '10.0.0.9', cidr: '10.0.0.9/32' });
  });
});

describe('listArenas', () => {
  it('gives all arenas by name, in pages', async () => {
    const names = ['a', 'a.b', 'b', 'c-1', 'd', 'e', 'z'];
    for (const name of names.toReversed()) await service.call('POST', '/v1/arenas', { name });
    const seen: string[] = [];
    let cursor: string | undefined;
    const sizes: number[] = [];
    do {
      const query = cursor === undefined ? '' : `&cursor=${cursor}`;
      const { body } = await service.call('GET', `/v1/arenas?limit=3${query}`);
      seen.push(...body.items.map(({ name }: { name: string }) => name));
      sizes.push(body.items.length);
      cursor = body.nextCursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(names);
    expect(sizes).toEqual([3, 3, 1]);
  });

  it('ends without a cursor when the last page is full', async () => {
    await service.call('POST', '/v1/arenas', { name: 'a' });
    const { body } = await service.call('GET', '/v1/arenas?limit=1');
    expect(body.items).toHaveLength(1);
    expect(body).not.toHaveProperty('nextCursor');
  });

  it.each(['0', '1001', '-1', '1.5', 'x', '', '1e2', '1&limit=2'])(
    'refuses the limit %s',
    async (limit) => {
      const { errors } = await service.refused(
        'invalid-request',
        'GET',
        `/v1/arenas?limit=${limit}`,
      );
      expect(errors?.[0]?.pointer).toBe('/query/limit');
    },
  );

  it.each([
    ['x', 'invalid-request'],
    ['%20', 'invalid-request'],
    ['a'.repeat(1537), 'invalid-request'],
    ['AAAA', 'cursor-mismatch'],
    ['bm90IGEgY3Vyc29yIGF0IGFsbA', 'cursor-mismatch'],
  ] as const)('refuses the cursor %s', async (cursor, code) => {
    const url = `/v1/arenas?cursor=${cursor}`;
    const { errors } = await service.refused(code, 'GET', url);
    expect(errors?.[0]?.pointer).toBe('/query/cursor');
  });
});

describe('checkArena', () => {
  it('counts what it walks', async () => {
    await service.call('POST', '/v1/arenas', { name: 'a', spans: [{ base: 0, size: 100 }] });
    await service.call('POST', '/v1/arenas/a/alloc', { size: 10 });
    const { body } = await service.call('GET', '/v1/arenas/a/check');
    expect(body).toEqual({
      arena: 'a',
      ok: true,
      segments: 2,
      allocations: 1,
      spans: 1,
      problems: [],
      revision: 2,
    });
  });
});
