/**
 * Leases over HTTP. The steady clock is in the test's hand; the calendar runs on, or jumps, where a
 * test says so.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LeaseTimer } from '../../src/lease-timer.ts';
import { Service } from './service.ts';

const nobody = '00000000-0000-4000-8000-000000000000';

let service: Service;
let timer: LeaseTimer;
/** Milliseconds of the steady clock. */
let now: number;

beforeEach(async () => {
  now = 5_000_000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  service = await Service.start();
  timer = new LeaseTimer(service.sequencer);
  await post('/v1/arenas', { name: 'pods', spans: [{ base: 0, size: 1000 }] });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await service.stop();
});

async function post(url: string, body: object, status = 201): Promise<any> {
  const answer = await service.call('POST', url, body);
  expect(answer.status, answer.text).toBe(status);
  return answer.body;
}

async function get(url: string): Promise<any> {
  const answer = await service.call('GET', url);
  expect(answer.status, answer.text).toBe(200);
  return answer.body;
}

async function lease(ttlSeconds = 60, more: object = {}): Promise<string> {
  return (await post('/v1/leases', { ttlSeconds, ...more })).id;
}

function alloc(body: object, arena = 'pods', status = 201): Promise<any> {
  return post(`/v1/arenas/${arena}/alloc`, { size: 10, ...body }, status);
}

const records = () => service.journal.stored.length;
/** Lets so many seconds pass and ends what has run out. */
async function pass(seconds: number): Promise<void> {
  now += seconds * 1000;
  await timer.look();
}

