/**
 * Draws the next command of a random session. It looks at the model to aim: at borders of
 * segments, at sizes that just fit or just do not, at blocks that exist; and keeps the number of
 * blocks within bounds, because the model's cost grows with it.
 */
import {
  policies,
  type Alloc,
  type At,
  type Constraint,
  type Policy,
  type Range,
  type Tuning,
} from '../../src/engine/command.ts';
import type { SingleCommand } from '../../src/engine/decide.ts';
import type { ModelArena } from './arena.ts';
import { drawBands } from './band.ts';
import { drawExternalId } from './external-id.ts';
import { drawOwnerLimits, owners } from './owner.ts';
import { isPowerOfTwo, type Segment } from './placement.ts';
import { neverARevision, type Model } from './model.ts';
import type { Random } from './random.ts';
import { rested } from './rest.ts';
import { createArena } from './shape.ts';
import { drawMerge, drawSplit } from './split.ts';

/** Milliseconds between two commands, so that spans kept for seconds come due within a session. */
export const tick = 250;

type Draft = { -readonly [K in keyof Constraint]: Constraint[K] };

/**
 * The next command of the session, with `at` as its time. An arena with more than `crowd` blocks is
 * mostly freed.
 */
export function nextCommand(
  model: Model,
  random: Random,
  at: number,
  crowd: number,
): SingleCommand {
  const command = draw(model, random, at, crowd);
  const guarded = [
    'free',
    'resize',
    'split',
    'merge',
    'destroyArena',
    'updateArena',
    'updateAllocation',
    'revokeLease',
    'undelete',
  ];
  if (!guarded.includes(command.type) || !random.chance(0.02)) return command;
  return { ...command, ifRevision: neverARevision } as SingleCommand;
}

function draw(model: Model, random: Random, at: number, crowd: number): SingleCommand {
  const names = [...model.arenas.keys()];
  if (random.chance(0.003)) return missing(random, at);
  const lowest = names.includes('a') ? 'a' : random.pick(names);
  const arena = model.lookup(random.chance(0.75) ? lowest : random.pick(names));
  const crowded = arena.held.length > crowd;
  const kind = random.weighted({
    alloc: crowded ? 5 : 28,
    xalloc: crowded ? 10 : 34,
    free: crowded ? 60 : 22,
    badFree: 3,
    resize: 6,
    split: 4,
    merge: 5,
    addSpan: arena.spans.length > 16 ? 0.5 : 1.5,
    removeSpan: 2,
    freeAll: 0.3,
    update: 2.5,
    releaseSpans: arena.settings.source === undefined ? 0.1 : 2,
    label: 1.5,
    undelete: arena.resting.length > 0 ? 4 : 0.2,
    endRests: arena.resting.length > 20 ? 25 : arena.resting.length > 0 ? 6 : 0.1,
    create: 1,
    destroy: 0.5,
    lease: 3,
  });
  switch (kind) {
    case 'alloc':
    case 'xalloc':
      return named(arena, random, {
        ...alloc(arena, random, at, kind),
        ...underLease(model, random),
      });
    case 'free':
    case 'badFree':
      return free(arena, random, at, kind === 'badFree');
    case 'resize':
      return resize(arena, random, at);
    case 'split':
      return drawSplit(arena, random, at);
    case 'merge':
      return drawMerge(arena, random, at);
    case 'addSpan':
      return { type: 'addSpan', at, arena: arena.name, ...newSpan(arena, random) };
    case 'removeSpan':
      return { type: 'removeSpan', at, arena: arena.name, base: spanBase(arena, random) };
    case 'freeAll':
      return { type: 'freeAll', at, arena: arena.name };
    case 'update':
      return { type: 'updateArena', at, arena: arena.name, changes: changes(arena, random) };
    case 'releaseSpans':
      return releaseSpans(model, arena, random, at);
    case 'undelete':
      return undelete(arena, random, at);
    case 'endRests':
      return endRests(arena, random, at);
    case 'label':
      return label(arena, random, at);
    case 'create':
      return create(arena, random, at);
    case 'destroy':
      return destroy(arena, random, at);
    case 'lease':
      return lease(model, random, at);
  }
}

function missing(random: Random, at: number): SingleCommand {
  const arena = 'no-such-arena';
  return random.pick<SingleCommand>([
    { type: 'freeAll', at, arena },
    { type: 'free', at, arena, address: 0n },
    { type: 'addSpan', at, arena, base: 0n, size: 0n },
    { type: 'destroyArena', at, arena, force: true },
  ]);
}

