/**
 * Records a history over real HTTP: several clients, each with one request under way on a
 * connection of its own, most of them on one small arena that is often full. They know of each
 * other's allocations, so that two may free or resize the same one at once. What is asked and
 * answered is written down with its times, and nothing is judged here; an answer of an unexpected
 * kind throws.
 */
import { Client, lost } from '../crash/client.ts';
import type { Random } from '../model/random.ts';
import { answerOf, requestOf } from './exchange.ts';
import type { Call, History, Operation, Place } from './history.ts';

interface ArenaPlan extends Place {
  readonly settings: Readonly<Record<string, unknown>>;
  /** How often it is drawn. */
  readonly weight: number;
  readonly sizeMax: bigint;
}

const hotSpans = [
  { address: 100n, size: 500n },
  { address: 700n, size: 300n },
];
const coldSpans = [{ address: 0n, size: 4096n }];

/** A prefix in front of the names keeps the arenas of several recordings apart. */
function planOf(prefix: string): ArenaPlan[] {
  const wire = (spans: readonly { address: bigint; size: bigint }[]) =>
    spans.map(({ address, size }) => ({ base: `${address}`, size: `${size}` }));
  const [hot, cold, root, leaf] = ['hot', 'cold', 'root', 'leaf'].map((name) => prefix + name);
  const alone = (arena: string, spans: ArenaPlan['spans'] & object, policy: string) => ({
    arena,
    tree: arena,
    spans,
    settings: { policy, spans: wire(spans) },
  });
  const rootSpans = wire([{ address: 0n, size: 1n << 16n }]);
  const rootSettings = { policy: 'bestfit', quantum: '16', spans: rootSpans };
  const leafSettings = {
    policy: 'firstfit',
    source: root,
    importSize: '256',
    quantumCacheMax: '4',
  };
  return [
    { ...alone(hot!, hotSpans, 'firstfit'), weight: 70, sizeMax: 64n },
    { ...alone(cold!, coldSpans, 'instantfit'), weight: 10, sizeMax: 128n },
    { arena: root!, tree: root!, settings: rootSettings, weight: 8, sizeMax: 512n },
    { arena: leaf!, tree: root!, settings: leafSettings, weight: 12, sizeMax: 32n },
  ];
}

/** Allocations of an arena above which the clients mostly free. */
const crowd = 30;

export interface RecorderOptions {
  readonly random: Random;
  /** Requests under way at a time. */
  readonly clients: number;
  /** In front of the names of the arenas. */
  readonly prefix?: string;
}

export class Recorder {
  readonly #plan: readonly ArenaPlan[];
  readonly #random: Random;
  readonly #prefix: string;
  readonly #clients: number;
  readonly #operations: Operation[] = [];
  /** Addresses that answers have shown and no answer has taken back, by arena. */
  readonly #known = new Map<string, Set<bigint>>();
  /** Operations whose answer is lost, until it is known when they could no longer be done. */
  #lost: Omit<Operation, 'end'>[] = [];
  #number = 0;
  /** Whether the server is going to die in this run. */
  #ends = false;
  /** Requests that were told that nothing was done. */
  busy = 0;

  constructor({ random, clients, prefix = '' }: RecorderOptions) {
    this.#plan = planOf(prefix);
    this.#prefix = prefix;
    this.#random = random;
    this.#clients = clients;
    for (const { arena } of this.#plan) this.#known.set(arena, new Set());
  }

  get history(): History {
    const places = this.#plan.map(({ arena, tree, spans }) => {
      return { arena, tree, ...(spans === undefined ? {} : { spans }) };
    });
    return { places, operations: this.#operations };
  }

  /** Answers that were lost. */
  get unanswered(): number {
    return this.#operations.filter(({ answer }) => answer === undefined).length;
  }

  /** Creates the arenas. */
  async prepare(url: string): Promise<void> {
    const client = new Client(url);
    try {
      for (const { arena, settings } of this.#plan) {
        const reply = await client.ask('POST', '/v1/arenas', { name: arena, ...settings });
        if (reply === lost || reply.status !== 201) throw new Error(`${arena} is not created`);
      }
    } finally {
      client.close();
    }
  }

