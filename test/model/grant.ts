/**
 * Judges a grant. A cached piece comes first, and then a slab of such pieces; space of the arena's
 * own comes before importing, and is taken as the policy
 * says; an imported span must have been free in the source, once per level, and the block lies
 * where the policy would put it inside the new span.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Alloc, Policy } from '../../src/engine/command.ts';
import type { Event, Imported } from '../../src/engine/event.ts';
import { contains, overlap, type ModelArena } from './arena.ts';
import { isClosed, wishIn } from './band.ts';
import { ceil, highest, isPowerOfTwo, lowest, meets, type Wish } from './placement.ts';
import { canImport, limitsImport, type Lookup } from './reach.ts';
import { takenEarly } from './rest.ts';
import { pieceSizeOf, slabSizeOf } from './slab.ts';

type Allocated = Extract<Event, { type: 'allocated' }>;

export function adoptAllocated(
  lookup: Lookup,
  command: Alloc,
  event: Allocated,
): string | undefined {
  const arena = lookup(command.arena);
  const wish = wishIn(arena, command);
  if (typeof wish === 'string') return `granted, though ${wish} is invalid`;
  const { type, policy = arena.settings.policy } = command;
  const pieceSize = type === 'alloc' ? cachedSize(arena, wish.size) : undefined;
  const complaint =
    event.reused !== undefined
      ? judgeReusing(lookup, arena, wish, event, { policy, pieceSize })
      : pieceSize === undefined
        ? judgeBlock(lookup, arena, wish, event, policy)
        : judgeCached(lookup, arena, wish, event, { policy, pieceSize });
  if (complaint !== undefined) return complaint;
  const { labels, owner, externalId, lease, ttlSeconds } = command;
  const as = {
    labels,
    ...(owner === undefined ? {} : { owner }),
    ...(externalId === undefined ? {} : { externalId }),
    ...(lease === undefined ? {} : { lease }),
  };
  if (!isDeepStrictEqual({ labels: event.labels, owner: event.owner }, { labels, owner })) {
    return 'grants with other labels, or to another owner';
  }
  if (event.externalId !== externalId) return `has the external id ${event.externalId}`;
  if (event.lease !== lease) return `is under lease ${event.lease}, must be ${lease}`;
  if (event.ttlSeconds !== ttlSeconds) return `makes a lease of ${event.ttlSeconds} seconds`;
  arena.hold({ base: event.base, size: event.size, ...as });
  if (event.policy === 'nextfit') arena.cursor = event.base + event.size;
  return undefined;
}

/** The size of the piece that serves a cached size, where the arena's limit allows it. */
export function cachedSize(arena: ModelArena, size: bigint): bigint | undefined {
  const { quantumCacheMax, limit } = arena.settings;
  if (size > quantumCacheMax) return undefined;
  const pieceSize = pieceSizeOf(size, arena.settings);
  return limit !== undefined && arena.allocated() + pieceSize > limit ? undefined : pieceSize;
}

/** Takes what rests, of the arena or of a source, where nothing free will do; what rests longest. */
function judgeReusing(
  lookup: Lookup,
  arena: ModelArena,
  wish: Wish,
  event: Allocated,
  { policy, pieceSize }: { policy: Policy; pieceSize: bigint | undefined },
): string | undefined {
  const { base, size, imported, reused } = event;
  if (event.slab !== undefined) return 'opens a slab where it takes what rests';
  const own = takenEarly(arena, wish, policy, pieceSize);
  const level = lookup(reused!.arena);
  if (level === arena) {
    if (imported.length > 0) return 'imports, though it takes what rests here';
    if (reused!.base !== base || reused!.size !== size) return 'ends other rests than it takes';
    if (own?.base !== base || own.size !== size) {
      return `took [${base}, +${size}), must be [${own?.base}, +${own?.size})`;
    }
    const piece = size !== wish.size || !meets(base, wish);
    if (piece && event.policy !== 'instantfit') return `a piece is granted by ${event.policy}`;
    if (own.piece === true) level.reusePiece(base);
    else level.endRestsIn({ base, size });
    return undefined;
  }
  if (own !== undefined) return `reuses what rests in ${level.name}, though its own would do`;
  const [top] = imported;
  if (top?.source !== level.name || top.base !== reused!.base || top.size !== reused!.size) {
    return `ends rests in ${level.name} that it does not take`;
  }
  // Who imports asks for a plain block, as by xalloc, and no cache serves it: a slab becomes room when
  // none of its pieces is in use, and is one no more then, also where the span lies like a piece.
  level.endRestsIn(top);
  return adoptImports(lookup, arena, wish, event);
}

