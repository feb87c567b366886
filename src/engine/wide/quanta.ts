/**
 * Units as they are kept outside of the engine's memory, for a wide arena. See `narrow/quanta.ts`,
 * whose vocabulary this is: an arena that turned wide is written as if it had not.
 */
import type { Quanta } from '../space.ts';
import type { Unit } from './unit.ts';

const EXACT_MAX = BigInt(Number.MAX_SAFE_INTEGER);

export function quantaOf(unit: Unit): Quanta {
  return unit <= EXACT_MAX ? Number(unit) : unit;
}

export function unitOf(quanta: Quanta): Unit {
  return BigInt(quanta);
}
