/**
 * The README is true: the commands of its tour are run against a real server, and its tables are
 * held against the code, both ways.
 *
 * The tour is the section of that name. Each fenced block marked `sh` is run by bash, in order, and
 * the block right after it, marked `json` or `text`, is what it has to print; nothing where there
 * is none. Variables that one block sets are there in the later ones. Two commands are for the
 * reader's other terminal, and the test does what they do: `pkill` kills the server with SIGKILL,
 * `npm start` starts it again on the same data.
 *
 * What is printed is compared as text, made the same by three rules: JSON is folded to lines, the
 * server's address reads 127.0.0.1:7070, times read as 2026-01-31T12:00:00.000Z, and ids of leases
 * are one and the same. After a change
 * that is meant, run with VMEMD_UPDATE=1 and read the difference before committing it.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { settingNames } from '../src/config.ts';
import { policies } from '../src/engine/command.ts';
import { exitCode } from '../src/exit-code.ts';
import { documentedApp } from '../src/http/document.ts';
import { problemCodes } from '../src/http/wire/problem.ts';
import { RecoveryError, type RecoveryCode } from '../src/journal/recovery-error.ts';
import { Server } from './crash/server.ts';

const root = new URL('../', import.meta.url);
const path = fileURLToPath(new URL('README.md', root));
const readme = readFileSync(path, 'utf8');
const tourTitle = 'A five-minute tour';
const tourMsMax = 180_000;
const commandMsMax = 30_000;

/** The text below a heading of the second level, up to the next one. */
function section(title: string): string {
  const [, text] = readme.split(`\n## ${title}\n`);
  if (text === undefined) throw new Error(`README.md has no section "${title}"`);
  return text.split('\n## ', 1)[0]!;
}

/** The rows of the first table that begins with this head; backticks are left out. */
function table(...head: string[]): string[][] {
  const [, text] = readme.split(`\n| ${head.join(' | ')} |\n`);
  if (text === undefined) throw new Error(`README.md has no table | ${head.join(' | ')} |`);
  const [rule, ...lines] = text.split('\n');
  expect(rule).toMatch(/^\|( *-+:? *\|)+$/);
  const end = lines.findIndex((line) => !line.startsWith('|'));
  return lines.slice(0, end).map((line) => {
    const cells = line.replaceAll('`', '').split('|').slice(1, -1);
    expect(cells, line).toHaveLength(head.length);
    return cells.map((cell) => cell.trim());
  });
}

describe('the tour', () => {
  let data: string;
  let server: Server;
  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), 'vmemd-readme-'));
    server = await Server.start({ data });
  }, tourMsMax);
  afterAll(async () => {
    if (server.running) await server.kill();
    await rm(data, { recursive: true, force: true });
  });

  test('the start prints what is shown', () => {
    expect(section('Start')).toContain('```sh\nnpm ci\nnpm start\n```\n');
    const [, shown] = /```json\n(.*)\n```/.exec(section('Start')) ?? [];
    const printed: object = JSON.parse(server.log.split('\n')[0]!);
    expect(printed).toMatchObject({ address: server.url, data });
    const { time, ms } = JSON.parse(shown!);
    const asShown = { ...printed, time, ms, address: 'http://127.0.0.1:7070', data: './data' };
    expect(JSON.stringify(asShown)).toBe(shown);
  });

  test('the pages it sends the reader to are there', async () => {
    const pages = [...readme.matchAll(/<http:\/\/127\.0\.0\.1:7070(\/[^>]*)>/g)];
    expect(pages.map(([, page]) => page)).toEqual(expect.arrayContaining(['/docs']));
    for (const [, page] of pages) expect((await fetch(server.url + page)).status, page).toBe(200);
  });

  test('every command prints what is shown', { timeout: tourMsMax }, async () => {
    const shown = section(tourTitle);
    let played = '';
    let variables = '';
    let rest = shown;
    let commands = 0;
    for (;;) {
      const match = /```sh\n(.*?)```\n(\n```(json|text)\n.*?```\n)?/s.exec(rest);
      if (match === null) break;
      const [whole, command = ''] = match;
      commands += 1;
      played += `${rest.slice(0, match.index)}\`\`\`sh\n${command}\`\`\`\n`;
      played += fenced(await play(command));
      rest = rest.slice(match.index + whole.length);
    }
    played += rest;
    expect(commands).toBeGreaterThan(10);
    expect(await server.stop()).toEqual({ code: exitCode.ok });
    if (process.env['VMEMD_UPDATE'] !== '1') expect(played).toBe(shown);
    // A function, because "$" would mean something in a text.
    else
      writeFileSync(
        path,
        readme.replace(shown, () => played),
      );

    async function play(command: string): Promise<string> {
      if (command.startsWith('pkill ')) {
        await server.kill();
        return '';
      }
      if (command === 'npm start\n') {
        server = await Server.start({ data });
        return '';
      }
      const address = server.url.replace('http://', '');
      const script = `${variables}${command}`.replaceAll('127.0.0.1:7070', address);
      for (const [line] of command.matchAll(/^[a-z]+=.*\n/gm)) variables += line;
      return (await bash(script)).replaceAll(address, '127.0.0.1:7070');
    }
  });
});