function alloc(arena: ModelArena, random: Random, at: number, type: 'alloc' | 'xalloc'): At<Alloc> {
  const reuse = arena.resting.length > 0 && random.chance(0.4);
  const size = someSize(reuse && random.chance(0.6) ? rested(arena) : arena, random);
  const bands = arena.settings.bands ?? [];
  const limited = (arena.settings.ownerLimit ?? arena.settings.ownerLimits) !== undefined;
  const inBand = type === 'xalloc' && random.chance(bands.length > 0 ? 0.35 : 0.01);
  const policy = random.chance(0.15) ? { policy: random.pick<Policy>(policies) } : {};
  return {
    type,
    at,
    arena: arena.name,
    size,
    constraint: type === 'alloc' ? {} : someConstraint(arena, random, size),
    ...(inBand ? { band: random.pick([...bands.map(({ name }) => name), 'no-such-band']) } : {}),
    labels: random.chance(0.9) ? {} : { colour: 'red' },
    ...(random.chance(limited ? 0.7 : 0.2) ? { owner: random.pick(owners) } : {}),
    seed: random.bits(),
    ...policy,
    ...(reuse ? { reuse } : {}),
  };
}

function named(arena: ModelArena, random: Random, command: At<Alloc>): At<Alloc> {
  const drawn = drawExternalId(arena, random);
  // A lease that is named has its time already.
  const { ttlSeconds: _, ...joined } = command;
  const asked = { ...(drawn.lease === undefined ? command : joined), ...drawn };
  return Object.keys(asked.constraint).length > 0 ? { ...asked, type: 'xalloc' } : asked;
}

/** A lease that there is, one of its own, one that has ended, or none. */
function underLease(model: Model, random: Random): Pick<Alloc, 'lease' | 'ttlSeconds'> {
  const ids = [...model.leases.keys()];
  switch (random.weighted({ none: 60, joins: 25, own: 14, ended: 1 })) {
    case 'none':
      return {};
    case 'joins':
      return ids.length === 0 ? {} : { lease: random.pick(ids) };
    case 'own':
      return { lease: newLease(random), ttlSeconds: 1 + random.int(3) };
    case 'ended':
      return { lease: newLease(random) };
  }
}

export function newLease(random: Random): string {
  const [first, last] = [random.bits(), random.bits()].map((bits) => bits.toString(16));
  return `${first!.padStart(8, '0')}-0000-4000-8000-${last!.padStart(12, '0')}`;
}

/** Few leases last, so that each comes to hold several allocations. */
function lease(model: Model, random: Random, at: number): SingleCommand {
  const ids = [...model.leases.keys()];
  const few = ids.length < 4;
  const one = ids.length === 0 || random.chance(0.03) ? newLease(random) : random.pick(ids);
  switch (random.weighted({ create: few ? 40 : 3, renew: 15, revoke: 15, expire: 25 })) {
    case 'create': {
      const ttlSeconds = 1 + random.int(3);
      const owner = random.chance(0.5) ? { owner: 'somebody' } : {};
      return { type: 'createLease', at, lease: newLease(random), ttlSeconds, labels: {}, ...owner };
    }
    case 'renew': {
      const ttl = random.chance(0.5) ? { ttlSeconds: 1 + random.int(3) } : {};
      return { type: 'renewLease', at, lease: one, ...ttl };
    }
    case 'revoke':
      return { type: 'revokeLease', at, lease: one };
    case 'expire': {
      const others = random.shuffle(ids.filter((id) => id !== one)).slice(0, random.int(3));
      return { type: 'expireLeases', at, leases: [...others, one] };
    }
  }
}

/** Mostly valid constraints; each field is there or not, and rarely a wrong one slips in. */
function someConstraint(arena: ModelArena, random: Random, size: bigint): Constraint {
  const { quantum } = arena.settings;
  const marks = landmarks(arena, random);
  const top = topOf(arena);
  const constraint: Draft = {};
  if (random.chance(0.12)) {
    const exact = random.address(top, quantum, marks);
    constraint.address = random.chance(0.95) ? exact - (exact % quantum) : exact;
    if (random.chance(0.8)) return constraint;
  }
  if (random.chance(0.55)) constraint.align = someAlign(arena, random, size);
  if (constraint.align !== undefined && random.chance(0.3)) {
    const phase = random.big(constraint.align + 1n);
    constraint.phase = random.chance(0.95) ? phase - (phase % quantum) : phase;
  }
  if (random.chance(0.25)) addBoundary(constraint, size, quantum, random);
  if (random.chance(0.35)) constraint.min = random.address(top, quantum, marks);
  if (random.chance(0.35)) constraint.max = random.address(top, quantum, marks);
  const { min, max } = constraint;
  const swap = min !== undefined && max !== undefined && min > max && random.chance(0.95);
  if (swap) Object.assign(constraint, { min: max, max: min });
  return constraint;
}

