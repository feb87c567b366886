/** The text of a batch's report is what the serialiser of its schema makes of the same results. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { alike } from '../../src/engine/alike.ts';
import { notations } from '../../src/engine/command.ts';
import { viewMade } from '../../src/http/allocations.ts';
import { batchReportJson, tell, type After } from '../../src/http/batch-report.ts';
import { stringifier } from '../../src/http/contract.ts';
import { allocationRepresentation, rangeRepresentation } from '../../src/http/representation.ts';
import { batchReport } from '../../src/http/wire/batch.ts';

const spaces = new Map(
  notations.map((notation) => [
    `${notation}.arena`,
    { notation, width: notation === 'ipv4' ? 32 : 128 } as const,
  ]),
);
const text = fc.constantFrom('a', '"address":"1"', '\\', 'é', '\u2028', '\n', '😀', '');
const grant = fc.record(
  {
    type: fc.constant('allocated' as const),
    at: fc.constantFrom(0, 1_763_798_400_000),
    arena: fc.constantFrom(...spaces.keys()),
    size: fc.constantFrom(1n, 3n, 256n),
    policy: fc.constant('bestfit' as const),
    labels: fc.dictionary(text, text, { maxKeys: 2, noNullPrototype: true }),
    imported: fc.constant([]),
    owner: text,
    externalId: text,
  },
  { requiredKeys: ['type', 'at', 'arena', 'size', 'policy', 'labels', 'imported'] },
);
const base = fc.oneof(
  fc.nat({ max: 2 ** 31 }).map(BigInt),
  fc.nat({ max: 2 ** 23 }).map((block) => BigInt(block) * 256n),
);
/** Where the number of digits changes, of the first address or the last, and where doubles end. */
const edges = [9n, 99n, 99_999_999n, 10n ** 15n, 2n ** 53n - 1n, 2n ** 53n - 256n];
const edge = fc
  .tuple(fc.constantFrom(...edges), fc.constantFrom(-257n, -256n, -3n, -1n, 0n, 1n))
  .map(([at, by]) => (at + by < 0n ? 0n : at + by));
const far = fc.bigInt({ min: 0n, max: 2n ** 128n - 256n });
/** Like grants side by side in the list, of which one may be told under another name, or freed. */
const run = fc.tuple(
  grant,
  fc.constantFrom('near', 'edge', 'far'),
  fc.array(fc.tuple(base, edge, far, fc.constantFrom('alloc', 'alloc', 'xalloc', 'free')), {
    minLength: 1,
    maxLength: 6,
  }),
);

test('the report of grants and frees in any order, in all notations', () => {
  let runs = 0;
  fc.assert(
    fc.property(fc.array(run, { maxLength: 5 }), fc.nat(), (drawn, revision) => {
      const granted = drawn.flatMap(([like, where, places]) =>
        places.map(([near, edgy, distant, op]) => {
          const wide = where !== 'near' && spaces.get(like.arena)!.width === 128;
          const there = where === 'edge' ? edgy : distant;
          return { event: { ...like, base: wide ? there : near }, op } as const;
        }),
      );
      for (const [i, { event }] of granted.entries()) {
        if (i > 0 && alike(granted[i - 1]!.event, event)) runs++;
      }
      const states = granted.map(({ event, op }): After => {
        return op === 'free' ? { arena: event.arena, range: event } : event;
      });
      const results = granted.map(({ event, op }) => {
        const space = spaces.get(event.arena)!;
        if (op === 'free') return { arena: event.arena, ...rangeRepresentation(event, space), op };
        return { ...allocationRepresentation(viewMade(event, revision), space), op };
      });
      const json = batchReportJson({ revision, told: tell(states, granted), spaces });
      expect(json.toString()).toBe(stringifier(batchReport)({ revision, results }));
    }),
  );
  expect(runs).toBeGreaterThan(20);
});
