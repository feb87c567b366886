/**
 * One arena of a dump, from its line to the last one of it: the lines are held against each other
 * and against the arenas before, and become parts of a snapshot. The parts go on as soon as they
 * can; what is kept until the end are the spans, and where the free segments are.
 */
import { inOrder } from '../engine/bands.ts';
import { inOrderOfOwner } from '../engine/owners.ts';
import { QuantumCache } from '../engine/quantum-cache.ts';
import type { About } from '../engine/allocations.ts';
import type { Range } from '../engine/command.ts';
import type { ArenaPart, SavedSlab, SavedSpan, SnapshotPart } from '../engine/snapshot.ts';
import { Spans, type Span } from '../engine/spans.ts';
import { badSpan, badTuning } from '../engine/validity.ts';
import type { Refusal } from '../engine/refusal.ts';
import { readBands, readOwnerLimits } from '../http/arenas.ts';
import { invalidInput } from '../http/invalid-input.ts';
import { formatAddress, formatCidr, parseAddress, parseSize } from '../http/notation.ts';
import type { DumpLine } from './dump-line.ts';
import { GapOrder } from './gap-order.ts';
import type { LeaseLoader } from './lease-loader.ts';
import { SegmentColumns } from './segment-columns.ts';
import { Tiling } from './tiling.ts';

/** What one arena has to know of the others. */
export interface LoadedArena {
  readonly source: LoadedArena | undefined;
  readonly spans: Spans;
  /**
   * What the allocations that arenas import from here hold, by address, until those arenas have
   * shown the span that it is, and on which line.
   */
  readonly held: Map<bigint, { readonly size: bigint; readonly by: string; readonly line: number }>;
}

export interface ArenaLoaderOptions {
  readonly arenas: ReadonlyMap<string, LoadedArena>;
  readonly leases: LeaseLoader;
  /** No line of the dump is younger. */
  readonly revision: number;
  /** Whether the order of free segments may lack some, or name others. */
  readonly edited: boolean;
  readonly onPart: (part: SnapshotPart) => void;
}

/** Of a span whose line has no idleSince. */
const busySpan = -1;
/** Spans, slabs or gaps. */
const itemsPerPart = 1024;

export class ArenaLoader implements LoadedArena {
  readonly #options: ArenaLoaderOptions;
  readonly #part: ArenaPart;
  readonly source: LoadedArena | undefined;
  readonly spans = new Spans();
  readonly held: LoadedArena['held'] = new Map();
  readonly #slabs: SavedSlab[] = [];
  /** External ids. */
  readonly #names = new Set<string>();
  #tiling: Tiling | undefined;
  readonly #cache: QuantumCache;
  readonly #columns: SegmentColumns;
  #gaps: GapOrder | undefined;

