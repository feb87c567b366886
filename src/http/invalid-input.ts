/**
 * Invalid input: the request itself is wrong, whatever the state of the arenas. It is thrown at
 * the edge and answered with 400; refusals, which depend on the state, are values instead.
 */
import { limits } from '../limits.ts';

/** One thing that is wrong, and where. */
export interface InputError {
  /**
   * A JSON pointer: into the body (`/size`), or below `/query`, `/path` or `/headers` for the other
   * parts of the request. Empty for the body as a whole.
   */
  readonly pointer: string;
  /** What is wrong and how to put it right, in words for a person. */
  readonly detail: string;
}

export class InvalidInput extends Error {
  override name = 'InvalidInput';
  readonly statusCode = 400;
  readonly errors: readonly InputError[];

  constructor(errors: readonly InputError[]) {
    const shown = errors.slice(0, limits.errorsMax);
    super(shown.map(({ pointer, detail }) => `${pointer} ${detail}`.trim()).join('; '));
    this.errors = shown;
  }
}

/** The common case of one error. */
export function invalidInput(pointer: string, detail: string): InvalidInput {
  return new InvalidInput([{ pointer, detail }]);
}

/** What `read` throws, about fields below `at` rather than of the body. */
export function readBelow<T>(at: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    throw new InvalidInput(
      error.errors.map(({ pointer, detail }) => ({ pointer: at + pointer, detail })),
    );
  }
}

/** A JSON pointer (RFC 6901) from the steps of a path; over-long steps are cut. */
export function pointerTo(steps: readonly PropertyKey[]): string {
  return steps.map((step) => `/${escaped(String(step))}`).join('');
}

function escaped(step: string): string {
  const cut =
    step.length > limits.echoCharactersMax ? `${step.slice(0, limits.echoCharactersMax)}…` : step;
  return cut.toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1');
}
