/**
 * Sequencer: gives commands their total order, and keeps every answer back until the journal holds
 * what the answer shows.
 *
 * A command is decided and applied at once, in the turn of the loop in which it arrives; its record
 * joins the gathering group. While one commit is under way the next group gathers, so a slow disk
 * makes groups larger and not queues longer. An idle journal gets its group at the end of the turn,
 * so that requests of one turn share a commit, and no timer delays a lone one. But in a turn that lasts
 * longer than a commit they go ahead, and the disk works while others are taken in. Else all would come
 * to wait for the same commit, be answered and come again at the same time, and processor and disk
 * would wait for each other. On a disk that takes longer than a turn that is the better way.
 *
 * Memory is therefore ahead of the disk. Nobody sees it: a refusal or a read waits, like a command,
 * until the journal is durable up to the revision it has seen. All that waits forms one queue in
 * the order of revisions, and a commit releases its head.
 *
 * The answer to a request with an idempotency key is written down before its record leaves for the
 * journal, and is stored with it, so that either both survive a crash or neither does.
 *
 * A request without room may wait for it. Whatever an event makes free goes to those who wait in the
 * turn in which it is applied, before any command that comes later. Where many are to be looked at,
 * that goes on in the next turns, and commands that come meanwhile are put off until it is done.
 *
 * A command may lead to an event that changes nothing, such as the renewal of a lease for the time it
 * has: that is answered like a read, and makes no record, unless it has a key.
 *
 * A commit that fails has an unknown outcome and memory cannot be taken back, so the sequencer
 * stops for good: everything that waits or comes later is rejected, and the owner is told once.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Deadlines } from './deadlines.ts';
import { assert, AssertionError } from './engine/assert.ts';
import type { Alloc, At, Batch, Command } from './engine/command.ts';
import type { Engine } from './engine/engine.ts';
import { changes, type Event } from './engine/event.ts';
import type { Refusal } from './engine/refusal.ts';
import type {
  Journal,
  JournalFigures,
  JournalRecord,
  KeyFigures,
  StateHash,
} from './journal/journal.ts';
import { withKeyed, type Keyed } from './journal/keyed.ts';
import { encode } from './journal/record.ts';
import { limits } from './limits.ts';
import { WaitingRoom, waitable, type Patience } from './waiting-room.ts';

/** What came of a command; a refusal is told by `'refused' in outcome`. */
export type Outcome<T> = { readonly revision: number; readonly value: T } | Refusal;

/** Of a command whose request had an idempotency key: what is stored with its record. */
export interface KeyedAnswer<T> extends Pick<Keyed, 'key' | 'request'> {
  /** Writes the answer down, from what was read right after the command. */
  readonly reply: (value: T, revision: number) => string;
}

export interface SequencerOptions {
  /** Most that may wait for the journal, reads and refusals included; beyond it {@link Busy}. */
  readonly queueMax?: number;
  /** Most records in one commit: bounds how long the answers of one group wait for each other. */
  readonly groupRecordsMax?: number;
  /** Most characters in one commit, unless its first record alone is longer. */
  readonly groupCharactersMax?: number;
  /** Given the records of every commit, in order, when they are durable and before any answer. */
  readonly onDurable?: (records: readonly JournalRecord[]) => void;
  /** Most requests that may wait for room. */
  readonly waitersMax?: number;
  /** The steady clock, that leases run out by, in milliseconds: that of the process unless given. */
  readonly now?: () => number;
  /**
   * Called once when the sequencer has stopped for good. The cause is {@link JournalUnavailable}
   * where a commit failed; anything else is a bug of ours, met after memory had changed.
   */
  readonly onFailure: (cause: unknown) => void;
}

/** Too much waits for the journal. Nothing was done; the request may be repeated. */
export class Busy extends Error {
  override name = 'Busy';
}

/** The journal takes nothing more. */
export class JournalUnavailable extends Error {
  override name = 'JournalUnavailable';
  /** Whether the command may turn out to have been done when the service is back. */
  readonly outcomeUnknown: boolean;

