/**
 * A preview that cannot lie: while the highest revision of an arena and its sources stays the same, a
 * request for a block is answered the same, whatever happens elsewhere. In random sessions a few
 * requests are asked again and again, and answers are compared by that revision.
 */
import { expect, test } from 'vitest';
import { policies, type Alloc, type At, type Policy } from '../../src/engine/command.ts';
import { Engine } from '../../src/engine/engine.ts';
import { Model } from './model.ts';
import { nextCommand, tick } from './orders.ts';
import { Random } from './random.ts';
import { judgeOne } from './session.ts';
import { crowdOf, setUp, type Shape } from './shape.ts';

const seed = Number(process.env['VMEMD_SEED'] ?? 2718);
const steps = 240;
/** Requests that are asked at a time. */
const askedMax = 12;
const shapes: readonly Shape[] = ['imports2', 'imports3', 'imports4', 'cachesAndImports', 'comb'];

interface Asked {
  readonly command: At<Alloc>;
  readonly tag: number;
  /** Revision of the arena alone. */
  readonly own: number;
  readonly answer: string;
}

test('the same tag means the same answer', { timeout: 60_000 }, () => {
  let [same, moved, bySource] = [0, 0, 0];
  for (const shape of shapes) {
    for (const policy of policies) {
      const counts = session(shape, policy);
      same += counts.same;
      moved += counts.moved;
      bySource += counts.bySource;
    }
  }
  // The tag is that of a moving state, and the arena's own revision would not have done.
  expect(same).toBeGreaterThan(500);
  expect(moved).toBeGreaterThan(500);
  expect(bySource).toBeGreaterThan(2);
});

function session(shape: Shape, policy: Policy) {
  const engine = new Engine();
  const model = new Model();
  const random = new Random(seed, `${policy} ${shape}`);
  for (const command of setUp(shape, { policy, width: 64, quantum: 16n }, random)) {
    judgeOne(engine, model, command, 'outcome');
  }
  const counts = { same: 0, moved: 0, bySource: 0 };
  let asked: Asked[] = [];
  for (let step = 0; step < steps; step++) {
    const command = nextCommand(model, random, step * tick, crowdOf(shape));
    expect(judgeOne(engine, model, command, 'outcome').complaint).toBeUndefined();
    asked = asked.filter((before) => {
      const now = ask(engine, before.command);
      if (now === undefined) return false;
      if (now.tag === before.tag) {
        const context = `VMEMD_SEED=${seed} ${policy} ${shape} step ${step}`;
        expect(now.answer, context).toBe(before.answer);
        counts.same++;
        return true;
      }
      if (now.answer !== before.answer) counts.moved++;
      if (now.answer !== before.answer && now.own === before.own) counts.bySource++;
      return false;
    });
    if (asked.length === askedMax) continue;
    if (command.type !== 'alloc' && command.type !== 'xalloc') continue;
    // Its lease may end without a change of the arena.
    const { seed: _, lease: __, ttlSeconds: ___, ...plain } = command;
    const fresh = ask(engine, { ...plain, at: 0 });
    if (fresh !== undefined) asked.push(fresh);
  }
  return counts;
}

function ask(engine: Engine, command: At<Alloc>): Asked | undefined {
  const tag = engine.chainRevision(command.arena);
  if (tag === undefined) return undefined;
  const answer = JSON.stringify(engine.decide(command), (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}` : value,
  );
  return { command, tag, own: engine.arena(command.arena)!.revision, answer };
}
