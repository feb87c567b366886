/** Limits of owners, and who holds how much, over HTTP. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { reborn } from '../model/checkpoint.ts';
import { Service } from './service.ts';

let service: Service;
beforeEach(async () => {
  service = await Service.start();
  await service.call('POST', '/v1/arenas', {
    name: 'a',
    spans: [{ base: 0, size: 1000 }],
    ownerLimit: 100,
    ownerLimits: [
      { owner: 'none', limit: 0 },
      { owner: 'big', limit: '0x100' },
    ],
  });
});
afterEach(() => service.stop());

const a = '/v1/arenas/a';
const ann = { owner: 'ann' };

async function alloc(size: number, more: object = ann) {
  const answer = await service.call('POST', `${a}/alloc`, { size, ...more });
  expect(answer.status, answer.text).toBe(201);
  return `${a}/allocations/${answer.body.address}`;
}

/** Refused for a limit of an owner; the figures that come with it. */
async function exceeds(...request: Parameters<Service['call']>) {
  return (await service.refused('limit-exceeded', ...request)).exceeded;
}

const more = (size: number, who: object = ann) =>
  exceeds('POST', `${a}/alloc`, { size, ...who, waitSeconds: 0 });

async function owners(query = '') {
  return (await service.call('GET', `${a}/owners${query}`)).body;
}

