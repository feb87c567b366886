/** Events of every type, arbitrary within what a record may hold, edges of the space included. */
import fc from 'fast-check';
import { notations, policies, widths } from '../../src/engine/command.ts';
import type { BatchEvent, Event } from '../../src/engine/event.ts';

const end = 1n << 128n;
const edges = [0n, 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n, end - 1n];

export const address = fc.oneof(fc.constantFrom(...edges), fc.bigInt({ min: 0n, max: end - 1n }));
const size = fc.oneof(fc.constantFrom(...edges, end), fc.bigInt({ min: 0n, max: end }));
const range = fc
  .tuple(address, size)
  .map(([base, wanted]) => ({ base, size: clamp(wanted, 1n, end - base) }));
const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,40}$/);
const at = fc.nat({ max: 2 ** 43 });
const count = fc.oneof(fc.nat(), fc.constant(Number.MAX_SAFE_INTEGER));
const anyString = fc.string({
  unit: fc.constantFrom('a', '"', '\\', '\n', '\0', 'é', '\u2028', '😀', '\ud800'),
});
const key = fc.oneof(
  fc.constantFrom(
    '__proto__',
    'constructor',
    'toJSON',
    'toString',
    '',
    '0',
    'app.kubernetes.io/name',
  ),
  // Without what JSON escapes: V8 (seen in 13.6) may take one such key of an object for another, and
  // what clients may use as the key of a label has no such character.
  fc.string({ unit: fc.constantFrom('a', 'é', '\u2028', '😀') }),
);
const labels = fc
  .array(fc.tuple(key, anyString), { maxLength: 4 })
  .map((entries) => Object.fromEntries(entries) as Record<string, string>);
const policy = fc.constantFrom(...policies);
const move = fc
  .tuple(name, name, range)
  .map(([arena, source, taken]) => ({ arena, source, ...taken }));
const freed = fc
  .tuple(name, range, fc.boolean())
  .map(([arena, taken, rest]) => ({ arena, ...taken, ...(rest && { rests: true as const }) }));
const reused = fc
  .tuple(name, range, fc.boolean())
  .map(([arena, taken, plain]) => ({ arena, ...taken, ...(plain && { noPiece: true as const }) }));
const rests = fc.constant(true as const);
const moves = fc.array(
  fc
    .tuple(move, fc.boolean())
    .map(([moved, rest]) => ({ ...moved, ...(rest && { rests: true as const }) })),
  { maxLength: 3 },
);

const band = fc.record({ name, min: address, max: address, exclusive: fc.boolean() });

const tuning = {
  policy,
  importSize: size,
  largeImport: fc.boolean(),
  keepSpans: count,
  releaseAfterSeconds: count,
  quarantineSeconds: count,
  limit: size,
  ownerLimit: size,
  ownerLimits: fc.array(fc.record({ owner: anyString, limit: size }), { maxLength: 3 }),
  bands: fc.array(band, { maxLength: 3 }),
  labels,
};
const head = { at, arena: name };

type Placed = Extract<BatchEvent, { type: 'allocated' | 'freed' }>;

const differences = ['size', 'arena', 'policy', 'labels', 'owner', 'lease', 'rests'] as const;

/** The same event at another base; where a field is named, with another value of that as well. */
function otherThan(event: Placed, wanted: bigint, field: '' | (typeof differences)[number]): Event {
  const base = clamp(wanted, 0n, end - event.size);
  const moved = { ...event, base };
  if (field === 'size') return { ...moved, size: event.size === 1n ? event.size : event.size - 1n };
  if (field === 'arena') return { ...moved, arena: `${event.arena}x` };
  if (moved.type === 'freed') {
    const { rests: rested, ...others } = moved;
    if (field !== 'rests') return moved;
    return rested === true ? others : { ...others, rests: true };
  }
  if (field === 'policy') return { ...moved, policy: 'lastfit' };
  if (field === 'labels') {
    const entries = Object.entries(moved.labels).toReversed();
    return { ...moved, labels: Object.fromEntries(entries) };
  }
  if (field === 'owner') return { ...moved, owner: `${moved.owner ?? ''}x` };
  return field === 'lease' ? { ...moved, lease: `${moved.lease ?? ''}x` } : moved;
}