describe('a lease', () => {
  it('is created, found where Location says, and holds what names it', async () => {
    const terms = { ttlSeconds: 60, owner: 'node-17', labels: { env: 'prod' } };
    const made = await service.call('POST', '/v1/leases', terms);
    expect(made.status).toBe(201);
    const { id } = made.body;
    expect(made.headers).toMatchObject({ location: `/v1/leases/${id}`, etag: '"2"' });
    expect(made.body).toMatchObject({
      ...terms,
      remainingSeconds: 60,
      allocations: 0,
      revision: 2,
    });
    const held = await alloc({ lease: id });
    expect(held).toMatchObject({ lease: id, address: '0' });
    now += 1500;
    const { status, headers, body } = await service.call('GET', `/v1/leases/${id}`);
    expect({ status, etag: headers['etag'] }).toEqual({ status: 200, etag: '"3"' });
    expect(body).toMatchObject({ remainingSeconds: 58, allocations: 1, revision: 3 });
    const until = Date.parse(body.expiresAt);
    expect(Math.abs(until - Date.now() - 58_500)).toBeLessThan(5000);
    expect(Math.abs(Date.parse(held.expiresAt) - until)).toBeLessThan(5000);
  });

  it('is told by every view of what it holds', async () => {
    const id = await lease();
    const held = await alloc({ lease: id, owner: 'me' });
    const kept = await alloc({});
    expect(kept).not.toHaveProperty('lease');
    expect(kept).not.toHaveProperty('expiresAt');
    const path = '/v1/arenas/pods/allocations';
    const resized = await post(`${path}/0/resize`, { size: 5 }, 200);
    const patched = await service.call('PATCH', `${path}/0`, { owner: 'you' });
    const views = [
      resized,
      patched.body,
      await get(`${path}/0`),
      (await get(`${path}?lease=${id}`)).items[0],
      (await get(`/v1/allocations?lease=${id}`)).items[0],
      (await get('/v1/arenas/pods/whatis/3')).allocation,
    ];
    for (const view of views) {
      expect(view).toMatchObject({ address: '0', lease: id });
      expect(Math.abs(Date.parse(view.expiresAt) - Date.parse(held.expiresAt))).toBeLessThan(5000);
    }
    expect((await get(`${path}?lease=${nobody}`)).items).toEqual([]);
  });

  it('is listed in order of id, by owner and label, in pages', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 7; i++) {
      const labels = i % 2 === 0 ? { even: 'yes' } : { even: 'no', i: String(i) };
      ids.push(await lease(60, { owner: i < 3 ? 'few' : 'many', labels }));
    }
    ids.sort();
    const all = await get('/v1/leases');
    expect(all.items.map(({ id }: { id: string }) => id)).toEqual(ids);
    expect(all).not.toHaveProperty('nextCursor');
    expect((await get('/v1/leases?owner=few')).items).toHaveLength(3);
    expect((await get('/v1/leases?label=even=no&label=i')).items).toHaveLength(3);
    expect((await get('/v1/leases?label=even=no&owner=few')).items).toHaveLength(1);
    const paged: string[] = [];
    for (let query = '?limit=2'; ;) {
      const page = await get(`/v1/leases${query}`);
      paged.push(...page.items.map(({ id }: { id: string }) => id));
      if (page.nextCursor === undefined) break;
      query = `?limit=2&cursor=${page.nextCursor}`;
    }
    expect(paged).toEqual(ids);
    await service.refused('invalid-request', 'GET', '/v1/leases?cursor=x');
    await service.refused('invalid-request', 'GET', '/v1/leases?label=-');
  });

  it('leads to what it holds, in one arena and in all, in pages', async () => {
    for (const name of ['a', 'zoo']) {
      await post('/v1/arenas', { name, spans: [{ base: 0, size: 1000 }] });
    }
    const id = await lease(60);
    const other = await lease(60);
    const wanted: string[] = [];
    for (const arena of ['a', 'pods', 'zoo']) {
      for (let i = 0; i < 6; i++) {
        const owner = i === 3 ? 'x' : 'y';
        const body = { lease: i % 2 === 0 ? other : id, owner };
        const { address } = await alloc(body, arena);
        if (i % 2 === 1 && arena !== 'zoo') wanted.push(`${arena}/${address}`);
        if (i % 2 === 1 && arena === 'zoo') await alloc({}, arena);
      }
      await alloc({ owner: 'y' }, arena);
    }
    // What is under a lease comes and goes, also out of the order of addresses.
    await service.call('DELETE', '/v1/arenas/zoo/allocations');
    for (const limit of [1, 2, 1000]) {
      const found: string[] = [];
      for (let cursor = ''; ;) {
        const page = await get(`/v1/allocations?lease=${id}&limit=${limit}${cursor}`);
        found.push(...page.items.map((item: any) => `${item.arena}/${item.address}`));
        expect(page.items.every((item: any) => item.lease === id)).toBe(true);
        if (page.nextCursor === undefined) break;
        cursor = `&cursor=${page.nextCursor}`;
      }
      expect(found).toEqual(wanted);
    }
    const prefixed = await get(`/v1/allocations?lease=${id}&arenaPrefix=po`);
    expect(prefixed.items).toHaveLength(3);
    const own = await get(`/v1/arenas/pods/allocations?lease=${id}&owner=x`);
    expect(own.items).toMatchObject([{ owner: 'x', lease: id }]);
    const [first] = own.items;
    const contains = `/v1/arenas/pods/allocations?lease=${id}&contains=${Number(first.address) + 3}`;
    expect((await get(contains)).items).toMatchObject([{ address: first.address, lease: id }]);
    for (const url of ['/v1/allocations', '/v1/arenas/zoo/allocations']) {
      expect(await get(`${url}?lease=${nobody}`)).toEqual({ items: [] });
    }
    expect(await get(`/v1/arenas/zoo/allocations?lease=${id}`)).toEqual({ items: [] });
  });

  it('tells whoever finds no room when the first of the arena ends', async () => {
    const exhausted = async () =>
      (await service.refused('exhausted', 'POST', '/v1/arenas/pods/alloc', { size: 600 }))
        .exhaustion;
    await post('/v1/arenas', { name: 'other', spans: [{ base: 0, size: 10 }] });
    await alloc({ lease: await lease(5) }, 'other');
    await alloc({ size: 500 });
    expect(await exhausted()).not.toHaveProperty('retryAfterSeconds');
    await alloc({ size: 1, ttlSeconds: 30 });
    const soon = await alloc({ size: 1, ttlSeconds: 20 });
    now += 500;
    expect(await exhausted()).toMatchObject({ retryAfterSeconds: 20 });
    now += 1_000;
    expect(await exhausted()).toMatchObject({ retryAfterSeconds: 19 });
    await service.call('DELETE', `/v1/arenas/pods/allocations/${soon.address}`);
    expect(await exhausted()).toMatchObject({ retryAfterSeconds: 29 });
    // One that has run out and not ended yet.
    now += 100_000;
    expect(await exhausted()).toMatchObject({ retryAfterSeconds: 0 });
  });

  it('that is not there is not found, by whoever asks', async () => {
    const path = `/v1/leases/${nobody}`;
    await service.refused('lease-not-found', 'GET', path);
    await service.refused('lease-not-found', 'DELETE', path);
    await service.refused('lease-not-found', 'POST', `${path}/renew`, {});
    const body = { size: 1, lease: nobody };
    await service.refused('lease-not-found', 'POST', '/v1/arenas/pods/alloc', body);
    await service.refused('lease-not-found', 'POST', '/v1/arenas/pods/xalloc', body);
  });

  it.each([
    ['/v1/leases', {}, '/ttlSeconds'],
    ['/v1/leases', { ttlSeconds: 0 }, '/ttlSeconds'],
    ['/v1/leases', { ttlSeconds: 31_536_001 }, '/ttlSeconds'],
    ['/v1/leases', { ttlSeconds: 1.5 }, '/ttlSeconds'],
    ['/v1/leases', { ttlSeconds: '60' }, '/ttlSeconds'],
    ['/v1/leases', { ttlSeconds: 60, id: nobody }, '/id'],
    ['/v1/leases', { ttlSeconds: 60, owner: '' }, '/owner'],
    [`/v1/leases/${nobody}/renew`, { ttlSeconds: -1 }, '/ttlSeconds'],
    ['/v1/leases/x/renew', {}, '/path/lease'],
    ['/v1/arenas/pods/alloc', { size: 1, lease: 'x' }, '/lease'],
    ['/v1/arenas/pods/alloc', { size: 1, ttlSeconds: 0 }, '/ttlSeconds'],
    ['/v1/arenas/pods/alloc', { size: 1, ttlSeconds: 5, lease: nobody }, '/ttlSeconds'],
  ])('%s refuses %j', async (url, body, pointer) => {
    const before = records();
    const { errors } = await service.refused('invalid-request', 'POST', url, body);
    expect(errors?.[0]?.pointer).toBe(pointer);
    expect(records()).toBe(before);
  });
});

