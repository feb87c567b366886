/** The process as it is started in earnest: what it prints, and how it ends. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { constants, getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exitCode } from '../../src/exit-code.ts';
import { version } from '../../src/version.ts';
import { Shim, shimImpossible } from '../campaign/shim.ts';
import { Server } from '../crash/server.ts';

const program = fileURLToPath(new URL('../../src/vmemd.js', import.meta.url));
const deadlineMs = 30_000;

let folder: string;
let running: Vmemd[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vmemd-process-'));
});
afterEach(async () => {
  for (const vmemd of running) await vmemd.kill();
  running = [];
  rmSync(folder, { recursive: true });
});

class Vmemd {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
  output = '';
  errors = '';

  constructor(words: readonly string[]) {
    const environment = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('VMEMD_')),
    );
    this.child = spawn(process.execPath, [program, ...words], { env: environment });
    this.child.stdout?.on('data', (data: Buffer) => (this.output += data.toString()));
    this.child.stderr?.on('data', (data: Buffer) => (this.errors += data.toString()));
    this.ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }));
    running.push(this);
  }

  /** The log so far, a line each. */
  log(): Record<string, any>[] {
    const lines = this.output.split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Record<string, any>);
  }

  /** Waits for a line of the log; a process that ends without it never prints it. */
  async logged(message: string): Promise<Record<string, any>> {
    for (;;) {
      const line = this.log().find(({ msg }) => msg === message);
      if (line !== undefined) return line;
      const ended = this.child.exitCode !== null || this.child.signalCode !== null;
      if (ended) throw new Error(`it ended without "${message}": ${this.output}${this.errors}`);
      await Promise.race([once(this.child.stdout!, 'data'), this.ended]);
    }
  }

  async kill(): Promise<void> {
    if (this.child.exitCode === null) this.child.kill('SIGKILL');
    await this.ended;
  }
}

function serve(...flags: string[]): Vmemd {
  return new Vmemd(['serve', '--port', '0', '--data', join(folder, 'data'), ...flags]);
}

async function createArena(address: string, name: string): Promise<number> {
  const reply = await fetch(`${address}/v1/arenas`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  });
  return reply.status;
}

function replaceFile(path: string): void {
  copyFileSync(path, `${path}.new`);
  renameSync(`${path}.new`, path);
}

/** Of the threads of a process: how nice they are, by their names. */
function priorities(pid: number): Record<string, number[]> {
  const found: Record<string, number[]> = {};
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const name = readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trimEnd();
    (found[name] ??= []).push(getPriority(Number(thread)));
  }
  for (const all of Object.values(found)) all.sort((a, b) => a - b);
  return found;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}

describe('vmemd', { timeout: deadlineMs }, () => {
  it('prints its version and help', async () => {
    const asked = new Vmemd(['--version']);
    expect(await asked.ended).toMatchObject({ code: exitCode.ok });
    expect(asked.output).toBe(`${version}\n`);
    const help = new Vmemd(['serve', '--help']);
    expect(await help.ended).toMatchObject({ code: exitCode.ok });
    expect(help.output).toContain('VMEMD_TOKENS');
  });

  it.each<[string[], RegExp]>([
    [[], /A command is missing/],
    [['serve', '--bogus'], /--bogus/],
    [['serve', '--port', 'x'], /--port must be a number/],
    [['serve', '--host', '0.0.0.0'], /--insecure/],
  ])('ends with code 2 and a sentence for %j', async (words, message) => {
    const vmemd = new Vmemd(words);
    expect(await vmemd.ended).toMatchObject({ code: exitCode.usage });
    expect(vmemd.errors).toMatch(message);
    expect(vmemd.output).toBe('');
  });
});

