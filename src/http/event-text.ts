/**
 * The text of events, as streams send it: made of the record when the first stream wants it, and
 * kept for the others as long as the record itself is kept. Making it is a little work of the thread
 * that answers requests; so much of it is done in one turn of the loop and no more, whoever wants it,
 * so that a stream that reads through the history as fast as it can holds up nobody.
 */
import { assert } from '../engine/assert.ts';
import type { JournalRecord } from '../journal/journal.ts';
import { decode } from '../journal/record.ts';
import { limits } from '../limits.ts';
import type { ArenaSpaces } from './address-space.ts';
import { arenasTouched, eventRepresentation } from './event-representation.ts';
import type { AddressSpace } from './notation.ts';

export interface EventText {
  readonly arenas: ReadonlySet<string>;
  /** A block of a stream, with the blank line at its end. */
  readonly text: string;
}

export class EventTexts {
  readonly #spaces: Pick<ArenaSpaces, 'at'>;
  readonly #made = new WeakMap<JournalRecord, EventText>();
  readonly #turns = new Turns(limits.eventsPerTurnMax);

  constructor(spaces: Pick<ArenaSpaces, 'at'>) {
    this.#spaces = spaces;
  }

  /** Of a durable record. */
  of(record: JournalRecord): EventText | Promise<EventText> {
    return this.#made.get(record) ?? this.#make(record);
  }

  async #make(record: JournalRecord): Promise<EventText> {
    await this.#turns.next();
    const { revision, body } = record;
    const event = decode(body);
    const arenas = arenasTouched(event);
    const known = new Map<string, AddressSpace>();
    for (const arena of arenas) known.set(arena, await this.#spaces.at(arena, revision));
    const shown = eventRepresentation(event, revision, (arena) => {
      const space = known.get(arena);
      assert(space !== undefined, `an event shows no address of arenas that it does not touch`);
      return space;
    });
    const data = JSON.stringify(shown);
    const made = { arenas, text: `id: ${revision}\nevent: ${event.type}\ndata: ${data}\n\n` };
    this.#made.set(record, made);
    return made;
  }
}

/** So many steps in one turn of the loop; who comes later goes on in the next, in order. */
class Turns {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #left: number;
  #scheduled = false;

  constructor(most: number) {
    this.#most = most;
    this.#left = most;
  }

  next(): Promise<void> | undefined {
    this.#schedule();
    if (this.#left > 0) {
      this.#left -= 1;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const served = this.#waiting.splice(0, this.#most);
      this.#left = this.#most - served.length;
      if (served.length > 0) this.#schedule();
      for (const go of served) go();
    });
  }
}