function someAlign(arena: ModelArena, random: Random, size: bigint): bigint {
  const { quantum } = arena.settings;
  const kind = random.weighted({ natural: 30, power: 45, multiple: 22, wrong: 3 });
  if (kind === 'natural') return powerAbove(size);
  if (kind === 'power') return random.power(arena.largestFree() + quantum);
  if (kind === 'multiple') return quantum * BigInt(1 + random.int(40));
  return quantum * 4n + 1n;
}

/** A boundary that holds the size, or rarely one that does not. */
function addBoundary(constraint: Draft, size: bigint, quantum: bigint, random: Random): void {
  const least = powerAbove(size > quantum ? size : quantum);
  const boundary = random.chance(0.03) ? least >> 1n || 1n : least << BigInt(random.int(5));
  // With an odd alignment the model tries as many starts as the boundary has quanta: keep it low.
  const odd = constraint.align !== undefined && !isPowerOfTwo(constraint.align);
  if (!odd || boundary <= quantum * 4096n) constraint.nocross = boundary;
}

function free(arena: ModelArena, random: Random, at: number, bad: boolean): SingleCommand {
  const { name, settings, held } = arena;
  if (held.length === 0 || (bad && random.chance(0.6))) {
    const address = random.address(topOf(arena), settings.quantum, landmarks(arena, random));
    return { type: 'free', at, arena: name, address };
  }
  const { base: address, size } = random.pick(held);
  if (bad) {
    const wrong = size + random.pick([settings.quantum, -settings.quantum, 1n]);
    return { type: 'free', at, arena: name, address, size: wrong };
  }
  const given = random.pick([{}, { size }, { size: size - settings.quantum + 1n }]);
  return { type: 'free', at, arena: name, address, ...given };
}

function resize(arena: ModelArena, random: Random, at: number): SingleCommand {
  const { quantum } = arena.settings;
  if (arena.held.length === 0) {
    return { type: 'resize', at, arena: arena.name, address: 0n, size: quantum };
  }
  const { base: address, size: now } = random.pick(arena.held);
  const behind = arena.free().find((segment) => segment.base === address + now);
  const room = now + (behind?.size ?? 0n);
  const size = random.pick([room, room + random.nudge(quantum), random.magnitude(room), now]);
  return { type: 'resize', at, arena: arena.name, address, size };
}

/**
 * A new static span: beside others, over others, or wrong. Where arenas import it lies mostly next
 * to static spans, because further up or down the chain others own the addresses.
 */
function newSpan(arena: ModelArena, random: Random): Range {
  const { quantum, source } = arena.settings;
  const size = quantum * random.magnitude(40n) + (random.chance(0.05) ? random.nudge(1n) : 0n);
  const near = source !== undefined && random.chance(0.8) ? statics(arena) : arena.spans;
  const marks = near.flatMap(({ base, size: extent }) => [base, base + extent, base - size]);
  const base = random.address(topOf(arena), quantum, marks);
  const aligned = random.chance(0.9) ? base - (base % quantum) : base;
  return { base: aligned, size: size < 0n ? 0n : size };
}

function spanBase(arena: ModelArena, random: Random): bigint {
  if (arena.spans.length === 0) return 0n;
  const { base } = random.pick(arena.spans);
  return random.chance(0.8) ? base : base + arena.settings.quantum;
}

function changes(arena: ModelArena, random: Random): Partial<Tuning> {
  const { quantum } = arena.settings;
  const none = topOf(arena) + 1n;
  const kinds = {
    policy: 30,
    limit: 30,
    keep: 20,
    quarantine: arena.held.length > 400 ? 0 : 20,
    importSize: 15,
    wrong: 5,
    bands: 40,
    owners: 40,
  };
  switch (random.weighted(kinds)) {
    case 'bands':
      return { bands: drawBands(arena, random) };
    case 'owners':
      return drawOwnerLimits(arena, random);
    case 'policy':
      return { policy: random.pick<Policy>(policies) };
    case 'limit': {
      if (!random.chance(0.5)) return { limit: none };
      // More than 2^128 gets past neither the edge nor the journal.
      const limit = arena.allocated() + random.magnitude(arena.size() + 1n);
      return { limit: limit > none ? none : limit };
    }
    case 'keep':
      return { keepSpans: random.int(3), releaseAfterSeconds: random.pick([0, 0, 1, 3]) };
    case 'quarantine':
      return { quarantineSeconds: random.pick([0, 1, 3600]) };
    case 'importSize': {
      const importSize = quantum * BigInt(1 + random.int(32));
      return { importSize, largeImport: random.chance(0.4) };
    }
    case 'wrong':
      return { importSize: random.pick([0n, quantum * 2n + 1n, -quantum]) };
  }
}

