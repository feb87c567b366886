/**
 * Cursors: where the next page of a list begins. A cursor holds the next key and a digest of the
 * query it belongs to, so that it can't be used with other filters by mistake. It holds no
 * snapshot: a page shows the list as it is when the page is read, and keys only move forward.
 */
import { createHash } from 'node:crypto';
import { invalidInput, InvalidInput } from './invalid-input.ts';
import type { AddressSpace } from './notation.ts';

/** The operation and everything that selects its items; not the page size, which may change. */
export type Query = readonly (string | undefined)[];

/** A cursor was handed out by another query. */
export class CursorMismatch extends InvalidInput {
  override name = 'CursorMismatch';
}

const pointer = '/query/cursor';
const digestLength = 11;

/** An opaque, URL-safe cursor at `key`. */
export function cursorAt(key: string, query: Query): string {
  return Buffer.from(digestOf(query) + key).toString('base64url');
}

/**
 * The key a cursor stands at.
 * @throws {InvalidInput} when the cursor is damaged.
 * @throws {CursorMismatch} when it belongs to another query.
 */
export function keyOf(cursor: string, query: Query): string {
  const bytes = Buffer.from(cursor, 'base64url');
  // Round-trip, because the decoder skips what is not base64url.
  if (bytes.toString('base64url') !== cursor) throw invalidInput(pointer, 'is not a cursor');
  const text = bytes.toString();
  if (text.slice(0, digestLength) !== digestOf(query)) {
    const detail = 'belongs to another query; leave it out to start from the beginning';
    throw new CursorMismatch([{ pointer, detail }]);
  }
  return text.slice(digestLength);
}

/**
 * The address a cursor stands at.
 * @throws as {@link keyOf} does.
 */
export function addressOf(cursor: string, query: Query, space: AddressSpace): bigint {
  return readAddress(keyOf(cursor, query), space.width);
}

/**
 * The arena and the address a cursor of all arenas stands at.
 * @throws as {@link keyOf} does.
 */
export function placeOf(cursor: string, query: Query): { arena: string; address: bigint } {
  const key = keyOf(cursor, query);
  const slash = key.indexOf('/');
  if (slash < 0) throw invalidInput(pointer, 'is not a cursor');
  return { arena: key.slice(0, slash), address: readAddress(key.slice(slash + 1), 128) };
}

function readAddress(key: string, width: number): bigint {
  const address = /^[0-9]{1,39}$/.test(key) ? BigInt(key) : -1n;
  if (address >> BigInt(width) !== 0n) throw invalidInput(pointer, 'is not a cursor');
  return address;
}

function digestOf(query: Query): string {
  const text = JSON.stringify(query);
  return createHash('sha256').update(text).digest('base64url').slice(0, digestLength);
}
