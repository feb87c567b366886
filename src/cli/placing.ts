/**
 * Placing blocks in a running service, lot by lot. A lot goes as one batch, which is all or nothing:
 * where that is refused, what is there already is left out, and the rest goes again around the block
 * that was refused. So a file that is imported again costs a look at each of its blocks and changes
 * nothing.
 */
import { formatAddress } from '../http/notation.ts';
import type { Allocation } from '../http/wire/allocation.ts';
import { limits } from '../limits.ts';
import { differenceOf, pathOfBlock, requestOf, type Block } from './block.ts';
import { problemOf, type Client } from './client.ts';

/** Allocations looked at in one go, the most that the service gives. */
const pageItems = limits.pageItemsMax;

/** What came of a block. */
export type Settled =
  | { readonly block: Block; readonly is: 'imported' | 'present' }
  | { readonly block: Block; readonly is: 'refused'; readonly reason: string };

export class Placing {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Places a lot; resolves when each of its blocks is settled. */
  async place(lot: readonly Block[]): Promise<Settled[]> {
    if ((await this.#refusedAt(lot)) === undefined) return lot.map(imported);
    const settled: Settled[] = [];
    let left: Block[] = [];
    const found = await lookUpAll(this.#client, lot);
    for (const block of lot) {
      const there = found.get(block);
      if (there === undefined) left.push(block);
      else settled.push(there);
    }
    // Where many are refused, fewer are tried at a time.
    let width = left.length;
    while (left.length > 0) {
      const tried = left.slice(0, width);
      const at = await this.#refusedAt(tried);
      const good = tried.slice(0, at);
      // What is before the block at fault was as good as done; another client may have come between.
      if (at !== undefined && good.length > 0 && (await this.#refusedAt(good)) !== undefined) {
        for (const block of good) settled.push(await this.#placeAlone(block));
      } else settled.push(...good.map(imported));
      if (at !== undefined) settled.push(await this.#placeAlone(tried[at]!));
      left = left.slice(at === undefined ? width : at + 1);
      width = at === undefined ? width * 2 : Math.max(1, width >> 1);
    }
    return settled;
  }

  /** Tries all of them at once; gives the place of the one that is refused, or nothing where all are there. */
  async #refusedAt(blocks: readonly Block[]): Promise<number | undefined> {
    const operations = blocks.map((block) => ({
      op: 'xalloc',
      arena: block.target.name,
      ...requestOf(block),
    }));
    const problem = problemOf(await this.#client.send('POST', 'v1/batch', { operations }));
    if (problem === undefined) return undefined;
    // Where the batch itself is at fault, its first block is asked for alone, and tells.
    return problem.operation ?? 0;
  }

  async #placeAlone(block: Block): Promise<Settled> {
    const path = `v1/arenas/${block.target.name}/xalloc`;
    const problem = problemOf(await this.#client.send('POST', path, requestOf(block)));
    if (problem === undefined) return imported(block);
    // It may have come into being since: by an earlier row, or by a reply that was lost.
    const there = problem.code === 'taken' ? await lookUp(this.#client, block) : undefined;
    return there ?? { block, is: 'refused', reason: problem.detail };
  }
}

/** What is settled already of a lot: blocks of which an allocation has the address. */
export async function lookUpAll(
  client: Client,
  lot: readonly Block[],
): Promise<Map<Block, Settled>> {
  const byArena = Map.groupBy(lot, ({ target }) => target);
  const found = new Map<Block, Settled>();
  await Promise.all(
    [...byArena.values()].map(async (blocks) => {
      const page = await allocationsAmong(client, blocks);
      if (page === undefined) {
        const alone = await Promise.all(blocks.map((block) => lookUp(client, block)));
        for (const settled of alone) if (settled !== undefined) found.set(settled.block, settled);
        return;
      }
      for (const block of blocks) {
        const there = page.get(formatAddress(block.base, block.target));
        if (there !== undefined) found.set(block, compare(block, there));
      }
    }),
  );
  return found;
}

/**
 * The allocations from the lowest of the blocks up to the highest, by address; undefined where there
 * are too many of them to look at for the few that are asked for.
 */
async function allocationsAmong(
  client: Client,
  blocks: readonly Block[],
): Promise<Map<string, Allocation> | undefined> {
  const [first] = blocks;
  if (first === undefined) return new Map();
  const { target } = first;
  if (target.spans !== undefined) return new Map();
  const bases = blocks.map(({ base }) => base);
  const from = bases.reduce((least, base) => (base < least ? base : least));
  const to = bases.reduce((most, base) => (base > most ? base : most));
  const query = `limit=${pageItems}&from=${from}&to=${to}`;
  const reply = await client.send('GET', `v1/arenas/${target.name}/allocations?${query}`);
  if (problemOf(reply) !== undefined) return undefined;
  const page = reply.body as { items: Allocation[]; nextCursor?: string };
  if (page.nextCursor !== undefined) return undefined;
  return new Map(page.items.map((allocation) => [allocation.address, allocation]));
}

/** What is settled already of a block; undefined where no allocation has its address. */
export async function lookUp(client: Client, block: Block): Promise<Settled | undefined> {
  const reply = await client.send('GET', pathOfBlock(block));
  const problem = problemOf(reply);
  if (problem?.code === 'allocation-not-found') return undefined;
  if (problem !== undefined) return { block, is: 'refused', reason: problem.detail };
  return compare(block, reply.body as Allocation);
}

function compare(block: Block, there: Allocation): Settled {
  const difference = differenceOf(block, there);
  if (difference === undefined) return { block, is: 'present' };
  return { block, is: 'refused', reason: `the allocation that is there ${difference}` };
}

function imported(block: Block): Settled {
  return { block, is: 'imported' };
}
