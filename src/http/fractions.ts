/**
 * Numbers of a body that are no integers, but would be read as some: a double holds 15 to 17 digits, so that
 * `9007199254740990.4` becomes `9007199254740990`, and `1e-400` becomes 0. Such a number is read as
 * another fraction, for its field to refuse it like any.
 */

/** Where there may be one: after what stands before a number, many digits or a negative exponent. */
const suspect = /[:,[\s]-?(?:[0-9.]{16,}|[0-9.]+[eE]-)/;
const number = /^-?([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;
const fraction = 0.5;

/** As JSON.parse, which throws where it is none. */
export function parseJson(text: string): unknown {
  return suspect.test(text) ? JSON.parse(text, keepFraction as Reviver) : JSON.parse(text);
}

type Reviver = (key: string, value: unknown) => unknown;

/** Of a value that is no list or object, the source is its text. */
function keepFraction(_key: string, value: unknown, { source }: { source?: string }): unknown {
  if (!Number.isInteger(value) || source === undefined) return value;
  return isInteger(source) ? value : fraction;
}

/** Whether a number of JSON is an integer, taken by its digits. */
function isInteger(source: string): boolean {
  const [, whole = '', part = '', exponent = '0'] = number.exec(source) ?? [];
  const digits = (whole + part).replace(/0+$/, '');
  const zeros = whole.length + part.length - digits.length;
  return digits === '' || zeros - part.length + Number(exponent) >= 0;
}
