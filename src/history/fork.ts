/**
 * Where a range is filed, so that all ranges that overlap another are found without looking at those
 * that do not: the static interval tree of Edelsbrunner, over a virtual tree as in the relational
 * interval tree of Kriegel, Pötke and Seidl.
 *
 * The numbers below 2^width form a binary tree by their trailing zeros: 0 is the root, and an odd
 * multiple of 2^level is in the middle of the block of 2^(level + 1) numbers that are below it. The
 * *fork* of a range is the number in it with the most trailing zeros. So a range that holds an
 * address has its fork on the path from the root to the address, width + 1 numbers at most; and one
 * that overlaps [first, last] has it there, on the path to `last`, or between the two.
 *
 * All ranges of one fork hold that number. So of allocations, of which no two overlap at one time,
 * those of one fork are one after another in time.
 */

/** The number from `first` to `last` with the most trailing zeros. */
export function forkOf(first: bigint, last: bigint): bigint {
  if (first === last || first === 0n) return first;
  // The highest bit in which the number before the range and its last one differ.
  const bit = highestBit((first - 1n) ^ last);
  return (last >> bit) << bit;
}

/**
 * The numbers on the path from the root to `address`, which is the last of them; of the levels that
 * have their bits in `levels` alone.
 */
export function pathTo(address: bigint, width: number, levels: bigint): bigint[] {
  const path = (levels & rootBit) === 0n ? [] : [0n];
  if (address === 0n) return path;
  const last = levelOf(address);
  for (let level = BigInt(width - 1); level >= last; level -= 1n) {
    if (((levels >> level) & 1n) === 0n) continue;
    const above = level + 1n;
    path.push(((address >> above) << above) | (1n << level));
  }
  return path;
}

/** The level of a number: how many zeros it ends with. The root has one of its own, above all. */
export function levelOf(value: bigint): bigint {
  return value === 0n ? rootLevel : highestBit(value & -value);
}

const rootLevel = 128n;
const rootBit = 1n << rootLevel;
/** Every level there is. */
export const allLevels = (rootBit << 1n) - 1n;

function highestBit(value: bigint): bigint {
  let bit = 0n;
  let rest = value;
  if (rest >> 64n !== 0n) {
    bit = 64n;
    rest >>= 64n;
  }
  if (rest >> 32n !== 0n) {
    bit += 32n;
    rest >>= 32n;
  }
  return bit + BigInt(31 - Math.clz32(Number(rest)));
}
