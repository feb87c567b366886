/**
 * The random numbers of the workloads: Marsaglia's xorshift32, with the state that the bench of the
 * C implementation begins with, so that both draw the same operations. Never `Math.random`: two
 * runs must be the same run.
 */
const BEGIN = 2463534242;

export class Xorshift32 {
  #state: number;

  constructor(state: number = BEGIN) {
    this.#state = state | 0;
  }

  /** The next 32 bits, unsigned. */
  next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state >>> 0;
  }

  /**
   * From 0 to `count - 1`; `count` is at least 1 and below 2^32. The shifts tell the compiler that
   * all is unsigned, or it would divide doubles, which takes as long as freeing a block.
   */
  below(count: number): number {
    return (this.next() % (count >>> 0)) >>> 0;
  }
}
