/**
 * A life of arenas to remember: random commands through the real engine, with names that are used
 * again, imports, batches and a clock that is sometimes set back. Each event is kept as a record.
 */
import { assert } from '../../src/engine/assert.ts';
import type { BatchCommand, Command } from '../../src/engine/command.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { Event } from '../../src/engine/event.ts';
import { plainSettings } from '../../src/engine/tuning.ts';
import type { JournalRecord } from '../../src/journal/journal.ts';
import { encode } from '../../src/journal/record.ts';
import type { Random } from '../model/random.ts';
import { Past } from './past.ts';

export const names = ['top', 'mid', 'leaf', 'wide'] as const;
type Name = (typeof names)[number];

const shapes = {
  top: { notation: 'ipv4', width: 32, spans: [{ base: 0n, size: 512n }] },
  mid: { notation: 'hex', width: 32, source: 'top', importSize: 64n },
  leaf: { notation: 'decimal', width: 64, source: 'mid', quantumCacheMax: 4n },
  wide: {
    notation: 'ipv6',
    width: 128,
    spans: [
      { base: 0n, size: 1n << 100n },
      { base: (1n << 128n) - 4096n, size: 4096n },
    ],
  },
} as const;

export class Life {
  readonly engine = new Engine();
  readonly past = new Past();
  readonly records: JournalRecord[] = [];
  readonly #random: Random;
  #at = 1_000_000;
  #leases = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Does something random, until it has led to so many more events. */
  live(events: number): void {
    const end = this.engine.revision + events;
    while (this.engine.revision < end) this.#do(this.#command());
  }

  /** Grants 100 blocks of 1 at once, first fit: there are fewer holes, so some are side by side. */
  grantRow(): void {
    const arena = 'wide';
    if (this.engine.arena(arena) === undefined) {
      this.#do({ at: this.#at, type: 'createArena', ...this.#shape(arena) });
    }
    const plain = { constraint: {}, labels: {}, policy: 'firstfit' } as const;
    const grant = { type: 'xalloc', arena, size: 1n, ...plain } as const;
    const { revision } = this.engine;
    this.#do(this.#batch(Array.from({ length: 100 }, () => grant)));
    assert(this.engine.revision > revision, 'there is room for 100 blocks of 1');
  }

  /** An engine that has what happened up to a revision. */
  engineAt(revision: number): Engine {
    const engine = new Engine();
    for (const event of this.past.events.slice(0, revision)) {
      engine.apply(event, engine.revision + 1);
    }
    return engine;
  }

