/**
 * The head anchor: a small file beside the database that says how far the journal went. It is there
 * because a write-ahead log can lose its end without a sign: where a frame does not read back,
 * SQLite takes everything from there on for never committed. A start that finds less in the journal
 * than the anchor says refuses, instead of handing out again what somebody holds.
 *
 * The file has two slots, written in turn, so that a write that is torn by a crash leaves the one
 * before. Each is covered by a checksum. A slot is written after its commit is durable and before
 * the answer, so the anchor is never ahead of the journal; it is fsynced about once a second in the
 * background, so after a power cut it may be behind, by which nothing is lost.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  fsync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { assert } from '../engine/assert.ts';

export const headName = 'vmemd.head';
export const slotBytes = 512;

const slots = 2;
const magic = 'vmemhead';
const formatVersion = 1;
const checksumBytes = 32;
const checksumAt = slotBytes - checksumBytes;
const syncAfterMs = 1000;

/** Where the journal ended: the last revision and the digest of the chain there. */
export interface Head {
  readonly revision: number;
  readonly chain: Uint8Array;
}

interface Slot extends Head {
  /** Counts writes; the slot with the higher one was written last. */
  readonly sequence: number;
}

/**
 * What the file says. `missing`: there is none; `unreadable`: neither slot is whole; `newer`: one
 * has a format that this version does not know. Errors of the file system come as they are.
 */
export type Found = Slot | 'missing' | 'unreadable' | 'newer';

export function readHead(directory: string): Found {
  let bytes: Buffer;
  try {
    bytes = readFileSync(join(directory, headName));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'missing';
    throw error;
  }
  return headIn(bytes);
}

/** What the contents of the file say. */
export function headIn(bytes: Buffer): Exclude<Found, 'missing'> {
  const found = Array.from({ length: slots }, (_, index) =>
    readSlot(bytes.subarray(index * slotBytes, (index + 1) * slotBytes)),
  );
  const whole = found.filter((slot) => typeof slot === 'object');
  // The one that cannot be read may be the one written last.
  if (found.includes('newer')) return 'newer';
  return whole.toSorted((a, b) => b.sequence - a.sequence)[0] ?? 'unreadable';
}

/**
 * Puts a new anchor in the place of whatever is there, durable when this returns. It is made under
 * another name and renamed, so that no crash leaves half of one.
 */
export function createHead(directory: string, head: Head): void {
  renameSync(writeNew(directory, head), join(directory, headName));
  syncDirectory(directory);
}

/** The same, but leaves one that is there: two that begin at once go on with the first's. */
export function createFirstHead(directory: string, head: Head): void {
  const path = writeNew(directory, head);
  try {
    linkSync(path, join(directory, headName));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    rmSync(path, { force: true });
  }
  syncDirectory(directory);
}

function writeNew(directory: string, head: Head): string {
  const path = join(directory, `${headName}.${process.pid}`);
  const bytes = Buffer.concat([slotOf({ ...head, sequence: 0 }), slotOf({ ...head, sequence: 1 })]);
  writeFileSync(path, bytes, { mode: 0o600, flush: true });
  return path;
}

function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The file, open for writing. */
export class HeadAnchor {
  readonly #descriptor: number;
  readonly #onFailure: (error: Error) => void;
  #sequence: number;
  #timer: NodeJS.Timeout | undefined;
  #syncing: Promise<void> | undefined;

  /** `onFailure` is told where an fsync in the background fails. There has to be an anchor. */
  constructor(directory: string, onFailure: (error: Error) => void) {
    const found = readHead(directory);
    assert(typeof found === 'object', 'the anchor was read or created before');
    this.#sequence = found.sequence;
    this.#onFailure = onFailure;
    this.#descriptor = openSync(join(directory, headName), 'r+');
  }

  /** Says that the journal is durable up to `head`. Throws errors of the file system. */
  write(head: Head): void {
    this.#sequence += 1;
    const slot = slotOf({ ...head, sequence: this.#sequence });
    const offset = (this.#sequence % slots) * slotBytes;
    const written = writeSync(this.#descriptor, slot, 0, slotBytes, offset);
    if (written !== slotBytes) {
      throw new Error(`${written} of ${slotBytes} bytes of ${headName} were written`);
    }
    this.#syncLater();
  }

  /** Makes what was written durable now. */
  sync(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    fsyncSync(this.#descriptor);
  }

  async close(): Promise<void> {
    try {
      this.sync();
    } finally {
      // A descriptor that is closed under an fsync could by then be another file's.
      await this.#syncing;
      closeSync(this.#descriptor);
    }
  }

  #syncLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#syncing === undefined) this.#syncing = this.#syncInBackground();
      else this.#syncLater();
    }, syncAfterMs).unref();
  }

  #syncInBackground(): Promise<void> {
    return new Promise((resolve) => {
      fsync(this.#descriptor, (error) => {
        this.#syncing = undefined;
        if (error !== null) this.#onFailure(error);
        resolve();
      });
    });
  }
}

function slotOf({ revision, sequence, chain }: Slot): Buffer {
  assert(chain.length === 32, 'a digest of the chain has 32 bytes');
  const slot = Buffer.alloc(slotBytes);
  slot.write(magic, 0, 'latin1');
  slot.writeUInt32LE(formatVersion, 8);
  slot.writeBigUInt64LE(BigInt(revision), 16);
  slot.writeBigUInt64LE(BigInt(sequence), 24);
  slot.set(chain, 32);
  slot.set(checksumOf(slot), checksumAt);
  return slot;
}

function readSlot(slot: Buffer): Slot | 'unreadable' | 'newer' {
  if (slot.length !== slotBytes || slot.toString('latin1', 0, 8) !== magic) return 'unreadable';
  if (Buffer.compare(checksumOf(slot), slot.subarray(checksumAt)) !== 0) return 'unreadable';
  if (slot.readUInt32LE(8) !== formatVersion) return 'newer';
  const revision = Number(slot.readBigUInt64LE(16));
  const sequence = Number(slot.readBigUInt64LE(24));
  if (!Number.isSafeInteger(revision) || !Number.isSafeInteger(sequence)) return 'unreadable';
  return { revision, sequence, chain: Uint8Array.from(slot.subarray(32, 64)) };
}

function checksumOf(slot: Buffer): Buffer {
  return createHash('sha256').update(slot.subarray(0, checksumAt)).digest();
}
