/**
 * Priority search tree: items in an order, each with a weight. It answers "the first item, from here
 * on, of at most this weight" in time logarithmic in the number of items, which neither a sorted list
 * nor a heap does. Here it is a treap whose nodes know the least weight below them.
 */
import { assert } from './engine/assert.ts';

interface Node<T> {
  readonly item: T;
  readonly weight: bigint;
  readonly priority: number;
  /** The least weight of this node and all below it. */
  least: bigint;
  left: Node<T> | undefined;
  right: Node<T> | undefined;
}

/** Counts nodes looked at, to see that they are few. */
export interface Work {
  visits: number;
}

export class PrioritySearchTree<T> {
  readonly #compare: (a: T, b: T) => number;
  readonly #weight: (item: T) => bigint;
  #root: Node<T> | undefined;
  #seed = 1;
  #size = 0;
  readonly #work: Work;

  /**
   * `compare` tells any two items apart; a weight does not change while its item is here. `work` may
   * be shared by several trees.
   */
  constructor(
    compare: (a: T, b: T) => number,
    weight: (item: T) => bigint,
    work: Work = { visits: 0 },
  ) {
    this.#compare = compare;
    this.#weight = weight;
    this.#work = work;
  }

  get size(): number {
    return this.#size;
  }

  /** The least weight of all; undefined where there is no item. */
  get least(): bigint | undefined {
    return this.#root?.least;
  }

  /** Adds an item, which must not be here. */
  add(item: T): void {
    const weight = this.#weight(item);
    // Any well-mixed sequence does: nobody chooses the order of what is added to harm the balance.
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    const priority = this.#seed;
    const node = { item, weight, priority, least: weight, left: undefined, right: undefined };
    this.#root = this.#inserted(this.#root, node);
    this.#size += 1;
  }

  /** Removes an item, which must be here. */
  delete(item: T): void {
    this.#root = this.#without(this.#root, item);
    this.#size -= 1;
  }

  /** The first item after `after`, or of all, whose weight is at most `most`. */
  first(most: bigint, after?: T): T | undefined {
    return this.#first(this.#root, most, after);
  }

  /** The least weight of the items before `item`; undefined where there is none. */
  leastBefore(item: T): bigint | undefined {
    let least: bigint | undefined;
    let node = this.#root;
    while (node !== undefined) {
      this.#work.visits += 1;
      if (this.#compare(node.item, item) >= 0) {
        node = node.left;
        continue;
      }
      least = smaller(smaller(least, node.left?.least), node.weight);
      node = node.right;
    }
    return least;
  }

  #first(node: Node<T> | undefined, most: bigint, after: T | undefined): T | undefined {
    if (node === undefined || node.least > most) return undefined;
    this.#work.visits += 1;
    if (after !== undefined && this.#compare(node.item, after) <= 0) {
      return this.#first(node.right, most, after);
    }
    const before = this.#first(node.left, most, after);
    if (before !== undefined) return before;
    // All to the right is after the item here, and therefore after `after`.
    return node.weight <= most ? node.item : this.#first(node.right, most, undefined);
  }

  #inserted(node: Node<T> | undefined, added: Node<T>): Node<T> {
    if (node === undefined) return added;
    this.#work.visits += 1;
    if (added.priority > node.priority) {
      [added.left, added.right] = this.#split(node, added.item);
      return summarised(added);
    }
    if (this.#compare(added.item, node.item) < 0) node.left = this.#inserted(node.left, added);
    else node.right = this.#inserted(node.right, added);
    return summarised(node);
  }

  /** What comes before `item`, and what comes after it. */
  #split(node: Node<T> | undefined, item: T): [Node<T> | undefined, Node<T> | undefined] {
    if (node === undefined) return [undefined, undefined];
    this.#work.visits += 1;
    if (this.#compare(node.item, item) < 0) {
      const [before, after] = this.#split(node.right, item);
      node.right = before;
      return [summarised(node), after];
    }
    const [before, after] = this.#split(node.left, item);
    node.left = after;
    return [before, summarised(node)];
  }

  #without(node: Node<T> | undefined, item: T): Node<T> | undefined {
    assert(node !== undefined, 'what is removed is in the tree');
    this.#work.visits += 1;
    const order = this.#compare(item, node.item);
    if (order === 0) return this.#merged(node.left, node.right);
    if (order < 0) node.left = this.#without(node.left, item);
    else node.right = this.#without(node.right, item);
    return summarised(node);
  }

  #merged(left: Node<T> | undefined, right: Node<T> | undefined): Node<T> | undefined {
    if (left === undefined) return right;
    if (right === undefined) return left;
    this.#work.visits += 1;
    if (left.priority > right.priority) {
      left.right = this.#merged(left.right, right);
      return summarised(left);
    }
    right.left = this.#merged(left, right.left);
    return summarised(right);
  }
}

function summarised<T>(node: Node<T>): Node<T> {
  let { weight: least } = node;
  if (node.left !== undefined && node.left.least < least) least = node.left.least;
  if (node.right !== undefined && node.right.least < least) least = node.right.least;
  node.least = least;
  return node;
}

function smaller(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
}
