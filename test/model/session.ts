/**
 * One random session: a setting, a shape and a seed. After every command the engine is compared
 * with the model: the outcome, every segment and every counter of every arena, and its own check.
 *
 * Now and then the engine is rebuilt from its snapshot, and the session goes on with the new one;
 * another engine, which only applies the events, must always have the same snapshot.
 */
import { inspect, isDeepStrictEqual } from 'node:util';
import type { Command, Labels } from '../../src/engine/command.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { SingleCommand } from '../../src/engine/decide.ts';
import { changes, type Event } from '../../src/engine/event.ts';
import type { Refusal } from '../../src/engine/refusal.ts';
import type { LeaseView, SegmentView } from '../../src/engine/view.ts';
import type { ModelArena } from './arena.ts';
import { drawBands } from './band.ts';
import { judgeBatch, nextBatch, type SingleOutcome } from './batch.ts';
import { engineFrom, linesOf } from './checkpoint.ts';
import { leaseViews } from './lease.ts';
import { Model } from './model.ts';
import { nextCommand, tick } from './orders.ts';
import { drawOwnerLimits, ownersOf } from './owner.ts';
import { Random } from './random.ts';
import { crowdOf, setUp, type Setting, type Shape } from './shape.ts';

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
  /** Batches that were granted. */
  batches: number;
}

/** What is compared: the outcome alone, segments and counters too, or the engine's own check too. */
export type Depth = 'outcome' | 'state' | 'check';

/** Before a command there is a batch so often. */
const batchChance = 0.06;
/** In long or large sessions the engine checks itself every so often: it is the dearest step. */
const checkEvery = 8;
const longSession = 500;
/** Commands from one snapshot to the next: no multiple of the above, so that all steps get their turn. */
const snapshotEvery = 15;
/** Revisions from one look at what owners hold to the next. */
const holdingsEvery = 4;

/**
 * Runs the session.
 *
 * @throws {Error} at the first disagreement, with all that is needed to replay it.
 */
export function runSession(session: Session): Tally {
  let engine = new Engine();
  const replayed = new Engine();
  const model = new Model();
  const random = new Random(session.seed, nameOf(session));
  const tally = { granted: 0, refused: 0, imported: 0, released: 0, batches: 0 };
  const every = session.steps > longSession || session.shape === 'deep' ? checkEvery : 1;
  let step = 0;
  const act = (command: Command, depth: Depth): Event | Refusal => {
    const { complaint, outcome } = judgeOne(engine, model, command, depth);
    if (complaint !== undefined) throw new Error(report(session, step, command, complaint, model));
    if (!('refused' in outcome) && changes(outcome)) replayed.apply(outcome, engine.revision);
    count(tally, outcome);
    return outcome;
  };
  const commands = setUp(session.shape, session, random);
  for (const [at, command] of commands.entries()) {
    const outcome = act(command, at % 64 === 0 || at === commands.length - 1 ? 'check' : 'outcome');
    if ('refused' in outcome) throw new Error(`the shape was refused: ${outcome.detail}`);
  }
  // Half of the sessions begin with bands.
  if (random.chance(0.5)) {
    const changes = { bands: drawBands(model.lookup('a'), random) };
    act({ type: 'updateArena', at: 0, arena: 'a', changes }, 'check');
  }
  // And a third with limits of owners.
  if (random.chance(0.3)) {
    const changes = drawOwnerLimits(model.lookup('a'), random);
    act({ type: 'updateArena', at: 0, arena: 'a', changes }, 'check');
  }
  const crowd = crowdOf(session.shape);
  for (; step < session.steps; step++) {
    if (random.chance(batchChance)) {
      const batch = nextBatch(model, random, step * tick, crowd);
      const outcome = act(batch, 'check');
      tally.batches += 'refused' in outcome ? 0 : 1;
    }
    const command = nextCommand(model, random, step * tick, crowd);
    act(command, step % every === 0 ? 'check' : 'state');
    if (step % (snapshotEvery * every) !== 0) continue;
    const lines = linesOf(engine);
    engine = engineFrom(lines, engine.revision);
    const differs = differenceOf(lines, linesOf(engine), linesOf(replayed));
    if (differs !== undefined) throw new Error(report(session, step, command, differs, model));
  }
  return tally;
}

export function nameOf({ policy, shape, width, quantum }: Session): string {
  return `${policy} ${shape} width=${width} quantum=${quantum}`;
}

/** Lets the engine decide and apply one command, and compares everything with the model. */
export function judgeOne(engine: Engine, model: Model, command: Command, depth: Depth) {
  const { complaint, outcome } =
    command.type === 'batch'
      ? judgeBatch(engine, model, command)
      : judgeSingle(engine, model, command);
  const wrong = complaint ?? compareAll(engine, model, depth) ?? compareIdling(engine, model);
  return { complaint: wrong, outcome };
}

