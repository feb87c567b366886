/**
 * The order in which the free segments of an arena are filed. A dump names each by where it begins,
 * a snapshot by its place among them in order of address.
 */
export class GapOrder {
  readonly #gaps: readonly bigint[];
  readonly #named: Uint8Array;
  readonly #order: number[] = [];

  /** `gaps` are in order of address. */
  constructor(gaps: readonly bigint[]) {
    this.#gaps = gaps;
    this.#named = new Uint8Array(gaps.length);
  }

  take(address: bigint): 'filed' | 'taken' | 'none' {
    let low = 0;
    let high = this.#gaps.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#gaps[middle]! < address) low = middle + 1;
      else high = middle;
    }
    if (this.#gaps[low] !== address) return 'none';
    if (this.#named[low] === 1) return 'taken';
    this.#named[low] = 1;
    this.#order.push(low);
    return 'filed';
  }

  /** The first one that was not named. */
  missing(): bigint | undefined {
    return this.#gaps[this.#named.indexOf(0)];
  }

  /** Ordinals in order, those that were not named last. */
  *lots(most: number): Generator<number[]> {
    for (const [ordinal, named] of this.#named.entries())
      if (named === 0) this.#order.push(ordinal);
    for (let first = 0; first < this.#order.length; first += most) {
      yield this.#order.slice(first, first + most);
    }
  }
}
