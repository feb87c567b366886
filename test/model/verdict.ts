/**
 * What may become of a command: a grant, a refusal with one of some codes, or either, where the
 * contract leaves it open.
 */
import type { RefusalCode } from '../../src/engine/refusal.ts';

export interface Verdict {
  readonly mayGrant: boolean;
  /** Codes of the refusals that would be right. */
  readonly codes: readonly RefusalCode[];
  /** The field that an invalid request must be blamed on. */
  readonly pointer?: string;
}

/** Nothing stands in the way: a refusal would be wrong. */
export const can: Verdict = { mayGrant: true, codes: [] };

/** Must be refused, with one of these codes. */
export function must(...codes: RefusalCode[]): Verdict {
  return { mayGrant: false, codes };
}

/** May be granted or refused. */
export function either(...codes: RefusalCode[]): Verdict {
  return { mayGrant: true, codes };
}
