import { execFile, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { JournalRecord, Visitor } from '../../src/journal/journal.ts';
import { migrationsDirectory, readMigrations } from '../../src/journal/migration.ts';
import { openSqliteJournal, type SqliteJournal } from '../../src/journal/sqlite.ts';

const isRoot = process.getuid?.() === 0;
const canMount = isRoot && spawnSync('unshare', ['-m', 'true']).status === 0;

vi.setConfig({ testTimeout: 30_000 });

let parent: string;
let directory: string;
let open: SqliteJournal[];

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'vmemd-sqlite-'));
  directory = join(parent, 'deep', 'data');
  open = [];
});

afterEach(async () => {
  for (const journal of open) await journal.close();
  rmSync(parent, { recursive: true });
});

async function opened(migrations?: string): Promise<SqliteJournal> {
  const options = migrations === undefined ? { directory } : { directory, migrations };
  const journal = await openSqliteJournal(options);
  open.push(journal);
  return journal;
}

async function loaded(): Promise<{ journal: SqliteJournal; records: JournalRecord[] }> {
  const journal = await opened();
  const records: JournalRecord[] = [];
  try {
    await journal.load(visiting((record) => void records.push(record)));
  } catch (error) {
    await journal.close();
    throw error;
  }
  return { journal, records };
}

/** A visitor of records, where there is no checkpoint. */
function visiting(record: Visitor['record']): Visitor {
  return {
    part: ({ type }) => expect.unreachable(type),
    checkpoint: (revision) => expect.unreachable(String(revision)),
    record,
  };
}

function record(revision: number): JournalRecord {
  return { revision, body: `{"n":${revision},"text":"é😀"}` };
}

/** A closed database with three groups: 1, 2–3, 4. */
async function written(): Promise<string> {
  const { journal } = await loaded();
  for (const group of [[record(1)], [record(2), record(3)], [record(4)]]) {
    expect(await journal.append(group)).toBe('acked');
  }
  await journal.close();
  return join(directory, 'vmemd.db');
}

function edit(path: string, sql: string): void {
  const db = new Database(path);
  db.exec(sql);
  db.close();
}