  /**
   * Runs all clients until so many answers are here, then `end`, after which the server is gone:
   * only then may answers be lost, and what has none can no longer be done when `end` is over.
   */
  async run(url: string, answers: number, end?: () => Promise<unknown>): Promise<void> {
    this.#ends = end !== undefined;
    let left = answers;
    let ending: Promise<unknown> | undefined;
    let ended = false;
    const loop = async (): Promise<void> => {
      const client = new Client(url);
      try {
        // Until the end has come: however late it does, it finds each with a request under way.
        for (;;) {
          if (ended) return;
          const answered = await this.#one(client);
          if (!answered && ending !== undefined) return;
          if (!answered) throw new Error('an answer was lost');
          left--;
          if (left === 0) ending = (end?.() ?? Promise.resolve()).finally(() => (ended = true));
        }
      } finally {
        client.close();
      }
    };
    await Promise.all(Array.from({ length: this.#clients }, loop));
    await ending;
    const over = performance.now();
    for (const operation of this.#lost.splice(0))
      this.#operations.push({ ...operation, end: over });
  }

  /** One client lists every arena, so that whatever was done without an answer is seen. */
  async look(url: string): Promise<void> {
    const client = new Client(url);
    try {
      for (const { arena } of this.#plan) {
        if (!(await this.#ask(client, arena, { type: 'list' }))) throw new Error('lost');
      }
    } finally {
      client.close();
    }
  }

  #one(client: Client): Promise<boolean> {
    const names = Object.fromEntries(this.#plan.map(({ arena, weight }) => [arena, weight]));
    const name = this.#random.weighted(names);
    const plan = this.#plan.find(({ arena }) => arena === name)!;
    return this.#ask(client, name, this.#draw(plan));
  }

  #draw({ arena, sizeMax, spans }: ArenaPlan): Call {
    const random = this.#random;
    const known = this.#known.get(arena)!;
    const crowded = known.size > crowd;
    const weights = { alloc: 30, free: crowded ? 60 : 22, resize: 4, get: 14, list: 4, usage: 6 };
    const type = random.weighted({ ...weights, check: 2 });
    if (type === 'list' || type === 'usage' || type === 'check') return { type };
    if (type !== 'alloc' && known.size > 0) {
      const near = type === 'get' && random.chance(0.2) ? 1n : 0n;
      const address = random.pick([...known]) + near;
      if (type === 'resize') return { type, address, size: random.magnitude(sizeMax) };
      return { type, address };
    }
    const size = random.magnitude(sizeMax);
    const call = { type: 'alloc', id: `${this.#prefix}${++this.#number}`, size } as const;
    const kind = random.weighted({ anywhere: 70, exact: 15, between: 15 });
    if (kind === 'anywhere' || spans === undefined) return call;
    const { address: base, size: extent } = random.pick(spans);
    const address = base + random.big(extent);
    if (kind === 'exact') return { ...call, address };
    const max = address + random.big(2n * sizeMax) + size - 1n;
    return { ...call, min: address, max };
  }

  async #ask(client: Client, arena: string, call: Call): Promise<boolean> {
    const known = this.#known.get(arena)!;
    // Two may ask for the same to be freed; but where answers will be lost, the second might meet
    // what nobody has seen yet, and no history could tell what that was.
    const takes = call.type === 'free' || call.type === 'resize';
    if (takes && (this.#ends || this.#random.chance(0.9))) known.delete(call.address);
    const [method, path, body] = requestOf(arena, call);
    const start = performance.now();
    const reply = await client.ask(method, path, body);
    const end = performance.now();
    if (reply === lost) {
      this.#lost.push({ arena, call, start });
      return false;
    }
    if (reply.status === 503) {
      this.busy++;
      return true;
    }
    const answer = answerOf(call, reply);
    if (answer.type === 'held' && call.type !== 'get') known.add(answer.held.address);
    if (answer.type === 'refused' && call.type === 'resize') known.add(call.address);
    if (answer.type === 'freed' && call.type === 'free') known.delete(call.address);
    if (answer.type === 'listed') for (const { address } of answer.held) known.add(address);
    this.#operations.push({ arena, call, start, end, answer });
    return true;
  }
}

export interface RecordingOptions extends RecorderOptions {
  readonly url: string;
  /** Answers to wait for. */
  readonly answers: number;
}

/** Records a history on a server that stays up. */
export async function recordHistory({ url, answers, ...options }: RecordingOptions) {
  const recorder = new Recorder(options);
  await recorder.prepare(url);
  await recorder.run(url, answers);
  await recorder.look(url);
  return recorder.history;
}
