import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseArguments } from '../src/cli/arguments.ts';
import { help } from '../src/cli/help.ts';
import { InvalidSetting, readSettings, settingNames } from '../src/config.ts';
import { exitCode } from '../src/exit-code.ts';

let folder: string;
let tokens: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vmemd-config-'));
  tokens = file('tokens', '# who\n0123456789abcdef\n\n  fedcba9876543210  \r\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('settings', () => {
  it('have defaults', () => {
    expect(readSettings({}, {})).toEqual({
      host: '127.0.0.1',
      port: 7070,
      data: './data',
      logLevel: 'info',
      checkpointBytes: 16 * 2 ** 20,
      historyDays: 90,
      historyBytes: 2 ** 30,
      keysMax: 1_000_000,
    });
  });

  it('come from variables, and flags win', () => {
    const environment = {
      VMEMD_HOST: '::1',
      VMEMD_PORT: '1234',
      VMEMD_DATA: '/tmp/x',
      VMEMD_LOG_LEVEL: 'debug',
      VMEMD_TOKENS: tokens,
      VMEMD_CHECKPOINT_MIB: '0.5',
      VMEMD_HISTORY_DAYS: '0',
      VMEMD_HISTORY_MIB: '2',
      VMEMD_IDEMPOTENCY_KEYS: '5',
      VMEMD_ACCEPT_REVISION: '17',
    };
    expect(readSettings({}, environment)).toEqual({
      host: '::1',
      port: 1234,
      data: '/tmp/x',
      logLevel: 'debug',
      tokens: ['0123456789abcdef', 'fedcba9876543210'],
      checkpointBytes: 2 ** 19,
      historyDays: 0,
      historyBytes: 2 ** 21,
      keysMax: 5,
      acceptRevision: 17,
    });
    const flags = { host: 'localhost', port: '0', data: 'y', 'log-level': 'warn' };
    expect(readSettings(flags, environment)).toMatchObject({
      host: 'localhost',
      port: 0,
      data: 'y',
      logLevel: 'warn',
    });
  });

  it('take an empty variable for an unset one', () => {
    expect(readSettings({}, { VMEMD_PORT: '', VMEMD_TOKENS: '' })).toMatchObject({ port: 7070 });
  });

  it.each<[Record<string, string | boolean>, Record<string, string>, RegExp]>([
    [{ port: 'x' }, {}, /^--port must be a number from 0 to 65535, not "x"/],
    [{ port: '65536' }, {}, /^--port/],
    [{ port: '-1' }, {}, /^--port/],
    [{ port: '1.5' }, {}, /^--port/],
    [{ port: '' }, {}, /^--port/],
    [{}, { VMEMD_PORT: '80a' }, /^VMEMD_PORT must be a number/],
    [{ host: '' }, {}, /^--host must be an IP address/],
    [{ host: 'a b' }, {}, /^--host/],
    [{ data: '' }, {}, /^--data must be the path/],
    [{ 'log-level': 'loud' }, {}, /^--log-level must be one of fatal, .* not "loud"/],
    [{}, { VMEMD_INSECURE: 'perhaps' }, /^VMEMD_INSECURE must be 1 or 0/],
    [{ 'checkpoint-mib': '-1' }, {}, /^--checkpoint-mib must be a number from 0 to 1048576, not/],
    [{ 'history-mib': '1e9' }, {}, /^--history-mib must be a number/],
    [{}, { VMEMD_HISTORY_DAYS: '36501' }, /^VMEMD_HISTORY_DAYS must be a number from 0 to 36500/],
    [{ 'accept-revision': 'yes' }, {}, /^--accept-revision must be the revision/],
    [{ 'accept-revision': '9007199254740993' }, {}, /^--accept-revision/],
    [{ tokens: '/nonexistent/tokens' }, {}, /^--tokens: the file of tokens cannot be read/],
    [{ host: '0.0.0.0' }, {}, /^--host 0\.0\.0\.0 .* --tokens FILE, or --insecure/],
    [{ host: '::' }, {}, /no tokens/],
    [{ host: '192.168.0.1' }, {}, /no tokens/],
    [{ host: 'example.org' }, {}, /no tokens/],
    [{ host: '1270.0.0.1' }, {}, /no tokens/],
    [{}, { VMEMD_HOST: '0.0.0.0', VMEMD_INSECURE: '0' }, /no tokens/],
  ])('refuse %j %j', (flags, environment, message) => {
    const read = (): unknown => readSettings(flags, environment);
    expect(read).toThrow(InvalidSetting);
    expect(read).toThrow(message);
  });

  it('let others in with tokens, or when told to', () => {
    expect(readSettings({ host: '0.0.0.0', tokens }, {}).host).toBe('0.0.0.0');
    expect(readSettings({ host: '0.0.0.0', insecure: true }, {}).host).toBe('0.0.0.0');
    const environment = { VMEMD_HOST: '::', VMEMD_INSECURE: '1' };
    expect(readSettings({}, environment)).not.toHaveProperty('tokens');
  });

  it.each(['127.0.0.1', '127.8.9.1', '::1', 'localhost', 'LOCALHOST'])(
    'know that %s is this machine',
    (host) => {
      expect(readSettings({ host }, {}).host).toBe(host);
    },
  );

  it.each<[string, RegExp]>([
    ['', /has no token/],
    ['# only\n', /has no token/],
    ['0123456789abcde', /line 1 .* at least 16/],
    ['0123456789abcdef\nwith a space inside', /line 2/],
    ['0123456789abcdéf', /line 1/],
  ])('refuse a file of tokens with %j, and never repeat a token', (content, message) => {
    const read = (): unknown => readSettings({ tokens: file('bad', content) }, {});
    expect(read).toThrow(message);
    if (content.length > 10) expect(read).not.toThrow(content.slice(-8));
  });
});

