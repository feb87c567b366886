/**
 * Upkeep: decides when a checkpoint is due, makes what is asked for one job after another, and has
 * removed what is no longer needed after it. It lives in the thread that has the database.
 *
 * A checkpoint is due when the text of the records since the last one exceeds both a setting and
 * the size of the last one: so all checkpoints together write no more than the records do, and a
 * start never reads more than about twice the state, and a quarter more where one was under way.
 */
import { CheckpointPace } from './checkpoint-pace.ts';
import type { Begun, Checkpoint, CheckpointTable } from './checkpoint-table.ts';
import { equal, type GroupTable, type Mark } from './group-table.ts';
import { Job, type JobOptions, type JobResult, type Task } from './job.ts';
import type { CheckpointReport, StateHash } from './journal.ts';
import { removePartial } from './new-database.ts';
import { RecoveryError, restoreBackup } from './recovery-error.ts';
import { Removal } from './removal.ts';
import { Replay, type Page, type ReplayOptions, type ReplaySource } from './replay.ts';
import type { Retention } from './retention.ts';

export interface UpkeepSettings {
  /** Text of records after which a checkpoint is due. */
  readonly checkpointBytes: number;
  readonly retention: Retention;
  /** Whether it acts of its own accord, and not only when asked. */
  readonly automatic: boolean;
  /** Whether history is kept until a follower has it, see follower.ts. */
  readonly followed: boolean;
}

export type UpkeepEvent =
  | { readonly type: 'checkpointStarted'; readonly revision: number; readonly resumed: boolean }
  | {
      readonly type: 'checkpointEnded';
      readonly report: CheckpointReport;
      readonly checkpoint: Checkpoint;
    }
  | { readonly type: 'trimmed'; readonly groups: number; readonly to: Omit<Mark, 'chain'> }
  | { readonly type: 'progress'; readonly done: number; readonly total: number };

export interface UpkeepOptions extends UpkeepSettings {
  readonly source: ReplaySource;
  /** Serves what was asked of the journal; called before every step. */
  readonly beforeStep: () => void;
  readonly onEvent: (event: UpkeepEvent) => void;
  /** Told when history would be trimmed, if the follower had it for good. */
  readonly onHeldBack: () => void;
  /** Told where upkeep failed; the journal is then not to be trusted with more. */
  readonly onFailure: (error: unknown) => void;
}

export interface BackupReport {
  readonly revision: number;
  readonly bytes: number;
}

/** Nothing else makes history old enough where nothing is written. */
const lookEveryMs = 3_600_000;

