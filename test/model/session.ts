/**
 * One random session: a setting, a shape and a seed. After every command the engine is compared
 * with the model: the outcome, every segment and every counter of every arena, and its own check.
 */
import type { Command } from '../../src/engine/command.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { Event } from '../../src/engine/event.ts';
import type { Refusal } from '../../src/engine/refusal.ts';
import type { SegmentView } from '../../src/engine/view.ts';
import type { ModelArena } from './arena.ts';
import { Model } from './model.ts';
import { nextCommand } from './orders.ts';
import { Random } from './random.ts';
import { setUp, type Setting, type Shape } from './shape.ts';

export interface Session extends Setting {
  readonly shape: Shape;
  readonly seed: number;
  readonly steps: number;
}

export interface Tally {
  granted: number;
  refused: number;
  imported: number;
  released: number;
}

/** In long sessions the engine checks itself only every so often: it is the dearest step. */
const checkEvery = 8;
const longSession = 500;

/**
 * Runs the session.
 *
 * @throws {Error} at the first disagreement, with all that is needed to replay it.
 */
export function runSession(session: Session): Tally {
  const engine = new Engine();
  const model = new Model();
  const random = new Random(session.seed, nameOf(session));
  const tally = { granted: 0, refused: 0, imported: 0, released: 0 };
  let step = 0;
  const act = (command: Command): Event | Refusal => {
    const every = session.steps > longSession ? checkEvery : 1;
    const { complaint, outcome } = judgeOne(engine, model, command, step % every === 0);
    if (complaint !== undefined) throw new Error(report(session, step, command, complaint, model));
    count(tally, outcome);
    return outcome;
  };
  for (const command of setUp(session.shape, session, random)) {
    const outcome = act(command);
    if ('refused' in outcome) throw new Error(`the shape was refused: ${outcome.detail}`);
  }
  for (; step < session.steps; step++) act(nextCommand(model, random, step));
  return tally;
}

export function nameOf({ policy, shape, width, quantum }: Session): string {
  return `${policy} ${shape} width=${width} quantum=${quantum}`;
}

/** Lets the engine decide and apply one command, and compares everything with the model. */
export function judgeOne(engine: Engine, model: Model, command: Command, thorough: boolean) {
  const outcome = engine.decide(command);
  if (!('refused' in outcome)) engine.apply(outcome, engine.revision + 1);
  const complaint = model.judge(command, outcome) ?? compareAll(engine, model, thorough);
  return { complaint, outcome };
}

/** What differs between the engine and the model, or nothing. */
export function compareAll(engine: Engine, model: Model, thorough: boolean): string | undefined {
  const names = engine.arenas(undefined, 100).map(({ arena }) => arena);
  const expected = [...model.arenas.keys()].sort();
  if (names.join() !== expected.join())
    return `arenas are ${names.join()}, must be ${expected.join()}`;
  for (const arena of model.arenas.values()) {
    const complaint = compareArena(engine, arena);
    if (complaint !== undefined) return `${arena.name}: ${complaint}`;
    if (!thorough) continue;
    const { problems } = engine.check(arena.name);
    if (problems.length > 0) return `${arena.name}: check says ${problems.join('; ')}`;
  }
  return undefined;
}

function compareArena(engine: Engine, arena: ModelArena): string | undefined {
  const view = engine.arena(arena.name);
  if (view === undefined) return 'is missing';
  const segments = arena.segments();
  const walked: SegmentView[] = [];
  engine.walkSegments(arena.name, 0n, (segment) => walked.push(segment) > 0);
  const differ = segments.findIndex((segment, at) => !same(segment, walked[at]));
  if (differ >= 0 || walked.length !== segments.length) {
    const at = differ < 0 ? segments.length : differ;
    return `segment ${at} is ${show(walked[at])}, must be ${show(segments[at])}`;
  }
  const counters = {
    size: arena.size(),
    allocated: arena.allocated(),
    free: arena.size() - arena.allocated(),
    resting: 0n,
    largestFree: arena.largestFree(),
    holes: arena.free().length,
    allocations: arena.held.length,
  };
  for (const [name, value] of Object.entries(counters)) {
    const got = view[name as keyof typeof counters];
    if (got !== value) return `${name} is ${got}, must be ${value}`;
  }
  return undefined;
}

function same(a: SegmentView, b: SegmentView | undefined): boolean {
  return b !== undefined && a.address === b.address && a.size === b.size && a.state === b.state;
}

function count(tally: Tally, outcome: Event | Refusal): void {
  if ('refused' in outcome) {
    tally.refused++;
    return;
  }
  tally.granted++;
  if (outcome.type === 'allocated') tally.imported += outcome.imported.length;
  if ('released' in outcome) tally.released += outcome.released.length;
}

function show(segment: SegmentView | undefined): string {
  return segment === undefined ? 'none' : `${segment.state} [${segment.address}, +${segment.size})`;
}

function report(
  session: Session,
  step: number,
  command: Command,
  complaint: string,
  model: Model,
): string {
  const arena = 'arena' in command ? model.arenas.get(command.arena) : undefined;
  const state = arena?.segments().map(show).slice(0, 40).join(' ') ?? '';
  const shown = JSON.stringify(command, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}` : value,
  );
  return [
    `${nameOf(session)}: step ${step}: ${complaint}`,
    `command: ${shown}`,
    `model's segments (after, if it adopted the outcome): ${state}`,
    `replay: VMEMD_SEED=${session.seed} npm test -- test/model/model.test.ts -t '${session.policy} ${session.shape}'`,
  ].join('\n');
}
