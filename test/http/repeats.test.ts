/** Bodies that repeat an item: their value is what parsing the whole makes of it. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { repeated, repeatsOf } from '../../src/http/repeats.ts';

const grant = '{"op":"alloc","arena":"ids","size":"1"}';
const many = (item: string, separator = ',', times = 20) => Array(times).fill(item).join(separator);
const inBody = (items: string) => `{"operations":[${items}]}`;

/** Undefined where nothing is seen to repeat itself. */
function valueOf(body: string): unknown {
  const repeats = repeatsOf(Buffer.from(body));
  return repeats && repeated(JSON.parse(repeats.text), repeats.times);
}

test.each([
  ['as it is mostly written', inBody(many(grant))],
  ['with spaces', `\t{ "operations" :\n[ ${many(grant, ' ,\r\n ')} ] }\n`],
  ['of empty items', inBody(many('{}', ',', 500))],
  [
    'with objects, lists and brackets in strings',
    inBody(many('{"a":{"b":["[]}{\\"}"]},"c":"]}"}')),
  ],
  ['of other letters', inBody(many('{"owner":"é😀"}'))],
  ['with a key twice', inBody(many('{"a":1,"a":2}', ',', 40))],
])('%s', (_name, body) => {
  expect(repeatsOf(Buffer.from(body))).toBeDefined();
  expect(valueOf(body)).toEqual(JSON.parse(body));
});

test('the item is one object', () => {
  const { operations } = valueOf(inBody(many(grant))) as { operations: object[] };
  expect(new Set(operations).size).toBe(1);
});

test.each([
  ['one item', inBody(grant.padEnd(300, ' '))],
  ['another item at the end', inBody(`${many(grant)},{"op":"free"}`)],
  ['another item at the start', inBody(`{"op":"free"},${many(grant)}`)],
  ['one that differs in one letter', inBody(many(grant).replace(/ids(?!.*ids)/, 'idt'))],
  ['another space', inBody(`${many(grant)}, ${grant}`)],
  ['half an item', inBody(`${many(grant)},${grant.slice(0, 20)}`)],
  ['a comma at the end', inBody(`${many(grant)},`)],
  ['no comma', inBody(many(grant, ' '))],
  ['two commas', inBody(many(grant, ',,'))],
  ['other fields before', `{"a":1,"operations":[${many(grant)}]}`],
  ['other fields behind', `{"operations":[${many(grant)}],"a":1}`],
  ['two lists', `{"a":[${many(grant)}],"b":[${many(grant)}]}`],
  ['a list in a list', `{"a":[[${many(grant)}]]}`],
  ['a list alone', `[${many(grant)}]`],
  ['something behind', `${inBody(many(grant))}x`],
  ['an end that is missing', `{"operations":[${many(grant)}`],
  ['a byte order mark', `\uFEFF${inBody(many(grant))}`],
  ['a short body', inBody('{},{}')],
  ['numbers', inBody(many('1', ',', 300))],
  ['nothing', ' '.repeat(300)],
])('%s is parsed as it is', (_name, body) => {
  expect(repeatsOf(Buffer.from(body))).toBeUndefined();
});

const piece = fc.constantFrom(
  ...'{}[]",:\\ 1a\n',
  '{"a":',
  '"}',
  '{}',
  '""',
  '[]',
  '{"a":"b"}',
  '\\"',
);

test('whatever repeats itself, the text is JSON where the whole is, and means the same', () => {
  const space = fc.constantFrom('', '', ' ', '\n\t');
  const items = fc.oneof(
    fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.stringify(value)),
    fc.array(piece, { maxLength: 8 }).map((pieces) => `{${pieces.join('')}`),
  );
  const separators = fc.tuple(space, fc.constantFrom(',', ',', ',', '', ',,'), space);
  const property = fc.property(
    items,
    separators.map((parts) => parts.join('')),
    fc.array(piece, { maxLength: 3 }),
    fc.array(piece, { maxLength: 3 }),
    fc.integer({ min: 0, max: 99 }),
    (item, separator, before, behind, kind) => {
      let body = inBody(many(item, separator, Math.ceil(300 / item.length) + 1));
      if (kind < 10) body = before.join('') + body + behind.join('');
      else if (kind < 20) body = inBody(before.join('') + body.slice(15, -2) + behind.join(''));
      const repeats = repeatsOf(Buffer.from(body));
      if (repeats === undefined) return;
      expect(repeats.times).toBeGreaterThan(1);
      if (!isJson(body)) expect(isJson(repeats.text)).toBe(false);
      else expect(valueOf(body)).toEqual(JSON.parse(body));
    },
  );
  fc.assert(property, { numRuns: 2000 });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