export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #groups: GroupTable;
  readonly #checkpoints: CheckpointTable;
  readonly #removal: Removal;
  #job: Job | undefined;
  /** Jobs go one after another: each begins when this is settled. */
  #queue: Promise<unknown> = Promise.resolve();
  #dueQueued = false;
  /** How many wait for a job that they have asked for. */
  #asking = 0;
  #state: StateHash | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The last revision that the follower has for good. */
  #followedRevision: number;
  #wantedRevision = 0;
  /** Why nothing more is done. */
  #ended: unknown;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#groups = options.source.groups;
    this.#checkpoints = options.source.checkpoints;
    this.#followedRevision = options.followed ? 0 : Infinity;
    this.#removal = new Removal({
      groups: this.#groups,
      checkpoints: this.#checkpoints,
      keyed: options.source.keyed,
      retention: options.retention,
      keptFrom: () => this.#followedRevision,
      onHeldBack: (revision) => {
        this.#wantedRevision = revision;
        options.onHeldBack();
      },
      beforeStep: options.beforeStep,
      onTrimmed: (groups) => {
        const { revision, bytesTotal } = this.#groups.trimmed;
        options.onEvent({ type: 'trimmed', groups, to: { revision, bytesTotal } });
      },
      onFailure: (error) => this.#failed(error),
    });
  }

  /** History up to here waits for nothing but that the follower has it for good; 0: none does. */
  get wantedRevision(): number {
    return this.#wantedRevision;
  }

  /** Called once the journal was loaded: goes on with what a stop has interrupted. */
  start(): void {
    if (!this.#options.automatic) return;
    this.#timer = setInterval(() => void this.#removal.run(), lookEveryMs).unref();
    void this.#removal.run();
    this.appended();
  }

  /** Called after each append. */
  appended(): void {
    if (this.#dueQueued || !this.#options.automatic || !this.#isDue()) return;
    this.#dueQueued = true;
    const turn = async () => (this.#isDue() ? this.#makeCheckpoint() : undefined);
    this.#inTurn(turn)
      .finally(() => {
        this.#dueQueued = false;
      })
      // What failed was told to the owner.
      .then(
        () => this.appended(),
        () => undefined,
      );
  }

  /** A checkpoint of all that is stored now. */
  async checkpoint(): Promise<CheckpointReport> {
    const { revision } = this.#groups.last;
    // Of nothing there is no checkpoint, but a hash.
    if (revision === 0) return this.#whenAsked(() => this.#hash());
    for (;;) {
      const report = await this.#whenAsked(async () => {
        const { newest } = this.#checkpoints;
        if (newest !== undefined && newest.revision >= revision) return reportOf(newest, 0);
        return this.#makeCheckpoint();
      });
      // The first may have been an older one, which was interrupted and had to be completed.
      if (report.revision >= revision) return report;
    }
  }

  state(): Promise<StateHash> {
    return this.#whenAsked(async () => {
      const { revision } = this.#groups.last;
      const { newest } = this.#checkpoints;
      if (newest?.revision === revision) return { revision, hash: hexOf(newest.hash) };
      if (this.#state?.revision !== revision) {
        const { hash } = await this.#hash();
        this.#state = { revision, hash };
      }
      return this.#state;
    });
  }

  /** Copies everything into a new file. Its failure is the caller's alone. */
  backup(file: string, migrations?: string): Promise<BackupReport> {
    return this.#whenAsked(async () => {
      const resume = await this.hold();
      try {
        return await this.#makeBackup(file, migrations);
      } finally {
        resume();
      }
    });
  }

  /** Removes now what the settings do not keep. */
  async trim(): Promise<void> {
    await this.#whenAsked(() => this.#removal.run());
  }

  /** The follower has all up to this revision for good: it need not be kept for it. */
  followed(revision: number): void {
    if (!this.#options.followed) return;
    this.#followedRevision = revision;
    if (this.#options.automatic) void this.#removal.run();
  }

  /** Leaves everything that is stored where it is until the function that this gives is called. */
  async hold(): Promise<() => void> {
    await this.#removal.hold();
    return () => {
      if (this.#ended !== undefined) return;
      this.#removal.resume();
      if (this.#options.automatic) void this.#removal.run();
    };
  }

  /** Gives up what is under way. */
  async close(): Promise<void> {
    this.#ended ??= new Error('the journal is closed');
    clearInterval(this.#timer);
    await this.#job?.stop();
    await this.#removal.hold();
  }

  async #whenAsked<T>(work: () => Promise<T>): Promise<T> {
    this.#asking += 1;
    try {
      return await this.#inTurn(work);
    } finally {
      this.#asking -= 1;
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(() => {
      if (this.#ended !== undefined) throw this.#ended;
      return work();
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  #isDue(): boolean {
    if (this.#checkpoints.unfinished !== undefined) return true;
    const { newest } = this.#checkpoints;
    const since = this.#groups.last.bytesTotal - (newest?.bytesTotal ?? 0);
    return since > this.#bytesDue;
  }

  /** Text of records after which the next checkpoint is due. */
  get #bytesDue(): number {
    return Math.max(this.#options.checkpointBytes, this.#checkpoints.newest?.bytes ?? 0);
  }

  async #makeCheckpoint(): Promise<CheckpointReport> {
    const resumed = this.#checkpoints.unfinished !== undefined;
    let mark = this.#checkpoints.unfinished;
    let result: JobResult;
    try {
      mark ??= this.#begin();
      this.#options.onEvent({ type: 'checkpointStarted', revision: mark.revision, resumed });
      result = await this.#replay(mark, true);
      this.#checkpoints.complete(result);
    } catch (error) {
      throw this.#failed(error);
    }
    const checkpoint = this.#checkpoints.newest!;
    const report = reportOf(checkpoint, result.partsKept);
    this.#options.onEvent({ type: 'checkpointEnded', report, checkpoint });
    if (this.#options.automatic) void this.#removal.run();
    return report;
  }

  #begin(): Begun {
    const { groups, keyed } = this.#options.source;
    const begun = { ...groups.last, keyedRevision: keyed.last };
    this.#checkpoints.begin(begun);
    return begun;
  }

  async #hash(): Promise<CheckpointReport> {
    const mark = this.#groups.last;
    try {
      return reportOf({ ...mark, ...(await this.#replay(mark, false)) }, 0);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** Replays up to `mark` in another thread, and compares the chain there. */
  async #replay(mark: Mark, stored: boolean): Promise<JobResult> {
    const { directory } = this.#options.source;
    const { revision, chain } = mark;
    const replay = this.#replayTo(revision);
    const task: Task = { type: 'checkpoint', directory, revision, chain, stored };
    const pace = new CheckpointPace(this.#groups.last, this.#bytesDue);
    const restMs = (tookMs: number): number =>
      pace.restMs({ tookMs, awaited: this.#asking > 0, stored: this.#groups.last });
    const result = await this.#run(task, replay, { restMs });
    if (!equal(replay.mark.chain, chain)) {
      throw new RecoveryError(
        'checkpoint-damaged',
        `A checkpoint was begun at record ${revision} of another journal.`,
        restoreBackup,
      );
    }
    return result;
  }

  async #makeBackup(file: string, migrations?: string): Promise<BackupReport> {
    const { directory } = this.#options.source;
    const { last, trimmed, ranMs } = this.#groups;
    const checkpoint = this.#checkpoints.newest;
    const replay = this.#replayTo(last.revision, {
      history: true,
      keyed: true,
      ...(checkpoint !== undefined && { expected: checkpoint }),
    });
    const task: Task = {
      type: 'backup',
      directory,
      file,
      trimmed,
      ranMs,
      keyedRemoved: this.#options.source.keyed.removed,
      ...(migrations !== undefined && { migrations }),
      ...(checkpoint !== undefined && { checkpoint }),
    };
    const total = (checkpoint?.bytes ?? 0) + last.bytesTotal - trimmed.bytesTotal;
    let done = 0;
    const onPage = (page: Page): void => {
      done += charactersOf(page);
      this.#options.onEvent({ type: 'progress', done: Math.min(done, total), total });
    };
    try {
      const { bytes } = await this.#run(task, replay, { onPage });
      return { revision: last.revision, bytes };
    } catch (error) {
      removePartial(file);
      throw error;
    }
  }

  #replayTo(revision: number, options?: ReplayOptions): Replay {
    return new Replay(this.#options.source, revision, options);
  }

  async #run(
    task: Task,
    replay: Replay,
    more: Pick<JobOptions, 'onPage' | 'restMs'>,
  ): Promise<JobResult> {
    this.#job = new Job({
      task,
      replay,
      put: (part, body, digest) => {
        // What was asked for before the end may still arrive.
        if (this.#ended !== undefined) throw this.#ended;
        return this.#checkpoints.put(part, body, digest);
      },
      beforeStep: this.#options.beforeStep,
      ...more,
    });
    try {
      return await this.#job.result;
    } catch (error) {
      await this.#job.stop();
      throw error;
    } finally {
      this.#job = undefined;
    }
  }

  #failed(error: unknown): unknown {
    if (this.#ended === undefined) {
      this.#ended = error;
      void this.#removal.hold();
      this.#options.onFailure(error);
    }
    return error;
  }
}

function reportOf(
  checkpoint: Pick<Checkpoint, 'revision' | 'hash' | 'parts' | 'bytes' | 'ms'>,
  partsKept: number,
): CheckpointReport {
  const { revision, hash, parts, bytes, ms } = checkpoint;
  return { revision, hash: hexOf(hash), parts, bytes, partsKept, ms };
}

function hexOf(hash: Uint8Array): string {
  return Buffer.from(hash).toString('hex');
}

function charactersOf(page: Page): number {
  let characters = 0;
  if (page.type === 'parts') for (const body of page.bodies) characters += body.length;
  if (page.type === 'groups') for (const { body } of page.groups) characters += body.length;
  return characters;
}
