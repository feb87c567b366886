/**
 * The engine against the naive model, by random commands: arenas in which nearly nothing is free, and
 * such with some thousands of segments.
 */
import { describe, expect, test } from 'vitest';
import { policies } from '../../src/engine/command.ts';
import { nameOf, runSession, type Session } from './session.ts';
import { seed, steps, timeout } from './sessions.ts';
import { tightShapes } from './shape.ts';

const deep = Math.min(steps, 1000) * 2;

describe('engine and model agree', () => {
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
