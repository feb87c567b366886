/** `vmemd backup` and `vmemd restore`, of data directories and of services, good ones and bad ones. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { exitCode } from '../../src/exit-code.ts';
import { Server } from '../crash/server.ts';
import { edit, Store } from '../journal/store.ts';
import { fill, reportOf, run } from './shell.ts';

vi.setConfig({ testTimeout: 60_000 });

let folder: string;
let data: string;
let file: string;
let restored: string;
let services: Server[];
let fakes: HttpServer[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vmemd-backup-'));
  data = join(folder, 'data');
  file = join(folder, 'backup.db');
  restored = join(folder, 'restored');
  services = [];
  fakes = [];
});
afterEach(async () => {
  for (const service of services) if (service.running) await service.kill();
  for (const fake of fakes) fake.closeAllConnections();
  await Promise.all(fakes.map((fake) => new Promise((done) => fake.close(done))));
  rmSync(folder, { recursive: true });
});

async function serve(...flags: string[]): Promise<Server> {
  const service = await Server.start({ data, flags });
  services.push(service);
  return service;
}

/** Fails, and leaves no file behind. */
async function refused(words: readonly string[], code: number, message: RegExp): Promise<void> {
  const before = readdirSync(folder);
  const result = await run(words);
  expect(result.errors).toMatch(message);
  expect(result).toMatchObject({ code, output: '' });
  expect(readdirSync(folder)).toEqual(before);
}

describe('of a data directory', () => {
  test('there and back is the same state, with its history', async () => {
    const { revision, stateHash } = await fill(data, (store) => store.journal.checkpoint());
    const made = await reportOf(['backup', '--data', data, '--to', file]);
    expect(made).toEqual({ ok: true, file, revision, bytes: statSync(file).size });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await reportOf(['restore', '--from', file, '--data', restored])).toEqual({
      ok: true,
      directory: restored,
      revision,
      stateHash,
    });
    const report = await reportOf(['verify', '--data', restored]);
    expect(report).toMatchObject({ revision, stateHash, records: revision, checkpoint: revision });
    expect(readdirSync(restored).toSorted()).toEqual(['vmemd.db', 'vmemd.head']);
    const store = await Store.open(restored);
    await store.grow(1);
    await store.close();
    expect((await reportOf(['verify', '--data', restored]))['revision']).toBeGreaterThan(revision);
  });

  test('a file that is there is kept, unless told otherwise', async () => {
    await fill(data);
    writeFileSync(file, 'precious');
    const words = ['backup', '--data', data, '--to', file];
    await refused(words, exitCode.usage, /is there already.*--force/);
    expect(readFileSync(file, 'utf8')).toBe('precious');
    await reportOf([...words, '--force']);
    expect((await run(['verify', '--from', file])).code).toBe(exitCode.ok);
  });

  test('a folder is not replaced, and no file of a data directory, whatever is told', async () => {
    const { stateHash } = await fill(data);
    const force = (to: string) => ['backup', '--data', data, '--to', to, '--force'];
    await refused(force(folder), exitCode.usage, /is a folder/);
    for (const name of ['vmemd.db', 'vmemd.db-wal', 'vmemd.head', 'vmemd.history.db']) {
      await refused(force(join(data, name)), exitCode.usage, /is where the service keeps its data/);
    }
    expect((await reportOf(['verify', '--data', data]))['stateHash']).toBe(stateHash);
    // Elsewhere a backup may be called so.
    const named = join(folder, 'vmemd.db');
    await reportOf(force(named));
    expect((await run(['verify', '--from', named])).code).toBe(exitCode.ok);
  });

  test('damage does not get into a backup', async () => {
    await fill(data, (store) => store.journal.checkpoint());
    edit(data, (db) =>
      db.prepare("update journal_group set body = body || ' ' where first_revision = 3").run(),
    );
    await refused(
      ['backup', '--data', data, '--to', file],
      exitCode.dataDamaged,
      /does not match its digest at the records 3 to/,
    );
  });

  test('of data that a service has open, the remedy is its address', async () => {
    await fill(data);
    const store = await Store.open(data);
    const words = ['backup', '--data', data, '--to', file];
    await refused(words, exitCode.dataLocked, /give its address with --url/);
    await store.close();
  });

  test('a folder that is not there is named', async () => {
    await fill(data);
    const to = join(folder, 'none', 'backup.db');
    await refused(['backup', '--data', data, '--to', to], exitCode.dataUnusable, /none/);
  });

  test.each<[string[], RegExp]>([
    [[], /--to is missing/],
    [['--to', ''], /--to must be the path of a file/],
    [['--to', 'x', '--url', 'here'], /--url must be the address of a service.*not "here"/],
    [['--to', 'x', '--url', 'ftp://127.0.0.1'], /--url must be the address/],
    [['--to', 'x', '--url', 'http://me:secret@127.0.0.1'], /no user and password/],
    [['--to', 'x', '--url', 'http://127.0.0.1', '--data', 'y'], /together with --data/],
    [['--to', 'x', '--token-file', 'y'], /--token-file is for a service/],
    [['--to', 'x', '--url', 'http://127.0.0.1', '--token-file', '/nonexistent'], /cannot be read/],
  ])('%j is refused', async (words, message) => {
    await refused(['backup', ...words], exitCode.usage, message);
  });
});

