/**
 * Assertions are always on. One that fails is a bug of ours: it throws, nothing catches it on the
 * way, and the process ends, because memory can no longer be trusted to agree with the journal.
 */
export class AssertionError extends Error {
  override name = 'AssertionError';
}

/** Throws {@link AssertionError} unless `condition` holds. State the invariant positively. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks a branch that the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}
