/**
 * A part of the fault campaign: one kind of fault, done in rounds. A round is made by its seed
 * alone, stands on a data directory of its own and takes seconds, so that parts can take turns, and
 * so that a violation is found again by running its one round.
 */
import type { Counts } from './tally.ts';

export interface Round {
  readonly seed: number;
  /** An empty folder; removed when the round has found nothing. */
  readonly folder: string;
  /** Do the least that still shows something: the round is one of the tests of every change. */
  readonly brief: boolean;
  /** Counts what was done, as it is done. */
  count(what: keyof Counts, by?: number): void;
}

export interface Part {
  readonly name: string;
  /** What it does, in one line. */
  readonly about: string;
  /** Why it can't run on this machine, as a clause; absent where it can. */
  readonly impossible?: () => string | undefined;
  /** Does one round. Rejects where something is not as it has to be. */
  run(round: Round): Promise<void>;
}

/** Something the service promises did not hold. The message says what, for a person. */
export class Violation extends Error {
  override name = 'Violation';
}

/** Throws a {@link Violation} unless the condition holds. */
export function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Violation(message);
}
