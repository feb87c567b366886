/**
 * The tiling of one arena, made from its allocations and from what rests, which are handed in in order
 * of address: what lies between them is free, or a cached piece where a slab of the quantum cache is. What does not
 * fit into the spans, the slabs or between its neighbours is refused as invalid input.
 */
import type { Range } from '../engine/command.ts';
import type { SavedSlab } from '../engine/snapshot.ts';
import { invalidInput } from '../http/invalid-input.ts';

export interface TilingOptions {
  readonly quantum: bigint;
  /** What segments may straddle, in order of address; disjoint. */
  readonly stretches: readonly Range[];
  /** In order of address, disjoint, each in one stretch. */
  readonly slabs: readonly SavedSlab[];
  /** Size of every slab. */
  readonly slabSize: bigint;
  /** Takes the next segment in order of address. */
  readonly onSegment: (state: 'free' | 'busy' | 'cached' | 'resting', range: Range) => void;
  /** Writes an address as the arena does. */
  readonly format: (address: bigint) => string;
}

export class Tiling {
  readonly #options: TilingOptions;
  #stretch = 0;
  #slab = 0;
  /** Whether a piece of the slab at hand is in use, or rests. */
  #slabUsed = false;
  /** Up to where all is covered. */
  #at: bigint;
  /** Where the one before begins and ends. */
  #last = -1n;
  #endOfLast = 0n;

  constructor(options: TilingOptions) {
    this.#options = options;
    this.#at = options.stretches[0]?.base ?? 0n;
  }

  /** Takes the next one. Throws InvalidInput at /address or /size. */
  take(state: 'busy' | 'resting', { base, size }: Range): void {
    const { quantum, onSegment } = this.#options;
    if (base % quantum !== 0n) {
      throw invalidInput('/address', `must be a multiple of the quantum, ${quantum}`);
    }
    if (size === 0n || size % quantum !== 0n) {
      throw invalidInput('/size', `must be a positive multiple of the quantum, ${quantum}`);
    }
    if (base <= this.#last) {
      throw invalidInput(
        '/address',
        'must be above that of the line before: sort the lines by address',
      );
    }
    if (base < this.#endOfLast) {
      throw invalidInput('/address', 'overlaps the range on the line before');
    }
    const end = base + size;
    const holding = this.#stretchAt(base);
    if (holding === undefined || base < holding.base) {
      throw invalidInput('/address', 'lies outside of the spans of the arena');
    }
    if (end > holding.base + holding.size) {
      throw invalidInput('/size', 'reaches beyond the span that the address lies in');
    }
    this.#cover(base);
    this.#fitsSlabs(base, size);
    onSegment(state, { base, size });
    this.#last = base;
    this.#endOfLast = end;
    this.#at = end;
    this.#leaveSlab();
  }

  /** Covers what comes after the last one. Throws InvalidInput. */
  end(): void {
    const last = this.#options.stretches.at(-1);
    if (last !== undefined) this.#cover(last.base + last.size);
  }

  /** The first stretch that ends above an address, which is not below the last one. */
  #stretchAt(address: bigint): Range | undefined {
    const { stretches } = this.#options;
    let index = this.#stretch;
    let stretch = stretches[index];
    while (stretch !== undefined && stretch.base + stretch.size <= address) {
      index += 1;
      stretch = stretches[index];
    }
    return stretch;
  }

  /** Covers everything below `to` with free and cached segments. */
  #cover(to: bigint): void {
    const { stretches, slabs, onSegment } = this.#options;
    for (;;) {
      const stretch = stretches[this.#stretch];
      if (stretch === undefined) return;
      const stretchEnd = stretch.base + stretch.size;
      if (this.#at < stretch.base) this.#at = stretch.base;
      if (this.#at === stretchEnd) {
        this.#stretch += 1;
        continue;
      }
      if (this.#at >= to) return;
      const slab = slabs[this.#slab];
      if (slab !== undefined && this.#at >= slab.base) {
        this.#coverPiece(slab, to);
        continue;
      }
      let end = to < stretchEnd ? to : stretchEnd;
      if (slab !== undefined && slab.base < end) end = slab.base;
      onSegment('free', { base: this.#at, size: end - this.#at });
      this.#at = end;
    }
  }

  #coverPiece(slab: SavedSlab, to: bigint): void {
    const end = this.#pieceEnd(slab);
    if (to < end) {
      const pieces = `multiples of ${slab.pieceSize} from ${this.#options.format(slab.base)}`;
      throw invalidInput('/address', `lies inside a piece of a slab, which begin at ${pieces}`);
    }
    this.#options.onSegment('cached', { base: this.#at, size: end - this.#at });
    this.#at = end;
    this.#leaveSlab();
  }

  /** What is in a slab is one of its pieces; all else keeps clear of slabs. */
  #fitsSlabs(base: bigint, size: bigint): void {
    const { slabs, format } = this.#options;
    const slab = slabs[this.#slab];
    if (slab === undefined || base + size <= slab.base) return;
    if (base < slab.base) {
      throw invalidInput('/size', `reaches into the slab at ${format(slab.base)}`);
    }
    if (size !== slab.pieceSize || this.#pieceEnd(slab) !== base + size) {
      const what = `the size of a piece of the slab at ${format(slab.base)}`;
      throw invalidInput('/size', `must be ${slab.pieceSize}, ${what}`);
    }
    this.#slabUsed = true;
  }

  /** End of the piece that begins at the place that was reached. */
  #pieceEnd({ base, pieceSize }: SavedSlab): bigint {
    const end = base + this.#options.slabSize;
    return this.#at + pieceSize < end ? this.#at + pieceSize : end;
  }

  #leaveSlab(): void {
    const slab = this.#options.slabs[this.#slab];
    if (slab === undefined || this.#at < slab.base + this.#options.slabSize) return;
    if (!this.#slabUsed) {
      const where = this.#options.format(slab.base);
      throw invalidInput('', `the slab at ${where} has no piece in use: leave its line out`);
    }
    this.#slab += 1;
    this.#slabUsed = false;
  }
}
