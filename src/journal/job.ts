/**
 * Jobs: what is computed from the whole journal (a checkpoint, the hash of the state, a backup) in
 * a thread of its own, one at a time. The thread has no access to the database; it asks the thread
 * that has it for pages, and hands back what is to be stored, one request under way at a time. So
 * each request is one short step there, and before each step whatever was asked of the journal
 * meanwhile is served: an append never waits for more than one step.
 */
import { Worker } from 'node:worker_threads';
import type { BackupJob } from './backup-worker.ts';
import type { Completion } from './checkpoint-table.ts';
import type { CheckpointJob } from './checkpoint-worker.ts';
import { failureOf, errorOf, type Failure } from './failure.ts';
import type { StepLimit } from './group-table.ts';
import type { Page, Replay } from './replay.ts';
import { threadOptions } from './thread.ts';

export type Task = CheckpointJob | BackupJob;

/** What the thread of a job asks for, and what it gets. */
export type JobRequest =
  | { readonly type: 'page' }
  | {
      readonly type: 'put';
      readonly part: number;
      readonly body: string;
      readonly digest: Uint8Array;
    }
  | { readonly type: 'done'; readonly result: JobResult }
  | { readonly type: 'failed'; readonly failure: Failure };

export interface JobResult extends Completion {
  readonly partsKept: number;
}

export interface JobReplies {
  page: Page;
  /** Whether the part was there already. */
  put: boolean;
  done: true;
  failed: true;
}

export interface JobOptions {
  readonly task: Task;
  readonly replay: Replay;
  readonly put: (part: number, body: string, digest: Uint8Array) => boolean;
  /** Called before each step. */
  readonly beforeStep: () => void;
  readonly onPage?: (page: Page) => void;
  /** Milliseconds to rest after a step that took so many in both threads; without it there is no rest. */
  readonly restMs?: (tookMs: number) => number;
}

/** A page takes a few milliseconds to read, and so does a part to store. */
const pageLimit: StepLimit = { characters: 1 << 19, ms: 3 };

const files = {
  checkpoint: new URL('./checkpoint-worker.ts', import.meta.url),
  backup: new URL('./backup-worker.ts', import.meta.url),
} as const;

export class Job {
  readonly #options: JobOptions;
  readonly #worker: Worker;
  /** Rejects with what was thrown in either thread. */
  readonly result: Promise<JobResult>;
  readonly #ended: Promise<void>;
  #resolve!: (result: JobResult) => void;
  #reject!: (error: unknown) => void;
  /** When the step before was begun; to start the thread is none. */
  #stepBegan: number | undefined;
  #resting: NodeJS.Timeout | undefined;

  constructor(options: JobOptions) {
    this.#options = options;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { task } = options;
    this.#worker = new Worker(files[task.type], { ...threadOptions, workerData: task });
    this.#worker.on('message', (request: JobRequest) => this.#rest(request));
    this.#worker.on('error', (error) => this.#reject(error));
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#reject(new Error('the thread of the job has ended'));
        resolve();
      });
    });
  }

  /** Gives it up; resolves when the thread has ended. */
  async stop(): Promise<void> {
    clearTimeout(this.#resting);
    void this.#worker.terminate();
    await this.#ended;
  }

  #rest(request: JobRequest): void {
    const { restMs } = this.#options;
    const began = this.#stepBegan;
    const ms = began === undefined ? 0 : (restMs?.(performance.now() - began) ?? 0);
    // A shorter rest than the clock of timers has is none.
    if (ms < 1) this.#step(request);
    else this.#resting = setTimeout(() => this.#step(request), ms);
  }

  #step(request: JobRequest): void {
    this.#stepBegan = performance.now();
    try {
      this.#options.beforeStep();
      this.#worker.postMessage(this.#answer(request));
    } catch (error) {
      this.#reject(error);
      void this.#worker.terminate();
    }
  }

  #answer(request: JobRequest): JobReplies[JobRequest['type']] {
    const { replay, put, onPage } = this.#options;
    switch (request.type) {
      case 'page': {
        const page = replay.next(pageLimit);
        onPage?.(page);
        return page;
      }
      case 'put':
        return put(request.part, request.body, request.digest);
      case 'done':
        this.#resolve(request.result);
        return true;
      case 'failed':
        this.#reject(errorOf(request.failure));
        return true;
    }
  }
}

/** In the thread of a job: asks, one request at a time, and ends the job. */
export class JobPort {
  readonly #port: NonNullable<typeof import('node:worker_threads').parentPort>;
  readonly #waiting: ((reply: unknown) => void)[] = [];

  constructor(port: NonNullable<typeof import('node:worker_threads').parentPort>) {
    this.#port = port;
    port.on('message', (reply: unknown) => this.#waiting.shift()?.(reply));
  }

  ask<R extends JobRequest>(request: R): Promise<JobReplies[R['type']]> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve as (reply: unknown) => void);
      this.#port.postMessage(request);
    });
  }

  /** Runs the job and reports what came of it; the thread then has nothing more to wait for. */
  async run(work: () => Promise<JobResult>, directory: string): Promise<void> {
    try {
      await this.ask({ type: 'done', result: await work() });
    } catch (error) {
      await this.ask({ type: 'failed', failure: failureOf(error, directory) });
    } finally {
      this.#port.close();
    }
  }
}
