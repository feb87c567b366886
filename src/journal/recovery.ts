/**
 * Recovery: brings an empty engine to the state that the journal holds, by applying every record
 * through the same function as live. It refuses what it does not recognise, names it and the
 * remedy, and repairs nothing: a guess here could hand out a range that somebody holds.
 *
 * | observed                                          | decision                                  |
 * |---------------------------------------------------|-------------------------------------------|
 * | no record                                         | start empty                               |
 * | records 1 … n without gap                         | apply all, check every arena, start at n  |
 * | the first record is not 1                         | refuse: record-missing                    |
 * | a gap                                             | refuse: record-missing                    |
 * | a revision again, or one below the last           | refuse: record-repeated                   |
 * | a record that is not JSON, or a field is wrong    | refuse: record-undecodable                |
 * | a record of unknown version                       | refuse: newer-record                      |
 * | an event of unknown type                          | refuse: newer-record                      |
 * | a record that contradicts the state before it     | refuse: record-inapplicable               |
 * | the replayed state breaks an invariant            | refuse: check-failed                      |
 * | a breaking migration that is not known            | refuse: newer-schema                      |
 * | a migration that is not known, not breaking       | start with a warning                      |
 * | an applied migration that reads differently today | refuse: edited-migration                  |
 * | migrations that are not 1 … n                     | refuse: unknown-schema                    |
 * | another process has the data open                 | refuse: locked                            |
 * | a file that is no SQLite database                 | refuse: not-a-database                    |
 * | a database that is not ours                       | refuse: foreign-database                  |
 * | a damaged page, a group unlike its digest         | refuse: damaged                           |
 * | a write-ahead log without its database            | refuse: damaged                           |
 * | no permission, no room, not a directory           | refuse: directory-unusable                |
 *
 * The rows about files and migrations are decided while the journal is opened, the others here.
 */
import { assert } from '../engine/assert.ts';
import type { Engine } from '../engine/engine.ts';
import type { Event } from '../engine/event.ts';
import type { Journal, JournalRecord } from './journal.ts';
import { decode, RecordError } from './record.ts';
import { RecoveryError, restoreBackup } from './recovery-error.ts';

export interface RecoveryOptions {
  /** Called after every {@link progressEvery} records with how many were applied so far. */
  readonly onProgress?: (records: number) => void;
}

export interface RecoveryReport {
  /** The last revision; 0 where the journal was empty. */
  readonly revision: number;
  readonly records: number;
  readonly arenas: number;
}

export const progressEvery = 100_000;

const arenasPerPage = 1000;

/** Replays `journal` into an engine at revision 0. Rejects with RecoveryError, see the table. */
export async function recover(
  journal: Journal,
  engine: Engine,
  { onProgress }: RecoveryOptions = {},
): Promise<RecoveryReport> {
  assert(engine.revision === 0, 'recovery starts with an empty engine');
  let records = 0;
  await journal.load((record) => {
    replay(record, engine);
    records += 1;
    if (records % progressEvery === 0) onProgress?.(records);
  });
  const arenas = checkArenas(engine);
  return { revision: engine.revision, records, arenas };
}

function replay({ revision, body }: JournalRecord, engine: Engine): void {
  const expected = engine.revision + 1;
  if (revision < expected) {
    throw new RecoveryError(
      'record-repeated',
      `The journal has record ${revision} where ${expected} is expected.`,
      restoreBackup,
    );
  }
  if (revision > expected) {
    throw new RecoveryError(
      'record-missing',
      `The journal lacks record ${expected}; the one found there is ${revision}.`,
      restoreBackup,
    );
  }
  const event = decodeRecord(revision, body);
  try {
    engine.apply(event, revision);
  } catch (cause) {
    throw new RecoveryError(
      'record-inapplicable',
      `Record ${revision} (${event.type} in ${event.arena}) contradicts the records before it: ` +
        `${messageOf(cause)}.`,
      restoreBackup,
      { cause },
    );
  }
  assert(engine.revision === revision, `revision ${revision} is applied`);
}

function decodeRecord(revision: number, body: string): Event {
  try {
    return decode(body);
  } catch (cause) {
    if (!(cause instanceof RecordError)) throw cause;
    if (cause.code === 'malformed') {
      throw new RecoveryError(
        'record-undecodable',
        `Record ${revision} cannot be read: ${cause.message}.`,
        restoreBackup,
        { cause },
      );
    }
    throw new RecoveryError(
      'newer-record',
      `Record ${revision} was written by a newer version: ${cause.message}.`,
      'Start the version that wrote the data, or a newer one.',
      { cause },
    );
  }
}

/** Walks the whole state once: what a replay got wrong is found before anything is answered. */
function checkArenas(engine: Engine): number {
  let arenas = 0;
  let after: string | undefined;
  for (;;) {
    const page = engine.arenas(after, arenasPerPage);
    for (const { arena } of page) {
      const { problems } = engine.check(arena);
      if (problems.length > 0) {
        throw new RecoveryError(
          'check-failed',
          `Arena ${arena} breaks an invariant after replay: ${problems.join('; ')}.`,
          `${restoreBackup} Please report it: this is a bug.`,
        );
      }
    }
    arenas += page.length;
    after = page.at(-1)?.arena;
    if (page.length < arenasPerPage) return arenas;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