describe('storage', () => {
  test('a new directory is created, private, and holds no record', async () => {
    const { journal, records } = await loaded();
    expect(records).toEqual([]);
    expect(journal.warnings).toEqual([]);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });

  test('what was acked is read back in order after reopening, and more can follow', async () => {
    await written();
    const { journal, records } = await loaded();
    expect(records).toEqual([1, 2, 3, 4].map(record));
    expect(await journal.append([record(5)])).toBe('acked');
    await journal.close();
    expect((await loaded()).records).toEqual([1, 2, 3, 4, 5].map(record));
  });

  describe('many pages', () => {
    const count = 240;
    const large = (revision: number) => ({ revision, body: `${revision} `.padEnd(40_000, 'x') });

    /** Ten pages: more than are read before they are asked for. */
    async function writtenLarge(): Promise<void> {
      const { journal } = await loaded();
      for (let first = 1; first < count; first += 4) {
        await journal.append([0, 1, 2, 3].map((offset) => large(first + offset)));
      }
      await journal.close();
    }

    test.each([0, 300])('are read in order, %i ms after they could be', async (ms) => {
      await writtenLarge();
      const journal = await opened();
      await delay(ms);
      const records: JournalRecord[] = [];
      await journal.load(visiting((one) => void records.push(one)));
      expect(records).toEqual(Array.from({ length: count }, (_, index) => large(index + 1)));
      expect(await journal.append([large(count + 1)])).toBe('acked');
    });

    test('need not be asked for', async () => {
      await writtenLarge();
      const journal = await opened();
      await delay(100);
      await journal.close();
      expect((await loaded()).records).toHaveLength(count);
    });

    test.each([1, count / 2, count])('are read up to record %i, which is damaged', async (bad) => {
      await writtenLarge();
      const db = new Database(join(directory, 'vmemd.db'));
      db.exec(`update journal_group set body = replace(body, 'x', 'y')
        where ${bad} between first_revision and last_revision`);
      db.close();
      const journal = await opened();
      await delay(300);
      let last = 0;
      const loading = journal.load(visiting(({ revision }) => void (last = revision)));
      await expect(loading).rejects.toMatchObject({ code: 'damaged' });
      expect(last).toBeLessThan(bad);
    });
  });

  test('synchronous is FULL after a write on a reopened file', async () => {
    await written();
    const { journal } = await loaded();
    expect(await journal.append([record(5)])).toBe('acked');
    expect(await journal.settings()).toEqual({
      synchronous: 2,
      journalMode: 'wal',
      lockingMode: 'exclusive',
    });
  });

  test('what visit throws rejects load', async () => {
    await written();
    const journal = await opened();
    const seen: number[] = [];
    const load = journal.load(
      visiting(({ revision }) => {
        seen.push(revision);
        if (revision === 2) throw new Error('enough');
      }),
    );
    await expect(load).rejects.toThrow('enough');
    expect(seen).toEqual([1, 2]);
  });

  test('appends must follow on, come after load and one at a time', async () => {
    const journal = await opened();
    await expect(journal.append([record(1)])).rejects.toThrow(/after load/);
    await journal.load(visiting(() => undefined));
    await expect(journal.load(visiting(() => undefined))).rejects.toThrow(/load comes once/);
    await expect(journal.append([])).rejects.toThrow(/at least one/);
    await expect(journal.append([record(2)])).rejects.toThrow(/revision 1 is next/);
    await expect(journal.append([record(1), record(3)])).rejects.toThrow(/follow one another: 3/);
    const first = journal.append([record(1)]);
    await expect(journal.append([record(2)])).rejects.toThrow(/one append at a time/);
    expect(await first).toBe('acked');
  });

  test('after a failed append the outcome is unknown and nothing more is accepted', async () => {
    const path = await written();
    // A trigger stands for the disk: the failure comes out of the commit's statement.
    edit(
      path,
      `create trigger full before insert on journal_group when new.first_revision = 5
       begin select raise(abort, 'no room'); end`,
    );
    const { journal } = await loaded();
    expect(await journal.append([record(5)])).toBe('unknown');
    expect(journal.failure?.message).toContain('no room');
    expect(await journal.append([record(5)])).toBe('unknown');
    await journal.close();
    edit(path, 'drop trigger full');
    expect((await loaded()).records).toEqual([1, 2, 3, 4].map(record));
  });
});

