/**
 * What a request that had an idempotency key leaves beside its record, so that the same answer can
 * be given again: a digest of the key, one of the request, and the answer as text. It is stored in
 * the transaction of the record, so neither is ever there without the other. The record carries one
 * digest over all three, by which the chain of the journal covers them too.
 */
import { hash } from 'node:crypto';
import { RecoveryError } from './recovery-error.ts';

export interface Keyed {
  /** Digest of the key and of whose it is: 32 hexadecimal digits. */
  readonly key: string;
  /** SHA-256 over the request: 64 hexadecimal digits. */
  readonly request: string;
  /** The answer. Nothing here reads it. */
  readonly reply: string;
}

/** With the record that it belongs to. */
export interface KeyedRecord extends Keyed {
  readonly revision: number;
}

/** As it is stored. */
export interface StoredKeyed extends KeyedRecord {
  /** The revision of the keyed record before this one; 0 for the first. */
  readonly previous: number;
  /** For how long the service had run in all when this was written, in milliseconds. */
  readonly ranMs: number;
}

/** An answer is kept for at least so long, in milliseconds of the service running: 24 hours. */
export const keyedKeptMs = 86_400_000;

/** What the record of a keyed request says of it: SHA-256, 64 hexadecimal digits. */
export function digestOfKeyed({ key, request, reply }: Keyed): string {
  return hash('sha256', `${key} ${request}\n${reply}`);
}

/** What its row says of all that is in it: SHA-256, 64 hexadecimal digits. */
export function digestOfRow(row: StoredKeyed): string {
  const { revision, previous, ranMs, key, request, reply } = row;
  return hash('sha256', `${revision} ${previous} ${ranMs} ${key} ${request}\n${reply}`);
}

const field = ',"keyed":"';
const digestCharacters = 64;
const fieldCharacters = field.length + digestCharacters + '"}'.length;

/** Adds the digest to the text of a record, as its last field. */
export function withKeyed(body: string, keyed: Keyed): string {
  return `${body.slice(0, -1)}${field}${digestOfKeyed(keyed)}"}`;
}

/**
 * The digest in the text of a record; undefined where there is none. A look at the end of the text
 * is enough: a quote inside a string has a backslash before it, and what ends in a nested object
 * ends in two braces.
 */
export function keyedDigestOf(body: string): string | undefined {
  const at = body.length - fieldCharacters;
  if (!body.startsWith(field, at) || !body.endsWith('"}')) return undefined;
  return body.slice(at + field.length, -2);
}

export function keyedDamaged(directory: string, what: string): RecoveryError {
  return new RecoveryError(
    'keyed-damaged',
    `The answers kept for idempotency keys in ${directory} ${what}.`,
    'Nothing was changed. Keep a copy of the data directory for analysis and restore a backup; or ' +
      'go on without these answers: dump the data, and load the dump into a new directory.',
  );
}
