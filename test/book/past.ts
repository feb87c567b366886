/**
 * The past by brute force: after every event it looks at all that is allocated and compares it with
 * what was before. So it knows nothing of events, but for why something ended, and nothing of how
 * the book files what it has: questions are answered by looking at every period there ever was.
 */
import type { Engine } from '../../src/engine/engine.ts';
import type { Event } from '../../src/engine/event.ts';
import type { AllocationView } from '../../src/engine/view.ts';
import type { Ending, Facts, Period, Space } from '../../src/history/history.ts';

interface Lived extends Space {
  readonly name: string;
  readonly created: number;
  destroyed?: number;
}

/** A period, where it was, and at which revision the allocation was granted. */
export interface Known extends Period {
  readonly lived: Lived;
  readonly grantedRevision: number;
  readonly revision: number;
}

interface Current {
  readonly view: AllocationView;
  readonly heldFrom: number;
  readonly grantedRevision: number;
}

export class Past {
  readonly events: Event[] = [];
  readonly times: number[] = [];
  readonly arenas: Lived[] = [];
  readonly periods: Known[] = [];
  readonly #held = new Map<Lived, Map<bigint, Current>>();
  /** What was held last at each address. */
  readonly #former = new Map<Lived, Map<bigint, Current>>();

  note(engine: Engine, event: Event, revision: number): void {
    this.events.push(event);
    this.times.push(event.at);
    if (event.type === 'arenaCreated') {
      const { arena: name, notation, width } = event;
      const lived = { name, notation, width, created: revision };
      this.arenas.push(lived);
      this.#held.set(lived, new Map());
      this.#former.set(lived, new Map());
    }
    for (const [lived, held] of this.#held) this.#compare(engine, lived, held, event, revision);
    if (event.type !== 'arenaDestroyed') return;
    const gone = this.#living(event.arena);
    gone.destroyed = revision;
    this.#held.delete(gone);
  }

  /** Something that is no longer held, in the arena that has the name. */
  someFormer(name: string, draw: (count: number) => number): AllocationView | undefined {
    const lived = this.arenas.find((arena) => arena.name === name && !arena.destroyed);
    const all = [...((lived && this.#former.get(lived)?.values()) ?? [])];
    return all.length === 0 ? undefined : all[draw(all.length)]!.view;
  }

  /** All periods, those that still last with no end. */
  all(): Known[] {
    const periods = [...this.periods];
    for (const [lived, held] of this.#held) {
      for (const current of held.values()) periods.push(knownOf(lived, current));
    }
    return periods;
  }

  /** The last revision of this time or an earlier one; 0 where there is none. */
  revisionAt(time: number): number {
    return this.times.findLastIndex((at) => at <= time) + 1;
  }

  #living(name: string): Lived {
    return this.arenas.find((arena) => arena.name === name && arena.destroyed === undefined)!;
  }

  #compare(
    engine: Engine,
    lived: Lived,
    held: Map<bigint, Current>,
    event: Event,
    revision: number,
  ): void {
    const now = new Map<bigint, AllocationView>();
    const exists = event.type !== 'arenaDestroyed' || event.arena !== lived.name;
    if (exists) {
      engine.walkAllocations(lived.name, 0n, (view) => {
        now.set(view.address, view);
        return true;
      });
    }
    const before = new Map(held);
    for (const [address, current] of held) {
      const after = now.get(address);
      if (after?.revision === current.view.revision) continue;
      const end = { at: event.at, revision, ending: endingOf(event, current.view, after) };
      this.periods.push({ ...knownOf(lived, current), end });
      if (after !== undefined) continue;
      held.delete(address);
      this.#former.get(lived)!.set(address, current);
    }
    for (const [address, view] of now) {
      const was = held.get(address);
      if (was?.view.revision === view.revision) continue;
      const former = isBack(event, view) ? this.#former.get(lived)!.get(address) : undefined;
      const part = was ?? former ?? pieceOf(event, view, before);
      const goesOn = part !== undefined && !wasFreed(event, view);
      const grantedRevision = goesOn ? part.grantedRevision : revision;
      held.set(address, { view, heldFrom: event.at, grantedRevision });
    }
  }
}

function knownOf(lived: Lived, { view, heldFrom, grantedRevision }: Current): Known {
  const { address: base, size, createdAt, revision } = view;
  const { owner, labels, externalId, lease, importedBy } = view;
  const facts: Facts = {
    ...(owner !== undefined && { owner }),
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(externalId !== undefined && { externalId }),
    ...(lease !== undefined && { lease }),
    ...(importedBy !== undefined && { importedBy }),
  };
  const space = { notation: lived.notation, width: lived.width };
  return {
    lived,
    space,
    base,
    size,
    facts,
    grantedAt: createdAt,
    heldFrom,
    revision,
    grantedRevision,
  };
}

/** Whether the allocation there now is another one than before, which a batch has freed. */
function wasFreed(event: Event, { arena, address }: AllocationView): boolean {
  if (event.type !== 'batched') return false;
  return event.events.some((one) => endsOf(one).some((end) => end === `${arena} ${address}`));
}

/** Whether the allocation there was brought back. */
function isBack(event: Event, { arena, address }: AllocationView): boolean {
  const all = event.type === 'batched' ? event.events : [event];
  return all.some((one) => {
    return one.type === 'undeleted' && one.arena === arena && one.base === address;
  });
}

/** The whole that was split into this and others. */
function pieceOf(event: Event, { arena, address }: AllocationView, held: Map<bigint, Current>) {
  for (const one of event.type === 'batched' ? event.events : [event]) {
    if (one.type !== 'allocationSplit' || one.arena !== arena) continue;
    if (one.base <= address && address < one.base + one.size) return held.get(one.base);
  }
  return undefined;
}

function endsOf(event: Event | (Event & { type: 'batched' })['events'][number]): string[] {
  const released = 'released' in event ? event.released : [];
  const ends = released.map(({ source, base }) => `${source} ${base}`);
  return event.type === 'freed' ? [`${event.arena} ${event.base}`, ...ends] : ends;
}

function endingOf(event: Event, before: AllocationView, after?: AllocationView): Ending {
  const whole = event.type === 'batched' ? event.events : [event];
  for (const one of whole) {
    if (one.type === 'freed' && one.arena === before.arena && one.base === before.address) {
      return 'freed';
    }
    if (one.type === 'resized' && one.arena === before.arena && one.base === before.address) {
      return 'resized';
    }
    if (one.type === 'allocationUpdated') {
      if (one.arena === before.arena && one.address === before.address) return 'updated';
    }
    if (one.type === 'allocationSplit') {
      if (one.arena === before.arena && one.base === before.address) return 'split';
    }
    if (one.type === 'allocationsMerged' && one.arena === before.arena) {
      if (one.parts.some(({ base }) => base === before.address)) return 'merged';
    }
    if (one.type === 'leasesEnded') {
      const freed = one.ended.flatMap(({ freed: all }) => all);
      if (freed.some(({ arena, base }) => arena === before.arena && base === before.address)) {
        return one.reason;
      }
    }
    if (endsOf(one).includes(`${before.arena} ${before.address}`)) return 'released';
  }
  if (event.type === 'arenaDestroyed' && event.arena === before.arena) return 'arena-destroyed';
  if (event.type === 'allFreed' && event.arena === before.arena) return 'freed-all';
  throw new Error(`nothing ends ${before.address} at ${event.type}, ${String(after)}`);
}
