/**
 * What a rehearsal may still take under the limits of an arena and of its owners. The service holds a
 * request that only validates against them alone; here the rows before it count as well.
 */
import { exitCode } from '../exit-code.ts';
import type { Arena } from '../http/wire/arena.ts';
import type { Owner } from '../http/wire/owner.ts';
import { problemOf, type Client, type Reply } from './client.ts';
import { ToolError } from './tool-error.ts';

const pageOwners = 1000;

/** How much is held, of how much at most. */
interface Account {
  held: bigint;
  readonly limit: bigint | undefined;
}

export class Allowance {
  readonly #arena: string;
  readonly #all: Account;
  readonly #owners = new Map<string, Account>();
  readonly #limitOf: (owner: string) => bigint | undefined;

  constructor({ name, limit, allocated, ownerLimit, ownerLimits = [] }: Arena) {
    this.#arena = name;
    this.#all = { held: BigInt(allocated), limit: bigintOf(limit) };
    const own = new Map(ownerLimits.map((one) => [one.owner, BigInt(one.limit)]));
    this.#limitOf = (owner) => own.get(owner) ?? bigintOf(ownerLimit);
  }

  /** That of an arena as it is now. Rejects with ToolError. */
  static async of(client: Client, arena: string): Promise<Allowance> {
    const path = `v1/arenas/${encodeURIComponent(arena)}`;
    const settings = bodyOf<Arena>(await client.send('GET', path));
    const allowance = new Allowance(settings);
    if (settings.ownerLimit === undefined && settings.ownerLimits === undefined) return allowance;
    let cursor: string | undefined;
    do {
      const from = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const reply = await client.send('GET', `${path}/owners?limit=${pageOwners}${from}`);
      const page = bodyOf<{ items: readonly Owner[]; nextCursor?: string }>(reply);
      for (const { owner, allocated } of page.items) {
        allowance.#account(owner).held = BigInt(allocated);
      }
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return allowance;
  }

  /** Takes so many addresses for an owner; or says why they would be too many, and takes none. */
  take(owner: string | undefined, size: bigint): string | undefined {
    const all = this.#all;
    const own = owner === undefined ? undefined : this.#account(owner);
    const there = `in '${this.#arena}' with the rows before`;
    if (isOver(all, size)) {
      const much = `${all.held} of at most ${all.limit} are allocated`;
      return `${much} ${there}, and ${size} more are asked for`;
    }
    if (own !== undefined && isOver(own, size)) {
      const much = `the owner holds ${own.held} of at most ${own.limit}`;
      return `${much} ${there}, and would get ${size} more`;
    }
    all.held += size;
    if (own !== undefined) own.held += size;
    return undefined;
  }

  #account(owner: string): Account {
    let account = this.#owners.get(owner);
    if (account === undefined) {
      account = { held: 0n, limit: this.#limitOf(owner) };
      this.#owners.set(owner, account);
    }
    return account;
  }
}

function isOver({ held, limit }: Account, more: bigint): boolean {
  return limit !== undefined && held + more > limit;
}

function bigintOf(text: string | undefined): bigint | undefined {
  return text === undefined ? undefined : BigInt(text);
}

function bodyOf<T>(reply: Reply): T {
  const problem = problemOf(reply);
  if (problem !== undefined) throw new ToolError(exitCode.transferFailed, problem.detail);
  return reply.body as T;
}
