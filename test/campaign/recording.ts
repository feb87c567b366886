/**
 * The recording that the shim makes of a service's input and output: what changed the files of its
 * data directory, in the order in which it happened, and each reply before it went out.
 */
import { readFileSync } from 'node:fs';

export type Entry =
  | { readonly kind: 'created'; readonly inode: bigint; readonly name: string }
  | {
      readonly kind: 'written';
      readonly inode: bigint;
      readonly offset: number;
      readonly data: Buffer;
    }
  | { readonly kind: 'truncated'; readonly inode: bigint; readonly size: number }
  | { readonly kind: 'synced'; readonly inode: bigint }
  | { readonly kind: 'unlinked'; readonly name: string }
  | { readonly kind: 'renamed'; readonly from: string; readonly to: string }
  | { readonly kind: 'linked'; readonly from: string; readonly to: string }
  | { readonly kind: 'directorySynced' }
  /** The beginning of an HTTP reply. */
  | { readonly kind: 'replied'; readonly text: string };

/** Four bytes each for kind and length, eight each for inode and offset; then the data. */
const headBytes = 24;

/** Reads a recording whole; a last entry that was cut off by a kill is left out. */
export function readRecording(path: string): Entry[] {
  const bytes = readFileSync(path);
  const entries: Entry[] = [];
  for (let at = 0; at + headBytes <= bytes.length;) {
    const length = bytes.readUInt32LE(at + 4);
    const end = at + headBytes + length;
    if (end > bytes.length) break;
    entries.push(entryOf(bytes, at, bytes.subarray(at + headBytes, end)));
    at = end;
  }
  return entries;
}

function entryOf(bytes: Buffer, at: number, data: Buffer): Entry {
  const kind = bytes.readUInt32LE(at);
  const inode = bytes.readBigUInt64LE(at + 8);
  const offset = Number(bytes.readBigUInt64LE(at + 16));
  switch (kind) {
    case 1:
      return { kind: 'created', inode, name: data.toString() };
    case 2:
      return { kind: 'written', inode, offset, data };
    case 3:
      return { kind: 'truncated', inode, size: offset };
    case 4:
      return { kind: 'synced', inode };
    case 5:
      return { kind: 'unlinked', name: data.toString() };
    case 6:
    case 9: {
      const [from = '', to = ''] = data.toString().split('\0');
      return { kind: kind === 6 ? 'renamed' : 'linked', from, to };
    }
    case 7:
      return { kind: 'directorySynced' };
    case 8:
      return { kind: 'replied', text: data.toString('latin1') };
    default:
      throw new Error(`the recording has an entry of kind ${kind} at byte ${at}`);
  }
}
