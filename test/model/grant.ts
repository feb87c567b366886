/**
 * Judges a grant. Space of the arena's own comes before importing, and is taken as the policy
 * says; an imported span must have been free in the source, once per level, and the block lies
 * where the policy would put it inside the new span.
 */
import type { Alloc } from '../../src/engine/command.ts';
import type { Event, Imported } from '../../src/engine/event.ts';
import { contains, overlap, type ModelArena } from './arena.ts';
import { highest, lowest, meets, wishOf, type Wish } from './placement.ts';
import type { Lookup } from './reach.ts';

type Allocated = Extract<Event, { type: 'allocated' }>;

export function adoptAllocated(
  lookup: Lookup,
  command: Alloc,
  event: Allocated,
): string | undefined {
  const arena = lookup(command.arena);
  const { quantum, width } = arena.settings;
  const wish = wishOf(command.size, command.constraint, quantum, width);
  if (typeof wish === 'string') return `granted, though ${wish} is invalid`;
  const policy = command.policy ?? arena.settings.policy;
  if (event.policy !== policy) return `the event says ${event.policy}, the policy is ${policy}`;
  if (event.size !== wish.size) return `granted ${event.size}, must be ${wish.size}`;
  if (!meets(event.base, wish)) return `the base ${event.base} breaks the constraint`;
  const complaint =
    event.imported.length > 0
      ? adoptImports(lookup, arena, wish, event)
      : chosen(arena.choices(wish, policy), event.base);
  if (complaint !== undefined) return complaint;
  arena.hold({ base: event.base, size: event.size });
  if (policy === 'nextfit') arena.cursor = event.base + event.size;
  return undefined;
}

function chosen(choices: readonly bigint[], base: bigint): string | undefined {
  if (choices.includes(base)) return undefined;
  return `took ${base}, the policy says ${choices.slice(0, 8).join(' or ')}`;
}

function adoptImports(
  lookup: Lookup,
  arena: ModelArena,
  wish: Wish,
  { imported, policy, base }: Allocated,
): string | undefined {
  if (arena.choices(wish, 'firstfit').length > 0) return 'imports, though its own space would do';
  const last = imported.at(-1)!;
  if (last.arena !== arena.name) return `the last import is for ${last.arena}`;
  for (const [level, { arena: name, source }] of imported.entries()) {
    if (lookup(name).settings.source !== source) return `${source} is not the source of ${name}`;
    const next = imported[level + 1];
    if (next !== undefined && next.source !== name) return `${name} imports for nothing`;
  }
  for (const span of imported) {
    const complaint = adoptImport(lookup, span);
    if (complaint !== undefined) return complaint;
  }
  const inside = policy === 'lastfit' ? highest(last, wish) : lowest(last, wish);
  const ahead = policy === 'nextfit' ? lowest(last, wish, arena.cursor) : undefined;
  return chosen([ahead ?? inside!], base);
}

function adoptImport(lookup: Lookup, { arena: name, source, base, size }: Imported) {
  const [child, parent] = [lookup(name), lookup(source)];
  const span = { base, size };
  for (const { quantum } of [child.settings, parent.settings]) {
    if (base % quantum !== 0n || size % quantum !== 0n) {
      return `imports [${base}, +${size}), not whole quanta of ${quantum}`;
    }
  }
  if (!parent.isFree(span)) return `imports [${base}, +${size}), not free in ${source}`;
  if (child.spans.some((other) => overlap(other, span))) {
    return `imports [${base}, +${size}) over a span of ${name}`;
  }
  const { limit } = parent.settings;
  if (limit !== undefined && parent.allocated() + size > limit) return `exceeds ${source}'s limit`;
  parent.hold({ base, size, importedBy: name });
  if (parent.settings.policy === 'nextfit') parent.cursor = base + size;
  child.addSpan({ base, size, kind: 'imported' });
  return parent.spans.some((s) => contains(s, span)) || parent.runs().some((r) => contains(r, span))
    ? undefined
    : `imports [${base}, +${size}) across spans of ${source}`;
}
