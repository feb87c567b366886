/**
 * What makes a command invalid in view of the arena's quantum and width, which the edge can't know.
 */
import type { Constraint, Range, Tuning } from './command.ts';
import type { Arena } from './arena.ts';
import { badBands } from './bands.ts';
import { badOwnerLimits } from './owners.ts';
import { invalid } from './refusal.ts';
import type { Refusal } from './refusal.ts';

export function badTuning(
  arena: { readonly quantum: bigint; readonly width: number },
  tuning: Partial<Tuning>,
): Refusal | undefined {
  const { importSize, ownerLimits = [], bands = [] } = tuning;
  const { quantum } = arena;
  if (importSize !== undefined && (importSize <= 0n || importSize % quantum !== 0n)) {
    return invalid('/importSize', `must be a positive multiple of the quantum, ${quantum}`);
  }
  return badOwnerLimits(ownerLimits) ?? badBands(arena, bands);
}

export function badSpan(
  { quantum, width }: { quantum: bigint; width: number },
  { base, size }: Range,
  at: string,
): Refusal | undefined {
  if (base < 0n || base >= 1n << BigInt(width)) {
    return invalid(`${at}/base`, `the base must be below 2^${width}`);
  }
  if (base % quantum !== 0n) {
    return invalid(`${at}/base`, `the base must be a multiple of the quantum, ${quantum}`);
  }
  if (size <= 0n || size % quantum !== 0n) {
    return invalid(`${at}/size`, `the size must be a positive multiple of the quantum, ${quantum}`);
  }
  if (base + size > 1n << BigInt(width)) {
    return invalid(`${at}/size`, `the span must end by the last address, 2^${width} - 1`);
  }
  return undefined;
}

/** Invalid in view of the arena's quantum and width. */
export function badBlock(
  arena: Arena,
  asked: bigint,
  size: bigint,
  { align, phase, nocross, min, max, address }: Constraint,
): Refusal | undefined {
  const { quantum, limit, width } = arena;
  const step = align ?? quantum;
  if (asked <= 0n) return invalid('/size', 'the size must be positive');
  if (size > limit) return invalid('/size', `the size must be at most 2^${width}`);
  if (step <= 0n || ((step & (step - 1n)) !== 0n && step % quantum !== 0n)) {
    return invalid('/align', `must be a power of two or a multiple of the quantum, ${quantum}`);
  }
  if (phase !== undefined && phase % quantum !== 0n) {
    return invalid('/phase', `must be a multiple of the quantum, ${quantum}`);
  }
  if (phase !== undefined && phase !== 0n && phase >= step) {
    return invalid('/phase', `must be less than align, ${step}`);
  }
  if (nocross !== undefined && (nocross <= 0n || (nocross & (nocross - 1n)) !== 0n)) {
    return invalid('/nocross', 'must be a power of two');
  }
  if (nocross !== undefined && nocross < size) {
    return invalid('/nocross', `must be at least the size, ${size}`);
  }
  if (min !== undefined && min >= limit) return beyond('/min', width);
  if (max !== undefined && max >= limit) return beyond('/max', width);
  if (address !== undefined && address >= limit) return beyond('/address', width);
  if (min !== undefined && max !== undefined && min > max) {
    return invalid('/min', 'must be at most max');
  }
  if (address !== undefined && address % quantum !== 0n) {
    return invalid('/address', `must be a multiple of the quantum, ${quantum}`);
  }
  return undefined;
}

function beyond(pointer: string, width: number): Refusal {
  return invalid(pointer, `must be below 2^${width}`);
}
