/** Checkpoints and retention on a real data directory, with the real engine. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { SqliteOptions } from '../../src/journal/sqlite.ts';
import { edit, Store } from './store.ts';

vi.setConfig({ testTimeout: 30_000 });

let directory: string;
let stores: Store[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vmemd-checkpoint-'));
  stores = [];
});

afterEach(async () => {
  for (const store of stores) await store.close();
  rmSync(directory, { recursive: true });
});

async function opened(options: Partial<SqliteOptions> = {}): Promise<Store> {
  const store = await Store.open(directory, options);
  stores.push(store);
  return store;
}

function parts(): { revision: number; part: number; body: string; digest: Uint8Array }[] {
  let rows: unknown[] = [];
  edit(
    directory,
    (db) => (rows = db.prepare('select * from checkpoint_part order by revision, part').all()),
  );
  return rows as ReturnType<typeof parts>;
}

function checkpoints(): { revision: number; completed_at: number | null }[] {
  let rows: unknown[] = [];
  edit(directory, (db) => (rows = db.prepare('select * from checkpoint order by revision').all()));
  return rows as ReturnType<typeof checkpoints>;
}

/** Leaves the newest checkpoint as a kill does after `kept` of its parts. */
function interrupt(kept: number): void {
  edit(directory, (db) => {
    db.exec(`update checkpoint set completed_at = null, ms = null, parts = null, bytes = null,
      hash = null where revision = (select max(revision) from checkpoint);
      delete from checkpoint_part where part >= ${kept}
        and revision = (select max(revision) from checkpoint)`);
  });
}

