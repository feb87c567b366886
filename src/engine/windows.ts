/**
 * Windows: ranges of addresses, in one of which a block has to lie as a whole. They are in order, of
 * their first addresses and of their last ones alike; they may overlap, but none lies in another.
 * An empty list admits no block at all.
 */
import type { Constraint, Range } from './command.ts';

/** Both ends inclusive, like the bounds of a constraint. */
export interface Window {
  readonly min: bigint;
  readonly max: bigint;
}

/** What both lists admit; those of `apart` do not overlap. */
export function intersection(windows: readonly Window[], apart: readonly Window[]): Window[] {
  const common: Window[] = [];
  for (const one of apart) {
    for (const { min, max } of windows) {
      const both = { min: larger(min, one.min), max: smaller(max, one.max) };
      if (both.min <= both.max) common.push(both);
    }
  }
  return withoutNested(common);
}

/** Those of a list, in order of both ends, that lie in none of the others. */
export function withoutNested(windows: readonly Window[]): Window[] {
  const kept: Window[] = [];
  for (const window of windows) {
    const before = kept.at(-1);
    if (before !== undefined && before.max >= window.max) continue;
    if (before?.min === window.min) kept.pop();
    kept.push(window);
  }
  return kept;
}

/** The constraint, and within the window; undefined where the two exclude each other. */
export function narrowed(constraint: Constraint, window: Window): Constraint | undefined {
  const { min = window.min, max = window.max } = constraint;
  const both = { min: larger(min, window.min), max: smaller(max, window.max) };
  return both.min > both.max ? undefined : { ...constraint, ...both };
}

/** Whether the range lies in one of the windows; without any, it may lie anywhere. */
export function admits(windows: readonly Window[] | undefined, { base, size }: Range): boolean {
  if (windows === undefined) return true;
  return windows.some(({ min, max }) => min <= base && base + size - 1n <= max);
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
