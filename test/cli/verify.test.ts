/** `vmemd verify`: what it reads, and that it finds what a start does not look at. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { exitCode } from '../../src/exit-code.ts';
import { partDigest, partsStart } from '../../src/journal/checkpoint-table.ts';
import { edit, Store } from '../journal/store.ts';
import { fill, reportOf, run } from './shell.ts';

vi.setConfig({ testTimeout: 30_000 });

let folder: string;
let data: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vmemd-verify-'));
  data = join(folder, 'data');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('tells what there is', async () => {
  const { revision, stateHash } = await fill(data);
  expect(await reportOf(['verify', '--data', data])).toEqual({
    ok: true,
    directory: data,
    revision,
    arenas: 4,
    spans: 6,
    allocations: 29,
    resting: 0,
    leases: 3,
    keys: 0,
    records: revision,
    trimmedRevision: 0,
    stateHash,
  });
  const { code, output } = await run(['verify'], { environment: { VMEMD_DATA: data } });
  expect(code).toBe(exitCode.ok);
  expect(output).toMatch(/is whole\.\nrevision +[0-9]+\narenas +4\n/);
  expect(output).toContain(stateHash);
});

test('reads all history, and from the checkpoint on where it was trimmed', async () => {
  const { revision, stateHash } = await fill(data, async (store) => {
    await store.grow(1);
    await store.journal.checkpoint();
    await store.churn('arena-4', 10);
  });
  const whole = await reportOf(['verify', '--data', data]);
  expect(whole).toMatchObject({ revision, records: revision, trimmedRevision: 0, stateHash });
  const { checkpoint } = whole;
  expect(checkpoint).toBeLessThan(revision);
  const store = await Store.open(data, { historyBytes: 0 });
  await store.journal.trim();
  await store.close();
  const trimmed = await reportOf(['verify', '--data', data]);
  const records = revision - checkpoint;
  const trimmedRevision = checkpoint;
  expect(trimmed).toMatchObject({ revision, records, checkpoint, trimmedRevision, stateHash });
});

test('finds damage in history that a start does not read', async () => {
  await fill(data, (store) => store.journal.checkpoint());
  edit(data, (db) => {
    const { changes } = db
      .prepare("update journal_group set body = replace(body, '17', '18') where first_revision = 6")
      .run();
    expect(changes).toBe(1);
  });
  await (await Store.open(data)).close();
  const { code, errors, output } = await run(['verify', '--data', data, '--json']);
  expect(code).toBe(exitCode.dataDamaged);
  expect(errors).toMatch(/does not match its digest at the records 6 .*restore a backup/s);
  expect(JSON.parse(output)).toMatchObject({ ok: false, reason: 'damaged', exitCode: code });
});

test('finds a checkpoint that is whole in itself, and not what the records make', async () => {
  await fill(data, (store) => store.journal.checkpoint());
  edit(data, (db) => {
    const { revision, chain } = db.prepare('select revision, chain from checkpoint').get() as {
      revision: number;
      chain: Uint8Array;
    };
    const total = createHash('sha256');
    let digest = partsStart({ revision, chain });
    let changed = 0;
    for (const { part, body } of db
      .prepare('select part, body from checkpoint_part order by part')
      .all() as { part: number; body: string }[]) {
      const text = body.replace('node \\"17\\"', 'node \\"18\\"');
      if (text !== body) changed += 1;
      digest = partDigest(digest, text);
      total.update(text).update('\n');
      db.prepare('update checkpoint_part set body = ?, digest = ? where part = ?').run(
        text,
        digest,
        part,
      );
    }
    expect(changed).toBeGreaterThan(0);
    db.prepare('update checkpoint set hash = ?').run(total.digest());
  });
  await (await Store.open(data)).close();
  const { code, errors } = await run(['verify', '--data', data]);
  expect(code).toBe(exitCode.checkpointDamaged);
  expect(errors).toMatch(/The checkpoint at record [0-9]+ is [0-9a-f]{64}, but the records 1 to/);
});

test('reads a backup, and leaves it as it is', async () => {
  const { stateHash } = await fill(data);
  const backup = join(folder, 'backup.db');
  await run(['backup', '--data', data, '--to', backup]);
  const before = readdirSync(folder);
  expect(await reportOf(['verify', '--from', backup])).toMatchObject({ backup, stateHash });
  expect(readdirSync(folder)).toEqual(before);
});

test('is refused while another process has the data, and where there is none', async () => {
  await fill(data);
  const store = await Store.open(data);
  try {
    const { code, errors } = await run(['verify', '--data', data]);
    expect(code).toBe(exitCode.dataLocked);
    expect(errors).toMatch(/Another process has the data directory/);
  } finally {
    await store.close();
  }
  const none = join(folder, 'none');
  for (const words of [
    ['--data', none],
    ['--from', none],
  ]) {
    const { code, errors } = await run(['verify', ...words]);
    expect(code).toBe(exitCode.dataUnusable);
    expect(errors).toMatch(/^vmemd: There is no .* --(data|from)\.\n$/);
  }
  expect(existsSync(none)).toBe(false);
});

test('is not asked for two things at once', async () => {
  const { code, errors } = await run(['verify', '--data', data, '--from', data]);
  expect(code).toBe(exitCode.usage);
  expect(errors).toMatch(/--from must not be given together with --data/);
});