describe('revoking', () => {
  it('frees all of several arenas in one revision, and gives spans back', async () => {
    await post('/v1/arenas', { name: 'pods.a', source: 'pods', importSize: 100 });
    await post('/v1/arenas', { name: 'pods.b', source: 'pods', importSize: 100 });
    const id = await lease();
    for (const arena of ['pods', 'pods.a', 'pods.b', 'pods.b']) await alloc({ lease: id }, arena);
    const other = await alloc({}, 'pods.a');
    const before = records();
    const { status, text } = await service.call('DELETE', `/v1/leases/${id}`);
    expect({ status, text }).toEqual({ status: 204, text: '' });
    expect(records()).toBe(before + 1);
    expect(await get('/v1/arenas/pods')).toMatchObject({ allocated: '100', allocations: 1 });
    expect(await get('/v1/arenas/pods.a')).toMatchObject({ allocations: 1, spans: 1 });
    expect(await get('/v1/arenas/pods.b')).toMatchObject({ allocations: 0, spans: 0 });
    expect(await get(`/v1/arenas/pods.a/allocations/${other.address}`)).toEqual(other);
    await service.refused('lease-not-found', 'GET', `/v1/leases/${id}`);
    for (const arena of ['pods', 'pods.a', 'pods.b']) {
      expect((await get(`/v1/arenas/${arena}/check`)).problems).toEqual([]);
    }
  });

  it('is for whoever has seen what the lease holds', async () => {
    const id = await lease();
    const path = `/v1/leases/${id}`;
    await alloc({ lease: id });
    const stale = { 'if-match': '"2"' };
    await service.refused('precondition-failed', 'DELETE', path, undefined, stale);
    const { status } = await service.call('DELETE', path, undefined, { 'if-match': '"3"' });
    expect(status).toBe(204);
  });
});

describe('ttlSeconds', () => {
  it('makes a lease with the owner and labels of the request, which ends with the last', async () => {
    const about = { owner: 'me', labels: { a: 'b' } };
    const first = await alloc({ ttlSeconds: 30, ...about });
    const path = `/v1/leases/${first.lease}`;
    expect(await get(path)).toMatchObject({ ttlSeconds: 30, allocations: 1, ...about });
    const second = await alloc({ lease: first.lease });
    await service.call('DELETE', `/v1/arenas/pods/allocations/${first.address}`);
    expect(await get(path)).toMatchObject({ allocations: 1 });
    await service.call('DELETE', `/v1/arenas/pods/allocations/${second.address}`);
    await service.refused('lease-not-found', 'GET', path);
    expect((await get('/v1/leases')).items).toEqual([]);
  });

  it('ends with freeAll, and with the arena, too; a lease of its own does not', async () => {
    const id = await lease();
    await alloc({ ttlSeconds: 30 });
    await alloc({ lease: id });
    await service.call('DELETE', '/v1/arenas/pods/allocations');
    expect((await get('/v1/leases')).items).toMatchObject([{ id, allocations: 0 }]);
    await alloc({ ttlSeconds: 30 });
    await alloc({ lease: id });
    await service.call('DELETE', '/v1/arenas/pods?force=true');
    expect((await get('/v1/leases')).items).toMatchObject([{ id, allocations: 0 }]);
  });

  it('is previewed without a lease, and one that is named with it', async () => {
    const id = await lease();
    const own = await alloc({ ttlSeconds: 30, validateOnly: true }, 'pods', 200);
    expect(own).not.toHaveProperty('lease');
    const joined = await alloc({ lease: id, validateOnly: true }, 'pods', 200);
    expect(joined).toMatchObject({ lease: id });
    expect((await get('/v1/leases')).items).toMatchObject([{ id, allocations: 0 }]);
  });
});

