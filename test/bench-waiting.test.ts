/** The benchmark of waiting, at a size that takes no time. Times themselves are not tested. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const execute = promisify(execFile);
const program = fileURLToPath(new URL('../bench/bench.ts', import.meta.url));
const timeMsMax = 60_000;

function bench(...words: string[]) {
  return execute(process.execPath, [program, 'waiting', ...words], { timeout: timeMsMax });
}

test('one is tried for each that is served, and else nobody', { timeout: timeMsMax }, async () => {
  const { stdout } = await bench('--waiters', '100', '--seconds', '0.02');
  const [head, , ...rows] = stdout.trimEnd().split('\n');
  expect(head).toMatch(/^100 wait /);
  const cells = rows.map((row) => row.trim().split(/ {2,}/));
  expect(cells.map(([name, , tries]) => [name, tries])).toEqual([
    ['nobody', '0.00'],
    ['for more than is freed', '0.00'],
    ['for other addresses', '0.00'],
    ['for a block, of whom each free serves one', '1.00'],
    ['for more, in an arena each that imports from this one', '0.00'],
  ]);
  for (const [, frees] of cells) expect(Number(frees?.replaceAll(',', ''))).toBeGreaterThan(0);
});

test('what it does not understand it says, with its help', { timeout: timeMsMax }, async () => {
  await expect(bench('--waiters', 'many')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--waiters takes a positive integer'),
  });
  expect((await bench('--help')).stdout).toMatch(/^Usage: npm run bench -- waiting/);
});
