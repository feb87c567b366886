/**
 * Ids of leases, by number of the lease. A UUID, which the service makes, is four words of an array,
 * so that a million of them are no work for the garbage collector; any other text stays one.
 */
import { growth } from './growth.ts';

/** An id that is looked for: the four words of a UUID, where it is one. */
export interface LeaseId {
  readonly text: string;
  readonly words: readonly number[] | undefined;
}

// A row: what sort of id it is, then the words of a UUID.
const ROW = 3;
const SORT = 0;
const WORDS = 1;
const NONE = 0;
const UUID = 1;
const TEXT = 2;

const DASH = 45;
const DIGITS = 36;
/** By code of a character: the hexadecimal digit that it is; -1 for none. Capitals are none. */
const digits = new Int8Array(128).fill(-1);
for (let digit = 0; digit < 16; digit++) digits[digit.toString(16).charCodeAt(0)] = digit;
const codes = Array.from({ length: DIGITS }, () => DASH);

export class LeaseIds {
  #rows = new Int32Array(8 << ROW);
  readonly #texts = new Map<number, string>();

  /** The id; the empty string where there is none. */
  get(lease: number): string {
    const at = lease << ROW;
    const sort = this.#rows[at | SORT];
    if (sort === UUID) return textOf(this.#rows, at + WORDS);
    return sort === TEXT ? this.#texts.get(lease)! : '';
  }

  has(lease: number): boolean {
    return (this.#rows[(lease << ROW) | SORT] ?? NONE) !== NONE;
  }

  set(lease: number, { text, words }: LeaseId): void {
    this.#reserve(lease);
    const at = lease << ROW;
    this.#rows[at | SORT] = words === undefined ? TEXT : UUID;
    if (words === undefined) this.#texts.set(lease, text);
    else for (let i = 0; i < 4; i++) this.#rows[at + WORDS + i] = words[i]!;
  }

  remove(lease: number): void {
    const at = (lease << ROW) | SORT;
    if (this.#rows[at] === TEXT) this.#texts.delete(lease);
    this.#rows[at] = NONE;
  }

  /** Below 0 where the id of the lease comes before the other one, 0 where it is that, above 0 behind. */
  compare(lease: number, { text, words }: LeaseId): number {
    const at = lease << ROW;
    const rows = this.#rows;
    if (words !== undefined && rows[at | SORT] === UUID) {
      for (let i = 0; i < 4; i++) {
        const [own, other] = [rows[at + WORDS + i]!, words[i]!];
        if (own !== other) return own < other ? -1 : 1;
      }
      return 0;
    }
    const own = this.get(lease);
    if (own === text) return 0;
    return own < text ? -1 : 1;
  }

  #reserve(lease: number): void {
    const capacity = this.#rows.length >>> ROW;
    if (lease < capacity) return;
    const rows = new Int32Array(Math.max(lease + 1, growth(capacity, 4 << ROW)) << ROW);
    rows.set(this.#rows);
    this.#rows = rows;
  }
}

/** An id to look for. */
export function leaseId(text: string): LeaseId {
  return { text, words: wordsOf(text) };
}

/** The words of a UUID in lower case, in an order that is that of the texts; undefined for others. */
function wordsOf(text: string): number[] | undefined {
  if (text.length !== DIGITS) return undefined;
  const words = [0, 0, 0, 0];
  let count = 0;
  for (let i = 0; i < DIGITS; i++) {
    const code = text.charCodeAt(i);
    if (isDash(i)) {
      if (code !== DASH) return undefined;
      continue;
    }
    const digit = digits[code] ?? -1;
    if (digit === -1) return undefined;
    const word = count++ >>> 3;
    words[word] = (words[word]! << 4) | digit;
  }
  // Small numbers have a sign: what is lower has to be so with it.
  for (let i = 0; i < 4; i++) words[i]! ^= 1 << 31;
  return words;
}

function textOf(rows: Int32Array, at: number): string {
  let count = 0;
  for (let i = 0; i < DIGITS; i++) {
    if (isDash(i)) continue;
    const word = rows[at + (count >>> 3)]! ^ (1 << 31);
    const digit = (word >>> (28 - 4 * (count & 7))) & 15;
    codes[i] = digit < 10 ? 48 + digit : 87 + digit;
    count++;
  }
  return String.fromCharCode(...codes);
}

function isDash(place: number): boolean {
  return place === 8 || place === 13 || place === 18 || place === 23;
}
