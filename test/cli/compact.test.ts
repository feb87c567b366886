/** `vmemd compact`: smaller, and the same. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { exitCode } from '../../src/exit-code.ts';
import { Store } from '../journal/store.ts';
import { fill, reportOf, run } from './shell.ts';

vi.setConfig({ testTimeout: 30_000 });

let folder: string;
let data: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vmemd-compact-'));
  data = join(folder, 'data');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('makes the database small, and changes nothing of the state', async () => {
  const { revision, stateHash } = await fill(data, async (store) => {
    await store.grow(1);
    for (let round = 0; round < 20; round += 1) await store.churn('arena-4', 100);
  });
  const before = statSync(join(data, 'vmemd.db')).size;
  const report = await reportOf(['compact', '--data', data, '--history-mib', '0']);
  const after = statSync(join(data, 'vmemd.db')).size;
  expect(report).toEqual({
    ok: true,
    directory: data,
    revision,
    trimmedRevision: revision,
    historyBytes: 0,
    bytesBefore: expect.any(Number),
    bytesAfter: expect.any(Number),
    stateHash,
  });
  expect(after).toBeLessThan(before / 2);
  expect(report['bytesAfter']).toBeLessThan(report['bytesBefore']);
  const store = await Store.open(data);
  expect({ revision: store.engine.revision, stateHash: store.hash() }).toEqual({
    revision,
    stateHash,
  });
  await store.close();
});

test('keeps the history that the settings keep', async () => {
  const { revision } = await fill(data);
  const { code, output } = await run(['compact', '--data', data]);
  expect(code).toBe(exitCode.ok);
  expect(output).toMatch(new RegExp(`^history +records 1 to ${revision}, `, 'm'));
  const report = await reportOf(['compact'], {
    environment: { VMEMD_DATA: data, VMEMD_HISTORY_DAYS: '0', VMEMD_PORT: 'none of its business' },
  });
  expect(report).toMatchObject({ trimmedRevision: revision, historyBytes: 0 });
});

test('refuses settings that are none', async () => {
  const { code, errors } = await run(['compact', '--data', data, '--history-mib', 'much']);
  expect(code).toBe(exitCode.usage);
  expect(errors).toMatch(/--history-mib must be a number .* not "much"/);
});
