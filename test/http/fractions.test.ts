/** Numbers of a body: what is no integer stays none, whatever a double makes of it. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keepFractions } from '../../src/http/fractions.ts';
import { Service } from './service.ts';

const parseJson = (text: string): unknown => JSON.parse(keepFractions(text));
const sizeOf = (literal: string) => (parseJson(`{"size":${literal}}`) as { size: number }).size;

describe('keepFractions', () => {
  test.each([
    '9007199254740990.4',
    '4096.00000000000000001',
    '-1.0000000000000000001',
    '1e-400',
    '1e-999999999999',
    '10000000000000000001e-19',
    '0.00000000000000000000000001',
    '90071992547409911e-1',
  ])('%s is no integer', (literal) => {
    expect(Number.isInteger(sizeOf(literal))).toBe(false);
    // In a list, behind a space, and where there is more of it.
    const [item, field] = parseJson(`[ ${literal},{"a":{"b": ${literal}}}]`) as [number, object];
    expect(Number.isInteger(item)).toBe(false);
    expect(field).toEqual({ a: { b: item } });
  });

  test.each([
    ['9007199254740991', 9007199254740991],
    ['9007199254740991.000', 9007199254740991],
    ['90071992547409910e-1', 9007199254740991],
    ['1500e-2', 15],
    ['0.0e-5', 0],
    ['0.000000000000000000', 0],
    ['15000000000000000000e-18', 15],
    ['1e3', 1000],
    ['1.5', 1.5],
    ['1.5e-7', 1.5e-7],
  ])('%s is %s', (literal, value) => {
    expect(sizeOf(literal)).toBe(value);
  });

  // Where each digit led to another look at all of them, these would take minutes.
  test.each([
    ['many zeros before a digit', `0.${'0'.repeat(1_000_000)}1`, false],
    ['many zeros at the end', `1.${'0'.repeat(1_000_000)}`, true],
    ['many digits', `1${'1'.repeat(300)}.${'1'.repeat(1_000_000)}`, false],
    ['many digits and an exponent', `${'1'.repeat(1_000_000)}e-1000000`, false],
  ])('%s', (_what, literal, integer) => {
    expect(Number.isInteger(sizeOf(literal))).toBe(integer);
  });

  test('leaves everything else as it is, texts above all', () => {
    const value = {
      a: '1, 9007199254740990.4',
      b: ['123e4567-e89b-12d3-a456-426614174000', null, true, { c: [] }],
      d: 0.1,
    };
    expect(parseJson(JSON.stringify(value))).toEqual(value);
    expect(parseJson('[1e-400,"x"]')).toEqual([0.5, 'x']);
    const quoted = { a: 'a"b\\', b: 1, c: '\\", 1e-400', d: [2] };
    expect(parseJson(`[${JSON.stringify(quoted)}, 1e-400]`)).toEqual([quoted, 0.5]);
  });

  test.each([
    '{"size":1e-400',
    '[ 01.00000000000000000001]',
    '[ 1e-400e-1]',
    '[ 1e-400-1]',
    '[ 1.000000000000000000.1]',
    '[ .00000000000000000001]',
    '[ -]',
    '[" 1e-400]',
    '["\\" 1e-400]',
  ])('%s stays no JSON', (text) => {
    expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });

  test('an integer is one where its digits say so', () => {
    const digits = fc.string({ unit: fc.constantFrom('0', '1', '9'), minLength: 1, maxLength: 20 });
    const whole = digits.map((text) => text.replace(/^0+(?=.)/, ''));
    const exponent = fc.option(fc.integer({ min: -22, max: 3 }), { nil: undefined });
    const literals = fc.tuple(whole, fc.option(digits, { nil: undefined }), exponent);
    fc.assert(
      fc.property(literals, ([before, after, power]) => {
        const point = after === undefined ? '' : `.${after}`;
        const literal = `${before}${point}${power === undefined ? '' : `e${power}`}`;
        // In units of the last place that there may be, which are all integers.
        const shift = BigInt(60 + (power ?? 0) - (after?.length ?? 0));
        const units = BigInt(before + (after ?? '')) * 10n ** shift;
        const integer = units % 10n ** 60n === 0n;
        expect(`${literal} ${Number.isInteger(sizeOf(literal))}`).toBe(`${literal} ${integer}`);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a request', () => {
  let service: Service;
  beforeEach(async () => {
    service = await Service.start();
  });
  afterEach(() => service.stop());

  test.each([
    ['plain', '{"size":1.0000000000000000001}'],
    ['with what the wary parser reads', '{"size":1.0000000000000000001,"owner":"constructor"}'],
    ['behind a byte order mark', '\ufeff{"size":1.0000000000000000001}'],
  ])('with a fraction is refused at its field: %s', async (_how, body) => {
    await service.call('POST', '/v1/arenas', { name: 'a', spans: [{ base: 0, size: 16 }] });
    const path = '/v1/arenas/a/alloc';
    const problem = await service.refused('invalid-request', 'POST', path, body);
    expect(problem.errors).toMatchObject([{ pointer: '/size' }]);
    const seconds = body.replace('"size"', '"size":1,"ttlSeconds"');
    const other = await service.refused('invalid-request', 'POST', path, seconds);
    expect(other.errors).toMatchObject([{ pointer: '/ttlSeconds' }]);
    const whole = body.replace('1.0000000000000000001', '1.0000000000000000000');
    expect((await service.call('POST', path, whole)).status).toBe(201);
  });
});
