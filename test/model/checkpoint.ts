/**
 * A snapshot as it would be stored, and an engine rebuilt from it: what the tests compare two engines
 * by, since the text of a snapshot says everything that is so and nothing of how it came about.
 */
import { Engine } from '../../src/engine/engine.ts';
import { decodePart, encodePart } from '../../src/journal/snapshot-part.ts';

export function linesOf(engine: Engine): string[] {
  return Array.from(engine.snapshot(), encodePart);
}

/** An engine that knows nothing but the lines. */
export function engineFrom(lines: readonly string[], revision: number): Engine {
  const engine = new Engine();
  for (const line of lines) engine.restore(decodePart(line));
  engine.restored(revision);
  return engine;
}

/** Goes through a snapshot and back. */
export function reborn(engine: Engine): Engine {
  return engineFrom(linesOf(engine), engine.revision);
}
