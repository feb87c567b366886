import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/engine/assert.ts';
import { notations, policies, widths } from '../../src/engine/command.ts';
import { Engine } from '../../src/engine/engine.ts';
import { BUSY, FREE, HELD } from '../../src/engine/narrow/segments.ts';
import { RESTING } from '../../src/engine/snapshot.ts';
import type { SegmentsPart, SnapshotPart } from '../../src/engine/snapshot.ts';
import { RecordError } from '../../src/journal/codec.ts';
import { decodePart, encodePart } from '../../src/journal/snapshot-part.ts';
import { linesOf } from '../model/checkpoint.ts';
import { Model } from '../model/model.ts';
import { nextCommand, tick } from '../model/orders.ts';
import { Random } from '../model/random.ts';
import { judgeOne } from '../model/session.ts';
import { setUp, shapes } from '../model/shape.ts';
import { address } from './events.ts';

const seed = Number(process.env['VMEMD_SEED'] ?? 7_001);
const top = 1n << 128n;
const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,40}$/);
const count = fc.oneof(fc.nat(), fc.constantFrom(0, Number.MAX_SAFE_INTEGER));
const counts = fc.array(count, { maxLength: 20 });
const size = fc.oneof(
  fc.integer({ min: 1, max: 100 }),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, 2n ** 53n, top),
  fc.bigInt({ min: 2n ** 53n, max: top }),
);
const labels = fc
  .array(fc.tuple(fc.constantFrom('__proto__', 'toJSON', '', '1', 'a'), fc.string()), {
    maxLength: 3,
  })
  .map((entries) => Object.fromEntries(entries) as Record<string, string>);

const segments = fc
  .array(fc.tuple(size, fc.constantFrom(FREE, BUSY, HELD, RESTING), count, count, count), {
    maxLength: 20,
  })
  .map((rows) => {
    const known = rows.filter(([, state]) => state === BUSY || state === RESTING);
    const resting = rows.filter(([, state]) => state === RESTING);
    return {
      sizes: rows.map(([quanta]) => quanta),
      states: rows.map(([, state]) => state),
      createdAt: known.map(([, , createdAt]) => createdAt),
      revisions: known.map(([, , , revision]) => revision),
      ...(resting.length > 0 && { restingSince: resting.map(([, , , , since]) => since) }),
    };
  });

const span = fc
  .tuple(address, address, fc.boolean(), count, fc.option(count))
  .map(([base, wanted, imported, revision, idleSince]) => ({
    base,
    size: wanted === 0n || base + wanted > top ? 1n : wanted,
    imported,
    revision,
    ...(imported && idleSince !== null ? { idleSince } : {}),
  }));

const about = fc.record(
  { labels, owner: fc.string(), importedBy: name, externalId: name },
  { requiredKeys: ['labels'] },
);

const abouts = fc
  .uniqueArray(fc.tuple(count, about), { maxLength: 9, selector: ([ordinal]) => ordinal })
  .map((rows) => rows.toSorted(([a], [b]) => a - b))
  .map((rows) => ({ ordinals: rows.map(([at]) => at), abouts: rows.map(([, one]) => one) }));

const arena = fc
  .tuple(
    fc.record(
      {
        notation: fc.constantFrom(...notations),
        width: fc.constantFrom(...widths),
        policy: fc.constantFrom(...policies),
        source: name,
        importSize: address,
        largeImport: fc.boolean(),
        keepSpans: count,
        releaseAfterSeconds: count,
        quarantineSeconds: count,
        limit: address,
        ownerLimit: address,
        ownerLimits: fc.array(fc.record({ owner: fc.string(), limit: address }), { maxLength: 3 }),
        labels,
        createdAt: count,
        revision: count,
        cursor: address,
      },
      {
        requiredKeys: [
          'notation',
          'width',
          'policy',
          'largeImport',
          'keepSpans',
          'releaseAfterSeconds',
          'quarantineSeconds',
          'labels',
          'createdAt',
          'revision',
          'cursor',
        ],
      },
    ),
    fc.bigInt({ min: 0n, max: 120n }),
    fc.bigInt({ min: 0n, max: 16n }),
  )
  .map(([settings, order, pieces]) => {
    const quantum = 1n << order;
    return { ...settings, quantum, quantumCacheMax: quantum * pieces };
  });

