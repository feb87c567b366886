/**
 * A rehearsal of an import: each block is asked for with `validateOnly`, and held against the rows
 * before it. For that the blocks of the file are kept in an engine of its own, which takes some
 * tens of bytes a row.
 */
import { createHash } from 'node:crypto';
import { assert } from '../engine/assert.ts';
import type { Range } from '../engine/command.ts';
import { Engine } from '../engine/engine.ts';
import { Allowance } from './allowance.ts';
import { requestOf, type Block } from './block.ts';
import { problemOf, type Client } from './client.ts';
import { lookUpAll, type Settled } from './placing.ts';
import type { Target } from './target.ts';
import { plainSettings } from '../engine/tuning.ts';

/** What is there already of a lot. */
type There = Promise<Map<Block, Settled>>;

export class Rehearsal {
  readonly #client: Client;
  readonly #rows = new FileRows();
  /** What comes of rows that are being asked for, by their revisions. */
  readonly #underWay = new Map<number, Promise<Settled>>();
  /** What rows may still take, by the names of arenas that are there. */
  readonly #allowances = new Map<string, Promise<Allowance>>();
  /** Resolves when the rows before have taken what they get. */
  #before: Promise<unknown> = Promise.resolve();

  constructor(client: Client) {
    this.#client = client;
  }

  /** What would come of a lot. Lots have to come in the order of the file. */
  place(lot: readonly Block[]): Promise<Settled[]> {
    const there = lookUpAll(this.#client, lot);
    return Promise.all(lot.map((block) => this.#settle(block, there)));
  }

  async #settle(block: Block, there: There): Promise<Settled> {
    for (;;) {
      // Before anything is waited for: so rows are taken in the order of the file.
      const taken = this.#rows.take(block);
      if ('is' in taken) return taken;
      if (!('reason' in taken)) return this.#begin(block, taken.revision, there);
      // A row that is itself refused is in nobody's way.
      const other = await this.#underWay.get(taken.revision);
      if (other?.is === 'refused') continue;
      if (taken.same) return { block, is: 'present' };
      return { block, is: 'refused', reason: taken.reason };
    }
  }

  #begin(block: Block, revision: number, there: There): Promise<Settled> {
    const before = this.#before;
    const asked = this.#ask(block, there);
    const taken = asked.then(async (settled) => {
      await before;
      return this.#take(settled);
    });
    this.#before = taken.catch(() => undefined);
    const outcome = taken.then((settled) => {
      if (settled.is === 'refused') this.#rows.giveUp(block);
      this.#underWay.delete(revision);
      return settled;
    });
    this.#underWay.set(revision, outcome);
    return outcome;
  }

  /** Holds a row that would be imported against limits, with what the rows before it have taken. */
  async #take(settled: Settled): Promise<Settled> {
    const { block, is } = settled;
    const { target, owner, size } = block;
    if (is !== 'imported' || target.spans !== undefined) return settled;
    const reason = (await this.#allowanceOf(target.name)).take(owner, size);
    return reason === undefined ? settled : { block, is: 'refused', reason };
  }

  #allowanceOf(arena: string): Promise<Allowance> {
    let allowance = this.#allowances.get(arena);
    if (allowance === undefined) {
      allowance = Allowance.of(this.#client, arena);
      this.#allowances.set(arena, allowance);
    }
    return allowance;
  }

  async #ask(block: Block, there: There): Promise<Settled> {
    const { target } = block;
    if (target.spans !== undefined) return { block, is: 'imported' };
    const known = (await there).get(block);
    if (known !== undefined) return known;
    const body = { ...requestOf(block), validateOnly: true };
    const reply = await this.#client.send('POST', `v1/arenas/${target.name}/xalloc`, body);
    const problem = problemOf(reply);
    if (problem === undefined) return { block, is: 'imported' };
    return { block, is: 'refused', reason: problem.detail };
  }
}

/** An earlier row that is in the way, and whether it says the same. */
interface Other {
  readonly reason: string;
  readonly same: boolean;
}

