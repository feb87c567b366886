import { expect, test } from 'vitest';
import { allLevels, forkOf, levelOf, pathTo } from '../../src/history/fork.ts';
import { Random } from '../model/random.ts';

function trailingZeros(value: bigint): number {
  if (value === 0n) return Infinity;
  let zeros = 0;
  for (let rest = value; (rest & 1n) === 0n; rest >>= 1n) zeros += 1;
  return zeros;
}

test('the fork of a range is the number in it with the most trailing zeros', () => {
  for (let first = 0n; first < 64n; first += 1n) {
    for (let last = first; last < 64n; last += 1n) {
      const fork = forkOf(first, last);
      expect(fork >= first && fork <= last).toBe(true);
      for (let other = first; other <= last; other += 1n) {
        if (other !== fork) expect(trailingZeros(other)).toBeLessThan(trailingZeros(fork));
      }
    }
  }
});

test('it is on the way to every number of the range, and of no other', () => {
  const random = new Random(Date.now() % 2 ** 32, 'fork');
  for (const width of [8, 32, 64, 128]) {
    const end = 1n << BigInt(width);
    for (let n = 0; n < 300; n += 1) {
      const first = random.chance(0.5) ? random.big(end) : random.magnitude(end) - 1n;
      const size = random.magnitude(end - first);
      const last = first + size - 1n;
      const fork = forkOf(first, last);
      for (const inside of [first, last, first + random.big(size)]) {
        const path = pathTo(inside, width, allLevels);
        expect(path).toContain(fork);
        expect(pathTo(inside, width, 1n << levelOf(fork))).toEqual([fork]);
        expect(path.length).toBeLessThanOrEqual(width + 1);
        expect(path.at(-1)).toBe(inside);
      }
    }
    expect(forkOf(0n, end - 1n)).toBe(0n);
    expect(forkOf(end - 1n, end - 1n)).toBe(end - 1n);
  }
});