describe('a checkpoint', () => {
  test('has the state that the records make, and a start goes on from it', async () => {
    const store = await opened();
    await store.grow(5);
    const report = await store.journal.checkpoint();
    const replayed = await store.replayed();
    expect(report).toMatchObject({ ...replayed, partsKept: 0 });
    expect(report.hash).toBe(store.hash());
    expect(report.parts).toBeGreaterThan(5);
    expect(await store.sequencer.state()).toEqual(replayed);
    await store.grow(2);
    const hash = store.hash();
    const { revision } = store.engine;
    await store.close();

    const again = await opened();
    expect(again.report).toEqual({
      revision,
      checkpoint: report.revision,
      records: revision - report.revision,
      arenas: 7,
    });
    expect(again.hash()).toBe(hash);
    expect(await again.sequencer.state()).toEqual({ revision, hash });
    expect(await again.replayed()).toEqual({ revision, hash });
  });

  test('made of a checkpoint and the records after it is the same as from the start', async () => {
    const store = await opened();
    await store.grow(3);
    await store.journal.checkpoint();
    await store.churn('arena-1', 30);
    const second = await store.journal.checkpoint();
    expect(second).toMatchObject(await store.replayed());
    await store.close();
    const again = await opened();
    expect(again.report).toMatchObject({ checkpoint: second.revision, records: 0, arenas: 3 });
    await again.churn('arena-1', 10);
    expect(await again.journal.state()).toEqual(await again.replayed());
  });

  test('of nothing new is the one that is there', async () => {
    const store = await opened();
    await store.grow(1);
    const first = await store.journal.checkpoint();
    expect(await store.journal.checkpoint()).toEqual(first);
    expect(store.events.filter(({ type }) => type === 'checkpointStarted')).toHaveLength(1);
  });

  test('of an empty journal is its hash alone', async () => {
    const store = await opened();
    const { revision, hash } = await store.journal.checkpoint();
    expect({ revision, hash }).toEqual({ revision: 0, hash: store.hash() });
    expect(await store.journal.state()).toEqual({ revision: 0, hash });
    await store.close();
    expect(checkpoints()).toEqual([]);
  });

  test('asked for by many at once is made once, and is up to date for each', async () => {
    const store = await opened();
    await store.grow(1);
    const asked = [store.journal.checkpoint(), store.journal.checkpoint()];
    await store.churn('arena-0', 4);
    const late = store.journal.checkpoint();
    const { revision } = store.engine;
    const reports = await Promise.all(asked);
    expect(reports[0]).toEqual(reports[1]);
    expect((await late).revision).toBe(revision);
    expect(store.events.filter(({ type }) => type === 'checkpointEnded')).toHaveLength(2);
  });

  test('comes of its own accord after so many records, and again after as many', async () => {
    const store = await opened({ checkpointBytes: 4000 });
    await store.grow(1, 60);
    const { report } = await store.event('checkpointEnded');
    expect(report).toMatchObject({ revision: expect.any(Number), partsKept: 0 });
    await store.churn('arena-0', 100);
    const next = await store.event('checkpointEnded');
    expect(next.report.revision).toBeGreaterThan(report.revision);
    // One that was begun before the last records leaves the next one due, and that comes too.
    let newest = next;
    const isNewest = (): boolean => {
      const { bytesSinceCheckpoint, checkpoint } = store.journal.figures;
      const isDue = bytesSinceCheckpoint > Math.max(4000, checkpoint!.bytes);
      return !isDue && newest.report.revision === checkpoint!.revision;
    };
    while (!isNewest()) newest = await store.event('checkpointEnded');
    const { checkpoint, ...figures } = store.journal.figures;
    expect(checkpoint).toMatchObject({ parts: newest.report.parts, bytes: newest.report.bytes });
    expect(figures.recordsSinceCheckpoint).toBe(store.engine.revision - checkpoint!.revision);
    const { hash } = await store.replayed();
    await store.close();
    const again = await opened();
    expect(again.hash()).toBe(hash);
    expect(again.report.records).toBeLessThan(again.report.revision / 2);
  });

  test('made while records come is whole, and so is one asked for meanwhile', async () => {
    const store = await opened({ checkpointBytes: 1 << 16 });
    await store.grow(1, 300);
    const asked = store.event('checkpointStarted').then(async () => {
      // The engine is ahead of the journal, of which a checkpoint has what is stored.
      const { durableRevision } = store.sequencer;
      const report = await store.journal.checkpoint();
      expect(report.revision).toBeGreaterThanOrEqual(durableRevision);
      expect(durableRevision).toBeGreaterThan(300);
    });
    for (let round = 0; round < 50; round++) await store.churn('arena-0', 20);
    await asked;
    const { hash } = await store.replayed();
    await store.close();
    expect((await opened()).hash()).toBe(hash);
  });

  test('does not come of its own accord without maintenance', async () => {
    const store = await opened({ checkpointBytes: 1, maintenance: false });
    await store.grow(2);
    await store.close();
    expect(checkpoints()).toEqual([]);
    const again = await opened({ checkpointBytes: 1, maintenance: false });
    await again.close();
    expect(checkpoints()).toEqual([]);
  });

  test('is due at a start too, where the records before it were many', async () => {
    const store = await opened();
    await store.grow(2);
    await store.close();
    const again = await opened({ checkpointBytes: 100 });
    expect((await again.event('checkpointEnded')).report.revision).toBe(again.report.revision);
  });

  test('makes the older ones go', async () => {
    const store = await opened({ checkpointBytes: 2000 });
    await store.grow(1);
    await store.event('checkpointEnded');
    await store.grow(4, 60);
    await store.event('checkpointEnded');
    await store.journal.checkpoint();
    await store.journal.trim();
    const { checkpoint } = store.journal.figures;
    await store.close();
    expect(checkpoints().map(({ revision }) => revision)).toEqual([checkpoint?.revision]);
    expect(parts().every(({ revision }) => revision === checkpoint?.revision)).toBe(true);
  });
});

