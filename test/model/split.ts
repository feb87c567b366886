/**
 * Splitting and merging in the model: the allocations that come of it are side by side where the
 * ones before were, and are known as those were.
 */
import type { Labels, Merge, Range, Split } from '../../src/engine/command.ts';
import type { Event } from '../../src/engine/event.ts';
import { contains, type Held, type ModelArena } from './arena.ts';
import type { Random } from './random.ts';
import { can, must, type Verdict } from './verdict.ts';

export const piecesMax = 12;

export function verdictOnSplit(arena: ModelArena, command: Split): Verdict {
  const held = arena.heldAt(command.address);
  if (held === undefined) return must('allocation-not-found');
  const { quantum } = arena.settings;
  const { sizes } = command;
  const whole = (size: bigint) => size > 0n && size % quantum === 0n;
  if (typeof sizes === 'bigint') {
    const bad = !whole(sizes) || sizes >= held.size || held.size / sizes > command.piecesMax;
    if (bad) return { ...must('invalid-request'), pointer: '/size' };
  } else if (!sizes.every(whole) || sizes.length > command.piecesMax) {
    return must('invalid-request');
  }
  if (isBound(arena, held)) return must('allocation-busy');
  const sum = typeof sizes === 'bigint' ? held.size - (held.size % sizes) : total(sizes);
  return sum === held.size ? can : must('size-mismatch');
}

export function adoptSplit(
  arena: ModelArena,
  { address, sizes }: Split,
  { base, size, pieces }: Extract<Event, { type: 'allocationSplit' }>,
): string | undefined {
  const held = arena.drop(address);
  if (base !== address || size !== held.size) return `split [${base}, +${size}) of ${held.size}`;
  const expected =
    typeof sizes === 'bigint' ? Array.from({ length: pieces.length }, () => sizes) : sizes;
  let at = address;
  for (const [i, piece] of pieces.entries()) {
    if (piece.base !== at || piece.size !== expected[i]) return `piece ${i} is at ${piece.base}`;
    const { externalId, ...others } = held;
    const named = i === 0 && externalId !== undefined ? { externalId } : {};
    arena.hold({ ...others, ...named, ...piece });
    at += piece.size;
  }
  return at === base + size ? undefined : `the pieces end at ${at}`;
}

export function verdictOnMerge(arena: ModelArena, command: Merge): Verdict {
  const first = arena.heldAt(command.address);
  if (first === undefined) return must('allocation-not-found');
  const { others } = command;
  const behind = arena.held.filter(({ base }) => base > first.base);
  let parts: Held[];
  let end: bigint;
  if ('end' in others) {
    if (others.end < first.base + first.size)
      return { ...must('invalid-request'), pointer: '/end' };
    parts = [first];
    for (const next of behind) {
      const last = parts.at(-1)!;
      if (next.base === last.base + last.size && next.base <= others.end) parts.push(next);
    }
    const most = Math.max(1, command.partsMax);
    if (parts.length > most) return { ...must('invalid-request'), pointer: '/end' };
    end = others.end + 1n;
  } else {
    if (others.some((base) => arena.heldAt(base) === undefined))
      return must('allocation-not-found');
    if (others.length >= command.partsMax) return must('invalid-request');
    const wrong = others.some((base, i) => base <= first.base || others.indexOf(base) < i);
    if (wrong) return must('invalid-request');
    parts = [first, ...behind.filter(({ base }) => others.includes(base))];
    const last = parts.at(-1)!;
    end = last.base + last.size;
  }
  if (parts.some((part) => isBound(arena, part))) return must('allocation-busy');
  const whole = { base: first.base, size: total(parts.map(({ size }) => size)) };
  const joined =
    whole.base + whole.size === end && arena.runs().some((run) => contains(run, whole));
  if (!joined) return must('not-adjacent');
  const alike = parts.every(
    (part) =>
      part.owner === first.owner &&
      part.lease === first.lease &&
      (part === first || part.externalId === undefined) &&
      (command.labels !== undefined ||
        JSON.stringify(part.labels) === JSON.stringify(first.labels)),
  );
  return alike ? can : must('not-alike');
}

export function adoptMerged(
  arena: ModelArena,
  { address, labels }: Merge,
  { base, size, parts }: Extract<Event, { type: 'allocationsMerged' }>,
): string | undefined {
  const first = arena.heldAt(address)!;
  if (base !== address) return `merges from ${base} on`;
  let at = base;
  for (const part of parts) {
    if (part.base !== at) return `merges what begins at ${part.base}, not ${at}`;
    const dropped = arena.drop(part.base);
    if (dropped.size !== part.size) return `takes ${dropped.size} for ${part.size}`;
    at += part.size;
  }
  arena.hold({ ...first, size, ...(labels === undefined ? {} : { labels }) });
  return at === base + size ? undefined : `the parts end at ${at}`;
}

/** Mostly in whole quanta that make up the allocation. */
export function drawSplit(arena: ModelArena, random: Random, at: number): Split & { at: number } {
  const { name, settings, held } = arena;
  const { quantum } = settings;
  const draft = { type: 'split', at, arena: name, piecesMax } as const;
  if (held.length === 0) return { ...draft, address: 0n, sizes: quantum };
  const some = random.chance(0.7) ? held.filter(({ size }) => size > quantum) : held;
  const { base: address, size } = random.pick(some.length > 0 ? some : held);
  if (random.chance(0.25)) {
    const each = random.chance(0.7) ? size / BigInt(2 + random.int(4)) : random.magnitude(size);
    return { ...draft, address, sizes: random.chance(0.9) ? each - (each % quantum) : each };
  }
  const sizes: bigint[] = [];
  let left = size;
  while (left > quantum && sizes.length < 5 && (sizes.length === 0 || random.chance(0.6))) {
    const piece = quantum * (1n + random.big(left / quantum - 1n));
    sizes.push(piece);
    left -= piece;
  }
  sizes.push(random.chance(0.9) ? left : left + random.pick([quantum, -quantum, 1n]));
  return { ...draft, address, sizes };
}

/** Mostly neighbours that lie side by side; their owners and labels may differ. */
export function drawMerge(arena: ModelArena, random: Random, at: number): Merge & { at: number } {
  const { name, held } = arena;
  const draft = { type: 'merge', at, arena: name, partsMax: piecesMax } as const;
  const more: { labels?: Labels } = random.chance(0.3) ? { labels: { colour: 'blue' } } : {};
  if (held.length === 0) return { ...draft, address: 0n, others: [arena.settings.quantum] };
  const touching = held.filter(({ base, size }, i) => held[i + 1]?.base === base + size);
  const first = random.pick(touching.length > 0 && random.chance(0.85) ? touching : held);
  const parts: Range[] = [];
  let end = first.base + first.size;
  for (let next = arena.heldAt(end); next !== undefined; next = arena.heldAt(end)) {
    parts.push(next);
    end = next.base + next.size;
    if (random.chance(0.5)) break;
  }
  const address = first.base;
  if (random.chance(0.35)) {
    const wrong = random.chance(0.15) ? random.nudge(arena.settings.quantum) : 0n;
    return { ...draft, address, others: { end: end - 1n + wrong }, ...more };
  }
  const others = random.shuffle(parts.map(({ base }) => base));
  if (others.length === 0 || random.chance(0.1)) others.push(random.pick(held).base);
  return { ...draft, address, others, ...more };
}

function isBound(arena: ModelArena, { base, importedBy }: Held): boolean {
  return importedBy !== undefined || arena.slabHolding(base) !== undefined;
}

function total(sizes: readonly bigint[]): bigint {
  return sizes.reduce((sum, size) => sum + size, 0n);
}
