/** The running totals of a campaign: how much was done, part by part, and how it is shown. */

/** What is counted, with the heading of its column. */
const columns = {
  rounds: 'rounds',
  acknowledged: 'acknowledged',
  kills: 'kills',
  crashes: 'simulated crashes',
  faults: 'I/O faults',
  images: 'crash images',
  cuts: 'cuts',
  flips: 'flips',
  stops: 'stops',
  jumps: 'clock jumps',
  sabotages: 'sabotages found',
  /** Recoveries that ended in a refusal, where one is right. */
  refusals: 'refusals',
  /** Crash images unlike the files as everything written would have left them. */
  altered: 'altered images',
  /** Crash images in which something written and not yet synced was lost. */
  lossy: 'lossy images',
  /** Changes of which nobody had an answer when a fault struck, and which were all or nothing. */
  open: 'unanswered',
  seconds: 'seconds',
} as const;

export type Counts = { -readonly [K in keyof typeof columns]: number };
const keys = Object.keys(columns) as (keyof Counts)[];

export class Tally {
  readonly #parts = new Map<string, Counts>();

  count(part: string, what: keyof Counts, by = 1): void {
    const counts = this.#parts.get(part) ?? zero();
    counts[what] += by;
    this.#parts.set(part, counts);
  }

  /** Over all parts. */
  get total(): Counts {
    const total = zero();
    for (const counts of this.#parts.values()) {
      for (const key of keys) total[key] += counts[key];
    }
    return total;
  }

  /** What was counted of a part; all zero where it never ran. */
  of(part: string): Counts {
    return this.#parts.get(part) ?? zero();
  }

  /** A table in Markdown, a row for each part; columns that are all zero are left out. */
  table(): string {
    const { total } = this;
    const shown = keys.filter((key) => total[key] > 0);
    const rows = [...this.#parts, ['all', total] as const].map(([part, counts]) => [
      part,
      ...shown.map((key) => Math.round(counts[key]).toLocaleString('en')),
    ]);
    const head = ['part', ...shown.map((key) => columns[key])];
    const widths = head.map((cell, i) =>
      Math.max(cell.length, ...rows.map((row) => row[i]!.length)),
    );
    const line = (cells: readonly string[]): string =>
      `| ${cells.map((cell, i) => pad(cell, widths[i]!, i)).join(' | ')} |`;
    const rule = widths.map((width, i) => (i === 0 ? '-' : ':').padStart(width + 2, '-'));
    return [line(head), `|${rule.join('|')}|`, ...rows.map(line)].join('\n');
  }

  toJSON(): object {
    return { total: this.total, parts: Object.fromEntries(this.#parts) };
  }
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

function zero(): Counts {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Counts;
}
