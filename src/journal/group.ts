/**
 * Group: the records of one commit, in the form in which they are stored: one row, the record
 * bodies joined by newlines. One row instead of many keeps a commit of a thousand records as cheap
 * as a commit of one, and it is a single string to hand to another thread.
 *
 * Groups form a chain: the digest of each covers the digest before it. A row that was altered,
 * replaced, or swapped is found by walking the chain, which a database's own checks do not do: they
 * look at the structure of pages, not at what the text says.
 */
import { createHash } from 'node:crypto';
import { assert } from '../engine/assert.ts';
import type { JournalRecord } from './journal.ts';

export interface Group {
  readonly firstRevision: number;
  readonly lastRevision: number;
  /** Record bodies joined by newlines. */
  readonly body: string;
}

/** The digest before the first group. */
export const chainStart: Uint8Array = new Uint8Array(32);

/** Joins records into a group. They must follow on from one another; at least one. */
export function joinRecords(records: readonly JournalRecord[]): Group {
  const first = records[0];
  assert(first !== undefined, 'a group has at least one record');
  let expected = first.revision;
  for (const record of records) {
    assert(record.revision === expected, 'records follow one another', record.revision);
    assert(!record.body.includes('\n'), 'a record is one line', record.revision);
    expected += 1;
  }
  const body = records.length === 1 ? first.body : records.map((r) => r.body).join('\n');
  return { firstRevision: first.revision, lastRevision: expected - 1, body };
}

/** Takes a group apart; `undefined` where the lines do not agree with the revisions. */
export function splitRecords(group: Group): JournalRecord[] | undefined {
  const lines = group.body.split('\n');
  if (lines.length !== group.lastRevision - group.firstRevision + 1) return undefined;
  return lines.map((body, index) => ({ revision: group.firstRevision + index, body }));
}

/** SHA-256 over the digest before, the revisions and the body; 32 bytes. */
export function digestOf(previous: Uint8Array, group: Group): Uint8Array {
  return createHash('sha256')
    .update(previous)
    .update(`${group.firstRevision} ${group.lastRevision}\n`)
    .update(group.body)
    .digest();
}
