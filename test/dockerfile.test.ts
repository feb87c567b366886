/**
 * The Dockerfile, carried out without a container engine: its COPY and RUN steps in folders that
 * stand for the file systems of its stages, over what .dockerignore lets through, then its command
 * with the environment it sets, and its health check. What an engine adds (the base image, name
 * spaces, the volume) is not tested. An instruction that this doesn't know fails the test.
 *
 * Only npm may leave the machine, and only for packages that its cache lacks.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

const repository = fileURLToPath(new URL('..', import.meta.url));
const buildMsMax = 300_000;
const stepMsMax = 60_000;
const run = promisify(execFile);

/** A stage: its file system as a folder, and what its instructions have set so far. */
interface Stage {
  readonly name: string;
  readonly root: string;
  directory: string;
  readonly environment: Record<string, string>;
  user?: number;
  entrypoint: string[];
  command: string[];
  healthCheck?: string[];
}

let folder: string;
let image: Stage;
const processes: ChildProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vmemd-image-'));
  // The image's user has to get in.
  await chmod(folder, 0o755);
  // Stands for the Node of the base image.
  await mkdir(join(folder, 'bin'));
  await copyFile(process.execPath, join(folder, 'bin', 'node'));
  image = await build();
}, buildMsMax);

afterEach(async () => {
  for (const child of processes.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test('the image has what the service needs, and no more', () => {
  expect(existsSync(inside(image, '/vmemd/node_modules/fastify'))).toBe(true);
  for (const path of ['test', 'node_modules/vitest', 'node_modules/node', 'examples', '.git']) {
    expect(existsSync(inside(image, `/vmemd/${path}`)), path).toBe(false);
  }
  expect(image.user).toBeGreaterThan(0);
});

test('without tokens it refuses to start, and says why', { timeout: stepMsMax }, async () => {
  const child = start({});
  const [said, [code]] = await Promise.all([text(child.stderr!), once(child, 'exit')]);
  expect(code).toBe(2);
  expect(said).toContain(
    '--host 0.0.0.0 can be reached from other machines, but there are no tokens',
  );
});

test(
  'it serves whoever has a token, is healthy, and ends on SIGTERM',
  { timeout: 3 * stepMsMax },
  async () => {
    const token = 'a-token-for-the-image';
    await writeFile(inside(image, '/tokens'), `${token}\n`);
    const child = start({ VMEMD_TOKENS: inside(image, '/tokens'), VMEMD_PORT: '0' });
    const port = await portOf(child);
    const arenas = `http://127.0.0.1:${port}/v1/arenas`;
    expect((await fetch(arenas)).status).toBe(401);
    const authorization = { Authorization: `Bearer ${token}` };
    expect((await fetch(arenas, { headers: authorization })).status).toBe(200);
    expect(existsSync(inside(image, '/data/vmemd.db'))).toBe(true);
    expect(await healthOf(port)).toBe(0);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(await healthOf(port)).toBe(1);
  },
);

/** Starts the image's command, as an engine would, with more environment. */
function start(environment: Record<string, string>): ChildProcess {
  const [program = '', ...parameters] = [...image.entrypoint, ...image.command];
  const child = spawn(program, parameters, {
    cwd: inside(image, image.directory),
    env: { ...environmentOf(image), ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // Only root may become another user.
    ...(process.getuid?.() === 0 &&
      image.user !== undefined && { uid: image.user, gid: image.user }),
  });
  processes.push(child);
  return child;
}

async function portOf(child: ChildProcess): Promise<string> {
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout!)) {
    lines.push(line);
    const port = /"address":"http:\/\/[^"]*:(\d+)".*"msg":"listening"/.exec(line)?.[1];
    if (port !== undefined) return port;
  }
  throw new Error(`The service ended:\n${lines.join('\n')}${await text(child.stderr!)}`);
}

/** The exit code of the health check. */
async function healthOf(port: string): Promise<number> {
  const [program = '', ...parameters] = image.healthCheck ?? [];
  const env = { ...environmentOf(image), VMEMD_PORT: port };
  const child = spawn(program, parameters, { env, stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  return code as number;
}

/** Carries out all stages; the last one is the image. */
async function build(): Promise<Stage> {
  const context = join(folder, 'context');
  await copyContext(context);
  const stages: Stage[] = [];
  for (const [instruction, rest] of await readInstructions()) {
    if (instruction === 'FROM') stages.push(await newStage(rest, stages.length));
    else await carryOut(instruction, rest, stages, context);
  }
  const last = stages.at(-1);
  if (last === undefined) throw new Error('The Dockerfile has no FROM.');
  return last;
}

async function readInstructions(): Promise<[instruction: string, rest: string][]> {
  const content = await readFile(join(repository, 'Dockerfile'), 'utf8');
  return content
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, instruction, rest] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
      if (instruction === undefined || rest === undefined) throw new Error(`Not read: ${line}`);
      return [instruction, rest];
    });
}

