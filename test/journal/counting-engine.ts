/**
 * An engine that hands out 1, 2, 3 …: just enough to see in which order commands were applied, and
 * able to fail on request at each of its steps.
 */
import { assert, AssertionError } from '../../src/engine/assert.ts';
import type { Alloc, Command } from '../../src/engine/command.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { subjectOf, type Event } from '../../src/engine/event.ts';
import { Leases } from '../../src/engine/leases.ts';
import { refuse, type Refusal } from '../../src/engine/refusal.ts';
import { Undo } from '../../src/engine/undo.ts';

/** Commands to this arena are refused. */
export const missingArena = 'missing';

export class CountingEngine {
  revision = 0;
  readonly broken = false;
  readonly leases = new Leases(new Undo());
  readonly applied: Event[] = [];
  failing: 'decide' | 'event' | 'apply' | undefined;
  /** What `check` reports, by arena. */
  problems: Readonly<Record<string, readonly string[]>> = {};

  decide(command: Command): Event | Refusal {
    if (this.failing === 'decide') throw new AssertionError('decide failed');
    assert('arena' in command, 'here nobody sends others');
    if (command.arena === missingArena) return refuse('arena-not-found', 'There is no such arena.');
    return {
      type: 'allocated',
      at: command.at,
      arena: command.arena,
      base: BigInt(this.revision + 1),
      size: this.failing === 'event' ? 0n : 1n,
      policy: 'firstfit',
      labels: {},
      imported: [],
    };
  }

  apply(event: Event, revision: number): void {
    assert(revision === this.revision + 1, `revision ${revision} is next`);
    if (this.failing === 'apply') throw new AssertionError('apply failed');
    this.revision = revision;
    this.applied.push(event);
  }

  arenas(after: string | undefined, limit: number): { arena: string }[] {
    const names = [...new Set(this.applied.map(subjectOf))].toSorted();
    return names
      .filter((name) => after === undefined || name > after)
      .slice(0, limit)
      .map((arena) => ({ arena }));
  }

  check(arena: string): { problems: readonly string[] } {
    return { problems: this.problems[arena] ?? [] };
  }

  /** As what it stands for. */
  get engine(): Engine {
    return this as unknown as Engine;
  }
}

export function alloc(arena = 'a'): Command & Alloc {
  return { type: 'alloc', at: 1, arena, size: 1n, constraint: {}, labels: {}, seed: 0 };
}
