/**
 * Recovery: brings an empty engine to the state that the journal holds: the parts of the newest
 * checkpoint, then every record after it through the same function as live. It refuses what it does
 * not recognise, names it and the remedy, and repairs nothing: a guess here could hand out a range
 * that somebody holds. docs/recovery.md has the same table for whoever operates the service.
 *
 * | observed                                          | decision                                  |
 * |---------------------------------------------------|-------------------------------------------|
 * | no record                                         | start empty                               |
 * | records 1 … n without gap                         | apply all, check every arena, start at n  |
 * | a checkpoint, and no record after it              | restore it, check every arena, start      |
 * | a checkpoint, and records after it without gap    | restore it, apply them, check, start at n |
 * | a checkpoint that was not completed               | as if it was not there; complete it later |
 * | several complete checkpoints                      | take the newest; remove the others later  |
 * | a head anchor behind the journal                  | start; bring the anchor up to date        |
 * | one slot of the head anchor is not readable       | take the other                            |
 * | a database from before there were anchors         | start; make the anchor                    |
 * | the first record after what was there is not next | refuse: record-missing                    |
 * | a gap                                             | refuse: record-missing                    |
 * | the journal ends before its checkpoint            | refuse: record-missing                    |
 * | a revision again, or one below the last           | refuse: record-repeated                   |
 * | a record that is not JSON, or a field is wrong    | refuse: record-undecodable                |
 * | a record of unknown version                       | refuse: newer-record                      |
 * | an event of unknown type                          | refuse: newer-record                      |
 * | a part of a checkpoint of unknown version or type | refuse: newer-record                      |
 * | a record that contradicts the state before it     | refuse: record-inapplicable               |
 * | a part that cannot be decoded                     | refuse: checkpoint-damaged                |
 * | a part, or all of them, unlike their digest       | refuse: checkpoint-damaged                |
 * | a part is missing                                 | refuse: checkpoint-damaged                |
 * | parts that contradict each other                  | refuse: checkpoint-damaged                |
 * | a checkpoint of another journal                   | refuse: checkpoint-damaged                |
 * | records were trimmed, and no checkpoint has them  | refuse: checkpoint-damaged                |
 * | the state breaks an invariant                     | refuse: check-failed                      |
 * | the journal ends before its head anchor           | refuse: tail-missing, unless accepted     |
 * | a head anchor, and no database                    | refuse: tail-missing, unless accepted     |
 * | records, and no head anchor                       | refuse: head-missing, unless accepted     |
 * | neither slot of the head anchor is readable       | refuse: head-missing, unless accepted     |
 * | the digest at the head anchor's revision differs  | refuse: damaged                           |
 * | a head anchor of unknown format                   | refuse: newer-schema                      |
 * | a breaking migration that is not known            | refuse: newer-schema                      |
 * | a migration that is not known, not breaking       | start with a warning                      |
 * | the book of history is behind                     | start; bring it up to date later          |
 * | the book of history is missing, or of no use      | start; make it anew later                 |
 * | the book of history cannot be written             | start without it; try again later         |
 * | an applied migration that reads differently today | refuse: edited-migration                  |
 * | migrations that are not 1 … n                     | refuse: unknown-schema                    |
 * | another process has the data open                 | refuse: locked                            |
 * | a file that is no SQLite database                 | refuse: not-a-database                    |
 * | a database that is not ours                       | refuse: foreign-database                  |
 * | an answer kept for a key, unlike its digest       | refuse: keyed-damaged                     |
 * | an answer kept for a key is missing               | refuse: keyed-damaged                     |
 * | an answer kept for a key, and no record with one  | refuse: keyed-damaged                     |
 * | a damaged page, a group unlike its digest         | refuse: damaged                           |
 * | a write-ahead log without its database            | refuse: damaged                           |
 * | no permission, not a directory                    | refuse: directory-unusable                |
 * | a file system that may only be read               | refuse: directory-read-only               |
 * | no room                                           | refuse: disk-full                         |
 *
 * The rows about files, migrations and the head anchor are decided while the journal is opened,
 * those about digests while it is read, the others here.
 */
import { assert, AssertionError } from '../engine/assert.ts';
import type { Engine } from '../engine/engine.ts';
import { subjectOf, type Event } from '../engine/event.ts';
import type { SnapshotPart } from '../engine/snapshot.ts';
import type { Journal, JournalRecord } from './journal.ts';
import { decode, RecordError } from './record.ts';
import {
  checkpointDamaged,
  newerRecord,
  notNext,
  RecoveryError,
  restoreBackup,
} from './recovery-error.ts';

export interface RecoveryOptions {
  /** Called after every {@link progressEvery} records with how many were applied so far. */
  readonly onProgress?: (records: number) => void;
}

export interface RecoveryReport {
  /** The last revision; 0 where the journal was empty. */
  readonly revision: number;
  /** The revision of the checkpoint that was restored; 0 where there was none. */
  readonly checkpoint: number;
  /** Records applied after it. */
  readonly records: number;
  readonly arenas: number;
}

export const progressEvery = 100_000;

const arenasPerPage = 1000;

/** Brings an engine at revision 0 to what `journal` holds. Rejects with RecoveryError. */
export async function recover(
  journal: Pick<Journal, 'load'>,
  engine: Engine,
  { onProgress }: RecoveryOptions = {},
): Promise<RecoveryReport> {
  assert(engine.revision === 0, 'recovery starts with an empty engine');
  let [checkpoint, parts, records] = [0, 0, 0];
  await journal.load({
    part(part) {
      restore(part, parts, engine);
      parts += 1;
    },
    checkpoint(revision) {
      restored(revision, engine);
      checkpoint = revision;
    },
    record(record) {
      replay(record, engine);
      records += 1;
      if (records % progressEvery === 0) onProgress?.(records);
    },
  });
  const arenas = checkArenas(engine);
  return { revision: engine.revision, checkpoint, records, arenas };
}

function restore(part: SnapshotPart, index: number, engine: Engine): void {
  try {
    engine.restore(part);
  } catch (cause) {
    throw contradicting(`Part ${index} of the checkpoint`, cause);
  }
}

function restored(revision: number, engine: Engine): void {
  try {
    engine.restored(revision);
  } catch (cause) {
    throw contradicting(`The checkpoint at record ${revision}`, cause);
  }
  assert(engine.revision === revision, `revision ${revision} is restored`);
}

/** Parts that contradict each other; anything else is a bug. */
function contradicting(what: string, cause: unknown): unknown {
  return cause instanceof AssertionError ? checkpointDamaged(what, cause) : cause;
}

function replay({ revision, body }: JournalRecord, engine: Engine): void {
  const expected = engine.revision + 1;
  if (revision !== expected) throw notNext(expected, revision);
  const event = decodeRecord(revision, body);
  try {
    engine.apply(event, revision);
  } catch (cause) {
    throw new RecoveryError(
      'record-inapplicable',
      `Record ${revision} (${event.type} in ${subjectOf(event)}) contradicts the records before it: ` +
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
    throw newerRecord(`Record ${revision}`, cause);
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
          `Arena ${arena} breaks an invariant after recovery: ${problems.join('; ')}.`,
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
