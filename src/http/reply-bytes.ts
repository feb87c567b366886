/**
 * A long reply as it is put together: bytes from the start, so that nothing of it is ever a string on
 * the heap. Pieces of text that are joined make garbage for each, and the whole is copied twice more
 * on its way to the connection.
 */

const roomAtFirst = 1 << 16;
/** What has become larger is given up after use. */
const roomKept = 1 << 22;
/** A character takes no more in UTF-8. */
const bytesOfCharacter = 3;

const HALF_DIGITS = 8;
const HALF = 10 ** HALF_DIGITS;
const ZERO = 0x30;

/** Room that is used again: one reply is put together at a time. */
let spare: Buffer | undefined;

export class ReplyBytes {
  #bytes = spare ?? Buffer.allocUnsafeSlow(roomAtFirst);
  #length = 0;

  constructor() {
    spare = undefined;
  }

  /** How many there are. */
  get length(): number {
    return this.#length;
  }

  add(text: string): void {
    this.#makeRoom(text.length * bytesOfCharacter);
    this.#length += this.#bytes.write(text, this.#length);
  }

  /** Adds what there is from `start` to before `end` so many times more. */
  repeat(start: number, end: number, times = 1): void {
    const all = times * (end - start);
    this.#makeRoom(all);
    const from = this.#length;
    const bytes = this.#bytes;
    let done = Math.min(all, end - start);
    bytes.copyWithin(from, start, start + done);
    for (; done < all; done *= 2) {
      bytes.copyWithin(from + done, from, from + Math.min(done, all - done));
    }
    this.#length += all;
  }

  /** Writes ASCII over what there is. */
  overwrite(at: number, text: string): void {
    const bytes = this.#bytes;
    for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  }

  /** Writes the digits of a whole number up to 2^53 - 1 over as many that are there, from `at` on. */
  overwriteDigits(at: number, digits: number, value: number): void {
    const bytes = this.#bytes;
    // In halves that are small integers, of which digits are had at a fraction of the cost.
    let high = Math.floor(value / HALF);
    let low = value - high * HALF;
    let place = at + digits;
    const middle = Math.max(at, place - HALF_DIGITS);
    while (place > middle) {
      const rest = (low / 10) | 0;
      bytes[--place] = ZERO + (low - rest * 10);
      low = rest;
    }
    while (place > at) {
      const rest = (high / 10) | 0;
      bytes[--place] = ZERO + (high - rest * 10);
      high = rest;
    }
  }

  /** All of it, and the end of this. */
  finish(): Buffer {
    const whole = Buffer.allocUnsafeSlow(this.#length);
    this.#bytes.copy(whole, 0, 0, this.#length);
    if (this.#bytes.length <= roomKept) spare = this.#bytes;
    return whole;
  }

  #makeRoom(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#length + more, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
