import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Service } from './service.ts';

let service: Service;
beforeEach(async () => {
  service = await Service.start();
  const spans = [{ cidr: '10.0.0.0/16' }];
  await service.call('POST', '/v1/arenas', { name: 'v4', notation: 'ipv4', spans });
  await service.call('POST', '/v1/arenas', {
    name: 'v6',
    notation: 'ipv6',
    spans: [{ cidr: '::/0' }],
  });
  await service.call('POST', '/v1/arenas', {
    name: 'pages',
    notation: 'hex',
    quantum: 4096,
    spans: [{ base: 0, size: '0x100000' }],
  });
});
afterEach(() => service.stop());

describe('alloc', () => {
  it('answers 201 with the allocation, its place and its tag', async () => {
    const { status, body, headers } = await service.call('POST', '/v1/arenas/v4/alloc', {
      size: '256',
      owner: 'node-17',
      labels: { env: 'prod' },
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      arena: 'v4',
      address: '10.0.0.0',
      end: '10.0.0.255',
      size: '256',
      cidr: '10.0.0.0/24',
      labels: { env: 'prod' },
      owner: 'node-17',
      createdAt: expect.stringMatching(/Z$/),
      revision: 4,
    });
    expect(headers).toMatchObject({
      location: '/v1/arenas/v4/allocations/10.0.0.0',
      etag: '"4"',
    });
    const again = await service.call('GET', String(headers['location']));
    expect(again.body).toEqual(body);
  });

  it.each<[string, unknown]>([
    ['a decimal string', '8192'],
    ['a hexadecimal string', '0x2000'],
    ['an integer', 8192],
    ['a size that is rounded up to the quantum', 8191],
  ])('takes %s', async (_what, size) => {
    const { body } = await service.call('POST', '/v1/arenas/pages/alloc', { size });
    expect(body).toMatchObject({ address: '0x0', end: '0x1fff', size: '8192' });
    expect(body).not.toHaveProperty('cidr');
  });

  it.each<[string, number, string]>([
    ['v4', 24, '10.0.1.0/24'],
    ['v4', 32, '10.0.0.1/32'],
    ['v4', 17, '10.0.128.0/17'],
    ['v6', 64, '0:0:0:1::/64'],
    ['v6', 1, '8000::/1'],
  ])('gives from %s a naturally aligned /%i', async (arena, prefixLength, cidr) => {
    await service.call('POST', `/v1/arenas/${arena}/xalloc`, {
      size: 1,
      address: arena === 'v4' ? '10.0.0.0' : '::',
    });
    const url = `/v1/arenas/${arena}/alloc`;
    const { body } = await service.call('POST', url, { prefixLength, policy: 'firstfit' });
    expect(body.cidr).toBe(cidr);
  });

  it('gives the whole of 128 bits as a /0', async () => {
    const { body } = await service.call('POST', '/v1/arenas/v6/alloc', { prefixLength: 0 });
    expect(body).toMatchObject({ cidr: '::/0', size: (1n << 128n).toString() });
  });

  it('gives a prefix below the quantum as one quantum', async () => {
    const url = '/v1/arenas/pages/alloc';
    const { status, body } = await service.call('POST', url, { prefixLength: 60 });
    expect({ status, size: body.size }).toEqual({ status: 201, size: '4096' });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['v4', {}, '/size'],
    ['v4', { size: 0 }, '/size'],
    ['v4', { size: '-1' }, '/size'],
    ['v4', { size: 1.5 }, '/size'],
    ['v4', { size: 2 ** 53 }, '/size'],
    ['v4', { size: true }, '/size'],
    ['v4', { size: '10.0.0.1' }, '/size'],
    ['v4', { size: '9'.repeat(39) }, '/size'],
    ['v4', { size: (1n << 33n).toString() }, '/size'],
    ['v4', { size: 1, prefixLength: 32 }, '/prefixLength'],
    ['v4', { prefixLength: 33 }, '/prefixLength'],
    ['v6', { prefixLength: 129 }, '/prefixLength'],
    ['v6', { prefixLength: -1 }, '/prefixLength'],
    ['v6', { prefixLength: '64' }, '/prefixLength'],
    ['v4', { size: 1, align: 2 }, '/align'],
    ['v4', { size: 1, owner: '' }, '/owner'],
    ['v4', { size: 1, owner: 'x'.repeat(256) }, '/owner'],
    ['v4', { size: 1, colour: 'red' }, '/colour'],
    ['v4', { size: 1, policy: 'none' }, '/policy'],
  ])('refuses in %s %j', async (arena, body, pointer) => {
    const url = `/v1/arenas/${arena}/alloc`;
    const { errors } = await service.refused('invalid-request', 'POST', url, body);
    expect(errors?.[0]?.pointer).toBe(pointer);
  });

  it('says that larger integers are to be sent as strings', async () => {
    // 2^53+1, which JSON.parse would round to a neighbour that somebody else may hold.
    const url = '/v1/arenas/v6/alloc';
    const { errors } = await service.refused(
      'invalid-request',
      'POST',
      url,
      '{"size":9007199254740993}',
    );
    expect(errors?.[0]?.detail).toMatch(/send a larger one as a string/);
    const { body } = await service.call('POST', url, { size: '9007199254740993' });
    expect(body.size).toBe('9007199254740993');
  });

  it('says what is left when it is exhausted', async () => {
    await service.call('POST', '/v1/arenas/v4/xalloc', { size: 1, address: '10.0.128.0' });
    const problem = await service.refused('exhausted', 'POST', '/v1/arenas/v4/alloc', {
      size: 65_536,
    });
    expect(problem.exhaustion).toEqual({
      free: '65535',
      largestFree: '32768',
      largestFitting: '32768',
      resting: '0',
    });
  });

  it.each<[string, Record<string, unknown>, string[] | undefined]>([
    // What is free, of 64 addresses, by its first and last one.
    ['3-12', { size: 8, align: 8 }, ['align']],
    ['3-11', { size: 8, align: 16, phase: 5 }, ['align']],
    ['0-7', { size: 8, align: 16, phase: 5 }, ['align', 'phase']],
    ['3-12', { size: 8, nocross: 8 }, ['nocross']],
    ['3-12', { size: 8, min: 6 }, ['min']],
    ['3-12', { size: 8, min: 2, max: 9 }, ['max']],
    ['3-12', { size: 10, align: 2, min: 4 }, undefined],
    ['3-12', { size: 8, align: 8, max: 40 }, ['align']],
    ['3-12', { size: 11, max: 40 }, undefined],
  ])('with %s free, of %o says what is in the way', async (free, body, limitedBy) => {
    await service.call('POST', '/v1/arenas', { name: 'n', spans: [{ base: 0, size: 64 }] });
    const [first = 0, last = 0] = free.split('-').map(Number);
    const below = { size: first, address: 0 };
    const above = { size: 63 - last, address: last + 1 };
    if (first > 0) await service.call('POST', '/v1/arenas/n/xalloc', below);
    await service.call('POST', '/v1/arenas/n/xalloc', above);
    const problem = await service.refused('exhausted', 'POST', '/v1/arenas/n/xalloc', body);
    expect(problem.exhaustion?.limitedBy).toEqual(limitedBy);
  });

  it('says that the limit of a source is in the way', async () => {
    const spans = [{ base: 0, size: 64 }];
    await service.call('POST', '/v1/arenas', { name: 'n', spans, limit: 10 });
    await service.call('POST', '/v1/arenas', { name: 'm', source: 'n' });
    const problem = await service.refused('exhausted', 'POST', '/v1/arenas/m/alloc', { size: 11 });
    expect(problem.exhaustion).toMatchObject({ largestFitting: '10', limitedBy: ['limit'] });
  });

  it('tells what never fits, what is beyond the limit and what is not there', async () => {
    await service.refused('never-fits', 'POST', '/v1/arenas/v4/alloc', { size: 65_537 });
    await service.call('PATCH', '/v1/arenas/v4', { limit: 10 });
    await service.refused('limit-exceeded', 'POST', '/v1/arenas/v4/alloc', { size: 11 });
    await service.refused('arena-not-found', 'POST', '/v1/arenas/v5/alloc', { size: 11 });
  });
});

