import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/engine/assert.ts';
import type { BatchEvent, Event, FreedRange } from '../../src/engine/event.ts';
import { decode, encode, RecordError } from '../../src/journal/record.ts';
import { events } from './events.ts';

const at = 1_763_798_400_000;
const allocated: Event = {
  type: 'allocated',
  at,
  arena: 'team-a.pods',
  base: 167_772_160n,
  size: 256n,
  policy: 'bestfit',
  labels: {},
  imported: [],
};
const freed: Event = {
  type: 'freed',
  at,
  arena: 'team-a.pods',
  base: 167_772_160n,
  size: 256n,
  released: [],
};

describe('round trip', () => {
  test.each(Object.entries(events))('%s', (type, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, (drawn) => {
        // fast-check draws objects without a prototype; the engine's have one.
        const event = structuredClone(drawn);
        expect(event.type).toBe(type);
        const body = encode(event);
        expect(body).not.toContain('\n');
        const decoded = decode(body);
        expect(decoded).toStrictEqual(event);
        expect(encode(decoded)).toBe(body);
      }),
    );
  });

  test('labels keep the key __proto__ as a key', () => {
    const labels = JSON.parse('{"__proto__":"a","b":"c"}') as Record<string, string>;
    const decoded = decode(encode({ ...allocated, labels }));
    expect(decoded.type === 'allocated' && Object.entries(decoded.labels)).toEqual([
      ['__proto__', 'a'],
      ['b', 'c'],
    ]);
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
  });

  test('an update that clears the labels is told from one that leaves them', () => {
    const update = { type: 'allocationUpdated', at, arena: 'a', address: 1n } as const;
    expect(decode(encode({ ...update, labels: {} }))).toStrictEqual({ ...update, labels: {} });
    expect(decode(encode(update))).toStrictEqual(update);
  });
});

test('the frequent records are small and read as documented', () => {
  expect(encode(freed)).toBe(
    `{"v":1,"type":"freed","at":${at},"arena":"team-a.pods","base":"167772160","size":"256"}`,
  );
  expect(encode(allocated).length).toBeLessThanOrEqual(150);
});

describe('like events of a batch', () => {
  const grants = (...bases: bigint[]): Event => ({
    type: 'batched',
    at,
    events: bases.map((base) => ({ ...allocated, base, labels: {} })) as BatchEvent[],
  });
  const head = `{"v":1,"type":"batched","at":${at},"events":[`;
  const first = `"type":"allocated","arena":"team-a.pods","base":"7","size":"256","policy":"bestfit"`;

  test('are written as one and the bases of the others', () => {
    const body = `${head}{${first},"more":"9,8"}]}`;
    expect(encode(grants(7n, 9n, 8n))).toBe(body);
    expect(decode(body)).toStrictEqual(grants(7n, 9n, 8n));
  });

  test('are read as older versions have written them, each for itself', () => {
    const second = first.replace('"7"', '"9"');
    expect(decode(`${head}{${first}},{${second}}]}`)).toStrictEqual(grants(7n, 9n));
  });

  test.each([
    ['an external id', { externalId: 'x' }],
    ['a lease of its own', { lease: 'x', ttlSeconds: 5 }],
    ['a slab', { slab: { base: 0n, size: 256n } }],
    ['an import', { imported: [{ arena: 'a', source: 'b', base: 0n, size: 256n }] }],
  ])('are none with %s', (_, more) => {
    const event = { ...allocated, ...more } as BatchEvent;
    const body = encode({ type: 'batched', at, events: [event, event] });
    expect(body).not.toContain('"more"');
    expect(decode(body)).toStrictEqual({ type: 'batched', at, events: [event, event] });
  });

  const highest = String(2n ** 128n - 256n);
  test.each([
    ['no base', `${first},"more":""`, 'events[0].more[0]: expected a decimal string'],
    ['a list', `${first},"more":["9"]`, 'events[0].more: expected bases'],
    ['null', `${first},"more":null`, 'events[0].more: expected bases'],
    ['a number', `${first},"more":9`, 'events[0].more: expected bases'],
    ['a comma too many', `${first},"more":"9,"`, 'events[0].more[1]: expected a decimal string'],
    ['two commas', `${first},"more":"9,,8"`, 'events[0].more[1]: expected a decimal string'],
    ['a space', `${first},"more":"9, 8"`, 'events[0].more[1]: expected a decimal string'],
    ['a leading zero', `${first},"more":"09"`, 'events[0].more[0]: expected a decimal string'],
    ['a sign', `${first},"more":"-9"`, 'events[0].more[0]: expected a decimal string'],
    ['a letter', `${first},"more":"9,1e3"`, 'events[0].more[1]: expected a decimal string'],
    [
      'an end above the top',
      `${first},"more":"0,${highest},${2n ** 128n - 255n}"`,
      'events[0].more[2]: a range that ends above 2^128',
    ],
    ['an external id', `${first},"externalId":"x","more":"9"`, 'events[0].more: of an event'],
    [
      'another type',
      `"type":"allocationKept","arena":"a","base":"1","size":"1","more":"9"`,
      'events[0].more: of an event',
    ],
    ['an unknown field', `${first},"color":"red","more":"9"`, 'events[0].color: unknown field'],
  ])('decode refuses %s', (_, run, message) => {
    const error = thrownBy(() => decode(`${head}{${run}}]}`));
    expect(error).toMatchObject({ name: 'RecordError', code: 'malformed' });
    expect((error as Error).message).toContain(message);
  });

  test('encode asserts that each lies within the space', () => {
    const error = thrownBy(() => encode(grants(7n, 2n ** 128n - 255n)));
    expect(error).toBeInstanceOf(AssertionError);
    expect((error as Error).message).toContain('events[1]: a range that ends above 2^128');
  });

  test('of a lone event there are no more', () => {
    const body = encode({ ...allocated, more: '9' } as Event);
    expect(body).not.toContain('more');
    const raw = { ...(JSON.parse(body) as object), more: '9' };
    expect(thrownBy(() => decode(JSON.stringify(raw)))).toBeInstanceOf(RecordError);
  });
});