describe('running out', () => {
  it('frees what a lease holds, not before its time, each an event that says why', async () => {
    const id = await lease(10);
    const held = await alloc({ lease: id });
    await pass(9.999);
    expect(await get(`/v1/leases/${id}`)).toMatchObject({ remainingSeconds: 0, allocations: 1 });
    await pass(0.001);
    await service.refused('lease-not-found', 'GET', `/v1/leases/${id}`);
    const path = `/v1/arenas/pods/allocations/${held.address}`;
    await service.refused('allocation-not-found', 'GET', path);
    expect(JSON.parse(service.journal.stored.at(-1)!.body)).toMatchObject({
      type: 'leasesEnded',
      reason: 'expired',
      ended: [{ lease: id, freed: [{ arena: 'pods', base: '0', size: '10' }] }],
    });
  });

  it('is counted, and the next is told, in the metrics', async () => {
    await lease(10);
    const ended = await lease(5);
    const metrics = async () => (await service.call('GET', '/metrics')).text;
    expect(await metrics()).toMatch(/^vmemd_lease_next_expiry_seconds 5$/m);
    await service.call('DELETE', `/v1/leases/${ended}`);
    expect(await metrics()).toMatch(/^vmemd_lease_next_expiry_seconds 10$/m);
    expect(await metrics()).toMatch(/^vmemd_leases 1$/m);
    await pass(10);
    expect(await metrics()).toMatch(/^vmemd_leases_expired_total 1$/m);
    expect(await metrics()).not.toMatch(/next_expiry/);
  });

  it('is not hastened by a calendar that jumps', async () => {
    const id = await lease(10);
    const { expiresAt } = await get(`/v1/leases/${id}`);
    const year = 31_536_000_000;
    const ahead = Date.now() + year;
    vi.spyOn(Date, 'now').mockImplementation(() => ahead);
    await pass(5);
    const there = await get(`/v1/leases/${id}`);
    expect(there).toMatchObject({ remainingSeconds: 5 });
    // It is told by the calendar as it is now.
    expect(Date.parse(there.expiresAt) - Date.parse(expiresAt)).toBeGreaterThan(year / 2);
    await pass(5);
    await service.refused('lease-not-found', 'GET', `/v1/leases/${id}`);
  });
});

