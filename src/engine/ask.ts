/** What is asked for of an arena or its source, and where in a range of addresses the block may lie. */
import type { Arena } from './arena.ts';
import { openWindows } from './bands.ts';
import type { Constraint, Policy } from './command.ts';
import { Fit } from './wide/fit.ts';
import { NONE } from './wide/unit.ts';
import { intersection } from './windows.ts';
import type { Window } from './windows.ts';

/** A block that is asked for: `size` is a positive multiple of the arena's quantum. */
export interface Ask {
  readonly size: bigint;
  readonly constraint: Constraint;
  readonly policy: Policy;
  readonly seed: number;
  /** Where the block has to lie besides; anywhere where absent. */
  readonly windows?: readonly Window[] | undefined;
}

/** What a source is asked for; everything else is as in the ask that it is for. */
export type Asked = Pick<Ask, 'size' | 'constraint' | 'windows'>;

/** A range that a span could come from: base and end. */
export type Room = readonly [base: bigint, end: bigint];

/** Who imports names no band, and so keeps out of the exclusive ones. */
export function confinedTo(source: Arena, { size, constraint, windows }: Asked): Asked {
  const open = openWindows(source);
  if (open === undefined) return { size, constraint, windows };
  return { size, constraint, windows: windows === undefined ? open : intersection(windows, open) };
}

/** Where the block has to lie, by its windows and by the bounds of its constraint. */
export function boundsOf(arena: Arena, { constraint, windows }: Asked): Window[] {
  const { min = 0n, max = arena.limit - 1n } = constraint;
  const whole = { min, max: smaller(max, arena.limit - 1n) };
  return windows === undefined ? [whole] : intersection(windows, [whole]);
}

/** What of `[base, base + length)` the block may lie in, in order. */
function roomsIn(base: bigint, length: bigint, { size, constraint, windows }: Ask): Room[] {
  const { min = base, max = base + length, address } = constraint;
  const bounds = [{ min, max }];
  const rooms: Room[] = [];
  for (const window of windows === undefined ? bounds : intersection(windows, bounds)) {
    const from = window.min > base ? window.min : base;
    const to = smaller(window.max + 1n, base + length);
    if (address === undefined) rooms.push([from, to]);
    else if (from <= address) rooms.push([address, smaller(to, address + size)]);
  }
  return rooms;
}

/** The lowest start of the block in `[base, base + length)` under its constraint. */
export function placeIn(base: bigint, length: bigint, ask: Ask, fit: Fit): bigint | undefined {
  for (const [from, to] of roomsIn(base, length, ask)) {
    const at = fit.lowest(from, to, ask.size);
    if (at !== NONE) return at;
  }
  return undefined;
}

/** Where the arena's policy puts the block in a span taken for it. */
export function placeByPolicy(
  arena: Arena,
  base: bigint,
  length: bigint,
  ask: Ask,
): bigint | undefined {
  const fit = fitOf(arena, ask.constraint);
  const lowest = placeIn(base, length, ask, fit);
  if (lowest === undefined || ask.constraint.address !== undefined) return lowest;
  const rooms = roomsIn(base, length, ask);
  if (ask.policy === 'lastfit') {
    const highest = rooms.map(([from, to]) => fit.highest(from, to, ask.size));
    return highest.findLast((at) => at !== NONE);
  }
  if (ask.policy !== 'nextfit' || arena.cursor <= lowest) return lowest;
  const ahead = rooms.map(([from, to]) => {
    return fit.lowest(from > arena.cursor ? from : arena.cursor, to, ask.size);
  });
  return ahead.find((at) => at !== NONE) ?? lowest;
}

/** Where blocks of an arena may start under a constraint, within a range of addresses. */
export function fitOf(arena: Arena, { align, phase, nocross }: Constraint): Fit {
  const step = align === undefined || align < arena.quantum ? arena.quantum : align;
  return new Fit(step, phase ?? 0n, nocross ?? 0n);
}

export function isBinary(value: bigint): boolean {
  return (value & (value - 1n)) === 0n;
}

export function roundup(value: bigint, step: bigint): bigint {
  const over = value % step;
  return over === 0n ? value : value + step - over;
}

export function floorTo(value: bigint, step: bigint): bigint {
  return value - (value % step);
}

export function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