describe('of a running service', () => {
  test('a backup made under load is whole, and has what was answered before', async () => {
    const service = await serve('--checkpoint-mib', '0.02');
    const call = async (path: string, body: unknown): Promise<any> => {
      const reply = await fetch(`${service.url}/v1${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      expect(reply.status).toBe(201);
      return reply.json();
    };
    await call('/arenas', { name: 'a', spans: [{ base: '0', size: '1000000' }] });
    const load = { answered: 0, goesOn: true };
    const client = async (): Promise<void> => {
      while (load.goesOn) {
        const { revision } = await call('/arenas/a/alloc', { size: 3, labels: { some: 'text' } });
        load.answered = Math.max(load.answered, revision);
      }
    };
    const clients = Array.from({ length: 8 }, client);
    while (load.answered < 300) await new Promise(setImmediate);
    const before = load.answered;
    const made = await reportOf(['backup', '--url', service.url, '--to', file]);
    load.goesOn = false;
    await Promise.all(clients);
    expect(made['revision']).toBeGreaterThanOrEqual(before);
    expect(load.answered).toBeGreaterThan(before);
    const { revision } = await reportOf(['restore', '--from', file, '--data', restored]);
    expect(revision).toBe(made['revision']);
    const report = await reportOf(['verify', '--data', restored]);
    expect(report).toMatchObject({ revision, arenas: 1, records: revision });
    expect(report['allocations']).toBe(revision - 1);
    // Those of a service that runs, and no other.
    const journal = ['vmemd.db', 'vmemd.db-wal', 'vmemd.head'];
    const book = ['vmemd.history.db', 'vmemd.history.db-wal'];
    expect(readdirSync(data).toSorted()).toEqual([...journal, ...book]);
  });

  test('a token is needed where the service has some', async () => {
    const tokens = join(folder, 'tokens');
    writeFileSync(tokens, '# mine\n0123456789abcdef\n');
    const { url } = await serve('--tokens', tokens);
    const words = ['backup', '--url', url, '--to', file];
    await refused(words, exitCode.transferFailed, /wants a token.*--token-file or VMEMD_TOKEN/);
    await reportOf([...words, '--token-file', tokens]);
    await reportOf([...words, '--force'], { environment: { VMEMD_TOKEN: '0123456789abcdef' } });
    expect((await run(['verify', '--from', file])).code).toBe(exitCode.ok);
  });

  test('damage that the service did not come by ends the backup with its name', async () => {
    await fill(data, (store) => store.journal.checkpoint());
    edit(data, (db) =>
      db.prepare("update journal_group set body = body || ' ' where first_revision = 3").run(),
    );
    const service = await serve();
    await refused(
      ['backup', '--url', service.url, '--to', file],
      exitCode.transferFailed,
      /answers with 500: The backup failed\. .*digest at the records 3 to/,
    );
    expect(service.log).toMatch(/backup failed/);
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
  });
});

describe('of what only looks like a service', () => {
  async function fake(listener: RequestListener): Promise<string> {
    const server = createServer(listener).listen(0, '127.0.0.1');
    fakes.push(server);
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  const content = Buffer.from('x'.repeat(200_000));

  function headers(changes: Record<string, string> = {}): Record<string, string> {
    return {
      'content-length': String(content.length),
      'content-disposition': 'attachment; filename="vmemd-7.db"',
      'repr-digest': `sha-256=:${createHash('sha256').update(content).digest('base64')}:`,
      ...changes,
    };
  }

  test('what matches its digest is taken, and found not to be a backup when it is verified', async () => {
    const url = await fake((_, reply) => reply.writeHead(200, headers()).end(content));
    const report = await reportOf(['backup', '--url', `${url}/`, '--to', file]);
    expect(report).toMatchObject({ revision: 7, bytes: content.length });
    const { code, errors } = await run(['verify', '--from', file]);
    expect(code).toBe(exitCode.dataDamaged);
    expect(errors).toContain(`${file} is not a SQLite database`);
  });

  test('a transfer that breaks off leaves nothing', async () => {
    const url = await fake((_, reply) => {
      reply.writeHead(200, headers()).write(content.subarray(0, 100_000), () => reply.destroy());
    });
    const message = /The transfer from .* broke off/;
    await refused(['backup', '--url', url, '--to', file], exitCode.transferFailed, message);
  });

  test.each<[string, RequestListener, RegExp]>([
    [
      'another digest',
      (_, reply) =>
        void reply
          .writeHead(200, headers({ 'repr-digest': `sha-256=:${'A'.repeat(43)}=:` }))
          .end(content),
      /does not match its digest/,
    ],
    [
      'another length',
      (_, reply) => void reply.writeHead(200, headers({ 'content-length': '200001' })).end(content),
      /broke off|ended after 200000 of 200001 bytes/,
    ],
    ['another service', (_, reply) => void reply.end('hello'), /not with a backup of vmemd/],
    ['a page', (_, reply) => void reply.writeHead(404).end('<p>no</p>'), /404: it does not say/],
    [
      'a problem',
      (_, reply) => void reply.writeHead(503).end('{"detail":"Not now."}'),
      /answers with 503: Not now\./,
    ],
    [
      'a redirect',
      (_, reply) => void reply.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      /answers with 302/,
    ],
  ])('%s is refused', async (_name, listener, message) => {
    const url = await fake(listener);
    await refused(['backup', '--url', url, '--to', file], exitCode.transferFailed, message);
  });

  test('a port on which nobody listens is refused', async () => {
    const url = await fake(() => undefined);
    await new Promise((done) => fakes.pop()?.close(done));
    const message = /cannot be reached: .*ECONNREFUSED/;
    await refused(['backup', '--url', url, '--to', file], exitCode.transferFailed, message);
  });
});

describe('restore', () => {
  async function backedUp(): Promise<void> {
    await fill(data, (store) => store.journal.checkpoint());
    await reportOf(['backup', '--data', data, '--to', file]);
  }

  test.each(['vmemd.db', 'vmemd.db-wal'])('refuses a directory with %s', async (name) => {
    await backedUp();
    mkdirSync(restored);
    writeFileSync(join(restored, name), 'precious');
    const words = ['restore', '--from', file, '--data', restored];
    await refused(words, exitCode.dataUnusable, new RegExp(`has data in it already: ${name}`));
    expect(readdirSync(restored)).toEqual([name]);
  });

  test('refuses a damaged backup, and makes no directory', async () => {
    await backedUp();
    const whole = readFileSync(file);
    const words = ['restore', '--from', file, '--data', restored];
    // Unused room of the file may have the text as well, where a change of it changes nothing.
    const changed = whole.toString('latin1').replaceAll('node \\"17\\"', 'node \\"18\\"');
    expect(changed).not.toBe(whole.toString('latin1'));
    writeFileSync(file, changed, 'latin1');
    await refused(words, exitCode.checkpointDamaged, /does not match its digest.*another backup/);
    writeFileSync(file, whole.subarray(0, whole.length - 8192));
    await refused(words, exitCode.dataDamaged, /backup\.db/);
    writeFileSync(file, '');
    await refused(words, exitCode.dataDamaged, /backup\.db is not a SQLite database/);
    rmSync(file);
    const other = new Database(file);
    other.exec('create table theirs (id integer)');
    other.close();
    await refused(words, exitCode.dataDamaged, /backup\.db is a SQLite database, but not one of/);
    writeFileSync(file, whole);
    await reportOf(words);
  });

  test('says what a directory that lost its database knew of', async () => {
    await backedUp();
    const { revision } = await fill(restored, (store) => store.grow(1));
    rmSync(join(restored, 'vmemd.db'));
    const { code, errors } = await run(['restore', '--from', file, '--data', restored]);
    expect(code).toBe(exitCode.ok);
    expect(errors).toMatch(new RegExp(`has known revision ${revision}; .* is given up`));
    await (await Store.open(restored)).close();
  });

  test('needs a backup, that is there', async () => {
    await refused(['restore', '--data', restored], exitCode.usage, /--from is missing/);
    await refused(
      ['restore', '--from', join(folder, 'none'), '--data', restored],
      exitCode.dataUnusable,
      /There is no backup/,
    );
    expect(existsSync(restored)).toBe(false);
  });

  test.skipIf(process.getuid?.() === 0)('names a place that it may not write to', async () => {
    await backedUp();
    mkdirSync(restored);
    chmodSync(restored, 0o500);
    const words = ['restore', '--from', file, '--data', restored];
    await refused(words, exitCode.dataUnusable, /restored/);
  });
});
