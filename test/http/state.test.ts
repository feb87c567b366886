/** The state as a whole over HTTP: its hash, backups, metrics. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StorageFailure } from '../../src/journal/journal.ts';
import { RecoveryError } from '../../src/journal/recovery-error.ts';
import { stateOf } from '../journal/store.ts';
import { Service } from './service.ts';

let service: Service;
let folder: string;
let file: string;
let contents: Buffer;
let makes: (() => Promise<void>)[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vmemd-state-'));
  file = join(folder, 'backup.tmp');
  contents = Buffer.from('SQLite format 3\0 and so on');
  makes = [];
  service = await Service.start({
    backups: {
      file,
      make: async (path) => {
        await makes.shift()?.();
        writeFileSync(path, contents);
        return { revision: service.engine.revision, bytes: contents.length };
      },
    },
  });
});
afterEach(async () => {
  await service.stop();
  rmSync(folder, { recursive: true });
});

async function createArena(name: string): Promise<void> {
  expect((await service.call('POST', '/v1/arenas', { name })).status).toBe(201);
}

/** A promise that the test settles. */
function gate() {
  return Promise.withResolvers<void>();
}

describe('GET /v1/state', () => {
  it('has the hash of the state, and what the journal holds', async () => {
    await createArena('a');
    await createArena('b');
    const { body } = await service.call('GET', '/v1/state');
    expect(body).toEqual({
      ...stateOf(service.engine),
      durableRevision: 2,
      historyBytes: expect.any(Number),
      trimmedRevision: 0,
      recordsSinceCheckpoint: 2,
      bytesSinceCheckpoint: expect.any(Number),
    });
    await service.journal.checkpoint();
    const { body: after } = await service.call('GET', '/v1/state');
    expect(after.checkpoint).toMatchObject({ revision: 2, parts: 2 });
    expect(Date.parse(after.checkpoint.completedAt)).not.toBeNaN();
    expect(after).toMatchObject({ hash: body.hash, recordsSinceCheckpoint: 0 });
  });

  it('is never of a state before what the client has seen, and shares what it computes', async () => {
    const computed: number[] = [];
    const gates = [gate(), gate(), gate()];
    const { state } = service.journal;
    service.journal.state = async () => {
      const { promise } = gates[computed.length]!;
      computed.push(service.engine.revision);
      const hash = await state.call(service.journal);
      await promise;
      return hash;
    };
    const first = service.call('GET', '/v1/state');
    while (computed.length === 0) await new Promise(setImmediate);
    await createArena('a');
    const others = [1, 2, 3].map(() => service.call('GET', '/v1/state'));
    for (const { resolve } of gates) resolve();
    expect((await first).body.revision).toBe(0);
    for (const other of others) expect((await other).body.revision).toBe(1);
    expect(computed).toEqual([0, 1]);
  });

  it('is refused when the journal has failed, and the next one asks anew', async () => {
    service.journal.automatic = false;
    const pending = service.call('POST', '/v1/arenas', { name: 'a' });
    await service.commitUnderWay();
    service.journal.complete('unknown');
    expect((await pending).status).toBe(503);
    await service.refused('journal-unavailable', 'GET', '/v1/state');
    await service.refused('journal-unavailable', 'GET', '/v1/state');
  });

  it('takes no query', async () => {
    await service.refused('invalid-request', 'GET', '/v1/state?at=3');
  });
});