describe('like ranges that end together', () => {
  const ended = (...freed: FreedRange[]): Event => ({
    type: 'leasesEnded',
    at,
    reason: 'expired',
    ended: [{ lease: 'x', freed }],
    released: [],
  });
  const head = `{"v":1,"type":"leasesEnded","at":${at},"reason":"expired","ended":[{"lease":"x","freed":[`;
  const range = { arena: 'a', base: 7n, size: 2n };

  test('are written as one and the bases of the others', () => {
    const body = `${head}{"arena":"a","base":"7","size":"2","more":"9,18446744073709551616"}]}]}`;
    const event = ended(range, { ...range, base: 9n }, { ...range, base: 2n ** 64n });
    expect(encode(event)).toBe(body);
    expect(decode(body)).toStrictEqual(event);
    const rests = { type: 'restsEnded', at, arena: 'a', released: [] } as const;
    const ranges = [7n, 9n].map((base) => ({ base, size: 2n }));
    expect(encode({ ...rests, ended: ranges })).toContain('{"base":"7","size":"2","more":"9"}');
  });

  test('are read as older versions have written them, each for itself', () => {
    const body = `${head}{"arena":"a","base":"7","size":"2"},{"arena":"a","base":"9","size":"2"}]}]}`;
    expect(decode(body)).toStrictEqual(ended(range, { ...range, base: 9n }));
  });

  test.each<[string, Partial<FreedRange>]>([
    ['arena', { arena: 'b' }],
    ['size', { size: 1n }],
    ['rest', { rests: true }],
  ])('are none where they differ in their %s', (_, other) => {
    const event = ended(range, { ...range, base: 9n, ...other });
    expect(encode(event)).not.toContain('"more"');
    expect(decode(encode(event))).toStrictEqual(event);
  });

  test('lie within the space, each of them', () => {
    const event = ended(range, { ...range, base: 2n ** 128n - 1n });
    expect(thrownBy(() => encode(event))).toBeInstanceOf(AssertionError);
    const text = `${head}{"arena":"a","base":"7","size":"2","more":"${2n ** 128n - 1n}"}]}]}`;
    expect(thrownBy(() => decode(text))).toMatchObject({ code: 'malformed' });
  });
});