interface OfRow extends Range {
  readonly revision: number;
}

/** The blocks of the rows so far. */
class FileRows {
  readonly #engine = new Engine();
  /** By the revision of the engine that took it: the line, and a digest of what it says. */
  readonly #lines: number[] = [0];
  readonly #digests: number[] = [0];

  /**
   * Takes a block, and gives the revision at which it was taken; or a row before it that is in the
   * way; or what came of it where the spans alone tell.
   */
  take(block: Block): { revision: number } | (Other & { revision: number }) | Settled {
    const { target, base, size, row, externalId } = block;
    if (this.#engine.addressing(target.name) === undefined) this.#create(target);
    const outcome = this.#engine.decide({
      type: 'xalloc',
      at: 0,
      arena: target.name,
      size,
      constraint: { address: base },
      labels: {},
      ...(externalId !== undefined && { externalId }),
      seed: 0,
    });
    const kept = !('refused' in outcome) && outcome.type === 'allocationKept';
    if (!('refused' in outcome) && !kept) return this.#apply(outcome, row.line, digestOf(block));
    const overlapping = this.#overlapping(target.name, { base, size });
    const other = overlapping ?? this.#named(target.name, externalId);
    if (other === undefined) {
      // Out of the spans, or not in whole quanta: where there is a service to ask, that says so.
      if (!('refused' in outcome) || target.spans === undefined) return { revision: 0 };
      return { block, is: 'refused', reason: outcome.detail };
    }
    const { revision } = other;
    const alike = other.base === base && other.size === size;
    const same = alike && this.#digests[revision] === digestOf(block);
    const how = overlapping === undefined ? 'has the external id of' : 'overlaps';
    return { revision, reason: `${how} line ${this.#lines[revision]}`, same };
  }

  /** Frees a block that was taken, unless it was not. */
  giveUp({ target, base }: Block): void {
    const outcome = this.#engine.decide({
      type: 'free',
      at: 0,
      arena: target.name,
      address: base,
    });
    if (!('refused' in outcome)) this.#apply(outcome, 0, 0);
  }

  /** An earlier row with this external id, wherever it lies. */
  #named(arena: string, externalId: string | undefined): OfRow | undefined {
    if (externalId === undefined) return undefined;
    const everywhere = { from: 0n, to: (1n << 128n) - 1n, across: false, terms: [] };
    const { views } = this.#engine.search(arena, {
      ...everywhere,
      externalId,
      matches: () => true,
      limit: 1,
      most: 1,
    });
    const [view] = views;
    return view && { base: view.address, size: view.size, revision: view.revision };
  }

  #overlapping(arena: string, { base, size }: Range): OfRow | undefined {
    const { views } = this.#engine.search(arena, {
      terms: [],
      from: base,
      to: base + size - 1n,
      across: true,
      matches: (view) => view.address + view.size > base,
      limit: 1,
      most: 2,
    });
    const [view] = views;
    return view && { base: view.address, size: view.size, revision: view.revision };
  }

  #create({ name: arena, notation, width, quantum, spans }: Target): void {
    const outcome = this.#engine.decide({
      type: 'createArena',
      at: 0,
      arena,
      notation,
      width,
      quantum,
      policy: 'firstfit',
      ...plainSettings,
      spans: spans ?? [{ base: 0n, size: 1n << BigInt(width) }],
    });
    assert(!('refused' in outcome), 'spans that were given can be had');
    this.#apply(outcome, 0, 0);
  }

  #apply(event: Parameters<Engine['apply']>[0], line: number, digest: number) {
    const revision = this.#lines.length;
    this.#lines.push(line);
    this.#digests.push(digest);
    this.#engine.apply(event, revision);
    return { revision };
  }
}

/** 48 bits of what is known of a block, the order of labels aside. */
function digestOf({ owner, externalId, labels }: Block): number {
  const text = JSON.stringify([owner, externalId, Object.entries(labels).toSorted()]);
  return createHash('sha256').update(text).digest().readUIntBE(0, 6);
}