describe('xalloc', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['v4', { size: 4, address: '10.0.3.0' }, '10.0.3.0'],
    ['v4', { size: 4, address: '0x0a000300' }, '10.0.3.0'],
    ['v4', { size: 4, address: 167_772_928 }, '10.0.3.0'],
    ['v4', { size: 4, min: '10.0.7.1', policy: 'firstfit' }, '10.0.7.1'],
    ['v4', { size: 4, max: '10.0.0.9', policy: 'lastfit' }, '10.0.0.6'],
    ['v4', { size: 4, align: 256, phase: 16, min: '10.0.0.17', policy: 'firstfit' }, '10.0.1.16'],
    ['v4', { size: 4, nocross: 8, min: '10.0.0.5', policy: 'firstfit' }, '10.0.0.8'],
    ['v4', { prefixLength: 30, align: 1024, min: '10.0.0.1', policy: 'firstfit' }, '10.0.4.0'],
    ['v4', { prefixLength: 22, align: 4, min: '10.0.0.1', policy: 'firstfit' }, '10.0.4.0'],
    ['pages', { size: 4096, align: 12_288, min: 1, policy: 'firstfit' }, '0x3000'],
    ['v6', { size: 1, address: '2001:DB8::0:1' }, '2001:db8::1'],
  ])('places in %s %j', async (arena, body, address) => {
    const answer = await service.call('POST', `/v1/arenas/${arena}/xalloc`, body);
    expect({ status: answer.status, address: answer.body.address }).toEqual({
      status: 201,
      address,
    });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['v4', { size: 1, address: '10.0.0' }, '/address'],
    ['v4', { size: 1, address: '::1' }, '/address'],
    ['v4', { size: 1, address: '4294967296' }, '/address'],
    ['v4', { size: 1, min: '10.0.0.2', max: '10.0.0.1' }, '/min'],
    ['v4', { size: 1, align: 0 }, '/align'],
    ['pages', { size: 1, align: 4097 }, '/align'],
    ['v4', { size: 1, align: 4, phase: 4 }, '/phase'],
    ['v4', { size: 8, nocross: 4 }, '/nocross'],
    ['v4', { size: 1, nocross: 3 }, '/nocross'],
    ['v4', { prefixLength: 24, align: 3 }, '/align'],
    ['pages', { size: 1, address: 1 }, '/address'],
    ['v6', { size: 1, max: (1n << 128n).toString() }, '/max'],
  ])('refuses in %s %j', async (arena, body, pointer) => {
    const url = `/v1/arenas/${arena}/xalloc`;
    const { errors } = await service.refused('invalid-request', 'POST', url, body);
    expect(errors?.[0]?.pointer).toBe(pointer);
  });

  it('refuses an address that is taken', async () => {
    await service.call('POST', '/v1/arenas/v4/xalloc', { size: 1, address: '10.0.0.9' });
    await service.refused('taken', 'POST', '/v1/arenas/v4/xalloc', {
      size: 1,
      address: '10.0.0.9',
    });
  });
});

