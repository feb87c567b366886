/**
 * A mixed load from several loops at once, each with one request under way: allocations with and
 * without a constraint, in arenas that import through three levels and such with quantum caches,
 * resizes, frees, new spans, new arenas. Each loop has an arena of its own, which it empties at
 * once now and then: nobody else allocates there, so it knows what that has to remove.
 * Batches make some grants and free others. Some wait for room where there is none. Some grants are
 * asked for with an idempotency key, and then again: while the load goes on, and, of those that got
 * no answer, when the service is back.
 * What is asked and what comes back goes into the ledger; an answer that is unexpected throws.
 */
import { isDeepStrictEqual } from 'node:util';
import { adoptBatch, operationsOf } from './batched-grants.ts';
import { AnswerLost, Client, lost, type Answer } from './client.ts';
import {
  fulfils,
  grantLabel,
  lasting,
  Ledger,
  type ArenaRequest,
  type Grant,
  type GrantRequest,
  type Rounding,
} from './ledger.ts';
import type { Problem } from '../../src/http/wire/problem.ts';
import type { Random } from '../model/random.ts';
import { KeyedGrants, keyOf, replayProblem, type GrantSent } from './keyed-grants.ts';

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
  // So small that it is often full, also for single owners: a refusal must leave nothing behind.
  {
    name: 'tight',
    quantum: '1',
    policy: 'firstfit',
    sizeBits: 8,
    spans: [{ base: '0', size: '4000' }],
    ownerLimit: '900',
    ownerLimits: [{ owner: 'bob', limit: '300' }],
  },
  // Small as well, so that what no band has is full while they are not, and the other way around.
  {
    name: 'banded',
    quantum: '1',
    policy: 'instantfit',
    sizeBits: 7,
    spans: [{ base: '0', size: '4000' }],
    bands: [
      { name: 'closed', min: '500', max: '1499', exclusive: true },
      { name: 'open', min: '2000', max: '2499', exclusive: false },
    ],
  },
];

const loopCount = 8;
const weights = {
  alloc: 30,
  xalloc: 16,
  free: 36,
  resize: 8,
  own: 12,
  freeAll: 1,
  addSpan: 4,
  createArena: 2,
  destroyArena: 1,
  again: 4,
  batch: 5,
  lease: 4,
};
/** Of the grants, so many have a key. */
const keyedShare = 0.4;
/** Of the grants in the arena that is often full, so many wait for room, for a second. */
const waitingShare = 0.1;
/** And so many have an owner, of whom each may hold so much there. */
const ownedShare = 0.5;
const owners = ['ann', 'bob'];
/** Where there are bands, so many name one. */
const bandedShare = 0.5;
/** Of those that were answered, so many are asked for again when the service is back. */
const againAfterStart = 10;
/** None runs out by itself: when it does is nothing that a ledger could know. */
const leaseSeconds = 86_400;
/** Of a batch, unless the load is told to make larger ones. */
const batchGrantsMax = 60;
const batchFreesMax = 20;
/** Where larger batches go: they would never fit into the others. */
const roomyArenas = new Set(['root', 'mid', 'leaf']);
/** Own arenas take any size up to 2^this; the small ones come from the quantum cache. */
const ownSizeBits = 6;

interface KnownArena extends Rounding {
  readonly sizeBits: number;
}

export interface LoadOptions {
  /** Called once the answers are there; it may kill the service. */
  readonly end?: () => Promise<void>;
  /**
   * Whether the service may fail by itself, which ends the load: an answer may be lost then, or
   * say that the journal is unavailable, and in both cases nobody knows what was done.
   */
  readonly mayFail?: boolean;
  /**
   * Called before a request is sent that has a record if it is done; what it returns is called with the
   * answer to it.
   */
  readonly watch?: () => (answer: Answer) => void;
}

export class Load {
  readonly ledger: Ledger;
  readonly #random: Random;
  readonly #grantsMax: number;
  /** The quantum and the largest size by arena, of those that are there for certain. */
  readonly #arenas = new Map<string, KnownArena>();
  /** Arenas that only one loop uses. */
  readonly #own = new Map<string, Rounding>();
  readonly #keyed = new KeyedGrants();
  /** Answers that were given once more, to a request with the same key. */
  replays = 0;
  #client: Client | undefined;
  #number = 0;
  #answersLeft = 0;
  #options: LoadOptions = {};

  /** Batches have up to so many grants. */
  constructor(ledger: Ledger, random: Random, grantsMax = batchGrantsMax) {
    this.ledger = ledger;
    this.#random = random;
    this.#grantsMax = grantsMax;
  }