describe('an interrupted checkpoint', () => {
  test.each([0, 1, 7])(
    'of which %i parts were stored is completed at the next start',
    async (kept) => {
      const store = await opened();
      await store.grow(4);
      const whole = await store.journal.checkpoint();
      await store.churn('arena-2', 5);
      const hash = store.hash();
      await store.close();
      const stored = parts();
      interrupt(kept);

      const again = await opened();
      expect(again.report).toMatchObject({ checkpoint: 0, records: again.report.revision });
      expect(await again.event('checkpointStarted')).toMatchObject({
        revision: whole.revision,
        resumed: true,
      });
      const { report } = await again.event('checkpointEnded');
      expect(report).toMatchObject({ ...whole, partsKept: kept, ms: expect.any(Number) });
      await again.close();
      expect(parts()).toEqual(stored);
      const third = await opened();
      expect(third.report.checkpoint).toBe(whole.revision);
      expect(third.hash()).toBe(hash);
    },
  );

  test('whose parts read differently today is made anew', async () => {
    const store = await opened();
    await store.grow(3);
    const whole = await store.journal.checkpoint();
    await store.close();
    const stored = parts();
    interrupt(5);
    edit(directory, (db) => {
      db.exec(`update checkpoint_part set body = 'other' where part = 2;
        insert into checkpoint_part
          select revision, 900, body, digest from checkpoint_part limit 1`);
    });
    const again = await opened();
    const { report } = await again.event('checkpointEnded');
    expect(report).toMatchObject({ hash: whole.hash, partsKept: 4 });
    await again.close();
    expect(parts()).toEqual(stored);
  });

  test('given up by a stop is resumed, beside the older one', async () => {
    const store = await opened();
    await store.grow(2);
    const first = await store.journal.checkpoint();
    await store.grow(2);
    const asked = store.journal.checkpoint();
    const rejected = expect(asked).rejects.toThrow(/closed|ended/);
    await store.event('checkpointStarted');
    await store.event('checkpointStarted');
    await store.close();
    await rejected;
    expect(store.events.filter(({ type }) => type === 'failed')).toEqual([]);
    expect(checkpoints()).toHaveLength(2);

    const again = await opened();
    expect(again.report.checkpoint).toBe(first.revision);
    const { report } = await again.event('checkpointEnded');
    expect(report).toMatchObject(await again.replayed());
  });
});

describe('history', () => {
  test('is all there by default, and is read in pages', async () => {
    const store = await opened();
    await store.grow(3);
    await store.journal.checkpoint();
    await store.grow(1);
    await store.journal.trim();
    const records = await store.records();
    expect(records.map(({ revision }) => revision)).toEqual(
      Array.from({ length: store.engine.revision }, (_, index) => index + 1),
    );
    const { records: tail } = await store.journal.history(store.engine.revision - 2);
    expect(tail).toEqual(records.slice(-2));
    expect(await store.journal.history(store.engine.revision)).toMatchObject({ records: [] });
  });

  test.each([
    ['0 bytes', { historyBytes: 0 }],
    ['0 days', { historyDays: 0 }],
  ])('of %s is what no checkpoint has', async (_name, retention) => {
    const store = await opened(retention);
    await store.grow(3);
    await store.journal.trim();
    expect(store.journal.figures.trimmedRevision).toBe(0);
    const { revision } = await store.journal.checkpoint();
    await store.churn('arena-0', 10);
    expect(await store.journal.trim()).toEqual({ trimmedRevision: revision });
    const { figures } = store.journal;
    expect(figures).toMatchObject({
      trimmedRevision: revision,
      historyBytes: figures.bytesSinceCheckpoint,
    });
    expect((await store.records())[0]?.revision).toBe(revision + 1);
    expect(await store.journal.history(0)).toMatchObject({ trimmedRevision: revision });
    const hash = store.hash();
    await store.close();
    const again = await opened();
    expect(again.hash()).toBe(hash);
    expect(again.report).toMatchObject({ checkpoint: revision });
    expect(await again.journal.state()).toMatchObject({ hash });
    expect(again.journal.figures).toEqual({ ...figures, checkpointing: false });
  });

  test('is trimmed by whole groups, oldest first, to the size that is set', async () => {
    const store = await opened();
    await store.grow(4, 60);
    await store.journal.checkpoint();
    const before = await store.records();
    await store.close();
    const again = await opened({ historyBytes: 5000 });
    await again.journal.trim();
    const { historyBytes, trimmedRevision } = again.journal.figures;
    expect(historyBytes).toBeLessThanOrEqual(5000);
    expect(trimmedRevision).toBeGreaterThan(0);
    expect(await again.records()).toEqual(before.slice(trimmedRevision));
    const text = before.slice(trimmedRevision).reduce((sum, { body }) => sum + body.length, 0);
    // A group is one text, with newlines between its records.
    expect(historyBytes).toBeGreaterThanOrEqual(text);
  });

  test('is as old as the service ran since, whatever the wall clock said', async () => {
    const store = await opened();
    await store.grow(1);
    const oldest = store.engine.revision;
    await store.grow(1);
    await store.journal.checkpoint();
    await store.close();
    const day = 86_400_000;
    edit(directory, (db) => {
      // Written in 1970 by the wall clock; two days of running ago only the first half.
      db.exec(`update journal_group set written_at = 0, ran_ms = ${2 * day};
        update journal_group set ran_ms = 0 where last_revision <= ${oldest};
        update history set ran_ms = ${2 * day}`);
    });
    const again = await opened({ historyDays: 1 });
    expect(await again.journal.trim()).toEqual({ trimmedRevision: oldest });
  });

  test('that is trimmed and grows again does not make the file grow', async () => {
    const store = await opened({ historyBytes: 0, checkpointBytes: 20_000 });
    await store.grow(1, 50);
    let sizes: number[] = [];
    for (let round = 0; round < 8; round += 1) {
      await store.churn('arena-0', 120);
      await Promise.all(
        allocations(store).map(({ address }) =>
          store.sequencer.execute({ type: 'free', at: 1, arena: 'arena-0', address }, () => 0),
        ),
      );
      await store.journal.checkpoint();
      await store.journal.trim();
      sizes = [...sizes, statSync(join(directory, 'vmemd.db')).size];
    }
    await store.close();
    expect(store.engine.revision).toBeGreaterThan(1500);
    expect(sizes.at(-1)).toBeLessThanOrEqual(1.25 * sizes[3]!);
  });
});

