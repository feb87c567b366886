/**
 * Grants that were asked for with an idempotency key, to be asked for again: what was answered has to
 * be answered with the same bytes, and what was not is done once in all.
 */
import type { Random } from '../model/random.ts';
import type { Answer } from './client.ts';
import type { Grant, Rounding } from './ledger.ts';

export interface GrantSent {
  readonly number: string;
  readonly path: string;
  readonly grant: Grant;
  readonly rounding: Rounding;
  readonly key?: string;
}

export interface KeyedGrant extends GrantSent {
  readonly key: string;
}

interface Answered {
  readonly sent: KeyedGrant;
  readonly answer: Answer;
}

/** So many of the answered ones are remembered, the newest. */
const answeredMax = 200;

export class KeyedGrants {
  #open: KeyedGrant[] = [];
  readonly #answered: Answered[] = [];

  /** Got no answer: nobody knows whether it was done. */
  lost(sent: GrantSent): void {
    if (isKeyed(sent)) this.#open.push(sent);
  }

  /** Was answered as done. */
  answered(sent: GrantSent, answer: Answer): void {
    if (!isKeyed(sent)) return;
    this.#answered.push({ sent, answer });
    if (this.#answered.length > answeredMax) this.#answered.shift();
  }

  /** All that got no answer, which are no longer held here. */
  takeOpen(): KeyedGrant[] {
    return this.#open.splice(0);
  }

  /** Any that was answered. */
  pick(random: Random): Answered | undefined {
    return this.#answered.length === 0 ? undefined : random.pick(this.#answered);
  }
}

/** Both forms of a key are the same one. */
export function keyOf(number: string, random: Random): string {
  return random.chance(0.5) ? `grant-${number}` : `"grant-${number}"`;
}

/** What is wrong with an answer that was given before; undefined where it is the same. */
export function replayProblem(before: Answer, again: Answer): string | undefined {
  if (!again.replayed) return `was done again: ${again.status} ${again.text}`;
  for (const part of ['status', 'location', 'etag', 'text'] as const) {
    if (before[part] === again[part]) continue;
    return `was answered ${String(before[part])} and then ${String(again[part])}`;
  }
  return undefined;
}

function isKeyed(sent: GrantSent): sent is KeyedGrant {
  return sent.key !== undefined;
}