function bash(script: string): Promise<string> {
  const options = {
    // No settings of the developer's own, neither of the service nor of curl.
    env: { PATH: process.env['PATH'], CURL_HOME: '/nonexistent', HOME: '/nonexistent' },
    timeout: commandMsMax,
    killSignal: 'SIGKILL',
  } as const;
  return new Promise((resolve, reject) => {
    execFile('bash', ['-euo', 'pipefail', '-c', script], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`this failed:\n${script}\n${stderr}`, { cause: error }));
    });
  });
}

const anyId = '3f0c9a52-61d8-4d7e-9a3b-0c2f5f1f7e11';

/** A fenced block with what a command has printed; empty where it was nothing. */
function fenced(printed: string): string {
  if (printed === '') return '';
  const text = printed
    .replaceAll(/\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/g, '2026-01-31T12:00:00.000Z')
    .replaceAll(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, anyId);
  if (!text.startsWith('{')) return `\n\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`;
  return `\n\`\`\`json\n${fold(JSON.parse(text))}\n\`\`\`\n`;
}

/** JSON in lines of readable length: what fits stays on one, members share lines, items do not. */
function fold(value: unknown, indent = 0): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const list = Array.isArray(value);
  const members = list
    ? value.map((item) => fold(item, indent + 2))
    : Object.entries(value).map(([key, member]) => `"${key}": ${fold(member, indent + 2)}`);
  const [open, close] = list ? '[]' : '{}';
  const line = `${open}${members.join(', ')}${close}`;
  if (!line.includes('\n') && indent + line.length <= 90) return line;
  const margin = ' '.repeat(indent + 2);
  const lines: string[] = [];
  for (const member of members) {
    const last = lines.at(-1);
    const joined = `${last}, ${member}`;
    const joins = !list && last !== undefined && !joined.includes('\n');
    if (joins && margin.length + joined.length <= 90) lines[lines.length - 1] = joined;
    else lines.push(member);
  }
  return `${open}\n${lines.map((text) => margin + text).join(',\n')}\n${' '.repeat(indent)}${close}`;
}

