/**
 * More of the same: how a request that is made many times in a row by one batch is granted at once what
 * it asks for. Of what `decide` looks at each time (bands, limits, leases, sources) nothing has become
 * another by a plain grant, so that just a place is looked for; and what `apply` does with each is done
 * with all.
 */
import type { Arena } from './arena.ts';
import { openWindows } from './bands.ts';
import type { About } from './allocations.ts';
import type { Alloc, At, Command, Draft } from './command.ts';
import { grantOf } from './decide-allocation.ts';
import type { Allocated, Event } from './event.ts';
import type { Placement } from './space.ts';
import type { State } from './state.ts';

type Grant = Allocated & { readonly at: number };

/**
 * Decides and applies the same command so many times more, after `outcome`, which it has led to and which
 * is applied. Fewer times where there is no room for more in the arena itself, and none where more is
 * to be looked at than the place: the next is then for `decide`. The count is asked for if need be.
 */
export function moreOf(
  state: State,
  command: At<Command>,
  outcome: Event,
  count: () => number,
): readonly Grant[] {
  if (command.type !== 'alloc' && command.type !== 'xalloc') return [];
  if (outcome.type !== 'allocated' || !isPlain(command)) return [];
  const arena = state.arenas.get(command.arena)!;
  const { constraint, policy = arena.tuning.policy } = command;
  // The one has a cursor that moves, the other draws anew each time.
  if (policy === 'nextfit' || policy === 'randomfit') return [];
  if (!isSimple(arena)) return [];
  const { at, size, labels, owner, imported } = outcome;
  const placement = { size, constraint, policy, windows: windowsOf(arena, command), ...unused };
  const about: Draft<About> = { labels };
  if (owner !== undefined) about.owner = owner;
  const bases = arena.allocateMany(placement, count(), about, state.revision + 1, at);
  return bases.map((base) => grantOf(arena, command, { base, size, policy, imported }));
}

const unused = { seed: 0, cursor: 0n } as const;

/** Whether a grant does not stand in the way of one more, but by its place. */
function isPlain({ ifRevision, externalId, lease, reuse }: Alloc): boolean {
  return (ifRevision ?? externalId ?? lease) === undefined && reuse !== true;
}

/** Whether a block comes from the free segments alone, and is counted nowhere. */
function isSimple({ cache, owners, unrested, tuning, spans }: Arena): boolean {
  return (cache ?? owners ?? unrested ?? tuning.limit) === undefined && spans.imported === 0;
}

function windowsOf(arena: Arena, { band: name }: Alloc): Placement['windows'] {
  const band = arena.tuning.bands?.find((one) => one.name === name);
  return band === undefined ? openWindows(arena) : [band];
}
