/**
 * Parts of a snapshot that contradict one another: each is well formed by itself, and an engine that
 * took them would serve a state that never was.
 */
import { expect, test } from 'vitest';
import { AssertionError } from '../../src/engine/assert.ts';
import { Engine } from '../../src/engine/engine.ts';
import { HELD } from '../../src/engine/narrow/segments.ts';
import type { SegmentsPart, SnapshotPart } from '../../src/engine/snapshot.ts';
import { Driver } from './harness.ts';

/** A small state with everything in it: an importing arena, slabs, queues and labels. */
function everything(): SnapshotPart[] {
  const driver = new Driver();
  const root = driver.arena('root', { spans: [[0n, 4096n]], quantum: 16n });
  root.alloc(16n);
  const arena = driver.arena('a', {
    source: 'root',
    importSize: 256n,
    quantumCacheMax: 4n,
    policy: 'instantfit',
    keepSpans: 1,
    spans: [
      [8192n, 100n],
      [8292n, 100n],
    ],
  });
  for (const size of [3n, 3n, 20n, 40n, 20n, 50n, 4n, 200n]) arena.alloc(size);
  for (const { address } of arena.walk().filter(({ size }) => size === 20n)) arena.free(address);
  const lease = 'lease-1';
  driver.perform({ type: 'createLease', lease, ttlSeconds: 60, labels: {}, owner: 'me' });
  driver.perform({ type: 'createLease', lease: 'lease-0', ttlSeconds: 60, labels: {} });
  for (const ttl of [{}, { ttlSeconds: 9, lease: 'lease-2' }]) {
    const common = { arena: 'a', size: 21n, constraint: {}, labels: {}, seed: 0 };
    driver.perform({ type: 'xalloc', lease, ...common, ...ttl });
  }
  const labels = { a: 'b' };
  const externalId = 'mine';
  driver.perform({
    type: 'alloc',
    arena: 'a',
    size: 30n,
    constraint: {},
    labels,
    externalId,
    seed: 0,
  });
  return [...driver.engine.snapshot()];
}

function restoreAll(parts: readonly SnapshotPart[], revision = 1000): void {
  const engine = new Engine();
  for (const part of parts) engine.restore(part);
  engine.restored(revision);
  for (const { arena } of engine.arenas(undefined, 10)) {
    expect(engine.check(arena).problems).toEqual([]);
  }
}

/** A part whose columns are arrays, as those of a snapshot are. */
type Listed<P> = {
  readonly [K in keyof P]: P[K] extends string
    ? P[K]
    : P[K] extends ArrayLike<infer T>
      ? readonly T[]
      : P[K];
};
type PartOf<T extends SnapshotPart['type']> = Extract<SnapshotPart, { type: T }>;

function changed<T extends SnapshotPart['type']>(
  type: T,
  change: (part: Listed<PartOf<T>>) => Partial<PartOf<T>>,
): SnapshotPart[] {
  return everything().map((part) =>
    part.type === type && arenaOf(part) === 'a'
      ? { ...part, ...change(part as Listed<PartOf<T>>) }
      : part,
  );
}

function without(type: SnapshotPart['type']): SnapshotPart[] {
  return everything().filter((part) => part.type !== type || arenaOf(part) !== 'a');
}

/** Leases are of no arena. */
function arenaOf(part: SnapshotPart): string {
  return part.type === 'leases' ? 'a' : part.arena;
}

function doubled(type: SnapshotPart['type']): SnapshotPart[] {
  return everything().flatMap((part) => (part.type === type ? [part, part] : part));
}

function swapped(first: SnapshotPart['type'], second: SnapshotPart['type']): SnapshotPart[] {
  const parts = everything();
  const a = parts.findIndex((part) => part.type === first && arenaOf(part) === 'a');
  const b = parts.findIndex((part) => part.type === second && arenaOf(part) === 'a');
  return parts.with(a, parts[b]!).with(b, parts[a]!);
}

test('takes a state with everything in it', () => {
  const parts = everything();
  const types = new Set(parts.map(({ type }) => type));
  const inOrder = ['leases', 'arena', 'spans', 'segments', 'abouts', 'gaps', 'slabs', 'leased'];
  expect([...types]).toEqual(inOrder);
  restoreAll(parts);
});

const segments = (change: (part: Listed<SegmentsPart>) => Partial<SegmentsPart>) =>
  changed('segments', change);
const first = <T>(list: readonly T[], item: T): T[] => [item, ...list.slice(1)];

