/**
 * The keys that are held, by the digest of each: at which revision it was used. Whether a key was
 * used at all is asked for every request that has one, so it is answered here, in memory, at once;
 * only what was found is looked up in the database.
 *
 * Entries are in the order in which they were added, in a ring of typed arrays, and found by hash
 * chains through it. The oldest ones leave when their time is up, told by the clock that counts
 * for how long the service has run. One takes 40 to 80 bytes.
 */
import { assert } from '../engine/assert.ts';
import type { KeysPage } from './replay.ts';

const digestCharacters = 32;
const wordsPerKey = 4;
const charactersPerWord = digestCharacters / wordsPerKey;
const capacityMin = 1024;
/** More at once would be felt where all of a day have become old. */
const expiredPerStep = 1000;

export class KeyIndex {
  readonly #keptMs: number;
  /** Entries are numbered 0, 1, 2 … and lie at their number modulo the capacity, a power of two. */
  #first = 0;
  #end = 0;
  #words = new Uint32Array(capacityMin * wordsPerKey);
  #revisions = new Float64Array(capacityMin);
  #ranMs = new Float64Array(capacityMin);
  /** By hash, the newest entry, and by entry, the next older one: a place plus one, 0 for none. */
  #heads = new Uint32Array(capacityMin);
  #next = new Uint32Array(capacityMin);

  /** An entry leaves `keptMs` after it was added, in milliseconds of the service running. */
  constructor(keptMs: number) {
    this.#keptMs = keptMs;
  }

  /** How many keys are held; right after a long pause it may still count some that are too old. */
  size(now: number): number {
    this.#expire(now);
    return this.#end - this.#first;
  }

  /** In how many milliseconds the oldest leaves; 0 where there is none. */
  oldestLeavesIn(now: number): number {
    if (this.size(now) === 0) return 0;
    return this.#ranMs[this.#placeOf(this.#first)]! + this.#keptMs - now;
  }

  /** `key` is 32 hexadecimal digits; `ranMs` never goes back. */
  add(key: string, revision: number, ranMs: number): void {
    assert(key.length === digestCharacters, 'a key is given by its digest');
    this.#add(key, 0, revision, ranMs);
  }

  /** Adds those of a page that are not too old. */
  addAll({ keys, revisions, ranMs }: Omit<KeysPage, 'type'>, now: number): void {
    assert(keys.length === revisions.length * digestCharacters, 'each key is given by its digest');
    for (const [index, revision] of revisions.entries()) {
      const at = ranMs[index]!;
      if (now - at < this.#keptMs) this.#add(keys, index * digestCharacters, revision, at);
    }
  }

  #add(keys: string, from: number, revision: number, ranMs: number): void {
    if (this.#end - this.#first === this.#revisions.length) this.#grow();
    const place = this.#placeOf(this.#end);
    for (let word = 0; word < wordsPerKey; word += 1) {
      this.#words[place * wordsPerKey + word] = wordOf(keys, from, word);
    }
    this.#revisions[place] = revision;
    this.#ranMs[place] = ranMs;
    this.#link(place);
    this.#end += 1;
  }

  /** The revision at which a key was used last; undefined where none is held at `now`. */
  revisionOf(key: string, now: number): number | undefined {
    this.#expire(now);
    const words = [0, 1, 2, 3].map((word) => wordOf(key, 0, word));
    let entry = this.#heads[words[0]! & (this.#heads.length - 1)]!;
    while (entry !== 0) {
      const place = entry - 1;
      const at = place * wordsPerKey;
      if (words.every((word, index) => this.#words[at + index] === word)) {
        return now - this.#ranMs[place]! < this.#keptMs ? this.#revisions[place] : undefined;
      }
      entry = this.#next[place]!;
    }
    return undefined;
  }

  #expire(now: number): void {
    const end = Math.min(this.#end, this.#first + expiredPerStep);
    while (this.#first < end) {
      const place = this.#placeOf(this.#first);
      if (now - this.#ranMs[place]! < this.#keptMs) return;
      this.#unlink(place);
      this.#first += 1;
    }
  }

  #placeOf(number: number): number {
    return number & (this.#revisions.length - 1);
  }

  #bucketOf(place: number): number {
    return this.#words[place * wordsPerKey]! & (this.#heads.length - 1);
  }

  #link(place: number): void {
    const bucket = this.#bucketOf(place);
    this.#next[place] = this.#heads[bucket]!;
    this.#heads[bucket] = place + 1;
  }

  /** The oldest entry is the last of its chain. */
  #unlink(place: number): void {
    const bucket = this.#bucketOf(place);
    let entry = this.#heads[bucket]!;
    if (entry === place + 1) {
      this.#heads[bucket] = 0;
      return;
    }
    while (this.#next[entry - 1] !== place + 1) entry = this.#next[entry - 1]!;
    this.#next[entry - 1] = 0;
  }

  #grow(): void {
    const old = { words: this.#words, revisions: this.#revisions, ranMs: this.#ranMs };
    const before = old.revisions.length;
    const capacity = before * 2;
    const count = this.#end - this.#first;
    this.#words = new Uint32Array(capacity * wordsPerKey);
    this.#revisions = new Float64Array(capacity);
    this.#ranMs = new Float64Array(capacity);
    this.#heads = new Uint32Array(capacity);
    this.#next = new Uint32Array(capacity);
    for (let index = 0; index < count; index += 1) {
      const from = (this.#first + index) & (before - 1);
      const words = old.words.subarray(from * wordsPerKey, (from + 1) * wordsPerKey);
      this.#words.set(words, index * wordsPerKey);
      this.#revisions[index] = old.revisions[from]!;
      this.#ranMs[index] = old.ranMs[from]!;
      this.#link(index);
    }
    this.#first = 0;
    this.#end = count;
  }
}

function wordOf(keys: string, from: number, word: number): number {
  const at = from + word * charactersPerWord;
  return Number.parseInt(keys.slice(at, at + charactersPerWord), 16);
}
