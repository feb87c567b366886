/**
 * Units as they are kept outside of the engine's memory: in numbers as far as those are exact, in
 * bigints beyond, whichever number system an arena is in. `wide/quanta.ts` is the same over bigint.
 */
import type { Quanta } from '../space.ts';
import type { Unit } from './unit.ts';

/** Units stay at or below 2^52, where every integer is exact. */
export function quantaOf(unit: Unit): Quanta {
  return unit;
}

/** What is larger than any unit stays so. */
export function unitOf(quanta: Quanta): Unit {
  return typeof quanta === 'number' ? quanta : Number(quanta);
}
