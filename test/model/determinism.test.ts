/**
 * The same commands give the same answers, and an engine rebuilt from the events of another goes on
 * exactly as that one would have: nothing that decides may live outside what the events rebuild.
 */
import { describe, expect, test } from 'vitest';
import { policies, type Command, type Policy } from '../../src/engine/command.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { Event } from '../../src/engine/event.ts';
import type { Refusal } from '../../src/engine/refusal.ts';
import { walk } from '../engine/harness.ts';
import { Model } from './model.ts';
import { nextCommand } from './orders.ts';
import { Random } from './random.ts';
import { judgeOne } from './session.ts';
import { crowdOf, setUp, shapes, type Shape } from './shape.ts';

const seed = Number(process.env['VMEMD_SEED'] ?? 4711);
const before = 250;
const after = 100;

describe('a replayed engine goes on like the live one', () => {
  const cases = policies.flatMap((policy) => shapes.map((shape) => [policy, shape] as const));
  test.each(cases)('%s %s', (policy, shape) => {
    const { live, model, random, commands, outcomes } = liveSession(policy, shape);
    const again = new Engine();
    for (const [at, command] of commands.entries()) {
      expect(answer(again, command)).toEqual(outcomes[at]);
    }
    const replayed = new Engine();
    for (const outcome of outcomes) if (!('refused' in outcome)) apply(replayed, outcome);
    expect(picture(again)).toEqual(picture(live));
    expect(picture(replayed)).toEqual(picture(live));
    for (let step = 0; step < after; step++) {
      const command = nextCommand(model, random, before + step, crowdOf(shape));
      const expected = replayed.decide(command);
      const { complaint, outcome } = judgeOne(live, model, command, 'state');
      expect(complaint).toBeUndefined();
      expect(expected, `VMEMD_SEED=${seed} step ${step}`).toEqual(outcome);
      if (!('refused' in outcome)) apply(replayed, outcome);
    }
    expect(picture(replayed)).toEqual(picture(live));
  });
});

function liveSession(policy: Policy, shape: Shape) {
  const live = new Engine();
  const model = new Model();
  const random = new Random(seed, `${policy} ${shape}`);
  const commands = setUp(shape, { policy, width: 64, quantum: 16n }, random);
  const outcomes: (Event | Refusal)[] = [];
  for (let step = 0; step < before; step++) {
    const command = commands[step] ?? nextCommand(model, random, step, crowdOf(shape));
    const { complaint, outcome } = judgeOne(live, model, command, 'state');
    expect(complaint, `VMEMD_SEED=${seed} step ${step}`).toBeUndefined();
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
  engine.apply(event, engine.revision + 1);
}

/** All that can be seen of an engine. */
function picture(engine: Engine) {
  return engine.arenas(undefined, 1000).map((view) => {
    const allocations: unknown[] = [];
    engine.walkAllocations(view.arena, 0n, (allocation) => allocations.push(allocation) > 0);
    const spans = engine.spans(view.arena, 0n, 1000);
    return { view, spans, allocations, segments: walk(engine, view.arena) };
  });
}