describe('vmemd serve', { timeout: deadlineMs }, () => {
  it('keeps what it answered over a stop and a start', async () => {
    const first = serve();
    const line = await first.logged('listening');
    expect(line).toMatchObject({ revision: 0, data: join(folder, 'data') });
    expect(line['address']).toMatch(/^http:\/\/127\.0\.0\.1:[0-9]+$/);
    expect(await createArena(line['address'], 'a')).toBe(201);
    first.child.kill('SIGTERM');
    expect(await first.ended).toEqual({ code: exitCode.ok, signal: null });
    expect(first.log().map(({ msg }) => msg)).toEqual(['listening', 'stopping', 'stopped']);

    const second = serve();
    const { address, revision } = await second.logged('listening');
    expect(revision).toBe(1);
    expect((await fetch(`${address}/v1/arenas/a`)).status).toBe(200);
    second.child.kill('SIGINT');
    expect(await second.ended).toEqual({ code: exitCode.ok, signal: null });
  });

  it('stops in order when its terminal is closed', async () => {
    const service = serve();
    await service.logged('listening');
    service.child.kill('SIGHUP');
    expect(await service.ended).toEqual({ code: exitCode.ok, signal: null });
    expect(service.log().map(({ msg }) => msg)).toEqual(['listening', 'stopping', 'stopped']);
  });

  it.skipIf(!existsSync('/dev/full'))('goes on where there is no room for its log', async () => {
    const port = await freePort();
    const full = openSync('/dev/full', 'w');
    const words = ['serve', '--port', String(port), '--data', join(folder, 'data')];
    const child = spawn(process.execPath, [program, ...words], { stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    const ended = once(child, 'close');
    try {
      const address = `http://127.0.0.1:${port}`;
      while (child.exitCode === null && !(await answers(`${address}/readyz`))) await delay(50);
      expect(await createArena(address, 'a')).toBe(201);
      child.kill('SIGTERM');
      expect(await ended).toEqual([exitCode.ok, null]);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it.skipIf(!existsSync('/proc/self/task'))(
    'serves in threads that others give way to',
    async () => {
      const service = serve();
      await service.logged('listening');
      const own = getPriority();
      const nicer = Math.min(constants.priority.PRIORITY_LOW, own + 10);
      await expect
        .poll(() => priorities(service.child.pid!))
        .toMatchObject({
          // These serve: the main thread, and the one of the journal.
          MainThread: [own],
          V8Worker: expect.toSatisfy((all: number[]) => all.every((one) => one === nicer)),
          // And the book of history.
          WorkerThread: [own, nicer],
        });
    },
  );

  it('takes a signal that comes twice, as to a process group, for one', async () => {
    const service = serve();
    const { address } = await service.logged('listening');
    expect(await createArena(String(address), 'a')).toBe(201);
    service.child.kill('SIGTERM');
    service.child.kill('SIGINT');
    expect(await service.ended).toEqual({ code: exitCode.ok, signal: null });
    expect(service.log().map(({ msg }) => msg)).toEqual(['listening', 'stopping', 'stopped']);
  });

  it.each<[string, (data: string) => void]>([
    ['its database was removed', (data) => rmSync(join(data, 'vmemd.db'))],
    ['its write-ahead log was removed', (data) => rmSync(join(data, 'vmemd.db-wal'))],
    ['its head anchor was replaced', (data) => replaceFile(join(data, 'vmemd.head'))],
    ['its directory was moved away', (data) => renameSync(data, `${data}.old`)],
  ])('answers no change with a success after %s', async (_what, change) => {
    const service = serve();
    const { address } = await service.logged('listening');
    expect(await createArena(String(address), 'a')).toBe(201);
    change(join(folder, 'data'));
    expect(await createArena(String(address), 'b')).toBe(503);
    expect(await service.ended).toEqual({ code: exitCode.journalFailed, signal: null });
    expect(service.output).toMatch(/was removed or replaced while it was in use/);
  });

  it('answers the first change with no success, either, where a file was replaced', async () => {
    const service = serve();
    const { address } = await service.logged('listening');
    replaceFile(join(folder, 'data', 'vmemd.db'));
    expect(await createArena(String(address), 'a')).toBe(503);
    expect(await service.ended).toEqual({ code: exitCode.journalFailed, signal: null });
  });

  it('answers those who wait when a commit fails, and ends with code 6', async (c) => {
    const impossible = shimImpossible();
    c.skip(impossible !== undefined, impossible);
    const data = join(folder, 'data');
    const shim = new Shim({ folder, directory: data });
    const server = await Server.start({ data, environment: shim.environment });
    try {
      expect(await createArena(server.url, 'a')).toBe(201);
      shim.fail('eio', shim.calls + 1, 'from then on');
      const statuses = ['b', 'c', 'd'].map((name) => createArena(server.url, name));
      expect(await Promise.all(statuses)).toEqual([503, 503, 503]);
      expect(await server.ended()).toEqual({ code: exitCode.journalFailed });
    } finally {
      if (server.running) await server.kill();
      shim.close();
    }
  });

  it('ends with code 7 when the port is in use', async () => {
    const { address } = await serve().logged('listening');
    const port = new URL(address).port;
    const second = new Vmemd(['serve', '--port', port, '--data', join(folder, 'other')]);
    expect(await second.ended).toMatchObject({ code: exitCode.cannotListen });
    expect(second.output).toMatch(/Cannot listen: .*EADDRINUSE/);
  });

  it('ends with code 3 when the data is in use', async () => {
    await serve().logged('listening');
    const second = serve();
    expect(await second.ended).toMatchObject({ code: exitCode.dataLocked });
  });

  it('logs a line per request at debug, without bodies and tokens', async () => {
    const vmemd = serve('--log-level', 'debug');
    const { address } = await vmemd.logged('listening');
    await fetch(`${address}/v1/arenas?limit=3`, { headers: { authorization: 'Bearer secret' } });
    const line = await vmemd.logged('answered');
    expect(line).toMatchObject({ method: 'GET', url: '/v1/arenas?limit=3', status: 200 });
    expect(vmemd.output).not.toMatch(/secret|authorization/i);
  });
});
