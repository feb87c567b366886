/**
 * Batches of the load: some grants and some frees in one request. A batch is there in full or not at
 * all, whoever was killed when.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Allocation } from '../../src/http/wire/allocation.ts';
import type { OperationResult } from '../../src/http/wire/batch.ts';
import { fulfils, type Grant, type Rounding } from './ledger.ts';

/** A grant that a batch asks for. */
export interface BatchedGrant {
  readonly number: string;
  readonly grant: Grant;
  readonly rounding: Rounding;
}

export interface BatchSent {
  readonly made: readonly BatchedGrant[];
  readonly removed: readonly Grant[];
}

/** The body of the request: frees first, so that what they free may be granted again. */
export function operationsOf({ made, removed }: BatchSent): object {
  const frees = removed.map(({ arena, answer }) => {
    return { op: 'free', arena, address: answer!.address, size: answer!.size };
  });
  const grants = made.map(({ grant: { arena, request } }) => {
    return { op: request.min === undefined ? 'alloc' : 'xalloc', arena, ...request };
  });
  return { operations: [...frees, ...grants] };
}

/** Notes what was answered; says what is wrong with it, if anything is. */
export function adoptBatch(sent: BatchSent, text: string): string | undefined {
  const { results } = JSON.parse(text) as { results: OperationResult[] };
  const { made, removed } = sent;
  if (results.length !== made.length + removed.length) return 'has another number of results';
  for (const [i, grant] of removed.entries()) {
    const { address, end, size } = grant.answer!;
    const { address: freed, end: freedEnd, size: freedSize } = results[i]!;
    if (!isDeepStrictEqual([freed, freedEnd, freedSize], [address, end, size])) {
      return `freed ${freed}, not ${address}`;
    }
    grant.removal = 'answered';
  }
  for (const [i, { grant, rounding }] of made.entries()) {
    const { op: _, ...allocation } = results[removed.length + i]!;
    grant.answer = allocation as Allocation;
    if (!fulfils(grant, grant.answer, rounding)) {
      return `gave ${JSON.stringify(allocation)} for ${JSON.stringify(grant.request)}`;
    }
  }
  return undefined;
}