/** Mostly what is due; else with an older or a younger bound than is due. */
function releaseSpans(model: Model, arena: ModelArena, random: Random, at: number): SingleCommand {
  const idling = model.idling();
  if (idling.length > 0 && random.chance(0.7)) {
    const { arena: name, since } = random.pick(idling);
    return { type: 'releaseSpans', at, arena: name, freeSince: since + random.int(4) };
  }
  const freeSince = Math.max(0, model.revision - random.int(20));
  return { type: 'releaseSpans', at, arena: arena.name, freeSince };
}

/** Mostly what rests, by its owner. */
function undelete(arena: ModelArena, random: Random, at: number): SingleCommand {
  const some = random.chance(0.9) ? arena.resting : arena.free();
  const { base: address } = some.length > 0 ? random.pick<Segment>(some) : { base: 0n };
  const owner = random.chance(0.1) ? 'ann' : arena.restAt(address)?.former?.owner;
  const named = owner === undefined ? {} : { owner };
  return { type: 'undelete', at, arena: arena.name, address, ...named };
}

/** Mostly a few, now and then all that rest. */
function endRests(arena: ModelArena, random: Random, at: number): SingleCommand {
  const since = arena.resting.length > 0 ? random.pick(arena.resting).since : 0;
  const most = random.pick([1, 3, 1000]);
  return { type: 'endRests', at, arena: arena.name, restingSince: since, most };
}

function label(arena: ModelArena, random: Random, at: number): SingleCommand {
  const address = arena.held.length > 0 ? random.pick(arena.held).base : 0n;
  const owner = random.pick(owners);
  const changes = random.pick([{ labels: { colour: 'red' } }, { owner }, { labels: {}, owner }]);
  return { type: 'updateAllocation', at, arena: arena.name, address, ...changes };
}

/** A new arena beside the others, often one that exists already or whose spans are wrong. */
function create(arena: ModelArena, random: Random, at: number): SingleCommand {
  const { policy, width, quantum, source } = arena.settings;
  const spans = [{ base: quantum * 100_000n, size: quantum * 8n }];
  if (random.chance(0.2)) spans.push({ base: quantum * 100_004n, size: quantum * 8n });
  if (random.chance(0.1)) spans.push({ base: quantum * 200_000n, size: 0n });
  const name = random.pick([arena.name, 'spare']);
  const from = random.chance(0.1) ? 'no-such-arena' : source;
  const more = { spans, at, ...(from === undefined ? {} : { source: from }) };
  return createArena(name, { policy, width, quantum }, more);
}

/** The spare arena, or one that must not go: the session would end without the others. */
function destroy(arena: ModelArena, random: Random, at: number): SingleCommand {
  const force = random.chance(0.5);
  const refused = arena.held.length > 0 && !force;
  return { type: 'destroyArena', at, arena: refused ? arena.name : 'spare', force };
}

function someSize(arena: ModelArena, random: Random): bigint {
  const free = arena.free();
  const offers = free.length > 0 ? [random.pick(free).size, arena.largestFree()] : [];
  const most = arena.largestFree() > 0n ? arena.largestFree() : arena.settings.quantum * 64n;
  // Small requests keep the arena full of blocks; large ones find its limits.
  const max = random.chance(0.7) ? (most >> 4n) + arena.settings.quantum : most;
  return random.size(max, arena.settings.quantum, offers);
}

/** Borders of a few segments and spans. */
function landmarks(arena: ModelArena, random: Random): bigint[] {
  const some = [...arena.free(), ...arena.held, ...arena.resting, ...arena.spans];
  if (some.length === 0) return [0n];
  const { base, size } = random.pick(some);
  const other = random.pick(some);
  return [base, base + size, base + size - 1n, other.base, other.base + other.size];
}

function statics(arena: ModelArena) {
  return arena.spans.filter((span) => span.kind === 'static');
}

function topOf(arena: ModelArena): bigint {
  return (1n << BigInt(arena.settings.width)) - 1n;
}

function powerAbove(size: bigint): bigint {
  return size <= 1n ? 1n : 1n << BigInt((size - 1n).toString(2).length);
}
