/**
 * A refused command leaves the engine as it was, to the byte: every segment, span, allocation and
 * counter of every arena, the revision, and what it answers next. The commands are those of the
 * random sessions, in every shape of arena, with enough refusals of each kind to mean something.
 */
import { expect, test } from 'vitest';
import { policies, type Policy } from '../../src/engine/command.ts';
import { Engine } from '../../src/engine/engine.ts';
import { Model } from './model.ts';
import { nextCommand, tick } from './orders.ts';
import { pictureOf } from './picture.ts';
import { Random } from './random.ts';
import { judgeOne } from './session.ts';
import { crowdOf, setUp, shapes, type Shape } from './shape.ts';

const seed = Number(process.env['VMEMD_SEED'] ?? 1967);
const steps = 240;
const timeout = 120_000;

test('a refused command changes nothing', { timeout }, () => {
  const refusals = new Map<string, number>();
  for (const [at, shape] of shapes.entries()) {
    for (const policy of [policies[at % 6]!, policies[(at + 3) % 6]!]) {
      refuseAlong(shape, policy, refusals);
    }
  }
  for (const code of [
    'allocation-not-found',
    'arena-busy',
    'arena-exists',
    'arena-not-found',
    'allocation-busy',
    'exhausted',
    'invalid-request',
    'limit-exceeded',
    'never-fits',
    'overlap',
    'precondition-failed',
    'size-mismatch',
    'span-not-found',
    'taken',
  ]) {
    expect(refusals.get(code) ?? 0, `refused as ${code}`).toBeGreaterThan(0);
  }
});

/** One session, and the picture before and after every refusal in it. */
function refuseAlong(shape: Shape, policy: Policy, refusals: Map<string, number>): void {
  const engine = new Engine();
  const model = new Model();
  const random = new Random(seed, `${policy} ${shape}`);
  for (const command of setUp(shape, { policy, width: 64, quantum: 16n }, random)) {
    expect(judgeOne(engine, model, command, 'outcome').complaint).toBeUndefined();
  }
  const end = steps * tick;
  let before = pictureOf(engine, end);
  for (let step = 0; step < steps; step++) {
    const command = nextCommand(model, random, step * tick, crowdOf(shape));
    const { complaint, outcome } = judgeOne(engine, model, command, 'outcome');
    const context = `VMEMD_SEED=${seed} ${policy} ${shape} step ${step}`;
    if (complaint !== undefined) expect.fail(`${context}: ${complaint}`);
    const after = pictureOf(engine, end);
    if ('refused' in outcome) {
      if (after !== before) expect(after, `${context}: ${outcome.refused}`).toBe(before);
      refusals.set(outcome.refused, (refusals.get(outcome.refused) ?? 0) + 1);
    }
    before = after;
  }
}
