/** What the threads beside the main one have in common. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';
import type { WorkerOptions } from 'node:worker_threads';

/** On top of that of the thread that asks for it. */
const niceness = 10;
/** V8's own threads, by their name. */
const helperName = 'V8Worker';

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
    lowerPriority(Number(thread));
  } catch {
    // Elsewhere it has the priority of the process.
  }
}

/**
 * The same for the threads of V8, which compile and collect for all others. Nobody waits for them but
 * at the end of a collection: they keep a share of the processors, so that this end comes soon.
 */
export function helpersYieldToOthers(): void {
  try {
    const tasks = '/proc/self/task';
    for (const thread of readdirSync(tasks)) {
      const name = readFileSync(`${tasks}/${thread}/comm`, 'utf8').trimEnd();
      if (name === helperName) lowerPriority(Number(thread));
    }
  } catch {
    // Elsewhere they have the priority of the process.
  }
}

function lowerPriority(thread: number): void {
  setPriority(thread, Math.min(constants.priority.PRIORITY_LOW, getPriority() + niceness));
}
