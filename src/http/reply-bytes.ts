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

  /** Adds what there is from `start` to before `end` once more. */
  repeat(start: number, end: number): void {
    this.#makeRoom(end - start);
    this.#bytes.copyWithin(this.#length, start, end);
    this.#length += end - start;
  }

  /** Writes ASCII over what there is. */
  overwrite(at: number, text: string): void {
    const bytes = this.#bytes;
    for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
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
