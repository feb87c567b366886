/** Blocks: entries as the service takes them, and as it has them. */
import type { Labels } from '../engine/command.ts';
import { pointerTo } from '../http/invalid-input.ts';
import { formatAddress } from '../http/notation.ts';
import { xallocRequest, type Allocation } from '../http/wire/allocation.ts';
import { blockOf, reasonOf, refusedRow, type Entry, type RefusedRow, type Row } from './entry.ts';
import type { Target } from './target.ts';

export interface Block {
  readonly row: Row;
  readonly target: Target;
  readonly base: bigint;
  /** Whole quanta. */
  readonly size: bigint;
  readonly owner?: string;
  readonly externalId?: string;
  readonly labels: Labels;
  /** Whether it may take what rests there. */
  readonly reuse: boolean;
}

/** The block of an entry, or why it can be none. */
export function blockIn(target: Target, entry: Entry, reuse: boolean): Block | RefusedRow {
  const { line, text, owner, externalId, labels } = entry;
  try {
    const { base, size } = blockOf(entry.place, target);
    const block = {
      row: { line, text },
      target,
      base,
      size: (size + target.quantum - 1n) & -target.quantum,
      labels,
      reuse,
      ...(owner !== undefined && { owner }),
      ...(externalId !== undefined && { externalId }),
    };
    const checked = xallocRequest.safeParse(requestOf(block));
    if (checked.success) return block;
    const reasons = checked.error.issues.map(({ path, message }) => {
      const field = pointerTo(path).slice(1).replaceAll('/', '.');
      return `${field} ${message}`;
    });
    return refusedRow(entry, reasons.join('; '));
  } catch (error) {
    return refusedRow(entry, reasonOf(error));
  }
}

/** What xalloc is asked for: in an exclusive band only who names it gets what is there. */
export function requestOf(block: Block): object {
  const { target, base, size, owner, externalId, labels, reuse } = block;
  const band = target.exclusive.find(({ min, max }) => base >= min && base + size - 1n <= max);
  return {
    ...(band !== undefined && { band: band.name }),
    ...(reuse && { reuse }),
    address: base.toString(),
    size: size.toString(),
    ...(owner !== undefined && { owner }),
    ...(externalId !== undefined && { externalId }),
    ...(Object.keys(labels).length > 0 && { labels }),
  };
}

/** The path of the allocation that begins where a block does. */
export function pathOfBlock({ target, base }: Block): string {
  const address = encodeURIComponent(formatAddress(base, target));
  return `v1/arenas/${target.name}/allocations/${address}`;
}

/** How an allocation that begins where the block does differs from it; undefined where it does not. */
export function differenceOf(block: Block, there: Allocation): string | undefined {
  if (BigInt(there.size) !== block.size) return `has ${there.size} addresses, not ${block.size}`;
  if (there.owner !== block.owner) {
    return `is of ${there.owner ?? 'no owner'}, not of ${block.owner ?? 'no owner'}`;
  }
  if (there.externalId !== block.externalId) return 'has another external id';
  const keys = new Set([...Object.keys(there.labels), ...Object.keys(block.labels)]);
  const other = [...keys].find((key) => there.labels[key] !== block.labels[key]);
  return other === undefined ? undefined : `has another label ${other}`;
}
