/** The benchmark of leases, at a size that takes no time. Times themselves are not tested. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const execute = promisify(execFile);
const program = fileURLToPath(new URL('../bench/bench.ts', import.meta.url));
const timeMsMax = 60_000;

function bench(...words: string[]) {
  return execute(process.execPath, [program, 'leases', ...words], { timeout: timeMsMax });
}

test('all leases end, and what that took is told', { timeout: timeMsMax }, async () => {
  const words = ['--leases', '500', '--renew-seconds', '0.05', '--idle-seconds', '0.05'];
  const { stdout } = await bench(...words);
  for (const what of ['renewals', 'expirations', 'commits meanwhile', 'goal: no turn takes']) {
    expect(stdout).toContain(what);
  }
});

test('what it does not understand it says, with its help', { timeout: timeMsMax }, async () => {
  await expect(bench('--leases', 'many')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--leases takes a positive integer'),
  });
  expect((await bench('--help')).stdout).toMatch(/^Usage: npm run bench -- leases/);
});
