/**
 * Why there is no room for a block now: figures, and which of its constraints stand in the way.
 * Reads only.
 */
import type { Arena } from './arena.ts';
import type { Alloc, Constraint } from './command.ts';
import type { Arenas, Ask } from './import.ts';
import { largestFitting, plan } from './import.ts';
import type { Exhaustion } from './refusal.ts';

/** Allocations that are looked at for the next lease to end: some tens of microseconds. */
const DEADLINES_MAX = 20_000;

export function exhaustionOf(
  arenas: Arenas,
  arena: Arena,
  ask: Ask,
  type: Alloc['type'],
): Exhaustion {
  const { space, tuning, allocated } = arena;
  const plain = largestFitting(arenas, arena, ask);
  const most = tuning.limit === undefined ? space.size : tuning.limit - allocated;
  const piece = type === 'alloc' ? (arena.cache?.largestPiece(most) ?? 0n) : 0n;
  const deadline = arena.nextDeadline(DEADLINES_MAX);
  return {
    free: space.free,
    largestFree: space.largestFree,
    largestFitting: plain > piece ? plain : piece,
    limitedBy: limitedBy(arenas, arena, ask),
    ...(deadline === undefined ? {} : { deadline }),
  };
}

/** The constraints without any one of which there would be room. */
function limitedBy(arenas: Arenas, arena: Arena, ask: Ask): string[] {
  const fits = (constraint: Constraint, unlimited = false): boolean => {
    // Whether there is room does not depend on the policy; this one asks for no other index.
    const other = { ...ask, policy: 'firstfit', constraint } as const;
    return plan(arenas, arena, other, { left: 0, unlimited }) !== undefined;
  };
  const { align, phase, nocross, min, max } = ask.constraint;
  const names: string[] = [];
  if (align !== undefined && fits({ ...without(ask, 'align'), phase: 0n })) names.push('align');
  if (phase !== undefined && phase > 0n && fits(without(ask, 'phase'))) names.push('phase');
  if (nocross !== undefined && fits(without(ask, 'nocross'))) names.push('nocross');
  if (min !== undefined && fits(without(ask, 'min'))) names.push('min');
  if (max !== undefined && fits(without(ask, 'max'))) names.push('max');
  // The arena's own limit has a refusal of its own.
  if (arena.source !== undefined && fits(ask.constraint, true)) names.push('limit');
  return names;
}

function without({ constraint }: Ask, name: keyof Constraint): Constraint {
  const { [name]: _, ...others } = constraint;
  return others;
}
