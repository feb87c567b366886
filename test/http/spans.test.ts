import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Service } from './service.ts';

let service: Service;
beforeEach(async () => {
  service = await Service.start();
  await service.call('POST', '/v1/arenas', { name: 'v4', notation: 'ipv4' });
  await service.call('POST', '/v1/arenas', { name: 'hex', notation: 'hex', quantum: 16 });
});
afterEach(() => service.stop());

describe('addSpan', () => {
  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    [
      'v4',
      { cidr: '10.0.0.0/24' },
      { base: '10.0.0.0', end: '10.0.0.255', size: '256', cidr: '10.0.0.0/24' },
    ],
    ['v4', { base: '10.0.0.0', end: '10.0.0.9' }, { end: '10.0.0.9', size: '10', cidr: undefined }],
    ['v4', { base: '0xa000000', size: 1 }, { base: '10.0.0.0', cidr: '10.0.0.0/32' }],
    [
      'v4',
      { base: '255.255.255.255', end: '255.255.255.255' },
      { size: '1', cidr: '255.255.255.255/32' },
    ],
    ['hex', { base: '0x40', size: '0x20' }, { base: '0x40', end: '0x5f', cidr: undefined }],
    ['hex', { base: 0, end: '0xffffffffffffffff' }, { size: (1n << 64n).toString() }],
  ])('adds to %s %j', async (arena, body, expected) => {
    const answer = await service.call('POST', `/v1/arenas/${arena}/spans`, body);
    expect(answer.status).toBe(201);
    const { cidr } = answer.body;
    expect({ ...answer.body, cidr }).toMatchObject({ kind: 'static', revision: 3, ...expected });
    // No route reads one span by itself, so there is no place to point to.
    expect(answer.headers['location']).toBeUndefined();
  });

  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ['v4', { cidr: '10.0.0.1/24' }, '/cidr', /the network is 10\.0\.0\.0\/24/],
    ['v4', { cidr: '::/0' }, '/cidr', /is IPv6/],
    ['hex', { cidr: '10.0.0.0/8' }, '/cidr', /only for arenas/],
    ['v4', { base: '10.0.0.0' }, '/size', /is missing/],
    ['v4', {}, '/base', /is missing/],
    ['v4', { base: '256.0.0.0', size: 1 }, '/base', /four decimal parts/],
    ['v4', { base: '255.255.255.255', size: 2 }, '/size', /at most 1 from this base/],
    ['hex', { base: '0x8', size: 16 }, '/base', /multiple of the quantum/],
    ['hex', { base: '0x10', size: 8 }, '/size', /multiple of the quantum/],
    ['hex', { base: '0x10', end: '0x20' }, '/end', /multiple of the quantum/],
    ['hex', { base: '10.0.0.0', size: 16 }, '/base', /is an IP address/],
  ])('refuses in %s %j', async (arena, body, pointer, detail) => {
    const url = `/v1/arenas/${arena}/spans`;
    const { errors } = await service.refused('invalid-request', 'POST', url, body);
    expect(errors).toEqual([{ pointer, detail: expect.stringMatching(detail) }]);
  });

  it('refuses an overlap, and an arena that is not there', async () => {
    await service.call('POST', '/v1/arenas/v4/spans', { cidr: '10.0.0.0/24' });
    await service.refused('overlap', 'POST', '/v1/arenas/v4/spans', { cidr: '10.0.0.0/32' });
    await service.refused('arena-not-found', 'POST', '/v1/arenas/v5/spans', { cidr: '1.0.0.0/8' });
  });
});

describe('listSpans', () => {
  it('pages through static and imported spans in order', async () => {
    for (const third of [4, 0, 2]) {
      await service.call('POST', '/v1/arenas/v4/spans', { cidr: `10.0.${third}.0/24` });
    }
    const first = await service.call('GET', '/v1/arenas/v4/spans?limit=2');
    expect(first.body.items.map(({ base }: { base: string }) => base)).toEqual([
      '10.0.0.0',
      '10.0.2.0',
    ]);
    const { nextCursor } = first.body;
    const second = await service.call('GET', `/v1/arenas/v4/spans?limit=2&cursor=${nextCursor}`);
    expect(second.body).toEqual({ items: [expect.objectContaining({ base: '10.0.4.0' })] });
    const elsewhere = `/v1/arenas/hex/spans?cursor=${nextCursor}`;
    const { errors } = await service.refused('cursor-mismatch', 'GET', elsewhere);
    expect(errors?.[0]).toMatchObject({
      pointer: '/query/cursor',
      detail: expect.stringMatching(/another query/),
    });
  });

  it('tells where an imported span is from', async () => {
    await service.call('POST', '/v1/arenas/v4/spans', { cidr: '10.0.0.0/24' });
    await service.call('POST', '/v1/arenas', { name: 'sub', notation: 'ipv4', source: 'v4' });
    await service.call('POST', '/v1/arenas/sub/alloc', { size: 4 });
    const { body } = await service.call('GET', '/v1/arenas/sub/spans');
    expect(body.items).toEqual([
      expect.objectContaining({ base: '10.0.0.0', size: '4', kind: 'imported', from: 'v4' }),
    ]);
  });

  it('knows no other arena', async () => {
    await service.refused('arena-not-found', 'GET', '/v1/arenas/v5/spans');
  });
});

describe('removeSpan', () => {
  beforeEach(() => service.call('POST', '/v1/arenas/v4/spans', { cidr: '10.0.0.0/24' }));

  it('answers 204, also for the base in another notation', async () => {
    expect((await service.call('DELETE', '/v1/arenas/v4/spans/0x0a000000')).status).toBe(204);
    expect((await service.call('GET', '/v1/arenas/v4')).body.size).toBe('0');
  });

  it('removes nothing at another revision of the arena', async () => {
    const span = '/v1/arenas/v4/spans/10.0.0.0';
    const { revision } = (await service.call('GET', '/v1/arenas/v4')).body;
    const stale = { 'if-match': `"${revision - 1}"` };
    await service.refused('precondition-failed', 'DELETE', span, undefined, stale);
    const fresh = { 'if-match': `"${revision}"` };
    expect((await service.call('DELETE', span, undefined, fresh)).status).toBe(204);
  });

  it('refuses a span that is busy, or not there, or no address', async () => {
    await service.call('POST', '/v1/arenas/v4/alloc', { size: 1 });
    await service.refused('allocation-busy', 'DELETE', '/v1/arenas/v4/spans/10.0.0.0');
    await service.refused('span-not-found', 'DELETE', '/v1/arenas/v4/spans/10.0.1.0');
    await service.refused('arena-not-found', 'DELETE', '/v1/arenas/v5/spans/10.0.1.0');
    const { errors } = await service.refused('invalid-request', 'DELETE', '/v1/arenas/v4/spans/x');
    expect(errors?.[0]?.pointer).toBe('/path/base');
  });
});
