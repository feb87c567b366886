/**
 * A mixed load from several loops at once, each with one request under way: allocations with and
 * without a constraint, in arenas that import through three levels, frees, new spans, new arenas.
 * What is asked and what comes back goes into the ledger; an answer that is unexpected throws.
 */
import { Client, lost, type Answer } from './client.ts';
import { fulfils, grantLabel, Ledger, type ArenaRequest, type GrantRequest } from './ledger.ts';
import type { Random } from '../model/random.ts';

/** The arenas the load begins with. A size in each is at most 2^sizeBits. */
const initialArenas: readonly (ArenaRequest & { sizeBits: number })[] = [
  {
    name: 'root',
    quantum: '4096',
    policy: 'bestfit',
    sizeBits: 18,
    spans: [{ base: '0', size: String(2 ** 40) }],
  },
  {
    name: 'mid',
    quantum: '256',
    policy: 'instantfit',
    source: 'root',
    importSize: '65536',
    sizeBits: 14,
  },
  { name: 'leaf', quantum: '1', policy: 'nextfit', source: 'mid', importSize: '1024', sizeBits: 8 },
  // So small that it is often full: a refusal must leave nothing behind.
  {
    name: 'tight',
    quantum: '1',
    policy: 'firstfit',
    sizeBits: 8,
    spans: [{ base: '0', size: '4000' }],
  },
];

const loopCount = 8;
const weights = { alloc: 36, xalloc: 18, free: 40, addSpan: 4, createArena: 2 };

export class Load {
  readonly ledger: Ledger;
  readonly #random: Random;
  /** The quantum and the largest size by arena, of those that are there for certain. */
  readonly #arenas = new Map<string, { quantum: bigint; sizeBits: number }>();
  #client: Client | undefined;
  #number = 0;
  #answersLeft = 0;

  constructor(ledger: Ledger, random: Random) {
    this.ledger = ledger;
    this.#random = random;
  }