describe('the tables', () => {
  test('settings', () => {
    const documented = table('Flag', 'Variable', 'Default', 'Meaning');
    expect(documented.map(([flag, variable, otherwise]) => [flag, variable, otherwise])).toEqual(
      Object.values(settingNames).map(({ flag, variable, otherwise }) => [
        expect.stringMatching(new RegExp(`^--${flag}( [A-Z]+)?$`)),
        variable,
        otherwise === '' ? 'none' : otherwise,
      ]),
    );
  });

  test('exit codes', () => {
    const documented = table('Exit code', 'Meaning', 'Restart?');
    expect(documented.map(([code]) => Number(code))).toEqual(Object.values(exitCode));
  });

  test('what recovery refuses', () => {
    // The type makes this list complete.
    const all = Object.keys({
      locked: true,
      'newer-schema': true,
      'newer-record': true,
      'edited-migration': true,
      'unknown-schema': true,
      'not-a-database': true,
      'foreign-database': true,
      damaged: true,
      'record-missing': true,
      'record-repeated': true,
      'record-undecodable': true,
      'record-inapplicable': true,
      'keyed-damaged': true,
      'check-failed': true,
      'checkpoint-damaged': true,
      'tail-missing': true,
      'head-missing': true,
      'directory-unusable': true,
      'directory-read-only': true,
      'disk-full': true,
    } satisfies Record<RecoveryCode, true>) as RecoveryCode[];
    const documented = table('Observed', 'Code', 'Exit', 'Remedy').flatMap(([, codes, exit]) =>
      codes!.split(', ').map((code) => [code, Number(exit)] as const),
    );
    expect(Object.fromEntries(documented)).toEqual(
      Object.fromEntries(all.map((code) => [code, new RecoveryError(code, '', '').exitCode])),
    );
    expect(documented).toHaveLength(all.length);
  });

  test('routes', async () => {
    const app = await documentedApp();
    const { paths = {} } = app.swagger() as { paths?: Record<string, Record<string, any>> };
    await app.close();
    const routes = Object.entries(paths).flatMap(([url, operations]) =>
      Object.entries(operations).map(([method, { operationId, responses }]) => {
        const successes = Object.keys(responses).filter((status) => status.startsWith('2'));
        return [`${method.toUpperCase()} ${url}`, operationId, successes.join(', ')];
      }),
    );
    const documented = table('Route', 'Operation', 'Success', 'Does');
    expect(documented.map((cells) => cells.slice(0, 3)).toSorted()).toEqual(routes.toSorted());
  });

  test('error codes', () => {
    const documented = table('Code', 'Status', 'When');
    expect(documented.map(([code, status]) => [code, Number(status)])).toEqual(
      Object.entries(problemCodes).map(([code, [status]]) => [code, status]),
    );
  });

  test('policies', () => {
    const documented = table('Policy', 'Takes', 'Choose it for');
    expect(documented.map(([policy]) => policy)).toEqual([...policies]);
  });

  test.each(['engine', 'http', 'scale', 'peers'])(
    'figures of bench %s are those of the last run',
    (kind) => {
      const pattern = new RegExp(`<!-- bench:${kind} -->\\n(.*?)<!-- /bench:${kind} -->`, 's');
      const [, region] = pattern.exec(readme) ?? [];
      const results = fileURLToPath(new URL(`bench/results/${kind}.md`, root));
      const measured = existsSync(results) ? readFileSync(results, 'utf8').split('\n') : [];
      const rows = region!.split('\n').filter((line) => line.startsWith('|'));
      expect(rows.filter((row) => !measured.includes(row))).toEqual([]);
      expect(region!.trim()).not.toBe('');
    },
  );
});

describe('what it names', () => {
  test('scripts are those of the package', () => {
    const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
    const named = [...readme.matchAll(/\bnpm (?:run ([a-z]+)|(start|test))\b/g)];
    const names = named.map(([, run, short]) => run ?? short);
    expect(new Set(names)).toEqual(new Set(Object.keys(scripts)));
  });

  test('links lead somewhere', () => {
    const links = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target!);
    const headings = [...readme.matchAll(/^##+ (.*)$/gm)].map(([, text]) => anchorOf(text!));
    for (const link of links) {
      if (link.startsWith('#')) expect(headings).toContain(link.slice(1));
      else if (!link.startsWith('https:')) expect(existsSync(new URL(link, root)), link).toBe(true);
    }
    expect(links.length).toBeGreaterThan(10);
  });

  test('variables are read by something', () => {
    const files = ['src', 'test', 'examples']
      .flatMap((folder) =>
        readdirSync(new URL(folder, root), { recursive: true })
          .map(String)
          .map((file) => `${folder}/${file}`),
      )
      .filter((file) => /\.(ts|sh)$/.test(file) && !file.endsWith('readme.test.ts'));
    const text = files.map((file) => readFileSync(new URL(file, root), 'utf8')).join('\n');
    const variables = new Set([...readme.matchAll(/\bVMEMD_[A-Z_]+/g)].map(([name]) => name));
    expect([...variables].filter((name) => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([]);
    expect(variables.size).toBeGreaterThan(5);
  });
});

function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');
}
