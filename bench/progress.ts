/**
 * How far a campaign is, on the standard error: one line that is written over on a terminal, one
 * line a row elsewhere. What is left is estimated from the weights of the rows done so far.
 */
import { stderr } from 'node:process';

const BAR = 24;
/** Between two lines about the same row, on a terminal and elsewhere. */
const EVERY_MS = { terminal: 200, file: 10_000 };

export class Progress {
  readonly #total: number;
  readonly #begin = performance.now();
  #done = 0;
  #saidAt = -Infinity;

  /** `total` is the sum of all weights. */
  constructor(total: number) {
    this.#total = total;
  }

  /** Says what is under way. */
  begins(name: string): void {
    this.#write(name, '');
  }

  /** Says now and then which share of what is under way, and of its weight, is done. */
  passes(name: string, weight: number, share: number): void {
    const now = performance.now();
    if (now - this.#saidAt < (stderr.isTTY ? EVERY_MS.terminal : EVERY_MS.file)) return;
    this.#saidAt = now;
    this.#write(name, stderr.isTTY ? '' : '\n', weight * share);
  }

  /** Says that something of this weight is done. */
  ends(name: string, weight: number): void {
    this.#done += weight;
    if (!stderr.isTTY) this.#write(name, '\n');
  }

  /** Leaves the line, so that what follows has one of its own. */
  close(): void {
    if (stderr.isTTY) stderr.write('\r\u001b[K');
  }

  #write(name: string, end: string, more = 0): void {
    if (!stderr.isTTY && end === '') return;
    const share = this.#total === 0 ? 1 : (this.#done + more) / this.#total;
    const filled = Math.round(share * BAR);
    const bar = '#'.repeat(filled).padEnd(BAR, '.');
    const percent = String(Math.floor(share * 100)).padStart(3);
    const text = `[${bar}] ${percent} %  ${this.#remaining(share)}  ${name}`;
    stderr.write(stderr.isTTY ? `\r${text}\u001b[K` : `${text}${end}`);
  }

  #remaining(share: number): string {
    if (share === 0) return 'ETA    ?';
    const elapsed = (performance.now() - this.#begin) / 1000;
    const seconds = Math.round((elapsed / share) * (1 - share));
    const minutes = Math.floor(seconds / 60);
    return `ETA ${String(minutes).padStart(2)}:${String(seconds % 60).padStart(2, '0')}`;
  }
}
