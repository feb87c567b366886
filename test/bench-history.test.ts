/** The benchmark of history, at a size that takes no time. Times themselves are not tested. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const execute = promisify(execFile);
const program = fileURLToPath(new URL('../bench/bench.ts', import.meta.url));
const timeMsMax = 90_000;

function bench(...words: string[]) {
  return execute(process.execPath, [program, 'history', ...words], { timeout: timeMsMax });
}

test('every kind of question is asked and has answers', { timeout: timeMsMax }, async () => {
  const { stdout } = await bench('--events', '4000', '--places', '300', '--queries', '20');
  // Three events more create the arenas.
  expect(stdout).toMatch(/^events +4,003$/m);
  const rows = stdout
    .split('\n')
    .filter((line) => /^(an address|ten places|a thousand places), /.test(line));
  expect(rows).toHaveLength(8);
  for (const row of rows) {
    const [, items, p50, p99, max] = /([0-9.]+) +([0-9.]+) +([0-9.]+) +([0-9.]+) {2}(met|MISSED)$/
      .exec(row)!
      .map(Number);
    expect(items, row).toBeGreaterThan(0);
    expect(p99, row).toBeGreaterThanOrEqual(p50!);
    expect(max, row).toBeGreaterThanOrEqual(p99!);
  }
});

test('what it does not understand it says, with its help', async () => {
  await expect(bench('--events', 'many')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--events takes a positive integer'),
  });
});
