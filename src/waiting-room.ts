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
import { WaitQueue, type Found, type Waiter } from './wait-queue.ts';

/** For how long a request may wait, and what ends that early. */
export interface Patience {
  readonly seconds: number;
  /** Aborted when whoever asked has gone away. */
  readonly signal: AbortSignal;
}

/** Refusals that may be other ones once somebody else has given something back, or a rest is over. */
export const waitable: ReadonlySet<RefusalCode> = new Set([
  'exhausted',
  'taken',
  'resting',
  'limit-exceeded',
]);

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

export interface Options {
  /** Most that may wait. */
  readonly max: number;
  /** Called with a bug of ours that was met while serving. */
  readonly onFailure: (error: unknown) => void;
  /** Milliseconds of a steady clock. */
  readonly now?: () => number;
}

/** Something that came while those who wait were served. */
interface PutOff {
  run(): void;
  reject(error: Error): void;
}

/** Looks at those who wait, in one turn of the loop: a few milliseconds. */
const looksPerTurnMax = 200;

export class WaitingRoom {
  readonly #queue: WaitQueue<Guest>;
  readonly #max: number;
  readonly #onFailure: (error: unknown) => void;
  readonly #now: () => number;
  readonly #endings = { granted: 0, timedOut: 0, abandoned: 0, dismissed: 0 };
  #seconds = 0;
  /** Whether serving goes on in the next turn, and what was put off until it is done. */
  #serving = false;
  readonly #putOff: PutOff[] = [];
  /** Those whose time ran out while it was their turn to be looked at. */
  readonly #late = new Set<Waiter<Guest>>();
  #closed: Error | undefined;

  constructor(engine: Engine, { max, onFailure, now = () => performance.now() }: Options) {
    this.#queue = new WaitQueue(engine);
    this.#max = max;
    this.#onFailure = onFailure;
    this.#now = now;
  }

  get figures(): WaitFigures {
    const { size: waiting, tries } = this.#queue;
    return { waiting, ...this.#endings, seconds: this.#seconds, tries };
  }

  /** Whether those who wait are being served: what comes now is put off until that is done. */
  get serving(): boolean {
    return this.#serving;
  }

  /** How much was put off until those who wait are served. */
  get putOff(): number {
    return this.#putOff.length;
  }

  countIn(arena: string): number {
    return this.#queue.countIn(arena);
  }

  /** Those who wait in an arena and came after `after`, in the order of arrival, at most `limit`. */
  list(arena: string, after: number, limit: number): WaiterView[] {
    const views: WaiterView[] = [];
    const now = this.#now();
    for (const { arrival, command, guest } of this.#queue.in(arena)) {
      if (arrival <= after) continue;
      if (views.length === limit) break;
      const remainingSeconds = Math.max(0, Math.ceil((guest.until - now) / 1000));
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

  /**
   * Serves those whom an event that was applied has made room for, now, and where many are to be
   * looked at, in the next turns: `granted` of their parties applies what was found for them, and
   * calls this with it.
   */
  serve(event: Event): void {
    try {
      for (const waiter of this.#queue.note(event)) {
        this.#leave(waiter, 'dismissed');
        waiter.guest.party.ended();
      }
      // The event is a grant to one who waited: the loop below is under way.
      if (this.#serving) return;
      this.#serving = true;
      this.#look(event.at);
    } catch (error) {
      this.#onFailure(error);
    }
  }

  /** Does something as soon as nobody is being served, which is usually now. */
  afterServing<T>(action: () => Promise<T>): Promise<T> {
    if (!this.#serving) return action();
    return new Promise((resolve, reject) => {
      this.#putOff.push({ run: () => resolve(action()), reject });
    });
  }

  /** Fails all who wait, and whoever comes later, with the error. */
  close(error: Error): void {
    this.#closed ??= error;
    for (const waiter of this.#queue.all()) {
      this.#leave(waiter, 'dismissed');
      waiter.guest.party.failed(error);
    }
  }

  /** The same, and what was put off is not done either. */
  fail(error: Error): void {
    this.close(error);
    for (const { reject } of this.#putOff.splice(0)) reject(error);
  }

  #look(at: number): void {
    for (let looks = 0; this.#queue.busy; looks++) {
      if (looks === looksPerTurnMax) {
        setImmediate(() => this.#goOn(at));
        return;
      }
      this.#next(at);
    }
    this.#serving = false;
  }

  /** Goes on with serving; once that is done, with what was put off. */
  #goOn(at: number): void {
    try {
      this.#look(at);
      while (!this.#serving && this.#putOff.length > 0) this.#putOff.shift()!.run();
    } catch (error) {
      this.#onFailure(error);
    }
  }

  /** A look at the next who may be served. */
  #next(at: number): void {
    const found = this.#queue.next(at);
    if (found !== undefined) this.#settle(found);
    if (this.#queue.busy) return;
    for (const waiter of this.#late) this.#timeOut(waiter);
  }

  #settle({ waiter, event }: Found<Guest>): void {
    const { party } = waiter.guest;
    const granted = !(event instanceof Error) && !('refused' in event);
    this.#leave(waiter, granted ? 'granted' : 'dismissed');
    if (event instanceof Error) party.failed(event);
    // It is refused anew, with the reason of now.
    else if ('refused' in event) party.ended();
    else party.granted(event);
  }

  #timeOut(waiter: Waiter<Guest>): void {
    // It is not passed over for having been looked at late: it leaves once nobody has a turn.
    if (this.#queue.busy) {
      this.#late.add(waiter);
      return;
    }
    this.#leave(waiter, 'timedOut');
    waiter.guest.party.ended();
  }

  #abandon(waiter: Waiter<Guest>): void {
    this.#leave(waiter, 'abandoned');
    const message = 'Whoever asked has gone away; nothing was done.';
    waiter.guest.party.failed(new Abandoned(message));
  }

  #leave(waiter: Waiter<Guest>, ending: Ending): void {
    const { timer, patience, abandon, since } = waiter.guest;
    this.#queue.leave(waiter);
    this.#late.delete(waiter);
    clearTimeout(timer);
    patience.signal.removeEventListener('abort', abandon);
    this.#endings[ending] += 1;
    this.#seconds += (this.#now() - since) / 1000;
  }
}
