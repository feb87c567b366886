/**
 * The benchmark over HTTP, at a size that takes no time: what it shows has to be what was asked for,
 * and figures have to agree with each other, whatever they are. Times themselves are not tested.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { HttpReport } from '../bench/http-report.ts';

const execute = promisify(execFile);
const program = fileURLToPath(new URL('../bench/bench.ts', import.meta.url));
const timeMsMax = 60_000;
const hasWrk = isThere();

function isThere(): boolean {
  try {
    execFileSync('which', ['wrk']);
    return true;
  } catch {
    process.stderr.write('wrk is not installed: the benchmark over HTTP is not rehearsed.\n');
    return false;
  }
}

function bench(words: readonly string[], path = process.env['PATH']) {
  const env = { ...process.env, PATH: path };
  return execute(process.execPath, [program, 'http', ...words], { timeout: timeMsMax, env });
}

test.runIf(hasWrk)(
  'both are measured, and their figures agree',
  { timeout: timeMsMax },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'vmemd-bench-http-'));
    try {
      const json = join(directory, 'http.json');
      const few = ['--quick', '--connections', '4', '--addresses', '4096'];
      const only = ['--only', 'mixed-99.9'];
      const { stdout } = await bench([...few, ...only, '--json', json, '--results', directory]);
      const report = JSON.parse(await readFile(json, 'utf8')) as HttpReport;
      expect(report.rows).toHaveLength(1);
      const { workload, connections, ratio, syncMs, bare, vmemd } = report.rows[0]!;
      expect({ workload, connections }).toEqual({ workload: 'mixed-99.9', connections: 4 });
      expect(ratio).toBeCloseTo(vmemd.rate / bare.rate);
      expect(syncMs).toBeGreaterThan(0);
      for (const side of [bare, vmemd]) {
        expect(side.rate).toBeGreaterThan(0);
        expect(side.p50).toBeGreaterThan(0);
        expect(side.p99).toBeGreaterThanOrEqual(side.p50);
        expect(side.p999).toBeGreaterThanOrEqual(side.p99);
        expect(side.cpuMicroseconds).toBeGreaterThan(0);
      }
      // No connection has more than one request under way, and one of them is a record.
      expect(vmemd.group).toBeGreaterThanOrEqual(1);
      expect(vmemd.group).toBeLessThanOrEqual(4);
      expect(bare).not.toHaveProperty('group');
      expect(stdout).toMatch(/^mixed-99\.9 +4 /m);
      const shown = await bench(['--from', json, '--markdown']);
      expect(await readFile(join(directory, 'http.md'), 'utf8')).toContain(shown.stdout.trimEnd());
      expect(await readFile(join(directory, 'http.svg'), 'utf8')).toContain('mixed-99.9');
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
);

test('without wrk it says what to install', async () => {
  await expect(bench([], '/nonexistent')).rejects.toMatchObject({
    code: 2,
    stderr: 'bench: The load generator wrk is missing: apt-get install wrk.\n',
  });
});

test('what it does not understand it says, with its help', async () => {
  for (const words of [
    ['--connections', 'many'],
    ['--only', 'everything'],
  ]) {
    await expect(bench(words)).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Usage: npm run bench -- http'),
    });
  }
  await expect(bench(['--connections', '256', '--only', 'batch-1000'])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('bench: batch-1000 takes at most 64 connections'),
  });
  expect((await bench(['--help'])).stdout).toMatch(/^Usage: npm run bench -- http/);
});
