/** State: all that the engine holds, as `decide` reads and `apply` changes it. */
import type { Arena } from './arena.ts';
import { Undo } from './undo.ts';

export class State {
  readonly arenas = new Map<string, Arena>();
  readonly undo = new Undo();
  /** Of the last event; 0 when nothing happened yet. */
  revision = 0;
}