describe('one allocation', () => {
  const path = '/v1/arenas/v4/allocations/10.0.0.0';
  beforeEach(() =>
    service.call('POST', '/v1/arenas/v4/alloc', { size: 16, owner: 'a', labels: { x: '1' } }),
  );

  it('is found by its first address alone, in any notation', async () => {
    const { body, headers } = await service.call('GET', path);
    expect(body).toMatchObject({ address: '10.0.0.0', owner: 'a' });
    expect(headers['etag']).toBe('"4"');
    const hex = await service.call('GET', '/v1/arenas/v4/allocations/0xa000000');
    expect(hex.body).toEqual(body);
    await service.refused('allocation-not-found', 'GET', '/v1/arenas/v4/allocations/10.0.0.1');
    await service.refused('arena-not-found', 'GET', '/v1/arenas/v5/allocations/10.0.0.0');
    const wrong = '/v1/arenas/v4/allocations/ten';
    const { errors } = await service.refused('invalid-request', 'GET', wrong);
    expect(errors?.[0]?.pointer).toBe('/path/address');
  });

  it('is found by an IPv6 address with its colons escaped or not', async () => {
    await service.call('POST', '/v1/arenas/v6/xalloc', { size: 1, address: '2001:db8::7' });
    for (const text of ['2001:db8::7', '2001%3Adb8%3A%3A7', '2001:0db8:0:0:0:0:0:7']) {
      const { body } = await service.call('GET', `/v1/arenas/v6/allocations/${text}`);
      expect(body.address).toBe('2001:db8::7');
    }
  });

  it('changes labels and owner, each alone', async () => {
    const first = await service.call('PATCH', path, { labels: { y: '2' } });
    expect(first.body).toMatchObject({ labels: { y: '2' }, owner: 'a', revision: 5 });
    expect(first.headers['etag']).toBe('"5"');
    const second = await service.call('PATCH', path, { owner: 'b' });
    expect(second.body).toMatchObject({ labels: { y: '2' }, owner: 'b', revision: 6 });
    await service.refused('invalid-request', 'PATCH', path, {});
    await service.refused('invalid-request', 'PATCH', path, { size: 1 });
    const other = '/v1/arenas/v4/allocations/10.0.9.0';
    await service.refused('allocation-not-found', 'PATCH', other, { owner: 'b' });
  });

  it('is guarded by If-Match against whoever held it before', async () => {
    const stale = { 'if-match': '"3"' };
    await service.refused('precondition-failed', 'PATCH', path, { owner: 'b' }, stale);
    await service.refused('precondition-failed', 'POST', `${path}/resize`, { size: 8 }, stale);
    await service.refused('precondition-failed', 'DELETE', path, undefined, stale);
    await service.refused('invalid-request', 'DELETE', path, undefined, { 'if-match': '4' });
    const { status } = await service.call('DELETE', path, undefined, { 'if-match': '"4"' });
    expect(status).toBe(204);
  });

  it('is freed, its size verified where given', async () => {
    await service.refused('size-mismatch', 'DELETE', `${path}?size=15`);
    for (const size of ['x', '-1', '1.5', '']) {
      const url = `${path}?size=${size}`;
      const { errors } = await service.refused('invalid-request', 'DELETE', url);
      expect(errors?.[0]?.pointer).toBe('/query/size');
    }
    expect((await service.call('DELETE', `${path}?size=0x10`)).status).toBe(204);
    await service.refused('allocation-not-found', 'DELETE', path);
    await service.refused('arena-not-found', 'DELETE', '/v1/arenas/v5/allocations/10.0.0.0');
  });

  it('is freed by clients that announce JSON and send none', async () => {
    const headers = { 'content-type': 'application/json' };
    expect((await service.call('DELETE', path, undefined, headers)).status).toBe(204);
  });

  it('is not freed by a request with a body, which would be ignored', async () => {
    const { errors } = await service.refused('invalid-request', 'DELETE', path, { size: 16 });
    expect(errors?.[0]?.detail).toMatch(/takes no body/);
  });

  it('is resized in place', async () => {
    const grown = await service.call('POST', `${path}/resize`, { size: 32 });
    expect(grown.body).toMatchObject({ address: '10.0.0.0', size: '32', cidr: '10.0.0.0/27' });
    expect(grown.headers['etag']).toBe(`"${grown.body.revision}"`);
    const shrunk = await service.call('POST', `${path}/resize`, { size: '0x8' });
    expect(shrunk.body.size).toBe('8');
    await service.call('POST', '/v1/arenas/v4/xalloc', { size: 1, address: '10.0.0.64' });
    await service.refused('taken', 'POST', `${path}/resize`, { size: 65 });
    expect((await service.call('POST', `${path}/resize`, { size: 64 })).status).toBe(200);
    for (const size of [0, '', -1, undefined]) {
      const body = { size };
      const { errors } = await service.refused('invalid-request', 'POST', `${path}/resize`, body);
      expect(errors?.[0]?.pointer).toBe('/size');
    }
    const other = '/v1/arenas/v4/allocations/10.0.9.0/resize';
    await service.refused('allocation-not-found', 'POST', other, { size: 1 });
  });
});

describe('an imported range', () => {
  beforeEach(async () => {
    await service.call('POST', '/v1/arenas', { name: 'sub', notation: 'ipv4', source: 'v4' });
    await service.call('POST', '/v1/arenas/sub/alloc', { size: 4 });
  });

  it('names the arena that holds it and cannot be freed under it', async () => {
    const path = '/v1/arenas/v4/allocations/10.0.0.0';
    expect((await service.call('GET', path)).body).toMatchObject({ importedBy: 'sub', size: '4' });
    await service.refused('allocation-busy', 'DELETE', path);
  });
});