function judgeCached(
  lookup: Lookup,
  arena: ModelArena,
  wish: Wish,
  event: Allocated,
  { policy, pieceSize }: { policy: Policy; pieceSize: bigint },
): string | undefined {
  const { limit } = arena.settings;
  const piece = arena.cachedPiece(wish);
  const slabSize = slabSizeOf(arena.settings);
  const slabWish = wishIn(arena, { size: slabSize, constraint: {} }) as Wish;
  if (piece === undefined && event.slab === undefined) {
    const within = limit === undefined || arena.allocated() + slabSize <= limit;
    const own = arena.choices(slabWish, 'firstfit').length > 0;
    const above = canImport(arena, slabWish, lookup) && !limitsImport(arena, slabWish, lookup);
    if (within && (own || above)) return 'is no piece, though a slab would have fitted';
    return judgeBlock(lookup, arena, wish, event, policy);
  }
  if (event.policy !== 'instantfit') return `a piece is granted by ${event.policy}`;
  if (event.size !== pieceSize) return `the piece has ${event.size}, must have ${pieceSize}`;
  const { slab, imported, base } = event;
  if (slab === undefined) {
    if (imported.length > 0) return 'imports, though a piece was cached';
    return piece === base ? undefined : `took ${base}, the next piece is ${piece}`;
  }
  if (piece !== undefined) return `opens a slab, though the piece at ${piece} was cached`;
  if (slab.size !== slabSize) return `the slab has ${slab.size}, must have ${slabSize}`;
  if (slab.base !== base) return `took ${base}, the slab begins at ${slab.base}`;
  const complaint =
    imported.length > 0
      ? adoptImports(lookup, arena, slabWish, event)
      : chosen(arena.choices(slabWish, 'instantfit'), base);
  if (complaint === undefined) arena.openSlab({ base, size: slabSize, pieceSize });
  return complaint;
}

function judgeBlock(
  lookup: Lookup,
  arena: ModelArena,
  wish: Wish,
  event: Allocated,
  policy: Policy,
): string | undefined {
  if (event.slab !== undefined) return 'opens a slab for a block that is not cached';
  if (event.policy !== policy) return `the event says ${event.policy}, the policy is ${policy}`;
  if (event.size !== wish.size) return `granted ${event.size}, must be ${wish.size}`;
  if (!meets(event.base, wish)) return `the base ${event.base} breaks the constraint`;
  return event.imported.length > 0
    ? adoptImports(lookup, arena, wish, event)
    : chosen(arena.choices(wish, policy), event.base);
}

function chosen(choices: readonly bigint[], base: bigint): string | undefined {
  if (choices.includes(base)) return undefined;
  return `took ${base}, the policy says ${choices.slice(0, 8).join(' or ')}`;
}

function adoptImports(
  lookup: Lookup,
  arena: ModelArena,
  wish: Wish,
  event: Allocated,
): string | undefined {
  const { imported, policy, base } = event;
  if (arena.choices(wish, 'firstfit').length > 0) return 'imports, though its own space would do';
  const last = imported.at(-1)!;
  if (last.arena !== arena.name) return `the last import is for ${last.arena}`;
  for (const [level, { arena: name, source }] of imported.entries()) {
    if (lookup(name).settings.source !== source) return `${source} is not the source of ${name}`;
    const next = imported[level + 1];
    if (next !== undefined && next.source !== name) return `${name} imports for nothing`;
  }
  const wrongSize =
    event.reused === undefined
      ? judgeExtent(lookup(last.source), arena, wish, last.size)
      : undefined;
  if (wrongSize !== undefined) return wrongSize;
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
  if (isClosed(parent, span)) return `imports [${base}, +${size}), an exclusive band of ${source}`;
  const { limit } = parent.settings;
  if (limit !== undefined && parent.allocated() + size > limit) return `exceeds ${source}'s limit`;
  parent.hold({ base, size, labels: {}, importedBy: name });
  if (parent.settings.policy === 'nextfit') parent.cursor = base + size;
  child.addSpan({ base, size, kind: 'imported' });
  return parent.spans.some((s) => contains(s, span)) || parent.runs().some((r) => contains(r, span))
    ? undefined
    : `imports [${base}, +${size}) across spans of ${source}`;
}

/**
 * How much is imported for a block without constraints: with `largeImport` 16 times what is needed,
 * in whole `importSize`, where the source has it; else that once; else just the block.
 */
function judgeExtent(source: ModelArena, arena: ModelArena, wish: Wish, size: bigint) {
  const { quantum, width, importSize, largeImport } = arena.settings;
  const top = (1n << BigInt(width)) - 1n;
  const unit = quantum > source.settings.quantum ? quantum : source.settings.quantum;
  const free = wish.align === quantum && wish.phase === 0n && wish.min === 0n && wish.max === top;
  if (!free || wish.nocross !== undefined || wish.address !== undefined) return undefined;
  if (wish.windows !== undefined) return undefined;
  const large: bigint[] = [];
  if (importSize !== undefined || largeImport) {
    const once = ceil(ceil(wish.size, importSize ?? quantum), unit);
    large.push(...(largeImport ? [once * 16n, once] : [once]));
  }
  const natural = importSize !== undefined && isPowerOfTwo(importSize) ? importSize : quantum;
  const align = natural > quantum ? natural : quantum;
  for (const extent of large) {
    if (size === extent) return undefined;
    const { limit } = source.settings;
    const within = limit === undefined || source.allocated() + extent <= limit;
    const whole = wishIn(source, { size: extent, constraint: { align } });
    if (within && typeof whole !== 'string' && source.choices(whole, 'firstfit').length > 0) {
      return `imports ${size}, though ${extent} was there`;
    }
  }
  const least = ceil(wish.size, unit);
  return size === least ? undefined : `imports ${size}, must be ${[...large, least].join(' or ')}`;
}