  /** Creates the arenas to begin with. Resolves to whether all of that was answered. */
  async prepare(url: string, options: LoadOptions = {}): Promise<boolean> {
    return this.#with(url, options, async () => {
      for (const { sizeBits, ...request } of initialArenas) {
        if (!(await this.#create(request, sizeBits))) return false;
      }
      for (let loop = 0; loop < loopCount; loop++) {
        if (!(await this.#create(ownArena(loop), undefined))) return false;
      }
      return true;
    });
  }

  /**
   * Runs all loops until `answers` answers have come, then `end`, and on until that is done: only then
   * may an answer be lost, unless the service may fail. At last every loop waits for its last answer.
   */
  async run(url: string, answers: number, options: LoadOptions = {}): Promise<void> {
    const { end, mayFail = false } = options;
    this.#answersLeft = answers;
    let ending: Promise<void> | undefined;
    let over = false;
    const loop = async (_: unknown, index: number): Promise<void> => {
      // Until the end has come: however late it does, it finds each loop with a request under way.
      for (;;) {
        if (over) return;
        const answered = await this.#one(index);
        if (!answered && (mayFail || ending !== undefined)) return;
        if (!answered) throw new AnswerLost('an answer was lost before the kill');
        this.#answersLeft -= 1;
        if (this.#answersLeft === 0)
          ending = (end?.() ?? Promise.resolve()).finally(() => (over = true));
      }
    };
    await this.#with(url, options, async () => {
      if (!(await this.#repeat())) {
        if (mayFail) return;
        throw new AnswerLost('an answer was lost before the load');
      }
      await Promise.all(Array.from({ length: loopCount }).map(loop));
      await ending;
    });
  }

  /** Asks again, with its key, for what got no answer, and for some of what did. */
  async repeat(url: string): Promise<void> {
    await this.#with(url, {}, async () => {
      if (!(await this.#repeat())) throw new AnswerLost('an answer was lost');
    });
  }

  async #with<T>(url: string, options: LoadOptions, use: () => Promise<T>): Promise<T> {
    this.#client = new Client(url);
    this.#options = options;
    try {
      return await use();
    } finally {
      this.#client.close();
    }
  }

  /** Asks for one thing; tells whether there was an answer. */
  #one(loop: number): Promise<boolean> {
    switch (this.#random.weighted(weights)) {
      case 'alloc':
        return this.#alloc(false);
      case 'xalloc':
        return this.#alloc(true);
      case 'free':
        return this.#free();
      case 'resize':
        return this.#resize();
      case 'own': {
        const name = ownName(loop);
        const size = this.#random.magnitude(1n << BigInt(ownSizeBits));
        // It makes no difference but where something rests.
        const asked = { size: String(size), labels: {}, reuse: this.#random.chance(0.7) };
        return this.#grant(name, asked, this.#own.get(name)!);
      }
      case 'freeAll':
        return this.#freeAll(ownName(loop));
      case 'addSpan':
        return this.#addSpan();
      case 'createArena':
        return this.#createAny();
      case 'destroyArena':
        return this.#createAndDestroy();
      case 'again':
        return this.#again();
      case 'batch':
        return this.#batch();
      case 'lease':
        return this.#lease();
    }
  }

  #alloc(constrained: boolean): Promise<boolean> {
    const [arena, known] = this.#random.pick([...this.#arenas]);
    const size = this.#random.magnitude(1n << BigInt(known.sizeBits));
    const constraint = constrained ? this.#constraint(size, known.sizeBits) : {};
    const waits = arena === 'tight' && this.#random.chance(waitingShare);
    const waiting = waits ? { waitSeconds: 1 } : {};
    const asked = { size: String(size), labels: {}, ...constraint, ...waiting };
    return this.#grant(arena, { ...asked, ...this.#owner(arena), ...this.#band(known) }, known);
  }

