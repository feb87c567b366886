/**
 * Filters of allocations: what a list may be asked for, read from its query, and what that means to a
 * search of the engine. A query of one arena is in that arena's notation. One of all arenas has
 * none: there the form of an address says which arenas it can be an address of.
 */
import { z } from 'zod';
import type { Term } from '../engine/allocation-index.ts';
import type { Search } from '../engine/allocation-search.ts';
import type { Range } from '../engine/command.ts';
import type { AllocationView } from '../engine/view.ts';
import { invalidInput } from './invalid-input.ts';
import { labelFilter, matchesLabels, readLabels, type LabelMatch } from './label-filter.ts';
import { parseAddress, type AddressSpace } from './notation.ts';
import { readRangeText } from './range.ts';
import { addressInput, externalId, leaseId, owner, rangeInput } from './wire/field.ts';

export const filterFields = {
  label: labelFilter,
  owner: owner.exactOptional().meta({ description: 'Only of this owner.' }),
  externalId: externalId.exactOptional().meta({ description: 'Only the one with this id.' }),
  lease: leaseId.exactOptional().meta({ description: 'Only those that this lease holds.' }),
  from: addressInput('Only those that begin at this address or above.').exactOptional(),
  to: addressInput('Only those that begin at this address or below.').exactOptional(),
  within: rangeInput('Only those that lie wholly in this range.').exactOptional(),
  overlaps: rangeInput('Only those that have an address of this range.').exactOptional(),
  contains: rangeInput('Only the one that has all addresses of this range.').exactOptional(),
};

type FilterQuery = z.output<z.ZodObject<typeof filterFields>>;

/** Absent means all. */
export interface Filter {
  readonly owner?: string;
  readonly labels: readonly LabelMatch[];
  readonly lease?: string;
  readonly externalId?: string;
  readonly from?: bigint;
  readonly to?: bigint;
  readonly within?: Range;
  readonly overlaps?: Range;
  readonly contains?: Range;
}

/** Reads a filter of one arena. Throws InvalidInput. */
export function readFilter(query: FilterQuery, space: AddressSpace): Filter {
  return filterOf(query, () => space);
}

/** A filter of all arenas: where a notation is needed, it is none of the others. */
export interface WideFilter extends Filter {
  readonly spaces: readonly AddressSpace[];
  /** The highest address that it names. */
  readonly top: bigint;
}

/** Reads a filter of all arenas. Throws InvalidInput. */
export function readWideFilter(query: FilterQuery): WideFilter {
  const spaces: AddressSpace[] = [];
  const filter = filterOf(query, (text, pointer) => {
    const space = spaceOf(text, pointer);
    spaces.push(space);
    return space;
  });
  const { from = 0n, to = 0n, within, overlaps, contains } = filter;
  const ends = [within, overlaps, contains].map((range) => (range ? lastOf(range) : 0n));
  const top = [from, to, ...ends].reduce((most, end) => (end > most ? end : most));
  return { ...filter, spaces, top };
}

/** Whether an arena can have what is asked for: its notation is the one, its width holds all. */
export function concerns({ spaces, top }: WideFilter, { notation, width }: AddressSpace): boolean {
  if (top >> BigInt(width) !== 0n) return false;
  return spaces.every((space) => space.notation === 'decimal' || space.notation === notation);
}

/** All that selects items, for a cursor. */
export function filterIdentity(query: FilterQuery): (string | undefined)[] {
  const { owner, externalId, lease, from, to, within, overlaps, contains, label = [] } = query;
  return [owner, externalId, lease, from, to, within, overlaps, contains, ...label];
}

type Bounds = Pick<Search, 'externalId' | 'terms' | 'from' | 'to' | 'across' | 'matches'>;

/** The search for what matches and, in the order of addresses, is not before `resume`. */
export function searchFor(filter: Filter, resume: bigint): Bounds {
  const { within, overlaps, contains } = filter;
  const begins = [filter.from, within?.base].filter((base) => base !== undefined);
  const holds = [overlaps?.base, contains?.base].filter((base) => base !== undefined);
  const ends = [filter.to, contains?.base].filter((end) => end !== undefined);
  for (const range of [within, overlaps]) if (range !== undefined) ends.push(lastOf(range));
  const from = [...begins, ...holds].reduce((most, base) => (base > most ? base : most), 0n);
  return {
    terms: termsOf(filter),
    ...(filter.externalId !== undefined && { externalId: filter.externalId }),
    from: resume > from ? resume : from,
    to: ends.reduce((least, end) => (end < least ? end : least), (1n << 128n) - 1n),
    // What has an address of a range may begin below it; what was before `resume` has been given.
    across: resume <= from && holds.includes(from) && begins.every((base) => base < from),
    matches: (view) => matches(view, filter),
  };
}

function filterOf(
  query: FilterQuery,
  spaceAt: (text: string, pointer: string) => AddressSpace,
): Filter {
  const addressAt = (name: 'from' | 'to') => {
    const [text, pointer] = [query[name], `/query/${name}`];
    if (text === undefined) return {};
    return { [name]: parseAddress(text, spaceAt(text, pointer), pointer) };
  };
  const rangeAt = (name: 'within' | 'overlaps' | 'contains') => {
    const [text, pointer] = [query[name], `/query/${name}`];
    if (text === undefined) return {};
    return { [name]: readRangeText(text, spaceAt(text, pointer), pointer) };
  };
  return {
    ...(query.owner !== undefined && { owner: query.owner }),
    labels: readLabels(query.label ?? []),
    ...(query.lease !== undefined && { lease: query.lease }),
    ...(query.externalId !== undefined && { externalId: query.externalId }),
    ...addressAt('from'),
    ...addressAt('to'),
    ...rangeAt('within'),
    ...rangeAt('overlaps'),
    ...rangeAt('contains'),
  };
}

/** The space that an address or a range is of by its form; an integer may be of any. */
function spaceOf(text: string, pointer: string): AddressSpace {
  if (text.includes(':')) return { notation: 'ipv6', width: 128 };
  if (text.includes('.')) return { notation: 'ipv4', width: 32 };
  if (!text.includes('/')) return { notation: 'decimal', width: 128 };
  throw invalidInput(pointer, 'must have an IPv4 or IPv6 address before the slash');
}

function termsOf({ owner, labels }: Filter): Term[] {
  const terms = labels.map(([key, value]): Term =>
    value === undefined ? { kind: 'labelKey', key, value: '' } : { kind: 'label', key, value },
  );
  return owner === undefined ? terms : [{ kind: 'owner', key: '', value: owner }, ...terms];
}

function matches(view: AllocationView, filter: Filter): boolean {
  const { owner, labels, lease, from, to, within, overlaps, contains } = filter;
  const { address } = view;
  const last = address + view.size - 1n;
  if (owner !== undefined && view.owner !== owner) return false;
  if (lease !== undefined && view.lease !== lease) return false;
  if (from !== undefined && address < from) return false;
  if (to !== undefined && address > to) return false;
  if (within !== undefined && (address < within.base || last > lastOf(within))) return false;
  if (overlaps !== undefined && (address > lastOf(overlaps) || last < overlaps.base)) return false;
  if (contains !== undefined && (address > contains.base || last < lastOf(contains))) return false;
  return matchesLabels(view.labels, labels);
}

function lastOf({ base, size }: Range): bigint {
  return base + size - 1n;
}
