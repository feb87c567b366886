/** A program that a benchmark needs is not installed; the message says what to do about it. */
export class Missing extends Error {
  override name = 'Missing';
}
