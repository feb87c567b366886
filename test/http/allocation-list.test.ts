import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../src/limits.ts';
import { Service } from './service.ts';

let service: Service;
beforeEach(async () => {
  service = await Service.start();
  const spans = [{ base: 1000, size: 100_000 }];
  await service.call('POST', '/v1/arenas', { name: 'a', policy: 'firstfit', spans });
});
afterEach(() => service.stop());

const list = '/v1/arenas/a/allocations';

async function addresses(query: string): Promise<string[]> {
  const { body } = await service.call('GET', `${list}${query}`);
  return body.items.map(({ address }: { address: string }) => address);
}

describe('listAllocations', () => {
  beforeEach(async () => {
    for (const [index, owner] of ['x', 'y', 'x', 'z', 'x'].entries()) {
      const labels = { n: String(index), ...(index % 2 === 0 && { even: 'yes=so' }) };
      await service.call('POST', '/v1/arenas/a/alloc', { size: 10, owner, labels });
    }
  });

  it.each<[string, string[]]>([
    ['', ['1000', '1010', '1020', '1030', '1040']],
    ['?owner=x', ['1000', '1020', '1040']],
    ['?owner=nobody', []],
    ['?label=even', ['1000', '1020', '1040']],
    ['?label=even=yes=so', ['1000', '1020', '1040']],
    ['?label=even=yes', []],
    ['?label=n=3', ['1030']],
    ['?label=even&label=n=2', ['1020']],
    ['?label=even&label=n=3', []],
    ['?label=toString', []],
    ['?from=1010', ['1010', '1020', '1030', '1040']],
    ['?from=1011&to=1030', ['1020', '1030']],
    ['?to=1009', ['1000']],
    ['?contains=1015', ['1010']],
    ['?contains=1010', ['1010']],
    ['?contains=1019', ['1010']],
    ['?contains=1050', []],
    ['?contains=5', []],
    ['?contains=1015&owner=x', []],
    ['?contains=1015&from=1011', []],
    ['?contains=1015&to=1009', []],
    ['?from=0x3f2&to=0x3fc', ['1010', '1020']],
  ])('with %s gives %j', async (query, expected) => {
    expect(await addresses(query)).toEqual(expected);
  });

  it('gives pages in order, each allocation once', async () => {
    const seen: string[] = [];
    let url = `${list}?limit=2&label=even`;
    for (;;) {
      const { body } = await service.call('GET', url);
      seen.push(...body.items.map(({ address }: { address: string }) => address));
      if (body.nextCursor === undefined) break;
      url = `${list}?limit=2&label=even&cursor=${body.nextCursor}`;
    }
    expect(seen).toEqual(['1000', '1020', '1040']);
  });

  it('refuses a cursor of another query and takes another page size', async () => {
    const { body } = await service.call('GET', `${list}?limit=2&owner=x`);
    const cursor = body.nextCursor;
    for (const other of ['', '&owner=y', '&owner=x&from=1000', '&owner=x&label=even']) {
      const url = `${list}?cursor=${cursor}${other}`;
      const { errors } = await service.refused('invalid-request', 'GET', url);
      expect(errors?.[0]?.pointer).toBe('/query/cursor');
    }
    expect(await addresses(`?limit=5&owner=x&cursor=${cursor}`)).toEqual(['1040']);
  });

  it.each<[string, string]>([
    ['?from=x', '/query/from'],
    ['?to=10.0.0.1', '/query/to'],
    ['?contains=18446744073709551616', '/query/contains'],
    ['?label==x', '/query/label/0'],
    ['?label=a%20b', '/query/label/0'],
    ['?owner=', '/query/owner'],
    ['?owner=x&owner=y', '/query/owner'],
    [`?${'label=a&'.repeat(17)}`, '/query/label'],
    ['?colour=red', '/query/colour'],
    ['?__proto__=x', '/query/__proto__'],
  ])('refuses %s', async (query, pointer) => {
    const { errors } = await service.refused('invalid-request', 'GET', `${list}${query}`);
    expect(errors?.[0]?.pointer).toBe(pointer);
  });

  it('knows no other arena', async () => {
    await service.refused('arena-not-found', 'GET', '/v1/arenas/b/allocations');
    await service.refused('arena-not-found', 'DELETE', '/v1/arenas/b/allocations');
  });
});

describe('a page of a filtered list', () => {
  it('ends after a bounded number of allocations, and the next goes on', async () => {
    const spans = limits.pageScanMax;
    for (let index = 0; index < spans + 5; index += 1) {
      const outcome = await service.sequencer.execute(
        {
          type: 'alloc',
          at: 0,
          arena: 'a',
          size: 1n,
          constraint: {},
          labels: index === spans + 1 ? { rare: 'yes' } : {},
          seed: 0,
        },
        () => undefined,
      );
      expect(outcome).not.toHaveProperty('refused');
    }
    const first = await service.call('GET', `${list}?label=rare`);
    expect(first.body.items).toEqual([]);
    const next = `${list}?label=rare&cursor=${first.body.nextCursor}`;
    const { body } = await service.call('GET', next);
    expect(body.items).toEqual([expect.objectContaining({ labels: { rare: 'yes' } })]);
    expect(body).not.toHaveProperty('nextCursor');
  });
});

describe('freeAll', () => {
  it('frees nothing at another revision of the arena', async () => {
    const { body } = await service.call('POST', '/v1/arenas/a/alloc', { size: 10 });
    const stale = { 'if-match': `"${body.revision - 1}"` };
    await service.refused('precondition-failed', 'DELETE', list, undefined, stale);
    expect(await addresses('')).toEqual(['1000']);
    const fresh = { 'if-match': `"${body.revision}"` };
    expect((await service.call('DELETE', list, undefined, fresh)).body.freed).toBe(1);
  });

  it('says how many there were', async () => {
    for (let index = 0; index < 3; index += 1) {
      await service.call('POST', '/v1/arenas/a/alloc', { size: 10 });
    }
    const { status, body } = await service.call('DELETE', list);
    expect({ status, body }).toEqual({ status: 200, body: { freed: 3, revision: 5 } });
    expect(await addresses('')).toEqual([]);
    const whole = await service.call('POST', '/v1/arenas/a/alloc', { size: 100_000 });
    expect(whole.status).toBe(201);
  });
});
