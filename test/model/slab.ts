/**
 * Quantum caches as the model sees them: which sizes are served from slabs, how large a slab and its
 * pieces are, and which piece is next. Which pieces are in use is never stored; a piece is in use
 * when the arena holds a block at its base.
 */
import type { SegmentView } from '../../src/engine/view.ts';
import type { Segment } from './placement.ts';

export interface Slab extends Segment {
  readonly pieceSize: bigint;
}

export interface CacheSettings {
  readonly quantum: bigint;
  readonly quantumCacheMax: bigint;
}

/** The least power of two above three times the largest cached size. */
export function slabSizeOf({ quantumCacheMax }: CacheSettings): bigint {
  let size = 1n;
  while (size <= 3n * quantumCacheMax) size *= 2n;
  return size;
}

/**
 * What a cached block of `size`, in whole quanta, takes up: the largest cached size of which a slab
 * holds as many.
 */
export function pieceSizeOf(size: bigint, settings: CacheSettings): bigint {
  const slab = slabSizeOf(settings);
  let piece = settings.quantumCacheMax;
  while (slab / piece !== slab / size) piece -= settings.quantum;
  return piece;
}

/** What is at the base of a piece that is in use; nothing of one that is not. */
type StateOf = (base: bigint) => 'busy' | 'resting' | undefined;

/** The slab cut into its pieces, and what is left behind the last whole one. */
export function piecesOf(slab: Slab, stateOf: StateOf): SegmentView[] {
  const pieces: SegmentView[] = [];
  const end = slab.base + slab.size;
  for (let address = slab.base; address < end; address += slab.pieceSize) {
    const size = end - address < slab.pieceSize ? end - address : slab.pieceSize;
    pieces.push({ address, size, state: stateOf(address) ?? 'cached' });
  }
  return pieces;
}

/** The lowest whole piece of this size that is not in use, of those allowed. */
export function nextPiece(
  slabs: readonly Slab[],
  pieceSize: bigint,
  stateOf: StateOf,
  isAllowed: (piece: Segment) => boolean,
): bigint | undefined {
  for (const slab of slabs) {
    if (slab.pieceSize !== pieceSize) continue;
    const piece = piecesOf(slab, stateOf).find(
      ({ state, address: base, size }) =>
        state === 'cached' && size === pieceSize && isAllowed({ base, size }),
    );
    if (piece !== undefined) return piece.address;
  }
  return undefined;
}