  /** Throws InvalidInput. */
  constructor(line: DumpLine<'arena'>, options: ArenaLoaderOptions) {
    this.#options = options;
    if (options.arenas.has(line.name)) {
      throw invalidInput('/name', `an arena ${line.name} is on an earlier line`);
    }
    this.source = line.source === undefined ? undefined : options.arenas.get(line.source);
    if (line.source !== undefined && this.source === undefined) {
      throw invalidInput('/source', `there is no arena ${line.source} on an earlier line`);
    }
    this.#part = arenaPartOf(line);
    this.#younger(line.revision, options.revision, 'the dump');
    const { quantum, quantumCacheMax } = this.#part;
    this.#cache = new QuantumCache(quantum, quantumCacheMax);
    this.#columns = new SegmentColumns(this.#part, options.onPart);
    options.onPart(this.#part);
  }

  get name(): string {
    return this.#part.arena;
  }

  /** Throws InvalidInput. */
  span(line: DumpLine<'span'>): void {
    if (this.#tiling !== undefined) throw outOfPlace('a span', 'slabs, allocations and gaps');
    const { base, size } = this.#rangeOf(line.base, 'base', line);
    raise(badSpan(this.#part, { base, size }, ''));
    if (base < this.spans.end) {
      throw invalidInput('/base', 'overlaps the span before, or the spans are not in order');
    }
    this.#younger(line.revision, this.#part.revision, `arena ${this.name}`);
    const imported = line.kind === 'imported';
    if (imported) this.#imported(line.from, { base, size });
    else this.#unclaimed({ base, size });
    if (!imported && (line.from ?? line.idleSince) !== undefined) {
      throw invalidInput('/kind', 'must be imported for a span with from or idleSince');
    }
    const idleSince = line.idleSince ?? busySpan;
    const { revision } = line;
    this.spans.add({ base, size, imported, revision, busy: 0, idleSince } satisfies Span);
  }

  /** Throws InvalidInput. */
  slab(line: DumpLine<'slab'>): void {
    if (this.#tiling !== undefined) throw outOfPlace('a slab', 'allocations and gaps');
    const { quantum, quantumCacheMax } = this.#part;
    const base = parseAddress(line.base, this.#part, '/base');
    const pieceSize = parseSize(line.pieceSize, '/pieceSize');
    if (quantumCacheMax === 0n) {
      throw invalidInput('', `a slab needs a quantum cache, and arena ${this.name} has none`);
    }
    const cache = this.#cache;
    const cached = pieceSize > 0n && pieceSize <= quantumCacheMax && pieceSize % quantum === 0n;
    if (!cached || cache.pieceSizeOf(pieceSize) !== pieceSize) {
      throw invalidInput('/pieceSize', 'is not a size that slabs of this arena are cut into');
    }
    const last = this.#slabs.at(-1);
    if (base % quantum !== 0n || (last !== undefined && base < last.base + cache.slabSize)) {
      const rule = `a multiple of the quantum, ${quantum}, behind the slab before`;
      throw invalidInput('/base', `must be ${rule}`);
    }
    const end = base + cache.slabSize;
    const inside = [...this.#stretchesFrom(base)][0];
    if (inside === undefined || base < inside.base || end > inside.base + inside.size) {
      throw invalidInput('/base', 'a slab lies in a span, as a whole');
    }
    this.#slabs.push({ base, pieceSize });
  }

  /** `number` is that of the line. Throws InvalidInput. */
  allocation(line: DumpLine<'allocation'>, number: number): void {
    if (this.#gaps !== undefined) throw outOfPlace('an allocation', 'gaps');
    const range = this.#rangeOf(line.address, 'address', line);
    this.#younger(line.revision, this.#part.revision, `arena ${this.name}`);
    const { owner, importedBy, externalId, labels } = line;
    this.#take('busy', range);
    const about: About = {
      labels,
      ...(owner !== undefined && { owner }),
      ...(importedBy !== undefined && { importedBy }),
      ...(externalId !== undefined && { externalId: this.#name(line, externalId) }),
    };
    this.#columns.known(Date.parse(line.createdAt), line.revision, about, this.#leaseOf(line));
    if (importedBy === undefined) return;
    this.held.set(range.base, { size: range.size, by: importedBy, line: number });
  }

  #name({ importedBy }: DumpLine<'allocation'>, externalId: string): string {
    if (importedBy !== undefined) {
      throw invalidInput('/externalId', 'must be left out: it is of no allocation of a client');
    }
    if (this.#names.has(externalId)) {
      throw invalidInput('/externalId', 'is that of an allocation on an earlier line');
    }
    this.#names.add(externalId);
    return externalId;
  }

  #leaseOf({ lease, importedBy }: DumpLine<'allocation'>): number | undefined {
    if (lease === undefined) return undefined;
    if (importedBy !== undefined) {
      throw invalidInput(
        '/lease',
        'must be left out: what an arena has imported is under no lease',
      );
    }
    return this.#options.leases.hold(lease);
  }

  /** Throws InvalidInput. */
  resting(line: DumpLine<'resting'>): void {
    if (this.#gaps !== undefined) throw outOfPlace('what rests', 'gaps');
    const range = this.#rangeOf(line.address, 'address', line);
    const { revision = 0, createdAt, labels = {}, owner, externalId, restingSince } = line;
    const former = revision > 0 && createdAt !== undefined;
    if (
      !former &&
      (line.revision ?? createdAt ?? line.labels ?? owner ?? externalId) !== undefined
    ) {
      throw invalidInput(
        '',
        'give the createdAt and the revision, from 1 on, that the allocation had, or nothing of it',
      );
    }
    this.#younger(revision, restingSince, 'its rest');
    this.#younger(restingSince, this.#part.revision, `arena ${this.name}`, '/restingSince');
    this.#take('resting', range);
    this.#columns.resting(restingSince);
    const about: About = {
      labels,
      ...(owner !== undefined && { owner }),
      ...(externalId !== undefined && { externalId }),
    };
    this.#columns.known(
      createdAt === undefined ? 0 : Date.parse(createdAt),
      revision,
      about,
      undefined,
    );
  }

  #take(state: 'busy' | 'resting', range: Range): void {
    this.#tiled().take(state, range);
    const span = this.spans.imported === 0 ? undefined : this.spans.holding(range.base);
    if (span !== undefined) span.busy += 1;
  }

  /** Throws InvalidInput. */
  gaps({ addresses }: DumpLine<'gaps'>): void {
    const order = this.#gapOrder();
    for (const [index, text] of addresses.entries()) {
      const pointer = `/addresses/${index}`;
      const found = order.take(parseAddress(text, this.#part, pointer));
      if (found === 'taken') throw invalidInput(pointer, 'is in the list of gaps already');
      if (found === 'filed' || this.#options.edited) continue;
      throw invalidInput(pointer, 'is not where a free segment begins');
    }
  }

  /** All lines of the arena were given. Throws InvalidInput. */
  end(): void {
    const order = this.#gapOrder();
    const missing = order.missing();
    if (missing !== undefined && !this.#options.edited) {
      const where = formatAddress(missing, this.#part);
      throw invalidInput('', `the gaps of arena ${this.name} lack the free segment at ${where}`);
    }
    for (const ordinals of order.lots(itemsPerPart)) {
      this.#options.onPart({ type: 'gaps', arena: this.name, ordinals });
    }
  }

  /** The tiling, which begins when all spans and slabs are known. */
  #tiled(): Tiling {
    if (this.#tiling !== undefined) return this.#tiling;
    const { onPart } = this.#options;
    const spans = [...this.spans.from(0n)].map(savedSpan);
    const arena = this.name;
    for (let first = 0; first < spans.length; first += itemsPerPart) {
      onPart({ type: 'spans', arena, spans: spans.slice(first, first + itemsPerPart) });
    }
    for (let first = 0; first < this.#slabs.length; first += itemsPerPart) {
      onPart({ type: 'slabs', arena, slabs: this.#slabs.slice(first, first + itemsPerPart) });
    }
    this.#tiling = new Tiling({
      quantum: this.#part.quantum,
      stretches: [...this.spans.stretches()],
      slabs: this.#slabs,
      slabSize: this.#cache.slabSize,
      onSegment: (state, range) => this.#columns.segment(state, range),
      format: (address) => formatAddress(address, this.#part),
    });
    return this.#tiling;
  }

  #gapOrder(): GapOrder {
    if (this.#gaps === undefined) {
      this.#tiled().end();
      this.#columns.flush();
      this.#checkIdle();
      this.#gaps = new GapOrder(this.#columns.gaps);
    }
    return this.#gaps;
  }

  /** An imported span says since when it is wholly free, if and only if it is. */
  #checkIdle(): void {
    for (const { base, imported, busy, idleSince } of this.spans.from(0n)) {
      if (!imported || (busy === 0) === (idleSince !== busySpan)) continue;
      const which = `the span of ${this.name} at ${formatAddress(base, this.#part)}`;
      throw invalidInput(
        '',
        busy === 0
          ? `${which} is imported and wholly free: say since when, by its idleSince`
          : `${which} has allocations, or ranges that rest: leave its idleSince out`,
      );
    }
  }

  /** `end` and `cidr` follow from the others: where they are given they have to agree. */
  #rangeOf(
    address: string,
    field: 'base' | 'address',
    line: { readonly size: string; readonly end?: string; readonly cidr?: string },
  ): Range {
    const base = parseAddress(address, this.#part, `/${field}`);
    const size = parseSize(line.size, '/size');
    const follows = `does not follow from ${field} and size: correct it, or leave it out`;
    if (line.end !== undefined) {
      const end = parseAddress(line.end, this.#part, '/end');
      if (end !== base + size - 1n) throw invalidInput('/end', follows);
    }
    if (line.cidr !== undefined && line.cidr !== formatCidr(base, size, this.#part)) {
      throw invalidInput('/cidr', follows);
    }
    return { base, size };
  }

  /** An imported span is an allocation of the source that says so. */
  #imported(from: string | undefined, { base, size }: Range): void {
    const { source } = this.#part;
    if (this.source === undefined || source === undefined) {
      throw invalidInput('/kind', `must be static: arena ${this.name} has no source`);
    }
    if (from !== undefined && from !== source) {
      throw invalidInput('/from', `must be the source of the arena, ${source}`);
    }
    const held = this.source.held.get(base);
    if (held?.size !== size || held.by !== this.name) {
      const needed = `an allocation of ${source} with this address, size and importedBy`;
      throw invalidInput('/base', `an imported span needs ${needed} ${this.name}`);
    }
    this.source.held.delete(base);
  }

  /** A static span must not claim what the arena could import. */
  #unclaimed({ base, size }: Range): void {
    for (let above = this.source; above !== undefined; above = above.source) {
      if (above.spans.overlapping(base, size) === undefined) continue;
      throw invalidInput('/base', 'overlaps a span of an arena that this one could import from');
    }
  }

  *#stretchesFrom(base: bigint): Generator<Range> {
    for (const stretch of this.spans.stretches()) {
      if (stretch.base + stretch.size > base) yield stretch;
    }
  }

  #younger(revision: number, most: number, than: string, pointer = '/revision'): void {
    if (revision <= most) return;
    throw invalidInput(pointer, `must be at most that of ${than}, ${most}`);
  }
}

function arenaPartOf(line: DumpLine<'arena'>): ArenaPart {
  const { type, name: arena, notation, width, createdAt, nextfitFrom, ...settings } = line;
  const fixed = notation === 'ipv4' ? 32 : notation === 'ipv6' ? 128 : width;
  if (width !== fixed)
    throw invalidInput('/width', `must be ${fixed} with the ${notation} notation`);
  const quantum = parseSize(line.quantum, '/quantum');
  const end = 1n << BigInt(width);
  if (quantum === 0n || (quantum & (quantum - 1n)) !== 0n || quantum >= end) {
    throw invalidInput('/quantum', `must be a power of two below 2^${width}`);
  }
  const quantumCacheMax = parseSize(line.quantumCacheMax, '/quantumCacheMax');
  if (quantumCacheMax % quantum !== 0n || quantumCacheMax > quantum * 16n) {
    throw invalidInput('/quantumCacheMax', 'must be a multiple of the quantum, at most 16 quanta');
  }
  const cursor = nextfitFrom === undefined ? 0n : parseSize(nextfitFrom, '/nextfitFrom');
  if (cursor > end) throw invalidInput('/nextfitFrom', `must be at most 2^${width}`);
  const { importSize, limit, ownerLimit, ownerLimits, ...others } = settings;
  const { bands, quarantineSeconds = 0, ...plain } = others;
  const part: ArenaPart = {
    type,
    arena,
    notation,
    width,
    ...plain,
    quarantineSeconds,
    quantum,
    quantumCacheMax,
    ...(importSize !== undefined && { importSize: parseSize(importSize, '/importSize') }),
    ...(limit !== undefined && { limit: parseSize(limit, '/limit') }),
    ...(ownerLimit !== undefined && { ownerLimit: parseSize(ownerLimit, '/ownerLimit') }),
    ...(ownerLimits !== undefined && { ownerLimits: inOrderOfOwner(readOwnerLimits(ownerLimits)) }),
    ...(bands !== undefined && { bands: inOrder(readBands(bands, { notation, width })) }),
    createdAt: Date.parse(createdAt),
    cursor,
  };
  raise(badTuning(part, part));
  return part;
}

function savedSpan({ base, size, imported, revision, idleSince }: Span): SavedSpan {
  return { base, size, imported, revision, ...(idleSince !== busySpan && { idleSince }) };
}

function raise(refusal: Refusal | undefined): void {
  if (refusal !== undefined) throw invalidInput(refusal.pointer ?? '', refusal.detail);
}

function outOfPlace(what: string, others: string): Error {
  return invalidInput('/type', `${what} comes before the ${others} of its arena: move the line`);
}