  constructor(message: string, outcomeUnknown: boolean, options?: ErrorOptions) {
    super(message, options);
    this.outcomeUnknown = outcomeUnknown;
  }
}

/** About one second of work of a disk that commits in 1 ms, in groups of ten. */
const queueMaxDefault = 10_000;
const groupRecordsMaxDefault = 1_000;
const groupCharactersMaxDefault = 4 << 20;
/** A turn that is shorter, in milliseconds, is not divided. */
const dividedTurnMin = 1;
/** The time of a commit follows what it takes at once where that is less, and by so much where it is more. */
const commitTimeGrowth = 1.1;

interface Waiting {
  /** What must be durable before the answer may go. */
  readonly revision: number;
  /** Whether a command of its own was applied, whose outcome a failure may leave open. */
  readonly applied: boolean;
  /** What `resolve` is called with. */
  readonly value: unknown;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** What is to be done, read and written down of a command. */
interface Order<T> {
  readonly command: Command;
  readonly read: (engine: Engine, event: Event, revision: number) => T;
  readonly keyed: KeyedAnswer<T> | undefined;
}

export class Sequencer {
  /** When leases run out. */
  readonly deadlines: Deadlines;
  readonly #engine: Engine;
  readonly #journal: Journal;
  readonly #onDurable: (records: readonly JournalRecord[]) => void;
  readonly #onFailure: (cause: unknown) => void;
  readonly #queueMax: number;
  readonly #groupRecordsMax: number;
  readonly #groupCharactersMax: number;
  /** The gathering group and, when it overflows, those after it. */
  #gathering: JournalRecord[] = [];
  /** Everything unanswered, in the order of revisions. */
  #waiting: Waiting[] = [];
  /** Those who wait for room; answered, they wait for the journal like everyone. */
  readonly room: WaitingRoom;
  #durableRevision: number;
  /** The last revision that was handed to the journal: it may be on disk. */
  #sentRevision: number;
  /** What a commit takes, in milliseconds: the least of late, because a busy loop hears late of its end. */
  #commitMs = Infinity;
  /** When a commit was scheduled for the end of this turn. */
  #turnBegan = 0;
  readonly #now: () => number;
  #committing = false;
  #scheduled = false;
  #failure: Error | undefined;
  #closing: Promise<void> | undefined;
  #drained: (() => void) | undefined;
  #records = 0;
  #groups = 0;