describe('GET /v1/backup', () => {
  it('is the file, with its digest and a name, and leaves nothing', async () => {
    await createArena('a');
    const { status, headers, text } = await service.call('GET', '/v1/backup');
    expect({ status, text }).toEqual({ status: 200, text: contents.toString() });
    expect(headers).toMatchObject({
      'content-type': 'application/vnd.sqlite3',
      'content-length': String(contents.length),
      'content-disposition': 'attachment; filename="vmemd-1.db"',
      'repr-digest': `sha-256=:${createHash('sha256').update(contents).digest('base64')}:`,
      'cache-control': 'no-store',
    });
    expect(existsSync(file)).toBe(false);
  });

  it('is made one at a time', async () => {
    const { promise, resolve } = gate();
    makes.push(() => promise);
    const first = service.call('GET', '/v1/backup');
    while (makes.length > 0) await new Promise(setImmediate);
    const { headers, detail } = await service.refused('journal-unavailable', 'GET', '/v1/backup');
    expect(detail).toMatch(/Another backup/);
    expect(headers['retry-after']).toBe('1');
    resolve();
    expect((await first).status).toBe(200);
    expect((await service.call('GET', '/v1/backup')).status).toBe(200);
  });

  it.each([
    new RecoveryError('damaged', 'Record 7 is damaged.', 'Restore a backup.'),
    new StorageFailure('There is no room.'),
  ])('says why it failed: %s', async (error) => {
    makes.push(() => Promise.reject(error));
    const { detail } = await service.refused('internal', 'GET', '/v1/backup');
    expect(detail).toBe(`The backup failed. ${error.message}`);
    expect((await service.call('GET', '/v1/backup')).status).toBe(200);
  });

  it('does not tell what was not written for people', async () => {
    makes.push(() => Promise.reject(new TypeError('secret is undefined')));
    const { detail } = await service.refused('internal', 'GET', '/v1/backup');
    expect(detail).not.toMatch(/secret/);
  });

  it('is given up for a client that goes away, and the next one gets its own', async () => {
    contents = Buffer.alloc(8 << 20);
    const address = await service.app.listen({ host: '127.0.0.1', port: 0 });
    for (const when of ['making', 'sending']) {
      const { promise, resolve } = gate();
      makes.push(() => promise);
      const controller = new AbortController();
      const { signal } = controller;
      const pending = fetch(`${address}/v1/backup`, { signal });
      while (makes.length > 0) await new Promise(setImmediate);
      if (when === 'sending') resolve();
      const reply = when === 'sending' ? await pending : undefined;
      controller.abort();
      resolve();
      await expect(reply?.arrayBuffer() ?? pending).rejects.toThrow(/abort/);
      let status: number;
      do {
        const next = await fetch(`${address}/v1/backup`);
        ({ status } = next);
        expect((await next.arrayBuffer()).byteLength === contents.length).toBe(status === 200);
      } while (status === 503);
      expect(status).toBe(200);
    }
  });

  it('is not made for HEAD', async () => {
    makes.push(() => Promise.reject(new Error('it was asked for')));
    expect((await service.call('HEAD', '/v1/backup')).status).toBe(405);
    expect(makes).toHaveLength(1);
  });

  it('does not hold up the end of the service, while it is made', async () => {
    const { promise, resolve } = gate();
    makes.push(() => promise);
    const pending = service.call('GET', '/v1/backup');
    while (makes.length > 0) await new Promise(setImmediate);
    const closed = service.app.close();
    expect((await pending).body).toMatchObject({ code: 'journal-unavailable' });
    await closed;
    resolve();
  });

  it('does not hold up the end of the service, while it is sent to who does not read', async () => {
    contents = Buffer.alloc(32 << 20);
    await service.app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = service.app.server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    let bytes = 0;
    socket.write('GET /v1/backup HTTP/1.1\r\nHost: x\r\n\r\n');
    const [first] = (await once(socket, 'data')) as [Buffer];
    socket.pause();
    bytes += first.length;
    expect(first.toString('latin1')).toMatch(/^HTTP\/1\.1 200 /);
    await service.app.close();
    socket.on('data', (data: Buffer) => (bytes += data.length)).on('error', () => undefined);
    socket.resume();
    await new Promise((done) => socket.once('close', done));
    expect(bytes).toBeLessThan(contents.length);
  });

  it('is of the tokened part, and so is the state', async () => {
    await service.stop();
    service = await Service.start({ tokens: ['0123456789abcdef'] });
    await service.refused('unauthorized', 'GET', '/v1/backup');
    await service.refused('unauthorized', 'GET', '/v1/state');
    expect((await service.call('GET', '/metrics')).status).toBe(200);
  });
});