describe('refuses', () => {
  test('a second process while the first has the data open', async () => {
    await loaded();
    const stdout = await openElsewhere('');
    expect(JSON.parse(stdout)).toMatchObject({
      name: 'RecoveryError',
      code: 'locked',
      exitCode: 3,
    });
    expect(stdout).toContain(directory);
    expect(stdout).toContain('--data');
  });

  test('a second journal in the same process, until the first is closed', async () => {
    const { journal } = await loaded();
    await expect(opened()).rejects.toMatchObject({ code: 'locked' });
    await journal.close();
    await opened();
  });

  test.each([
    ['garbage', 'this is not a database'.repeat(500)],
    ['one character', 'x'],
  ])('a file of %s, and leaves it as it is', async (_, contents) => {
    mkdirSync(directory, { recursive: true });
    const path = join(directory, 'vmemd.db');
    writeFileSync(path, contents);
    await expect(opened()).rejects.toMatchObject({ code: 'not-a-database', exitCode: 5 });
    expect(readFileSync(path, 'utf8')).toBe(contents);
  });

  test('somebody else’s database, and leaves it as it is', async () => {
    mkdirSync(directory, { recursive: true });
    const path = join(directory, 'vmemd.db');
    edit(path, 'create table mine (id integer)');
    await expect(opened()).rejects.toMatchObject({ code: 'foreign-database', exitCode: 5 });
    const db = new Database(path, { readonly: true });
    expect(db.prepare('select name from sqlite_schema').pluck().all()).toEqual(['mine']);
    db.close();
  });

  test('nothing where creating the database was cut off, half of a page included', async () => {
    const { journal } = await loaded();
    await journal.close();
    // What SQLite leaves: the page before the change is in its journal, here that of an empty file.
    const header = Buffer.alloc(512);
    Buffer.from('d9d505f920a163d7', 'hex').copy(header);
    header.writeUInt32BE(512, 20);
    header.writeUInt32BE(4096, 24);
    writeFileSync(join(directory, 'vmemd.db'), Buffer.alloc(4096));
    writeFileSync(join(directory, 'vmemd.db-journal'), header);
    expect((await loaded()).records).toEqual([]);
  });

  test('a write-ahead log whose database is gone', async () => {
    const { journal } = await loaded();
    await journal.append([record(1)]);
    const copy = join(parent, 'copy');
    cpSync(directory, copy, { recursive: true });
    rmSync(join(copy, 'vmemd.db'));
    directory = copy;
    await expect(opened()).rejects.toMatchObject({ code: 'damaged', exitCode: 5 });
    expect(existsSync(join(copy, 'vmemd.db-wal'))).toBe(true);
  });

  test('a database that was cut off whole, by its anchor, and without one', async () => {
    const path = await written();
    truncateSync(path, 0);
    await expect(opened()).rejects.toMatchObject({ code: 'tail-missing', exitCode: 10 });
    rmSync(join(directory, 'vmemd.head'));
    await expect(opened()).rejects.toMatchObject({ code: 'damaged', exitCode: 5 });
  });

  test('a database that was cut short', async () => {
    const path = await written();
    truncateSync(path, 4096);
    await expect(loaded()).rejects.toMatchObject({ code: 'damaged', exitCode: 5 });
  });

  test('a record that was altered', async () => {
    const path = await written();
    edit(path, `update journal_group set body = replace(body, '"n":2', '"n":7')`);
    await expect(loaded()).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringContaining('records 2 to 3'),
    });
  });

  test('every flipped bit in the text of a record', async () => {
    const path = await written();
    const offset = readFileSync(path).indexOf('{"n":3');
    expect(offset).toBeGreaterThan(0);
    for (const byte of [0, 3, 5, 8]) {
      flip(path, offset + byte);
      await expect(loaded(), `byte ${byte}`).rejects.toMatchObject({ code: 'damaged' });
      flip(path, offset + byte);
    }
    expect((await loaded()).records).toHaveLength(4);
  });

  test('a group whose count does not agree with its revisions', async () => {
    const path = await written();
    edit(path, 'update journal_group set last_revision = 9 where first_revision = 4');
    await expect(loaded()).rejects.toMatchObject({ code: 'damaged' });
  });

  test('a newer breaking migration, while a harmless one is a warning', async () => {
    const folder = join(parent, 'migrations');
    cpSync(migrationsDirectory, folder, { recursive: true });
    const number = (id: number) => String(id).padStart(4, '0');
    const known = readMigrations().length;
    writeFileSync(join(folder, `${number(known + 1)}_harmless.sql`), 'create table a (b) ;');
    await (await opened(folder)).close();
    const tolerant = await opened();
    expect(tolerant.warnings).toEqual([expect.stringContaining(`migration ${known + 1}`)]);
    await tolerant.close();
    writeFileSync(join(folder, `${number(known + 2)}_new.sql`), '-- breaking\nselect 1;');
    await (await opened(folder)).close();
    await expect(opened()).rejects.toMatchObject({ code: 'newer-schema', exitCode: 4 });
  });

  test('a data directory that is a file', async () => {
    mkdirSync(join(parent, 'deep'));
    writeFileSync(directory, '');
    await expect(opened()).rejects.toMatchObject({ code: 'directory-unusable', exitCode: 8 });
  });

  test('a database that is a directory', async () => {
    mkdirSync(join(directory, 'vmemd.db'), { recursive: true });
    await expect(opened()).rejects.toMatchObject({ code: 'directory-unusable', exitCode: 8 });
  });

  test('a directory of somebody else', async () => {
    mkdirSync(directory, { recursive: true });
    chmodSync(directory, 0o500);
    // The superuser may write anywhere, and so becomes nobody, whom others' directories refuse.
    const stdout = await openElsewhere('', isRoot ? { uid: 65_534, gid: 65_534 } : {});
    expect(JSON.parse(stdout)).toMatchObject({ code: 'directory-unusable', exitCode: 8 });
    expect(stdout).toContain('owns it');
    chmodSync(directory, 0o700);
  });

  test.each(['vmemd.db', 'vmemd.db-wal'])(
    '%s that was replaced while it was read',
    async (name) => {
      await written();
      const journal = await opened();
      const path = join(directory, name);
      cpSync(path, `${path}.new`);
      renameSync(`${path}.new`, path);
      await expect(journal.load(visiting(() => undefined))).rejects.toThrow(
        /was removed or replaced while it was in use/,
      );
    },
  );

  test('a disk without room', async () => {
    // A limit on the size of files stands for the disk: no write gets past the first block.
    const stdout = await openElsewhere('ulimit -f 1;');
    expect(JSON.parse(stdout)).toMatchObject({ code: 'disk-full', exitCode: 9 });
  });

  describe.skipIf(!canMount)('where this user can mount', () => {
    test.each([8, 40, 100])('a full disk of %i KiB, which lost nothing', async (kib) => {
      mkdirSync(directory, { recursive: true });
      const stdout = await openElsewhere(
        `mount -t tmpfs -o size=${kib}k tmpfs ${directory} || exit;
         dd if=/dev/zero of=${directory}/full bs=1k count=${kib} 2>/dev/null;
         truncate -s -4k ${directory}/full;`,
      );
      expect(JSON.parse(stdout)).toMatchObject({ code: 'disk-full', exitCode: 9 });
      expect(stdout).toContain('Make room');
    });

    test.each([
      ['with data', true],
      ['without', false],
    ])('a directory %s that may only be read', async (_name, filled) => {
      if (filled) await written();
      else mkdirSync(directory, { recursive: true });
      const stdout = await openElsewhere(
        `mount --bind ${directory} ${directory} && mount -o remount,bind,ro ${directory} || exit;`,
      );
      expect(JSON.parse(stdout)).toMatchObject({ code: 'directory-read-only', exitCode: 8 });
    });
  });
});

