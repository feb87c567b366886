/**
 * Measures one row. The phases, in this order:
 *
 * 1. a rehearsal on a small arena that is thrown away, so that the compiler has seen the code;
 * 2. set-up and warm-up;
 * 3. the mean: a run of operations without a look at the clock but between batches;
 * 4. the samples: the run goes on with every single free and request timed apart.
 *
 * Slow rows are cut: a phase ends `secondsMax` after it began, at the next whole cycle.
 */
import { Samples, clockCost, now } from './clock.ts';
import { Operation } from './operation.ts';
import type { Figures, Row } from './row.ts';
import { openSubject } from './subject.ts';
import type { Subject } from './subject.ts';
import { workloads } from './workload.ts';
import type { Workload, WorkloadName } from './workload.ts';

const REHEARSAL_LIVE = 1000;
/** The optimising compiler is done with a loop after some hundred thousand rounds. */
const REHEARSAL_OPERATIONS = 500_000;
/** Of the time that a phase may take. */
const REHEARSAL_SHARE = 0.25;
const SAMPLES_MAX = 200_000;
/** Operations between two looks at the clock, at least. */
const BATCH = 128;

export function measure(row: Row & { readonly workload: WorkloadName }): Figures {
  const rehearsed = Math.min(row.live, REHEARSAL_LIVE);
  const secondsMax = row.secondsMax * REHEARSAL_SHARE;
  new Session({ ...row, live: rehearsed, secondsMax }).run(REHEARSAL_OPERATIONS);

  const session = new Session(row);
  const warmed = session.run(session.workload.warmUp);
  session.requests = 0;
  session.refusals = 0;
  const mean = session.run(row.pairs);
  const { requests, refusals } = session;
  const { alloc, free } = session.sample(Math.min(row.pairs, SAMPLES_MAX));

  const { segments, bytes } = session.subject.census();
  return {
    mean: mean.elapsed / requests,
    pairs: requests,
    alloc: alloc.summary(),
    ...(free.count === 0 ? {} : { free: free.summary() }),
    refused: refusals / requests,
    segments,
    ...(bytes === 0 || segments < row.live ? {} : { bytesPerSegment: bytes / segments }),
    rss: peakMemory(),
    cutShort: warmed.operations < session.workload.warmUp,
  };
}

/** The most that was ever resident, in bytes. */
export function peakMemory(): number {
  return process.resourceUsage().maxRSS * 1024;
}

/** A workload at work on a subject. */
class Session {
  readonly workload: Workload;
  readonly subject: Subject;
  readonly #operation = new Operation();
  readonly #nanosecondsMax: number;
  requests = 0;
  refusals = 0;

  constructor({ workload, layer, policy, live, secondsMax }: Row & { workload: WorkloadName }) {
    this.workload = workloads[workload].open(live);
    const { span, slots } = this.workload;
    this.subject = openSubject({ layer, policy, span, slots });
    this.#nanosecondsMax = secondsMax * 1e9;
    this.workload.setUp(this.subject);
  }

  /** Runs operations, whole cycles of them, until there were `count` or time is up. */
  run(count: number): { operations: number; elapsed: number } {
    const { cycle } = this.workload;
    const total = wholeCycles(count, cycle);
    const batch = wholeCycles(BATCH, cycle);
    const begin = now();
    let operations = 0;
    let elapsed = 0;
    while (operations < total && elapsed < this.#nanosecondsMax) {
      const end = Math.min(operations + batch, total);
      for (; operations < end; operations++) this.#step();
      elapsed = now() - begin;
    }
    return { operations, elapsed };
  }

  #step(): void {
    const { subject } = this;
    const operation = this.#operation;
    this.workload.draw(operation, subject);
    if (operation.drop >= 0) subject.free(operation.drop);
    if (operation.take < 0) return;
    this.requests++;
    if (!subject.alloc(operation.take, operation.size, operation.ask)) this.#refused();
  }

  /** Runs `count` more operations, in whole cycles, with each free and each request timed. */
  sample(count: number): { alloc: Samples; free: Samples } {
    const total = wholeCycles(count, this.workload.cycle);
    const cost = clockCost();
    const alloc = new Samples(total, cost);
    const free = new Samples(total, cost);
    const { subject } = this;
    const operation = this.#operation;
    const end = now() + this.#nanosecondsMax;
    let before = 0;
    for (let i = 0; i < total && before < end; i++) {
      this.workload.draw(operation, subject);
      before = now();
      if (operation.drop >= 0) {
        subject.free(operation.drop);
        free.add(now() - before);
      }
      if (operation.take < 0) continue;
      before = now();
      const granted = subject.alloc(operation.take, operation.size, operation.ask);
      alloc.add(now() - before);
      if (!granted) this.#refused();
    }
    return { alloc, free };
  }

  #refused(): void {
    this.refusals++;
    const { take, back } = this.#operation;
    if (back > 0) this.subject.putBack(take, back);
  }
}

function wholeCycles(count: number, cycle: number): number {
  return Math.ceil(count / cycle) * cycle;
}
