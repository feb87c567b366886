import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readWideFilter } from '../../src/http/allocation-filter.ts';
import { pageOfArenas } from '../../src/http/allocation-list.ts';
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
    ['?within=1010-1029', ['1010', '1020']],
    ['?within=1011-1029', ['1020']],
    ['?within=1010-1028', ['1010']],
    ['?within=1010', []],
    ['?within=0-0xffff', ['1000', '1010', '1020', '1030', '1040']],
    ['?within=1000-1049&from=1005&to=1030', ['1010', '1020', '1030']],
    ['?overlaps=1019', ['1010']],
    ['?overlaps=1019-1020', ['1010', '1020']],
    ['?overlaps=0-1000', ['1000']],
    ['?overlaps=1049-9999', ['1040']],
    ['?overlaps=1050-9999', []],
    ['?overlaps=1015-1025&from=1011', ['1020']],
    ['?overlaps=1015-1025&within=1010-1025', ['1010']],
    ['?overlaps=1015-1025&owner=x', ['1020']],
    ['?contains=1011-1019', ['1010']],
    ['?contains=1010-1019', ['1010']],
    ['?contains=1011-1020', []],
    ['?contains=1015&overlaps=1012', ['1010']],
    ['?contains=1015&overlaps=1022', []],
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
      const { errors } = await service.refused('cursor-mismatch', 'GET', url);
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
    ['?within=5-', '/query/within'],
    ['?within=-5', '/query/within'],
    ['?within=5-4', '/query/within'],
    ['?within=1-2-3', '/query/within'],
    ['?within=', '/query/within'],
    ['?overlaps=10.0.0.0/8', '/query/overlaps'],
    ['?overlaps=1000/8', '/query/overlaps'],
    ['?contains=1000&contains=1001', '/query/contains'],
    [`?contains=${'1'.repeat(92)}`, '/query/contains'],
    ['?arenaPrefix=a', '/query/arenaPrefix'],
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

