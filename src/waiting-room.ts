/**
 * The waiting room: requests that found no room and have time. It holds the clock and the door: who
 * has waited long enough or has gone away leaves the queue, with nothing allocated. Who is next, the
 * wait queue knows. Nothing here is journaled: a restart ends the connections that wait, and what was
 * not granted was not done.
 */
import type { Alloc, At } from './engine/command.ts';
import type { Engine } from './engine/engine.ts';
import type { Event } from './engine/event.ts';
import type { RefusalCode } from './engine/refusal.ts';
import { WaitQueue, type Waiter } from './wait-queue.ts';

/** For how long a request may wait, and what ends that early. */
export interface Patience {
  readonly seconds: number;
  /** Aborted when whoever asked has gone away. */
  readonly signal: AbortSignal;
}

/** Refusals that may be other ones once somebody else has given something back. */
export const waitable: ReadonlySet<RefusalCode> = new Set(['exhausted', 'taken', 'limit-exceeded']);

/** What becomes of a request that waited: one of these is called, once. */
export interface Party {
  /** The event was found for it, to be applied now. */
  granted(event: Event): void;
  /** It waits no longer, and is to be answered as one that comes now and does not wait. */
  ended(): void;
  failed(error: Error): void;
}

/** Too many wait already. Nothing was done. */
export class TooManyWaiters extends Error {
  override name = 'TooManyWaiters';
}

/** Whoever asked has gone away; there is nobody to tell. Nothing was done. */
export class Abandoned extends Error {
  override name = 'Abandoned';
}

/** Requests that have waited, by how that ended. */
export interface WaitFigures {
  readonly waiting: number;
  readonly granted: number;
  readonly timedOut: number;
  readonly abandoned: number;
  /** The arena was destroyed, the lease has ended, or the service stopped. */
  readonly dismissed: number;
  /** How long all of these have waited together, in seconds. */
  readonly seconds: number;
  /** Requests tried when room appeared; those beyond `granted` were tried in vain. */
  readonly tries: number;
}

/** One who waits, for a list of them. */
export interface WaiterView {
  readonly arrival: number;
  readonly command: At<Alloc>;
  /** Until its time is over, rounded up. */
  readonly remainingSeconds: number;
}

type Ending = 'granted' | 'timedOut' | 'abandoned' | 'dismissed';

interface Guest {
  readonly party: Party;
  readonly since: number;
  readonly until: number;
  readonly timer: NodeJS.Timeout;
  readonly patience: Patience;
  readonly abandon: () => void;
}

export class WaitingRoom {
  readonly #queue: WaitQueue<Guest>;
  readonly #max: number;
  readonly #now: () => number;
  readonly #endings = { granted: 0, timedOut: 0, abandoned: 0, dismissed: 0 };
  #seconds = 0;
  /** Those whose time ran out while it was their turn to be looked at. */
  readonly #late = new Set<Waiter<Guest>>();
  #closed: Error | undefined;

  /** `now` gives milliseconds of a steady clock. At most `max` may wait. */
  constructor(engine: Engine, max: number, now: () => number = () => performance.now()) {
    this.#queue = new WaitQueue(engine);
    this.#max = max;
    this.#now = now;
  }

  get figures(): WaitFigures {
    const { size: waiting, tries } = this.#queue;
    return { waiting, ...this.#endings, seconds: this.#seconds, tries };
  }

  /** Whether `next` has work left. */
  get busy(): boolean {
    return this.#queue.busy;
  }

  countIn(arena: string): number {
    return this.#queue.countIn(arena);
  }

  /** Those who wait in an arena and came after `after`, in the order of arrival, at most `limit`. */
  list(arena: string, after: number, limit: number): WaiterView[] {
    const views: WaiterView[] = [];
    const now = this.#now();
    for (const { arrival, command, owner } of this.#queue.in(arena)) {
      if (arrival <= after) continue;
      if (views.length === limit) break;
      const remainingSeconds = Math.max(0, Math.ceil((owner.until - now) / 1000));
      views.push({ arrival, command, remainingSeconds });
    }
    return views;
  }

  /**
   * Takes in a request that was refused just now.
   * @throws {TooManyWaiters | Abandoned | Error} where it may not wait; the last once closed.
   */
  enter(command: At<Alloc>, patience: Patience, party: Party): void {
    const { seconds, signal } = patience;
    if (this.#closed !== undefined) throw this.#closed;
    if (signal.aborted) throw new Abandoned('Whoever asked has gone away; nothing was done.');
    if (this.#queue.size >= this.#max) {
      throw new TooManyWaiters(`${this.#max} requests wait for room already; nothing was done.`);
    }
    const since = this.#now();
    const milliseconds = seconds * 1000;
    const timer = setTimeout(() => this.#timeOut(waiter), milliseconds);
    const abandon = (): void => this.#abandon(waiter);
    signal.addEventListener('abort', abandon, { once: true });
    const guest = { party, since, until: since + milliseconds, timer, patience, abandon };
    const waiter = this.#queue.enter(command, guest);
  }

  /** An event was applied: `next` may have work. */
  note(event: Event): void {
    for (const waiter of this.#queue.note(event)) {
      this.#leave(waiter, 'dismissed');
      waiter.owner.party.ended();
    }
  }

  /** A look at the next who may be served; where it can be, its party is `granted` the event. */
  next(at: number): void {
    const found = this.#queue.next(at);
    if (found !== undefined) {
      const { waiter, event } = found;
      const { party } = waiter.owner;
      const granted = !(event instanceof Error) && !('refused' in event);
      this.#leave(waiter, granted ? 'granted' : 'dismissed');
      if (event instanceof Error) party.failed(event);
      // It is refused anew, with the reason of now.
      else if ('refused' in event) party.ended();
      else party.granted(event);
    }
    if (this.busy) return;
    for (const waiter of this.#late) this.#timeOut(waiter);
  }

  /** Fails all who wait, and whoever comes later, with the error. */
  close(error: Error): void {
    this.#closed ??= error;
    for (const waiter of this.#queue.all()) {
      this.#leave(waiter, 'dismissed');
      waiter.owner.party.failed(error);
    }
  }

  #timeOut(waiter: Waiter<Guest>): void {
    // It is not passed over for having been looked at late: it leaves once nobody has a turn.
    if (this.busy) {
      this.#late.add(waiter);
      return;
    }
    this.#leave(waiter, 'timedOut');
    waiter.owner.party.ended();
  }

  #abandon(waiter: Waiter<Guest>): void {
    this.#leave(waiter, 'abandoned');
    const message = 'Whoever asked has gone away; nothing was done.';
    waiter.owner.party.failed(new Abandoned(message));
  }

  #leave(waiter: Waiter<Guest>, ending: Ending): void {
    const { timer, patience, abandon, since } = waiter.owner;
    this.#queue.leave(waiter);
    this.#late.delete(waiter);
    clearTimeout(timer);
    patience.signal.removeEventListener('abort', abandon);
    this.#endings[ending] += 1;
    this.#seconds += (this.#now() - since) / 1000;
  }
}
