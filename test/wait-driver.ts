/**
 * An engine and those who wait for room in it, without HTTP and journal: applies commands, serves whom
 * it can, and notes what each event cost.
 */
import type { Alloc, At, Command, CreateArena } from '../src/engine/command.ts';
import { Engine } from '../src/engine/engine.ts';
import type { Event } from '../src/engine/event.ts';
import { plainSettings } from '../src/engine/tuning.ts';
import { WaitQueue } from '../src/wait-queue.ts';

export class WaitDriver {
  readonly engine = new Engine();
  readonly queue = new WaitQueue<undefined>(this.engine);
  /** The most that one event cost, for each event that came of it. */
  readonly most = { tries: 0, turns: 0, visits: 0 };
  served = 0;

  create(arena: string, size: bigint, more: Partial<CreateArena> = {}): void {
    this.act({
      type: 'createArena',
      at: 0,
      arena,
      notation: 'decimal',
      width: 64,
      quantum: 1n,
      policy: 'firstfit',
      ...plainSettings,
      spans: size === 0n ? [] : [{ base: 0n, size }],
      ...more,
    });
  }

  take(size: bigint, arena = 'a', owner?: string): void {
    this.act(request(arena, size, {}, owner));
  }

  free(address: bigint, arena = 'a'): void {
    this.act({ type: 'free', at: 0, arena, address });
  }

  /** Asks for what can't be had now. */
  wait(...asked: Parameters<typeof request>): void {
    this.queue.enter(request(...asked), undefined);
  }

  /** Applies an event and serves whom it can. */
  act(command: Command): void {
    const event = this.engine.decide(command);
    if ('refused' in event) throw new Error(event.detail);
    const { tries, turns, visits } = this.queue;
    const before = this.served;
    this.#apply(event);
    while (this.queue.busy) {
      const found = this.queue.next(0);
      if (found === undefined) continue;
      this.served += 1;
      this.queue.leave(found.waiter);
      this.#apply(found.event as Event);
    }
    const steps = this.served - before + 1;
    const { most } = this;
    most.tries = Math.max(most.tries, (this.queue.tries - tries) / steps);
    most.turns = Math.max(most.turns, (this.queue.turns - turns) / steps);
    most.visits = Math.max(most.visits, (this.queue.visits - visits) / steps);
  }

  #apply(event: Event): void {
    this.engine.apply(event, this.engine.revision + 1);
    this.queue.note(event);
  }
}

export function request(
  arena: string,
  size: bigint,
  constraint: Alloc['constraint'] = {},
  owner?: string,
): At<Alloc> {
  const type = Object.keys(constraint).length > 0 ? 'xalloc' : 'alloc';
  const by = owner === undefined ? {} : { owner };
  return { type, at: 0, arena, size, constraint, labels: {}, ...by };
}
