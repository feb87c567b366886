import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Service } from './service.ts';

let service: Service;
beforeEach(async () => {
  service = await Service.start();
  await service.call('POST', '/v1/arenas', {
    name: 'pods',
    notation: 'ipv4',
    spans: [{ cidr: '10.0.0.0/24' }],
  });
  await service.call('POST', '/v1/arenas', { name: 'vlans', spans: [{ base: 1, size: 4094 }] });
  await service.call('POST', '/v1/arenas', {
    name: 'team',
    notation: 'ipv4',
    source: 'pods',
    importSize: 32,
  });
});
afterEach(() => service.stop());

const batch = (...operations: object[]) => service.call('POST', '/v1/batch', { operations });
const refused = (code: Parameters<Service['refused']>[0], ...operations: object[]) =>
  service.refused(code, 'POST', '/v1/batch', { operations });
const state = async () => {
  const arenas = await service.call('GET', '/v1/arenas');
  const maps = ['pods', 'vlans', 'team'].map((name) =>
    service.call('GET', `/v1/arenas/${name}/segments`),
  );
  return [arenas.body, ...(await Promise.all(maps)).map(({ body }) => body)];
};

describe('batch', () => {
  it('grants the same again for operations that are the same, but for leases of their own', async () => {
    const plain = { op: 'alloc', arena: 'vlans', size: 2, labels: { a: 'b' } };
    const { status, body } = await batch(
      { op: 'alloc', arena: 'vlans', size: 1 },
      { op: 'alloc', arena: 'vlans', size: 1 },
      { op: 'alloc', arena: 'vlans', size: '1' },
      { op: 'alloc', arena: 'vlans', size: 1, owner: 'me' },
      { op: 'alloc', arena: 'vlans', size: 1 },
      { op: 'alloc', arena: 'vlans', size: 1, ttlSeconds: 60 },
      { op: 'alloc', arena: 'vlans', size: 1, ttlSeconds: 60 },
      plain,
      plain,
      { op: 'free', arena: 'vlans', address: '#1.address' },
      { op: 'free', arena: 'vlans', address: '#0.address' },
    );
    expect(status).toBe(200);
    const { results } = body as { results: Record<string, unknown>[] };
    expect(results.map(({ size }) => size)).toEqual([...'11111112211']);
    expect(results.map(({ owner }) => owner)[3]).toBe('me');
    expect(results.map(({ owner }) => owner)[4]).toBeUndefined();
    expect(new Set(results.slice(0, 9).map(({ address }) => address)).size).toBe(9);
    expect(results[5]!['lease']).toMatch(/^[0-9a-f-]{36}$/);
    expect(results[6]!['lease']).not.toBe(results[5]!['lease']);
    expect(results[8]).toMatchObject({ labels: { a: 'b' } });
    const listed = await service.call('GET', '/v1/arenas/vlans/allocations');
    expect((listed.body['items'] as object[]).length).toBe(7);
  });

  it.each([
    ['sizes as numbers', { op: 'alloc', arena: 'vlans', size: 2 }],
    ['leases of their own', { op: 'alloc', arena: 'vlans', size: 1, ttlSeconds: 60 }],
    ['owners and labels', { op: 'alloc', arena: 'pods', size: 4, owner: 'é', labels: { a: ']}' } }],
    ['a constraint', { op: 'xalloc', arena: 'pods', size: 4, align: 8, min: '10.0.0.64' }],
    ['no room', { op: 'alloc', arena: 'pods', prefixLength: 28 }],
    ['an unknown arena', { op: 'alloc', arena: 'none', size: 1 }],
    ['an unknown field', { op: 'alloc', arena: 'vlans', size: 1, what: true }],
    ['an unsafe integer', { op: 'alloc', arena: 'vlans', size: 2 ** 53 }],
    ['no arena', { op: 'alloc', size: 1 }],
  ])('answers %s many times as it does where their text is not the same', async (_what, one) => {
    const turned = Object.fromEntries(Object.entries(one).toReversed());
    const same = Array<object>(24).fill(one);
    const mixed = same.map((operation, i) => (i % 2 === 1 ? turned : operation));
    const lease = /[0-9a-f]{8}-[0-9a-f-]{27}/g;
    const answers = [];
    for (const operations of [same, mixed]) {
      if (answers.length > 0) {
        for (const arena of ['vlans', 'pods']) {
          await service.call('DELETE', `/v1/arenas/${arena}/allocations`);
        }
      }
      const { status, text } = await service.call('POST', '/v1/batch', { operations });
      const { body } = await service.call('GET', '/v1/arenas/vlans/segments');
      answers.push([status, text.replace(lease, '-').replaceAll(/(evision|At)":"?[^,}]+/g, '')]);
      answers.push(body);
    }
    expect(answers.slice(2)).toEqual(answers.slice(0, 2));
  });

  it('refuses the one of operations that are the same for which there is no room', async () => {
    const problem = await refused(
      'exhausted',
      ...Array.from({ length: 5 }, () => ({ op: 'alloc', arena: 'pods', size: 64 })),
    );
    expect(problem).toMatchObject({ operation: 4 });
  });

  it('takes from several arenas in one revision, imports included', async () => {
    const { status, body } = await batch(
      { op: 'alloc', arena: 'vlans', size: 1, owner: 'tenant-7' },
      { op: 'alloc', arena: 'team', prefixLength: 28, owner: 'tenant-7' },
      { op: 'xalloc', arena: 'pods', size: 4, address: '10.0.0.200', labels: { role: 'lb' } },
    );
    expect(status).toBe(200);
    expect(body).toMatchObject({
      revision: 4,
      results: [
        { op: 'alloc', arena: 'vlans', address: '1', size: '1', owner: 'tenant-7', revision: 4 },
        { op: 'alloc', arena: 'team', address: '10.0.0.0', cidr: '10.0.0.0/28', revision: 4 },
        { op: 'xalloc', arena: 'pods', address: '10.0.0.200', labels: { role: 'lb' }, revision: 4 },
      ],
    });
    expect((await service.call('GET', '/readyz')).body).toMatchObject({ revision: 4 });
  });

  it('does nothing at all where one operation is refused', async () => {
    await batch({ op: 'alloc', arena: 'team', size: 8 });
    const before = await state();
    const problem = await refused(
      'taken',
      { op: 'alloc', arena: 'team', size: 32 },
      { op: 'free', arena: 'team', address: '10.0.0.0' },
      { op: 'alloc', arena: 'vlans', size: 100 },
      { op: 'xalloc', arena: 'pods', size: 1, address: '10.0.0.40' },
    );
    expect(problem).toMatchObject({ operation: 3 });
    expect(await state()).toEqual(before);
  });

  it('sees what the operations before did', async () => {
    const { body } = await batch(
      { op: 'alloc', arena: 'pods', size: 256 },
      { op: 'free', arena: 'pods', address: '#0.address', size: '#0.size' },
      { op: 'alloc', arena: 'pods', size: 128 },
      { op: 'xalloc', arena: 'pods', size: 1, min: '#2.end' },
      { op: 'update', arena: 'pods', address: '#2.address', owner: 'me' },
      { op: 'resize', arena: 'pods', address: '#2.address', size: '64' },
    );
    expect(body.results).toMatchObject([
      { op: 'alloc', address: '10.0.0.0', size: '64' },
      { op: 'free', address: '10.0.0.0', end: '10.0.0.255', size: '256' },
      { op: 'alloc', address: '10.0.0.0', size: '64', owner: 'me' },
      { op: 'xalloc', address: '10.0.0.128', size: '1' },
      { op: 'update', address: '10.0.0.0', owner: 'me', size: '64' },
      { op: 'resize', address: '10.0.0.0', size: '64' },
    ]);
  });

  it('splits and merges, also what it has just made', async () => {
    const labels = { env: 'prod' };
    const { body } = await batch(
      { op: 'alloc', arena: 'pods', size: 64, owner: 'web', labels },
      { op: 'xalloc', arena: 'pods', size: 32, min: '#0.end', owner: 'web', labels },
      { op: 'merge', arena: 'pods', address: '#0.address', with: ['#1.address'] },
      { op: 'split', arena: 'pods', address: '#2.address', sizes: ['#1.size', 16, '0x30'] },
      { op: 'free', arena: 'pods', address: '10.0.0.32', size: 16 },
      { op: 'split', arena: 'pods', address: '10.0.0.48', size: 16 },
      { op: 'merge', arena: 'pods', address: '10.0.0.64', end: '#5.end', labels: { env: 'x' } },
    );
    const known = { arena: 'pods', owner: 'web', labels };
    expect(body.results).toMatchObject([
      { op: 'alloc', ...known, address: '10.0.0.0', size: '32' },
      { op: 'xalloc', ...known, address: '10.0.0.64', size: '32', labels: { env: 'x' } },
      { op: 'merge', ...known, address: '10.0.0.0', size: '32' },
      {
        op: 'split',
        arena: 'pods',
        address: '10.0.0.0',
        end: '10.0.0.95',
        size: '96',
        pieces: [
          { address: '10.0.0.0', size: '32', cidr: '10.0.0.0/27' },
          { address: '10.0.0.32', size: '16', cidr: '10.0.0.32/28' },
          { address: '10.0.0.48', end: '10.0.0.95', size: '48' },
        ],
      },
      { op: 'free', address: '10.0.0.32', size: '16' },
      { op: 'split', size: '48', pieces: [{}, {}, {}] },
      { op: 'merge', ...known, address: '10.0.0.64', size: '32', labels: { env: 'x' } },
    ]);
    const { items } = (await service.call('GET', '/v1/arenas/pods/allocations')).body;
    expect(items).toMatchObject([
      { ...known, address: '10.0.0.0', size: '32' },
      { ...known, address: '10.0.0.48', size: '16' },
      { ...known, address: '10.0.0.64', size: '32', labels: { env: 'x' } },
    ]);
    expect(new Set(items.map(({ revision }: { revision: number }) => revision))).toEqual(
      new Set([body.revision]),
    );
    expect((await service.call('GET', '/v1/arenas/pods/check')).body.ok).toBe(true);
  });

  it('undoes a split with the rest where an operation behind it is refused', async () => {
    await batch({ op: 'alloc', arena: 'pods', size: 64 }, { op: 'alloc', arena: 'pods', size: 64 });
    const before = await state();
    const split = { op: 'split', arena: 'pods', address: '10.0.0.0', size: 1 };
    const merge = { op: 'merge', arena: 'pods', address: '10.0.0.0', end: '10.0.0.127' };
    const refusals = [
      await refused('size-mismatch', merge, { ...split, size: 48 }),
      await refused('allocation-not-found', split, {
        ...merge,
        with: ['10.0.0.70'],
        end: undefined,
      }),
      await refused('precondition-failed', split, { ...merge, ifRevision: 4 }),
    ];
    for (const problem of refusals) expect(problem).toMatchObject({ operation: 1 });
    expect(refusals[1]).toMatchObject({ errors: [{ pointer: '/operations/1/with/0' }] });
    expect(await state()).toEqual(before);
    expect((await batch(split, merge)).status).toBe(200);
  });

  it('leads to ten thousand pieces in all, and no more', async () => {
    await service.call('POST', '/v1/arenas', { name: 'ids', spans: [{ base: 0, size: 20_000 }] });
    const make = { op: 'alloc', arena: 'ids', size: 1000 };
    const split = (at: number) => ({
      op: 'split',
      arena: 'ids',
      address: `#${2 * at}.address`,
      size: 1,
    });
    const ten = Array.from({ length: 10 }, (_, at) => [make, split(at)]).flat();
    const one = await refused('invalid-request', ...ten, make, { ...split(10), size: 500 });
    expect(one).toMatchObject({ operation: 21, errors: [{ pointer: '/operations/21/size' }] });
    const end = { op: 'merge', arena: 'ids', address: '0', end: '1' };
    const parts = await refused('invalid-request', ...ten, end);
    expect(parts).toMatchObject({ operation: 20, errors: [{ pointer: '/operations/20/end' }] });
    const { status, body } = await batch(...ten);
    expect(status).toBe(200);
    expect(body.results[19].pieces).toHaveLength(1000);
  });

  it('gives of a block that is free again only the range', async () => {
    const { body } = await batch(
      { op: 'alloc', arena: 'vlans', size: 2, owner: 'a' },
      { op: 'free', arena: 'vlans', address: '#0.address' },
    );
    expect(body.results[0]).toEqual({
      op: 'alloc',
      arena: 'vlans',
      address: '1',
      end: '2',
      size: '2',
    });
  });

  it.each(['#1.address', '#2.address', '#9999.end'])(
    'refuses the reference %s of operation 1 by a code of its own',
    async (address) => {
      const before = await state();
      const problem = await refused(
        'invalid-reference',
        { op: 'alloc', arena: 'vlans', size: 1 },
        { op: 'free', arena: 'vlans', address },
        { op: 'alloc', arena: 'vlans', size: 1 },
      );
      expect(problem).toMatchObject({
        operation: 1,
        errors: [{ pointer: '/operations/1/address' }],
      });
      expect(await state()).toEqual(before);
    },
  );

  it.each<[object, string]>([
    [{ op: 'split', sizes: ['1', '#1.size'] }, 'sizes/1'],
    [{ op: 'merge', with: ['#0.address', '#5.address'] }, 'with/1'],
    [{ op: 'merge', end: '#1.end' }, 'end'],
  ])('refuses the reference of %o to what is not before it', async (operation, field) => {
    const make = { op: 'alloc', arena: 'vlans', size: 2 };
    const about = { arena: 'vlans', address: '#0.address' };
    const problem = await refused('invalid-reference', make, { ...about, ...operation });
    expect(problem.errors?.[0]?.pointer).toBe(`/operations/1/${field}`);
  });

  it.each<[string, object, string]>([
    ['an unknown operation', { op: 'destroy', arena: 'pods' }, '/operations/0/op'],
    ['an unknown field', { op: 'free', arena: 'pods', addres: '1' }, '/operations/0/addres'],
    [
      'a field of another operation',
      { op: 'free', arena: 'pods', align: 2 },
      '/operations/0/align',
    ],
    ['no address', { op: 'free', arena: 'pods' }, '/operations/0/address'],
    ['no size', { op: 'alloc', arena: 'pods' }, '/operations/0/size'],
    [
      'a reference of no form',
      { op: 'free', arena: 'pods', address: '#0.x' },
      '/operations/0/address',
    ],
    ['size 0', { op: 'alloc', arena: 'pods', size: 0 }, '/operations/0/size'],
    ['an unsafe integer', { op: 'alloc', arena: 'pods', size: 2 ** 60 }, '/operations/0/size'],
    [
      'a size beyond the width',
      { op: 'alloc', arena: 'pods', size: '0x1ffffffff' },
      '/operations/0/size',
    ],
    [
      'a prefix beyond the width',
      { op: 'alloc', arena: 'pods', prefixLength: 33 },
      '/operations/0/prefixLength',
    ],
    ['no sizes', { op: 'split', arena: 'pods', address: '1' }, '/operations/0'],
    ['one size', { op: 'split', arena: 'pods', address: '1', sizes: [1] }, '/operations/0/sizes'],
    [
      'a size of no form',
      { op: 'split', arena: 'pods', address: '1', sizes: [1, '#0.x'] },
      '/operations/0/sizes/1',
    ],
    [
      'an address of no form',
      { op: 'merge', arena: 'pods', address: '1', with: ['#0'] },
      '/operations/0/with/0',
    ],
    [
      'two ways to merge',
      { op: 'merge', arena: 'pods', address: '1', with: ['2'], end: '3' },
      '/operations/0',
    ],
    ['nothing to update', { op: 'update', arena: 'pods', address: '10.0.0.0' }, '/operations/0'],
  ])('points at %s', async (_what, operation, pointer) => {
    const { errors } = await refused('invalid-request', operation);
    expect(errors?.map((error) => error.pointer)).toContain(pointer);
  });

  it('names the operation whose arena is missing', async () => {
    const ok = { op: 'alloc', arena: 'vlans', size: 1 };
    expect(await refused('arena-not-found', ok, { ...ok, arena: 'none' })).toMatchObject({
      operation: 1,
    });
    await refused('invalid-request');
  });

  it('holds every operation to its revision', async () => {
    const { body } = await batch({ op: 'alloc', arena: 'vlans', size: 1 });
    const { revision } = body;
    const address = '1';
    await refused('precondition-failed', {
      op: 'free',
      arena: 'vlans',
      address,
      ifRevision: revision - 1,
    });
    const { status } = await batch({ op: 'free', arena: 'vlans', address, ifRevision: revision });
    expect(status).toBe(200);
  });

  it('takes ten thousand operations, and no more', async () => {
    await service.call('POST', '/v1/arenas', { name: 'ids', spans: [{ base: 0, size: 20_000 }] });
    const operation = { op: 'alloc', arena: 'ids', size: 1 };
    const many = Array.from({ length: 10_000 }, () => operation);
    const { status, body } = await batch(...many);
    expect(status).toBe(200);
    expect(new Set(body.results.map(({ address }: { address: string }) => address)).size).toBe(
      10_000,
    );
    const { errors } = await refused('invalid-request', ...many, operation);
    expect(errors).toMatchObject([{ pointer: '/operations' }]);
  });

  it('is told from a body that is too large', async () => {
    const owner = 'x'.repeat(255);
    const operation = { op: 'alloc', arena: 'vlans', size: 1, owner };
    const many = Array.from({ length: 10_000 }, () => ({
      ...operation,
      labels: { a: owner, b: owner },
    }));
    await refused('payload-too-large', ...many);
  });
});
