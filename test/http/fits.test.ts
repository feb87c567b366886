import { afterEach, beforeEach, expect, it } from 'vitest';
import { Service } from './service.ts';

let service: Service;
beforeEach(async () => {
  service = await Service.start();
  const spans = [{ cidr: '10.0.0.0/24' }];
  await service.call('POST', '/v1/arenas', { name: 'a', notation: 'ipv4', spans });
});
afterEach(() => service.stop());

const fits = '/v1/arenas/a/fits';

it('tells how many more blocks there is room for, and how what is free is cut up', async () => {
  for (const address of ['10.0.0.0', '10.0.0.100']) {
    await service.call('POST', '/v1/arenas/a/xalloc', { size: 4, address });
  }
  const { status, body } = await service.call('GET', `${fits}?prefixLength=28`);
  expect({ status, body }).toEqual({
    status: 200,
    body: {
      arena: 'a',
      size: '16',
      count: '14',
      atLeast: false,
      free: '248',
      largestFree: '152',
      largestFitting: '144',
      fragmentation: 0.387096,
      holes: 2,
      resting: '0',
      histogram: [
        { order: 6, holes: 1 },
        { order: 7, holes: 1 },
      ],
      revision: 3,
    },
  });
});

it.each<[string, string]>([
  ['size=1', '256'],
  ['size=0x10', '16'],
  ['size=100&min=10.0.0.100', '1'],
  ['size=1&min=10.0.0.1&max=10.0.0.9', '9'],
  ['size=3&align=8&phase=1&nocross=4', '32'],
  ['prefixLength=24', '1'],
  ['prefixLength=24&max=10.0.0.254', '0'],
  ['size=257', '0'],
])('%s: %s', async (query, count) => {
  expect((await service.call('GET', `${fits}?${query}`)).body.count).toBe(count);
});

it('counts all of IPv6, and what a source can give', async () => {
  const spans = [{ cidr: '::/0' }];
  await service.call('POST', '/v1/arenas', { name: 'b', notation: 'ipv6', spans });
  await service.call('POST', '/v1/arenas', { name: 'c', notation: 'ipv6', source: 'b' });
  const whole = await service.call('GET', '/v1/arenas/b/fits?size=1');
  expect(whole.body).toMatchObject({ count: (1n << 128n).toString(), fragmentation: 0 });
  expect(whole.body).not.toHaveProperty('importable');
  const child = await service.call('GET', '/v1/arenas/c/fits?prefixLength=64');
  const importable = (1n << 64n).toString();
  expect(child.body).toMatchObject({ count: '0', importable, largestFree: '0' });
});

it('has no fragmentation where nothing is free', async () => {
  await service.call('POST', '/v1/arenas/a/alloc', { size: 256 });
  const { body } = await service.call('GET', `${fits}?size=1`);
  expect(body).toMatchObject({ count: '0', fragmentation: 0, histogram: [], largestFitting: '0' });
});

it('says what is in the way where there is no room', async () => {
  const bands = [{ name: 'low', min: '10.0.0.0', max: '10.0.0.127', exclusive: true }];
  await service.call('PATCH', '/v1/arenas/a', { bands });
  const taken = { size: 128, address: '10.0.0.128', ttlSeconds: 60 };
  await service.call('POST', '/v1/arenas/a/xalloc', taken);
  const why = async (query: string) => {
    const { limitedBy, retryAfterSeconds } = (await service.call('GET', `${fits}?${query}`)).body;
    return { limitedBy, retryAfterSeconds };
  };
  const retryAfterSeconds = 60;
  expect(await why('size=128')).toEqual({ limitedBy: ['band'], retryAfterSeconds });
  expect(await why('size=128&band=low')).toEqual({});
  expect(await why('size=129')).toEqual({ retryAfterSeconds });
  expect(await why('size=8&band=low&min=10.0.0.125')).toEqual({
    limitedBy: ['min'],
    retryAfterSeconds,
  });
  await service.call('PATCH', '/v1/arenas/a', { bands: [], limit: 130 });
  expect(await why('size=3')).toEqual({ limitedBy: ['limit'], retryAfterSeconds });
});

it.each<[string, string]>([
  ['', '/query/size'],
  ['size=0', '/query/size'],
  ['size=1&prefixLength=24', '/query/prefixLength'],
  ['prefixLength=33', '/query/prefixLength'],
  ['size=8589934592', '/query/size'],
  ['size=2&align=0', '/query/align'],
  ['size=2&align=4&phase=4', '/query/phase'],
  ['size=3&nocross=2', '/query/nocross'],
  ['prefixLength=24&nocross=128', '/query/nocross'],
  ['size=2&min=10.0.0.9&max=10.0.0.1', '/query/min'],
  ['size=2&min=x', '/query/min'],
  ['size=2&address=10.0.0.1', '/query/address'],
  ['size=2&policy=bestfit', '/query/policy'],
])('refuses %s', async (query, pointer) => {
  const { errors } = await service.refused('invalid-request', 'GET', `${fits}?${query}`);
  expect(errors?.[0]?.pointer).toBe(pointer);
});

it('knows no other arena', async () => {
  await service.refused('arena-not-found', 'GET', '/v1/arenas/b/fits?size=1');
});
