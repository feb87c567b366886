/** Filters by label, as lists take them in their query: `key`, or `key=value`, once or several times. */
import { z } from 'zod';
import type { Labels } from '../engine/command.ts';
import { limits } from '../limits.ts';
import { labelKeyPattern } from './wire/field.ts';

/** The key that has to be there and, where it is given, the value that it has to have. */
export type LabelMatch = readonly [key: string, value: string | undefined];

const text = 'must be "key" or "key=value"';

export const labelFilter = z
  .array(
    z.string().refine((filter) => labelKeyPattern.test(labelOf(filter)[0]), text),
    { error: `${text}, once or several times` },
  )
  .max(limits.labelFiltersMax, `must be given at most ${limits.labelFiltersMax} times`)
  .exactOptional()
  .meta({
    description: 'Only with this label: `key`, or `key=value`. Given several times, all must hold.',
  });

export function readLabels(filters: readonly string[]): readonly LabelMatch[] {
  return filters.map(labelOf);
}

/** Splits "key=value" at the first "="; a key alone has no value. */
function labelOf(filter: string): LabelMatch {
  const at = filter.indexOf('=');
  return at === -1 ? [filter, undefined] : [filter.slice(0, at), filter.slice(at + 1)];
}

export function matchesLabels(labels: Labels, filters: readonly LabelMatch[]): boolean {
  return filters.every(
    ([key, value]) => Object.hasOwn(labels, key) && (value === undefined || labels[key] === value),
  );
}