describe('GET /metrics', () => {
  /** The values by name and labels; every line has to be of the format. */
  async function scrape(): Promise<Map<string, number>> {
    const { status, headers, text } = await service.call('GET', '/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toMatch(/\n$/);
    const values = new Map<string, number>();
    let described = '';
    let typed = '';
    for (const line of text.split('\n').slice(0, -1)) {
      const help = /^# HELP ([a-z_]+) \S.*\.$/.exec(line)?.[1];
      const type = /^# TYPE ([a-z_]+) (gauge|counter)$/.exec(line)?.[1];
      if (help !== undefined) described = help;
      else if (type !== undefined) typed = type;
      else {
        const [, name, labels = '', value] =
          /^([a-z_]+)(\{[a-z]+="[^"]*"\})? ([0-9.e+-]+)$/.exec(line) ?? [];
        expect(name, line).toBeDefined();
        expect([described, typed], line).toEqual([name, name]);
        expect(name, line).toMatch(/^(vmemd|process)_/);
        expect(values.has(`${name}${labels}`), line).toBe(false);
        values.set(`${name}${labels}`, Number(value));
      }
    }
    return values;
  }

  it('counts what is there and what was done', async () => {
    await createArena('a');
    const spans = { base: 0, size: 100 };
    expect((await service.call('POST', '/v1/arenas/a/spans', spans)).status).toBe(201);
    expect((await service.call('POST', '/v1/arenas/a/alloc', { size: 1 })).status).toBe(201);
    expect((await service.call('GET', '/v1/arenas/none')).status).toBe(404);
    const values = await scrape();
    expect(Object.fromEntries(values)).toMatchObject({
      [`vmemd_info{version="0.0.0"}`]: 1,
      vmemd_up: 1,
      vmemd_revision: 3,
      vmemd_durable_revision: 3,
      vmemd_arenas: 1,
      vmemd_spans: 1,
      vmemd_allocations: 1,
      vmemd_records_total: 3,
      vmemd_groups_total: 3,
      vmemd_waiting: 0,
      vmemd_checkpoint_running: 0,
      vmemd_checkpoint_records_since: 3,
      vmemd_history_trimmed_revision: 0,
      'vmemd_answers_total{status="2xx"}': 3,
      'vmemd_answers_total{status="4xx"}': 1,
      'vmemd_answers_total{status="5xx"}': 0,
    });
    expect(values.get('vmemd_history_bytes')).toBeGreaterThan(100);
    expect(values.get('process_resident_memory_bytes')).toBeGreaterThan(1 << 20);
    expect(values.get('process_cpu_seconds_total')).toBeGreaterThan(0);
    expect(values.get('vmemd_event_loop_delay_seconds{quantile="1"}')).toBeGreaterThanOrEqual(0);
    expect(values.has('vmemd_checkpoint_revision')).toBe(false);
    expect((await scrape()).get('vmemd_answers_total{status="2xx"}')).toBe(4);
  });

  it('tells of the newest checkpoint', async () => {
    await createArena('a');
    const { bytes } = await service.journal.checkpoint();
    const values = await scrape();
    expect(values.get('vmemd_checkpoint_revision')).toBe(1);
    expect(values.get('vmemd_checkpoint_bytes')).toBe(bytes);
    expect(values.get('vmemd_checkpoint_records_since')).toBe(0);
    expect(values.get('vmemd_checkpoint_timestamp_seconds')).toBeGreaterThanOrEqual(0);
  });

  it('is there when the journal has failed', async () => {
    service.journal.automatic = false;
    const pending = service.call('POST', '/v1/arenas', { name: 'a' });
    await service.commitUnderWay();
    service.journal.complete('unknown');
    await pending;
    const values = await scrape();
    expect(values.get('vmemd_up')).toBe(0);
    expect(values.get('vmemd_durable_revision')).toBe(0);
    expect(values.has('vmemd_revision')).toBe(false);
    expect(values.get('vmemd_answers_total{status="5xx"}')).toBe(1);
  });

  it('never shows what is not durable', async () => {
    service.journal.automatic = false;
    const pending = service.call('POST', '/v1/arenas', { name: 'a' });
    await service.commitUnderWay();
    let scraped: Map<string, number> | undefined;
    const scraping = scrape().then((values) => (scraped = values));
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    expect(scraped).toBeUndefined();
    service.journal.complete();
    await pending;
    expect((await scraping).get('vmemd_arenas')).toBe(1);
  });
});
