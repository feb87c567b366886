/** The priority of threads that nobody waits for: behind those that serve, where processors are short. */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

const niceness = 5;

/** On Linux the priority of a thread can be told by its id, and lowering one needs no right. */
export function yieldToOthers(): void {
  try {
    const thread = readlinkSync('/proc/thread-self').split('/').at(-1);
    setPriority(Number(thread), niceness);
  } catch {
    // Elsewhere it has the priority of the process.
  }
}
