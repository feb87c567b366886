/**
 * Migrations: numbered SQL files that bring a database to the schema this version works with. A
 * file is never edited once released; a change is a new file. A first line of `-- breaking` says
 * that older versions cannot work with a database that has it.
 *
 * Each file runs in its own transaction, which inserts the id first: of two that start at once the
 * second fails on the key and not half-way through the statements. A database that is ahead of this
 * version is accepted with a warning if nothing breaking was applied to it, and refused otherwise.
 *
 * `migrations/schema.sql` is what all files together result in, kept so that a review sees the
 * schema and not only its changes. A test compares it and says how it is refreshed.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Database } from 'better-sqlite3';
import { assert } from '../engine/assert.ts';
import { RecoveryError, restoreBackup } from './recovery-error.ts';

/** "vmem" in ASCII; set by the first migration. */
export const applicationId = 0x766d656d;

/** The folder of the files that belong to this version. */
export const migrationsDirectory = fileURLToPath(new URL('../../migrations/', import.meta.url));

export interface Migration {
  readonly id: number;
  readonly sql: string;
  /** SHA-256 of the text, in hexadecimal. */
  readonly checksum: string;
  readonly breaking: boolean;
}

interface Applied {
  readonly id: number;
  readonly checksum: string;
  readonly breaking: number;
}

/**
 * Applies what is missing; returns warnings, one sentence each. Throws RecoveryError where the
 * database has a history that this version cannot work with, and SqliteError as it comes.
 */
export function migrate(db: Database, known: readonly Migration[]): string[] {
  db.exec(
    `create table if not exists migration (
  id integer primary key,
  applied_at integer not null,
  breaking integer not null check (breaking in (0, 1)),
  checksum text not null
) strict`,
  );
  const applied = appliedTo(db);
  const warnings = compare(applied, known);
  const newest = applied.at(-1)?.id ?? 0;
  for (const migration of known) {
    if (migration.id > newest) apply(db, migration);
  }
  return warnings;
}

/**
 * How many of the known migrations a database has not; nothing is changed. Throws RecoveryError as
 * {@link migrate} does, and where the database is none of ours.
 */
export function missingMigrations(db: Database, known: readonly Migration[], file: string): number {
  const listed = db.prepare("select 1 from sqlite_schema where name = 'migration'").get();
  if (db.pragma('application_id', { simple: true }) !== applicationId || listed === undefined) {
    throw new RecoveryError(
      'foreign-database',
      `${file} is a SQLite database, but not one of vmemd.`,
      'Give the path of a backup. Nothing was changed.',
    );
  }
  const applied = appliedTo(db);
  compare(applied, known);
  return Math.max(0, known.length - applied.length);
}

/** Reads `NNNN_name.sql` files; their numbers must run 1, 2, 3 … */
export function readMigrations(directory: string = migrationsDirectory): Migration[] {
  const names = readdirSync(directory).filter((name) => /^\d{4}_.+\.sql$/.test(name));
  return names.toSorted().map((name, index) => {
    const id = Number(name.slice(0, 4));
    assert(id === index + 1, `migration ${name} has number ${index + 1}`);
    // A checkout may have changed the line ends, which changes no statement.
    const sql = readFileSync(`${directory}/${name}`, 'utf8').replaceAll('\r\n', '\n');
    const checksum = createHash('sha256').update(sql).digest('hex');
    return { id, sql, checksum, breaking: /^-- breaking\b/.test(sql) };
  });
}

/** The schema as SQL text, in the order of names, for `migrations/schema.sql`. */
export function dumpSchema(db: Database): string {
  const rows = db
    .prepare<[], { sql: string }>(
      `select sql from sqlite_schema where sql is not null and name not like 'sqlite_%'
       order by type desc, name`,
    )
    .all();
  const id = db.pragma('application_id', { simple: true });
  return [`pragma application_id = ${String(id)};`, ...rows.map(({ sql }) => `${sql};`)]
    .join('\n\n')
    .concat('\n');
}

function appliedTo(db: Database): Applied[] {
  return db.prepare<[], Applied>('select id, checksum, breaking from migration order by id').all();
}

function apply(db: Database, migration: Migration): void {
  const run = db.transaction(() => {
    db.prepare(
      'insert into migration (id, applied_at, breaking, checksum) values (?, ?, ?, ?)',
    ).run(migration.id, Date.now(), migration.breaking ? 1 : 0, migration.checksum);
    db.exec(migration.sql);
  });
  // Immediate: the write lock is taken before anything is read, so the insert decides who migrates.
  run.immediate();
}

/** Refuses what no version could have left, then what only a newer version understands. */
function compare(applied: readonly Applied[], known: readonly Migration[]): string[] {
  const warnings: string[] = [];
  applied.forEach(({ id, checksum, breaking }, index) => {
    if (id !== index + 1) {
      throw new RecoveryError(
        'unknown-schema',
        `The database lists migration ${id} where ${index + 1} is expected.`,
        restoreBackup,
      );
    }
    const ours = known[index];
    if (ours === undefined && breaking === 1) {
      throw new RecoveryError(
        'newer-schema',
        `The database has migration ${id}, which is breaking; this version knows ${known.length}.`,
        'Start the version that wrote the data, or a newer one.',
      );
    }
    if (ours === undefined) {
      warnings.push(
        `The database has migration ${id}, which this version does not know; it is not breaking.`,
      );
    } else if (ours.checksum !== checksum) {
      throw new RecoveryError(
        'edited-migration',
        `Migration ${id} was applied with other contents than this version has.`,
        'Start an unmodified release; migrations are never edited, a change is a new file.',
      );
    }
  });
  return warnings;
}
