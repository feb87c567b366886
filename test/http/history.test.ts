/** History over real connections to a real service: what is told, also after kill -9, and what is refused. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { periodPage } from '../../src/http/wire/history.ts';
import { problem } from '../../src/http/wire/problem.ts';
import { Server } from '../crash/server.ts';
import { EventClient } from './event-client.ts';
import { Service } from './service.ts';

const timeout = 60_000;
let data: string;
let server: Server;

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'vmemd-history-'));
  server = await Server.start({ data });
}, timeout);
afterAll(async () => {
  if (server.running) await server.kill();
  rmSync(data, { recursive: true });
});

async function call(method: string, path: string, body?: object): Promise<any> {
  const reply = await fetch(`${server.url}/v1${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await reply.text();
  const answer = text === '' ? undefined : JSON.parse(text);
  if (reply.status >= 400) return { refused: problem.parse(answer).code, ...answer };
  return answer;
}

async function history(arena: string, query: Record<string, string | number> = {}) {
  const text = new URLSearchParams(
    Object.entries(query).map(([key, value]): [string, string] => [key, String(value)]),
  );
  const page = await call('GET', `/arenas/${arena}/history?${text}`);
  if (page.refused === undefined) expect(periodPage.parse(page)).toEqual(page);
  return page;
}

const owners = (page: any): unknown[] => page.items.map(({ owner }: { owner?: string }) => owner);

describe('who held an address', { timeout }, () => {
  let granted: any;
  let changed: any;

  it('is told as soon as it was answered', async () => {
    const spans = [{ cidr: '10.0.0.0/16' }];
    await call('POST', '/arenas', { name: 'pods', notation: 'ipv4', spans });
    granted = await call('POST', '/arenas/pods/xalloc', {
      prefixLength: 24,
      address: '10.0.7.0',
      owner: 'node-1',
      labels: { rack: 'r1' },
    });
    const { items, ...extent } = await history('pods', { address: '10.0.7.9' });
    expect(extent).toEqual({ revision: 2, trimmedRevision: 0, completeRevision: 0 });
    expect(items).toEqual([
      {
        arena: 'pods',
        address: '10.0.7.0',
        end: '10.0.7.255',
        size: '256',
        cidr: '10.0.7.0/24',
        owner: 'node-1',
        labels: { rack: 'r1' },
        grantedAt: granted.createdAt,
        heldFrom: granted.createdAt,
        revision: 2,
      },
    ]);
  });

  it('has a period for each owner, and says why it ended', async () => {
    const path = '/arenas/pods/allocations/10.0.7.0';
    changed = await call('PATCH', path, { owner: 'node-2' });
    await call('POST', `${path}/resize`, { size: 128 });
    await call('DELETE', path);
    await call('POST', '/arenas/pods/xalloc', { size: 1, address: '10.0.7.9', owner: 'node-3' });
    await call('DELETE', '/arenas/pods/allocations');
    const { items } = await history('pods', { address: '10.0.7.9' });
    const told = items.map(({ owner, size, revision, endRevision, ended }: any) => {
      return [owner, size, revision, endRevision, ended];
    });
    expect(told).toEqual([
      ['node-3', '1', 6, 7, 'freed-all'],
      ['node-2', '128', 4, 5, 'freed'],
      ['node-2', '256', 3, 4, 'resized'],
      ['node-1', '256', 2, 3, 'updated'],
    ]);
    expect(items.map(({ grantedAt }: any) => grantedAt).slice(1)).toEqual(
      Array.from({ length: 3 }, () => granted.createdAt),
    );
    // Beyond what was left of it.
    expect(owners(await history('pods', { address: '10.0.7.200' }))).toEqual(['node-2', 'node-1']);
  });

  it('can be asked of a revision, or a time', async () => {
    const address = '10.0.7.9';
    for (const [atRevision, owner] of [
      [1, []],
      [2, ['node-1']],
      [3, ['node-2']],
      [5, []],
      [6, ['node-3']],
      [7, []],
    ] as const) {
      expect(owners(await history('pods', { address, atRevision })), `${atRevision}`).toEqual(
        owner,
      );
    }
    const { heldFrom } = (await history('pods', { address, atRevision: 6 })).items[0];
    const at = owners(await history('pods', { address, at: heldFrom }));
    expect([['node-3'], []]).toContainEqual(at);
    expect(owners(await history('pods', { address, at: '2001-01-01T00:00:00+01:00' }))).toEqual([]);
    expect(owners(await history('pods', { address, after: 4 }))).toEqual(['node-3', 'node-2']);
    expect(changed.revision).toBe(3);
  });

  it('goes page by page, of an address and of ranges', async () => {
    for (const query of [{ address: '10.0.7.9' }, { from: '10.0.7.0', to: '10.0.7.255' }, {}]) {
      const whole = await history('pods', query);
      expect(whole.nextCursor).toBeUndefined();
      const items: unknown[] = [];
      let cursor: string | undefined;
      do {
        const page = await history('pods', { ...query, limit: 1, ...(cursor && { cursor }) });
        items.push(...page.items);
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      expect(items).toEqual(whole.items);
      expect(items).toHaveLength(4);
    }
    expect((await history('pods', { from: '10.0.8.0' })).items).toEqual([]);
    const { nextCursor } = await history('pods', { limit: 1 });
    const other = await history('pods', { limit: 1, cursor: nextCursor, address: '10.0.7.9' });
    expect(other.refused).toBe('cursor-mismatch');
  });

  it('goes on for the arena that has the name next, in the notation of each', async () => {
    await call('DELETE', '/arenas/pods');
    const address = '10.0.7.9';
    expect(owners(await history('pods', { address }))).toHaveLength(4);
    const spans = [{ base: '0', size: '0x10000000' }];
    await call('POST', '/arenas', { name: 'pods', notation: 'hex', width: 32, spans });
    await call('POST', '/arenas/pods/xalloc', { size: 16, address: '0xa000700', owner: 'hex' });
    const { items } = await history('pods', { address: '0xa000709' });
    expect(items[0]).toMatchObject({ address: '0xa000700', owner: 'hex' });
    expect(items[1]).toMatchObject({ address: '10.0.7.9', owner: 'node-3' });
    expect(items).toHaveLength(5);
  });

  it('tells of imported spans, leases, splits and merges', async () => {
    await call('POST', '/arenas', { name: 'web', source: 'pods', importSize: 64 });
    const { address, lease } = await call('POST', '/arenas/web/alloc', { size: 8, ttlSeconds: 60 });
    await call('POST', `/arenas/web/allocations/${address}/split`, { sizes: ['4', '4'] });
    await call('DELETE', `/leases/${lease}`);
    const { items } = await history('web', { address });
    expect(items.map(({ ended, lease: of }: any) => [ended, of])).toEqual([
      ['revoked', lease],
      ['split', lease],
    ]);
    const span = (await history('pods', { address })).items[0];
    expect(span).toMatchObject({ importedBy: 'web', size: '64', ended: 'released' });
  });

  it('is the same after kill -9, and so are the events of arenas that are gone', async () => {
    const before = await history('pods');
    await server.kill();
    server = await Server.start({ data });
    expect(await history('pods')).toEqual(before);
    const watcher = await EventClient.open(server.url, '/v1/events?after=0');
    await watcher.until(9);
    watcher.close();
    const addresses = watcher.received.map((received) => received.data.address);
    const told = '10.0.7.0 10.0.7.0 10.0.7.0 10.0.7.0 10.0.7.9';
    expect(addresses.slice(1, 6)).toEqual(told.split(' '));
    expect(watcher.received[1]?.data.owner).toBe('node-1');
  });

  it('refuses what cannot be asked', async () => {
    for (const [query, pointer] of [
      [{ address: '1', from: '2' }, '/query/from'],
      [{ from: '3', to: '2' }, '/query/to'],
      [{ address: '10.0.0.1' }, '/query/address'],
      [{ at: 'yesterday' }, '/query/at'],
      [{ at: '2026-01-01T00:00:00Z', atRevision: 1 }, '/query/atRevision'],
      [{ atRevision: 1_000_000 }, '/query/atRevision'],
      [{ after: 1_000_000 }, '/query/after'],
      [{ owner: 'x' }, '/query/owner'],
    ] as const) {
      const answer = await history('pods', query);
      expect(answer.refused, JSON.stringify(query)).toBe('invalid-request');
      expect(answer.errors[0].pointer).toBe(pointer);
    }
    expect((await history('none')).refused).toBe('arena-not-found');
  });
});

describe('what is not known', () => {
  it('is answered with 410 where records were trimmed', { timeout }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vmemd-trimmed-'));
    const flags = ['--history-mib', '0', '--history-days', '0', '--checkpoint-mib', '0'];
    const first = server;
    try {
      server = await Server.start({ data: folder, flags });
      await call('POST', '/arenas', { name: 'ids', spans: [{ base: 0, size: 100 }] });
      for (let n = 0; n < 5; n += 1) await call('POST', '/arenas/ids/alloc', { size: 1 });
      let page = await history('ids');
      while (page.trimmedRevision === 0) page = await history('ids');
      expect(page.items).toHaveLength(5);
      const early = await history('ids', { address: '1', atRevision: 0 });
      expect(early).toMatchObject({ refused: 'revision-trimmed', status: 410 });
    } finally {
      if (server !== first) await server.kill();
      server = first;
      rmSync(folder, { recursive: true });
    }
  });

  it('is answered with 503 where there is no history', async () => {
    const service = await Service.start();
    await service.call('POST', '/v1/arenas', { name: 'a' });
    const answer = await service.refused('history-unavailable', 'GET', '/v1/arenas/a/history');
    expect(answer.headers['retry-after']).toBe('10');
    await service.stop();
  });
});
