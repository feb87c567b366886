/** What the runtime is told is the same, however the service is started. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { runtimeEnvironment, runtimeFlags } from './crash/runtime.ts';

const variables = Object.entries(runtimeEnvironment);

async function textOf(name: string): Promise<string> {
  return readFile(new URL(`../${name}`, import.meta.url), 'utf8');
}

test('npm start bounds the memory of the runtime', () => {
  expect(runtimeFlags).toContain('--max-semi-space-size=16');
  expect(variables).toEqual([['GLIBC_TUNABLES', 'glibc.malloc.mmap_threshold=1048576']]);
});

test('the image says the same', async () => {
  const text = await textOf('Dockerfile');
  const entrypoint = JSON.stringify(['node', ...runtimeFlags, 'src/vmemd.js']);
  expect(text).toContain(`\nENTRYPOINT ${entrypoint.replaceAll(',', ', ')}\n`);
  for (const [name, value] of variables) expect(text).toContain(`\nENV ${name}=${value}\n`);
});

test('an old Node that hands over to a newer one says the same', async () => {
  const text = await textOf('src/vmemd.js');
  const flags = runtimeFlags.map((flag) => `'${flag}'`).join(', ');
  expect(text).toContain(`var flags = [${flags}];`);
  for (const [name, value] of variables) expect(text).toContain(`{ ${name}: '${value}' }`);
});

test('and so does what the README shows', async () => {
  const text = await textOf('README.md');
  const command = `/usr/bin/node ${runtimeFlags.join(' ')} src/vmemd.js serve`;
  expect(text).toContain(`ExecStart=${command}`);
  for (const [name, value] of variables) expect(text).toContain(`Environment=${name}=${value}`);
});