describe('the command line', () => {
  const mistake = (message: unknown, of: string) => ({ command: 'mistake', message, of });
  it.each<[string[], unknown]>([
    [['serve'], { command: 'serve', flags: {} }],
    [
      ['serve', '--port', '0', '--data=x', '--insecure'],
      { command: 'serve', flags: { port: '0', data: 'x', insecure: true } },
    ],
    [['--port', '0', 'serve'], { command: 'serve', flags: { port: '0' } }],
    [['--help'], { command: 'help', of: 'vmemd' }],
    [['-h'], { command: 'help', of: 'vmemd' }],
    [['serve', '--help'], { command: 'help', of: 'serve' }],
    [['--version'], { command: 'version' }],
    [[], mistake('A command is missing.', 'vmemd')],
    [['start'], mistake('There is no command "start".', 'vmemd')],
    [['serve', 'now'], mistake(expect.stringMatching(/"now"/), 'serve')],
    [['serve', '--prot', '1'], mistake(expect.stringMatching(/--prot/), 'serve')],
    [['serve', '--port'], mistake(expect.stringMatching(/--port/), 'serve')],
    [['serve', '--insecure=1'], mistake(expect.stringMatching(/insecure/), 'serve')],
  ])('%j is %j', (words, expected) => {
    const request = parseArguments(words);
    expect('flags' in request ? { ...request, flags: { ...request.flags } } : request).toEqual(
      expected,
    );
  });

  it('has a help text with every setting and every exit code', () => {
    for (const { flag, variable, otherwise } of Object.values(settingNames)) {
      expect(help.serve).toMatch(new RegExp(`--${flag} .*`));
      expect(help.serve).toContain(variable);
      expect(help.serve).toContain(otherwise);
    }
    const { transferFailed: _transfer, dumpRefused: _dump, ...ofServing } = exitCode;
    for (const code of Object.values(ofServing)) {
      expect(help.serve).toMatch(new RegExp(`[ ;] ?\\n?${code} `));
    }
    for (const text of Object.values(help)) {
      for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
    }
  });
});