describe('limits of owners', () => {
  it('are shown, changed as a whole, and gone again', async () => {
    const { body } = await service.call('GET', a);
    expect(body.ownerLimit).toBe('100');
    expect(body.ownerLimits).toEqual([
      { owner: 'big', limit: '256' },
      { owner: 'none', limit: '0' },
    ]);
    const changes = { ownerLimits: [{ owner: 'ann', limit: 3 }] };
    const changed = await service.call('PATCH', a, changes);
    expect(changed.body).toMatchObject({ ownerLimit: '100', ownerLimits: [{ limit: '3' }] });
    const bare = await service.call('PATCH', a, {
      ownerLimit: String(2n ** 128n),
      ownerLimits: [],
    });
    expect(bare.body).not.toHaveProperty('ownerLimit');
    expect(bare.body).not.toHaveProperty('ownerLimits');
    await alloc(900);
  });

  it('are refused where they are no limits', async () => {
    const wrong: [object, string][] = [
      [{ ownerLimit: -1 }, '/ownerLimit'],
      [{ ownerLimit: '10.0.0.1' }, '/ownerLimit'],
      [{ ownerLimit: String(2n ** 128n + 1n) }, '/ownerLimit'],
      [{ ownerLimits: {} }, '/ownerLimits'],
      [{ ownerLimits: [{ owner: 'a' }] }, '/ownerLimits/0/limit'],
      [{ ownerLimits: [{ limit: 1 }] }, '/ownerLimits/0/owner'],
      [{ ownerLimits: [{ owner: '', limit: 1 }] }, '/ownerLimits/0/owner'],
      [{ ownerLimits: [{ owner: 'a', limit: 2 ** 53 }] }, '/ownerLimits/0/limit'],
      [{ ownerLimits: [{ owner: 'a', limit: 1, size: 1 }] }, '/ownerLimits/0/size'],
      [
        {
          ownerLimits: [
            { owner: 'a', limit: 1 },
            { owner: 'b', limit: 1 },
            { owner: 'a', limit: 1 },
          ],
        },
        '/ownerLimits/2/owner',
      ],
      [
        { ownerLimits: Array.from({ length: 257 }, (_, i) => ({ owner: `${i}`, limit: 1 })) },
        '/ownerLimits',
      ],
    ];
    for (const [settings, pointer] of wrong) {
      for (const [method, url, body] of [
        ['PATCH', a, settings],
        ['POST', '/v1/arenas', { name: 'b', ...settings }],
      ] as const) {
        const { errors } = await service.refused('invalid-request', method, url, body);
        expect(errors?.[0]?.pointer, JSON.stringify(body)).toBe(pointer);
      }
    }
  });

  it('bound what each may hold, and say whose it is and what is held', async () => {
    await alloc(60);
    await alloc(40, { owner: 'bob' });
    expect(await more(41)).toEqual({ owner: 'ann', limit: '100', held: '60' });
    expect(await more(1, { owner: 'none' })).toEqual({ owner: 'none', limit: '0', held: '0' });
    await alloc(40);
    await alloc(200, { owner: 'big' });
    expect(await more(57, { owner: 'big' })).toMatchObject({ limit: '256', held: '200' });
    // Who has no owner is not counted.
    await alloc(300, {});
    const xalloc = { address: '900', size: 1, ...ann };
    expect(await exceeds('POST', `${a}/xalloc`, xalloc)).toMatchObject({ held: '100' });
  });

  it('are no matter of who could never be granted, and come after the limit of the arena', async () => {
    await service.refused('never-fits', 'POST', `${a}/alloc`, { size: 1001, ...ann });
    await service.call('PATCH', a, { limit: 50 });
    expect(await more(101)).toEqual({ limit: '50', held: '0' });
  });

  it('bound growth, transfer and undelete', async () => {
    await service.call('PATCH', a, { quarantineSeconds: 60 });
    const mine = await alloc(60);
    expect(await exceeds('POST', `${mine}/resize`, { size: 101 })).toMatchObject({ held: '60' });
    expect((await service.call('POST', `${mine}/resize`, { size: 100 })).status).toBe(200);
    const his = await alloc(10, { owner: 'bob' });
    expect(await exceeds('PATCH', his, ann)).toEqual({ owner: 'ann', limit: '100', held: '100' });
    expect((await service.call('PATCH', mine, { ...ann, labels: { k: 'v' } })).status).toBe(200);
    expect((await service.call('POST', `${mine}/resize`, { size: 80 })).status).toBe(200);
    expect((await service.call('PATCH', his, ann)).status).toBe(200);
    // What rests is held by nobody.
    expect((await service.call('DELETE', mine)).status).toBe(204);
    await alloc(50);
    expect(await exceeds('POST', `${mine}/undelete`, ann)).toMatchObject({ held: '60' });
    await service.call('DELETE', his);
    await service.call('PATCH', a, { ownerLimit: 130 });
    expect((await service.call('POST', `${mine}/undelete`, ann)).status).toBe(200);
    expect((await owners()).items).toMatchObject([{ allocated: '130', allocations: 2 }]);
  });

  it('let split and merge be, for which nothing more is held', async () => {
    const mine = await alloc(100);
    expect((await service.call('POST', `${mine}/split`, { size: 25 })).status).toBe(200);
    expect((await owners()).items[0]).toMatchObject({ allocated: '100', allocations: 4 });
    expect((await service.call('POST', `${mine}/merge`, { end: 99 })).status).toBe(200);
    expect((await owners()).items[0]).toMatchObject({ allocated: '100', allocations: 1 });
  });

  it('hold over all operations of a batch', async () => {
    const grants = [40, 40, 20].map((size) => ({ op: 'alloc', arena: 'a', size, ...ann }));
    const late = { op: 'alloc', arena: 'a', size: 1, ...ann };
    const batch = { operations: [...grants, late] };
    const refusal = await service.refused('limit-exceeded', 'POST', '/v1/batch', batch);
    expect(refusal).toMatchObject({ operation: 3, exceeded: { held: '100' } });
    expect((await owners()).items).toEqual([]);
    const first = await alloc(50);
    const address = first.split('/').at(-1);
    const free = { op: 'free', arena: 'a', address };
    const swapped = { operations: [free, ...grants] };
    expect((await service.call('POST', '/v1/batch', swapped)).status).toBe(200);
    expect((await owners()).items[0]).toMatchObject({ allocated: '100', allocations: 3 });
  });

  it('count what has an external id once, and a preview not at all', async () => {
    const named = { ...ann, externalId: 'x' };
    await alloc(60, named);
    const again = await service.call('POST', `${a}/alloc`, { size: 60, ...named });
    expect(again.status).toBe(200);
    const preview = { size: 40, ...ann, validateOnly: true };
    for (let i = 0; i < 2; i++) {
      expect((await service.call('POST', `${a}/alloc`, preview)).status).toBe(200);
    }
    const large = { ...preview, size: 41 };
    expect(await exceeds('POST', `${a}/alloc`, large)).toMatchObject({ held: '60' });
  });

  it('may be set below what is held, and then only stop what grows', async () => {
    const mine = await alloc(80);
    const his = await alloc(10, { owner: 'bob' });
    await service.call('PATCH', a, { ownerLimits: [{ owner: 'ann', limit: 30 }] });
    expect(await more(1)).toEqual({ owner: 'ann', limit: '30', held: '80' });
    expect((await service.call('POST', `${mine}/resize`, { size: 40 })).status).toBe(200);
    expect((await service.call('POST', `${mine}/split`, { size: 20 })).status).toBe(200);
    expect(await exceeds('PATCH', his, ann)).toMatchObject({ held: '40' });
    expect((await service.call('DELETE', mine)).status).toBe(204);
    await alloc(10);
  });

  it('count whole pieces of a quantum cache, as allocations show them', async () => {
    const spans = [{ base: 0, size: 1024 }];
    const cached = { name: 'cached', quantumCacheMax: 16, spans, ownerLimit: 45 };
    await service.call('POST', '/v1/arenas', cached);
    const url = '/v1/arenas/cached';
    // A slab of 64 has four pieces of 16, which serve 13 as well.
    for (let i = 0; i < 2; i++) {
      const { body } = await service.call('POST', `${url}/alloc`, { size: 13, ...ann });
      expect(body.size).toBe('16');
    }
    const figures = await exceeds('POST', `${url}/alloc`, { size: 13, ...ann });
    expect(figures).toEqual({ owner: 'ann', limit: '45', held: '32' });
    const exact = { size: 13, min: 512, ...ann };
    expect((await service.call('POST', `${url}/xalloc`, exact)).status).toBe(201);
  });

  it('do not count what other arenas have imported, nor what lies there', async () => {
    await service.call('POST', '/v1/arenas', { name: 'child', source: 'a', importSize: 200 });
    const url = '/v1/arenas/child/alloc';
    expect((await service.call('POST', url, { size: 150, ...ann })).status).toBe(201);
    await alloc(100);
    expect((await owners()).items).toMatchObject([{ owner: 'ann', allocated: '100' }]);
  });
});

