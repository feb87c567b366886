/**
 * Lists of which like items follow one another: of a run of them only the first is written, with the
 * bases of the others in one text.
 *
 * `[{"arena":"vlans","base":"7","size":"1","more":"8,9"}]`
 */
import type { Range } from '../engine/command.ts';
import { decimal, isObject, Misfit, spaceEnd, within, type Codec } from './codec.ts';

export const aboveSpace = 'a range that ends above 2^128';

/** Numbers of so many digits are exact. */
const exactDigits = 15;
const safeMax = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * A list of objects. What is `alike` another one, or itself, is a range, and differs from the other
 * in nothing but its base.
 */
export function runs<T extends object>(
  codec: Codec<T>,
  alike: (one: T, other: T) => boolean,
): Codec<readonly T[]> {
  return {
    write(items) {
      const texts: string[] = [];
      let at = 0;
      try {
        while (at < items.length) {
          const first = items[at]!;
          const text = codec.write(first);
          const bases: string[] = [];
          for (at++; at < items.length && alike(first, items[at]!); at++) {
            bases.push(writeBase(items[at] as T & Range));
          }
          const more = bases.length === 0 ? '}' : `,"more":"${bases.join(',')}"}`;
          texts.push(text.slice(0, -1) + more);
        }
      } catch (error) {
        throw within(`[${at}]`, error);
      }
      return `[${texts.join(',')}]`;
    },
    read(raw) {
      if (!Array.isArray(raw)) throw new Misfit('expected a list');
      const items: T[] = [];
      for (const [index, item] of raw.entries()) {
        try {
          if (isObject(item) && item['more'] !== undefined) readRun(codec, alike, item, items);
          else items.push(codec.read(item));
        } catch (error) {
          throw within(`[${index}]`, error);
        }
      }
      return items;
    },
  };
}

/** Of a range as large as one that was written. */
function writeBase({ base, size }: Range): string {
  if (typeof base === 'bigint') {
    const number = Number(base);
    if (number >= 0 && number <= Number.MAX_SAFE_INTEGER && size <= safeMax) return String(number);
  }
  // Checks it as well, where it is not as most are.
  if (base > spaceEnd - size) throw new Misfit(aboveSpace);
  return decimal.write(base).slice(1, -1);
}

/** Adds the items of a run to those before it. */
function readRun<T extends object>(
  codec: Codec<T>,
  alike: (one: T, other: T) => boolean,
  raw: Readonly<Record<string, unknown>>,
  items: T[],
): void {
  const { more, ...alone } = raw;
  const first = codec.read(alone);
  if (typeof more !== 'string') throw new Misfit('expected bases, with commas', 'more');
  if (!alike(first, first)) throw new Misfit('of an event that is like no other', 'more');
  items.push(first);
  const highest = spaceEnd - (first as T & Range).size;
  // One text is read in a quarter of the time of a list, of which JSON.parse looks up every item.
  let start = 0;
  let index = 0;
  while (start <= more.length) {
    const comma = more.indexOf(',', start);
    const end = comma === -1 ? more.length : comma;
    try {
      const base = readBase(more, start, end);
      if (base > highest) throw new Misfit(aboveSpace);
      items.push({ ...first, base });
    } catch (error) {
      throw within(`more[${index}]`, error);
    }
    start = end + 1;
    index++;
  }
}

/** The number that stands in a part of a text. */
function readBase(text: string, start: number, end: number): bigint {
  const digits = end - start;
  let value = 0;
  let plain = digits > 0 && digits <= exactDigits && (digits === 1 || text[start] !== '0');
  for (let i = start; plain && i < end; i++) {
    const digit = text.charCodeAt(i) - 48;
    plain = digit >= 0 && digit <= 9;
    value = value * 10 + digit;
  }
  return plain ? BigInt(value) : decimal.read(text.slice(start, end));
}
