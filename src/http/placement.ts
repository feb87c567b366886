/**
 * Placements in requests: how large a block is asked for, and where it may lie. A prefix length is
 * both at once, a size and its natural alignment.
 */
import type { Constraint } from '../engine/command.ts';
import type { ArenaSpace } from './address-space.ts';
import { invalidInput } from './invalid-input.ts';
import { parseAddress, parseSize, prefixSize } from './notation.ts';
import type { FieldPointers } from './problem.ts';

export interface PlacementInput {
  readonly size?: string;
  readonly prefixLength?: number;
  readonly align?: string;
  readonly phase?: string;
  readonly nocross?: string;
  readonly min?: string;
  readonly max?: string;
  readonly address?: string;
}

export interface Placement {
  readonly size: bigint;
  readonly constraint: Constraint;
}

/**
 * Reads the size and constraint of an alloc or xalloc.
 * @throws {InvalidInput} also when both size and prefixLength are given, or neither.
 */
export function readPlacement(input: PlacementInput, space: ArenaSpace): Placement {
  const constraint = readConstraint(input, space);
  if (input.prefixLength === undefined) {
    if (input.size === undefined) {
      throw invalidInput('/size', 'is missing: give exactly one of size and prefixLength');
    }
    return { size: readSize(input.size), constraint };
  }
  if (input.size !== undefined) {
    throw invalidInput('/prefixLength', 'must not be given together with size');
  }
  if (input.prefixLength > space.width) {
    throw invalidInput('/prefixLength', `must be at most ${space.width} in this arena`);
  }
  const size = prefixSize(input.prefixLength, space);
  const align = naturalAlign(size, constraint.align, space);
  return { size, constraint: { ...constraint, ...(align !== undefined && { align }) } };
}

/** @throws {InvalidInput} at /size when the text is no size, or 0. */
export function readSize(text: string): bigint {
  const size = parseSize(text, '/size');
  if (size === 0n) throw invalidInput('/size', 'must be at least 1');
  return size;
}

/** A prefix has no size and align of its own, so what the engine says of them is said of it. */
export function placementPointers(input: PlacementInput): FieldPointers {
  if (input.prefixLength === undefined) return {};
  const prefix = '/prefixLength';
  return { '/size': prefix, ...(input.align === undefined && { '/align': prefix }) };
}

const anywhere: Constraint = Object.freeze({});

function readConstraint(input: PlacementInput, space: ArenaSpace): Constraint {
  const { align, phase, nocross, min, max, address } = input;
  if ((align ?? phase ?? nocross ?? min ?? max ?? address) === undefined) return anywhere;
  return {
    ...(align !== undefined && { align: parseSize(align, '/align') }),
    ...(phase !== undefined && { phase: parseSize(phase, '/phase') }),
    ...(nocross !== undefined && { nocross: parseSize(nocross, '/nocross') }),
    ...(min !== undefined && { min: parseAddress(min, space, '/min') }),
    ...(max !== undefined && { max: parseAddress(max, space, '/max') }),
    ...(address !== undefined && { address: parseAddress(address, space, '/address') }),
  };
}

/** Of two powers of two the larger one implies the other. */
function naturalAlign(
  size: bigint,
  align: bigint | undefined,
  space: ArenaSpace,
): bigint | undefined {
  if (align === undefined) {
    // Every base is a multiple of the quantum; smaller alignments are not expressible in quanta.
    return size > space.quantum ? size : undefined;
  }
  if (align <= 0n || (align & (align - 1n)) !== 0n) {
    throw invalidInput('/align', 'must be a power of two together with prefixLength');
  }
  return align > size ? align : size;
}
