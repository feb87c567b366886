/**
 * Seeded randomness for the tests, biased to edges: faults of a range allocator live at 0, at 1,
 * around the quantum, around powers of two, at the borders of spans and at the top of the space,
 * and a uniform generator would hardly ever go there.
 */

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** The same seed gives the same sequence; a label makes sequences of one seed differ. */
  constructor(seed: number, label = '') {
    let hash = seed >>> 0;
    for (const character of label) {
      hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193) >>> 0;
    }
    this.#a = hash;
    this.#b = hash ^ 0x9e3779b9;
    this.#c = Math.imul(hash, 0x85ebca6b) ^ seed;
    for (let warm = 0; warm < 12; warm++) this.bits();
  }

  /** 32 random bits as an unsigned number: the sfc32 generator. */
  bits(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** An integer in [0, below). */
  int(below: number): number {
    return Math.floor((this.bits() / 2 ** 32) * below);
  }

  chance(probability: number): boolean {
    return this.bits() / 2 ** 32 < probability;
  }

  pick<T>(list: readonly T[]): T {
    const item = list[this.int(list.length)];
    if (item === undefined) throw new Error('pick from an empty list');
    return item;
  }

  /** Picks a key with a probability proportional to its weight. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = (this.bits() / 2 ** 32) * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      left -= weight;
      if (left < 0) return key;
    }
    return entries[0]![0];
  }

  shuffle<T>(list: readonly T[]): T[] {
    const shuffled = [...list];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
    }
    return shuffled;
  }

  /** Uniform in [0, below), of any width. */
  big(below: bigint): bigint {
    let value = 0n;
    for (let have = 0; have < below.toString(2).length + 32; have += 32) {
      value = (value << 32n) | BigInt(this.bits());
    }
    return value % below;
  }

  /** In [1, max], every order of magnitude equally likely. */
  magnitude(max: bigint): bigint {
    const bits = this.int(max.toString(2).length) + 1;
    const value = this.big(1n << BigInt(bits)) + 1n;
    return value > max ? max : value;
  }

  /** 2^k up to max, k uniform. */
  power(max: bigint): bigint {
    return 1n << BigInt(this.int(max.toString(2).length));
  }

  /**
   * A size in [0, max + quantum]: units, powers of two, the quantum and the exact sizes on offer,
   * each also one beside.
   */
  size(max: bigint, quantum: bigint, offers: readonly bigint[]): bigint {
    const kind = this.weighted({ unit: 30, magnitude: 30, power: 15, offer: 20, edge: 5 });
    if (kind === 'unit') return quantum * BigInt(1 + this.int(4));
    if (kind === 'magnitude') return this.magnitude(max);
    if (kind === 'power') return positive(this.power(max) + this.nudge(quantum));
    if (kind === 'offer' && offers.length > 0) {
      return positive(this.pick(offers) + this.nudge(quantum));
    }
    return this.pick([0n, 1n, positive(quantum - 1n), quantum + 1n, max, max + quantum]);
  }

  /** An address in [0, top]: beside the given landmarks, at the ends of the space, or anywhere. */
  address(top: bigint, quantum: bigint, landmarks: readonly bigint[]): bigint {
    const kind = this.weighted({ landmark: 70, end: 5, anywhere: 25 });
    if (kind === 'landmark' && landmarks.length > 0) {
      return within(this.pick(landmarks) + this.nudge(quantum), top);
    }
    if (kind === 'end') return within(this.pick([0n, 1n, quantum, top - quantum + 1n, top]), top);
    return this.big(top + 1n);
  }

  /** Nothing at all, or a step of one or of a quantum to either side. */
  nudge(quantum: bigint): bigint {
    return this.pick([0n, 0n, 0n, 1n, -1n, quantum, -quantum]);
  }
}

function positive(value: bigint): bigint {
  return value < 1n ? 1n : value;
}

function within(value: bigint, top: bigint): bigint {
  return value < 0n ? 0n : value > top ? top : value;
}
