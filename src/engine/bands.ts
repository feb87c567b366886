/**
 * Bands: named parts of an arena. A request that names one gets a block inside of it; one that names
 * none keeps out of those that are exclusive. What is allocated already stays where it is when bands
 * change.
 */
import type { Arena } from './arena.ts';
import type { Band, Range } from './command.ts';
import { invalid, refuse, written } from './refusal.ts';
import type { Refusal } from './refusal.ts';
import type { Window } from './windows.ts';

/** Invalid in view of the arena's quantum and width, or of one another. */
export function badBands(
  { quantum, width }: { readonly quantum: bigint; readonly width: number },
  bands: readonly Band[],
): Refusal | undefined {
  for (const [i, { name, min, max }] of bands.entries()) {
    if (max >= 1n << BigInt(width)) return invalid(`/bands/${i}/max`, `must be below 2^${width}`);
    if (min > max) return invalid(`/bands/${i}/min`, 'must be at most max');
    const whole = `the quantum, ${quantum}`;
    if (min % quantum !== 0n) return invalid(`/bands/${i}/min`, `must be a multiple of ${whole}`);
    if ((max + 1n) % quantum !== 0n) {
      return invalid(`/bands/${i}/max`, `must be one below a multiple of ${whole}`);
    }
    for (const other of bands.slice(0, i)) {
      if (other.name === name) return invalid(`/bands/${i}/name`, `'${name}' is given twice`);
      if (other.min > max || min > other.max) continue;
      return invalid(`/bands/${i}/min`, `'${name}' overlaps '${other.name}'`);
    }
  }
  return undefined;
}

/** In order of address, as an event has them. */
export function inOrder(bands: readonly Band[]): Band[] {
  return bands.toSorted((a, b) => (a.min < b.min ? -1 : 1));
}

/** Whether bands that were saved are as an event has them. */
export function areBands(arena: Parameters<typeof badBands>[0], bands: readonly Band[]): boolean {
  const ordered = bands.every(({ min }, i) => i === 0 || bands[i - 1]!.min < min);
  return ordered && badBands(arena, bands) === undefined;
}

export function bandNamed(arena: Arena, name: string): Band | Refusal {
  const found = arena.tuning.bands?.find((band) => band.name === name);
  if (found !== undefined) return found;
  return refuse('band-not-found', `'${arena.name}' has no band '${name}'`, { pointer: '/band' });
}

/** Where a request may go that names no band; undefined where there is nothing to keep out of. */
export function openWindows({ tuning, limit }: Arena): Window[] | undefined {
  if (tuning.bands === undefined) return undefined;
  const closed = tuning.bands.filter(({ exclusive }) => exclusive);
  if (closed.length === 0) return undefined;
  const open: Window[] = [];
  let min = 0n;
  for (const band of closed) {
    if (band.min > min) open.push({ min, max: band.min - 1n });
    min = band.max + 1n;
  }
  if (min < limit) open.push({ min, max: limit - 1n });
  return open;
}

/** The refusal of a range that reaches into an exclusive band, unless `but` does so as well. */
export function keptOut(arena: Arena, range: Range, but?: Range): Refusal | undefined {
  for (const band of arena.tuning.bands ?? []) {
    const { name, min, max, exclusive } = band;
    if (!exclusive || !reaches(range, band) || (but !== undefined && reaches(but, band))) continue;
    const detail = `{0} to {1} are the exclusive band '${name}', which a request has to name`;
    return refuse('band-required', detail, written(arena, min, max));
  }
  return undefined;
}

function reaches({ base, size }: Range, { min, max }: Window): boolean {
  return base <= max && base + size > min;
}
