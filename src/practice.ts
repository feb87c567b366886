/**
 * Practice: ends leases of an engine of its own, so that the code that does it is compiled before the
 * first large one. That would otherwise hold up everybody for two or three times as long as those after
 * it. Each round is a turn of the loop, and a short one.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { assert } from './engine/assert.ts';
import type { Command } from './engine/command.ts';
import { Engine } from './engine/engine.ts';
import type { Event } from './engine/event.ts';
import { encode } from './journal/record.ts';

const rounds = 30;
const allocations = 500;

export async function practiseEndingLeases(): Promise<void> {
  const engine = new Engine();
  const at = 0;
  const make = (command: Command): Event => {
    const event = engine.decide(command);
    assert(!('refused' in event), 'what is practised is possible');
    engine.apply(event, engine.revision + 1);
    return event;
  };
  make({
    at,
    type: 'createArena',
    arena: 'practice',
    notation: 'decimal',
    width: 64,
    quantum: 1n,
    policy: 'instantfit',
    largeImport: false,
    keepSpans: 0,
    releaseAfterSeconds: 0,
    quarantineSeconds: 0,
    quantumCacheMax: 0n,
    labels: {},
    spans: [{ base: 0n, size: BigInt(allocations) }],
  });
  const lease = '00000000-0000-4000-8000-000000000000';
  const block = {
    at,
    type: 'alloc',
    arena: 'practice',
    size: 1n,
    constraint: {},
    labels: {},
  } as const;
  for (let round = 0; round < rounds; round++) {
    make({ at, type: 'createLease', lease, ttlSeconds: 1, labels: {} });
    for (let n = 0; n < allocations; n++) make({ ...block, lease });
    encode(make({ at, type: 'expireLeases', leases: [lease] }));
    await turn();
  }
}
