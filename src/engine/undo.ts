/**
 * Undo: takes back what a trial has changed. A batch is decided one operation after another, each on
 * the state that those before it leave behind; so each is applied at once, and when the batch is
 * decided, or refused, all of it is taken back, last step first.
 *
 * While a trial is under way, whatever changes the state pushes a step that restores it exactly,
 * down to the order in which free segments are filed. Steps run in the reverse order of their
 * making, so that each finds the state as its own change left it. Outside of a trial nothing is kept.
 */
import { assert } from './assert.ts';

export class Undo {
  #steps: (() => void)[] = [];
  #afterwards: (() => void)[] = [];
  #trying = false;
  #failed = false;

  /** Whether a trial is under way, and steps have to be pushed. */
  get trying(): boolean {
    return this.#trying;
  }

  /** Whether taking back has failed: the state is then neither the old nor a new one. */
  get failed(): boolean {
    return this.#failed;
  }

  /** What reverses a change that has just been made; only while a trial is under way. */
  push(step: () => void): void {
    assert(this.#trying, 'what is done for good is not taken back');
    this.#steps.push(step);
  }

  /** What is done once all is taken back; only while a trial is under way. */
  later(step: () => void): void {
    assert(this.#trying, 'there is something to be taken back first');
    this.#afterwards.push(step);
  }

  /**
   * Runs `trial` and takes back all that it changed, unless `keeps` says of what came of it that it is
   * to stay.
   */
  after<T>(trial: () => T, keeps: (outcome: T) => boolean): T {
    assert(!this.#trying && !this.#failed, 'one trial at a time');
    this.#trying = true;
    let kept = false;
    try {
      const outcome = trial();
      kept = keeps(outcome);
      return outcome;
    } finally {
      this.#trying = false;
      if (kept) this.#forget();
      else this.#takeBack();
    }
  }

  #forget(): void {
    this.#steps = [];
    this.#afterwards = [];
  }

  #takeBack(): void {
    this.#failed = true;
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) step();
    this.#failed = false;
    for (const step of this.#afterwards.splice(0)) step();
  }
}
