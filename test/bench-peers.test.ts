/**
 * The comparison with others, at a size that takes no time: clients that hold the same number are
 * found, and what is shown is what was measured. Times themselves are not tested.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { Missing } from '../bench/missing.ts';
import { run } from '../bench/peers.ts';
import { parsePeersOptions } from '../bench/peers-options.ts';
import { showPeers, type PeersReport } from '../bench/peers-report.ts';
import { peers } from '../bench/peers/all.ts';
import { Holders } from '../bench/peers/holders.ts';
import type { Client } from '../bench/peers/peer.ts';

const execute = promisify(execFile);
const program = fileURLToPath(new URL('../bench/bench.ts', import.meta.url));
const timeMsMax = 90_000;

function bench(...words: string[]) {
  return execute(process.execPath, [program, 'peers', ...words], { timeout: timeMsMax });
}

test('those that are there are measured', { timeout: timeMsMax }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'vmemd-bench-peers-'));
  try {
    const json = join(directory, 'peers.json');
    const few = ['--quick', '--clients', '4', '--seconds', '0.2', '--rounds', '2', '--held', '32'];
    const only = ['--only', 'sqlite', '--only', 'redis'];
    const { stdout } = await bench(...few, ...only, '--json', json, '--results', directory);
    const report = JSON.parse(await readFile(json, 'utf8')) as PeersReport;
    const { rows, skipped, versions } = report;
    expect(Object.keys({ ...skipped, ...versions }).toSorted()).toEqual([
      'redis',
      'sqlite',
      'vmemd',
    ]);
    expect(rows.map(({ peer }) => peer)).toEqual(Object.keys(versions));
    for (const { peer, clients, figures, ratio } of rows) {
      expect(clients).toBe(4);
      expect(figures!.rate, peer).toBeGreaterThan(0);
      expect(figures!.p50).toBeGreaterThan(0);
      expect(figures!.p99).toBeGreaterThanOrEqual(figures!.p50);
      expect(figures!.clientCpu).toBeGreaterThan(0);
      expect(ratio !== undefined).toBe(peer !== 'vmemd');
    }
    expect(stdout).toMatch(/^sqlite +4 +[\d,]+ +[\d.]+ × /m);
    expect(stdout).toBe(showPeers(report, false));
    const page = await readFile(join(directory, 'peers.md'), 'utf8');
    expect(page).toContain(showPeers(report, true).trimEnd());
    expect(await readFile(join(directory, 'peers.svg'), 'utf8')).toContain('>sqlite<');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

describe('holders', () => {
  /** Grants what `next` says. */
  function holders(next: () => number, held?: () => number) {
    const taken = new Set<number>();
    const client: Client = {
      async grant() {
        const number = next();
        taken.add(number);
        return number;
      },
      async free(number) {
        taken.delete(number);
      },
    };
    const each = [client, client, client];
    const clients = { each, held: async () => (held ?? (() => taken.size))() };
    return new Holders({ ...clients, close: async () => undefined }, 8);
  }

  test('hold as many as they are to, and grants are counted', async () => {
    let at = 0;
    const own = holders(() => at++ % 8);
    await own.fill(4);
    expect(at).toBe(4);
    // Of eight numbers four are held, any of which may have been freed: a failure ends the run.
    await expect(own.run({ clients: 1, seconds: 0.5 })).rejects.toThrow(/^two clients hold [0-7]$/);
  });

  test('do not take a number that another one holds', async () => {
    await expect(holders(() => 5).fill(2)).rejects.toThrow('two clients hold 5');
  });

  test('do not take what is not of the pool', async () => {
    for (const number of [8, -1, 0.5, Number.NaN]) {
      await expect(holders(() => number).fill(1)).rejects.toThrow(`granted is ${number}`);
    }
  });

  test('find out that the server counts otherwise', async () => {
    const own = holders(
      () => 3,
      () => 0,
    );
    await expect(own.fill(1)).rejects.toThrow('its clients hold 1 numbers, and it says 0');
  });

  test('tell what a run was', async () => {
    const free = new Set([0, 1, 2, 3, 4, 5, 6, 7]);
    let asked = 0;
    const client: Client = {
      async grant() {
        await new Promise((resolve) => setTimeout(resolve, 1));
        const [number] = free;
        free.delete(number!);
        asked++;
        return number!;
      },
      async free(number) {
        free.add(number);
      },
    };
    const each = [client, client, client];
    const held = async (): Promise<number> => 8 - free.size;
    const own = new Holders({ each, held, close: async () => undefined }, 8);
    await own.fill(4);
    const { rate, grants, p50, p99 } = await own.run({ clients: 2, seconds: 0.1 });
    expect(grants).toBe(asked - 4);
    expect(rate * 0.1).toBeLessThanOrEqual(grants);
    expect(rate).toBeGreaterThan(0);
    expect(p99).toBeGreaterThanOrEqual(p50);
  });

  test('count a grant that takes longer than the run', async () => {
    let at = 0;
    const client: Client = {
      async grant() {
        if (at >= 4) await new Promise((resolve) => setTimeout(resolve, 100));
        return at++;
      },
      free: async () => undefined,
    };
    const each = [client, client, client];
    const own = new Holders({ each, held: async () => 4, close: async () => undefined }, 8);
    await own.fill(4);
    const { rate, grants, p50 } = await own.run({ clients: 2, seconds: 0.01 });
    expect(grants).toBe(2);
    expect(rate).toBeGreaterThan(0);
    expect(rate).toBeLessThan(20);
    expect(p50).toBeGreaterThan(90);
  });
});

