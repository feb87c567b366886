/**
 * Bodies of which the one list has the same item many times, as a batch of grants of one kind has: such an
 * item is parsed once. That the text of a list repeats itself is seen at a hundredth of what it costs
 * to parse it, and the value has one object many times, which whoever checks it needs to see once.
 */

/** A list in an object by itself, up to its first item, and from its end on. */
const head = /^[ \t\n\r]*\{[ \t\n\r]*"[A-Za-z]+"[ \t\n\r]*:[ \t\n\r]*\[[ \t\n\r]*$/;
const tail = /^\][ \t\n\r]*\}[ \t\n\r]*$/;
const between = /^[ \t\n\r]*,[ \t\n\r]*$/;

/** Further than this nothing is looked for: longer items are parsed at once. */
const headMax = 128;
const itemMax = 4096;
/** So short a body is parsed as fast as it is looked at. */
const bytesMin = 256;

const [brace, closingBrace, bracket, closingBracket, quote, backslash] = Buffer.from('{}[]"\\');

/** A body with the repeated item alone. */
export interface Repeats {
  readonly text: string;
  /** How many times the item is there, at least twice. */
  readonly times: number;
}

/** What the UTF-8 of a body repeats; undefined where it is parsed as it is. Need not be JSON. */
export function repeatsOf(bytes: Buffer): Repeats | undefined {
  if (bytes.length < bytesMin) return undefined;
  const start = bytes.indexOf(brace!, bytes.indexOf(bracket!));
  if (start < 0 || start > headMax || !head.test(bytes.toString('latin1', 0, start)))
    return undefined;
  const end = endOfObject(bytes, start);
  const next = bytes.indexOf(brace!, end);
  const close = bytes.lastIndexOf(closingBracket!);
  if (end < 0 || next < 0 || close < next) return undefined;
  if (!between.test(bytes.toString('latin1', end, next))) return undefined;
  let last = close;
  while (isSpace(bytes[last - 1]!)) last--;
  const [item, period] = [end - start, next - start];
  const times = (last - start - item) / period + 1;
  if (!Number.isInteger(times) || !tail.test(bytes.toString('latin1', close))) return undefined;
  // All of it is what comes one item earlier.
  if (bytes.compare(bytes, start, last - period, next, last) !== 0) return undefined;
  return { text: bytes.toString('utf8', 0, end) + bytes.toString('latin1', close), times };
}

/** The value of the whole body, of that of its text: in the list, one object that many times. */
export function repeated(value: unknown, times: number): object {
  const [entry] = Object.entries(value as Readonly<Record<string, readonly unknown[]>>);
  const [key, [item]] = entry!;
  return { [key]: Array<unknown>(times).fill(item) };
}

/** Where the object that begins at `start` ends; -1 where it is too long, or does not end. */
function endOfObject(bytes: Buffer, start: number): number {
  const most = Math.min(bytes.length, start + itemMax);
  let depth = 0;
  let quoted = false;
  for (let at = start; at < most; at++) {
    const byte = bytes[at];
    if (quoted) {
      if (byte === backslash) at++;
      else if (byte === quote) quoted = false;
    } else if (byte === quote) quoted = true;
    else if (byte === brace) depth++;
    else if (byte === closingBrace && --depth === 0) return at + 1;
  }
  return -1;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