function allocations(store: Store): { address: bigint }[] {
  const found: { address: bigint }[] = [];
  store.engine.walkAllocations('arena-0', 0n, ({ address }) => found.push({ address }) > 0);
  return found;
}

describe('failures', () => {
  test('storage that fails in a checkpoint stops the journal for good', async () => {
    const store = await opened();
    await store.grow(2);
    await store.close();
    edit(directory, (db) => {
      db.exec(`create trigger full before insert on checkpoint_part when new.part = 2
        begin select raise(abort, 'no room'); end`);
    });
    const again = await opened();
    await expect(again.journal.checkpoint()).rejects.toThrow(/no room/);
    const { error } = await again.event('failed');
    expect(error.message).toContain('no room');
    expect(await again.journal.append([{ revision: 999, body: '{}' }])).toBe('unknown');
    await expect(again.journal.checkpoint()).rejects.toThrow(/no room/);
    await again.close();
    edit(directory, (db) => db.exec('drop trigger full'));
    const third = await opened();
    expect((await third.event('checkpointEnded')).report.partsKept).toBe(2);
  });

  test('records that cannot be replayed are found by a checkpoint, and end it all', async () => {
    const store = await opened();
    await store.grow(1);
    const revision = store.engine.revision + 1;
    expect(await store.journal.append([{ revision, body: '{"v":1}' }])).toBe('acked');
    await expect(store.journal.checkpoint()).rejects.toMatchObject({
      name: 'RecoveryError',
      code: 'record-undecodable',
      exitCode: 5,
    });
    expect(await store.event('failed')).toMatchObject({ error: { code: 'record-undecodable' } });
    expect(await store.journal.append([{ revision: revision + 1, body: '{}' }])).toBe('unknown');
  });

  test.each([
    ['altered', "update journal_group set body = replace(body, ':', ';') where first_revision = 3"],
    ['missing', 'delete from journal_group where first_revision = 3'],
  ])('a record of the history that is %s is found where it is read', async (name, sql) => {
    const store = await opened();
    await store.grow(2);
    await store.journal.checkpoint();
    await store.close();
    edit(directory, (db) => {
      // The groups depend on timing; each record gets one of its own here.
      expect(db.prepare('select count(*) from journal_group').pluck().get()).toBeGreaterThan(3);
      const third =
        'select first_revision from journal_group order by first_revision limit 1 offset 2';
      db.exec(sql.replace('first_revision = 3', `first_revision = (${third})`));
    });
    const again = await opened();
    await expect(again.records()).rejects.toMatchObject({
      code: name === 'missing' ? 'record-missing' : 'damaged',
    });
  });
});
