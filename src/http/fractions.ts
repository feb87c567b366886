/**
 * Numbers of a body that are no integers, but would be read as some: a double holds 15 to 17 digits, so that
 * `9007199254740990.4` becomes `9007199254740990`, and `1e-400` becomes 0. In place of such a number
 * another fraction is read, for its field to refuse it like any.
 */

/** Where there may be one: after what stands before a number, many digits or a negative exponent. */
const suspect = /[:,[\s]-?(?:[0-9.]{16,}|[0-9.]+[eE]-)/;
/** All that may hold digits: texts, and what begins like a number, as far as it goes. */
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9][0-9.eE+-]*/g;
const number = /^-?(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;
const fraction = '0.5';

/** The text of JSON with such numbers replaced. What is no JSON stays none. */
export function keepFractions(text: string): string {
  return suspect.test(text) ? text.replace(tokens, keepFraction) : text;
}

function keepFraction(token: string): string {
  if (token[0] === '"' || !Number.isInteger(Number(token))) return token;
  return isInteger(token) ? token : fraction;
}

/** Whether a number of JSON is an integer, taken by its digits. */
function isInteger(token: string): boolean {
  const [, whole = '', part = '', exponent = '0'] = number.exec(token) ?? [];
  const digits = whole + part;
  let end = digits.length;
  while (end > 0 && digits[end - 1] === '0') end--;
  return end === 0 || digits.length - end - part.length + Number(exponent) >= 0;
}
