/**
 * Limits of owners in the model: what an owner holds is the sum over what the arena shows as its, counted
 * anew each time.
 */
import type { Alloc, OwnerLimit, Tuning } from '../../src/engine/command.ts';
import type { OwnerView } from '../../src/engine/view.ts';
import type { ModelArena } from './arena.ts';
import { ceil } from './placement.ts';
import type { Random } from './random.ts';
import { pieceSizeOf } from './slab.ts';
import { can, must, type Verdict } from './verdict.ts';

export const owners = ['ann', 'bob', 'cid'];
const none = 1n << 128n;

/** Whether the owner would hold more than it may, with so much more. */
export function overdraws(arena: ModelArena, owner: string | undefined, more: bigint): boolean {
  if (owner === undefined) return false;
  const limit = limitOf(arena, owner);
  return limit !== undefined && heldBy(arena, owner) + more > limit;
}

/** The same of a request: one that a quantum cache may serve counts as a piece of it. */
export function overdrawsAsking(arena: ModelArena, { type, owner, size }: Alloc): boolean {
  const { quantum, quantumCacheMax } = arena.settings;
  const whole = ceil(size, quantum);
  const isPiece = type === 'alloc' && whole <= quantumCacheMax;
  return overdraws(arena, owner, isPiece ? pieceSizeOf(whole, arena.settings) : whole);
}

/** What the engine must list. */
export function ownersOf(arena: ModelArena): OwnerView[] {
  const names = new Set(arena.held.flatMap(({ owner }) => (owner === undefined ? [] : [owner])));
  return [...names].toSorted().map((owner) => {
    const limit = limitOf(arena, owner);
    return {
      owner,
      allocated: heldBy(arena, owner),
      allocations: arena.held.filter((one) => one.owner === owner).length,
      ...(limit === undefined ? {} : { limit }),
    };
  });
}

export function verdictOnOwnerLimits(limits: readonly OwnerLimit[] = []): Verdict {
  const names = limits.map(({ owner }) => owner);
  const twice = names.findIndex((owner, i) => names.indexOf(owner) < i);
  return twice < 0 ? can : { ...must('invalid-request'), pointer: `/ownerLimits/${twice}/owner` };
}

/** Limits about what is held, below it too, for all or for some; now and then one owner twice. */
export function drawOwnerLimits(arena: ModelArena, random: Random): Partial<Tuning> {
  const some = (owner: string): bigint => {
    const held = heldBy(arena, owner);
    if (random.chance(0.2)) return random.pick([0n, held, none]);
    return held + random.magnitude(arena.size() / 4n + 1n) - random.magnitude(held + 1n);
  };
  const limits = owners
    .filter(() => random.chance(0.4))
    .map((owner) => ({ owner, limit: within(some(owner)) }));
  if (limits.length > 0 && random.chance(0.05)) limits.push({ owner: limits[0]!.owner, limit: 0n });
  const ownerLimit = random.chance(0.4) ? none : within(some(random.pick(owners)));
  return random.pick([
    { ownerLimit },
    { ownerLimits: random.shuffle(limits) },
    { ownerLimit, ownerLimits: random.shuffle(limits) },
  ]);
}

function within(limit: bigint): bigint {
  if (limit < 0n) return 0n;
  return limit > none ? none : limit;
}

function heldBy(arena: ModelArena, owner: string): bigint {
  let held = 0n;
  for (const one of arena.held) if (one.owner === owner) held += one.size;
  return held;
}

function limitOf({ settings }: ModelArena, owner: string): bigint | undefined {
  const own = settings.ownerLimits?.find((one) => one.owner === owner)?.limit;
  const limit = own ?? settings.ownerLimit;
  return own === undefined && limit === none ? undefined : limit;
}
