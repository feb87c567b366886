/** The tools as a shell runs them: streams, pipes and exit codes of a real process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { help } from '../../src/cli/help.ts';
import { exitCode } from '../../src/exit-code.ts';
import { Store } from '../journal/store.ts';
import { fill } from './shell.ts';

vi.setConfig({ testTimeout: 60_000 });

const program = fileURLToPath(new URL('../../src/vmemd.js', import.meta.url));
/** A tool that takes longer hangs. */
const deadlineMs = 50_000;

let folder: string;
let data: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vmemd-tools-'));
  data = join(folder, 'data');
});
afterEach(() => rmSync(folder, { recursive: true }));

async function run(words: readonly string[], input = '', readsOutput = true) {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('VMEMD_')),
  );
  const child = spawn(process.execPath, [program, ...words], { env, timeout: deadlineMs });
  let [output, errors] = ['', ''];
  if (readsOutput) child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  else child.stdout.destroy();
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  child.stdin.on('error', () => undefined).end(input);
  const [code] = await once(child, 'close');
  return { code, output, errors };
}

test('help and mistakes', async () => {
  expect(await run(['help', 'dump'])).toEqual({ code: 0, output: help.dump, errors: '' });
  const { code, output, errors } = await run(['verfy']);
  expect({ code, output }).toEqual({ code: exitCode.usage, output: '' });
  expect(errors).toMatch(/^vmemd: There is no command "verfy"\. Did you mean "verify"\?\n\nvmemd /);
});

test('a dump goes through a pipe into a load', async () => {
  const { revision, stateHash } = await fill(data);
  const dumped = await run(['dump', '--data', data]);
  expect(dumped).toMatchObject({ code: 0, errors: '' });
  const words = ['load', '--data', join(folder, 'loaded'), '--json'];
  const { code, output } = await run(words, dumped.output);
  expect({ code, ...JSON.parse(output) }).toMatchObject({ code: 0, revision, stateHash });
});

test('an output that nobody reads ends a dump', async () => {
  await fill(data, (store) => store.grow(1, 3000));
  const { code, errors } = await run(['dump', '--data', data], '', false);
  expect(errors).toBe('vmemd: Nobody reads the output any more.\n');
  expect(code).toBe(exitCode.dataUnusable);
  await (await Store.open(data)).close();
});

test('an output that nobody reads ends what only prints without more words', async () => {
  for (const words of [['--help'], ['--version']]) {
    const { code, errors } = await run(words, '', false);
    expect({ code, errors }).toEqual({ code: exitCode.dataUnusable, errors: '' });
  }
});

test.skipIf(!existsSync('/dev/full'))('an output without room is no bug', async () => {
  await fill(data);
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [program, 'dump', '--data', data], {
    stdio: ['ignore', full, 'pipe'],
    timeout: deadlineMs,
  });
  closeSync(full);
  let errors = '';
  child.stderr!.on('data', (text: Buffer) => (errors += text.toString()));
  const [code] = await once(child, 'close');
  expect(errors).toMatch(/^vmemd: The standard output cannot be used: ENOSPC.* Make room/);
  expect(code).toBe(exitCode.diskFull);
});

test('a failure is on both streams with --json, and the exit code is that of the failure', async () => {
  const { code, output, errors } = await run(['verify', '--json', '--data', data]);
  expect(code).toBe(exitCode.dataUnusable);
  const { message, ...rest } = JSON.parse(output);
  expect(rest).toEqual({ ok: false, exitCode: code });
  expect(errors).toBe(`vmemd: ${message}\n`);
});
