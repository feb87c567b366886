/** The hash of a state, computed from an engine: what the journal computes of what it stores. */
import { createHash } from 'node:crypto';
import type { Engine } from '../engine/engine.ts';
import { encodePart } from '../journal/snapshot-part.ts';

/** 64 hexadecimal digits. */
export function stateHashOf(engine: Engine): string {
  const hash = createHash('sha256');
  for (const part of engine.snapshot()) hash.update(encodePart(part)).update('\n');
  return hash.digest('hex');
}
