/**
 * Whether a file that was removed or replaced is noticed, shortly after a change and long after, and when
 * the files themselves are looked at.
 */
import fs, { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { OpenFiles } from '../../src/journal/open-files.ts';

const names = ['vmemd.db', 'vmemd.db-wal', 'vmemd.head'];
const noticed = /was removed or replaced while it was in use/;
const hour = 3_600_000;

let folder: string;
let directory: string;
let files: OpenFiles;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] });
  folder = mkdtempSync(join(tmpdir(), 'vmemd-files-'));
  directory = join(folder, 'data');
  mkdirSync(directory);
  for (const name of names) fs.writeFileSync(join(directory, name), name);
  files = opened();
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

function opened(): OpenFiles {
  const all = new OpenFiles(directory);
  for (const name of names) all.add(name);
  return all;
}

const check = (): void => files.check();

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
    ])('is noticed to be %s', async (_what, change) => {
      const path = join(directory, name);
      renameSync(path, `${path}.kept`);
      renameSync(`${path}.kept`, path);
      check();
      await before();
      change(path);
      expect(check).toThrow(noticed);
      expect(check).toThrow(noticed);
    });
  });

  test('a directory is noticed to be moved, and exchanged for its copy', async () => {
    await before();
    renameSync(directory, `${directory}.old`);
    expect(check).toThrow(noticed);
    cpSync(`${directory}.old`, directory, { recursive: true, preserveTimestamps: true });
    expect(check).toThrow(noticed);
    rmSync(directory, { recursive: true });
    renameSync(`${directory}.old`, directory);
    expect(check).not.toThrow();
  });

  test('other files come, are written to and go', async () => {
    await before();
    const other = join(directory, 'other');
    fs.writeFileSync(other, 'one');
    check();
    fs.writeFileSync(join(directory, names[0]!), 'more');
    check();
    rmSync(other);
    check();
  });
});

test('setting the times of the directory back hides nothing', async () => {
  await later();
  const long = new Date(1_000_000);
  fs.utimesSync(directory, long, long);
  check();
  await later();
  replace(names[0]!);
  fs.utimesSync(directory, long, long);
  expect(check).toThrow(noticed);
});

test('what becomes of a file behind a link is noticed', async () => {
  const path = join(directory, names[2]!);
  const target = join(folder, 'target');
  renameSync(path, target);
  symlinkSync(target, path);
  files = opened();
  await later();
  rmSync(target);
  expect(check).toThrow(noticed);
});

test('a file is the one that was added, however late the first check is', () => {
  replace(names[1]!);
  expect(check).toThrow(noticed);
});

describe('the files are looked at', () => {
  const { statSync } = fs;
  const replaceable = fs as { statSync: typeof statSync };
  const now = 1_800_000_000_000;
  /** What the directory is said to be like. */
  let state: { ctimeMs: number; mtimeMs: number; ino?: number; dev?: number };
  let looks = 0;
  beforeEach(() => {
    replaceable.statSync = ((path: string, options: fs.StatSyncOptions) => {
      const found = statSync(path, options);
      if (path === directory) return Object.assign(found!, state);
      looks += 1;
      return found;
    }) as typeof statSync;
    syncBuiltinESMExports();
    state = { ctimeMs: now - hour, mtimeMs: now - hour };
    vi.setSystemTime(now);
    vi.advanceTimersByTime(hour);
    vi.setSystemTime(now);
  });
  afterEach(() => {
    replaceable.statSync = statSync;
    syncBuiltinESMExports();
  });

  /** Whether a check looks at them. */
  function checkLooks(): boolean {
    looks = 0;
    files.check();
    expect([0, names.length]).toContain(looks);
    return looks > 0;
  }

  test('at first, then once a second', () => {
    expect(checkLooks()).toBe(true);
    expect(checkLooks()).toBe(false);
    vi.advanceTimersByTime(999);
    expect(checkLooks()).toBe(false);
    vi.advanceTimersByTime(1);
    expect(checkLooks()).toBe(true);
    expect(checkLooks()).toBe(false);
  });

  test.each([
    { age: -5000, again: true },
    { age: 0, again: true },
    { age: 3000, again: true },
    { age: 3001, again: false },
  ])('at every check where the directory changed $age ms ago: $again', ({ age, again }) => {
    for (const time of ['ctimeMs', 'mtimeMs'] as const) {
      state = { ctimeMs: now - hour, mtimeMs: now - hour, [time]: now - age };
      checkLooks();
      expect(checkLooks()).toBe(again);
    }
  });

  test.each(['ctimeMs', 'mtimeMs', 'ino', 'dev'] as const)('where its %s is another', (field) => {
    checkLooks();
    const { [field]: value = 0 } = state;
    state = { ...state, [field]: value - 1 };
    expect(checkLooks()).toBe(true);
    expect(checkLooks()).toBe(false);
  });
});
