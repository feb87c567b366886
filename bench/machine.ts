/** What figures were taken on. */
import { availableParallelism, cpus, totalmem } from 'node:os';

export interface Machine {
  readonly processor: string;
  readonly processors: number;
  readonly memoryGiB: number;
  readonly node: string;
  /** As in 2026-01-31. */
  readonly date: string;
}

export function thisMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    processors: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
}

/** The machine in one line. */
export function machineText({ processor, processors, memoryGiB, node, date }: Machine): string {
  return `${processor}, ${processors} processors, ${memoryGiB} GiB, Node ${node}, ${date}.`;
}
