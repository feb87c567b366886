/**
 * A disk that a recording is played to, and what a power cut may leave on it.
 *
 * What was synced is there. What was written since reaches the disk in any order, in sectors of 512
 * bytes: each sector has its content of some moment since the last sync, and the length of a file
 * is one that it had since then. The two are chosen apart, so that a file may be long and hold
 * zeros, or short and lose what was written behind; only a truncation keeps its place in the order,
 * because no file system shows again what was cut off. Names come and go in the order in which they
 * were made and removed, and are certain once the directory was synced; syncing a file makes its
 * content durable and not its name.
 */
import type { Random } from '../model/random.ts';
import type { Entry } from './recording.ts';

const sectorBytes = 512;

export interface Image {
  readonly files: ReadonlyMap<string, Buffer>;
  /** Whether content of a file that was written is not there. */
  readonly lossy: boolean;
}

/** How much of what is not synced survives: nothing, all, or each piece with some probability. */
type Luck = 'none' | 'all' | number;

export class Disk {
  readonly #inodes = new Map<bigint, DiskFile>();
  /** By name, as last synced, and as it is. */
  #durable = new Map<string, DiskFile>();
  #current = new Map<string, DiskFile>();
  /** The names after each change of the directory since it was synced. */
  #unsynced: Map<string, DiskFile>[] = [];

  /** Plays the next entry of the recording. */
  apply(entry: Entry): void {
    switch (entry.kind) {
      case 'created': {
        const file = new DiskFile();
        this.#inodes.set(entry.inode, file);
        return this.#rename((names) => names.set(entry.name, file));
      }
      case 'written':
        return this.#file(entry.inode).write(entry.offset, entry.data);
      case 'truncated':
        return this.#file(entry.inode).truncate(entry.size);
      case 'synced':
        return this.#file(entry.inode).sync();
      case 'unlinked':
        return this.#rename((names) => names.delete(entry.name));
      case 'renamed':
      case 'linked':
        return this.#rename((names) => {
          const file = names.get(entry.from);
          if (file === undefined) throw new Error(`${entry.from} is renamed, but was never made`);
          if (entry.kind === 'renamed') names.delete(entry.from);
          names.set(entry.to, file);
        });
      case 'directorySynced':
        this.#durable = this.#current;
        this.#unsynced = [];
        return;
      case 'replied':
    }
  }

  /** The files with everything written, as a process sees them. */
  written(): Map<string, Buffer> {
    return new Map([...this.#current].map(([name, file]) => [name, file.written()]));
  }

  /** What may be there after a power cut now. */
  image(random: Random): Image {
    const luck: Luck = random.chance(0.15)
      ? 'none'
      : random.chance(0.05)
        ? 'all'
        : random.pick([0.1, 0.5, 0.9]);
    const states = [this.#durable, ...this.#unsynced];
    const names = states[chosen(random, luck, 0, states.length - 1)]!;
    const files = new Map<string, Buffer>();
    let lossy = false;
    for (const [name, file] of names) {
      const content = file.afterPowerCut(random, luck);
      files.set(name, content);
      lossy ||= !content.equals(file.written());
    }
    return { files, lossy };
  }

  #file(inode: bigint): DiskFile {
    const file = this.#inodes.get(inode);
    if (file === undefined) throw new Error(`inode ${inode} is used, but was never made`);
    return file;
  }

  #rename(change: (names: Map<string, DiskFile>) => void): void {
    const names = new Map(this.#current);
    change(names);
    this.#current = names;
    this.#unsynced.push(names);
  }
}

/** A change since the last sync: data at an offset, or without data a truncation to it. */
interface Change {
  readonly offset: number;
  readonly data?: Buffer;
}

/** The content of one sector after each change that touched it; the first is the durable one. */
interface Version {
  readonly content: Buffer;
  /** Number of the change, from 1; 0 for the durable one. */
  readonly change: number;
  readonly cut: boolean;
}

class DiskFile {
  #durable: Buffer = Buffer.alloc(0);
  #changes: Change[] = [];

  write(offset: number, data: Buffer): void {
    this.#changes.push({ offset, data });
  }

  truncate(size: number): void {
    this.#changes.push({ offset: size });
  }

  sync(): void {
    this.#durable = this.written();
    this.#changes = [];
  }

  written(): Buffer {
    const size = this.#sizes().at(-1)!;
    const bytes = Buffer.alloc(Math.max(size, this.#durable.length, ...this.#changes.map(endOf)));
    this.#durable.copy(bytes);
    for (const { offset, data } of this.#changes) {
      if (data === undefined) bytes.fill(0, offset);
      else data.copy(bytes, offset);
    }
    return bytes.subarray(0, size);
  }

  afterPowerCut(random: Random, luck: Luck): Buffer {
    const sizes = this.#sizes();
    // The change up to which the length is the one that survived.
    const upTo = chosen(random, luck, 0, sizes.length - 1);
    const bytes = Buffer.alloc(sizes[upTo]!);
    this.#durable.copy(bytes);
    for (const [sector, versions] of this.#sectors()) {
      const first = versions.findLastIndex(({ cut, change }) => cut && change <= upTo);
      const end = versions.findIndex(({ cut, change }) => cut && change > upTo);
      const last = (end === -1 ? versions.length : end) - 1;
      const { content } = versions[chosen(random, luck, Math.max(first, 0), last)]!;
      content.copy(bytes, sector * sectorBytes);
    }
    return bytes;
  }

  /** The length at the last sync and after each change since. */
  #sizes(): number[] {
    const sizes = [this.#durable.length];
    for (const { offset, data } of this.#changes) {
      sizes.push(data === undefined ? offset : Math.max(sizes.at(-1)!, offset + data.length));
    }
    return sizes;
  }

  /** The versions of every sector that was touched since the last sync. */
  #sectors(): Map<number, Version[]> {
    const sectors = new Map<number, Version[]>();
    const sizes = this.#sizes();
    const end = Math.max(...sizes);
    for (const [index, { offset, data }] of this.#changes.entries()) {
      const upTo = data === undefined ? end : offset + data.length;
      for (let at = Math.floor(offset / sectorBytes); at * sectorBytes < upTo; at++) {
        const versions = sectors.get(at) ?? [this.#durableSector(at)];
        sectors.set(at, versions);
        const content = Buffer.from(versions.at(-1)!.content);
        const start = at * sectorBytes;
        if (data === undefined) content.fill(0, Math.max(0, offset - start));
        else data.copy(content, Math.max(0, offset - start), Math.max(0, start - offset));
        versions.push({ content, change: index + 1, cut: data === undefined });
      }
    }
    return sectors;
  }

  #durableSector(at: number): Version {
    const content = Buffer.alloc(sectorBytes);
    content.set(this.#durable.subarray(at * sectorBytes, (at + 1) * sectorBytes));
    return { content, change: 0, cut: false };
  }
}

function endOf({ offset, data }: Change): number {
  return offset + (data?.length ?? 0);
}

/** One of `first` … `last`, the last of which is what was written last. */
function chosen(random: Random, luck: Luck, first: number, last: number): number {
  if (first === last || luck === 'none') return first;
  if (luck === 'all' || random.chance(luck)) return last;
  return first + random.int(last - first + 1);
}
