/**
 * Two random loops of other allocators' tests, bounded, with every answer held against the naive
 * model: the loop of the kernel allocator's own unit test, whose preset has spans of every kind,
 * and the loop of a graphics driver's heap over nearly the whole 64-bit space.
 */
import { expect, test } from 'vitest';
import {
  policies,
  type Command,
  type Constraint,
  type Policy,
} from '../../../src/engine/command.ts';
import { Engine } from '../../../src/engine/engine.ts';
import { Model } from '../../model/model.ts';
import { Random } from '../../model/random.ts';
import { judgeOne } from '../../model/session.ts';
import { createOrder, type Options } from '../harness.ts';

const timeout = 120_000;
const seed = Number(process.env['VMEMD_SEED'] ?? 8675309);

/** Engine and model side by side. */
class Pairing {
  readonly random: Random;
  readonly live: bigint[] = [];
  readonly #engine = new Engine();
  readonly #model = new Model();
  #step = 0;

  constructor(label: string, options: Options) {
    this.random = new Random(seed, label);
    this.act({ ...createOrder('a', options), at: 0 } as Command);
  }

  /** Both do the command; they must agree. */
  act(command: Command) {
    const depth = this.#step % 16 === 0 ? 'check' : 'state';
    const { complaint, outcome } = judgeOne(this.#engine, this.#model, command, depth);
    expect(complaint, `VMEMD_SEED=${seed} step ${this.#step} ${text(command)}`).toBeUndefined();
    this.#step++;
    return outcome;
  }

  alloc(size: bigint, constraint: Constraint): boolean {
    const type = Object.keys(constraint).length > 0 ? 'xalloc' : 'alloc';
    const bits = this.random.bits();
    const at = this.#step;
    const outcome = this.act({ type, at, arena: 'a', size, constraint, labels: {}, seed: bits });
    if ('refused' in outcome || outcome.type !== 'allocated') return false;
    this.live.push(outcome.base);
    return true;
  }

  freeOne(): void {
    if (this.live.length === 0) return;
    const at = this.random.int(this.live.length);
    const address = this.live[at]!;
    this.live[at] = this.live.at(-1)!;
    this.live.pop();
    this.act({ type: 'free', at: this.#step, arena: 'a', address });
  }

  /** Frees all: one hole per span must remain, and each serves a request for all of it. */
  finish(): void {
    while (this.live.length > 0) this.freeOne();
    const holes = this.#model.lookup('a').free();
    expect(holes).toEqual(
      this.#model
        .lookup('a')
        .runs()
        .map(({ base, size }) => ({ base, size })),
    );
    for (const { base, size } of holes) expect(this.alloc(size, { address: base })).toBe(true);
  }
}

test.each(policies)('the loop of the unit test, %s', { timeout }, (policy: Policy) => {
  const pairing = new Pairing(`unit test ${policy}`, {
    policy,
    spans: [
      [0n, 50n],
      [100n, 200n],
      [2000n, 1n],
      [40_000n, 65_536n],
      [10_000n, 10_000n],
      [500n, 1000n],
      [0xffffff00n, 0x100n],
    ],
  });
  const { random } = pairing;
  for (let step = 0; step < 1500; step++) {
    const turn = random.int(100);
    if (turn <= 45) pairing.freeOne();
    else if (turn <= 70) pairing.alloc(BigInt(1 + random.int(500)), {});
    else pairing.alloc(...unitTestRequest(random));
  }
  pairing.finish();
});

/** Size and constraint with the odds of that loop. */
function unitTestRequest(random: Random): [bigint, Constraint] {
  const size = BigInt(1 + random.int(500));
  const align = 1n << BigInt(random.int(15));
  const wanted = BigInt(random.int(65_536));
  const phase = wanted < align ? wanted : 0n;
  const boundary = 1n << BigInt(random.int(15));
  const crosses = phase / boundary !== (phase + size - 1n) / boundary || boundary < size;
  const [a, b] = [BigInt(random.int(50_000)), BigInt(random.int(70_000))];
  const bounds = a <= b ? { min: a, max: b } : { min: b, max: a };
  return [size, { align, phase, ...(crosses ? {} : { nocross: boundary }), ...bounds }];
}

test.each(['firstfit', 'lastfit', 'bestfit', 'instantfit'] as const)(
  'the loop of the heap, %s',
  { timeout },
  (policy) => {
    const page = 4096n;
    const pairing = new Pairing(`heap ${policy}`, {
      policy,
      quantum: page,
      spans: [[page, 2n ** 64n - page]],
    });
    const { random } = pairing;
    for (let step = 0; step < 1000; step++) {
      const turn = random.int(250);
      if (turn === 0) {
        // Fills what is left with ever smaller blocks, as far as the model's patience goes.
        for (let order = 51n; order >= 30n; order--) {
          for (let n = 0; n < 3 && pairing.alloc(page << order, {}); n++);
        }
      } else if (turn === 1) {
        while (pairing.live.length > 0) pairing.freeOne();
      } else if (turn < 95 || pairing.live.length > 150) {
        pairing.freeOne();
      } else {
        const order = BigInt(random.int(52));
        pairing.alloc(page << BigInt(random.int(52)), { align: page << order });
      }
    }
    pairing.finish();
  },
);

function text(command: Command): string {
  return JSON.stringify(command, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}` : value,
  );
}
