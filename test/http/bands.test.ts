/** Bands: named parts of an arena, exclusive or not, over HTTP. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { policies } from '../../src/engine/command.ts';
import { reborn } from '../model/checkpoint.ts';
import { Service } from './service.ts';

let service: Service;
beforeEach(async () => {
  service = await Service.start();
  await service.call('POST', '/v1/arenas', {
    name: 'pods',
    notation: 'ipv4',
    spans: [{ cidr: '10.0.0.0/24' }],
    bands: [
      { name: 'dynamic', min: '10.0.0.128', max: '10.0.0.255' },
      { name: 'static', min: '10.0.0.0', max: '10.0.0.31', exclusive: true },
      { name: 'reserved', min: '10.0.0.64', max: '10.0.0.95', exclusive: true },
    ],
  });
});
afterEach(() => service.stop());

const pods = '/v1/arenas/pods';

async function alloc(body: object) {
  const answer = await service.call('POST', `${pods}/xalloc`, body);
  expect(answer.status, answer.text).toBe(201);
  return answer.body.address as string;
}

describe('bands of an arena', () => {
  it('are shown in the order of their addresses, with whether they are exclusive', async () => {
    const bands = [
      { name: 'static', min: '10.0.0.0', max: '10.0.0.31', exclusive: true },
      { name: 'reserved', min: '10.0.0.64', max: '10.0.0.95', exclusive: true },
      { name: 'dynamic', min: '10.0.0.128', max: '10.0.0.255', exclusive: false },
    ];
    const { body, headers } = await service.call('GET', pods);
    expect(body.bands).toEqual(bands);
    const ifMatch = { 'if-match': String(headers['etag']) };
    const changed = await service.call('PATCH', pods, { bands: [] }, ifMatch);
    expect(changed.body).not.toHaveProperty('bands');
    const again = await service.call('PATCH', pods, { bands: bands.toReversed() });
    expect(again.body.bands).toEqual(bands);
    expect((await service.call('PATCH', pods, { policy: 'bestfit' })).body.bands).toEqual(bands);
  });

  it.each<[object[], string]>([
    [[{ name: 'a', min: '10.0.0.9', max: '10.0.0.8' }], '/bands/0/min'],
    [[{ name: 'a', min: '::1', max: '10.0.0.8' }], '/bands/0/min'],
    [[{ name: 'a', min: '10.0.0.0' }], '/bands/0/max'],
    [[{ name: 'A', min: 0, max: 1 }], '/bands/0/name'],
    [[{ name: 'a', min: 0, max: 1, exclusive: 'yes' }], '/bands/0/exclusive'],
    [[{ name: 'a', min: 0, max: 1, size: 2 }], '/bands/0/size'],
    [[{ name: 'a', min: 0, max: 2 ** 32 }], '/bands/0/max'],
    [
      [
        { name: 'a', min: 0, max: 9 },
        { name: 'b', min: 9, max: 12 },
      ],
      '/bands/1/min',
    ],
    [
      [
        { name: 'a', min: 0, max: 9 },
        { name: 'a', min: 10, max: 12 },
      ],
      '/bands/1/name',
    ],
    [Array.from({ length: 17 }, (_, i) => ({ name: `b${i}`, min: i, max: i })), '/bands'],
  ])('refuse %j', async (bands, pointer) => {
    const { errors } = await service.refused('invalid-request', 'PATCH', pods, { bands });
    expect(errors?.[0]?.pointer).toBe(pointer);
    const arena = { name: 'other', notation: 'ipv4', bands };
    await service.refused('invalid-request', 'POST', '/v1/arenas', arena);
  });

  it('consist of whole quanta', async () => {
    const arena = { name: 'pages', quantum: 16, spans: [{ base: 0, size: 1024 }] };
    await service.call('POST', '/v1/arenas', arena);
    for (const [min, max, pointer] of [
      [8, 31, '/bands/0/min'],
      [16, 30, '/bands/0/max'],
    ] as const) {
      const bands = [{ name: 'a', min, max }];
      const patched = ['PATCH', '/v1/arenas/pages', { bands }] as const;
      const { errors } = await service.refused('invalid-request', ...patched);
      expect(errors?.[0]?.pointer).toBe(pointer);
    }
  });
});

describe('a request without a band', () => {
  it.each(policies)('keeps out of exclusive ones under %s, to the last address', async (policy) => {
    const taken = new Set<string>();
    for (let i = 0; i < 192; i++) taken.add(await alloc({ size: 1, policy }));
    expect(taken.size).toBe(192);
    for (const address of taken) {
      const last = Number(address.split('.')[3]);
      expect(last >= 32 && (last < 64 || last >= 96), address).toBe(true);
    }
    const body = { size: 1, policy };
    const { exhaustion } = await service.refused('exhausted', 'POST', `${pods}/alloc`, body);
    expect(exhaustion).toMatchObject({ free: '64', largestFitting: '0', limitedBy: ['band'] });
    expect((await service.call('GET', `${pods}/check`)).body.ok).toBe(true);
  });

  it('never gets what only exclusive bands leave together', async () => {
    await service.refused('never-fits', 'POST', `${pods}/alloc`, { size: 161 });
    expect(await alloc({ size: 160 })).toBe('10.0.0.96');
    expect(await alloc({ size: 32 })).toBe('10.0.0.32');
  });

  it.each<[number, string]>([
    [1, '10.0.0.5'],
    [1, '10.0.0.0'],
    [1, '10.0.0.95'],
    [4, '10.0.0.61'],
    [2, '10.0.0.31'],
  ])('of %i addresses at %s has to name the band', async (size, address) => {
    const url = `${pods}/xalloc`;
    const { detail } = await service.refused('band-required', 'POST', url, { size, address });
    expect(detail).toMatch(/exclusive band '(static|reserved)'/);
  });

  it('may have an address beside them, and in bands that are not exclusive', async () => {
    expect(await alloc({ size: 32, address: '10.0.0.32' })).toBe('10.0.0.32');
    expect(await alloc({ size: 1, address: '10.0.0.200' })).toBe('10.0.0.200');
  });

  it('is told by a preview, and counted by fits, as it is granted', async () => {
    const url = `${pods}/alloc`;
    const body = { size: 40, policy: 'firstfit' };
    const preview = await service.call('POST', url, { ...body, validateOnly: true });
    expect(preview.body.address).toBe('10.0.0.96');
    expect((await service.call('POST', url, body)).body.address).toBe('10.0.0.96');
    const { body: left } = await service.call('GET', `${pods}/fits?size=40`);
    expect(left).toMatchObject({ count: '3', largestFitting: '120' });
  });
});

describe('a request with a band', () => {
  it('gets a block inside of it, under its constraint', async () => {
    expect(await alloc({ size: 1, band: 'static' })).toBe('10.0.0.0');
    expect(await alloc({ size: 1, band: 'static', min: '10.0.0.20' })).toBe('10.0.0.20');
    expect(await alloc({ size: 1, band: 'reserved', max: '10.0.0.64' })).toBe('10.0.0.64');
    expect(await alloc({ size: 1, band: 'static', address: '10.0.0.5' })).toBe('10.0.0.5');
    expect(await alloc({ prefixLength: 28, band: 'dynamic' })).toBe('10.0.0.128');
    const { body } = await service.call('POST', `${pods}/alloc`, { size: 8, band: 'static' });
    expect(body.address).toBe('10.0.0.6');
  });

  it('gets nothing outside of it', async () => {
    const url = `${pods}/xalloc`;
    await service.refused('never-fits', 'POST', url, { size: 33, band: 'static' });
    const outside = { size: 1, band: 'static', address: '10.0.0.32' };
    await service.refused('never-fits', 'POST', url, outside);
    const apart = { size: 1, band: 'static', min: '10.0.0.40' };
    await service.refused('never-fits', 'POST', url, apart);
    await alloc({ size: 32, band: 'static' });
    const full = await service.refused('exhausted', 'POST', url, { size: 1, band: 'static' });
    expect(full.exhaustion).toMatchObject({ free: '224', limitedBy: ['band'] });
    const { body } = await service.call('GET', `${pods}/fits?size=8&band=reserved`);
    expect(body).toMatchObject({ count: '4', largestFitting: '32' });
  });

  it('is refused where there is no such band', async () => {
    const body = { size: 1, band: 'none' };
    const { errors } = await service.refused('band-not-found', 'POST', `${pods}/alloc`, body);
    expect(errors?.[0]?.pointer).toBe('/band');
    await service.refused('band-not-found', 'GET', `${pods}/fits?size=1&band=none`);
    const bad = { size: 1, band: 'No' };
    await service.refused('invalid-request', 'POST', `${pods}/alloc`, bad);
  });

  it('can be part of a batch', async () => {
    const operations = [
      { op: 'xalloc', arena: 'pods', size: 1, band: 'static' },
      { op: 'alloc', arena: 'pods', size: 1, band: 'reserved' },
      { op: 'alloc', arena: 'pods', size: 1, policy: 'firstfit' },
    ];
    const { body } = await service.call('POST', '/v1/batch', { operations });
    const addresses = body.results.map(({ address }: { address: string }) => address);
    expect(addresses).toEqual(['10.0.0.0', '10.0.0.64', '10.0.0.32']);
  });
});

describe('resize', () => {
  it('does not grow into an exclusive band, but may grow inside of one', async () => {
    await alloc({ size: 8, address: '10.0.0.48' });
    const at = `${pods}/allocations/10.0.0.48/resize`;
    await service.refused('band-required', 'POST', at, { size: 17 });
    expect((await service.call('POST', at, { size: 16 })).status).toBe(200);
    await alloc({ size: 8, band: 'static' });
    const inside = `${pods}/allocations/10.0.0.0/resize`;
    expect((await service.call('POST', inside, { size: 32 })).status).toBe(200);
  });
});

describe('what is there already', () => {
  it('stays where it is when bands change', async () => {
    const address = await alloc({ size: 16, address: '10.0.0.128' });
    const bands = [{ name: 'new', min: '10.0.0.128', max: '10.0.0.143', exclusive: true }];
    expect((await service.call('PATCH', pods, { bands })).status).toBe(200);
    const at = `${pods}/allocations/${address}`;
    expect((await service.call('PATCH', at, { owner: 'web' })).status).toBe(200);
    expect((await service.call('POST', `${at}/resize`, { size: 4 })).status).toBe(200);
    expect((await service.call('POST', `${at}/resize`, { size: 16 })).status).toBe(200);
    expect((await service.call('DELETE', at)).status).toBe(204);
    await service.refused('band-required', 'POST', `${pods}/xalloc`, { size: 1, address });
  });

  it('may be pieces of a quantum cache, of which those in a band are left alone', async () => {
    const spans = [{ base: 0, size: 64 }];
    const cached = { name: 'cached', quantumCacheMax: 4, policy: 'firstfit', spans };
    await service.call('POST', '/v1/arenas', cached);
    const url = '/v1/arenas/cached/alloc';
    expect((await service.call('POST', url, { size: 4 })).body.address).toBe('0');
    const bands = [{ name: 'low', min: 0, max: 7, exclusive: true }];
    await service.call('PATCH', '/v1/arenas/cached', { bands });
    expect((await service.call('POST', url, { size: 4 })).body.address).toBe('8');
  });
});

describe('imports', () => {
  it("keep out of the source's exclusive bands, and carry the arena's own up", async () => {
    await service.call('POST', '/v1/arenas', {
      name: 'child',
      notation: 'ipv4',
      source: 'pods',
      policy: 'firstfit',
      bands: [{ name: 'high', min: '10.0.0.224', max: '10.0.0.255', exclusive: true }],
    });
    const url = '/v1/arenas/child/alloc';
    const addresses: string[] = [];
    for (let i = 0; i < 160; i++) {
      const { status, body } = await service.call('POST', url, { size: 1 });
      expect(status).toBe(201);
      addresses.push(body.address);
    }
    const last = (address: string) => Number(address.split('.')[3]);
    expect(new Set(addresses).size).toBe(160);
    expect(addresses.every((a) => last(a) >= 32 && last(a) < 224)).toBe(true);
    expect(addresses.every((a) => last(a) < 64 || last(a) >= 96)).toBe(true);
    await service.refused('exhausted', 'POST', url, { size: 1 });
    const { body } = await service.call('POST', url, { size: 4, band: 'high' });
    expect(last(body.address)).toBeGreaterThanOrEqual(224);
    const xalloc = '/v1/arenas/child/xalloc';
    await service.refused('never-fits', 'POST', xalloc, { size: 1, address: '10.0.0.5' });
  });
});

it('bands are in snapshots and in events', async () => {
  await service.call('PATCH', pods, { bands: [{ name: 'all', min: 0, max: 2 ** 32 - 1 }] });
  const { bands } = reborn(service.engine).arena('pods')!;
  expect(bands).toEqual([{ name: 'all', min: 0n, max: 2n ** 32n - 1n, exclusive: false }]);
});
