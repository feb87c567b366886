/**
 * Progress of a tool, on the standard error: a bar that redraws itself on a terminal, a line now and
 * then elsewhere, and nothing where all is done before anyone would ask.
 */
import type { Terminal } from './terminal.ts';

/** What takes less than this needs no progress. */
const quietMs = 1500;
const redrawMs = 200;
const lineMs = 10_000;
const barCharacters = 24;

export class Progress {
  readonly #errors: Terminal['errors'];
  readonly #now: () => number;
  readonly #bar: boolean;
  #next: number;
  #drawn = false;

  constructor(errors: Terminal['errors'], now: () => number = () => performance.now()) {
    this.#errors = errors;
    this.#now = now;
    this.#bar = errors.isTTY === true;
    this.#next = now() + quietMs;
  }

  /** Says that `done` things of `total`, where that is known, have been `verb`: "read", "copied". */
  update(verb: string, done: number, total?: number): void {
    const now = this.#now();
    if (now < this.#next) return;
    this.#next = now + (this.#bar ? redrawMs : lineMs);
    const share = total === undefined || total === 0 ? undefined : Math.min(done / total, 1);
    const of = share === undefined ? '' : ` of ${total} (${Math.floor(share * 100)} %)`;
    const text = `${done}${of} ${verb}`;
    if (!this.#bar) {
      this.#errors.write(`${text}\n`);
      return;
    }
    this.#errors.write(`\r\x1b[K${share === undefined ? '' : `${barOf(share)} `}${text}`);
    this.#drawn = true;
  }

  /** Takes the bar away, so that what comes next has the line for itself. */
  end(): void {
    if (this.#drawn) this.#errors.write('\r\x1b[K');
    this.#drawn = false;
  }
}

function barOf(share: number): string {
  const full = Math.round(share * barCharacters);
  return `[${'#'.repeat(full)}${'.'.repeat(barCharacters - full)}]`;
}
