/** Allocations by an id of the client's own. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Service } from './service.ts';

let service: Service;
beforeEach(async () => {
  service = await Service.start();
  await post('/v1/arenas', { name: 'pods', notation: 'ipv4', spans: [{ cidr: '10.0.0.0/24' }] });
});
afterEach(() => service.stop());

const path = '/v1/arenas/pods/allocations';
const records = () => service.journal.stored.length;

async function post(url: string, body: object, status = 201): Promise<any> {
  const answer = await service.call('POST', url, body);
  expect(answer.status, answer.text).toBe(status);
  return answer.body;
}

const alloc = (body: object, status = 201) => post('/v1/arenas/pods/alloc', body, status);
const xalloc = (body: object, status = 201) => post('/v1/arenas/pods/xalloc', body, status);

describe('an external id', () => {
  it('is found in every arena that has it, in pages of any size', async () => {
    for (const name of ['low', 'top']) {
      await post('/v1/arenas', { name, spans: [{ base: 0, size: 100 }] });
    }
    for (const arena of ['low', 'pods', 'top']) {
      await post(`/v1/arenas/${arena}/alloc`, { size: 1, externalId: 'same' });
    }
    for (const limit of [1, 2, 1000]) {
      const found: string[] = [];
      for (let cursor = ''; ;) {
        const url = `/v1/allocations?externalId=same&limit=${limit}${cursor}`;
        const { body } = await service.call('GET', url);
        found.push(...body.items.map(({ arena }: { arena: string }) => arena));
        if (body.nextCursor === undefined) break;
        cursor = `&cursor=${body.nextCursor}`;
      }
      expect(found).toEqual(['low', 'pods', 'top']);
    }
  });

  it('gets the same allocation again, with 200 and without a record', async () => {
    const asked = { size: 3, externalId: 'pod/7 ü', owner: 'a', labels: { a: 'b' } };
    const first = await alloc(asked);
    expect(first).toMatchObject({ externalId: 'pod/7 ü', owner: 'a', address: '10.0.0.0' });
    const before = records();
    const again = await service.call('POST', '/v1/arenas/pods/alloc', asked);
    expect(again).toMatchObject({ status: 200, body: first });
    expect(again.headers['etag']).toBe(`"${first.revision}"`);
    expect(again.headers).not.toHaveProperty('location');
    // What is known of it is no part of what is asked for.
    expect(await alloc({ size: 3, externalId: 'pod/7 ü' }, 200)).toEqual(first);
    expect(await alloc({ ...asked, validateOnly: true }, 200)).toEqual(first);
    expect(records()).toBe(before);
    const found = await service.call('GET', `${path}?externalId=${encodeURIComponent('pod/7 ü')}`);
    expect(found.body).toEqual({ items: [first] });
    const wide = await service.call('GET', '/v1/allocations?externalId=none');
    expect(wide.body).toEqual({ items: [] });
  });

  it('is free again when the allocation is', async () => {
    await alloc({ size: 1, externalId: 'a' });
    await service.call('DELETE', `${path}/10.0.0.0`);
    const body = { size: 1, address: '10.0.0.9', externalId: 'a' };
    expect(await xalloc(body)).toMatchObject({ address: '10.0.0.9' });
    await service.call('DELETE', path);
    expect(await alloc({ size: 8, externalId: 'a' })).toMatchObject({ size: '8' });
  });

  it('is unique in its arena alone', async () => {
    await post('/v1/arenas', { name: 'other', spans: [{ base: 0, size: 8 }] });
    await alloc({ size: 1, externalId: 'a' });
    const { arena } = await post('/v1/arenas/other/alloc', { size: 2, externalId: 'a' });
    expect(arena).toBe('other');
    const found = await service.call('GET', '/v1/allocations?externalId=a');
    expect(found.body.items).toHaveLength(2);
  });

  it.each([
    [{ size: 5 }, 'has size 4, not 5'],
    [{ size: 4, address: '10.0.0.4' }, 'is at another address'],
    [{ size: 4, align: 16 }, 'is not aligned to 16, phase 0'],
    [{ size: 4, min: '10.0.0.9' }, 'begins below min'],
    [{ size: 4, max: '10.0.0.10' }, 'ends above max'],
    [{ prefixLength: 29 }, 'has size 4, not 8'],
    [{ size: 4, ttlSeconds: 9 }, 'is under no lease'],
  ])('of an allocation that does not do for %j is taken', async (asked, what) => {
    await xalloc({ size: 4, address: '10.0.0.8', externalId: 'a' });
    const body = { ...asked, externalId: 'a' };
    const refused = await service.refused(
      'external-id-taken',
      'POST',
      '/v1/arenas/pods/xalloc',
      body,
    );
    expect(refused.detail).toBe(`the allocation at 10.0.0.8 has this external id, and ${what}`);
  });

  it('does for a constraint that the allocation meets', async () => {
    const placed = { size: 4, address: '10.0.0.8', externalId: 'a' };
    await xalloc(placed);
    const bounds = { align: 8, nocross: 8, min: '10.0.0.8', max: '10.0.0.11' };
    for (const more of [{}, bounds, { size: undefined, prefixLength: 30 }, { policy: 'lastfit' }]) {
      const { address, ...rest } = placed;
      await xalloc({ ...rest, ...more }, 200);
      await xalloc({ ...rest, ...more, address }, 200);
    }
  });

  it('is that of an allocation under the same lease, or one of the same time', async () => {
    const { id } = await post('/v1/leases', { ttlSeconds: 60 });
    await alloc({ size: 1, externalId: 'joined', lease: id });
    await alloc({ size: 1, externalId: 'joined', lease: id }, 200);
    const own = await alloc({ size: 1, externalId: 'own', ttlSeconds: 60 });
    const again = await alloc({ size: 1, externalId: 'own', ttlSeconds: 60 }, 200);
    expect(again.lease).toBe(own.lease);
    for (const body of [
      { externalId: 'joined' },
      { externalId: 'joined', lease: own.lease },
      { externalId: 'own', ttlSeconds: 61 },
      { externalId: 'own' },
    ]) {
      const request = { size: 1, ...body };
      await service.refused('external-id-taken', 'POST', '/v1/arenas/pods/alloc', request);
    }
    const leases = await service.call('GET', '/v1/leases');
    expect(leases.body.items).toHaveLength(2);
  });

  it('stays with the first piece of a split, and is lost by no merge', async () => {
    await alloc({ size: 8, externalId: 'a' });
    await post(`${path}/10.0.0.0/split`, { size: 4 }, 200);
    const pieces = (await service.call('GET', path)).body.items;
    expect(pieces.map(({ externalId }: { externalId?: string }) => externalId)).toEqual([
      'a',
      undefined,
    ]);
    await post(`${path}/10.0.0.0/merge`, { with: ['10.0.0.4'] }, 200);
    await alloc({ size: 8, externalId: 'b' });
    const merge = { with: ['10.0.0.8'] };
    await service.refused('not-alike', 'POST', `${path}/10.0.0.0/merge`, merge);
    const { problems } = (await service.call('GET', '/v1/arenas/pods/check')).body;
    expect(problems).toEqual([]);
  });

  it('is answered in a batch like any other, also one of the same batch', async () => {
    const first = await alloc({ size: 2, externalId: 'a' });
    const op = { op: 'alloc', arena: 'pods' };
    const operations = [
      { ...op, size: 2, externalId: 'a' },
      { ...op, size: 1, externalId: 'b' },
      { ...op, size: 1, externalId: 'b' },
    ];
    const { results } = await post('/v1/batch', { operations }, 200);
    expect(results.map(({ address }: { address: string }) => address)).toEqual([
      first.address,
      '10.0.0.2',
      '10.0.0.2',
    ]);
    const before = records();
    expect((await post('/v1/batch', { operations }, 200)).results).toEqual(results);
    expect(records()).toBe(before);
  });

  it.each([[''], ['a'.repeat(256)], ['a\n'], [7]])('is not %j', async (externalId) => {
    const body = { size: 1, externalId };
    const { errors } = await service.refused(
      'invalid-request',
      'POST',
      '/v1/arenas/pods/alloc',
      body,
    );
    expect(errors?.[0]?.pointer).toBe('/externalId');
  });

  it('is not changed', async () => {
    await alloc({ size: 1, externalId: 'a' });
    const change = { externalId: 'b' };
    await service.refused('invalid-request', 'PATCH', `${path}/10.0.0.0`, change);
    const patched = await service.call('PATCH', `${path}/10.0.0.0`, { owner: 'me' });
    expect(patched.body).toMatchObject({ externalId: 'a', owner: 'me' });
  });
});
