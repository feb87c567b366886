/**
 * How far a campaign is, on the standard error: one line that is written over on a terminal, a line
 * every now and then elsewhere.
 */
import { stderr } from 'node:process';
import type { Tally } from './tally.ts';

const barWidth = 24;
const lineEveryMs = 15_000;

export class Progress {
  readonly #seconds: number;
  readonly #tally: Tally;
  readonly #begin = performance.now();
  #shownAt = -Infinity;

  /** `seconds` is how long the whole is to take. */
  constructor(seconds: number, tally: Tally) {
    this.#seconds = seconds;
    this.#tally = tally;
  }

  /** Says what is under way. */
  show(what: string): void {
    const now = performance.now();
    if (!stderr.isTTY && now - this.#shownAt < lineEveryMs) return;
    this.#shownAt = now;
    const elapsed = (now - this.#begin) / 1000;
    const share = Math.min(1, elapsed / this.#seconds);
    const bar = '#'.repeat(Math.round(share * barWidth)).padEnd(barWidth, '.');
    const { acknowledged, kills, faults, images, cuts, flips } = this.#tally.total;
    const done =
      `${acknowledged} acknowledged, ${kills} kills, ${faults} faults, ${images} images, ` +
      `${cuts} cuts, ${flips} flips`;
    const text = `[${bar}] ${Math.round(elapsed)} of ${this.#seconds} s  ${done}  ${what}`;
    stderr.write(stderr.isTTY ? `\r${text}\u001b[K` : `${text}\n`);
  }

  /** Leaves the line, so that what follows has one of its own. */
  close(): void {
    if (stderr.isTTY) stderr.write('\r\u001b[K');
  }
}