describe('renewing', () => {
  it('begins the time anew without a record, and without a new revision', async () => {
    const id = await lease(10);
    await pass(9);
    const before = records();
    const renewed = await service.call('POST', `/v1/leases/${id}/renew`, {});
    expect(renewed.headers['etag']).toBe('"2"');
    expect(renewed.body).toMatchObject({ remainingSeconds: 10, revision: 2 });
    await post(`/v1/leases/${id}/renew`, { ttlSeconds: 10 }, 200);
    expect(records()).toBe(before);
    await pass(9.999);
    expect(await get(`/v1/leases/${id}`)).toMatchObject({ remainingSeconds: 0 });
    await pass(0.001);
    await service.refused('lease-not-found', 'GET', `/v1/leases/${id}`);
  });

  it('needs no body', async () => {
    const id = await lease(10);
    await pass(9);
    const renewed = await service.call('POST', `/v1/leases/${id}/renew`);
    expect([renewed.status, renewed.body]).toMatchObject([200, { remainingSeconds: 10 }]);
    const json = { 'content-type': 'application/json', 'content-length': '0' };
    const empty = await service.call('POST', `/v1/leases/${id}/renew`, undefined, json);
    expect(empty.status).toBe(200);
    await service.refused('invalid-request', 'POST', `/v1/leases/${id}/renew`, []);
  });

  it.each(['{', '{"ttlSeconds":5,"__proto__":{}}', 'ttlSeconds=5'])(
    'does not take %s for a body that is not there',
    async (text) => {
      const id = await lease(10);
      await pass(9);
      const json = { 'content-type': 'application/json' };
      const { status, body } = await service.call('POST', `/v1/leases/${id}/renew`, text, json);
      expect([status, body]).toMatchObject([400, { detail: expect.stringMatching(/valid JSON/) }]);
      expect(await get(`/v1/leases/${id}`)).toMatchObject({ remainingSeconds: 1 });
    },
  );

  it.each([5, 20])('for %i seconds is recorded', async (ttlSeconds) => {
    const id = await lease(10);
    const before = records();
    const renewed = await post(`/v1/leases/${id}/renew`, { ttlSeconds }, 200);
    expect(renewed).toMatchObject({ ttlSeconds, remainingSeconds: ttlSeconds, revision: 3 });
    expect(records()).toBe(before + 1);
    await pass(ttlSeconds - 0.001);
    expect(await get(`/v1/leases/${id}`)).toMatchObject({ ttlSeconds });
    await pass(0.001);
    await service.refused('lease-not-found', 'GET', `/v1/leases/${id}`);
  });

  it('saves a lease that has run out, as long as its end was not decided', async () => {
    const id = await lease(10);
    now += 60_000;
    await post(`/v1/leases/${id}/renew`, {}, 200);
    await timer.look();
    expect(await get(`/v1/leases/${id}`)).toMatchObject({ remainingSeconds: 10 });
  });

  it('after the end was decided is too late, also while that is not yet durable', async () => {
    const id = await lease(10);
    service.journal.automatic = false;
    now += 10_000;
    const ended = timer.look();
    const late = service.call('POST', `/v1/leases/${id}/renew`, {});
    await service.commitUnderWay();
    service.journal.automatic = true;
    service.journal.complete();
    await ended;
    expect((await late).body.code).toBe('lease-not-found');
  });

  it('is answered when the lease that it shows is durable', async () => {
    service.journal.automatic = false;
    const made = service.sequencer.execute(
      { type: 'createLease', at: 0, lease: nobody, ttlSeconds: 10, labels: {} },
      () => undefined,
    );
    let answered = false;
    const renewed = service
      .call('POST', `/v1/leases/${nobody}/renew`, {})
      .finally(() => (answered = true));
    await service.commitUnderWay();
    for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
    expect(answered).toBe(false);
    service.journal.automatic = true;
    service.journal.complete();
    await made;
    expect((await renewed).status).toBe(200);
  });
});