test.each<[string, SnapshotPart[], number?]>([
  ['no arena first', everything().filter((_, i) => i !== 1)],
  ['an arena twice', [...everything(), everything()[1]!]],
  ['leases behind arenas', [...everything().slice(1), everything()[0]!]],
  ['leases twice', doubled('leases')],
  ['no leases', without('leases')],
  ['a lease less', changed('leases', ({ leases }) => ({ leases: leases.slice(1) }))],
  ['leases out of order', changed('leases', ({ leases }) => ({ leases: leases.toReversed() }))],
  [
    'a lease younger than the snapshot',
    changed('leases', ({ leases }) => ({ leases: leases.map((l) => ({ ...l, revision: 1001 })) })),
  ],
  [
    'a lease that ends with its last allocation and has none',
    changed('leases', ({ leases }) => ({
      leases: leases.map((lease) => ({ ...lease, endsWhenEmpty: true })),
    })),
  ],
  ['leased before segments', swapped('segments', 'leased')],
  ['an allocation under two leases', doubled('leased')],
  ['an allocation under a lease that is not', changed('leased', () => ({ leases: [1, 99] }))],
  ['a lease of no allocation', changed('leased', () => ({ ordinals: [1, 99] }))],
  [
    'what an arena has imported under a lease',
    everything().flatMap((p) =>
      p.type === 'gaps' && p.arena === 'root'
        ? [{ type: 'leased', arena: 'root', ordinals: [1], leases: [0] }, p]
        : [p],
    ),
  ],
  [
    'an importing arena before its source',
    everything()
      .toReversed()
      .filter((p) => p.type === 'arena'),
  ],
  ['an arena of its own source', changed('arena', () => ({ source: 'a' }))],
  ['a part of another arena', changed('gaps', () => ({ arena: 'root' }))],
  ['an arena younger than the snapshot', everything(), 3],
  ['a cursor out of the space', changed('arena', () => ({ cursor: 1n << 65n }))],
  ['no spans', without('spans')],
  ['no slabs', without('slabs')],
  ['no segments', without('segments')],
  ['no gaps', without('gaps')],
  ['nothing said of what an arena holds', everything().filter((p) => p.type !== 'abouts')],
  ['segments before spans', swapped('spans', 'segments')],
  ['segments before slabs', swapped('slabs', 'segments')],
  ['gaps before segments', swapped('segments', 'gaps')],
  ['abouts before segments', swapped('segments', 'abouts')],
  ['a span twice', changed('spans', ({ spans }) => ({ spans: [...spans, spans[0]!] }))],
  ['a span less', changed('spans', ({ spans }) => ({ spans: spans.slice(1) }))],
  ['spans out of order', changed('spans', ({ spans }) => ({ spans: spans.toReversed() }))],
  [
    'a span younger than its arena',
    changed('spans', ({ spans }) => ({ spans: spans.map((s) => ({ ...s, revision: 999 })) })),
  ],
  [
    'an imported span that is not',
    changed('spans', ({ spans }) => ({ spans: spans.map((s) => ({ ...s, imported: false })) })),
  ],
  [
    'a busy span that is idle',
    changed('spans', ({ spans }) => ({
      spans: spans.map((s) => (s.imported ? { ...s, idleSince: 5 } : s)),
    })),
  ],
  ['a slab twice', changed('slabs', ({ slabs }) => ({ slabs: [...slabs, slabs[0]!] }))],
  ['a slab less', changed('slabs', ({ slabs }) => ({ slabs: slabs.slice(1) }))],
  [
    'a slab elsewhere',
    changed('slabs', ({ slabs }) => ({ slabs: slabs.map((s) => ({ ...s, base: s.base + 1n })) })),
  ],
  [
    'a slab of other pieces',
    changed('slabs', ({ slabs }) => ({ slabs: slabs.map((s) => ({ ...s, pieceSize: 2n })) })),
  ],
  [
    'a slab of pieces too large',
    changed('slabs', ({ slabs }) => ({ slabs: slabs.map((s) => ({ ...s, pieceSize: 64n })) })),
  ],
  ['a larger segment', segments(({ sizes }) => ({ sizes: first(sizes, 77) }))],
  [
    'a segment larger than the space',
    segments(({ sizes }) => ({ sizes: first(sizes, 1n << 100n) })),
  ],
  [
    'a segment less',
    segments(({ sizes, states }) => ({ sizes: sizes.slice(0, -1), states: states.slice(0, -1) })),
  ],
  [
    'segments twice',
    segments(({ sizes, states, createdAt, revisions }) => ({
      sizes: [...sizes, ...sizes],
      states: [...states, ...states],
      createdAt: [...createdAt, ...createdAt],
      revisions: [...revisions, ...revisions],
    })),
  ],
  [
    'free instead of cached',
    segments(({ states }) => ({ states: states.map((s) => (s === HELD ? 1 : s)) })),
  ],
  [
    'cached instead of free',
    segments(({ states }) => ({ states: states.map((s) => (s === 1 ? HELD : s)) })),
  ],
  ['a void segment', segments(({ states }) => ({ states: states.map((s) => (s === 1 ? 0 : s)) }))],
  [
    'a busy segment without an allocation',
    segments(({ createdAt, revisions }) => ({
      createdAt: createdAt.slice(1),
      revisions: revisions.slice(1),
    })),
  ],
  [
    'an allocation younger than its arena',
    segments(({ revisions }) => ({ revisions: first(revisions, 999) })),
  ],
  ['something of no allocation', changed('abouts', () => ({ ordinals: [99] }))],
  ['something of an allocation twice', doubled('abouts')],
  [
    'an external id twice',
    changed('abouts', () => ({
      ordinals: [0, 1],
      abouts: [
        { labels: {}, externalId: 'x' },
        { labels: {}, externalId: 'x' },
      ],
    })),
  ],
  ['a gap twice', changed('gaps', ({ ordinals }) => ({ ordinals: first(ordinals, ordinals[1]!) }))],
  ['a gap less', changed('gaps', ({ ordinals }) => ({ ordinals: ordinals.slice(1) }))],
  ['a gap of no segment', changed('gaps', ({ ordinals }) => ({ ordinals: first(ordinals, 99) }))],
  ['gaps twice', doubled('gaps')],
  [
    'what another arena has imported',
    everything().map((p) =>
      p.type === 'abouts'
        ? { ...p, abouts: p.abouts.map((about) => ({ ...about, importedBy: 'root' })) }
        : p,
    ),
  ],
])('refuses %s', (_, parts, revision) => {
  expect(() => restoreAll(parts, revision)).toThrow(AssertionError);
});