test('what is not installed says so, and what to do', async () => {
  vi.stubEnv('PATH', '/nonexistent');
  try {
    for (const name of ['redis', 'etcd']) {
      const { peer } = await peers[name]!.load();
      const start = peer.start({ directory: '/nonexistent', clients: 1, pool: 1 });
      await expect(start).rejects.toThrow(Missing);
      await expect(start).rejects.toThrow(/^[a-z-]+ is not installed: apt-get install [a-z-]+$/);
    }
  } finally {
    vi.unstubAllEnvs();
  }
});

test('the goal is decided by the best of the others', () => {
  const figures = { rate: 1000, p50: 1, p99: 2, clientCpu: 10, serverCpu: 20 };
  const report: PeersReport = {
    machine: { processor: 'one', processors: 2, memoryGiB: 1, node: 'v24', date: '2026-01-31' },
    syncMs: 1,
    seconds: 1,
    rounds: 1,
    held: 4,
    pool: 16,
    versions: { redis: 'Redis 7', sqlite: 'SQLite 3', vmemd: 'vmemd 1' },
    skipped: { etcd: 'etcd is not installed' },
    rows: [
      { peer: 'redis', clients: 64, figures, ratio: 4.5 },
      { peer: 'sqlite', clients: 64, figures, ratio: 6 },
      { peer: 'postgres-list', clients: 64, failure: 'two clients hold 5' },
      { peer: 'postgres-range', clients: 1, figures, ratio: 2 },
      { peer: 'vmemd', clients: 64, figures },
    ],
  };
  const shown = showPeers(report, false);
  expect(shown).toMatch(/^vmemd against .* at 64 clients +≥ 5 × +4\.50 × +NO +redis$/m);
  expect(shown).toMatch(/^postgres-list +64 +failed$/m);
  expect(shown).toContain('postgres-list, 64 clients, failed: two clients hold 5.');
  expect(shown).toContain('etcd is left out: etcd is not installed.');
});

test('what it does not understand it says, with its help', async () => {
  const said: string[] = [];
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said.push(String(text));
    return true;
  });
  try {
    expect(await run(['--only', 'everything'])).toBe(2);
  } finally {
    spy.mockRestore();
  }
  expect(said.join('')).toMatch(/"everything" in its name[^]*Usage: npm run bench -- peers/);
  expect(parsePeersOptions(['--help'])).toBeUndefined();
  for (const words of [['--clients', 'many'], ['--seconds', '0'], ['--held', '63'], ['word']]) {
    expect(() => parsePeersOptions(words)).toThrow();
  }
  expect(parsePeersOptions(['--only', 'red'])?.names).toEqual(['redis', 'vmemd']);
});

test('only a whole run touches the committed results', () => {
  expect(parsePeersOptions([])?.results).toMatch(/bench\/results\/$/);
  for (const words of [['--quick'], ['--only', 'redis'], ['--clients', '8'], ['--held', '99']]) {
    expect(parsePeersOptions(words)).not.toHaveProperty('results');
  }
});