async function newStage(from: string, index: number): Promise<Stage> {
  const name = /^node:24-slim(?: AS ([a-z]+))?$/.exec(from);
  if (name === null) throw new Error(`FROM ${from}: the base has to be Node 24 with glibc`);
  const root = join(folder, `stage-${index}`);
  await mkdir(root);
  return {
    name: name[1] ?? '',
    root,
    directory: '/',
    environment: {},
    entrypoint: [],
    command: [],
  };
}

async function carryOut(
  instruction: string,
  rest: string,
  stages: readonly Stage[],
  context: string,
): Promise<void> {
  const stage = stages.at(-1);
  if (stage === undefined) throw new Error(`${instruction} before FROM`);
  switch (instruction) {
    case 'WORKDIR':
      stage.directory = rest;
      await mkdir(inside(stage, rest), { recursive: true });
      return;
    case 'COPY':
      return copy(rest, stage, stages, context);
    case 'RUN':
      return runStep(rest, stage);
    case 'ENV': {
      const [, name = '', value = ''] = /^([A-Z_]+)=(\S+)$/.exec(rest) ?? [];
      expect(name, `ENV ${rest}`).not.toBe('');
      stage.environment[name] = value;
      return;
    }
    case 'USER':
      stage.user = Number(/^([0-9]+):\1$/.exec(rest)?.[1]);
      return;
    case 'ENTRYPOINT':
      stage.entrypoint = JSON.parse(rest) as string[];
      return;
    case 'CMD':
      stage.command = JSON.parse(rest) as string[];
      return;
    case 'HEALTHCHECK':
      stage.healthCheck = JSON.parse(rest.slice(rest.indexOf('['))) as string[];
      return;
    case 'VOLUME':
      expect(existsSync(inside(stage, rest)), `VOLUME ${rest}`).toBe(true);
      return;
    case 'EXPOSE':
      expect(rest).toBe(stage.environment['VMEMD_PORT']);
      return;
    default:
      throw new Error(`${instruction} is not known here`);
  }
}

async function copy(
  rest: string,
  stage: Stage,
  stages: readonly Stage[],
  context: string,
): Promise<void> {
  const words = rest.split(' ');
  const from = /--from=(\S+)/.exec(rest)?.[1];
  const owner = /--chown=(\d+):/.exec(rest)?.[1];
  const paths = words.filter((word) => !word.startsWith('--'));
  const target = resolve(stage.directory, paths.pop() ?? '');
  const source = from === undefined ? context : stages.find(({ name }) => name === from)?.root;
  if (source === undefined) throw new Error(`COPY ${rest}: there is no stage ${from}`);
  for (const path of paths) {
    // One file or folder gets the name of the target; several go into it.
    const into = rest.endsWith('/') ? resolve(target, path) : target;
    await cp(join(source, path), inside(stage, into), { recursive: true });
    if (owner !== undefined && process.getuid?.() === 0) {
      await chown(inside(stage, into), Number(owner), Number(owner));
    }
  }
}

/** Absolute paths of the image in the step are taken to be in the stage. */
async function runStep(step: string, stage: Stage): Promise<void> {
  await run('sh', ['-c', step.replaceAll(/(?<= )\//g, `${stage.root}/`)], {
    cwd: inside(stage, stage.directory),
    timeout: buildMsMax,
    killSignal: 'SIGKILL',
    env: {
      // The machine's way to the registry: proxies, certificates, npm's own settings and cache.
      ...process.env,
      ...environmentOf(stage),
      PATH: [join(folder, 'bin'), dirname(process.execPath), process.env['PATH']].join(delimiter),
      npm_config_prefer_offline: 'true',
      npm_config_update_notifier: 'false',
    },
  });
}

/** What the engine would be sent: the top of the repository, as .dockerignore says. */
async function copyContext(context: string): Promise<void> {
  const rules = (await readFile(join(repository, '.dockerignore'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const [everything, ...exceptions] = rules;
  expect(everything).toBe('*');
  for (const exception of exceptions) {
    expect(exception).toMatch(/^![A-Za-z.-]+$/);
    const name = exception.slice(1);
    await cp(join(repository, name), join(context, name), { recursive: true });
  }
}

/** Nothing of the developer's own environment but where programs are: the image has none of it. */
function environmentOf(stage: Stage): Record<string, string> {
  const paths = Object.entries(stage.environment).map(([name, value]) => [
    name,
    value.startsWith('/') ? inside(stage, value) : value,
  ]);
  return { ...Object.fromEntries(paths), PATH: join(folder, 'bin') };
}

/** The folder that stands for an absolute path in a stage. */
function inside(stage: Stage, path: string): string {
  return join(stage.root, relative('/', path));
}
