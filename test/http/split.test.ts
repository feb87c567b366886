import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Service } from './service.ts';

let service: Service;
beforeEach(async () => {
  service = await Service.start();
  await service.call('POST', '/v1/arenas', {
    name: 'pods',
    notation: 'ipv4',
    spans: [{ cidr: '10.0.0.0/16' }],
  });
});
afterEach(() => service.stop());

const pods = '/v1/arenas/pods';
const at = (address: string) => `${pods}/allocations/${address}`;

async function reserve(address: string, size: number, more: object = {}) {
  const { status, body } = await service.call('POST', `${pods}/xalloc`, { address, size, ...more });
  expect(status).toBe(201);
  return body;
}

async function addresses(): Promise<string[]> {
  const { body } = await service.call('GET', `${pods}/allocations`);
  return body.items.map(
    (item: { address: string; size: string }) => `${item.address}+${item.size}`,
  );
}

describe('split', () => {
  it('makes of one allocation several, known like it, of one revision', async () => {
    const labels = { env: 'prod' };
    const whole = await reserve('10.0.1.0', 256, { owner: 'web', labels });
    const { status, body } = await service.call('POST', `${at('10.0.1.0')}/split`, {
      sizes: [64, '0x40', '128'],
    });
    expect(status).toBe(200);
    const known = { arena: 'pods', owner: 'web', labels, createdAt: whole.createdAt };
    expect(body).toEqual({
      revision: 3,
      items: [
        {
          ...known,
          address: '10.0.1.0',
          end: '10.0.1.63',
          size: '64',
          cidr: '10.0.1.0/26',
          revision: 3,
        },
        {
          ...known,
          address: '10.0.1.64',
          end: '10.0.1.127',
          size: '64',
          cidr: '10.0.1.64/26',
          revision: 3,
        },
        {
          ...known,
          address: '10.0.1.128',
          end: '10.0.1.255',
          size: '128',
          cidr: '10.0.1.128/25',
          revision: 3,
        },
      ],
    });
    for (const item of body.items) {
      expect((await service.call('GET', at(item.address))).body).toEqual(item);
    }
    const { body: arena } = await service.call('GET', pods);
    expect(arena).toMatchObject({ allocations: 3, allocated: '256', revision: 3 });
    expect((await service.call('DELETE', at('10.0.1.64'))).status).toBe(204);
    expect(await addresses()).toEqual(['10.0.1.0+64', '10.0.1.128+128']);
    expect((await service.call('GET', `${pods}/check`)).body.ok).toBe(true);
  });

  it('makes pieces of one size', async () => {
    await reserve('10.0.2.0', 256);
    const { body } = await service.call('POST', `${at('10.0.2.0')}/split`, { size: 1 });
    expect(body.items).toHaveLength(256);
    expect(body.items[255]).toMatchObject({ address: '10.0.2.255', size: '1' });
  });

  it('goes by the revision', async () => {
    await reserve('10.0.1.0', 256);
    const url = `${at('10.0.1.0')}/split`;
    const stale = { 'if-match': '"1"' };
    await service.refused('precondition-failed', 'POST', url, { size: 128 }, stale);
    const { status } = await service.call('POST', url, { size: 128 }, { 'if-match': '"2"' });
    expect(status).toBe(200);
  });

  it.each<[object, string]>([
    [{}, ''],
    [{ size: 64, sizes: [128, 128] }, ''],
    [{ sizes: [256] }, '/sizes'],
    [{ sizes: 'all' }, '/sizes'],
    [{ sizes: Array.from({ length: 1001 }, () => 1) }, '/sizes'],
    [{ sizes: [128, 0, 128] }, '/sizes/1'],
    [{ sizes: [128, -1] }, '/sizes/1'],
    [{ sizes: [128, 2 ** 53] }, '/sizes/1'],
    [{ sizes: [128, '128 '] }, '/sizes/1'],
    [{ sizes: [128, null] }, '/sizes/1'],
    [{ size: 0 }, '/size'],
    [{ size: 256 }, '/size'],
    [{ size: 512 }, '/size'],
    [{ prefixLength: 25 }, '/prefixLength'],
  ])('refuses %j', async (body, pointer) => {
    await reserve('10.0.1.0', 256);
    const url = `${at('10.0.1.0')}/split`;
    const { errors } = await service.refused('invalid-request', 'POST', url, body);
    expect(errors?.[0]?.pointer).toBe(pointer);
    expect(await addresses()).toEqual(['10.0.1.0+256']);
  });

  it('refuses more pieces than one answer holds, and names how many', async () => {
    await reserve('10.0.16.0', 4096);
    const url = `${at('10.0.16.0')}/split`;
    const { detail } = await service.refused('invalid-request', 'POST', url, { size: 4 });
    expect(detail).toContain('1024 pieces; at most 1000');
    expect((await service.call('POST', url, { size: 8 })).status).toBe(200);
  });

  it('refuses what does not add up, with the sizes', async () => {
    await reserve('10.0.1.0', 256);
    const url = `${at('10.0.1.0')}/split`;
    const sum = await service.refused('size-mismatch', 'POST', url, { sizes: [128, 127] });
    expect(sum.detail).toBe('the allocation has size 256, the sizes make 255');
    await service.refused('size-mismatch', 'POST', url, { size: 100 });
    await service.refused('allocation-not-found', 'POST', `${at('10.0.1.1')}/split`, { size: 1 });
    await service.refused('arena-not-found', 'POST', '/v1/arenas/x/allocations/1/split', {
      size: 1,
    });
  });

  it('refuses parts of a quantum, spans of other arenas, and pieces of a quantum cache', async () => {
    await service.call('POST', '/v1/arenas', {
      name: 'pages',
      quantum: 16,
      quantumCacheMax: 64,
      spans: [{ base: 0, size: 4096 }],
    });
    const { body: large } = await service.call('POST', '/v1/arenas/pages/alloc', { size: 256 });
    const url = `/v1/arenas/pages/allocations/${large.address}/split`;
    await service.refused('invalid-request', 'POST', url, { sizes: [8, 248] });
    await service.refused('invalid-request', 'POST', url, { size: 8 });
    const { body: piece } = await service.call('POST', '/v1/arenas/pages/alloc', { size: 64 });
    const cached = `/v1/arenas/pages/allocations/${piece.address}/split`;
    await service.refused('allocation-busy', 'POST', cached, { size: 32 });
    await service.call('POST', '/v1/arenas', { name: 'child', notation: 'ipv4', source: 'pods' });
    const { body: held } = await service.call('POST', '/v1/arenas/child/alloc', { size: 4 });
    await service.refused('allocation-busy', 'POST', `${at(held.address)}/split`, { size: 2 });
  });

  it('keeps an imported span until its last piece is freed', async () => {
    const child = { name: 'child', notation: 'ipv4', source: 'pods' };
    await service.call('POST', '/v1/arenas', child);
    const { body } = await service.call('POST', '/v1/arenas/child/alloc', { size: 8 });
    const own = `/v1/arenas/child/allocations/`;
    await service.call('POST', `${own}${body.address}/split`, { size: 2 });
    for (const last of [4, 2, 0, 6]) {
      const spans = await service.call('GET', '/v1/arenas/child/spans');
      expect(spans.body.items).toHaveLength(1);
      expect((await service.call('DELETE', `${own}10.0.0.${last}`)).status).toBe(204);
    }
    expect((await service.call('GET', '/v1/arenas/child/spans')).body.items).toEqual([]);
    expect((await service.call('GET', pods)).body.allocations).toBe(0);
  });
});