function judgeSingle(engine: Engine, model: Model, command: SingleCommand) {
  const outcome = engine.decide(command) as SingleOutcome;
  if (!('refused' in outcome) && changes(outcome)) engine.apply(outcome, engine.revision + 1);
  return { complaint: model.judge(command, outcome), outcome };
}

/** What differs between the engine and the model, or nothing. */
function compareAll(engine: Engine, model: Model, depth: Depth): string | undefined {
  if (depth === 'outcome') return undefined;
  const names = engine.arenas(undefined, 100).map(({ arena }) => arena);
  const expected = [...model.arenas.keys()].toSorted();
  if (names.join() !== expected.join())
    return `arenas are ${names.join()}, must be ${expected.join()}`;
  const unlike = compareLeases(engine, model);
  if (unlike !== undefined) return unlike;
  for (const arena of model.arenas.values()) {
    const complaint = compareArena(engine, arena);
    if (complaint !== undefined) return `${arena.name}: ${complaint}`;
    if (depth !== 'check') continue;
    const { problems } = engine.check(arena.name);
    if (problems.length > 0) return `${arena.name}: check says ${problems.join('; ')}`;
  }
  return undefined;
}

function compareIdling(engine: Engine, model: Model): string | undefined {
  for (const what of ['idling', 'resting'] as const) {
    const got = JSON.stringify(engine[what]());
    const expected = JSON.stringify(model[what]());
    if (got !== expected) return `${what} is ${got}, must be ${expected}`;
  }
  return undefined;
}

function compareLeases(engine: Engine, model: Model): string | undefined {
  const leases: LeaseView[] = [];
  engine.walkLeases('', (lease) => leases.push(lease) > 0);
  const expected = leaseViews(model);
  const alike = leases.length === expected.length;
  if (alike && leases.every((lease, at) => sameLease(lease, expected[at]!))) return undefined;
  return `leases are ${JSON.stringify(leases)}, must be ${JSON.stringify(expected)}`;
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
  const known = knownOf(engine, arena) ?? holdingsOf(engine, arena);
  if (known !== undefined) return known;
  const counters = {
    size: arena.size(),
    allocated: arena.allocated(),
    free: arena.freeSize(),
    cached: arena.cached(),
    resting: arena.restingSize(),
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

/** What is known of an allocation that the model knows otherwise. */
function knownOf(engine: Engine, arena: ModelArena): string | undefined {
  let at = 0;
  let complaint: string | undefined;
  engine.walkAllocations(arena.name, 0n, ({ address, labels, owner, importedBy }) => {
    const held = arena.held[at++];
    const alike = held?.base === address && sameLabels(held.labels, labels);
    if (alike && held.owner === owner && held.importedBy === importedBy) return true;
    complaint = `the allocation at ${address} is ${JSON.stringify({ labels, owner, importedBy })}`;
    return false;
  });
  return complaint;
}

/** What an owner holds otherwise; asked only now and then, because from then on it is counted. */
function holdingsOf(engine: Engine, arena: ModelArena): string | undefined {
  if (engine.revision % holdingsEvery > 0) return undefined;
  const owners = engine.owners(arena.name, '', 100);
  const expected = ownersOf(arena);
  if (isDeepStrictEqual(owners, expected)) return undefined;
  return `owners are ${inspect(owners)}, must be ${inspect(expected)}`;
}

/** With the same fields and no others. */
function sameLease(a: LeaseView, b: LeaseView): boolean {
  const keys = Object.keys(a) as (keyof LeaseView)[];
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) =>
    key === 'labels' ? sameLabels(a.labels, b.labels) : Object.hasOwn(b, key) && a[key] === b[key],
  );
}

function sameLabels(a: Labels, b: Labels): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
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

/** Where the snapshots of the engine, of the one rebuilt from it and of the replayed one differ. */
function differenceOf(engine: string[], rebuilt: string[], replayed: string[]): string | undefined {
  for (const [name, lines] of Object.entries({ rebuilt, replayed })) {
    const at = engine.findIndex((line, i) => line !== lines[i]);
    if (at < 0 && engine.length === lines.length) continue;
    return `the snapshot is ${engine[at]}, but ${lines[at]} of the ${name} engine`;
  }
  return undefined;
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
  const test = `${session.policy} ${session.shape}`;
  const steps = process.env['VMEMD_STEPS'];
  const given = steps === undefined ? '' : ` VMEMD_STEPS=${steps}`;
  const variables = `VMEMD_SEED=${session.seed}${given}`;
  return [
    `${nameOf(session)}: step ${step}: ${complaint}`,
    `command: ${shown}`,
    `model's segments (after, if it adopted the outcome): ${state}`,
    `replay: ${variables} npm test -- model/model -t '${test}'`,
  ].join('\n');
}