describe('decode refuses', () => {
  const good = JSON.parse(encode(allocated)) as Record<string, unknown>;

  test.each([
    ['an unknown version', { ...good, v: 2 }, 'unknown-version', 'v:'],
    ['no version', { ...good, v: undefined }, 'malformed', 'v:'],
    ['a version that is no number', { ...good, v: '1' }, 'malformed', 'v:'],
    ['an unknown type', { ...good, type: 'minted' }, 'unknown-type', 'type:'],
    ['a type that objects inherit', { ...good, type: 'constructor' }, 'unknown-type', 'type:'],
    ['no type', { ...good, type: undefined }, 'malformed', 'type:'],
    ['a missing field', { ...good, size: undefined }, 'malformed', 'size: missing'],
    ['an unknown field', { ...good, color: 'red' }, 'malformed', 'color: unknown field'],
    ['null', { ...good, owner: null }, 'malformed', 'owner:'],
    ['a number for a bigint', { ...good, base: 1 }, 'malformed', 'base:'],
    ['a negative address', { ...good, base: '-1' }, 'malformed', 'base:'],
    ['a leading zero', { ...good, base: '01' }, 'malformed', 'base:'],
    ['hexadecimal', { ...good, base: '0x10' }, 'malformed', 'base:'],
    ['white space', { ...good, base: ' 1' }, 'malformed', 'base:'],
    ['an empty number', { ...good, base: '' }, 'malformed', 'base:'],
    ['more than 128 bits', { ...good, base: String(2n ** 128n + 1n) }, 'malformed', 'base:'],
    ['very many digits', { ...good, base: '9'.repeat(1000) }, 'malformed', 'base:'],
    ['a size of 0', { ...good, size: '0' }, 'malformed', 'size 0'],
    ['an end above the top', { ...good, base: String(2n ** 128n - 1n) }, 'malformed', 'above'],
    ['an unknown policy', { ...good, policy: 'worstfit' }, 'malformed', 'policy:'],
    ['a label that is no string', { ...good, labels: { a: 1 } }, 'malformed', 'labels:'],
    ['a list for labels', { ...good, labels: [] }, 'malformed', 'labels:'],
    ['a fractional time', { ...good, at: 1.5 }, 'malformed', 'at:'],
    ['an empty arena', { ...good, arena: '' }, 'malformed', 'arena:'],
    ['an object for a list', { ...good, imported: {} }, 'malformed', 'imported:'],
    ['a wrong item', { ...good, imported: [{ arena: 'a' }] }, 'malformed', 'imported[0].source'],
    ['a slab too many', { ...good, slab: { base: '0', size: '1', x: 1 } }, 'malformed', 'slab.x'],
  ])('%s', (_, raw, code, message) => {
    const error = thrownBy(() => decode(JSON.stringify(raw)));
    expect(error).toBeInstanceOf(RecordError);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).toContain(message);
  });

  test.each(['', '{', '[]', 'null', '1', `${encode(freed)}\n${encode(freed)}`])('%j', (body) => {
    expect(thrownBy(() => decode(body))).toMatchObject({ name: 'RecordError', code: 'malformed' });
  });

  test('every field in turn when it is missing or of a wrong type', () => {
    const optional = new Set([
      'labels',
      'imported',
      'released',
      'spans',
      'slab',
      'reused',
      'rests',
      'quarantineSeconds',
      'owner',
      'source',
      'bands',
      'ownerLimit',
      'ownerLimits',
    ]);
    for (const arbitrary of Object.values(events)) {
      for (const event of fc.sample(arbitrary, { numRuns: 20, seed: 1 })) {
        const raw = JSON.parse(encode(event)) as Record<string, unknown>;
        for (const key of Object.keys(raw)) {
          const wrong = JSON.stringify({ ...raw, [key]: [[]] });
          expect(
            thrownBy(() => decode(wrong)),
            key,
          ).toBeInstanceOf(RecordError);
          if (optional.has(key) || key === 'importSize' || key === 'limit') continue;
          // Records of older versions do not have them.
          if (event.type === 'undeleted' && ['createdAt', 'externalId'].includes(key)) continue;
          if (event.type === 'arenaDestroyed' && ['notation', 'width'].includes(key)) continue;
          if (event.type === 'allocated' && ['lease', 'ttlSeconds', 'externalId'].includes(key))
            continue;
          if (event.type === 'leaseRenewed' && key === 'ttlSeconds') continue;
          const missing = JSON.stringify({ ...raw, [key]: undefined });
          expect(
            thrownBy(() => decode(missing)),
            key,
          ).toBeInstanceOf(RecordError);
        }
      }
    }
  });
});

describe('encode asserts', () => {
  test.each([
    ['a negative base', { ...allocated, base: -1n }],
    ['more than 128 bits', { ...allocated, size: 2n ** 128n + 1n }],
    ['a size of 0', { ...allocated, size: 0n }],
    ['a missing field', { ...allocated, policy: undefined }],
    ['a fractional time', { ...allocated, at: 0.5 }],
    ['an unknown type', { ...allocated, type: 'minted' }],
    ['a label that is no string', { ...allocated, labels: { a: 1 } }],
  ])('%s', (_, event) => {
    expect(thrownBy(() => encode(event as unknown as Event))).toBeInstanceOf(AssertionError);
  });
});

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