/**
 * Opens the directory in a process of its own, which runs `prelude` first, with mounts of its own
 * if it can have them; returns what came of it as JSON.
 */
async function openElsewhere(prelude: string, user: { uid?: number; gid?: number } = {}) {
  const module = JSON.stringify(import.meta.resolve('../../src/journal/sqlite.ts'));
  const script = `
    import { openSqliteJournal } from ${module};
    await openSqliteJournal({ directory: ${JSON.stringify(directory)} }).then(
      (journal) => { console.log('{"code":"opened"}'); return journal.close(); },
      ({ name, code, exitCode, message, remedy }) =>
        console.log(JSON.stringify({ name, code, exitCode, message, remedy })),
    );`;
  const shell = ['sh', '-c', `${prelude} exec "$0" --input-type=module -e "$1"`];
  const words = [...(canMount ? ['unshare', '-m'] : []), ...shell, process.execPath, script];
  // Nobody may not make mounts, and does not need any.
  const [command = '', ...rest] = user.uid === undefined ? words : words.slice(canMount ? 2 : 0);
  const { stdout } = await promisify(execFile)(command, rest, { timeout: 30_000, ...user });
  return stdout;
}

function flip(path: string, offset: number): void {
  const bytes = readFileSync(path);
  const descriptor = openSync(path, 'r+');
  writeSync(descriptor, Buffer.from([(bytes[offset] ?? 0) ^ 1]), 0, 1, offset);
  closeSync(descriptor);
}
