/** What the runtime is told is the same, however the service is started. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runtimeEnvironment, runtimeFlags } from './crash/runtime.ts';
import { Server } from './crash/server.ts';

const program = fileURLToPath(new URL('../src/vmemd.js', import.meta.url));

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

describe('an old Node that hands over to a newer one', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vmemd-runtime-'));
    await mkdir(join(folder, 'src'));
    await copyFile(program, join(folder, 'src/vmemd.js'));
    await writeFile(join(folder, 'package.json'), '{"type":"module"}');
    const bin = join(folder, 'node_modules/node/bin');
    await mkdir(bin, { recursive: true });
    await writeFile(join(bin, 'node'), '#!/bin/sh\necho "$GLIBC_TUNABLES" "$@"\n', { mode: 0o755 });
  });

  afterAll(() => rm(folder, { recursive: true }));

  /** What the newer one is given: the variable, and its words without the program's path. */
  async function handedOver(word: string, tunables?: string): Promise<string> {
    const old = `Object.defineProperty(process, 'versions', { value: { node: '20.0.0' } })`;
    const path = join(folder, 'src/vmemd.js');
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', `data:text/javascript,${encodeURIComponent(old)}`, path, word, '--port', '0'],
      {
        env: {
          PATH: process.env['PATH'],
          ...(tunables !== undefined && { GLIBC_TUNABLES: tunables }),
        },
      },
    );
    return stdout.trim().replace(`${path} `, '');
  }

  test('says the same', async () => {
    const [[, value] = []] = variables;
    const words = `${runtimeFlags.join(' ')} serve --port 0`;
    expect(await handedOver('serve')).toBe(`${value} ${words}`);
    expect(await handedOver('serve', 'of=mine')).toBe(`of=mine ${words}`);
  });

  test('leaves a tool alone', async () => {
    expect(await handedOver('dump')).toBe('dump --port 0');
  });
});

test('and so does npm start, which leaves a variable that is set as it is', async () => {
  const { scripts } = JSON.parse(await textOf('package.json')) as {
    readonly scripts: { readonly start: string };
  };
  const say = scripts.start.replace(' node ', ' sh -c \'echo "$GLIBC_TUNABLES" "$@"\' sh ');
  const said = async (environment: object): Promise<string> =>
    (
      await promisify(execFile)('sh', ['-c', say], {
        env: { PATH: process.env['PATH'], ...environment },
      })
    ).stdout.trim();
  const words = `${runtimeFlags.join(' ')} src/vmemd.js serve`;
  expect(await said({})).toBe(`${variables[0]?.[1]} ${words}`);
  expect(await said({ GLIBC_TUNABLES: 'of=mine' })).toBe(`of=mine ${words}`);
});

test.runIf(process.platform === 'linux')('and so do the tests', async () => {
  const data = await mkdtemp(join(tmpdir(), 'vmemd-runtime-'));
  const server = await Server.start({ data: join(data, 'data') });
  try {
    const words = await readFile(`/proc/${server.pid}/cmdline`, 'utf8');
    expect(words.split('\0').slice(1, 1 + runtimeFlags.length)).toEqual(runtimeFlags);
    const environment = (await readFile(`/proc/${server.pid}/environ`, 'utf8')).split('\0');
    const expected = { ...Object.fromEntries(variables), ...process.env };
    for (const [name] of variables) expect(environment).toContain(`${name}=${expected[name]}`);
  } finally {
    await server.stop();
    await rm(data, { recursive: true });
  }
});

test('and so does what the README shows', async () => {
  const text = await textOf('README.md');
  const command = `/usr/bin/node ${runtimeFlags.join(' ')} src/vmemd.js serve`;
  expect(text).toContain(`ExecStart=${command}`);
  for (const [name, value] of variables) expect(text).toContain(`Environment=${name}=${value}`);
});
