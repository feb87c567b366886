/**
 * The edges of the semantics, as tables: the top of the space, sizes beyond 2^63, boundaries and
 * phases, bounds, exact addresses and wrong spans. Each table is a list of requests with the answer
 * that must come; every test ends with everything freed and the whole arena allocated again.
 */
import { describe, expect, test } from 'vitest';
import type { Constraint } from '../../src/engine/command.ts';
import { arena, type Options, type Pair } from './harness.ts';

const M = 2n ** 64n;

/** Request and answer. A granted block is freed again before the next row. */
type Row = readonly [size: bigint, constraint: Constraint, answer: bigint | string];

const exactPolicies = ['bestfit', 'firstfit', 'instantfit', 'nextfit', 'randomfit'] as const;

/** Every row under every policy that takes the lowest placement of the only segment there is. */
function tryRows(options: Options, busy: readonly Pair[], rows: readonly Row[]): void {
  for (const policy of exactPolicies) {
    test.each(rows.map(([size, constraint, answer]) => ({ size, constraint, answer })))(
      `${policy} $size $constraint → $answer`,
      ({ size, constraint, answer }) => {
        const a = arena({ ...options, policy });
        for (const [base, extent] of busy) expect(a.reserve(base, extent)).toBe(base);
        const got = a.xalloc(size, constraint);
        expect(got).toBe(answer);
        if (typeof got === 'bigint') expect(a.free(got, size)).toBe('ok');
        expect(a.blocks()).toEqual(busy);
        a.finish();
      },
    );
  }
}

describe('several spans, added out of order', () => {
  const spans: Pair[] = [
    [0n, 50n],
    [100n, 200n],
    [2000n, 1n],
    [40_000n, 65_536n],
    [10_000n, 10_000n],
    [500n, 1000n],
    [0xffffff00n, 0x100n],
  ];
  tryRows(
    { spans },
    [],
    [
      [0x101n, { min: 0xffffff00n, max: 0xffffffffn }, 'never-fits'],
      [50n, { min: 0n, max: 49n }, 0n],
      [25n, { min: 0n, max: 24n }, 0n],
      [0x100n, { min: 0xffffff01n, max: 0xffffffffn }, 'never-fits'],
      [0x100n, { min: 0xffffff00n, max: 0xfffffffen }, 'never-fits'],
      [0x100n, { min: 0xffffff00n, max: 0xffffffffn }, 0xffffff00n],
      [1n, { min: 2000n, max: 2000n }, 2000n],
      [2n, { min: 2000n, max: 9999n }, 'never-fits'],
    ],
  );

  test('segments are walked in the order of addresses', () => {
    const a = arena({ spans });
    const sorted = spans.toSorted(([a], [b]) => Number(a - b));
    expect(a.holes()).toEqual(sorted);
    a.finish();
  });
});

describe('the top of the space', () => {
  tryRows(
    { spans: [[M - 256n, 256n]] },
    [],
    [
      [256n, { min: M - 256n, max: M - 1n }, M - 256n],
      [1n, { align: 512n, max: M - 1n }, 'never-fits'],
      [256n, { align: 256n, max: M - 1n }, M - 256n],
      [129n, { align: 256n, phase: 128n, max: M - 1n }, 'never-fits'],
      [1n, { align: 2n, min: M - 1n, max: M - 1n }, 'never-fits'],
      [1n, { min: M - 1n, max: M - 1n }, M - 1n],
      [2n, { min: M - 1n, max: M - 1n }, 'never-fits'],
      [4n, { min: M - 2n, max: M - 1n }, 'never-fits'],
      [128n, { nocross: 128n, min: M - 100n, max: M - 1n }, 'never-fits'],
      [4n, { align: 16n, phase: 8n, min: M - 10n, max: M - 1n }, M - 8n],
      [4n, { align: 16n, phase: 8n, min: M - 7n, max: M - 1n }, 'never-fits'],
    ],
  );

  test.each([32, 64, 128] as const)('of %i bits: the last unit and the whole space', (width) => {
    const top = 1n << BigInt(width);
    const a = arena({ width, spans: [[0n, top]] });
    expect(a.alloc(1n, 'lastfit')).toBe(top - 1n);
    expect(a.alloc(1n, 'firstfit')).toBe(0n);
    expect(a.alloc(top - 2n)).toBe(1n);
    expect(a.alloc(1n)).toBe('exhausted');
    expect(a.freeAll()).toBe('ok');
    for (const policy of exactPolicies) {
      expect(a.alloc(top, policy)).toBe(0n);
      expect(a.free(0n, top)).toBe('ok');
    }
    a.finish();
  });
});

