/**
 * A set of addresses in ascending order, in pieces of bounded length, so that taking one in or out
 * moves few of the others, however many there are.
 */
import { assert } from './assert.ts';

/** Addresses in a piece at most; about half of them are moved by a change. */
const PIECE_MAX = 256;

export class Addresses {
  /** None of them empty, but for the only one of an empty set. */
  readonly #pieces: bigint[][] = [[]];
  count = 0;

  add(address: bigint): void {
    const index = this.#pieceOf(address);
    const piece = this.#pieces[index]!;
    const place = placeIn(piece, address);
    assert(piece[place] !== address, 'an address is in the set once');
    piece.splice(place, 0, address);
    this.count++;
    if (piece.length <= PIECE_MAX) return;
    // What grows at its end leaves full pieces behind.
    const last = index + 1 === this.#pieces.length && place + 1 === piece.length;
    this.#pieces.splice(index + 1, 0, piece.splice(last ? PIECE_MAX : PIECE_MAX >> 1));
  }

  remove(address: bigint): void {
    const index = this.#pieceOf(address);
    const piece = this.#pieces[index]!;
    const place = placeIn(piece, address);
    assert(piece[place] === address, 'an address that is removed is in the set');
    piece.splice(place, 1);
    this.count--;
    const next = this.#pieces[index + 1];
    if (next !== undefined && piece.length + next.length <= PIECE_MAX >> 1) {
      piece.push(...next);
      this.#pieces.splice(index + 1, 1);
    } else if (piece.length === 0 && this.#pieces.length > 1) this.#pieces.splice(index, 1);
  }

  has(address: bigint): boolean {
    const piece = this.#pieces[this.#pieceOf(address)]!;
    return piece[placeIn(piece, address)] === address;
  }

  /** Those at `address` or above. The set must not change meanwhile. */
  *from(address: bigint): Generator<bigint> {
    let index = this.#pieceOf(address);
    let place = placeIn(this.#pieces[index]!, address);
    for (; index < this.#pieces.length; index++, place = 0) {
      const piece = this.#pieces[index]!;
      for (; place < piece.length; place++) yield piece[place]!;
    }
  }

  /** Index of the last piece that begins at or below an address, or of the first one. */
  #pieceOf(address: bigint): number {
    let low = 1;
    let high = this.#pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#pieces[middle]![0]! <= address) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** How many of a piece are below an address. */
function placeIn(piece: readonly bigint[], address: bigint): number {
  let low = 0;
  let high = piece.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (piece[middle]! < address) low = middle + 1;
    else high = middle;
  }
  return low;
}
