import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Service } from './service.ts';

let service: Service;
beforeEach(async () => {
  service = await Service.start();
  const spans = [{ cidr: '10.0.0.0/16' }];
  await service.call('POST', '/v1/arenas', { name: 'v4', notation: 'ipv4', spans });
});
afterEach(() => service.stop());

describe('listSegments', () => {
  it('tiles the arena, in pages', async () => {
    for (const last of [0, 4, 9]) {
      await service.call('POST', '/v1/arenas/v4/xalloc', { size: 2, address: `10.0.0.${last}` });
    }
    const seen: string[] = [];
    let url = '/v1/arenas/v4/segments?limit=2';
    for (;;) {
      const { body } = await service.call('GET', url);
      for (const { address, end, state } of body.items) seen.push(`${address}-${end} ${state}`);
      if (body.nextCursor === undefined) break;
      url = `/v1/arenas/v4/segments?limit=2&cursor=${body.nextCursor}`;
    }
    expect(seen).toEqual([
      '10.0.0.0-10.0.0.1 busy',
      '10.0.0.2-10.0.0.3 free',
      '10.0.0.4-10.0.0.5 busy',
      '10.0.0.6-10.0.0.8 free',
      '10.0.0.9-10.0.0.10 busy',
      '10.0.0.11-10.0.255.255 free',
    ]);
  });

  it('knows no other arena, and no cursor of another list', async () => {
    await service.refused('arena-not-found', 'GET', '/v1/arenas/v5/segments');
    await service.call('POST', '/v1/arenas/v4/alloc', { size: 1 });
    await service.call('POST', '/v1/arenas/v4/alloc', { size: 1 });
    const { body } = await service.call('GET', '/v1/arenas/v4/allocations?limit=1');
    const url = `/v1/arenas/v4/segments?cursor=${body.nextCursor}`;
    await service.refused('cursor-mismatch', 'GET', url);
  });
});

describe('whatis', () => {
  it('tells the segment and the allocation of an address', async () => {
    await service.call('POST', '/v1/arenas/v4/alloc', { size: 8, owner: 'me' });
    const { body } = await service.call('GET', '/v1/arenas/v4/whatis/10.0.0.5');
    const segment = { address: '10.0.0.0', end: '10.0.0.7', size: '8', state: 'busy' };
    expect(body).toMatchObject({
      arena: 'v4',
      address: '10.0.0.5',
      state: 'busy',
      segment,
      offset: '5',
      allocation: { owner: 'me' },
      path: [{ arena: 'v4', ...segment }],
    });
    const free = await service.call('GET', '/v1/arenas/v4/whatis/10.0.0.9');
    expect(free.body).toMatchObject({ state: 'free', offset: '1' });
    expect(free.body).not.toHaveProperty('allocation');
  });

  it('follows imports down, each step in the notation of its own arena', async () => {
    await service.call('POST', '/v1/arenas', {
      name: 'ids',
      width: 32,
      notation: 'hex',
      source: 'v4',
      importSize: 256,
    });
    await service.call('POST', '/v1/arenas/ids/alloc', { size: 3 });
    const { body } = await service.call('GET', '/v1/arenas/v4/whatis/10.0.0.2');
    expect(body).toMatchObject({
      arena: 'v4',
      address: '10.0.0.2',
      state: 'busy',
      segment: { address: '0xa000000', end: '0xa000002', size: '3', state: 'busy' },
      offset: '2',
      allocation: { arena: 'ids', address: '0xa000000' },
      path: [
        { arena: 'v4', address: '10.0.0.0', end: '10.0.0.255', state: 'busy' },
        { arena: 'ids', address: '0xa000000', end: '0xa000002', state: 'busy' },
      ],
    });
    const free = await service.call('GET', '/v1/arenas/v4/whatis/10.0.0.200');
    expect(free.body).toMatchObject({ state: 'free', segment: { end: '0xa0000ff' } });
  });

  it('refuses what no span holds, what is no address, and another arena', async () => {
    await service.refused('span-not-found', 'GET', '/v1/arenas/v4/whatis/11.0.0.0');
    await service.refused('invalid-request', 'GET', '/v1/arenas/v4/whatis/0x100000000');
    await service.refused('arena-not-found', 'GET', '/v1/arenas/v5/whatis/10.0.0.0');
  });
});