describe('merge', () => {
  it('makes of allocations side by side one, known like the lowest', async () => {
    const labels = { env: 'prod' };
    const first = await reserve('10.0.1.0', 64, { owner: 'web', labels });
    await reserve('10.0.1.64', 64, { owner: 'web', labels });
    await reserve('10.0.1.128', 128, { owner: 'web', labels });
    const { status, body, headers } = await service.call('POST', `${at('10.0.1.0')}/merge`, {
      with: ['10.0.1.128', '10.0.1.64'],
    });
    expect(status).toBe(200);
    expect(body).toEqual({
      arena: 'pods',
      address: '10.0.1.0',
      end: '10.0.1.255',
      size: '256',
      cidr: '10.0.1.0/24',
      owner: 'web',
      labels,
      createdAt: first.createdAt,
      revision: 5,
    });
    expect(headers['etag']).toBe('"5"');
    expect(await addresses()).toEqual(['10.0.1.0+256']);
    await service.refused('allocation-not-found', 'GET', at('10.0.1.64'));
    expect((await service.call('GET', `${pods}/check`)).body.ok).toBe(true);
  });

  it('takes all up to an end, and undoes a split', async () => {
    const whole = await reserve('10.0.1.0', 256, { owner: 'web' });
    await service.call('POST', `${at('10.0.1.0')}/split`, { size: 32 });
    const { body } = await service.call('POST', `${at('10.0.1.0')}/merge`, { end: '10.0.1.255' });
    expect(body).toEqual({ ...whole, revision: 4 });
  });

  it('goes by the revision of the lowest', async () => {
    await reserve('10.0.1.0', 128);
    await reserve('10.0.1.128', 128);
    const url = `${at('10.0.1.0')}/merge`;
    const body = { end: '10.0.1.255' };
    await service.refused('precondition-failed', 'POST', url, body, { 'if-match': '"3"' });
    expect((await service.call('POST', url, body, { 'if-match': '"2"' })).status).toBe(200);
  });

  it('wants one owner, and labels where they differ', async () => {
    await reserve('10.0.1.0', 64, { owner: 'web', labels: { a: '1' } });
    await reserve('10.0.1.64', 64, { owner: 'web', labels: { a: '2' } });
    await reserve('10.0.1.128', 64, { owner: 'db', labels: { a: '1' } });
    await reserve('10.0.1.192', 64);
    const url = `${at('10.0.1.0')}/merge`;
    const labels = { a: '3' };
    const { detail } = await service.refused('not-alike', 'POST', url, { with: ['10.0.1.64'] });
    expect(detail).toContain('10.0.1.64 has other labels');
    const owners = { end: '10.0.1.191', labels };
    const other = await service.refused('not-alike', 'POST', url, owners);
    expect(other.detail).toContain('10.0.1.128 has another owner');
    await service.refused('not-alike', 'POST', `${at('10.0.1.128')}/merge`, { end: '10.0.1.255' });
    const { body } = await service.call('POST', url, { with: ['10.0.1.64'], labels });
    expect(body).toMatchObject({ size: '128', labels, owner: 'web' });
  });

  it('refuses gaps, ends inside, and a border of an imported span', async () => {
    await reserve('10.0.1.0', 64);
    await reserve('10.0.1.64', 64);
    await reserve('10.0.1.192', 64);
    const url = `${at('10.0.1.0')}/merge`;
    const gap = await service.refused('not-adjacent', 'POST', url, { with: ['10.0.1.192'] });
    expect(gap.detail).toContain('10.0.1.64');
    await service.refused('not-adjacent', 'POST', url, { end: '10.0.1.255' });
    await service.refused('not-adjacent', 'POST', url, { end: '10.0.1.100' });
    await service.refused('not-adjacent', 'POST', url, { with: ['10.0.1.64', '10.0.1.192'] });
    const child = { name: 'child', notation: 'ipv4', source: 'pods', policy: 'firstfit' };
    await service.call('POST', '/v1/arenas', child);
    for (let i = 0; i < 2; i++) await service.call('POST', '/v1/arenas/child/alloc', { size: 4 });
    const spans = await service.call('GET', '/v1/arenas/child/spans');
    const bases = spans.body.items.map(({ base }: { base: string }) => base);
    expect(bases).toEqual(['10.0.1.128', '10.0.1.132']);
    const inner = '/v1/arenas/child/allocations/10.0.1.128/merge';
    await service.refused('not-adjacent', 'POST', inner, { with: ['10.0.1.132'] });
    expect(await addresses()).toHaveLength(5);
  });

  it('merges over static spans that are adjacent', async () => {
    await service.call('POST', `${pods}/spans`, { cidr: '10.1.0.0/24' });
    await reserve('10.0.255.0', 256);
    await reserve('10.1.0.0', 256);
    const url = `${at('10.0.255.0')}/merge`;
    const { body } = await service.call('POST', url, { with: ['10.1.0.0'] });
    expect(body).toMatchObject({ address: '10.0.255.0', end: '10.1.0.255', size: '512' });
  });

  it.each<[object, string, string]>([
    [{}, 'invalid-request', ''],
    [{ with: ['10.0.1.64'], end: '10.0.1.127' }, 'invalid-request', ''],
    [{ with: [] }, 'invalid-request', '/with'],
    [{ with: ['10.0.1.64', '10.0.1.64'] }, 'invalid-request', '/with/1'],
    [{ with: ['10.0.1.0'] }, 'invalid-request', '/with/0'],
    [{ with: ['10.0.0.0'] }, 'invalid-request', '/with/0'],
    [{ with: ['::1'] }, 'invalid-request', '/with/0'],
    [{ with: [1.5] }, 'invalid-request', '/with/0'],
    [{ with: ['10.0.1.64', '10.0.9.9'] }, 'allocation-not-found', '/with/1'],
    [{ end: '10.0.1.63' }, 'invalid-request', '/end'],
    [{ end: '10.0.1' }, 'invalid-request', '/end'],
    [{ end: '10.0.1.127', owner: 'x' }, 'invalid-request', '/owner'],
  ])('refuses %j as %s', async (body, code, pointer) => {
    await reserve('10.0.0.0', 64);
    await reserve('10.0.1.0', 64);
    await reserve('10.0.1.64', 64);
    const url = `${at('10.0.1.0')}/merge`;
    const { errors } = await service.refused(code as 'invalid-request', 'POST', url, body);
    expect(errors?.[0]?.pointer).toBe(pointer);
  });

  it('refuses more parts than a split can have led to', async () => {
    await reserve('10.0.16.0', 1024);
    await service.call('POST', `${at('10.0.16.0')}/split`, { sizes: [512, 512] });
    for (const half of ['10.0.16.0', '10.0.18.0']) {
      await service.call('POST', `${at(half)}/split`, { size: 1 });
    }
    const url = `${at('10.0.16.0')}/merge`;
    const { errors } = await service.refused('invalid-request', 'POST', url, {
      end: '10.0.19.255',
    });
    expect(errors?.[0]?.pointer).toBe('/end');
    expect((await service.call('POST', url, { end: '10.0.19.231' })).body.size).toBe('1000');
  });

  it('refuses spans of other arenas and pieces of a quantum cache', async () => {
    const spans = [{ base: 0, size: 4096 }];
    await service.call('POST', '/v1/arenas', { name: 'cached', quantumCacheMax: 4, spans });
    const [a, b] = [
      await service.call('POST', '/v1/arenas/cached/alloc', { size: 4 }),
      await service.call('POST', '/v1/arenas/cached/alloc', { size: 4 }),
    ];
    const url = `/v1/arenas/cached/allocations/${a.body.address}/merge`;
    await service.refused('allocation-busy', 'POST', url, { with: [b.body.address] });
  });
});

describe('transfer', () => {
  it('goes from the present owner only, by its revision', async () => {
    await reserve('10.0.1.0', 64, { owner: 'web' });
    const { headers } = await service.call('GET', at('10.0.1.0'));
    const seen = { 'if-match': String(headers['etag']) };
    const moved = await service.call('PATCH', at('10.0.1.0'), { owner: 'db' }, seen);
    expect(moved.body).toMatchObject({ owner: 'db' });
    await service.refused('precondition-failed', 'PATCH', at('10.0.1.0'), { owner: 'x' }, seen);
  });
});
