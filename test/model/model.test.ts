/**
 * The engine against the naive model, by random commands: every policy, in every shape of arena, at
 * every width and several quanta. `VMEMD_SEED` replays or varies a run, `VMEMD_STEPS` sets the
 * number of commands in all (100,000 and more by default, 1,000,000 for the long form).
 */
import { describe, expect, test } from 'vitest';
import { policies, widths } from '../../src/engine/command.ts';
import { nameOf, runSession, type Session } from './session.ts';
import { shapes, tightShapes } from './shape.ts';

const quanta = [1n, 16n, 4096n];
const seed = Number(process.env['VMEMD_SEED'] ?? 20_260_101);
const sessionsInAll = policies.length * shapes.length * widths.length * quanta.length;
const stepsInAll = Number(process.env['VMEMD_STEPS'] ?? 180 * sessionsInAll);
const steps = Math.ceil(stepsInAll / sessionsInAll);
const deep = Math.min(steps, 1000) * 2;
const timeout = 600_000;

describe('engine and model agree', () => {
  for (const policy of policies) {
    for (const shape of shapes) {
      test(`${policy} ${shape}`, { timeout }, () => {
        let imported = 0;
        for (const width of widths) {
          for (const quantum of quanta) {
            const session: Session = { policy, shape, width, quantum, seed, steps };
            const tally = runSession(session);
            expect(tally.granted, `${nameOf(session)} grants something`).toBeGreaterThan(0);
            // In a very short run nothing may be.
            if (steps >= 100)
              expect(tally.refused, `${nameOf(session)} refuses`).toBeGreaterThan(0);
            imported += tally.imported;
          }
        }
        if (shape.startsWith('imports')) expect(imported).toBeGreaterThan(0);
      });
    }
  }

  // Nearly all is in use or rests, so that requests which may reuse have to.
  test.each(policies)('%s tight', { timeout }, (policy) => {
    for (const shape of tightShapes) {
      const session: Session = { policy, shape, width: 64, quantum: 16n, seed, steps };
      expect(runSession(session).granted, nameOf(session)).toBeGreaterThan(0);
    }
  });

  // Some thousands of segments, so that indexes grow and shrink by whole levels.
  test.each(policies)('%s deep', { timeout }, (policy) => {
    const session: Session = { policy, shape: 'deep', width: 64, quantum: 16n, seed, steps: deep };
    expect(runSession(session).granted).toBeGreaterThan(deep / 2);
  });
});
