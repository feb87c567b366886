/**
 * One test for each row of the table in recovery.ts that is decided by the records. The rows about
 * files and migrations are in sqlite.test.ts and migration.test.ts.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Event } from '../../src/engine/event.ts';
import type { JournalRecord } from '../../src/journal/journal.ts';
import { encode } from '../../src/journal/record.ts';
import {
  RecoveryError,
  recoveryCodes,
  type RecoveryCode,
} from '../../src/journal/recovery-error.ts';
import { progressEvery, recover } from '../../src/journal/recovery.ts';
import { openSqliteJournal } from '../../src/journal/sqlite.ts';
import { Sequencer } from '../../src/sequencer.ts';
import { alloc, CountingEngine } from './counting-engine.ts';
import { MemoryJournal } from './memory-journal.ts';

function event(revision: number, arena = 'a'): Event {
  return {
    type: 'allocated',
    at: revision,
    arena,
    base: BigInt(revision),
    size: 1n,
    policy: 'firstfit',
    labels: {},
    imported: [],
  };
}

function record(revision: number, body = encode(event(revision))): JournalRecord {
  return { revision, body };
}

async function recovered(records: readonly JournalRecord[], counting = new CountingEngine()) {
  const report = await recover(new MemoryJournal(records), counting.engine);
  return { counting, report };
}

async function refusal(records: readonly JournalRecord[], counting = new CountingEngine()) {
  return recovered(records, counting).then(
    () => expect.unreachable('recovery refuses'),
    (error: unknown) => error,
  );
}

describe('starts', () => {
  test('empty where there is no record', async () => {
    const { counting, report } = await recovered([]);
    expect(report).toEqual({ revision: 0, checkpoint: 0, records: 0, arenas: 0 });
    expect(counting.applied).toEqual([]);
  });

  test('with every record applied, in order', async () => {
    const { counting, report } = await recovered([record(1), record(2), record(3)]);
    expect(report).toEqual({ revision: 3, checkpoint: 0, records: 3, arenas: 1 });
    expect(counting.applied).toEqual([event(1), event(2), event(3)]);
  });

  test('and reports progress on the way', async () => {
    const records = Array.from({ length: progressEvery + 1 }, (_, index) => record(index + 1));
    const progress: number[] = [];
    await recover(new MemoryJournal(records), new CountingEngine().engine, {
      onProgress: (count) => progress.push(count),
    });
    expect(progress).toEqual([progressEvery]);
  });
});

describe('refuses', () => {
  const { size: _, ...sizeless } = JSON.parse(encode(event(2))) as Record<string, unknown>;

  test.each([
    ['a first record that is not 1', [record(2)], 'record-missing', 'lacks record 1'],
    ['a gap', [record(1), record(3)], 'record-missing', 'lacks record 2'],
    ['a record twice', [record(1), record(1)], 'record-repeated', 'record 1 where 2'],
    ['a record out of order', [record(1), record(2), record(1)], 'record-repeated', 'where 3'],
    ['text that is no JSON', [record(1), record(2, '{"v":1,')], 'record-undecodable', 'Record 2'],
    [
      'a missing field',
      [record(1), record(2, JSON.stringify(sizeless))],
      'record-undecodable',
      'size',
    ],
  ])('%s', async (_name, records, code, message) => {
    expect(await refusal(records)).toMatchObject({
      name: 'RecoveryError',
      code,
      message: expect.stringContaining(message),
      remedy: expect.stringContaining('restore a backup'),
      exitCode: 5,
    });
  });

  test.each([
    ['version', { ...sizeless, v: 2 }, 'version 2'],
    ['type', { ...sizeless, type: 'tenantCreated' }, '"tenantCreated"'],
  ])('a record of unknown %s', async (_name, raw, message) => {
    expect(await refusal([record(1), record(2, JSON.stringify(raw))])).toMatchObject({
      code: 'newer-record',
      message: expect.stringMatching(new RegExp(`Record 2 .*${message}`)),
      remedy: expect.stringContaining('newer'),
      exitCode: 4,
    });
  });

  test('a record that contradicts the state before it', async () => {
    const counting = new CountingEngine();
    counting.failing = 'apply';
    expect(await refusal([record(1)], counting)).toMatchObject({
      code: 'record-inapplicable',
      message: 'Record 1 (allocated in a) contradicts the records before it: apply failed.',
      exitCode: 5,
    });
  });

  test('a replayed state that breaks an invariant', async () => {
    const counting = new CountingEngine();
    counting.problems = { b: ['segments 1 and 2 overlap'] };
    const records = [record(1), record(2, encode(event(2, 'b')))];
    expect(await refusal(records, counting)).toMatchObject({
      code: 'check-failed',
      message: 'Arena b breaks an invariant after recovery: segments 1 and 2 overlap.',
      exitCode: 5,
    });
  });

  test('an engine that is not empty', async () => {
    const counting = new CountingEngine();
    counting.revision = 1;
    expect(await refusal([], counting)).toMatchObject({ name: 'AssertionError' });
  });
});

test('what a sequencer made durable in SQLite is recovered, and more can follow', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'vmemd-recovery-'));
  try {
    let before: readonly Event[] = [];
    for (const round of [1, 2]) {
      const journal = await openSqliteJournal({ directory });
      const counting = new CountingEngine();
      const report = await recover(journal, counting.engine);
      expect(report.records).toBe((round - 1) * 50);
      expect(counting.applied).toEqual(before);
      const failures: unknown[] = [];
      const sequencer = new Sequencer(counting.engine, journal, {
        onFailure: (cause) => failures.push(cause),
      });
      const answers = Array.from({ length: 50 }, () =>
        sequencer.execute(alloc(), (_engine, _event, revision) => revision),
      );
      await sequencer.close();
      expect(await Promise.all(answers)).toEqual(
        answers.map((_answer, index) => {
          const revision = (round - 1) * 50 + index + 1;
          return { revision, value: revision };
        }),
      );
      expect(failures).toEqual([]);
      before = [...counting.applied];
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

describe('the table', () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const rowsOf = (text: string, columns: number): string[][] =>
    [...text.matchAll(/^(?: \* )?\| (.*) \|$/gm)]
      .map(([, cells]) => cells!.split('|').map((cell) => cell.trim().replaceAll('`', '')))
      .filter((cells) => cells.length === columns);
  const inCode = rowsOf(read('src/journal/recovery.ts').split('*/', 1)[0]!, 2)
    .slice(1)
    .filter(([observed]) => !/^-+$/.test(observed!));
  const [, starts = '', refuses = ''] = read('docs/recovery.md').split(/^## When it .*$/m);
  const body = (text: string, columns: number) => rowsOf(text, columns).slice(2);

  test('of recovery.ts has the rows of docs/recovery.md, with their codes', () => {
    const refused = body(refuses, 4).map(([observed, code]) => [observed, code]);
    const inCodeRefused = inCode.flatMap(([observed, decision]) => {
      const [, code] = /^refuse: ([a-z-]+)/.exec(decision!) ?? [];
      return code === undefined ? [] : [[observed, code]];
    });
    expect(refused.toSorted()).toEqual(inCodeRefused.toSorted());
    const started = body(starts, 2).map(([observed]) => observed);
    const inCodeStarted = inCode
      .filter(([, decision]) => !decision!.startsWith('refuse'))
      .map(([observed]) => observed);
    expect(started.toSorted()).toEqual(inCodeStarted.toSorted());
    expect(refused.length).toBeGreaterThan(30);
  });

  test('of docs/recovery.md has the exit code of each code, and every code', () => {
    const documented = body(refuses, 4).map(([, code, exit]) => [code, Number(exit)]);
    for (const [code, exit] of documented) {
      expect([code, new RecoveryError(code as RecoveryCode, '', '').exitCode]).toEqual([
        code,
        exit,
      ]);
    }
    expect([...new Set(documented.map(([code]) => code))].toSorted()).toEqual(
      [...recoveryCodes].toSorted(),
    );
  });
});