const lease = fc.record(
  {
    id: name,
    ttlSeconds: count,
    owner: fc.string(),
    labels,
    createdAt: count,
    revision: count,
    endsWhenEmpty: fc.boolean(),
  },
  { requiredKeys: ['id', 'ttlSeconds', 'labels', 'createdAt', 'revision', 'endsWhenEmpty'] },
);

type Drawn<T extends SnapshotPart['type']> = fc.Arbitrary<
  Omit<Extract<SnapshotPart, { type: T }>, 'type' | 'arena'>
>;

/** One arbitrary for each type: a type without one does not compile. */
const parts: { readonly [T in SnapshotPart['type']]: Drawn<T> } = {
  arena,
  spans: fc.record({ spans: fc.array(span, { maxLength: 5 }) }),
  slabs: fc.record({
    slabs: fc.array(fc.record({ base: address, pieceSize: address.map((value) => value || 1n) }), {
      maxLength: 5,
    }),
  }),
  segments,
  abouts,
  gaps: fc.record({ ordinals: counts }),
  leases: fc.record({ leases: fc.array(lease, { maxLength: 4 }) }),
  leased: fc
    .array(fc.tuple(count, count), { maxLength: 5 })
    .map((pairs) => [...new Map(pairs)].toSorted(([a], [b]) => a - b))
    .map((pairs) => ({ ordinals: pairs.map(([o]) => o), leases: pairs.map(([, l]) => l) })),
};

const good: SegmentsPart = {
  type: 'segments',
  arena: 'pods',
  sizes: [4, 60, 2n ** 53n, 1, 1],
  states: [BUSY, FREE, BUSY, HELD, BUSY],
  createdAt: [1_763_798_400_000, 1_763_798_400_000, 1_763_798_300_000],
  revisions: [7, 9, 8],
};

/** With arrays for typed columns. */
function listed(part: SnapshotPart): object {
  const fields = Object.entries(part).map(([key, value]: [string, unknown]) => [
    key,
    ArrayBuffer.isView(value) ? Array.from(value as Float64Array) : value,
  ]);
  return Object.fromEntries(fields) as object;
}

describe('round trip', () => {
  test.each(Object.entries(parts))('%s', (type, arbitrary: fc.Arbitrary<object>) => {
    fc.assert(
      fc.property(name, arbitrary, (of, drawn) => {
        // fast-check draws objects without a prototype; the engine's have one.
        const owned = type === 'leases' ? {} : { arena: of };
        const part = structuredClone({ type, ...owned, ...drawn }) as SnapshotPart;
        const line = encodePart(part);
        expect(line).not.toContain('\n');
        const decoded = decodePart(line);
        expect(listed(decoded)).toStrictEqual(part);
        expect(encodePart(decoded)).toBe(line);
      }),
    );
  });
});

test('a part reads as documented', () => {
  expect(encodePart(good)).toBe(
    '{"v":1,"type":"segments","arena":"pods","sizes":[4,60,"9007199254740992",1,1],' +
      '"states":"bfbcb","createdAt":[1763798400000,0,-100000],"revisions":[7,2,-1]}',
  );
  expect(encodePart({ type: 'gaps', arena: 'a', ordinals: [3, 0, 1, 2] })).toBe(
    '{"v":1,"type":"gaps","arena":"a","ordinals":[3,-3,1,1]}',
  );
});

