/**
 * Bearer tokens: who may use /v1 at all. Only digests are kept, and all of them are compared in
 * constant time, so that neither memory nor timing gives a token away. Tokens are never logged.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

export class BearerTokens {
  readonly #digests: readonly Buffer[];

  constructor(tokens: readonly string[]) {
    this.#digests = tokens.map(digestOf);
  }

  /** Whether an Authorization header carries one of the tokens. */
  admits(authorization: string | undefined): boolean {
    const token = tokenOf(authorization);
    if (token === undefined) return false;
    const digest = digestOf(token);
    let admitted = false;
    for (const known of this.#digests) {
      if (timingSafeEqual(digest, known)) admitted = true;
    }
    return admitted;
  }
}

/** The token in an Authorization header. */
export function tokenOf(authorization: string | undefined): string | undefined {
  return /^bearer ([^ ]+)$/i.exec(authorization ?? '')?.[1];
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
