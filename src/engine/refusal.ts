/**
 * Refusals: a command could not be done, and why. A refusal is an expected value, not an
 * exception, and a refused command leaves the engine byte for byte as it was.
 */

import type { Notation, Width } from './command.ts';

/** The closed list, in order of precedence: where several apply, the first is reported. */
export const refusalCodes = [
  'arena-not-found',
  'span-not-found',
  'allocation-not-found',
  'lease-not-found',
  'band-not-found',
  'precondition-failed',
  'invalid-reference',
  'invalid-request',
  'arena-exists',
  'arena-busy',
  'allocation-busy',
  'size-mismatch',
  'not-adjacent',
  'not-alike',
  'owner-mismatch',
  'overlap',
  'external-id-taken',
  'lease-full',
  'band-required',
  'never-fits',
  'limit-exceeded',
  'taken',
  'resting',
  'exhausted',
] as const;
export type RefusalCode = (typeof refusalCodes)[number];

/** Why an exhausted arena cannot serve the request, in addresses. */
export interface Exhaustion {
  readonly free: bigint;
  readonly largestFree: bigint;
  /** The largest size that the same request would be granted with now, imports included. */
  readonly largestFitting: bigint;
  /**
   * The constraints without any one of which the request would be granted now: align, phase, nocross,
   * min, max, band, the one given or those that are kept out of, and limit, that of the arena or of a
   * source; and resting, where it would be granted if nothing rested.
   */
  readonly limitedBy: readonly string[];
  /**
   * When the first lease of the arena, or of a source, runs out, by the clock that leases are told; if
   * known, and if what it lets go would be room at once.
   */
  readonly deadline?: number;
  /** Addresses that rest in the arena. */
  readonly resting: bigint;
  /** Of the arena and its sources, those in which something rests: the rest that ends next in each. */
  readonly nextRests: readonly NextRest[];
}

export interface NextRest {
  /** Revision since which it lasts. */
  readonly since: number;
  /** How long it has to. */
  readonly quarantineSeconds: number;
}

/** A limit that the request would have passed, in addresses. */
export interface Exceeded {
  /** Whose limit it is; absent where it is that of the arena. */
  readonly owner?: string;
  readonly limit: bigint;
  /** What is allocated already of what the limit bounds; more than the limit where that was lowered. */
  readonly held: bigint;
}

/** Addresses that a detail names, and the arena's way of writing them. */
export interface Addresses {
  readonly notation: Notation;
  readonly width: Width;
  readonly list: readonly bigint[];
}

export interface Refusal {
  readonly refused: RefusalCode;
  /**
   * One sentence for a person: what is wrong and, where there is one, the remedy. `{0}`, `{1}` …
   * stand for the addresses below, because how an address is written is not the engine's business.
   */
  readonly detail: string;
  readonly addresses?: Addresses;
  /** The field at fault, as a JSON pointer into the request body (`/align`), for invalid-request. */
  readonly pointer?: string;
  readonly exhaustion?: Exhaustion;
  readonly exceeded?: Exceeded;
  /** Place of the operation at fault in its batch, from 0. */
  readonly operation?: number;
}

export function refuse(
  refused: RefusalCode,
  detail: string,
  extra: Omit<Refusal, 'refused' | 'detail'> = {},
): Refusal {
  return { refused, detail, ...extra };
}

/** The addresses of a detail, as the arena writes them. */
export function written(
  arena: Pick<Addresses, 'notation' | 'width'>,
  ...list: bigint[]
): {
  readonly addresses: Addresses;
} {
  return { addresses: { notation: arena.notation, width: arena.width, list } };
}

/** Invalid only in view of the arena's quantum, width or notation, so that the edge can't know. */
export function invalid(pointer: string, detail: string): Refusal {
  return { refused: 'invalid-request', detail, pointer };
}
