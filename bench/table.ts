/** Tables of text, aligned for a terminal or in Markdown, and numbers short enough for a cell. */
export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns from this one on are figures and end at the right. */
  readonly figuresFrom: number;
}

export function render({ head, rows, figuresFrom }: Table, markdown: boolean): string {
  const widths = head.map((title, i) =>
    Math.max(title.length, 3, ...rows.map((row) => (row[i] ?? '').length)),
  );
  const line = (cells: readonly string[]): string => {
    const padded = widths.map((width, i) => {
      const cell = cells[i] ?? '';
      return i < figuresFrom ? cell.padEnd(width) : cell.padStart(width);
    });
    return markdown ? `| ${padded.join(' | ')} |` : padded.join('  ').trimEnd();
  };
  const rules = widths.map((width, i) =>
    i >= figuresFrom && markdown ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width),
  );
  return [line(head), line(rules), ...rows.map(line)].join('\n');
}

/** Nanoseconds in three digits or so: `87`, `1,240`, `2.1 ms`. */
export function nanoseconds(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} ms`;
  return Math.round(value).toLocaleString('en-US');
}

/** `1e6` for 1000000; what is no power of ten as it is. */
export function power(value: number): string {
  const exponent = Math.round(Math.log10(value));
  return 10 ** exponent === value ? `1e${exponent}` : String(value);
}
