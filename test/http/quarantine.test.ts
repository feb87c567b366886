/** Quarantine over HTTP: what rests, until when, who may have it early, and how it comes back. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Service } from './service.ts';

let service: Service;
/** The steady clock, in seconds. */
let now = 0;

beforeEach(async () => {
  now = 1000;
  service = await Service.start({ now: () => now * 1000 });
});

afterEach(() => service.stop());

const arenas = '/v1/arenas';
const pool = `${arenas}/pool`;

/** Eight addresses unless said otherwise, taken from below. */
async function create(fields: Record<string, unknown> = {}): Promise<void> {
  const settings = { policy: 'firstfit', spans: [{ base: 0, size: 8 }], quarantineSeconds: 10 };
  const { status } = await service.call('POST', arenas, { name: 'pool', ...settings, ...fields });
  expect(status).toBe(201);
}

async function alloc(size: number, fields: Record<string, unknown> = {}): Promise<any> {
  const { status, body } = await service.call('POST', `${pool}/xalloc`, { size, ...fields });
  expect(status, JSON.stringify(body)).toBe(201);
  return body;
}

async function free(address: number | string, arena = pool): Promise<void> {
  const { status } = await service.call('DELETE', `${arena}/allocations/${address}`);
  expect(status).toBe(204);
}

async function segments(arena = pool): Promise<string> {
  const { body } = await service.call('GET', `${arena}/segments`);
  return body.items
    .map(({ address, end, state }: Record<string, string>) => `${address}-${end} ${state}`)
    .join(', ');
}

async function counts(arena = pool): Promise<string> {
  const { body } = await service.call('GET', arena);
  const check = await service.call('GET', `${arena}/check`);
  expect(check.body.problems).toEqual([]);
  const { allocated, free: available, resting, cached, size } = body;
  expect(Number(allocated) + Number(available) + Number(resting) + Number(cached)).toBe(
    Number(size),
  );
  return `${allocated} allocated, ${available} free, ${resting} resting`;
}

/** Lets the timer look at a time. */
async function at(seconds: number): Promise<void> {
  now = seconds;
  await service.restTimer.look();
}

