/**
 * The address spaces of the arenas, remembered. Reading an address needs the notation and width of
 * its arena before there is a command, and asking the sequencer for them would make every
 * allocation wait for the journal twice.
 *
 * What is remembered was durable when it was read, and is fixed for the lifetime of an arena; only
 * destroying the arena ends it. So whoever destroys one has to call `forget` in the turn in which
 * the command is applied, before anything else can be asked.
 *
 * Events of arenas that are gone are read all the same, and another arena may have the name by then:
 * so what a name meant at a revision is known too.
 */
import { assert } from '../engine/assert.ts';
import type { Engine } from '../engine/engine.ts';
import type { Event } from '../engine/event.ts';
import { limits } from '../limits.ts';
import type { Sequencer } from '../sequencer.ts';
import type { AddressSpace } from './notation.ts';

export interface ArenaSpace extends AddressSpace {
  readonly quantum: bigint;
}

/** What arenas were before all that is remembered here. */
export interface PastSpaces {
  /** The address space that the arena of this name had; undefined where it is not known. */
  spaceAt(arena: string, revision: number): Promise<AddressSpace | undefined>;
}

interface Former {
  readonly arena: string;
  /** The revision at which it was destroyed. */
  readonly until: number;
  readonly space: AddressSpace;
}

export class ArenaSpaces {
  readonly #sequencer: Pick<Sequencer, 'read'>;
  readonly #past: PastSpaces | undefined;
  readonly #known = new Map<string, ArenaSpace>();
  /** Those destroyed after `#since`, in that order; and by name, in the same. */
  readonly #former: Former[] = [];
  readonly #formerOf = new Map<string, Former[]>();
  #since: number;
  #destroyed = 0;

  /** `since` is the revision at which this is made; `past` knows what was before. */
  constructor(sequencer: Pick<Sequencer, 'read'>, since = 0, past?: PastSpaces) {
    this.#sequencer = sequencer;
    this.#since = since;
    this.#past = past;
  }

  /** The address space of an arena; undefined where there is no such arena. */
  of(arena: string): ArenaSpace | Promise<ArenaSpace | undefined> {
    return this.#known.get(arena) ?? this.#ask(arena);
  }

  /** The address space that an arena had at a durable revision, at which there was one. */
  async at(arena: string, revision: number): Promise<AddressSpace> {
    if (revision <= this.#since && this.#past !== undefined) {
      // Of one that was destroyed under an older version, before all that is known, it is not.
      return (await this.#past.spaceAt(arena, revision)) ?? { notation: 'decimal', width: 128 };
    }
    const former = this.#formerOf.get(arena)?.find(({ until }) => until >= revision);
    const space = former?.space ?? (await this.of(arena));
    assert(space !== undefined, `there was an arena '${arena}' at revision ${revision}`);
    return space;
  }

  /** The arena of this event is destroyed: another one may take its name. */
  forget(event: Event, revision: number): void {
    assert(event.type === 'arenaDestroyed', 'an arena is forgotten when it is destroyed');
    const { arena, notation, width } = event;
    this.#destroyed += 1;
    this.#known.delete(arena);
    assert(notation !== undefined && width !== undefined, 'an event of today says what it was');
    this.#remember({ arena, until: revision, space: { notation, width } });
  }

  #remember(former: Former): void {
    const { arena } = former;
    this.#former.push(former);
    this.#formerOf.set(arena, [...(this.#formerOf.get(arena) ?? []), former]);
    if (this.#former.length <= limits.formerArenasMax) return;
    const oldest = this.#former.shift()!;
    const [, ...others] = this.#formerOf.get(oldest.arena)!;
    if (others.length > 0) this.#formerOf.set(oldest.arena, others);
    else this.#formerOf.delete(oldest.arena);
    this.#since = oldest.until;
  }

  async #ask(arena: string): Promise<ArenaSpace | undefined> {
    const destroyedBefore = this.#destroyed;
    const space = await this.#sequencer.read((engine) => arenaSpace(engine, arena));
    // While this waited for the journal, the arena may have been destroyed and created anew.
    if (space !== undefined && this.#destroyed === destroyedBefore) this.#known.set(arena, space);
    return space;
  }
}

/** The address space of an arena of `engine`; undefined where there is no such arena. */
export function arenaSpace(engine: Engine, arena: string): ArenaSpace | undefined {
  return engine.addressing(arena);
}
