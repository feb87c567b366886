/**
 * A column of addresses of up to 128 bits, each at a small number, in typed arrays: a million of them
 * are no work for the garbage collector. The upper halves take room only where one is not 0.
 */
import { growth } from './growth.ts';

const HALF = 64n;
const LOWER_MAX = (1n << HALF) - 1n;

export class Addresses {
  #lower = new BigUint64Array(8);
  /** Empty while all addresses are below 2^64. */
  #upper = new BigUint64Array(0);

  /** What was set at this number last. */
  get(at: number): bigint {
    const lower = this.#lower[at]!;
    return this.#upper.length === 0 ? lower : (this.#upper[at]! << HALF) | lower;
  }

  set(at: number, address: bigint): void {
    if (at >= this.#lower.length) this.#grow(at + 1);
    // An array keeps what fits of a number, which are the lower bits.
    this.#lower[at] = address;
    if (address > LOWER_MAX && this.#upper.length === 0) {
      this.#upper = new BigUint64Array(this.#lower.length);
    }
    if (this.#upper.length > 0) this.#upper[at] = address >> HALF;
  }

  #grow(least: number): void {
    const length = Math.max(least, growth(this.#lower.length, BigUint64Array.BYTES_PER_ELEMENT));
    this.#lower = longer(this.#lower, length);
    if (this.#upper.length > 0) this.#upper = longer(this.#upper, length);
  }
}

function longer(halves: BigUint64Array<ArrayBuffer>, length: number): BigUint64Array<ArrayBuffer> {
  const copy = new BigUint64Array(length);
  copy.set(halves);
  return copy;
}