  /** Creates the arenas to begin with. */
  async prepare(url: string): Promise<void> {
    await this.#with(url, async () => {
      for (const { sizeBits, ...request } of initialArenas) {
        await this.#create(request, sizeBits);
      }
    });
  }

  /**
   * Runs all loops until `answers` answers have come, then `end`, which may kill the server: only
   * then may an answer be lost. Without `end` every loop waits for its last answer.
   */
  async run(url: string, answers: number, end?: () => Promise<void>): Promise<void> {
    this.#answersLeft = answers;
    let ending: Promise<void> | undefined;
    const loop = async (): Promise<void> => {
      while (ending === undefined) {
        const answered = await this.#one();
        if (!answered && ending === undefined)
          throw new Error('an answer was lost before the kill');
        this.#answersLeft -= 1;
        // The loops that wait meanwhile have a request under way each.
        if (this.#answersLeft === 0) ending = end?.() ?? Promise.resolve();
      }
    };
    await this.#with(url, async () => {
      await Promise.all(Array.from({ length: loopCount }, loop));
      await ending;
    });
  }

  async #with(url: string, use: () => Promise<void>): Promise<void> {
    this.#client = new Client(url);
    try {
      await use();
    } finally {
      this.#client.close();
    }
  }

  /** Asks for one thing; tells whether there was an answer. */
  #one(): Promise<boolean> {
    switch (this.#random.weighted(weights)) {
      case 'alloc':
        return this.#alloc(false);
      case 'xalloc':
        return this.#alloc(true);
      case 'free':
        return this.#free();
      case 'addSpan':
        return this.#addSpan();
      case 'createArena':
        return this.#createAny();
    }
  }

  async #alloc(constrained: boolean): Promise<boolean> {
    const [arena, { quantum, sizeBits }] = this.#random.pick([...this.#arenas]);
    const number = this.#next();
    const size = this.#random.magnitude(1n << BigInt(sizeBits));
    const request: GrantRequest = {
      size: String(size),
      labels: { [grantLabel]: number },
      ...(constrained && this.#constraint(size, sizeBits)),
    };
    const grant: { arena: string; request: GrantRequest } = { arena, request };
    this.ledger.grants.set(number, grant);
    const path = `/v1/arenas/${arena}/${constrained ? 'xalloc' : 'alloc'}`;
    const answer = await this.#ask('POST', path, request, [201, 409, 422]);
    if (answer === lost) return false;
    if (answer.status !== 201) {
      const { code } = JSON.parse(answer.text) as { code: string };
      if (code !== 'exhausted' && code !== 'never-fits') throw unexpected(path, answer);
      this.ledger.grants.delete(number);
      return true;
    }
    const allocation = JSON.parse(answer.text);
    if (!fulfils(grant, allocation, quantum)) throw unexpected(path, answer, request);
    Object.assign(grant, { answer: allocation });
    return true;
  }

  #constraint(size: bigint, sizeBits: number): Partial<GrantRequest> {
    const align = this.#random.power(1n << BigInt(sizeBits));
    const min = this.#random.big(4000n);
    // Twice the largest size, rounded up to a quantum, that the arena is asked for.
    const nocross = 1n << BigInt(Math.max(sizeBits, size.toString(2).length) + 1);
    return {
      align: String(align),
      min: String(min),
      ...(this.#random.chance(0.5) && { nocross: String(nocross) }),
    };
  }

  async #free(): Promise<boolean> {
    const candidates = this.ledger.free();
    if (candidates.length === 0) return this.#alloc(false);
    const grant = this.#random.pick(candidates);
    // Noted before anything is sent, so that no other loop frees it too.
    grant.removal = 'asked';
    const path = `/v1/arenas/${grant.arena}/allocations/${grant.answer?.address}`;
    const answer = await this.#ask('DELETE', path, undefined, [204]);
    if (answer === lost) return false;
    grant.removal = 'answered';
    return true;
  }

  async #addSpan(): Promise<boolean> {
    const arena = this.#random.pick(['root', 'tight']);
    // Far apart and above all others, so that no two touch.
    const base = 2n ** 41n + BigInt(this.#next()) * 2n ** 20n;
    const request = { base: String(base), size: String(arena === 'root' ? 65536 : 300) };
    const span = { arena, request };
    this.ledger.spans.push(span);
    const answer = await this.#ask('POST', `/v1/arenas/${arena}/spans`, request, [201]);
    if (answer === lost) return false;
    Object.assign(span, { answer: JSON.parse(answer.text) });
    return true;
  }

  #createAny(): Promise<boolean> {
    const name = `arena-${this.#next()}`;
    if (this.#random.chance(0.5)) {
      const settings = { quantum: '16', policy: 'bestfit', source: 'mid', importSize: '512' };
      return this.#create({ name, ...settings }, 7);
    }
    const spans = [
      { base: '0', size: '1000' },
      { base: '5000', size: '777' },
    ];
    return this.#create({ name, quantum: '1', policy: 'lastfit', spans }, 7);
  }

  async #create(request: ArenaRequest, sizeBits: number): Promise<boolean> {
    const arena = { request };
    this.ledger.arenas.push(arena);
    const answer = await this.#ask('POST', '/v1/arenas', request, [201]);
    if (answer === lost) return false;
    Object.assign(arena, { answer: JSON.parse(answer.text) });
    this.#arenas.set(request.name, { quantum: BigInt(request.quantum), sizeBits });
    return true;
  }

  /** Asks for a change and counts what came of it; throws for another status than those. */
  async #ask(
    method: 'POST' | 'DELETE',
    path: string,
    body: unknown,
    statuses: readonly number[],
  ): Promise<Answer | typeof lost> {
    if (this.#client === undefined) throw new Error('the load has no client yet');
    const answer = await this.#client.ask(method, path, body);
    if (answer === lost) {
      this.ledger.unanswered += 1;
      return lost;
    }
    if (!statuses.includes(answer.status)) throw unexpected(`${method} ${path}`, answer, body);
    if (answer.status < 300) this.ledger.answered += 1;
    return answer;
  }

  /** A number that no other request has. */
  #next(): string {
    this.#number += 1;
    return String(this.#number);
  }
}

function unexpected(what: string, { status, text }: Answer, body?: unknown): Error {
  return new Error(`${what} ${JSON.stringify(body)} was answered ${status}: ${text}`);
}
