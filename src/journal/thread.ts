/** What the threads beside the main one have in common. */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import type { WorkerOptions } from 'node:worker_threads';

const niceness = 10;

/** Of every thread. */
export const threadOptions: Pick<WorkerOptions, 'execArgv' | 'resourceLimits'> = {
  // Without the flags of the main thread: some of them, such as --input-type, forbid a file.
  execArgv: [],
  // Little of what they make outlives a page. Without a bound each would come to hold 128 MiB of it.
  resourceLimits: { maxYoungGenerationSizeMb: 16 },
};

/**
 * Puts the thread that calls this, which nobody waits for, behind those that serve, where processors
 * are short. On Linux the priority of a thread can be told by its id, and lowering one needs no right.
 */
export function yieldToOthers(): void {
  try {
    const thread = readlinkSync('/proc/thread-self').split('/').at(-1);
    setPriority(Number(thread), niceness);
  } catch {
    // Elsewhere it has the priority of the process.
  }
}