  /** `engine` holds exactly what `journal` does: recovery came before. */
  constructor(engine: Engine, journal: Journal, options: SequencerOptions) {
    this.#engine = engine;
    this.#journal = journal;
    this.#onDurable = options.onDurable ?? (() => undefined);
    this.#onFailure = options.onFailure;
    this.#queueMax = options.queueMax ?? queueMaxDefault;
    this.#groupRecordsMax = options.groupRecordsMax ?? groupRecordsMaxDefault;
    this.#groupCharactersMax = options.groupCharactersMax ?? groupCharactersMaxDefault;
    assert(this.#queueMax >= 1 && this.#groupRecordsMax >= 1, 'bounds are at least 1');
    this.room = new WaitingRoom(engine, {
      max: options.waitersMax ?? limits.waitersMax,
      onFailure: (error) => this.#stop(error),
    });
    this.#now = options.now ?? (() => performance.now());
    this.deadlines = new Deadlines(engine, this.#now);
    this.#durableRevision = engine.revision;
    this.#sentRevision = engine.revision;
  }

  /** Whether it has stopped for good. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Everything up to this revision survives a crash. */
  get durableRevision(): number {
    return this.#durableRevision;
  }

  /** Whether commands are put off, because those who wait for room are being served. */
  get serving(): boolean {
    return this.room.serving;
  }

  /** How many answers wait for the journal now. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Records made durable since the start. */
  get records(): number {
    return this.#records;
  }

  /** Commits since the start; records / groups is the mean size of a group. */
  get groups(): number {
    return this.#groups;
  }

  /** The idempotency keys that are held. */
  get keys(): KeyFigures {
    return this.#journal.keys;
  }

  /** What the journal holds: checkpoint, history. */
  get journal(): JournalFigures {
    return this.#journal.figures;
  }

  /**
   * Decides and applies `command` now; resolves when the outcome is durable. `read` makes the
   * answer from the state right after the command, before any later one. A request for which there
   * is no room waits for it, if it has `patience`; then the outcome is that of its turn, or, once
   * its time is over, what it would be without. Where the event changes nothing, the answer is from
   * the state before it.
   *
   * With `keyed`, the answer is stored with the record; of a refusal nothing is stored.
   *
   * Rejects with Busy (nothing done), JournalUnavailable, or what `decide` threw (nothing done); with
   * patience also with TooManyWaiters or Abandoned (nothing done).
   */
  execute<T>(
    command: Command,
    read: (engine: Engine, event: Event, revision: number) => T,
    keyed?: KeyedAnswer<T>,
    patience?: Patience,
  ): Promise<Outcome<T>> {
    const unavailable = this.#unavailable();
    if (unavailable !== undefined) return Promise.reject(unavailable);
    const order = { command, read, keyed };
    if (!this.room.serving) return this.#perform(order, patience);
    return this.room.afterServing(() => this.#perform(order, patience));
  }

  #perform<T>(order: Order<T>, patience?: Patience): Promise<Outcome<T>> {
    const { command } = order;
    try {
      if (command.type === 'batch') return this.#performBatch(command, order);
      const decision = this.#engine.decide(command);
      if (!('refused' in decision)) return this.#apply(decision, order);
      if (patience !== undefined && mayWait(command, decision)) {
        return this.#wait(command, order, patience);
      }
      return this.#whenDurable(decision, false);
    } catch (error) {
      if (this.#engine.broken) this.#stop(error);
      return Promise.reject(error as Error);
    }
  }

  /** What deciding a batch has tried is kept, once there is a record of it. */
  #performBatch<T>(command: At<Batch>, order: Order<T>): Promise<Outcome<T>> {
    let body: string | undefined;
    const decision = this.#engine.perform(command, (event) => {
      if (!hasRecord(event, order)) return false;
      body = encode(event);
      return true;
    });
    if ('refused' in decision) return this.#whenDurable(decision, false);
    if (body === undefined) return this.#answerUnchanged(decision, order.read);
    return this.#applied(decision, body, order);
  }