describe('who waits for the limit of its owner', () => {
  /** A request that waits, and what will be its answer. */
  async function waits(size: number, who: object) {
    const before = service.sequencer.room.figures.waiting;
    const answer = service.call('POST', `${a}/alloc`, { size, ...who, waitSeconds: 60 });
    while (service.sequencer.room.figures.waiting === before) await turn();
    return answer;
  }

  it('is served by what that owner gives back, and by nothing else', async () => {
    const mine = await alloc(100);
    const his = await alloc(100, { owner: 'bob' });
    const answers: number[] = [];
    const note = (place: number) => () => answers.push(place);
    const first = waits(50, ann).then(note(1));
    const second = waits(50, { owner: 'bob' }).then(note(2));
    while (service.sequencer.room.figures.waiting < 2) await turn();
    await service.call('POST', `${a}/alloc`, { size: 100 });
    expect(service.sequencer.room.figures).toMatchObject({ waiting: 2, tries: 0 });
    await service.call('DELETE', his);
    await second;
    expect(answers).toEqual([2]);
    await service.call('PATCH', mine, { owner: 'cid' });
    await first;
    expect(answers).toEqual([2, 1]);
    expect((await owners()).items.map(({ allocated }: any) => allocated)).toEqual([
      '50',
      '50',
      '100',
    ]);
  });

  it('is served by what a batch gives back', async () => {
    await alloc(100);
    const [small, large] = [waits(10, ann), waits(90, ann)];
    while (service.sequencer.room.figures.waiting < 2) await turn();
    const operations = [
      { op: 'alloc', arena: 'a', size: 1 },
      { op: 'free', arena: 'a', address: 0 },
      { op: 'alloc', arena: 'a', size: 20, ...ann },
    ];
    const refused = [...operations, { op: 'free', arena: 'a', address: 999 }];
    await service.refused('allocation-not-found', 'POST', '/v1/batch', { operations: refused });
    expect(service.sequencer.room.figures).toMatchObject({ waiting: 2, tries: 0 });
    await service.call('POST', '/v1/batch', { operations });
    expect((await small).status).toBe(201);
    expect(service.sequencer.room.figures.waiting).toBe(1);
    await service.call('POST', '/v1/batch', {
      operations: [{ op: 'free', arena: 'a', address: 0 }],
    });
    expect((await large).status).toBe(201);
  });

  it('is served when the limit is raised, or none any more', async () => {
    await alloc(100);
    const [small, large] = [waits(10, ann), waits(400, ann)];
    while (service.sequencer.room.figures.waiting < 2) await turn();
    await service.call('PATCH', a, { ownerLimits: [{ owner: 'ann', limit: 110 }] });
    expect((await small).status).toBe(201);
    expect(service.sequencer.room.figures.waiting).toBe(1);
    await service.call('PATCH', a, { ownerLimit: String(2n ** 128n), ownerLimits: [] });
    expect((await large).status).toBe(201);
  });

  it('is told of its limit once its time is over', async () => {
    await alloc(100);
    const body = { size: 1, ...ann, waitSeconds: 1 };
    expect(await exceeds('POST', `${a}/alloc`, body)).toMatchObject({ owner: 'ann', held: '100' });
  });

  it('gets 404 when the arena is destroyed', async () => {
    await alloc(100);
    const waiting = waits(1, ann);
    while (service.sequencer.room.figures.waiting < 1) await turn();
    await service.call('DELETE', `${a}?force=true`);
    expect((await waiting).body).toMatchObject({ code: 'arena-not-found' });
  });
});

