/**
 * The same commands give the same answers, and an engine rebuilt from the events of another goes on
 * exactly as that one would have: nothing that decides may live outside what the events rebuild.
 */
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { policies, type Command, type Policy } from '../../src/engine/command.ts';
import { Engine } from '../../src/engine/engine.ts';
import { changes, type Event } from '../../src/engine/event.ts';
import type { Refusal } from '../../src/engine/refusal.ts';
import { Model } from './model.ts';
import { nextCommand, tick } from './orders.ts';
import { pictureOf } from './picture.ts';
import { Random } from './random.ts';
import { judgeOne } from './session.ts';
import { crowdOf, setUp, shapes, type Shape } from './shape.ts';

const seed = Number(process.env['VMEMD_SEED'] ?? 4711);
const before = 250;
const after = 100;
/** The time of the last command. */
const end = (before + after) * tick;

describe('a replayed engine goes on like the live one', () => {
  const cases = policies.flatMap((policy) => shapes.map((shape) => [policy, shape] as const));
  test.each(cases)('%s %s', (policy, shape) => {
    const { live, model, random, commands, outcomes } = liveSession(policy, shape);
    const again = new Engine();
    for (const [at, command] of commands.entries()) {
      expectAlike(answer(again, command), outcomes[at]);
    }
    const replayed = new Engine();
    for (const outcome of outcomes) if (!('refused' in outcome)) apply(replayed, outcome);
    expect(pictureOf(again, end)).toBe(pictureOf(live, end));
    expect(pictureOf(replayed, end)).toBe(pictureOf(live, end));
    for (let step = 0; step < after; step++) {
      const command = nextCommand(model, random, (before + step) * tick, crowdOf(shape));
      const expected = replayed.decide(command);
      const { complaint, outcome } = judgeOne(live, model, command, 'state');
      const context = `VMEMD_SEED=${seed} step ${step}`;
      if (complaint !== undefined) expect.fail(`${context}: ${complaint}`);
      expectAlike(expected, outcome, context);
      if (!('refused' in outcome)) apply(replayed, outcome);
    }
    expect(pictureOf(replayed, end)).toBe(pictureOf(live, end));
  });
});

/** Compared without `expect` first, which takes longer than what is tested. */
function expectAlike(actual: unknown, expected: unknown, context?: string): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual, context).toEqual(expected);
}

function liveSession(policy: Policy, shape: Shape) {
  const live = new Engine();
  const model = new Model();
  const random = new Random(seed, `${policy} ${shape}`);
  const commands = setUp(shape, { policy, width: 64, quantum: 16n }, random);
  const outcomes: (Event | Refusal)[] = [];
  for (let step = 0; step < before; step++) {
    const command = commands[step] ?? nextCommand(model, random, step * tick, crowdOf(shape));
    const { complaint, outcome } = judgeOne(live, model, command, 'state');
    if (complaint !== undefined) expect.fail(`VMEMD_SEED=${seed} step ${step}: ${complaint}`);
    commands[step] = command;
    outcomes.push(outcome);
  }
  return { live, model, random, commands, outcomes };
}

function answer(engine: Engine, command: Command): Event | Refusal {
  const outcome = engine.decide(command);
  if (!('refused' in outcome)) apply(engine, outcome);
  return outcome;
}

function apply(engine: Engine, event: Event): void {
  if (!changes(event)) return;
  engine.apply(event, engine.revision + 1);
}