describe('what is freed in an arena with quarantineSeconds', () => {
  it('rests: counted apart, shown as it is, and granted to nobody', async () => {
    await create();
    await alloc(4);
    await alloc(4);
    await free(0);
    expect(await counts()).toBe('4 allocated, 0 free, 4 resting');
    expect(await segments()).toBe('0-3 resting, 4-7 busy');
    const { body } = await service.call('GET', `${pool}/whatis/2`);
    expect(body).toMatchObject({ state: 'resting', segment: { address: '0', size: '4' } });
    expect(body.allocation).toBeUndefined();
    await service.refused('allocation-not-found', 'GET', `${pool}/allocations/0`);
    const { items } = (await service.call('GET', `${pool}/allocations`)).body;
    expect(items.map(({ address }: { address: string }) => address)).toEqual(['4']);
    await service.refused('exhausted', 'POST', `${pool}/alloc`, { size: 1 });
    const { text } = await service.call('GET', '/metrics');
    expect(text).toMatch(/^vmemd_resting_ranges 1$/m);
  });

  it('is told from what is taken, and when it may be had', async () => {
    await create();
    await alloc(4);
    await alloc(4);
    await service.restTimer.look();
    await free(0);
    await at(1001);
    now = 1004;
    const problem = await service.refused('exhausted', 'POST', `${pool}/alloc`, { size: 1 });
    expect(problem.detail).toContain('4 addresses rest');
    expect(problem.exhaustion).toEqual({
      free: '0',
      largestFree: '0',
      largestFitting: '0',
      limitedBy: ['resting'],
      resting: '4',
      retryAfterSeconds: 7,
    });
    const { body: fits } = await service.call('GET', `${pool}/fits?size=1`);
    const { free: _, ...why } = problem.exhaustion!;
    expect(fits).toMatchObject({ ...why, count: '0' });
    const preview = { size: 1, validateOnly: true };
    const told = await service.refused('exhausted', 'POST', `${pool}/alloc`, preview);
    expect(told.exhaustion).toEqual(problem.exhaustion);
    const exactly = (address: number) => ({ size: 2, address });
    const rests = await service.refused('resting', 'POST', `${pool}/xalloc`, exactly(1));
    expect(rests.detail).toMatch(/rests/);
    await service.refused('taken', 'POST', `${pool}/xalloc`, exactly(3));
    await service.refused('taken', 'POST', `${pool}/xalloc`, exactly(6));
  });

  it('rests also as the cut-off end of an allocation, and where all are freed', async () => {
    await create();
    await alloc(6);
    const path = `${pool}/allocations/0/resize`;
    expect((await service.call('POST', path, { size: 2 })).body.size).toBe('2');
    expect(await segments()).toBe('0-1 busy, 2-5 resting, 6-7 free');
    await service.refused('resting', 'POST', path, { size: 4 });
    expect((await service.call('DELETE', `${pool}/allocations`)).body.freed).toBe(1);
    expect(await segments()).toBe('0-1 resting, 2-5 resting, 6-7 free');
    expect(await counts()).toBe('0 allocated, 2 free, 6 resting');
  });

  it('keeps neither a span nor an arena', async () => {
    await create({
      spans: [
        { base: 0, size: 4 },
        { base: 4, size: 4 },
      ],
    });
    await alloc(6);
    await free(0);
    expect((await service.call('DELETE', `${pool}/spans/4`)).status).toBe(204);
    expect(await segments()).toBe('0-3 resting');
    expect(await counts()).toBe('0 allocated, 0 free, 4 resting');
    expect((await service.call('DELETE', pool)).status).toBe(204);
  });

  it('does not rest where the setting is 0, as it is unless given', async () => {
    await create({ quarantineSeconds: 0 });
    await alloc(4);
    await free(0);
    expect(await counts()).toBe('0 allocated, 8 free, 0 resting');
    const { body } = await service.call('POST', arenas, { name: 'other' });
    expect(body.quarantineSeconds).toBe(0);
    for (const quarantineSeconds of [-1, 31_536_001, 1.5, '60']) {
      const problem = await service.refused('invalid-request', 'PATCH', pool, {
        quarantineSeconds,
      });
      expect(problem.errors?.[0]?.pointer).toBe('/quarantineSeconds');
    }
  });
});

describe('a rest', () => {
  it('ends when its time is over, never before, in the order of freeing', async () => {
    await create();
    await alloc(2);
    await alloc(2);
    await at(1000);
    await free(2);
    await at(1005);
    await free(0);
    await at(1006);
    // What was freed after a look is known to have been so at the next one.
    await at(1014.9);
    expect(await segments()).toBe('0-1 resting, 2-3 resting, 4-7 free');
    await at(1015);
    expect(await segments()).toBe('0-1 resting, 2-7 free');
    await at(1015.9);
    expect(await counts()).toBe('0 allocated, 6 free, 2 resting');
    await at(1016);
    expect(await segments()).toBe('0-7 free');
  });

  it('begins anew with a start, and is not counted by the wall clock', async () => {
    await create();
    await alloc(2);
    await free(0);
    await at(1000);
    const { stored } = service.journal;
    await service.stop();
    const real = Date.now;
    try {
      Date.now = () => real() + 86_400_000;
      service = await Service.start({ stored, now: () => now * 1000 });
      await at(5);
      await at(14.9);
      expect(await counts()).toBe('0 allocated, 6 free, 2 resting');
      await at(15);
      expect(await counts()).toBe('0 allocated, 8 free, 0 resting');
    } finally {
      Date.now = real;
    }
  });

  it('follows the setting, also of what rests already', async () => {
    await create({ quarantineSeconds: 3600 });
    await alloc(2);
    await alloc(2);
    await free(0);
    await at(1000);
    await at(1020);
    await free(2);
    expect(await counts()).toBe('0 allocated, 4 free, 4 resting');
    expect((await service.call('PATCH', pool, { quarantineSeconds: 20 })).status).toBe(200);
    await at(1021);
    expect(await segments()).toBe('0-1 free, 2-3 resting, 4-7 free');
    expect((await service.call('PATCH', pool, { quarantineSeconds: 0 })).status).toBe(200);
    expect(await counts()).toBe('0 allocated, 6 free, 2 resting');
    await at(1021);
    expect(await counts()).toBe('0 allocated, 8 free, 0 resting');
  });

  it('ends in steps where many end at once', async () => {
    await create({ spans: [{ base: 0, size: 2500 }] });
    for (let i = 0; i < 5; i++) {
      const operations = Array.from({ length: 500 }, () => ({
        op: 'alloc',
        arena: 'pool',
        size: 1,
      }));
      expect((await service.call('POST', '/v1/batch', { operations })).status).toBe(200);
    }
    await service.call('DELETE', `${pool}/allocations`);
    await at(1000);
    const before = service.engine.revision;
    await at(1010);
    expect(await counts()).toBe('0 allocated, 2500 free, 0 resting');
    expect(service.engine.revision).toBeGreaterThan(before + 1);
  });
});

