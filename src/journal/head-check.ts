/**
 * What opening compares before anything is trusted: the tables with each other, and the journal
 * with its head anchor. Nothing is read here but the ends; the digests in between are compared
 * while the journal is loaded.
 *
 * An operator who knows better can accept a journal that ends before its anchor, by naming the
 * revision at which it ends. Naming another one refuses, so that the setting, left where it is by
 * mistake, accepts nothing later.
 */
import type { CheckpointTable } from './checkpoint-table.ts';
import { equal, type GroupTable } from './group-table.ts';
import { headName, type Found, type Head } from './head-anchor.ts';
import { keyedDamaged } from './keyed.ts';
import type { KeyedTable } from './keyed-table.ts';
import { RecoveryError, restoreBackup } from './recovery-error.ts';

export interface HeadCheck {
  /** Where reading the journal has to come by; absent where there is nothing to compare. */
  readonly expected?: Head;
  readonly warnings: readonly string[];
}

/** Compares a journal that ends at `groups.last` with its anchor. Throws RecoveryError. */
export function checkHead(
  directory: string,
  found: Found,
  { groups, checkpoints }: { groups: GroupTable; checkpoints: CheckpointTable },
  acceptRevision: number | undefined,
): HeadCheck {
  const { revision } = groups.last;
  const refusal = refusalOf(directory, found, revision);
  if (refusal !== undefined) {
    if (refusal.code === 'newer-schema' || acceptRevision === undefined) throw refusal;
    return { warnings: [accepted(refusal, revision, acceptRevision)] };
  }
  const warnings: string[] = [];
  if (acceptRevision !== undefined) {
    warnings.push('The journal is as its head anchor says: --accept-revision is not needed.');
  }
  if (typeof found !== 'object') return { warnings };
  const base = checkpoints.newest?.revision ?? groups.trimmed.revision;
  if (found.revision > base) return { expected: found, warnings };
  // What reading does not come by: its row is looked at, where it is still stored.
  const { trimmed } = groups;
  const known = found.revision < trimmed.revision || found.revision === 0;
  if (!known && !isAt(found, { groups, checkpoints })) {
    throw new RecoveryError(
      'damaged',
      `The journal of ${directory} is not the one that ${headName} knows at record ` +
        `${found.revision}.`,
      restoreBackup,
    );
  }
  return { warnings };
}

/** Refuses a database that is gone while its anchor says what it held; called before it is made. */
export function refuseLostDatabase(
  directory: string,
  found: Found,
  acceptRevision: number | undefined,
): void {
  const refusal = typeof found === 'object' ? refusalOf(directory, found, 0) : undefined;
  if (refusal === undefined) return;
  if (acceptRevision === undefined) throw refusal;
  accepted(refusal, 0, acceptRevision);
}

/** Refuses tables that no version could have left. Throws RecoveryError. */
export function checkTables(
  directory: string,
  tables: { groups: GroupTable; checkpoints: CheckpointTable; keyed: KeyedTable },
): void {
  const { groups, checkpoints, keyed } = tables;
  const { last, trimmed } = groups;
  const { newest, unfinished } = checkpoints;
  const base = newest?.revision ?? 0;
  if (base < trimmed.revision) {
    throw checkpointDamaged(
      `Records up to ${trimmed.revision} were trimmed, but there is no checkpoint that has them.`,
    );
  }
  if (base > last.revision) {
    throw new RecoveryError(
      'record-missing',
      `The journal ends at record ${last.revision}, before its checkpoint at record ${base}.`,
      restoreBackup,
    );
  }
  if (keyed.last > last.revision) {
    const what = `have one for record ${keyed.last}, but the journal ends at ${last.revision}`;
    throw keyedDamaged(directory, what);
  }
  const there = newest && groups.markAt(base);
  if (there !== undefined && !equal(there.chain, newest!.chain)) {
    throw checkpointDamaged(`The checkpoint at record ${base} is not one of this journal.`);
  }
  const begun = unfinished?.revision ?? last.revision;
  if (begun > last.revision || (unfinished !== undefined && begun <= base)) {
    throw checkpointDamaged(
      `A checkpoint was begun at record ${begun}, but the journal has ${base} to ${last.revision}.`,
    );
  }
}

function refusalOf(directory: string, found: Found, revision: number): RecoveryError | undefined {
  if (found === 'newer') {
    return new RecoveryError(
      'newer-schema',
      `${headName} in ${directory} has a format that this version does not know.`,
      'Start the version that wrote the data, or a newer one.',
    );
  }
  const override =
    `To go on with the journal as it is, start once with --accept-revision ${revision}: what ` +
    'was answered after that record is then forgotten, and may be given to others.';
  if (typeof found !== 'object') {
    if (revision === 0) return undefined;
    return new RecoveryError(
      'head-missing',
      `${headName} in ${directory} is ${found}, so nothing says that record ${revision}, where ` +
        'the journal ends, was the last.',
      `Put the file back, or restore a backup. ${override}`,
    );
  }
  if (found.revision <= revision) return undefined;
  return new RecoveryError(
    'tail-missing',
    `The journal of ${directory} ends at record ${revision}, but record ${found.revision} was ` +
      'durable: its end is lost.',
    `Restore a backup, or put a missing vmemd.db-wal back. ${override}`,
  );
}

function accepted(refusal: RecoveryError, revision: number, acceptRevision: number): string {
  if (acceptRevision === revision) {
    return `Accepted by --accept-revision ${revision}: ${refusal.message}`;
  }
  throw new RecoveryError(
    refusal.code,
    `--accept-revision ${acceptRevision} is not where the journal ends. ${refusal.message}`,
    refusal.remedy,
  );
}

function isAt(
  { revision, chain }: Head,
  { groups, checkpoints }: { groups: GroupTable; checkpoints: CheckpointTable },
): boolean {
  const { newest } = checkpoints;
  const there = newest?.revision === revision ? newest : groups.markAt(revision);
  return there !== undefined && equal(there.chain, chain);
}

function checkpointDamaged(message: string): RecoveryError {
  return new RecoveryError('checkpoint-damaged', message, restoreBackup);
}
