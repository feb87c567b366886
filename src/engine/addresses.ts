/**
 * A column of addresses of up to 128 bits, each at a small number, in typed arrays: a million of them
 * are no work for the garbage collector. The upper halves take room only where one is not 0.
 */
import { assert } from './assert.ts';
import { growth } from './growth.ts';

const HALF = 64n;
const WORD = 2 ** 32;
const LOWER_MAX = (1n << HALF) - 1n;
assert(new Uint32Array(BigUint64Array.of(1n).buffer)[0] === 1, 'words come lower ones first');

export class Addresses {
  #lower = new BigUint64Array(8);
  /** The same memory as pairs of words, the lower one first: a number is written without a bigint. */
  #words = new Uint32Array(this.#lower.buffer);
  /** Empty while all addresses are below 2^64. */
  #upper = new BigUint64Array(0);

  /** What was set at this number last. */
  get(at: number): bigint {
    const lower = this.#lower[at]!;
    return this.#upper.length === 0 ? lower : (this.#upper[at]! << HALF) | lower;
  }

  /** A number is a whole one below 2^53. */
  set(at: number, address: bigint | number): void {
    this.reserve(at + 1);
    if (typeof address === 'number') {
      this.#words[2 * at] = address;
      this.#words[2 * at + 1] = address / WORD;
      if (this.#upper.length > 0) this.#upper[at] = 0n;
      return;
    }
    // An array keeps what fits of a number, which are the lower bits.
    this.#lower[at] = address;
    if (address > LOWER_MAX && this.#upper.length === 0) {
      this.#upper = new BigUint64Array(this.#lower.length);
    }
    if (this.#upper.length > 0) this.#upper[at] = address >> HALF;
  }

  /** Makes room for so many, if there is none. */
  reserve(least: number): void {
    if (least <= this.#lower.length) return;
    const length = Math.max(least, growth(this.#lower.length, BigUint64Array.BYTES_PER_ELEMENT));
    this.#lower = longer(this.#lower, length);
    this.#words = new Uint32Array(this.#lower.buffer);
    if (this.#upper.length > 0) this.#upper = longer(this.#upper, length);
  }
}

function longer(halves: BigUint64Array<ArrayBuffer>, length: number): BigUint64Array<ArrayBuffer> {
  const copy = new BigUint64Array(length);
  copy.set(halves);
  return copy;
}