describe('decode refuses', () => {
  const raw = JSON.parse(encodePart(good)) as Record<string, unknown>;
  const gaps = { v: 1, type: 'gaps', arena: 'a', ordinals: [0] };
  const spans = { v: 1, type: 'spans', arena: 'a' };
  const slabs = { v: 1, type: 'slabs', arena: 'a' };
  const about = { v: 1, type: 'abouts', arena: 'a', ordinals: [1], abouts: [{}] };
  const created = JSON.parse(
    encodePart({ type: 'arena', arena: 'a', ...fc.sample(arena, { numRuns: 1, seed: 3 })[0]! }),
  ) as Record<string, unknown>;

  test.each([
    ['an unknown version', { ...raw, v: 2 }, 'unknown-version', 'v:'],
    ['no version', { ...raw, v: undefined }, 'malformed', 'v:'],
    ['an unknown type', { ...raw, type: 'tenants' }, 'unknown-type', 'type:'],
    ['a type that objects inherit', { ...raw, type: 'constructor' }, 'unknown-type', 'type:'],
    ['no type', { ...raw, type: undefined }, 'malformed', 'type:'],
    ['a missing column', { ...raw, sizes: undefined }, 'malformed', 'sizes: missing'],
    ['an unknown field', { ...raw, color: 'red' }, 'malformed', 'color: unknown field'],
    ['no arena', { ...raw, arena: '' }, 'malformed', 'arena:'],
    ['a column that is no list', { ...raw, sizes: {} }, 'malformed', 'sizes:'],
    ['a size of 0', { ...raw, sizes: [4, 60, 0, 1, 1] }, 'malformed', 'sizes[2]'],
    ['a negative size', { ...raw, sizes: [-4, 60, 1, 1, 1] }, 'malformed', 'sizes[0]'],
    ['a fractional size', { ...raw, sizes: [4.5, 60, 1, 1, 1] }, 'malformed', 'sizes[0]'],
    ['a small size in digits', { ...raw, sizes: ['4', 60, 1, 1, 1] }, 'malformed', 'sizes[0]'],
    ['a rounded size', { ...raw, sizes: [2 ** 53, 60, 1, 1, 1] }, 'malformed', 'sizes[0]'],
    ['a size above 2^128', { ...raw, sizes: [`${top}0`, 6, 1, 1, 1] }, 'malformed', 'sizes[0]'],
    ['null for a size', { ...raw, sizes: [null, 60, 1, 1, 1] }, 'malformed', 'sizes[0]'],
    ['an unknown state', { ...raw, states: 'bfxcb' }, 'malformed', 'states[2]'],
    ['states that are no string', { ...raw, states: [1] }, 'malformed', 'states:'],
    ['a state less', { ...raw, states: 'bfbc' }, 'malformed', 'states:'],
    ['a state more', { ...raw, states: 'bfbcbf' }, 'malformed', 'states:'],
    ['a time less', { ...raw, createdAt: [1, 1] }, 'malformed', 'createdAt:'],
    ['a revision more', { ...raw, revisions: [1, 1, 1, 1] }, 'malformed', 'revisions:'],
    ['a time before 1970', { ...raw, createdAt: [1, 1, -3] }, 'malformed', 'createdAt[2]'],
    ['a fractional step', { ...raw, createdAt: [1, 0.5, 0.5] }, 'malformed', 'createdAt[1]'],
    ['a step too far', { ...raw, revisions: [2 ** 53 - 1, 1, 0] }, 'malformed', 'revisions[1]'],
    ['a step of text', { ...raw, revisions: [1, '1', 0] }, 'malformed', 'revisions[1]'],
    ['a place of text', { ...gaps, ordinals: ['0'] }, 'malformed', 'ordinals[0]'],
    ['a place before the first', { ...gaps, ordinals: [-1] }, 'malformed', 'ordinals[0]'],
    ['places out of order', { ...about, ordinals: [1, 0], abouts: [{}, {}] }, 'malformed', 'order'],
    ['a place twice', { ...about, ordinals: [1, 0], abouts: [{}, {}] }, 'malformed', 'once'],
    ['a place too many', { ...about, ordinals: [1, 1] }, 'malformed', 'abouts:'],
    ['an unknown field of it', { ...about, abouts: [{ x: 1 }] }, 'malformed', 'abouts[0].x'],
    ['a span without size', { ...spans, spans: [{ base: '1' }] }, 'malformed', 'spans[0].size'],
    [
      'a span of size 0',
      { ...spans, spans: [{ base: '1', size: '0', revision: 1 }] },
      'malformed',
      'size 0',
    ],
    [
      'a static span that is idle',
      { ...spans, spans: [{ base: '1', size: '1', revision: 1, idleSince: 3 }] },
      'malformed',
      'idleSince',
    ],
    [
      'a slab without room',
      { ...slabs, slabs: [{ base: '1', pieceSize: '0' }] },
      'malformed',
      'slab',
    ],
    ['a quantum of 0', { ...created, quantum: '0' }, 'malformed', 'quantum:'],
    ['a quantum of 3', { ...created, quantum: '3' }, 'malformed', 'quantum:'],
    [
      'a quantum cache too large',
      { ...created, quantum: '1', quantumCacheMax: '17' },
      'malformed',
      'quantumCacheMax',
    ],
  ])('%s', (_, wrong, code, message) => {
    const error = thrownBy(() => decodePart(JSON.stringify(wrong)));
    expect(error).toBeInstanceOf(RecordError);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).toContain(message);
  });

  test.each(['', '{', '[]', 'null', '1'])('%j', (line) => {
    expect(thrownBy(() => decodePart(line))).toMatchObject({ code: 'malformed' });
  });
});

