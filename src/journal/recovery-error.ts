/**
 * RecoveryError: why the service does not start on the data it found. Thrown by opening, migrating
 * and replaying alike, so that whoever starts the service handles one type. Each one names what was
 * observed, the remedy, and the exit code that tells a supervisor the same.
 */
import { exitCode, type ExitCode } from '../exit-code.ts';

const exitCodes = {
  /** Another process has the data open. */
  locked: exitCode.dataLocked,
  /** A breaking migration was applied that this version does not know. */
  'newer-schema': exitCode.dataNewer,
  /** A record has a version or type that this version does not know. */
  'newer-record': exitCode.dataNewer,
  /** A migration that was applied reads differently today. */
  'edited-migration': exitCode.dataDamaged,
  /** The applied migrations are not a sequence that any version could have left. */
  'unknown-schema': exitCode.dataDamaged,
  /** The file is no SQLite database. */
  'not-a-database': exitCode.dataDamaged,
  /** A SQLite database, but not one of ours. */
  'foreign-database': exitCode.dataDamaged,
  /** Contents that contradict each other: a damaged page, a digest that does not match. */
  damaged: exitCode.dataDamaged,
  'record-missing': exitCode.dataDamaged,
  'record-repeated': exitCode.dataDamaged,
  'record-undecodable': exitCode.dataDamaged,
  /** A well-formed record that contradicts the state before it. */
  'record-inapplicable': exitCode.dataDamaged,
  /** The answers kept for idempotency keys are not those that the records tell of. */
  'keyed-damaged': exitCode.dataDamaged,
  /** The replayed state breaks an invariant. */
  'check-failed': exitCode.dataDamaged,
  /** The newest checkpoint is not whole, contradicts itself, or is not there. */
  'checkpoint-damaged': exitCode.checkpointDamaged,
  /** The journal ends before the revision that the head anchor says was durable. */
  'tail-missing': exitCode.tailMissing,
  /** There is a journal, but no anchor that can be read to say where it ended. */
  'head-missing': exitCode.tailMissing,
  /** The data directory cannot be created, read or written. */
  'directory-unusable': exitCode.dataUnusable,
  /** The data directory, or a file in it, may only be read. */
  'directory-read-only': exitCode.dataUnusable,
  'disk-full': exitCode.diskFull,
} as const satisfies Record<string, ExitCode>;

export type RecoveryCode = keyof typeof exitCodes;

export const recoveryCodes = Object.keys(exitCodes) as readonly RecoveryCode[];

export class RecoveryError extends Error {
  override name = 'RecoveryError';
  readonly code: RecoveryCode;
  /** What a person can do about it, as a sentence. */
  readonly remedy: string;
  readonly exitCode: ExitCode;

  constructor(code: RecoveryCode, message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.remedy = remedy;
    this.exitCode = exitCodes[code];
  }
}

/** The remedy of everything that only a backup can mend. */
export const restoreBackup =
  'Nothing was changed. Keep a copy of the data directory for analysis and restore a backup.';

/** Where record `expected` has to be, `found` is. */
export function notNext(expected: number, found: number): RecoveryError {
  return found < expected
    ? new RecoveryError(
        'record-repeated',
        `The journal has record ${found} where ${expected} is expected.`,
        restoreBackup,
      )
    : new RecoveryError(
        'record-missing',
        `The journal lacks record ${expected}; the one found there is ${found}.`,
        restoreBackup,
      );
}

/** What is stored is text that cannot be read, or contradicts itself. */
export function checkpointDamaged(what: string, cause: Error): RecoveryError {
  return new RecoveryError(
    'checkpoint-damaged',
    `${what} does not make a state: ${cause.message}.`,
    restoreBackup,
    { cause },
  );
}

export function newerRecord(what: string, cause: Error): RecoveryError {
  return new RecoveryError(
    'newer-record',
    `${what} was written by a newer version: ${cause.message}.`,
    'Start the version that wrote the data, or a newer one.',
    { cause },
  );
}