describe('the list of owners', () => {
  it('is in the order of names, a page at a time, and forgets who holds nothing', async () => {
    const long = '😀'.repeat(255);
    for (const owner of ['b', 'a', long, 'B']) await alloc(2, { owner });
    const gone = await alloc(3, { owner: 'c' });
    await alloc(1, { owner: 'a' });
    await alloc(1, {});
    await service.call('DELETE', gone);
    const seen: string[] = [];
    let query = '?limit=1';
    for (;;) {
      const { items, nextCursor } = await owners(query);
      seen.push(...items.map(({ owner }: { owner: string }) => owner));
      if (nextCursor === undefined) break;
      query = `?limit=1&cursor=${nextCursor}`;
    }
    expect(seen).toEqual(['B', 'a', 'b', long]);
    expect((await owners()).items[1]).toEqual({
      owner: 'a',
      allocated: '3',
      allocations: 2,
      limit: '100',
    });
    await service.refused('cursor-mismatch', 'GET', `/v1/arenas?${query.slice(1)}`);
    await service.refused('arena-not-found', 'GET', '/v1/arenas/b/owners');
  });

  it('is there without limits, and stays right', async () => {
    await service.call('POST', '/v1/arenas', { name: 'free', spans: [{ base: 0, size: 1000 }] });
    const url = '/v1/arenas/free';
    const list = async () => (await service.call('GET', `${url}/owners`)).body.items;
    await service.call('POST', `${url}/alloc`, { size: 10, ...ann });
    expect(await list()).toEqual([{ owner: 'ann', allocated: '10', allocations: 1 }]);
    await service.call('PATCH', `${url}/allocations/0`, { owner: 'bob' });
    await service.call('POST', `${url}/alloc`, { size: 5, owner: 'bob' });
    expect(await list()).toEqual([{ owner: 'bob', allocated: '15', allocations: 2 }]);
    await service.call('PATCH', url, { ownerLimit: 15 });
    await service.refused('limit-exceeded', 'POST', `${url}/alloc`, { size: 1, owner: 'bob' });
    await service.call('DELETE', `${url}/allocations`);
    expect(await list()).toEqual([]);
    expect((await service.call('GET', `${url}/check`)).body.ok).toBe(true);
  });
});

it('what still fits is told of an owner, too', async () => {
  const fits = async (query: string) => (await service.call('GET', `${a}/fits?${query}`)).body;
  await alloc(60);
  expect(await fits('size=30')).toMatchObject({ count: '31', largestFitting: '940' });
  expect(await fits('size=30&owner=ann')).toMatchObject({ count: '1', largestFitting: '40' });
  expect(await fits('size=30&owner=bob')).toMatchObject({ count: '3', largestFitting: '100' });
  const limitedBy = ['ownerLimit'];
  const nothing = { count: '0', largestFitting: '0', limitedBy };
  expect(await fits('size=30&owner=none')).toMatchObject(nothing);
  // Without the limit there would be no room for it either.
  expect(await fits('size=941&owner=ann')).not.toHaveProperty('limitedBy');
  await service.refused('invalid-request', 'GET', `${a}/fits?size=1&owner=`);
  const child = { name: 'child', source: 'a', ownerLimit: 70 };
  await service.call('POST', '/v1/arenas', child);
  const { body } = await service.call('GET', '/v1/arenas/child/fits?size=30&owner=ann');
  expect(body).toMatchObject({ count: '0', importable: '2', largestFitting: '70' });
});

it('what owners hold, and may, is the same after a restore', async () => {
  await alloc(60);
  await alloc(2, { owner: 'big' });
  const restored = reborn(service.engine);
  expect(restored.arena('a')).toEqual(service.engine.arena('a'));
  expect(restored.owners('a', '', 9)).toEqual(service.engine.owners('a', '', 9));
  const command = { type: 'alloc', at: 0, arena: 'a', constraint: {}, labels: {}, ...ann } as const;
  expect(restored.decide({ ...command, size: 41n })).toMatchObject({ refused: 'limit-exceeded' });
  expect(restored.decide({ ...command, size: 40n })).toMatchObject({ type: 'allocated' });
});
