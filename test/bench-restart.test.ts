/** The benchmark of restarts, at a size that takes no time. Times themselves are not tested. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const execute = promisify(execFile);
const program = fileURLToPath(new URL('../bench/bench.ts', import.meta.url));
const timeMsMax = 90_000;

function bench(...words: string[]) {
  return execute(process.execPath, [program, 'restart', ...words], { timeout: timeMsMax });
}

test('a service started on what was written has its state', { timeout: timeMsMax }, async () => {
  const { stdout } = await bench('--live', '2000', '--after', '500', '--starts', '1');
  expect(stdout).toMatch(/^checkpoint .* s, .* MiB$/m);
  expect(stdout).toMatch(/^start 1: .* s, the state is the same$/m);
});

test('what it does not understand it says, with its help', async () => {
  await expect(bench('--live', 'many')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--live takes a positive integer'),
  });
  expect((await bench('--help')).stdout).toMatch(/^Usage: npm run bench -- restart/);
});