describe('large sizes', () => {
  const half = 2n ** 63n;
  tryRows(
    { spans: [[1n, M - 1n]] },
    [],
    [
      [half, { align: half }, half],
      [half + 1n, {}, 1n],
      [M - 1n, {}, 1n],
      [M, {}, 'never-fits'],
      [half + 1n, { align: half }, 'never-fits'],
    ],
  );

  test.each([M - 1n, M - 4095n])('%s rounds up beyond what there is', (size) => {
    const a = arena({ quantum: 4096n, spans: [[4096n, M - 4096n]] });
    expect(a.alloc(size)).toBe('never-fits');
    a.finish();
  });

  test('sizes beyond the space are invalid', () => {
    const a = arena({ spans: [[0n, M]] });
    expect(a.alloc(M + 1n)).toBe('invalid-request');
    expect(a.driver.last).toMatchObject({ pointer: '/size' });
    a.finish();
  });
});

describe('nocross and phase', () => {
  const options: Options = { spans: [[0n, 1024n]] };
  tryRows(
    options,
    [[0n, 10n]],
    [
      [8n, { align: 1n, nocross: 16n }, 16n],
      [8n, { align: 4n, phase: 2n, nocross: 16n }, 18n],
      [8n, { align: 8n, phase: 4n, nocross: 16n }, 20n],
      [6n, { align: 16n, phase: 8n, nocross: 16n, min: 9n }, 24n],
      [16n, { align: 16n, nocross: 16n }, 16n],
      [8n, { align: 32n, nocross: 16n }, 32n],
      [16n, { align: 32n, phase: 16n, nocross: 16n }, 16n],
      [16n, { nocross: 8n }, 'invalid-request'],
      [16n, { nocross: 24n }, 'invalid-request'],
      // Every start crosses, because the least one does.
      [8n, { align: 16n, phase: 12n, nocross: 16n }, 'never-fits'],
      [8n, { align: 8n, phase: 8n }, 'invalid-request'],
    ],
  );
  tryRows(options, [[0n, 13n]], [[4n, { align: 8n, phase: 6n, nocross: 16n }, 22n]]);
  // Alignments that are no power of two meet a boundary at a different place each time.
  tryRows(
    options,
    [[0n, 10n]],
    [
      [8n, { align: 12n, nocross: 16n }, 24n],
      [7n, { align: 7n, nocross: 8n }, 49n],
      [5n, { align: 30n, phase: 29n }, 29n],
    ],
  );
  tryRows(
    { quantum: 16n, spans: [[0n, 1024n]] },
    [],
    [
      [16n, { align: 8n, min: 1n }, 16n],
      [16n, { align: 48n, min: 1n }, 48n],
      [16n, { align: 24n }, 'invalid-request'],
      [16n, { align: 32n, phase: 8n }, 'invalid-request'],
    ],
  );
});

