/**
 * A set of addresses, or of names, in ascending order, in pieces of bounded length, so that taking one
 * in or out moves few of the others, however many there are.
 */
import { assert } from './assert.ts';

/** Items of a piece at most; about half of them are moved by a change. */
const PIECE_MAX = 256;

export class OrderedSet<T extends bigint | string> {
  /** None of them empty, but for the only one of an empty set. */
  readonly #pieces: T[][] = [[]];
  count = 0;

  /** `sorted` are the items to begin with, each once, in ascending order. */
  constructor(sorted: readonly T[] = []) {
    for (let at = 0; at < sorted.length; at += PIECE_MAX) {
      this.#pieces[at / PIECE_MAX] = sorted.slice(at, at + PIECE_MAX);
    }
    this.count = sorted.length;
  }

  add(item: T): void {
    const index = this.#pieceOf(item);
    const piece = this.#pieces[index]!;
    const place = placeIn(piece, item);
    assert(piece[place] !== item, 'an item is in the set once');
    piece.splice(place, 0, item);
    this.count++;
    if (piece.length <= PIECE_MAX) return;
    // What grows at its end leaves full pieces behind.
    const last = index + 1 === this.#pieces.length && place + 1 === piece.length;
    this.#pieces.splice(index + 1, 0, piece.splice(last ? PIECE_MAX : PIECE_MAX >> 1));
  }

  remove(item: T): void {
    const index = this.#pieceOf(item);
    const piece = this.#pieces[index]!;
    const place = placeIn(piece, item);
    assert(piece[place] === item, 'an item that is removed is in the set');
    piece.splice(place, 1);
    this.count--;
    const next = this.#pieces[index + 1];
    if (next !== undefined && piece.length + next.length <= PIECE_MAX >> 1) {
      piece.push(...next);
      this.#pieces.splice(index + 1, 1);
    } else if (piece.length === 0 && this.#pieces.length > 1) this.#pieces.splice(index, 1);
  }

  has(item: T): boolean {
    const piece = this.#pieces[this.#pieceOf(item)]!;
    return piece[placeIn(piece, item)] === item;
  }

  /** Those from `item` on. The set must not change meanwhile. */
  *from(item: T): Generator<T> {
    let index = this.#pieceOf(item);
    let place = placeIn(this.#pieces[index]!, item);
    for (; index < this.#pieces.length; index++, place = 0) {
      const piece = this.#pieces[index]!;
      for (; place < piece.length; place++) yield piece[place]!;
    }
  }

  /** Index of the last piece that begins at or before an item, or of the first one. */
  #pieceOf(item: T): number {
    let low = 1;
    let high = this.#pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#pieces[middle]![0]! <= item) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** How many of a piece come before an item. */
function placeIn<T extends bigint | string>(piece: readonly T[], item: T): number {
  let low = 0;
  let high = piece.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (piece[middle]! < item) low = middle + 1;
    else high = middle;
  }
  return low;
}