describe('reuse', () => {
  it('takes what rests only where nothing free fits, and what rests longest', async () => {
    await create({ spans: [{ base: 0, size: 12 }] });
    for (let i = 0; i < 5; i++) await alloc(2);
    await free(6);
    await free(2);
    expect((await alloc(2, { reuse: true })).address).toBe('10');
    const first = await service.call('POST', `${pool}/alloc`, { size: 2, reuse: true });
    expect(first.body.address).toBe('6');
    expect(await segments()).toBe(
      '0-1 busy, 2-3 resting, 4-5 busy, 6-7 busy, 8-9 busy, 10-11 busy',
    );
  });

  it('spans neighbours that rest or are free, and leaves the rest of them resting', async () => {
    await create({ spans: [{ base: 0, size: 12 }] });
    await alloc(2);
    await alloc(2);
    await alloc(3);
    await alloc(4, { address: 8 });
    await free(0);
    await free(2);
    await free(4);
    expect(await segments()).toBe('0-1 resting, 2-3 resting, 4-6 resting, 7-7 free, 8-11 busy');
    const problem = await service.refused('exhausted', 'POST', `${pool}/xalloc`, {
      size: 6,
      align: 4,
      phase: 3,
      reuse: true,
    });
    expect(problem.exhaustion?.largestFitting).toBe('5');
    const { address } = await alloc(5, { align: 4, phase: 3, reuse: true });
    expect(address).toBe('3');
    expect(await segments()).toBe('0-1 resting, 2-2 resting, 3-7 busy, 8-11 busy');
    expect(await counts()).toBe('9 allocated, 0 free, 3 resting');
    expect((await alloc(1, { address: 1, reuse: true })).address).toBe('1');
    expect(await segments()).toBe('0-0 resting, 1-1 busy, 2-2 resting, 3-7 busy, 8-11 busy');
    await service.refused('exhausted', 'POST', `${pool}/alloc`, { size: 2, reuse: true });
  });

  it('takes what rests in the source of an arena, for just as much as it needs', async () => {
    await create();
    const child = `${arenas}/child`;
    await service.call('POST', arenas, { name: 'child', source: 'pool', importSize: 4 });
    await service.call('POST', `${child}/alloc`, { size: 3 });
    await alloc(4);
    await free(0, child);
    expect(await segments()).toBe('0-3 resting, 4-7 busy');
    await service.refused('exhausted', 'POST', `${child}/alloc`, { size: 2 });
    const { body } = await service.call('POST', `${child}/alloc`, { size: 2, reuse: true });
    expect(body).toMatchObject({ arena: 'child', address: '0', size: '2' });
    expect(await segments()).toBe('0-1 busy, 2-3 resting, 4-7 busy');
    await service.refused('resting', 'POST', `${child}/xalloc`, { size: 1, address: 3 });
    await service.refused('allocation-not-found', 'POST', `${pool}/allocations/2/undelete`, {});
  });
});

