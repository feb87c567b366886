/**
 * Events that are alike: two grants, or two frees, that differ in nothing but their base. Batches have
 * long runs of them, of which all is said by the first and the bases of the others.
 */
import type { Labels, Range } from './command.ts';
import type { Allocated, BatchEvent, Freed, FreedRange } from './event.ts';

/** Whether all but the base of an event is that of another one; an event may be like no other. */
export function alike(one: BatchEvent, other: BatchEvent): boolean {
  if (one.type === 'allocated') return other.type === 'allocated' && grantsAlike(one, other);
  return one.type === 'freed' && other.type === 'freed' && freesAlike(one, other);
}

/** Whether all but the base of a range that ends is that of another one. */
export function rangesAlike(one: Range & Partial<FreedRange>, other: typeof one): boolean {
  return one.size === other.size && one.arena === other.arena && one.rests === other.rests;
}

/** What an event has to itself (an external id, a new lease, an import) makes it like no other. */
function grantsAlike(one: Allocated, other: Allocated): boolean {
  return (
    one.arena === other.arena &&
    one.size === other.size &&
    one.policy === other.policy &&
    one.owner === other.owner &&
    one.lease === other.lease &&
    isPlain(one) &&
    isPlain(other) &&
    sameLabels(one.labels, other.labels)
  );
}

function isPlain({ externalId, ttlSeconds, imported, slab, reused }: Allocated): boolean {
  return (externalId ?? ttlSeconds ?? slab ?? reused) === undefined && imported.length === 0;
}

function freesAlike(one: Freed, other: Freed): boolean {
  return (
    one.arena === other.arena &&
    one.size === other.size &&
    one.rests === other.rests &&
    one.released.length === 0 &&
    other.released.length === 0
  );
}

/** In the same order: it is told to who asks. */
function sameLabels(one: Labels, other: Labels): boolean {
  if (one === other) return true;
  const keys = Object.keys(one);
  const others = Object.keys(other);
  return (
    keys.length === others.length &&
    keys.every((key, i) => others[i] === key && one[key] === other[key])
  );
}
