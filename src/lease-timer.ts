/**
 * Ends leases that have run out, in the order of their deadlines. Where many run out at once, each
 * turn of the loop ends a few, and whatever else has arrived gets its turn in between; and there are
 * never more records of theirs on the way to the disk than a commit takes well.
 *
 * A lease that is renewed in time, or late but before its end is decided, goes on.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { Busy, type Sequencer } from './sequencer.ts';

/** How late a lease may end, where nothing else holds it up. */
const PERIOD_MS = 100;
/** Allocations that are freed in one turn of the loop: one or two milliseconds' worth. */
const ALLOCATIONS_MAX = 128;
/** Records on the way to the disk. */
const RECORDS_MAX = 16;

export class LeaseTimer {
  readonly #sequencer: Pick<Sequencer, 'execute' | 'deadlines' | 'serving' | 'failed'>;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  /** Too much waits for the journal: what is due can wait until the next look. */
  #pausing = false;
  #stopped = false;

  constructor(sequencer: Pick<Sequencer, 'execute' | 'deadlines' | 'serving' | 'failed'>) {
    this.#sequencer = sequencer;
  }

  /** Looks ten times a second until `stop`. */
  start(): void {
    this.#timer = setInterval(() => void this.look(), PERIOD_MS);
    this.#timer.unref();
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  /** Ends what has run out; resolves when that is durable, or will be tried again. */
  look(): Promise<void> {
    this.#looking ??= this.#endDue().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #endDue(): Promise<void> {
    const underWay = new Set<Promise<void>>();
    this.#pausing = false;
    while (!this.#pausing && !this.#stopped && !this.#sequencer.failed) {
      // What is put off may be a renewal: it comes first.
      if (this.#sequencer.serving) {
        await turn();
        continue;
      }
      const leases = this.#sequencer.deadlines.take(ALLOCATIONS_MAX);
      if (leases.length === 0) break;
      const ended = this.#end(leases).then((done) => {
        this.#pausing ||= !done;
        underWay.delete(ended);
      });
      underWay.add(ended);
      await (underWay.size < RECORDS_MAX ? turn() : Promise.race(underWay));
    }
    await Promise.all(underWay);
  }

  /** Whether the leases have ended, or never will in this process. */
  async #end(leases: readonly string[]): Promise<boolean> {
    try {
      const command = { type: 'expireLeases', at: Date.now(), leases } as const;
      await this.#sequencer.execute(command, () => undefined);
      return true;
    } catch (error) {
      this.#sequencer.deadlines.giveBack(leases);
      // A journal that failed ends the process.
      return !(error instanceof Busy);
    }
  }
}
