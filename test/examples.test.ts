/**
 * The examples: each script runs against a fresh server of its own, and what it prints is compared
 * with the text committed beside it. They check every answer themselves, so a change of the API
 * that breaks one shows here. After a change that is meant, run with VMEMD_UPDATE=1 and read the
 * difference before committing it.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Server } from './crash/server.ts';

const examples = fileURLToPath(new URL('../examples/', import.meta.url));
const scripts = ['gpu-va', 'ipv4-plan', 'ipv6-sites', 'seed-preset', 'tcp-ports'];
const scriptMsMax = 60_000;

let data: string;
let server: Server;

async function startServer(): Promise<void> {
  data = await mkdtemp(join(tmpdir(), 'vmemd-examples-'));
  server = await Server.start({ data });
}

async function removeServer(): Promise<void> {
  if (server.running) await server.kill();
  await rm(data, { recursive: true, force: true });
}

test('every script is tested here', async () => {
  const files = await readdir(examples);
  const found = files.filter((file) => file.endsWith('.sh') && file !== 'lib.sh');
  expect(found.toSorted()).toEqual(scripts.map((script) => `${script}.sh`));
});

describe('with a fresh server', () => {
  beforeEach(startServer, scriptMsMax);
  afterEach(removeServer);

  test.each(scripts)(
    '%s prints what is committed beside it',
    { timeout: 3 * scriptMsMax },
    async (script) => {
      const { status, stdout, stderr } = await run(script, server.url);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const expected = join(examples, `${script}.expected`);
      if (process.env['VMEMD_UPDATE'] === '1') await writeFile(expected, stdout);
      expect(stdout).toBe(await readFile(expected, 'utf8'));
      expect(await server.stop()).toEqual({ code: 0 });
    },
  );

  test(
    'an example that is refused prints the problem and fails',
    { timeout: 3 * scriptMsMax },
    async () => {
      await run('seed-preset', server.url);
      const { status, stderr } = await run('seed-preset', server.url);
      expect(status).toBe(1);
      expect(stderr).toContain('POST /v1/arenas failed with status 409:\n{"type":');
      expect(stderr).toContain('"code":"arena-exists"');
    },
  );

  test('without a service an example says so and fails', { timeout: 3 * scriptMsMax }, async () => {
    await server.stop();
    const { status, stderr } = await run('gpu-va', server.url);
    expect(status).toBe(1);
    expect(stderr).toContain(`is vmemd running at ${server.url}?`);
  });
});

interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(script: string, url: string): Promise<Finished> {
  const env = {
    PATH: process.env['PATH'],
    VMEMD_URL: url,
    // The machine's own list differs from one machine to the next.
    VMEMD_SERVICES: join(examples, 'services.txt'),
  };
  const options = { env, timeout: scriptMsMax, killSignal: 'SIGKILL' } as const;
  return new Promise((resolve, reject) => {
    execFile('bash', [join(examples, `${script}.sh`)], options, (error, stdout, stderr) => {
      // Not a number where the script was killed or could not be started at all.
      const status = error === null ? 0 : error.code;
      if (typeof status === 'number') resolve({ status, stdout, stderr });
      else reject(new Error(`${script} did not finish:\n${stdout}${stderr}`, { cause: error }));
    });
  });
}
