/**
 * The benchmark of group commit, at a size that takes no time: its figures have to agree with each
 * other, whatever they are. Times themselves are not tested.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const execute = promisify(execFile);
const program = fileURLToPath(new URL('../bench/bench.ts', import.meta.url));
const timeMsMax = 60_000;

function bench(...words: string[]) {
  return execute(process.execPath, [program, 'group', ...words], { timeout: timeMsMax });
}

test('grants, commits and records in a commit agree', { timeout: timeMsMax }, async () => {
  const { stdout } = await bench('--connections', '1', '--connections', '64', '--seconds', '0.5');
  const rows = stdout.split('\n').filter((line) => /^ +[0-9]/.test(line));
  expect(rows).toHaveLength(2);
  for (const [at, connections] of [1, 64].entries()) {
    const cells = rows[at]!.trim().split(/ {2,}/);
    const [own, grants, p50, p99, commits, mean, largest] = cells.map((cell) =>
      Number(cell.replaceAll(',', '')),
    ) as [number, number, number, number, number, number, number];
    expect(own).toBe(connections);
    expect(grants).toBeGreaterThan(0);
    expect(p50).toBeGreaterThan(0);
    expect(p99).toBeGreaterThanOrEqual(p50);
    // No client has more than one request under way, and a record is a grant.
    expect(largest).toBeLessThanOrEqual(connections);
    expect(mean).toBeGreaterThanOrEqual(1);
    expect(mean).toBeLessThanOrEqual(largest);
    // But for the groups at either end of what is measured, and the rounding.
    expect(Math.abs(commits * mean - grants)).toBeLessThan(grants * 0.1 + 6 * connections);
  }
  expect(stdout).toMatch(
    /^goal: more than 8 records in a commit at 64 connections: (met|missed)$/m,
  );
});

test('what it does not understand it says, with its help', async () => {
  await expect(bench('--connections', 'many')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--connections takes a positive integer'),
  });
  expect((await bench('--help')).stdout).toMatch(/^Usage: npm run bench -- group/);
});
