/** What a simulation did, counted, so that a run that met no fault is seen to have met none. */

/** The ways in which a life ends. */
export const endings = [
  /** The machine stops with nothing under way, or before the group under way is stored. */
  'crash',
  /** The machine stops when the group under way is stored, and nobody knows. */
  'crashStored',
  /** The machine stops when the append is acknowledged, with some of the answers sent. */
  'crashAnswering',
  /** The machine stops when everything is answered. */
  'crashQuiet',
  'fenced',
  'unknownStored',
  'unknownLost',
  'thrownStored',
  'thrownLost',
  'bug',
  'close',
] as const;
export type Ending = (typeof endings)[number];

export interface Totals {
  rounds: number;
  commands: number;
  reads: number;
  /** Answers of any kind that a client got, and those among them that a change is done. */
  answers: number;
  acknowledged: number;
  busy: number;
  /** Changes that a client was told may or may not be done. */
  unknown: number;
  /** Changes that no restart found, none of them acknowledged. */
  lost: number;
  /** Steps towards checkpoints, and lives that began from one. */
  checkpointSteps: number;
  restored: number;
  readonly endings: Record<Ending, number>;
}

export function noTotals(): Totals {
  const none = Object.fromEntries(endings.map((ending) => [ending, 0])) as Record<Ending, number>;
  const counts = { rounds: 0, commands: 0, reads: 0, answers: 0, acknowledged: 0 };
  const more = { busy: 0, unknown: 0, lost: 0, checkpointSteps: 0, restored: 0 };
  return { ...counts, ...more, endings: none };
}

/** How often the service was brought down. */
export function crashesOf({ endings: counts }: Totals): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0) - counts.close;
}