  async #grant(arena: string, asked: GrantRequest, rounding: Rounding): Promise<boolean> {
    const number = this.#next();
    const request = { ...asked, labels: { [grantLabel]: number } };
    const grant: Grant = { arena, request };
    const path = `/v1/arenas/${arena}/${asked.min === undefined ? 'alloc' : 'xalloc'}`;
    const key = this.#random.chance(keyedShare) ? keyOf(number, this.#random) : undefined;
    return this.#send({ number, path, grant, rounding, ...(key !== undefined && { key }) });
  }

  /** For the first time, or again because there was no answer. */
  async #send(sent: GrantSent): Promise<boolean> {
    const { number, path, grant, rounding, key } = sent;
    const { request } = grant;
    this.ledger.grants.set(number, grant);
    const answer = await this.#ask('POST', path, request, [201, 409, 422], key);
    if (answer === lost) {
      this.#keyed.lost(sent);
      return false;
    }
    if (answer.status !== 201) {
      if (!isNoRoom(answer) && !isOverdrawn(answer, [grant])) throw unexpected(path, answer);
      this.ledger.grants.delete(number);
      return true;
    }
    const allocation = JSON.parse(answer.text);
    if (!fulfils(grant, allocation, rounding)) throw unexpected(path, answer, request);
    Object.assign(grant, { answer: allocation });
    this.#keyed.answered(sent, answer);
    return true;
  }

  async #repeat(): Promise<boolean> {
    for (const sent of this.#keyed.takeOpen()) {
      const { number, grant } = sent;
      const { grants, answered } = this.ledger;
      const gone = !grants.has(number);
      const there = grants.get(number)?.answer;
      if (!(await this.#send(sent))) return false;
      const replayed = grants.has(number) && this.ledger.answered === answered;
      if (gone && replayed) throw new Error(`grant ${number} is not there, but its key is used`);
      if (there === undefined) continue;
      // A renewal under way at the kill may have put off the end of its lease since.
      const same = replayed && isDeepStrictEqual(lasting(grant.answer!), lasting(there));
      if (same) continue;
      const [found, byKey] = [JSON.stringify(there), JSON.stringify(grant.answer)];
      throw new Error(`grant ${number} is ${found}, but by its key ${byKey}`);
    }
    for (let left = againAfterStart; left > 0; left--) if (!(await this.#again())) return false;
    return true;
  }

  /** What was answered is asked for again. It may have been freed since, with its arena. */
  async #again(): Promise<boolean> {
    const picked = this.#keyed.pick(this.#random);
    if (picked === undefined) return true;
    const { sent, answer: before } = picked;
    const { path, grant, number } = sent;
    const key = keyOf(number, this.#random);
    // Were it done again, its arena or its lease might be gone.
    const answer = await this.#ask('POST', path, grant.request, [201, 404, 409, 422], key);
    if (answer === lost) return false;
    const problem = replayProblem(before, answer);
    if (problem !== undefined) throw new Error(`grant ${number}, asked for again, ${problem}`);
    return true;
  }

  /** The band that a grant is to lie in: in the arena that has some. */
  #band({ bands = [] }: Rounding): Pick<GrantRequest, 'band'> {
    if (bands.length === 0 || !this.#random.chance(bandedShare)) return {};
    return { band: this.#random.pick(bands).name };
  }

  /** Whom a grant is for: in the arena where that is limited. */
  #owner(arena: string): Pick<GrantRequest, 'owner'> {
    if (arena !== 'tight' || !this.#random.chance(ownedShare)) return {};
    return { owner: this.#random.pick(owners) };
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
    const candidates = this.#shared();
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

  /** Grants of which every loop may take one. */
  #shared(): Grant[] {
    const { ledger } = this;
    return ledger.free().filter((grant) => this.#arenas.has(grant.arena) && !isLeased(grant));
  }

  async #resize(): Promise<boolean> {
    const candidates = this.#shared().filter(({ request: { min, band } }) => {
      // What a band does not keep in any more could not be told from what was never in it.
      return min === undefined && band === undefined;
    });
    if (candidates.length === 0) return this.#alloc(false);
    const grant = this.#random.pick(candidates);
    const before = grant.answer!;
    const size = String(this.#random.magnitude(BigInt(before.size) * 2n));
    grant.resizing = size;
    const path = `/v1/arenas/${grant.arena}/allocations/${before.address}/resize`;
    const answer = await this.#ask('POST', path, { size }, [200, 409, 422]);
    if (answer === lost) return false;
    delete grant.resizing;
    if (answer.status !== 200) {
      const { code } = JSON.parse(answer.text) as { code: string };
      const isRefused = ['taken', 'never-fits', 'band-required'].includes(code);
      if (!isRefused && !isOverdrawn(answer, [grant])) throw unexpected(path, answer);
      return true;
    }
    grant.answer = JSON.parse(answer.text);
    const resized = { ...grant, request: { ...grant.request, size } };
    if (fulfils(resized, grant.answer!, this.#arenas.get(grant.arena)!)) return true;
    throw unexpected(path, answer, { size });
  }

  /**
   * A lease that lasts, some grants under it in arenas that all loops use, a renewal, which has no
   * record, and often its end. Nobody else frees what is under it.
   */
  async #lease(): Promise<boolean> {
    const made = await this.#ask('POST', '/v1/leases', { ttlSeconds: leaseSeconds }, [201]);
    if (made === lost) return false;
    const { id: lease } = JSON.parse(made.text) as { id: string };
    for (let i = this.#random.int(4); i >= 0; i--) {
      const [arena, known] = this.#random.pick([...this.#arenas]);
      const size = String(this.#random.magnitude(1n << BigInt(known.sizeBits)));
      if (!(await this.#grant(arena, { size, labels: {}, lease }, known))) return false;
    }
    const path = `/v1/leases/${lease}`;
    if ((await this.#renew(path)) === lost) return false;
    if (this.#random.chance(0.3)) return true;
    const grants = this.ledger.free().filter(({ request }) => request.lease === lease);
    const ended = await this.#sweep(`the end of lease ${lease}`, grants, () =>
      this.#ask('DELETE', path, undefined, [204]),
    );
    return ended !== lost;
  }

  /** Has no record, so that it counts for nothing, and may be answered while the journal fails. */
  async #renew(path: string): Promise<Answer | typeof lost> {
    if (this.#client === undefined) throw new Error('the load has no client yet');
    const answer = await this.#client.ask('POST', `${path}/renew`, {});
    if (answer === lost || (this.#options.mayFail === true && answer.status === 503)) return lost;
    if (answer.status !== 200) throw unexpected(`${path}/renew`, answer);
    return answer;
  }

  /** Some grants in arenas that all loops use, and some frees, all or nothing. */
  async #batch(): Promise<boolean> {
    const count = 1 + Number(this.#random.magnitude(BigInt(this.#grantsMax)));
    const large = count > batchGrantsMax;
    const arenas = [...this.#arenas].filter(([name]) => !large || roomyArenas.has(name));
    const made = Array.from({ length: count }, () => {
      const [arena, rounding] = this.#random.pick(arenas);
      const number = this.#next();
      const size = String(this.#random.magnitude(1n << BigInt(rounding.sizeBits)));
      const request = {
        size,
        labels: { [grantLabel]: number },
        ...this.#owner(arena),
        ...this.#band(rounding),
      };
      const grant: Grant = { arena, request };
      return { number, grant, rounding };
    });
    // On average a large one frees as many as it makes.
    const removedMax = large ? 2 * count : batchFreesMax;
    const removed = this.#random.shuffle(this.#shared()).slice(0, this.#random.int(removedMax));
    for (const { number, grant } of made) this.ledger.grants.set(number, grant);
    for (const grant of removed) grant.removal = 'asked';
    const what = `batch of ${made[0]!.number}`;
    const bundle = { what, made: made.map(({ number }) => number), removed };
    this.ledger.bundles.add(bundle);
    const sent = { made, removed };
    const answer = await this.#ask('POST', '/v1/batch', operationsOf(sent), [200, 409, 422]);
    if (answer === lost) return false;
    this.ledger.bundles.delete(bundle);
    if (answer.status === 200) {
      const wrong = adoptBatch(sent, answer.text);
      if (wrong !== undefined) throw new Error(`${what} ${wrong}`);
      this.ledger.operations += made.length + removed.length - 1;
      return true;
    }
    const grants = made.map(({ grant }) => grant);
    if (!isNoRoom(answer) && !isOverdrawn(answer, grants)) throw unexpected(what, answer);
    for (const { number } of made) this.ledger.grants.delete(number);
    for (const grant of removed) delete grant.removal;
    return true;
  }

  async #freeAll(arena: string): Promise<boolean> {
    const grants = this.#heldIn(arena);
    const answer = await this.#sweep(`freeAll of ${arena}`, grants, () =>
      this.#ask('DELETE', `/v1/arenas/${arena}/allocations`, undefined, [200]),
    );
    if (answer === lost) return false;
    const { freed } = JSON.parse(answer.text) as { freed: number };
    if (freed !== grants.length) throw unexpected(`freeAll of ${grants.length}`, answer);
    return true;
  }

  /** An arena that is created, used, and destroyed by force, all by one loop. */
  async #createAndDestroy(): Promise<boolean> {
    const name = `brief-${this.#next()}`;
    const request: ArenaRequest = { name, quantum: '16', policy: 'firstfit', source: 'mid' };
    if (!(await this.#create(request, undefined))) return false;
    const rounding = this.#own.get(name)!;
    for (let i = 0; i < 3; i++) {
      if (!(await this.#grant(name, { size: '200', labels: {} }, rounding))) return false;
    }
    const arena = this.ledger.arenas.find((created) => created.request === request)!;
    arena.removal = 'asked';
    const grants = this.#heldIn(name);
    const answer = await this.#sweep(`the end of ${name}`, grants, () =>
      this.#ask('DELETE', `/v1/arenas/${name}?force=true`, undefined, [204]),
    );
    if (answer === lost) return false;
    arena.removal = 'answered';
    return true;
  }

  #heldIn(name: string): Grant[] {
    return this.ledger.free().filter(({ arena }) => arena === name);
  }

  async #sweep(
    what: string,
    grants: readonly Grant[],
    ask: () => Promise<Answer | typeof lost>,
  ): Promise<Answer | typeof lost> {
    for (const grant of grants) grant.removal = 'asked';
    this.ledger.sweeps.push({ what, grants });
    const answer = await ask();
    if (answer !== lost) for (const grant of grants) grant.removal = 'answered';
    return answer;
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

  /** Every loop may use it where a size is given, otherwise only the one that asks. */
  async #create(request: ArenaRequest, sizeBits: number | undefined): Promise<boolean> {
    const arena = { request };
    this.ledger.arenas.push(arena);
    const answer = await this.#ask('POST', '/v1/arenas', request, [201]);
    if (answer === lost) return false;
    Object.assign(arena, { answer: JSON.parse(answer.text) });
    const { quantum, quantumCacheMax = '0', bands } = request;
    const rounding = { quantum, quantumCacheMax, ...(bands !== undefined && { bands }) };
    if (sizeBits === undefined) this.#own.set(request.name, rounding);
    else this.#arenas.set(request.name, { ...rounding, sizeBits });
    return true;
  }

  /** Asks for a change and counts what came of it; throws for another status than those. */
  async #ask(
    method: 'POST' | 'DELETE',
    path: string,
    body: unknown,
    statuses: readonly number[],
    key?: string,
  ): Promise<Answer | typeof lost> {
    if (this.#client === undefined) throw new Error('the load has no client yet');
    const watched = this.#options.watch?.();
    const answer = await this.#client.ask(method, path, body, key);
    if (answer === lost || (this.#options.mayFail === true && answer.status === 503)) {
      this.ledger.unanswered += 1;
      return lost;
    }
    watched?.(answer);
    if (!statuses.includes(answer.status)) throw unexpected(`${method} ${path}`, answer, body);
    if (answer.replayed) this.replays += 1;
    else if (answer.status < 300) {
      this.ledger.answered += 1;
      this.ledger.operations += 1;
    }
    return answer;
  }

  /** A number that no other request has. */
  #next(): string {
    this.#number += 1;
    return String(this.#number);
  }
}

function isNoRoom({ text }: Answer): boolean {
  const { code } = JSON.parse(text) as { code: string };
  return code === 'exhausted' || code === 'never-fits';
}

/** Whether it was refused because an owner of one of the grants would hold too much. */
function isOverdrawn({ text }: Answer, grants: readonly Grant[]): boolean {
  const { code, exceeded } = JSON.parse(text) as Problem;
  const owner = exceeded?.owner;
  if (code !== 'limit-exceeded' || owner === undefined) return false;
  return grants.some(({ request }) => request.owner === owner);
}

function isLeased({ request }: Grant): boolean {
  return request.lease !== undefined;
}

function ownName(loop: number): string {
  return `own-${loop}`;
}

function ownArena(loop: number): ArenaRequest {
  const name = ownName(loop);
  const quantumCacheMax = loop % 4 === 0 ? '0' : '8';
  const settings = { name, quantum: '1', policy: 'instantfit', quantumCacheMax };
  // With and without a source, because freeAll has spans to give back only where there is one.
  if (loop % 2 === 0) return { ...settings, source: 'mid', importSize: '512' };
  if (loop % 4 !== 1) return { ...settings, spans: [{ base: '0', size: '3000' }] };
  // So small that what rests has to be reused, and for so long that none of it ends by itself.
  return { ...settings, quarantineSeconds: 3600, spans: [{ base: '0', size: '700' }] };
}

function unexpected(what: string, { status, text }: Answer, body?: unknown): Error {
  return new Error(`${what} ${JSON.stringify(body)} was answered ${status}: ${text}`);
}