describe('a span that was imported', () => {
  it('stays for as long as something in it rests', async () => {
    await create({ quarantineSeconds: 0 });
    const child = `${arenas}/child`;
    const settings = { name: 'child', source: 'pool', importSize: 4, quarantineSeconds: 10 };
    await service.call('POST', arenas, settings);
    await service.call('POST', `${child}/alloc`, { size: 3 });
    await free(0, child);
    expect(await counts(child)).toBe('0 allocated, 1 free, 3 resting');
    expect(await counts()).toBe('4 allocated, 4 free, 0 resting');
    await at(1000);
    await at(1010);
    expect(await counts(child)).toBe('0 allocated, 0 free, 0 resting');
    expect(await counts()).toBe('0 allocated, 8 free, 0 resting');
  });
});

describe('undelete', () => {
  const path = (address: number) => `${pool}/allocations/${address}/undelete`;

  it('brings an allocation back as it was', async () => {
    await create();
    const about = { owner: 'node-17', labels: { env: 'prod' } };
    const before = await alloc(3, about);
    await service.call('PATCH', `${pool}/allocations/0`, { labels: { env: 'test' } });
    await free(0);
    const { status, body, headers } = await service.call('POST', path(0), { owner: 'node-17' });
    expect(status).toBe(200);
    expect(body).toEqual({ ...before, labels: { env: 'test' }, revision: 5 });
    expect(headers).toMatchObject({ etag: '"5"' });
    expect((await service.call('GET', `${pool}/allocations/0`)).body).toEqual(body);
    const { items } = (await service.call('GET', `${pool}/allocations?owner=node-17`)).body;
    expect(items).toEqual([body]);
    expect(await counts()).toBe('3 allocated, 5 free, 0 resting');
  });

  it('is for the owner alone, and for the revision that is meant', async () => {
    await create();
    await alloc(2, { owner: 'me' });
    await alloc(2);
    await free(0);
    await free(2);
    for (const body of [{}, { owner: 'you' }]) {
      await service.refused('owner-mismatch', 'POST', path(0), body);
    }
    await service.refused('owner-mismatch', 'POST', path(2), { owner: 'me' });
    await service.refused('precondition-failed', 'POST', path(0), {}, { 'if-match': '"3"' });
    const back = await service.call('POST', path(0), { owner: 'me' }, { 'if-match': '"2"' });
    expect(back.status).toBe(200);
    await service.call('PATCH', pool, { limit: 3 });
    await service.refused('limit-exceeded', 'POST', path(2), {});
  });

  it('says why there is nothing to bring back', async () => {
    await create();
    await alloc(4);
    await alloc(1);
    await service.restTimer.look();
    const why = async (address: number) =>
      (await service.refused('allocation-not-found', 'POST', path(address), {})).detail;
    expect(await why(0)).toContain('in use');
    expect(await why(6)).toContain('nothing rests at this address');
    await free(0);
    expect(await why(1)).toContain('begins at another address');
    await alloc(4, { address: 2, reuse: true }).catch(() => undefined);
    await alloc(2, { address: 2, reuse: true });
    expect(await why(0)).toContain('not a whole allocation');
    await at(1000);
    await at(1010);
    expect(await why(0)).toContain('nothing rests at this address');
  });

  it('is an operation of a batch too, all or nothing', async () => {
    await create();
    await alloc(2, { owner: 'me' });
    await alloc(2);
    await free(0);
    const undelete = { op: 'undelete', arena: 'pool', address: '0', owner: 'me' };
    const taken = { op: 'xalloc', arena: 'pool', size: '1', address: '2' };
    const refused = { operations: [undelete, { op: 'alloc', arena: 'pool', size: 1 }, taken] };
    const before = await segments();
    await service.refused('taken', 'POST', '/v1/batch', refused);
    expect(await segments()).toBe(before);
    const operations = [
      { op: 'free', arena: 'pool', address: '2' },
      undelete,
      { op: 'xalloc', arena: 'pool', size: '1', address: '2', reuse: true },
    ];
    const { status, body } = await service.call('POST', '/v1/batch', { operations });
    expect(status).toBe(200);
    expect(body.results.map(({ address }: { address: string }) => address)).toEqual([
      '2',
      '0',
      '2',
    ]);
    expect(await segments()).toBe('0-1 busy, 2-2 busy, 3-3 resting, 4-7 free');
    expect(await counts()).toBe('3 allocated, 4 free, 1 resting');
  });
});
