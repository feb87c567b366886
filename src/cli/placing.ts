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
    // What has an external id is answered again where it is there, and a batch does not say so.
    const named = lot.some(({ externalId }) => externalId !== undefined);
    if (!named && (await this.#refusedAt(lot)) === undefined) return lot.map(imported);
    const settled: Settled[] = [];
    const left: Block[] = [];
    const found = await lookUpAll(this.#client, lot);
    for (const block of lot) {
      const there = found.get(block);
      if (there === undefined) left.push(block);
      else settled.push(there);
    }
    const rest = named ? await this.#placeEach(left) : await this.#placeAround(left);
    return [...settled, ...rest];
  }

  /** Places blocks in batches around those that are refused. */
  async #placeAround(blocks: readonly Block[]): Promise<Settled[]> {
    const settled: Settled[] = [];
    // Where many are refused, fewer are tried at a time.
    let width = blocks.length;
    for (let next = 0; next < blocks.length;) {
      const tried = blocks.slice(next, next + width);
      const at = await this.#refusedAt(tried);
      const good = tried.slice(0, at);
      // What is before the block at fault was as good as done; another client may have come between.
      if (at !== undefined && good.length > 0 && (await this.#refusedAt(good)) !== undefined) {
        settled.push(...(await this.#placeEach(good)));
      } else settled.push(...good.map(imported));
      if (at !== undefined) settled.push(await this.#placeAlone(tried[at]!));
      next += at === undefined ? width : at + 1;
      width = at === undefined ? width * 2 : Math.max(1, width >> 1);
    }
    return settled;
  }

  /** Places one after the other, so that of rows that contradict each other the earlier one wins. */
  async #placeEach(blocks: readonly Block[]): Promise<Settled[]> {
    const settled: Settled[] = [];
    for (const block of blocks) settled.push(await this.#placeAlone(block));
    return settled;
  }

  /** Tries all of them at once; the place of the one that is refused, or nothing where all are there. */
  async #refusedAt(blocks: readonly Block[]): Promise<number | undefined> {
    const operations = blocks.map((block) => ({
      op: 'xalloc',
      arena: block.target.name,
      ...requestOf(block),
    }));
    const problem = problemOf(await this.#client.send('POST', 'v1/batch', { operations }));
    // Where the batch itself is at fault, its first block is asked for alone, and tells.
    return problem === undefined ? undefined : (problem.operation ?? 0);
  }

  async #placeAlone(block: Block): Promise<Settled> {
    const path = `v1/arenas/${block.target.name}/xalloc`;
    const reply = await this.#client.send('POST', path, requestOf(block));
    const problem = problemOf(reply);
    if (reply.status === 200) return compare(block, reply.body as Allocation);
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