  /** Waits until room is found for the command, or until its time is over. */
  #wait<T>(command: At<Alloc>, order: Order<T>, patience: Patience): Promise<Outcome<T>> {
    return new Promise((resolve, reject) => {
      this.room.enter(command, patience, {
        granted: (event) => resolve(this.#apply(event, order)),
        ended: () => resolve(this.#perform(order)),
        failed: reject,
      });
    });
  }

  /** Applies an event that was decided on the present state, and serves those who wait for room. */
  #apply<T>(event: Event, order: Order<T>): Promise<Outcome<T>> {
    if (!hasRecord(event, order)) return this.#answerUnchanged(event, order.read);
    let body: string;
    try {
      // Encoded before it is applied: an event that has no record must not change anything.
      body = encode(event);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    try {
      this.#engine.apply(event, this.#engine.revision + 1);
    } catch (error) {
      // Memory may be half changed: it must answer nobody any more.
      this.#stop(error);
      return Promise.reject(error as Error);
    }
    return this.#applied(event, body, order);
  }

  /** Hands an event that was just applied to the journal, as this record, and makes its answer. */
  #applied<T>(event: Event, body: string, { read, keyed }: Order<T>): Promise<Outcome<T>> {
    const { revision } = this.#engine;
    let value: T;
    let record: JournalRecord = { revision, body };
    try {
      const last = this.#gathering.at(-1)?.revision ?? this.#sentRevision;
      assert(revision === last + 1, 'the next revision is applied', revision);
      this.deadlines.note(event);
      value = read(this.#engine, event, revision);
      if (keyed !== undefined) {
        const { key, request } = keyed;
        const kept = { key, request, reply: keyed.reply(value, revision) };
        record = { revision, body: withKeyed(body, kept), keyed: kept };
      }
    } catch (error) {
      // Memory may be half changed: it must answer nobody any more.
      this.#stop(error);
      return Promise.reject(error as Error);
    }
    this.#gathering.push(record);
    const outcome = this.#whenDurable<Outcome<T>>({ revision, value }, true);
    this.room.serve(event);
    this.#schedule();
    return outcome;
  }

  /** Of an event that changes nothing; `revision` is the present one. */
  #answerUnchanged<T>(
    event: Event,
    read: (engine: Engine, event: Event, revision: number) => T,
  ): Promise<Outcome<T>> {
    const { revision } = this.#engine;
    try {
      this.deadlines.note(event);
      const value = read(this.#engine, event, revision);
      return this.#whenDurable<Outcome<T>>({ revision, value }, false);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /**
   * Reads the state now; resolves when all that was read is durable. Rejects with Busy,
   * JournalUnavailable or what `view` threw. `view` must not keep or change what it is shown.
   */
  read<T>(view: (engine: Engine) => T): Promise<T> {
    try {
      // As it is, where it is a promise already: one of an async function would come turns later.
      return Promise.resolve(this.readNow(view));
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /**
   * As `read`, but without a promise where all that was read is durable already: most reads find it
   * so, and have no turn to wait for. Throws what `read` rejects with.
   */
  readNow<T>(view: (engine: Engine) => T): T | Promise<T> {
    const unavailable = this.#unavailable();
    if (unavailable !== undefined) throw unavailable;
    const value = view(this.#engine);
    return this.#engine.revision === this.#durableRevision
      ? value
      : this.#whenDurable(value, false);
  }

  /**
   * What was answered to an idempotency key, given by its digest; undefined, at once or later, where
   * nothing was. Rejects with Busy, JournalUnavailable, or where the journal fails.
   */
  keyed(key: string): Promise<Keyed | undefined> | undefined {
    const unavailable = this.#unavailable();
    return unavailable === undefined ? this.#journal.keyed(key) : Promise.reject(unavailable);
  }

  /**
   * The hash of the state at a revision that is durable, at least the present one. It takes the
   * time of a start, in another thread. Rejects as `read` does, and where the journal fails.
   */
  async state(): Promise<StateHash> {
    await this.read(() => undefined);
    return this.#journal.state();
  }

  /** Lets nobody wait for room any more: all who do are answered now, with {@link JournalUnavailable}. */
  closeRoom(): void {
    const message = 'The service is stopping; nothing was done.';
    this.room.close(new JournalUnavailable(message, false));
  }

  /** Accepts nothing more, waits until all that was accepted is answered, closes the journal. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.closeRoom();
      this.#closing = this.#drainAndClose();
    }
    return this.#closing;
  }

  #unavailable(): Error | undefined {
    if (this.#failure !== undefined) {
      return new JournalUnavailable('The journal has failed; nothing was done.', false, {
        cause: this.#failure,
      });
    }
    if (this.#closing !== undefined) {
      return new JournalUnavailable('The service is stopping; nothing was done.', false);
    }
    if (this.#waiting.length + this.room.putOff < this.#queueMax) return undefined;
    return new Busy(`${this.#queueMax} requests wait for the journal; nothing was done.`);
  }

  /** Resolves with `value` once the present revision is durable. */
  #whenDurable<T>(value: T, applied: boolean): Promise<T> {
    const { revision } = this.#engine;
    if (revision === this.#durableRevision) return Promise.resolve(value);
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        revision,
        applied,
        value,
        resolve: resolve as (value: unknown) => void,
        reject,
      });
    });
  }

  #schedule(): void {
    if (this.#committing) return;
    if (this.#scheduled) {
      if (this.#goesAhead()) this.#commit();
      return;
    }
    this.#scheduled = true;
    this.#turnBegan = this.#now();
    setImmediate(() => {
      this.#scheduled = false;
      this.#commit();
    });
  }

  /** Whether what was gathered in this turn is committed before its end. */
  #goesAhead(): boolean {
    return this.#now() - this.#turnBegan > this.#commitMs;
  }

  /** Starts the next commit, if there is anything to commit and none is under way. */
  #commit(): void {
    if (this.#failure !== undefined || this.#committing || this.#gathering.length === 0) return;
    const group = this.#gathering.splice(0, this.#groupSize());
    const last = group.at(-1);
    assert(last !== undefined, 'a group has a record');
    this.#committing = true;
    this.#sentRevision = last.revision;
    void this.#append(group, last.revision);
  }

  async #append(group: readonly JournalRecord[], revision: number): Promise<void> {
    let cause: unknown;
    const began = this.#now();
    try {
      const outcome = await this.#journal.append(group);
      if (outcome !== 'acked') cause = commitFailed(outcome, this.#journal.failure);
    } catch (error) {
      cause = error;
    }
    this.#committing = false;
    const took = Math.min(this.#now() - began, this.#commitMs * commitTimeGrowth);
    this.#commitMs = Math.max(took, dividedTurnMin);
    if (cause !== undefined) this.#stop(cause);
    // Where the engine failed meanwhile, everyone who waited has been rejected already.
    else if (this.#failure === undefined) this.#committed(group, revision);
    if (!this.#committing) this.#drained?.();
  }

  #groupSize(): number {
    let characters = 0;
    let size = 0;
    for (const { body, keyed } of this.#gathering) {
      characters += body.length + (keyed?.reply.length ?? 0);
      if (size > 0 && characters > this.#groupCharactersMax) break;
      size += 1;
      if (size === this.#groupRecordsMax) break;
    }
    return size;
  }

  #committed(records: readonly JournalRecord[], revision: number): void {
    assert(revision > this.#durableRevision, 'the durable revision grows');
    this.#durableRevision = revision;
    this.#records += records.length;
    this.#groups += 1;
    // The disk goes first: it works while the answers are written.
    this.#commit();
    this.#onDurable(records);
    this.#release();
  }

  #release(): void {
    const durable = this.#durableRevision;
    const kept = this.#waiting.findIndex(({ revision }) => revision > durable);
    const released = this.#waiting.splice(0, kept === -1 ? this.#waiting.length : kept);
    for (const { resolve, value } of released) resolve(value);
  }

  /** Rejects all that waits and stops for good. A commit under way is left to end by itself. */
  #stop(cause: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = cause instanceof Error ? cause : new AssertionError(String(cause));
    this.#gathering = [];
    const unavailable = new JournalUnavailable('The journal has failed; nothing was done.', false, {
      cause,
    });
    this.room.fail(unavailable);
    const fenced = cause instanceof JournalUnavailable && !cause.outcomeUnknown;
    for (const { applied, revision, reject } of this.#waiting.splice(0)) {
      const open = applied && !fenced && revision <= this.#sentRevision;
      const message = open
        ? 'The journal has failed; whether the command was done is known after a restart.'
        : 'The journal has failed; nothing was done.';
      reject(new JournalUnavailable(message, open, { cause }));
    }
    this.#onFailure(cause);
  }

  async #drainAndClose(): Promise<void> {
    while (this.room.putOff > 0) await nextTurn();
    if (this.#committing || this.#gathering.length > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    await this.#journal.close();
  }
}

/** With a key, what changes nothing has a record after all, that the answer is stored with. */
function hasRecord(event: Event, { keyed }: { readonly keyed: unknown }): boolean {
  return keyed !== undefined || changes(event);
}

/** Whether there may be room for a command later that was refused for want of it. */
function mayWait(command: Command, { refused }: Refusal): command is At<Alloc> {
  if (command.type !== 'alloc' && command.type !== 'xalloc') return false;
  // What may only be done while nothing changes has nothing to wait for.
  if (command.ifRevision !== undefined) return false;
  return waitable.has(refused);
}

function commitFailed(outcome: 'fenced' | 'unknown', cause: Error | undefined): Error {
  const message =
    outcome === 'fenced'
      ? 'Another process writes this journal now.'
      : 'A commit failed; its outcome is unknown until a restart.';
  return new JournalUnavailable(message, outcome === 'unknown', { cause });
}
