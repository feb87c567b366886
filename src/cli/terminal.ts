/** What a tool has of the process: its streams and its environment. Tests hand in others. */
import type { Readable, Writable } from 'node:stream';
import type { Environment } from '../config.ts';

export interface Terminal {
  readonly input: Readable & { readonly isTTY?: boolean };
  /** For results: nothing else is written here. */
  readonly output: Writable;
  /** For progress, warnings and errors. */
  readonly errors: Writable & { readonly isTTY?: boolean };
  readonly environment: Environment;
}

/** Writes a result; waits where whoever reads it is slower. Rejects where nobody reads any more. */
export function print(to: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    to.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

/** A count of bytes for people: `17.3 MiB`. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** A table of two columns for people. */
export function tableText(rows: readonly (readonly [string, string | number])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}