describe('searchAllocations', () => {
  const all = '/v1/allocations';

  /** `arena/address` of all pages of a search. */
  async function found(query: string, limit = 1000): Promise<string[]> {
    const places: string[] = [];
    let cursor = '';
    for (;;) {
      const url = `${all}?limit=${limit}${query}${cursor}`;
      const { body } = await service.call('GET', url);
      for (const { arena, address } of body.items) places.push(`${arena}/${address}`);
      if (body.nextCursor === undefined) return places;
      cursor = `&cursor=${body.nextCursor}`;
    }
  }

  beforeEach(async () => {
    const arenas = [
      { name: 'team-a.pods', notation: 'ipv4', spans: [{ cidr: '10.0.0.0/16' }] },
      { name: 'team-a.sites', notation: 'ipv6', spans: [{ cidr: '2001:db8::/32' }] },
      { name: 'team-b.empty', notation: 'ipv4', spans: [{ cidr: '10.0.0.0/16' }] },
      { name: 'team-b.ids', width: 32, spans: [{ base: 1000, size: 10 }] },
      { name: 'team-ab', notation: 'ipv4', spans: [{ cidr: '10.0.0.0/16' }] },
    ];
    for (const arena of arenas) await service.call('POST', '/v1/arenas', arena);
    const takes: [string, object][] = [
      ['a', { size: 10, owner: 'x' }],
      ['a', { size: 10, owner: 'y', labels: { env: 'prod' } }],
      ['team-a.pods', { prefixLength: 24, owner: 'x', labels: { env: 'prod' } }],
      ['team-a.pods', { prefixLength: 24, owner: 'y' }],
      ['team-a.sites', { prefixLength: 48, owner: 'x' }],
      ['team-b.ids', { size: 1, owner: 'x', labels: { env: 'test' } }],
      ['team-ab', { prefixLength: 20, owner: 'x' }],
    ];
    for (const [arena, body] of takes) {
      expect((await service.call('POST', `/v1/arenas/${arena}/alloc`, body)).status).toBe(201);
    }
  });

  const cases: readonly [string, string[]][] = [
    [
      '',
      [
        'a/1000',
        'a/1010',
        'team-a.pods/10.0.0.0',
        'team-a.pods/10.0.1.0',
        'team-a.sites/2001:db8::',
        'team-ab/10.0.0.0',
        'team-b.ids/1000',
      ],
    ],
    ['&owner=y', ['a/1010', 'team-a.pods/10.0.1.0']],
    ['&label=env', ['a/1010', 'team-a.pods/10.0.0.0', 'team-b.ids/1000']],
    ['&label=env=prod&owner=x', ['team-a.pods/10.0.0.0']],
    [
      '&arenaPrefix=team-a.',
      ['team-a.pods/10.0.0.0', 'team-a.pods/10.0.1.0', 'team-a.sites/2001:db8::'],
    ],
    ['&arenaPrefix=team-b.ids', ['team-b.ids/1000']],
    ['&arenaPrefix=zz', []],
    ['&within=10.0.0.0/23', ['team-a.pods/10.0.0.0', 'team-a.pods/10.0.1.0']],
    ['&overlaps=10.0.1.0/24', ['team-a.pods/10.0.1.0', 'team-ab/10.0.0.0']],
    ['&contains=10.0.0.9', ['team-a.pods/10.0.0.0', 'team-ab/10.0.0.0']],
    ['&contains=10.0.0.0-10.0.1.0', ['team-ab/10.0.0.0']],
    ['&contains=2001:db8::1', ['team-a.sites/2001:db8::']],
    ['&contains=1000', ['a/1000', 'team-b.ids/1000']],
    ['&from=0xa000000&to=167772160', ['team-a.pods/10.0.0.0', 'team-ab/10.0.0.0']],
    ['&from=10.0.0.1', ['team-a.pods/10.0.1.0']],
    // Beyond 32 bits: the arenas that cannot hold it have none.
    ['&overlaps=1000-4294967296', ['a/1000', 'a/1010']],
    ['&from=10.0.0.1&contains=2001:db8::1', []],
    ['&from=5&contains=10.0.1.3', ['team-a.pods/10.0.1.0', 'team-ab/10.0.0.0']],
  ];

  it('gives what matches, in pages of any size', async () => {
    for (const [query, expected] of cases) {
      expect(await found(query), query).toEqual(expected);
      expect(await found(query, 1), query).toEqual(expected);
    }
  });

  it('refuses what is no filter', async () => {
    const faults: readonly [string, string][] = [
      ['&within=10.0.0.1/8', '/query/within'],
      ['&within=10/8', '/query/within'],
      ['&within=2001:db8::-10.0.0.0', '/query/within'],
      ['&contains=x', '/query/contains'],
      ['&from=340282366920938463463374607431768211456', '/query/from'],
      ['&arenaPrefix=', '/query/arenaPrefix'],
      ['&arenaPrefix=Team', '/query/arenaPrefix'],
      ['&arena=a', '/query/arena'],
    ];
    for (const [query, pointer] of faults) {
      const { errors } = await service.refused('invalid-request', 'GET', `${all}?limit=1${query}`);
      expect(errors?.[0]?.pointer).toBe(pointer);
    }
  });

  it('goes on after an arena that is gone, and refuses the cursor of another search', async () => {
    const { body } = await service.call('GET', `${all}?limit=3`);
    await service.call('DELETE', '/v1/arenas/team-a.pods?force=true');
    const next = await service.call('GET', `${all}?limit=3&cursor=${body.nextCursor}`);
    expect(next.body.items[0]).toMatchObject({ arena: 'team-a.sites' });
    for (const other of ['&owner=x', '&arenaPrefix=team-a.', '&within=10.0.0.0/8']) {
      const url = `${all}?limit=3&cursor=${body.nextCursor}${other}`;
      await service.refused('cursor-mismatch', 'GET', url);
    }
    const foreign = await service.call('GET', `${list}?limit=1`);
    await service.refused('cursor-mismatch', 'GET', `${all}?cursor=${foreign.body.nextCursor}`);
  });

  it('looks at a bounded number of arenas and allocations for a page', () => {
    const { engine } = service;
    const filter = readWideFilter({ owner: 'x' });
    for (const most of [2, 3, 5]) {
      const places: string[] = [];
      let pages = 0;
      let place = { arena: '', address: 0n };
      for (;;) {
        const wanted = { filter, prefix: '', limit: 1000, most };
        const { items, next } = pageOfArenas(engine, wanted, place);
        places.push(...items.map(({ view }) => view.arena));
        pages += 1;
        if (next === undefined) break;
        expect(next).not.toEqual(place);
        place = next;
      }
      // There are 6 arenas and 7 allocations to be looked at, of which a page may stand between.
      expect(pages).toBeGreaterThanOrEqual(13 / most);
      expect(places).toEqual(['a', 'team-a.pods', 'team-a.sites', 'team-ab', 'team-b.ids']);
    }
  });
});

describe('a page of a filtered list', () => {
  it(
    'ends after a bounded number of allocations, and the next goes on',
    { timeout: 60_000 },
    async () => {
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
    },
  );
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
