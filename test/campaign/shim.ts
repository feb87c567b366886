/**
 * The shim: a library in C (shim.c) that is preloaded into the service and makes its input and
 * output fail on demand, records it, and lies about the time of day. It is compiled when it is
 * first needed; a machine without a C compiler has to do without the parts that rest on it.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('./shim.c', import.meta.url));

/** Offsets in the mapped file; each field has eight bytes. */
const fields = {
  calls: 0,
  faultFrom: 8,
  faultUpTo: 16,
  faultMode: 24,
  faults: 32,
  clockMs: 40,
  faultKind: 56,
  faultInode: 64,
} as const;
const controlBytes = 4096;

/** What a call does that can fail, by the number in which the shim tells it. */
const faultKinds = { 2: 'write', 3: 'truncate', 4: 'sync', 7: 'directory sync' } as const;
export type FaultKind = (typeof faultKinds)[keyof typeof faultKinds];

/** How a call fails, by the number that the shim knows it by. */
const faultModes = { eio: 1n, enospc: 2n, short: 3n, half: 4n, after: 5n } as const;

/**
 * - `eio`, `enospc`: nothing is done, and the error is returned.
 * - `short`: half of what was to be written is, and the call says so; a sync or truncate gives EIO.
 * - `half`: half is written, then the process is killed; a sync or truncate is not even begun.
 * - `after`: the call is done, then the process is killed before it learns of it.
 */
export type FaultMode = keyof typeof faultModes;

export interface ShimOptions {
  /** Outside the data directory: where the shim keeps its own files. */
  readonly folder: string;
  /** The data directory, absolute and without links, as the service is given it. */
  readonly directory: string;
  /** Whether everything is recorded. */
  readonly record?: boolean;
}

let library: string | undefined;

/** Why there is no shim on this machine, as a clause; undefined where there is one. */
export function shimImpossible(): string | undefined {
  if (process.platform !== 'linux') return 'it preloads a library, which is for Linux';
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'there is no C compiler (cc)';
  }
}

export class Shim {
  readonly #control: number;
  /** For the service's process: what loads the shim and tells it where to look. */
  readonly environment: Readonly<Record<string, string>>;
  /** The file of the record. */
  readonly recordPath: string;

  constructor({ folder, directory, record = false }: ShimOptions) {
    const control = join(folder, 'shim-control');
    this.recordPath = join(folder, 'shim-record');
    this.#control = openSync(control, 'w+');
    ftruncateSync(this.#control, controlBytes);
    this.environment = {
      LD_PRELOAD: compiled(),
      SHIM_CONTROL: control,
      SHIM_DIRECTORY: directory,
      ...(record && { SHIM_RECORD: this.recordPath }),
    };
  }

  /** Calls so far that write, truncate or sync a file of the data directory. */
  get calls(): number {
    return Number(this.#read(fields.calls));
  }

  /** Calls so far that were made to fail. */
  get faults(): number {
    return Number(this.#read(fields.faults));
  }

  /** What the call did that failed last; undefined while none has. */
  get faultKind(): FaultKind | undefined {
    return faultKinds[Number(this.#read(fields.faultKind)) as keyof typeof faultKinds];
  }

  /** The inode of the file whose call failed last. */
  get faultInode(): bigint {
    return this.#read(fields.faultInode);
  }

  /** Makes calls fail: the one with this number, counted from 1 since the start, or all from it. */
  fail(mode: FaultMode, call: number, extent: 'once' | 'from then on' = 'once'): void {
    this.#write(fields.faultMode, faultModes[mode]);
    this.#write(fields.faultUpTo, extent === 'once' ? BigInt(call) : 2n ** 63n - 1n);
    // Last, because it is what arms the fault.
    this.#write(fields.faultFrom, BigInt(call));
  }

  /** Lets all calls succeed again. */
  heal(): void {
    this.#write(fields.faultFrom, 0n);
  }

  /** Sets how far the service's time of day is from the true one, in milliseconds. */
  setClock(offsetMs: number): void {
    this.#write(fields.clockMs, BigInt(offsetMs));
  }

  close(): void {
    closeSync(this.#control);
  }

  #read(offset: number): bigint {
    const bytes = Buffer.alloc(8);
    readSync(this.#control, bytes, 0, bytes.length, offset);
    return bytes.readBigInt64LE();
  }

  #write(offset: number, value: bigint): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    writeSync(this.#control, bytes, 0, bytes.length, offset);
  }
}

/** Path of the library, compiled once a process. */
function compiled(): string {
  if (library !== undefined) return library;
  const folder = mkdtempSync(join(tmpdir(), 'vmemd-shim-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'shim.so');
  execFileSync('cc', ['-O2', '-Wall', '-shared', '-fPIC', '-o', path, source, '-lpthread']);
  library = path;
  return path;
}
