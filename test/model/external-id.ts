/** Allocations by an id of the client's own: what has it is answered again, if it is what is asked. */
import type { Alloc } from '../../src/engine/command.ts';
import type { Event } from '../../src/engine/event.ts';
import type { Held, ModelArena } from './arena.ts';
import type { Model } from './model.ts';
import { meets, type Wish } from './placement.ts';
import type { Random } from './random.ts';
import { pieceSizeOf } from './slab.ts';
import { can, must, type Verdict } from './verdict.ts';

export function namedIn({ held }: ModelArena, { externalId }: Alloc): Held | undefined {
  return externalId === undefined ? undefined : held.find((one) => one.externalId === externalId);
}

export function verdictOnNamed(
  { leases }: Model,
  arena: ModelArena,
  there: Held,
  { lease, ttlSeconds, band }: Alloc,
  { windows, ...wish }: Wish,
): Verdict {
  const { base, size } = there;
  const inSlab = arena.slabHolding(base) !== undefined;
  const piece = inSlab && wish.size <= arena.settings.quantumCacheMax;
  const charged = piece ? pieceSizeOf(wish.size, arena.settings) : wish.size;
  // What is there may lie in an exclusive band: only a band that is named has to be the one.
  const asked = band === undefined || windows === undefined ? wish : { ...wish, windows };
  if (charged !== size || !meets(base, { ...asked, size })) return must('external-id-taken');
  if (ttlSeconds === undefined) return there.lease === lease ? can : must('external-id-taken');
  const its = there.lease === undefined ? undefined : leases.get(there.lease)!.ttlSeconds;
  return its === ttlSeconds ? can : must('external-id-taken');
}

export function adoptKept(
  arena: ModelArena,
  command: Alloc,
  { base, size }: Extract<Event, { type: 'allocationKept' }>,
): string | undefined {
  const there = namedIn(arena, command);
  if (there === undefined) return `keeps [${base}, +${size}), which has another external id`;
  return there.base === base && there.size === size ? undefined : `keeps [${base}, +${size})`;
}

/** Mostly none; a new one, or one that is there, with what it has or something else. */
export function drawExternalId(arena: ModelArena, random: Random): Partial<Alloc> {
  if (!random.chance(0.25)) return {};
  const former = arena.resting.find((rest) => rest.former?.externalId !== undefined)?.former;
  if (former !== undefined && random.chance(0.1)) return { externalId: former.externalId! };
  const named = arena.held.filter(({ externalId }) => externalId !== undefined);
  if (named.length === 0 || random.chance(0.4)) return { externalId: `x${random.int(1000)}` };
  const { externalId, lease, size, base } = random.pick(named);
  const more = { externalId: externalId!, ...(random.chance(0.7) ? { size } : {}) };
  const place = random.chance(0.5)
    ? { constraint: random.chance(0.8) ? {} : { address: base } }
    : {};
  return { ...more, ...place, ...(lease !== undefined && random.chance(0.7) ? { lease } : {}) };
}
