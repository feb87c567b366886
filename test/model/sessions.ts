/**
 * The random sessions of the model tests: every policy, in every shape of arena, at every width and
 * several quanta. `VMEMD_SEED` replays or varies a run, `VMEMD_STEPS` sets the number of commands in
 * all (100,000 and more by default, 1,000,000 for the long form).
 */
import { expect, test } from 'vitest';
import { policies, widths, type Policy } from '../../src/engine/command.ts';
import { nameOf, runSession, type Session } from './session.ts';
import { shapes, type Shape } from './shape.ts';

const quanta = [1n, 16n, 4096n];
const sessionsInAll = policies.length * shapes.length * widths.length * quanta.length;
const stepsInAll = Number(process.env['VMEMD_STEPS'] ?? 180 * sessionsInAll);

export const seed = Number(process.env['VMEMD_SEED'] ?? 20_260_101);
/** Of one session. */
export const steps = Math.ceil(stepsInAll / sessionsInAll);
export const timeout = 600_000;

/** A test for each policy and shape, of sessions at all widths and quanta. */
export function testShapes(shapes: readonly Shape[]): void {
  for (const policy of policies) {
    for (const shape of shapes) {
      test(`${policy} ${shape}`, { timeout }, () => runAll(policy, shape));
    }
  }
}

function runAll(policy: Policy, shape: Shape): void {
  let imported = 0;
  for (const width of widths) {
    for (const quantum of quanta) {
      const session: Session = { policy, shape, width, quantum, seed, steps };
      const tally = runSession(session);
      expect(tally.granted, `${nameOf(session)} grants something`).toBeGreaterThan(0);
      // In a very short run nothing may be.
      if (steps >= 100) expect(tally.refused, `${nameOf(session)} refuses`).toBeGreaterThan(0);
      imported += tally.imported;
    }
  }
  if (shape.startsWith('imports')) expect(imported).toBeGreaterThan(0);
}
