/**
 * Acceptors say what zod says: for every schema of the wire, and values that are nearly valid, yes is
 * said exactly where zod takes the value and gives back its equal.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { acceptorOf } from '../../src/http/acceptor.ts';
import { noQuery } from '../../src/http/contract.ts';
import { allocationParams, arenaParams, ifMatchHeaders } from '../../src/http/route.ts';
import { allocRequest, xallocRequest } from '../../src/http/wire/allocation.ts';
import { batchRequest } from '../../src/http/wire/batch.ts';
import { limits } from '../../src/limits.ts';
import { components } from './service.ts';

const others = { noQuery, arenaParams, allocationParams, ifMatchHeaders };
const schemas = [...components, ...Object.entries(others)];

const texts = [
  '',
  '0',
  '1',
  '01',
  '0x1f',
  '-1',
  '10.0.0.1',
  '::1',
  '#0.size',
  '#0.sizes',
  '#1.end',
  'pods',
  'Pods',
  'a\n',
  'pods\n',
  '"7"',
  '*',
  '"07"',
  '10.0.0.0/8',
  'é',
  '\ud800',
  '\u0085',
  'alloc',
  'free',
  'bestfit',
  'ipv4',
  '😀'.repeat(255),
  'a/b.c',
  '-a',
  'ab'.repeat(32),
  ...[39, 40, 45, 46, 63, 64, 128, 129, 255, 256].map((length) => '9'.repeat(length)),
];
const numbers = [
  0,
  -0,
  1,
  -1,
  24,
  32,
  60,
  61,
  64,
  128,
  129,
  400,
  0.5,
  1e6,
  1e21,
  -1e21,
  2 ** 53 - 1,
  2 ** 53,
  NaN,
  Infinity,
];
/** All values of the examples that the schemas come with, whatever they are nested in. */
const examples = schemas.flatMap(([, schema]) => leavesOf(schema.meta()?.examples));

function leavesOf(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [value];
  return Object.values(value).flatMap(leavesOf);
}

const anything = fc.oneof(
  fc.constantFrom(...texts),
  fc.constantFrom(...numbers),
  fc.boolean(),
  fc.constantFrom(null, undefined, [], {}, ['a'], { a: 1 }),
);

/** Mostly what the schema could take, as far as its type goes, and sometimes anything. */
function near(schema: z.ZodType): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 40, arbitrary: typed(schema) }, { weight: 1, arbitrary: anything });
}

/** Mostly those of the values that are valid. */
function mostlyValid(schema: z.ZodType, values: readonly unknown[]): fc.Arbitrary<unknown> {
  const all = fc.constantFrom(...values);
  const valid = values.filter((value) => schema.safeParse(value).success);
  if (valid.length === 0) return all;
  const arbitrary = fc.constantFrom(...valid);
  return fc.oneof({ weight: 20, arbitrary }, { weight: 1, arbitrary: all });
}

function typed(schema: z.ZodType): fc.Arbitrary<unknown> {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodExactOptional ||
    schema instanceof z.ZodDefault
  ) {
    return near(schema.unwrap() as z.ZodType);
  }
  if (schema instanceof z.ZodString) return mostlyValid(schema, [...texts, ...examples]);
  if (schema instanceof z.ZodNumber) return mostlyValid(schema, [...numbers, ...examples]);
  if (schema instanceof z.ZodBoolean) return fc.boolean();
  if (schema instanceof z.ZodEnum) return fc.constantFrom(...schema.options);
  if (schema instanceof z.ZodLiteral) return fc.constantFrom(...schema.values);
  if (schema instanceof z.ZodArray) {
    const items = near(schema.element as z.ZodType);
    // Also one object many times.
    const same = items.map((item) => [item, item]);
    return fc.oneof(fc.array(items, { maxLength: 3 }), same);
  }
  if (schema instanceof z.ZodRecord) {
    const names = ['env', 'a.b/c', '', '-', '__proto__', 'é', ...texts];
    const keys = mostlyValid(schema.keyType as z.ZodType, names) as fc.Arbitrary<string>;
    return fc
      .array(fc.tuple(keys, near(schema.valueType as z.ZodType)), { maxLength: 3 })
      .map(objectOf);
  }
  if (schema instanceof z.ZodObject) {
    const fields = Object.entries(schema.shape).map(([key, field]) => {
      const required = !(field instanceof z.ZodExactOptional || field instanceof z.ZodOptional);
      const present = fc.tuple(fc.constant(key), near(field as z.ZodType));
      return fc.option(present, { nil: undefined, freq: required ? 20 : 1 });
    });
    const other = fc.oneof(
      { weight: 9, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.tuple(fc.constantFrom('color', '__proto__'), anything) },
    );
    return fc
      .tuple(fc.tuple(...fields), other)
      .map(([own, more]) => objectOf([...own, more].filter((one) => one !== undefined)));
  }
  return anything;
}

/** As JSON.parse makes it, `__proto__` included. */
function objectOf(entries: readonly (readonly [string, unknown])[]): object {
  const made = {};
  for (const [key, value] of entries) {
    Object.defineProperty(made, key, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return made;
}

describe('as zod says', () => {
  test.each(schemas)('%s', (_, schema) => {
    const accepts = acceptorOf(schema);
    if (accepts === undefined) return;
    let accepted = 0;
    fc.assert(
      fc.property(near(schema), (value) => {
        const result = schema.safeParse(value);
        expect(accepts(value)).toBe(result.success && sameJson(result.data, value));
        if (accepts(value)) accepted += 1;
      }),
      { numRuns: 200 },
    );
    expect(accepted, 'some of the values are valid').toBeGreaterThan(0);
  });
});

/** Equal, whatever the order of fields. */
function sameJson(a: unknown, b: unknown): boolean {
  try {
    expect(a).toStrictEqual(b);
    return Object.keys(Object(a)).length === Object.keys(Object(b)).length;
  } catch {
    return false;
  }
}

test('what is asked for most is accepted without zod', () => {
  const labels = Object.fromEntries(
    Array.from({ length: limits.labelsMax }, (_, i) => [`k${i}`, '']),
  );
  const valid: [z.ZodType, unknown][] = [
    [allocRequest, { size: '1' }],
    [
      allocRequest,
      { prefixLength: 24, owner: 'node-17', labels, validateOnly: false, waitSeconds: 60 },
    ],
    [xallocRequest, { size: '0x10', align: '64', min: '10.0.0.0', max: '10.0.0.255' }],
    [batchRequest, { operations: [{ op: 'xalloc', arena: 'pods', size: '1', min: '#0.end' }] }],
    [noQuery, Object.create(null)],
    [arenaParams, { arena: 'pods' }],
    [allocationParams, { arena: 'pods', address: '10.0.0.0' }],
    [ifMatchHeaders, { host: 'localhost', 'if-match': '"7"' }],
    [ifMatchHeaders, { host: 'localhost' }],
  ];
  for (const [schema, value] of valid)
    expect(acceptorOf(schema)?.(value), JSON.stringify(value)).toBe(true);
});

test('what only zod knows has no acceptor', () => {
  const unknown = [
    z.string().trim(),
    z.string().regex(/a/g),
    z.number(),
    z.coerce.number(),
    z.array(z.union([z.string(), z.boolean()])),
    z.object({ a: z.string().transform(Number) }),
    z.record(z.string(), z.date()),
    z.object({}).catchall(z.string()),
    z.email(),
  ];
  for (const schema of unknown) expect(acceptorOf(schema), schema.def.type).toBeUndefined();
});