describe('encode asserts', () => {
  test.each<[string, Partial<SegmentsPart>]>([
    ['a size of 0', { sizes: [0, 1, 1, 1, 1] }],
    ['a small bigint', { sizes: [1n, 1, 1, 1, 1] }],
    ['a number that is not exact', { sizes: [2 ** 53, 1, 1, 1, 1] }],
    ['an unknown state', { states: [9, FREE, BUSY, HELD, BUSY] }],
    ['a state less', { states: [BUSY, FREE, BUSY, HELD] }],
    ['a fractional time', { createdAt: [0.5, 1, 1] }],
    ['a revision less', { revisions: [1, 1] }],
  ])('%s', (_, wrong) => {
    expect(thrownBy(() => encodePart({ ...good, ...wrong }))).toBeInstanceOf(AssertionError);
  });
});

/** A damaged line is refused here, or by the engine where it contradicts another, or it is a state. */
test.each(shapes)('damage anywhere ends well: %s', (shape) => {
  const random = new Random(seed, shape);
  const engine = new Engine();
  const model = new Model();
  for (const command of setUp(shape, { policy: 'instantfit', width: 64, quantum: 1n }, random)) {
    judgeOne(engine, model, command, 'outcome');
  }
  for (let step = 0; step < 60; step++) {
    judgeOne(engine, model, nextCommand(model, random, step * tick, 60), 'outcome');
  }
  const lines = linesOf(engine);
  let refused = 0;
  for (let round = 0; round < 150; round++) {
    const at = random.int(lines.length);
    const error = thrownBy(() => {
      const restored = new Engine();
      for (const [i, line] of lines.entries()) {
        restored.restore(decodePart(i === at ? damaged(line, random) : line));
      }
      restored.restored(engine.revision);
      for (const view of restored.arenas(undefined, 100)) {
        if (restored.check(view.arena).problems.length > 0) throw new Error(view.arena);
      }
    });
    if (error === undefined) continue;
    refused++;
    const kinds = error instanceof RecordError || error instanceof AssertionError;
    expect(kinds, `VMEMD_SEED=${seed} round ${round}: ${String(error)}`).toBe(true);
  }
  expect(refused).toBeGreaterThan(0);
});

/** One character replaced, left out or put in twice. */
function damaged(line: string, random: Random): string {
  const at = random.int(line.length);
  const digit = String(random.int(10));
  const put = random.pick([digit, digit, '', line.charAt(at).repeat(2), '-', 'f', 'b', 'c', ',']);
  return line.slice(0, at) + put + line.slice(at + 1);
}

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