describe('in company', () => {
  it('renews many in a batch, all or none, without a record', async () => {
    const ids = [await lease(10), await lease(10), await lease(20)];
    await pass(8);
    const before = records();
    const renewals = ids.map((id) => ({ op: 'renew', lease: id }));
    const missing = { op: 'renew', lease: nobody };
    const refused = await service.refused('lease-not-found', 'POST', '/v1/batch', {
      operations: [...renewals, missing],
    });
    expect(refused).toMatchObject({ operation: 3 });
    expect(await get(`/v1/leases/${ids[0]}`)).toMatchObject({ remainingSeconds: 2 });
    const { results, revision } = await post('/v1/batch', { operations: renewals }, 200);
    expect(results).toMatchObject(
      ids.map((id, i) => ({ op: 'renew', lease: id, ttlSeconds: i < 2 ? 10 : 20 })),
    );
    expect(records()).toBe(before);
    expect(revision).toBe(before);
    expect(await get(`/v1/leases/${ids[0]}`)).toMatchObject({ remainingSeconds: 10 });
  });

  it('renews, makes and joins leases in a batch with a record', async () => {
    const id = await lease(10);
    await pass(8);
    const { results } = await post(
      '/v1/batch',
      {
        operations: [
          { op: 'renew', lease: id, ttlSeconds: 30 },
          { op: 'alloc', arena: 'pods', size: 1, lease: id },
          { op: 'alloc', arena: 'pods', size: 1, ttlSeconds: 5 },
          { op: 'renew', lease: id },
          { op: 'free', arena: 'pods', address: '#2.address' },
        ],
      },
      200,
    );
    expect(results).toMatchObject([
      { op: 'renew', lease: id, ttlSeconds: 30 },
      { op: 'alloc', lease: id },
      { op: 'alloc', address: '1', size: '1' },
      { op: 'renew', lease: id, ttlSeconds: 30 },
      { op: 'free', address: '1' },
    ]);
    expect((await get('/v1/leases')).items).toMatchObject([{ id, remainingSeconds: 30 }]);
  });

  it.each([
    [{ op: 'renew' }, '/operations/0/lease'],
    [{ op: 'renew', lease: nobody, arena: 'pods' }, '/operations/0/arena'],
    [{ op: 'renew', lease: nobody, size: 1 }, '/operations/0/size'],
    [{ op: 'free', address: 1 }, '/operations/0/arena'],
    [{ op: 'free', arena: 'pods', address: 1, lease: nobody }, '/operations/0/lease'],
  ])('refuses %j in a batch', async (operation, pointer) => {
    const request = { operations: [operation] };
    const { errors } = await service.refused('invalid-request', 'POST', '/v1/batch', request);
    expect(errors?.[0]?.pointer).toBe(pointer);
  });

  it('keeps the pieces of a split, and merges only what is under the same', async () => {
    const id = await lease(10);
    const path = '/v1/arenas/pods/allocations';
    await alloc({ lease: id });
    await post(`${path}/0/split`, { sizes: [4, 6] }, 200);
    expect(await get(`/v1/leases/${id}`)).toMatchObject({ allocations: 2 });
    expect(await get(`${path}/4`)).toMatchObject({ lease: id, size: '6' });
    await post(`${path}/0/merge`, { with: ['4'] }, 200);
    expect(await get(`/v1/leases/${id}`)).toMatchObject({ allocations: 1 });
    await alloc({});
    await service.refused('not-alike', 'POST', `${path}/0/merge`, { with: ['10'] });
    await pass(10);
    expect((await get(path)).items).toMatchObject([{ address: '10' }]);
  });

  it('replays the first answer to a renewal with an idempotency key', async () => {
    const id = await lease(10);
    const ask = (body: object) =>
      service.call('POST', `/v1/leases/${id}/renew`, body, { 'idempotency-key': 'k' });
    const before = records();
    const first = await ask({});
    expect(first).toMatchObject({ status: 200, body: { revision: 2, remainingSeconds: 10 } });
    await pass(5);
    const second = await ask({});
    expect(second.headers['idempotency-replayed']).toBe('true');
    expect(second.text).toBe(first.text);
    expect(records()).toBe(before + 1);
    expect((await ask({ ttlSeconds: 9 })).body.code).toBe('idempotency-mismatch');
    await pass(5);
    expect((await ask({})).text).toBe(first.text);
  });

  it('serves who waits for room, and lets go whose lease has ended meanwhile', async () => {
    const [id, joined] = [await lease(10), await lease(5)];
    await alloc({ size: 1000, lease: id });
    const waits = (more: object) =>
      service.call('POST', '/v1/arenas/pods/alloc', { size: 10, waitSeconds: 60, ...more });
    const gone = waits({ lease: joined });
    const served = waits({ ttlSeconds: 30 });
    const waiting = async () => (await get('/v1/arenas/pods')).waiting as number;
    while ((await waiting()) < 2) await new Promise(setImmediate);
    await pass(5);
    expect(await waiting()).toBe(2);
    await pass(5);
    expect((await gone).body).toMatchObject({ code: 'lease-not-found' });
    const { status, body } = await served;
    expect(status).toBe(201);
    expect((await get('/v1/leases')).items).toMatchObject([{ id: body.lease, allocations: 1 }]);
  });

  it('is told by the stream of events', async () => {
    const id = await lease(10, { owner: 'me' });
    await alloc({ lease: id });
    await post(`/v1/leases/${id}/renew`, { ttlSeconds: 20 }, 200);
    await pass(20);
    const address = await service.app.listen({ host: '127.0.0.1', port: 0 });
    const abort = new AbortController();
    const stream = await fetch(`${address}/v1/events?after=1`, { signal: abort.signal });
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of stream.body!) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if (text.includes('leasesEnded')) break;
    }
    abort.abort();
    const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data!));
    const range = { arena: 'pods', address: '0', end: '9', size: '10' };
    expect(events).toMatchObject([
      { type: 'leaseCreated', lease: id, ttlSeconds: 10, owner: 'me' },
      { type: 'allocated', ...range, lease: id },
      { type: 'leaseRenewed', lease: id, ttlSeconds: 20 },
      { type: 'leasesEnded', reason: 'expired', ended: [{ lease: id, freed: [range] }] },
    ]);
  });
});
