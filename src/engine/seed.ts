/**
 * What randomfit draws from, where a command brings no seed of its own. It follows from the state, so
 * that the same request on the same state is answered alike: a preview tells what the grant will be.
 */
import type { Arena } from './arena.ts';

/**
 * 32 bits that depend on the arena's name, its revision and how many allocations it has: events that
 * share a revision, as those of one batch do, draw apart by the last.
 */
export function seedOf({ name, revision, allocations }: Arena): number {
  let hash = 0x811c9dc5;
  const mix = (bits: number): void => {
    hash = Math.imul(hash ^ bits, 0x01000193);
    hash ^= hash >>> 15;
  };
  for (let i = 0; i < name.length; i++) mix(name.charCodeAt(i));
  for (const count of [revision, allocations.count]) {
    mix(count >>> 0);
    mix(Math.floor(count / 0x1_0000_0000));
  }
  return hash >>> 0;
}