/** One arbitrary for each type: a type without one does not compile. */
const single: { readonly [T in Exclude<Event['type'], 'batched'>]: fc.Arbitrary<Event> } = {
  arenaCreated: fc.record(
    {
      type: fc.constant('arenaCreated' as const),
      ...head,
      notation: fc.constantFrom(...notations),
      width: fc.constantFrom(...widths),
      quantum: size,
      quantumCacheMax: size,
      source: name,
      spans: fc.array(range, { maxLength: 3 }),
      ...tuning,
    },
    {
      requiredKeys: [
        'type',
        'at',
        'arena',
        'notation',
        'width',
        'quantum',
        'quantumCacheMax',
        'spans',
        'policy',
        'largeImport',
        'keepSpans',
        'releaseAfterSeconds',
        'quarantineSeconds',
        'labels',
      ],
    },
  ),
  arenaUpdated: fc.record({
    type: fc.constant('arenaUpdated' as const),
    ...head,
    changes: fc.record(tuning, { requiredKeys: [] }),
    released: moves,
  }),
  arenaDestroyed: fc.record(
    {
      type: fc.constant('arenaDestroyed' as const),
      ...head,
      released: moves,
      notation: fc.constantFrom(...notations),
      width: fc.constantFrom(...widths),
    },
    { requiredKeys: ['type', 'at', 'arena', 'released'] },
  ),
  spanAdded: ranged({ type: fc.constant('spanAdded' as const), ...head }),
  spanRemoved: ranged({ type: fc.constant('spanRemoved' as const), ...head, released: moves }),
  allocated: fc
    .tuple(
      fc.record(
        {
          type: fc.constant('allocated' as const),
          ...head,
          policy,
          labels,
          owner: anyString,
          externalId: name,
          lease: name,
          ttlSeconds: count,
          imported: fc.array(move, { maxLength: 3 }),
          slab: range,
          reused,
        },
        { requiredKeys: ['type', 'at', 'arena', 'policy', 'labels', 'imported'] },
      ),
      range,
    )
    .map(([event, placed]) => ({ ...event, ...placed })),
  allocationKept: ranged({ type: fc.constant('allocationKept' as const), ...head }),
  freed: ranged({ type: fc.constant('freed' as const), ...head, rests, released: moves }, [
    'rests',
  ]),
  allFreed: fc.record(
    { type: fc.constant('allFreed' as const), ...head, count, rests, released: moves },
    { requiredKeys: ['type', 'at', 'arena', 'count', 'released'] },
  ),
  resized: ranged({ type: fc.constant('resized' as const), ...head, rests, previousSize: size }, [
    'rests',
  ]),
  allocationUpdated: fc.record(
    {
      type: fc.constant('allocationUpdated' as const),
      ...head,
      address,
      labels,
      owner: anyString,
    },
    { requiredKeys: ['type', 'at', 'arena', 'address'] },
  ),
  allocationSplit: ranged({
    type: fc.constant('allocationSplit' as const),
    ...head,
    pieces: fc.array(range, { maxLength: 3 }),
  }),
  allocationsMerged: fc
    .tuple(
      fc.record(
        {
          type: fc.constant('allocationsMerged' as const),
          ...head,
          parts: fc.array(range, { maxLength: 3 }),
          labels,
        },
        { requiredKeys: ['type', 'at', 'arena', 'parts'] },
      ),
      range,
    )
    .map(([event, placed]) => ({ ...event, ...placed })),
  undeleted: ranged(
    {
      type: fc.constant('undeleted' as const),
      ...head,
      createdAt: at,
      labels,
      owner: anyString,
      externalId: anyString,
    },
    ['createdAt', 'labels', 'owner', 'externalId'],
  ),
  restsEnded: fc.record({
    type: fc.constant('restsEnded' as const),
    ...head,
    ended: fc.array(range, { maxLength: 5 }),
    released: moves,
  }),
  spansReleased: fc.record({
    type: fc.constant('spansReleased' as const),
    ...head,
    released: moves,
  }),
  leaseCreated: fc.record(
    {
      type: fc.constant('leaseCreated' as const),
      at,
      lease: name,
      ttlSeconds: count,
      labels,
      owner: anyString,
    },
    { requiredKeys: ['type', 'at', 'lease', 'ttlSeconds', 'labels'] },
  ),
  leaseRenewed: fc.record(
    { type: fc.constant('leaseRenewed' as const), at, lease: name, ttlSeconds: count },
    { requiredKeys: ['type', 'at', 'lease'] },
  ),
  leasesEnded: fc.record({
    type: fc.constant('leasesEnded' as const),
    at,
    reason: fc.constantFrom('expired' as const, 'revoked' as const),
    ended: fc.array(fc.record({ lease: name, freed: fc.array(freed, { maxLength: 3 }) }), {
      maxLength: 3,
    }),
    released: moves,
  }),
};

/** Every type that can be part of a batch; the compiler says when one is missing. */
const parts: Record<BatchEvent['type'], true> = {
  allocated: true,
  freed: true,
  resized: true,
  allocationSplit: true,
  allocationsMerged: true,
  allocationUpdated: true,
  allocationKept: true,
  leaseRenewed: true,
  undeleted: true,
};

/** Events that differ in their bases, and some in one thing more. */
const run = fc
  .tuple(
    fc.oneof(single.allocated, single.freed),
    fc.array(fc.tuple(address, fc.constantFrom('', ...differences)), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([first, others]) => [
    first,
    ...others.map(([base, field]) => otherThan(first as Placed, base, field)),
  ]);

export const events: { readonly [T in Event['type']]: fc.Arbitrary<Event> } = {
  ...single,
  batched: fc
    .tuple(
      at,
      fc.array(
        fc.oneof(
          ...Object.keys(parts).map((type) =>
            single[type as BatchEvent['type']].map((one) => [one]),
          ),
          { arbitrary: run, weight: 6 },
        ),
        { minLength: 1, maxLength: 5 },
      ),
    )
    .map(([when, drawn]) => ({
      type: 'batched' as const,
      at: when,
      events: drawn.flat().map((event) => ({ ...event, at: when }) as BatchEvent),
    })),
};

function ranged<T extends Record<string, fc.Arbitrary<unknown>>>(
  fields: T,
  optional: readonly string[] = [],
) {
  const requiredKeys = Object.keys(fields).filter((key) => !optional.includes(key));
  return fc
    .tuple(fc.record(fields, { requiredKeys }), range)
    .map(([event, placed]) => ({ ...event, ...placed }) as unknown as Event);
}

function clamp(value: bigint, low: bigint, high: bigint): bigint {
  if (value < low) return low;
  return value > high ? high : value;
}
