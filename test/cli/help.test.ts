/** What the commands say of themselves, and what they make of words they do not know. */
import { expect, test } from 'vitest';
import { flagTypes, parseArguments, toolNames } from '../../src/cli/arguments.ts';
import { help } from '../../src/cli/help.ts';
import { settingNames } from '../../src/config.ts';
import { exitCode } from '../../src/exit-code.ts';

test.each(toolNames)('%s has a help text with its flags, exit codes and an example', (name) => {
  const text = help[name];
  expect(text).toMatch(new RegExp(`^Usage: vmemd ${name} `));
  const shown = [...text.matchAll(/^ {2}--([a-z-]+)/gm)].map(([, flag]) => flag);
  expect(shown.toSorted()).toEqual([...Object.keys(flagTypes[name]), 'help'].toSorted());
  for (const { flag, variable, otherwise } of Object.values(settingNames)) {
    if (!(flag in flagTypes[name])) continue;
    expect(text).toContain(variable);
    expect(text).toContain(otherwise);
  }
  expect(text).toMatch(/\nExit codes: 0 /);
  expect(text).toMatch(new RegExp(`\\nExample: vmemd ${name}`));
  expect(help.vmemd).toContain(`vmemd ${name} `);
  const told = text.slice(text.indexOf('Exit codes:'), text.indexOf('Example:'));
  const codes = [...told.matchAll(/\b([0-9]+)\b/g)];
  for (const [, code] of codes) expect(Object.values(exitCode)).toContain(Number(code));
});

test.each([...toolNames, 'serve'] as const)('help for %s can be asked for in two ways', (name) => {
  const request = { command: 'help', of: name };
  expect(parseArguments(['help', name])).toEqual(request);
  expect(parseArguments([name, '--help'])).toEqual(request);
  expect(parseArguments([name, '-h', '--data', 'x'])).toEqual(request);
});

test.each<[string[], RegExp, string?]>([
  [['verfy'], /no command "verfy"\. Did you mean "verify"\?$/],
  [['Backup'], /Did you mean "backup"\?$/],
  [['sreve'], /Did you mean "serve"\?$/],
  [['destroy'], /no command "destroy"\.$/],
  [['help', 'dmup'], /Did you mean "dump"\?$/],
  [['help', 'dump', 'load'], /help takes one command/],
  [['verify', '--to', 'x'], /verify has no flag --to\.$/, 'verify'],
  [['serve', '--from', 'x'], /serve has no flag --from/, 'serve'],
  [['restore', 'backup.db'], /restore takes flags alone, not "backup\.db"/, 'restore'],
  [['dump', '--json'], /dump has no flag --json/, 'dump'],
  [['import', '--nowhere'], /Unknown option '--nowhere'/, 'import'],
  [['--nowhere'], /Unknown option '--nowhere'/],
])('%j is a mistake', (words, message, of = 'vmemd') => {
  expect(parseArguments(words)).toEqual({
    command: 'mistake',
    message: expect.stringMatching(message),
    of,
  });
});

test('help without a command is about all of them', () => {
  expect(parseArguments(['help'])).toEqual({ command: 'help', of: 'vmemd' });
});