describe('min and max', () => {
  tryRows(
    { quantum: 16n, spans: [[0n, 1024n]] },
    [],
    [
      [16n, { min: 5n }, 16n],
      [16n, { max: 15n }, 0n],
      [16n, { max: 14n }, 'never-fits'],
      [16n, { max: 0n }, 'never-fits'],
      [16n, { min: 1008n }, 1008n],
      [16n, { min: 1009n }, 'never-fits'],
    ],
  );
  tryRows(
    { spans: [[0n, 1024n]] },
    [],
    [
      [1n, { min: 0n, max: 0n }, 0n],
      [1n, { min: 1023n, max: 1023n }, 1023n],
      [1n, { min: 1024n }, 'never-fits'],
      [1n, { min: 2n, max: 1n }, 'invalid-request'],
    ],
  );
});

describe('exact addresses', () => {
  tryRows(
    { quantum: 16n, spans: [[16n, 1008n]] },
    [[64n, 32n]],
    [
      [16n, { address: 16n }, 16n],
      [48n, { address: 16n }, 16n],
      [49n, { address: 16n }, 'taken'],
      [16n, { address: 80n }, 'taken'],
      [16n, { address: 96n }, 96n],
      [928n, { address: 96n }, 96n],
      [929n, { address: 96n }, 'never-fits'],
      [16n, { address: 0n }, 'never-fits'],
      [16n, { address: 1024n }, 'never-fits'],
      [16n, { address: 24n }, 'invalid-request'],
    ],
  );
});

describe('adding spans', () => {
  const cases: readonly [quantum: bigint, before: Pair, added: Pair, answer: string][] = [
    [1n, [0n, 100n], [50n, 100n], 'overlap'],
    [1n, [0n, 100n], [0n, 100n], 'overlap'],
    [1n, [0n, 100n], [99n, 1n], 'overlap'],
    [1n, [50n, 10n], [0n, 200n], 'overlap'],
    [1n, [0n, 100n], [20n, 10n], 'overlap'],
    [1n, [0n, 100n], [200n, 0n], 'invalid-request'],
    [16n, [0n, 96n], [104n, 16n], 'invalid-request'],
    [16n, [0n, 96n], [160n, 40n], 'invalid-request'],
    [1n, [0n, 100n], [M - 8n, 16n], 'invalid-request'],
    [1n, [0n, 100n], [M, 1n], 'invalid-request'],
    [1n, [0n, 100n], [M - 8n, 8n], 'ok'],
  ];
  test.each(cases)('quantum %s, span %s, add %s → %s', (quantum, before, added, answer) => {
    const a = arena({ quantum, spans: [before] });
    expect(a.add(...added)).toBe(answer);
    expect(a.holes()).toEqual(answer === 'ok' ? [before, added] : [before]);
    a.finish();
  });

  test('adjacent spans serve one request together', () => {
    const a = arena({
      spans: [
        [0n, 100n],
        [200n, 100n],
      ],
    });
    expect(a.alloc(150n)).toBe('never-fits');
    expect(a.add(100n, 100n)).toBe('ok');
    expect(a.holes()).toEqual([[0n, 300n]]);
    expect(a.alloc(150n)).toBe(0n);
    expect(a.alloc(150n)).toBe(150n);
    expect(a.removeSpan(100n)).toBe('allocation-busy');
    expect(a.free(150n)).toBe('ok');
    expect(a.removeSpan(100n)).toBe('allocation-busy');
    expect(a.removeSpan(200n)).toBe('ok');
    expect(a.holes()).toEqual([[150n, 50n]]);
    a.finish();
  });

  test('a free span can be removed from between others', () => {
    const a = arena({
      spans: [
        [0n, 100n],
        [100n, 100n],
        [200n, 100n],
      ],
    });
    expect(a.removeSpan(50n)).toBe('span-not-found');
    expect(a.removeSpan(100n)).toBe('ok');
    expect(a.removeSpan(100n)).toBe('span-not-found');
    expect(a.holes()).toEqual([
      [0n, 100n],
      [200n, 100n],
    ]);
    expect(a.alloc(101n)).toBe('never-fits');
    a.finish();
  });
});
