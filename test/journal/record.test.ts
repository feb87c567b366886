import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/engine/assert.ts';
import type { Event } from '../../src/engine/event.ts';
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
