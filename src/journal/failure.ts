/**
 * Failures: errors in a form that crosses threads, because a clone of an Error keeps nothing but
 * its text. Three kinds stay apart on the way: data that cannot be trusted, storage that failed, and
 * bugs of ours.
 */
import { StorageFailure } from './journal.ts';
import { RecoveryError, type RecoveryCode } from './recovery-error.ts';
import { storageError } from './storage-error.ts';

export interface Failure {
  readonly message: string;
  readonly recovery?: { readonly code: RecoveryCode; readonly remedy: string };
  readonly storage?: true;
}

/** An error of opening or reading: storage that cannot be used is a reason not to start. */
export function failureOf(error: unknown, directory: string): Failure {
  const named = storageError(error, directory);
  if (named instanceof RecoveryError) {
    const { message, code, remedy } = named;
    return { message, recovery: { code, remedy } };
  }
  if (named instanceof StorageFailure) return { message: named.message, storage: true };
  if (!(named instanceof Error)) return { message: String(named) };
  return { message: named.stack ?? named.message };
}

/** An error met while running: storage that fails leaves open what it has kept. */
export function runningFailureOf(error: unknown, directory: string): Failure {
  const failure = failureOf(error, directory);
  if (failure.recovery === undefined || error instanceof RecoveryError) return failure;
  if (failure.recovery.code === 'damaged') return failure;
  return { message: failure.message, storage: true };
}

export function errorOf({ message, recovery, storage }: Failure): Error {
  if (recovery !== undefined) return new RecoveryError(recovery.code, message, recovery.remedy);
  return storage === true ? new StorageFailure(message) : new Error(message);
}
