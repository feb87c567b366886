/** State: all that the engine holds, as `decide` reads and `apply` changes it. */
import type { Arena } from './arena.ts';
import { Leases } from './leases.ts';
import type { Account } from './owners.ts';
import { Undo } from './undo.ts';

export class State {
  readonly arenas = new Map<string, Arena>();
  readonly undo = new Undo();
  readonly leases = new Leases(this.undo);
  /** Of whom the last event has changed how much more they may get; no part of what is saved. */
  readonly charged: Account[] = [];
  /** Of the last event; 0 when nothing happened yet. */
  revision = 0;
}
