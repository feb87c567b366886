/**
 * The allocation tables of Linux' maple tree test: the mappings of a real process, in pages, with
 * requests for the lowest and for the highest gap that will do. In the forward table the bound is
 * inclusive, in the reverse one exclusive.
 */
import { expect, test } from 'vitest';
import { arena, type ArenaDriver } from '../harness.ts';

/** First page of each mapping and of what follows it. */
const mappings: readonly (readonly [bigint, bigint])[] = [
  [0x565234af2n, 0x565234af4n],
  [0x565234af4n, 0x565234af9n],
  [0x565234af9n, 0x565234afbn],
  [0x565234afcn, 0x565234afdn],
  [0x565234afdn, 0x565234afen],
  [0x565235defn, 0x565235e10n],
  [0x7f36d4bfdn, 0x7f36d4ee2n],
  [0x7f36d4ee2n, 0x7f36d4f04n],
  [0x7f36d4f04n, 0x7f36d504cn],
  [0x7f36d504cn, 0x7f36d5098n],
  [0x7f36d5098n, 0x7f36d5099n],
  [0x7f36d5099n, 0x7f36d509dn],
  [0x7f36d509dn, 0x7f36d509fn],
  [0x7f36d509fn, 0x7f36d50a5n],
  [0x7f36d50b9n, 0x7f36d50dbn],
  [0x7f36d50dbn, 0x7f36d50dcn],
  [0x7f36d50dcn, 0x7f36d50fan],
  [0x7f36d50fan, 0x7f36d5102n],
  [0x7f36d5102n, 0x7f36d5103n],
  [0x7f36d5103n, 0x7f36d5104n],
  [0x7f36d5104n, 0x7f36d5105n],
  [0x7fff5876bn, 0x7fff5878dn],
  [0x7fff5878en, 0x7fff58791n],
  [0x7fff58791n, 0x7fff58793n],
];

const holes: readonly (readonly [base: bigint, end: bigint, size: bigint])[] = [
  [0x565234afbn, 0x565234afcn, 0x1n],
  [0x565234afen, 0x565235defn, 0x12f1n],
  [0x565235e10n, 0x7f36d4bfdn, 0x28e49ededn],
];

const top = 0x2000000000000n;

function mapped(): ArenaDriver {
  const a = arena({ spans: [[0n, top]] });
  for (const [base, end] of mappings) expect(a.reserve(base, end - base)).toBe(base);
  for (const [base] of mappings) expect(a.reserve(base, 1n)).toBe('taken');
  return a;
}

/** min, max, size, answer */
type Request = readonly [min: bigint, max: bigint, size: bigint, answer: bigint | string];

test('the lowest gap', () => {
  const a = mapped();
  let min = 0x565234af2n;
  for (const [base, end, size] of holes) {
    expect(a.xalloc(size, { min, max: end }, 'firstfit')).toBe(base);
    expect(a.free(base)).toBe('ok');
    min = end;
  }
  const requests: Request[] = [
    [0x565234af9n, 0x7fff58791n, 1n, 0x565234afbn],
    [0n, 0x7fff58791n, 1n, 0n],
    [34148797436n, 0x7fff587afn, 3n, 34148798629n],
    [34148798623n, 34148798683n, 0x15n, 'exhausted'],
    [34148798623n, 0x7fff587afn, 0x10n, 34148798632n],
    [0n, 2n ** 52n - 1n, 2n ** 52n - 1n, 'never-fits'],
    [0n, 2n ** 52n - 1n, 4503599618982063n, 'never-fits'],
  ];
  for (const [from, max, size, answer] of requests) {
    expect(a.xalloc(size, { min: from, max }, 'firstfit')).toBe(answer);
  }
  a.finish();
});

test('the highest gap', () => {
  const a = mapped();
  let min = 0n;
  for (const [, end, size] of holes) {
    expect(a.xalloc(size, { min, max: end - 1n }, 'lastfit')).toBe(end - size);
    expect(a.free(end - size)).toBe('ok');
    min = end;
  }
  const requests: Request[] = [
    [0x565234af9n, 0x7fff58791n, 1n, 0x7fff5878dn],
    [0n, 0x565234af1n, 3n, 0x565234aeen],
    [0n, 2n ** 52n - 1n, 1n, top - 1n],
    [0n, 0x7f36d510an, 4n, 0x7f36d5106n],
    [0n, 34148798629n, 19n, 34148797418n],
    [0n, 2n ** 52n - 1n, 562915594369134n, 'exhausted'],
  ];
  for (const [from, max, size, answer] of requests) {
    expect(a.xalloc(size, { min: from, max: max - 1n }, 'lastfit')).toBe(answer);
  }
  expect(a.free(0x7f36d5106n)).toBe('ok');
  const wide = a.xalloc(210253414n, { max: 34359052173n - 1n }, 'lastfit');
  expect(wide).toBe(0x7f36d5105n);
  a.finish();
});
