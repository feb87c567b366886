/**
 * Gives wholly free imported spans back to their source once their arena's `releaseAfterSeconds`
 * has run out. The time that decides is the journaled one, so that a restart neither forgets a span
 * nor releases it early; this timer only looks, once a second.
 */
import type { Sequencer } from './sequencer.ts';

const PERIOD_MS = 1000;

/** Starts looking; returns what stops it. */
export function startSpanTimer(sequencer: Sequencer, now: () => number = Date.now): () => void {
  const timer = setInterval(() => void releaseOverdue(sequencer, now()), PERIOD_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** Releases what is overdue at `at`, in milliseconds since 1970; resolves when that is durable. */
export async function releaseOverdue(sequencer: Sequencer, at: number): Promise<void> {
  try {
    const due = await sequencer.read((engine) => engine.overdue(at));
    await Promise.all(due.map((command) => sequencer.execute(command, () => undefined)));
  } catch {
    // A journal that failed has ended the process by now, and one that is busy is asked again.
  }
}
