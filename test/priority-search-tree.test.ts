import { expect, test } from 'vitest';
import { PrioritySearchTree } from '../src/priority-search-tree.ts';
import { Random } from './model/random.ts';

interface Item {
  readonly key: number;
  readonly weight: bigint;
}

function newTree(work?: { visits: number }): PrioritySearchTree<Item> {
  return new PrioritySearchTree<Item>(
    (a, b) => a.key - b.key,
    ({ weight }) => weight,
    work,
  );
}

test('answers like a sorted list that is looked through', () => {
  const random = new Random(20_260_101);
  const tree = newTree();
  let list: Item[] = [];
  for (let step = 0; step < 1500; step++) {
    const key = random.int(300);
    const there = list.find((item) => item.key === key);
    if (there === undefined && list.length < 120) {
      const item = { key, weight: BigInt(random.int(50)) };
      tree.add(item);
      list = [...list, item].toSorted((a, b) => a.key - b.key);
    } else if (there !== undefined) {
      tree.delete(there);
      list = list.filter((item) => item !== there);
    }
    const most = BigInt(random.int(55));
    const from = { key: random.int(300), weight: 0n };
    const light = list.filter(({ weight }) => weight <= most);
    expect(tree.first(most)).toBe(light[0]);
    expect(tree.first(most, from)).toBe(light.find((item) => item.key > from.key));
    const before = list.filter((item) => item.key < from.key).map(({ weight }) => weight);
    expect(tree.leastBefore(from)).toBe(least(before));
    expect(tree.least).toBe(least(list.map(({ weight }) => weight)));
    expect(tree.size).toBe(list.length);
  }
});

function least(weights: bigint[]): bigint | undefined {
  return weights.reduce<bigint | undefined>(
    (a, b) => (a === undefined || b < a ? b : a),
    undefined,
  );
}

test('looks at few nodes, in whatever order items come and go', () => {
  const count = 10_000;
  const work = { visits: 0 };
  const tree = newTree(work);
  const items = Array.from({ length: count }, (_, key) => ({ key, weight: BigInt(count - key) }));
  const most = (action: () => void): number => {
    const before = work.visits;
    action();
    return work.visits - before;
  };
  let visits = 0;
  for (const item of items)
    visits = Math.max(
      visits,
      most(() => tree.add(item)),
    );
  for (let at = 0; at < count; at += 7) {
    visits = Math.max(
      visits,
      most(() => tree.first(BigInt(at))),
    );
    visits = Math.max(
      visits,
      most(() => tree.first(BigInt(at), items[count - at - 1])),
    );
    visits = Math.max(
      visits,
      most(() => tree.leastBefore(items[at]!)),
    );
  }
  for (const item of items)
    visits = Math.max(
      visits,
      most(() => tree.delete(item)),
    );
  // A treap of 10,000 is about 30 deep, rarely twice that.
  expect(visits).toBeLessThan(150);
});
