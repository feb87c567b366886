/** Whether a file that was removed or replaced is missed, shortly after a change and long after. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { OpenFiles } from '../../src/journal/open-files.ts';

const names = ['vmemd.db', 'vmemd.db-wal', 'vmemd.head'];
const hour = 3_600_000;

let folder: string;
let directory: string;
let files: OpenFiles;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
  vi.setSystemTime(Date.now());
  folder = mkdtempSync(join(tmpdir(), 'vmemd-files-'));
  directory = join(folder, 'data');
  mkdirSync(directory);
  for (const name of names) writeFileSync(join(directory, name), name);
  files = new OpenFiles(directory);
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

const check = (): void => files.check();
const missed = /was removed or replaced while it was in use/;

/** Then what was changed was changed long ago, and what is changed from then on has another time. */
async function later(): Promise<void> {
  await delay(20);
  vi.setSystemTime(Date.now() + hour);
  check();
  check();
}

function replace(name: string): void {
  const path = join(directory, name);
  cpSync(path, `${path}.new`, { preserveTimestamps: true });
  renameSync(`${path}.new`, path);
}

describe.each([
  ['shortly after the start', () => undefined],
  ['after a look', check],
  ['long after any change', later],
] as [string, () => Promise<void> | void][])('%s', (_when, before) => {
  describe.each(names)('%s', (name) => {
    test.each<[string, (path: string) => void]>([
      ['removed', (path) => rmSync(path)],
      ['moved', (path) => renameSync(path, join(folder, 'elsewhere'))],
      ['replaced', () => replace(name)],
    ])('is missed once it was %s', async (_what, change) => {
      await before();
      const path = join(directory, name);
      renameSync(path, `${path}.kept`);
      renameSync(`${path}.kept`, path);
      check();
      change(path);
      expect(check).toThrow(missed);
      expect(check).toThrow(missed);
    });
  });

  test('a directory that was moved, or exchanged for its copy, is missed', async () => {
    await before();
    renameSync(directory, `${directory}.old`);
    expect(check).toThrow(missed);
    cpSync(`${directory}.old`, directory, { recursive: true, preserveTimestamps: true });
    expect(check).toThrow(missed);
    rmSync(directory, { recursive: true });
    renameSync(`${directory}.old`, directory);
    expect(check).not.toThrow();
  });

  test('other files come, are written to and go', async () => {
    await before();
    const other = join(directory, 'other');
    writeFileSync(other, 'one');
    check();
    writeFileSync(join(directory, names[0]!), 'more');
    check();
    rmSync(other);
    check();
  });
});

test('a directory whose times are set back is none the older', async () => {
  await later();
  const long = new Date(1_000_000);
  utimesSync(directory, long, long);
  check();
  await later();
  replace(names[0]!);
  utimesSync(directory, long, long);
  expect(check).toThrow(missed);
});
