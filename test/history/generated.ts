/**
 * Histories made up by a seed: right ones, and small ones that may be right or wrong. A right one
 * is made by a little allocator that does one thing after another, each at a moment inside the
 * time that the operation is said to have taken; so there is an order, whatever the checker
 * thinks.
 */
import { Random } from '../model/random.ts';
import {
  heldIn,
  type Answer,
  type Call,
  type Held,
  type History,
  type Operation,
  type Place,
} from './history.ts';

const places: readonly Place[] = [
  { arena: 'a', tree: 'a', spans: [{ address: 10n, size: 40n }] },
  { arena: 'b', tree: 'b', spans: [{ address: 0n, size: 20n }] },
];

/** A first-fit allocator of one arena, as plain as can be. */
class Allocator {
  readonly held = new Map<bigint, Held>();
  readonly #span: { readonly address: bigint; readonly size: bigint };

  constructor(place: Place) {
    this.#span = place.spans![0]!;
  }

  do(call: Call, revision: number): Answer {
    switch (call.type) {
      case 'alloc': {
        const address = this.#lowest(call);
        if (address === undefined) return { type: 'refused', ...this.#room() };
        const held = { address, size: call.size, id: call.id, revision };
        this.held.set(address, held);
        return { type: 'held', held };
      }
      case 'free':
        return this.held.delete(call.address)
          ? { type: 'freed', count: 1, revision }
          : { type: 'absent' };
      case 'freeAll': {
        const count = this.held.size;
        this.held.clear();
        return { type: 'freed', count, revision };
      }
      case 'resize': {
        const there = this.held.get(call.address);
        if (there === undefined) return { type: 'absent' };
        this.held.delete(call.address);
        const fits = this.#isFree(call.address, call.size);
        const held = fits ? { ...there, size: call.size, revision } : there;
        this.held.set(call.address, held);
        return fits ? { type: 'held', held } : { type: 'refused' };
      }
      case 'get': {
        const held = this.held.get(call.address);
        return held === undefined ? { type: 'absent' } : { type: 'held', held };
      }
      case 'list':
        return { type: 'listed', held: [...this.held.values()] };
      case 'usage': {
        const allocated = [...this.held.values()].reduce((sum, { size }) => sum + size, 0n);
        return { type: 'usage', allocated, allocations: this.held.size };
      }
      case 'check':
        return { type: 'checked', revision: revision - 1 };
    }
  }

  #lowest({ size, address, min = 0n, max = 1000n }: Call & { type: 'alloc' }): bigint | undefined {
    const last = this.#span.address + this.#span.size;
    for (let at = address ?? this.#span.address; at < last; at++) {
      if (at >= min && at + size - 1n <= max && this.#isFree(at, size)) return at;
      if (address !== undefined) return undefined;
    }
    return undefined;
  }

  #isFree(at: bigint, size: bigint): boolean {
    const { address, size: extent } = this.#span;
    if (at < address || at + size > address + extent) return false;
    return [...this.held.values()].every((h) => at + size <= h.address || h.address + h.size <= at);
  }

  #room(): { free: bigint; largestFree: bigint } {
    let [free, largestFree, run] = [0n, 0n, 0n];
    const { address, size } = this.#span;
    for (let at = address; at < address + size; at++) {
      run = this.#isFree(at, 1n) ? run + 1n : 0n;
      if (run > 0n) free++;
      if (run > largestFree) largestFree = run;
    }
    return { free, largestFree };
  }
}

export interface Making {
  readonly operations: number;
  readonly clients: number;
  /** How likely it is that an answer is lost. */
  readonly lost: number;
}

