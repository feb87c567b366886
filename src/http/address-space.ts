/**
 * The address spaces of the arenas, remembered. Reading an address needs the notation and width of
 * its arena before there is a command, and asking the sequencer for them would make every
 * allocation wait for the journal twice.
 *
 * What is remembered was durable when it was read, and is fixed for the lifetime of an arena; only
 * destroying the arena ends it. So whoever destroys one has to call `forget` in the turn in which
 * the command is applied, before anything else can be asked.
 */
import type { Engine } from '../engine/engine.ts';
import type { Sequencer } from '../sequencer.ts';
import type { AddressSpace } from './notation.ts';

export interface ArenaSpace extends AddressSpace {
  readonly quantum: bigint;
}

export class ArenaSpaces {
  readonly #sequencer: Pick<Sequencer, 'read'>;
  readonly #known = new Map<string, ArenaSpace>();
  #destroyed = 0;

  constructor(sequencer: Pick<Sequencer, 'read'>) {
    this.#sequencer = sequencer;
  }

  /** The address space of an arena; undefined where there is no such arena. */
  of(arena: string): ArenaSpace | undefined | Promise<ArenaSpace | undefined> {
    return this.#known.get(arena) ?? this.#ask(arena);
  }

  /** The arena is destroyed: another one may take its name. */
  forget(arena: string): void {
    this.#destroyed += 1;
    this.#known.delete(arena);
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
