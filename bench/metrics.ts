/** The metrics of a service, read before and after a run. */

/** By name and label, as in `vmemd_event_loop_delay_seconds{quantile="0.99"}`. */
export type Metrics = ReadonlyMap<string, number>;

/** What happened between two readings; how late the event loop was is told since the one before. */
export interface Difference {
  /** Seconds of processors, of all threads. */
  readonly cpu: number;
  /** Milliseconds, the 99th percentile. */
  readonly loopDelay: number;
  /** Mean number of records in a commit; absent where nothing was committed. */
  readonly group?: number;
}

export async function readMetrics(url: string): Promise<Metrics> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

export function difference(before: Metrics, after: Metrics): Difference {
  const grown = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
  const groups = grown('vmemd_groups_total');
  return {
    cpu: grown('process_cpu_seconds_total'),
    loopDelay: (after.get('vmemd_event_loop_delay_seconds{quantile="0.99"}') ?? 0) * 1000,
    ...(groups > 0 && { group: grown('vmemd_records_total') / groups }),
  };
}