/** A history that is right. */
export function rightHistory(seed: number, { operations, clients, lost }: Making): History {
  const random = new Random(seed, 'history');
  const allocators = new Map(places.map((place) => [place.arena, new Allocator(place)]));
  const made: Operation[] = [];
  /** When each client is free again. */
  const freeAt = Array.from({ length: clients }, () => 0);
  /** Names that only a lost answer has told; nobody frees what nobody has seen. */
  const unseen = new Set<string>();
  let revision = 0;
  let now = 0;
  const act = (
    arena: string,
    call: Call,
    times: { start: number; end: number },
    mayLose: boolean,
  ) => {
    const allocator = allocators.get(arena)!;
    if (call.type === 'free' || call.type === 'resize') {
      const target = allocator.held.get(call.address);
      if (target !== undefined && unseen.has(target.id)) return;
    }
    const answer = allocator.do(call, revision + 1);
    const changed = answer.type === 'freed' || (answer.type === 'held' && call.type !== 'get');
    if (changed) revision++;
    const isLost = mayLose && call.type !== 'freeAll' && random.chance(lost);
    if (isLost && call.type === 'alloc') unseen.add(call.id);
    if (!isLost) for (const { id } of heldIn(answer)) unseen.delete(id);
    made.push({ arena, call, ...times, ...(isLost ? {} : { answer }) });
  };
  for (let index = 0; index < operations; index++) {
    // The moment at which the operation really happens; its client was idle until before it.
    now += 1 + random.int(3);
    const client = random.int(clients);
    const start = Math.max(freeAt[client]!, now - random.int(12)) + 0.1;
    if (start > now) continue;
    const end = now + random.int(12) + 0.2;
    freeAt[client] = end;
    const { arena } = random.pick(places);
    const held = [...allocators.get(arena)!.held.keys()];
    // Whoever frees everything would free what nobody has seen.
    act(arena, someCall(random, `${index}`, held, lost === 0), { start, end }, true);
  }
  const end = Math.max(now, ...freeAt) + 1;
  for (const { arena } of places) act(arena, { type: 'list' }, { start: end, end: end + 1 }, false);
  return { places, operations: random.shuffle(made) };
}

function someCall(random: Random, id: string, held: readonly bigint[], all: boolean): Call {
  const size = 1n + random.big(8n);
  const address = held.length > 0 && random.chance(0.8) ? random.pick(held) : random.big(50n);
  const weights = { alloc: 45, free: 25, resize: 8, get: 12, list: 5, usage: 5 };
  const type = random.weighted({ ...weights, check: 2, freeAll: all ? 1 : 0 });
  switch (type) {
    case 'alloc': {
      const min = random.big(40n);
      const bounds = random.pick([{}, {}, { address }, { min, max: min + size + 8n }]);
      return { type, id, size, ...bounds };
    }
    case 'resize':
      return { type, address, size };
    case 'free':
    case 'get':
      return { type, address };
    default:
      return { type };
  }
}

/** The history with one answer changed so that it says something else. */
export function corrupted({ places, operations }: History, seed: number): History {
  const random = new Random(seed, 'corrupted');
  const index = random.int(operations.length);
  const changed = operations.map((operation, at) =>
    at === index ? { ...operation, ...lieOf(operation, random) } : operation,
  );
  return { places, operations: changed };
}

function lieOf({ answer, call }: Operation, random: Random): { answer?: Answer } {
  switch (answer?.type) {
    case 'held': {
      const { held } = answer;
      const address = held.address + random.pick([-1n, 1n, 3n]);
      const absent: Answer = call.type === 'alloc' ? { type: 'refused' } : { type: 'absent' };
      return {
        answer: random.pick<Answer>([{ type: 'held', held: { ...held, address } }, absent]),
      };
    }
    case 'freed':
      return { answer: { type: 'absent' } };
    case 'listed':
      return { answer: { type: 'listed', held: answer.held.slice(1) } };
    case 'usage':
      return { answer: { ...answer, allocated: answer.allocated + 1n } };
    case 'absent':
      return call.type === 'free' ? { answer: { type: 'freed', count: 1 } } : {};
    default:
      return {};
  }
}