  #do(command: Command): void {
    const event = this.engine.decide(command);
    if ('refused' in event) return;
    const revision = this.engine.revision + 1;
    this.engine.apply(event, revision);
    this.records.push({ revision, body: encode(event) });
    this.past.note(this.engine, event as Event, revision);
  }

  #command(): Command {
    const random = this.#random;
    if (random.chance(0.4)) this.#at += random.int(3);
    if (random.chance(0.01)) this.#at -= random.int(20);
    const at = this.#at;
    const missing = names.filter((name) => this.engine.arena(name) === undefined);
    if (missing.length > 0 && random.chance(0.5)) {
      return { at, type: 'createArena', ...this.#shape(random.pick(missing)) };
    }
    const arena = random.pick(names);
    const rare = { freeAll: 2, destroy: 2, settings: 2, createLease: 4, endLease: 3, endRests: 3 };
    const kind = random.weighted({ one: 100, batch: 8, grants: 6, frees: 4, ...rare });
    switch (kind) {
      case 'grants': {
        // Mostly side by side: the book has them as one, until something happens to one of them.
        const grant = this.#grant(arena, random.chance(0.8) ? BigInt(1 + random.int(3)) : 40n);
        const commands = Array.from({ length: 2 + random.int(7) }, () => grant);
        return this.#batch(random.chance(0.2) ? [...commands, this.#one(arena)] : commands);
      }
      case 'frees': {
        const bases = this.#bases(arena);
        const from = random.int(bases.length + 1);
        const freed = bases.slice(from, from + 1 + random.int(6));
        if (random.chance(0.3)) freed.reverse();
        if (freed.length === 0) return { at, ...this.#one(arena) };
        return this.#batch(freed.map((address) => ({ type: 'free', arena, address })));
      }
      case 'one':
        return { at, ...this.#one(arena) };
      case 'batch':
        return this.#batch(Array.from({ length: 1 + random.int(4) }, () => this.#one(arena)));
      case 'freeAll':
        return { at, type: 'freeAll', arena };
      case 'destroy':
        return { at, type: 'destroyArena', arena, force: true };
      case 'endRests': {
        const restingSince = Math.max(0, this.engine.revision - random.int(60));
        return { at, type: 'endRests', arena, restingSince, most: 1 + random.int(5) };
      }
      case 'createLease': {
        this.#leases += 1;
        const lease = `lease-${this.#leases}`;
        return { at, type: 'createLease', lease, ttlSeconds: 60, labels: {} };
      }
      case 'endLease': {
        const lease = this.#someLease();
        if (random.chance(0.5)) return { at, type: 'revokeLease', lease };
        return { at, type: 'expireLeases', leases: [lease] };
      }
      case 'settings':
        return { at, type: 'updateArena', arena, changes: { keepSpans: random.int(2) } };
    }
  }

  #batch(commands: readonly BatchCommand[]): Command {
    const operations = commands.map((command) => ({ command, references: [] }));
    return { at: this.#at, type: 'batch', operations, piecesMax: 1000 };
  }

  #grant(arena: Name, size: bigint): BatchCommand {
    const random = this.#random;
    const owner = random.chance(0.5) ? { owner: `o${random.int(3)}` } : {};
    const lease = random.chance(0.4) ? { lease: this.#someLease() } : {};
    const labels = random.chance(0.3) ? { n: '1' } : {};
    const policy = random.pick(['bestfit', 'nextfit'] as const);
    return { type: 'xalloc', arena, size, constraint: {}, labels, policy, ...owner, ...lease };
  }

  /** What may be freed. */
  #bases(arena: Name): bigint[] {
    const bases: bigint[] = [];
    if (this.engine.arena(arena) !== undefined) {
      this.engine.walkAllocations(arena, 0n, ({ address, importedBy }) => {
        if (importedBy === undefined) bases.push(address);
        return true;
      });
    }
    return bases;
  }

  #someLease(): string {
    return `lease-${Math.max(1, this.#leases - this.#random.int(4))}`;
  }

  #shape(arena: Name) {
    const random = this.#random;
    return {
      quantum: 1n,
      policy: 'instantfit',
      ...plainSettings,
      quarantineSeconds: random.chance(0.5) ? 60 : 0,
      spans: [],
      arena,
      ...shapes[arena],
    } as const;
  }

  #one(arena: Name): BatchCommand {
    const random = this.#random;
    const bases = this.#bases(arena);
    const labels = random.chance(0.2) ? { n: String(random.int(3)) } : {};
    const size = random.magnitude(arena === 'wide' ? 1n << 99n : 40n);
    const owner = random.chance(0.3) ? { owner: `o${random.int(3)}` } : {};
    if (bases.length === 0 || random.chance(bases.length < 12 ? 0.6 : 0.35)) {
      const policy = random.pick(['instantfit', 'bestfit', 'randomfit', 'nextfit'] as const);
      const constraint = {};
      const lease = random.chance(0.25) ? { lease: this.#someLease() } : {};
      const externalId = random.chance(0.3) ? { externalId: `x${random.int(9)}` } : {};
      const about = { labels, policy, ...owner, ...lease, ...externalId };
      return { type: 'xalloc', arena, size, constraint, ...about };
    }
    const former = this.past.someFormer(arena, (count) => random.int(count));
    if (former !== undefined && random.chance(0.15)) {
      const of = former.owner === undefined ? {} : { owner: former.owner };
      return { type: 'undelete', arena, address: former.address, ...of };
    }
    const address = random.pick(bases);
    const kind = random.weighted({ free: 5, resize: 2, update: 1, split: 2, merge: 3 });
    if (kind === 'free') return { type: 'free', arena, address };
    if (kind === 'resize') return { type: 'resize', arena, address, size };
    if (kind === 'split') {
      const half = (this.engine.allocation(arena, address)?.size ?? 2n) / 2n;
      return { type: 'split', arena, address, sizes: half, piecesMax: 3 };
    }
    if (kind === 'merge') {
      const next = bases[bases.indexOf(address) + 1] ?? address;
      return { type: 'merge', arena, address, others: [next], partsMax: 4, labels };
    }
    return { type: 'updateAllocation', arena, address, labels, ...owner };
  }
}
