/**
 * Assertions are always on. One that fails is a bug of ours: it throws, nothing catches it on the
 * way, and the process ends, because memory can no longer be trusted to agree with the journal.
 */
export class AssertionError extends Error {
  override name = 'AssertionError';
}

/**
 * Throws {@link AssertionError} unless `condition` holds. State the invariant positively. What it is
 * about is put into words only where it fails: most assertions are on the way of every request.
 */
export function assert(condition: unknown, message: string, about?: unknown): asserts condition {
  if (condition) return;
  throw new AssertionError(about === undefined ? message : `${message}: ${String(about)}`);
}

/** Marks a branch that the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}
