/**
 * The sequential rules: what is held in one tree of arenas, and whether an operation with its
 * answer can come next. The rules are those a client can check: they know nothing of policies,
 * only that a block is granted where it was free and wanted, and that every answer is true.
 */
import type { Answer, Held, Operation, Place, Range } from './history.ts';

interface Entry extends Held {
  readonly arena: string;
}

/** What is held in a tree of arenas. Never changes; a step makes another one. */
export class State {
  readonly #places: ReadonlyMap<string, Place>;
  readonly #held: ReadonlyMap<string, Entry>;
  readonly #low: number;
  readonly #high: number;

  private constructor(
    places: ReadonlyMap<string, Place>,
    held: ReadonlyMap<string, Entry>,
    low: number,
    high: number,
  ) {
    this.#places = places;
    this.#held = held;
    this.#low = low;
    this.#high = high;
  }

  static empty(places: readonly Place[]): State {
    return new State(new Map(places.map((place) => [place.arena, place])), new Map(), 0, 0);
  }

  /** Equal states have equal keys; that different ones have, 64 bits of hash make sure. */
  get key(): string {
    return `${this.#low} ${this.#high}`;
  }

  /**
   * The state after an operation that was answered so, or undefined where it cannot have been. One
   * without an answer does whatever it can do.
   */
  after(operation: Operation): State | undefined {
    const { arena, call, answer } = operation;
    if (answer === undefined) return this.#afterLost(operation);
    switch (call.type) {
      case 'alloc':
        if (answer.type === 'refused') return this.#if(this.#mayRefuse(arena, call, answer));
        if (answer.type !== 'held') return undefined;
        return this.#isWanted(call, answer.held) ? this.#granted(arena, answer.held) : undefined;
      case 'free':
        if (answer.type === 'absent') return this.#if(!this.#at(arena, call.address));
        return answer.type === 'freed' ? this.#without(this.#at(arena, call.address)) : undefined;
      case 'resize':
        return this.#afterResize(arena, call, answer);
      case 'freeAll':
        return answer.type === 'freed' ? this.#afterFreeAll(arena, answer.count) : undefined;
      case 'get': {
        const there = this.#at(arena, call.address);
        if (answer.type === 'absent') return this.#if(there === undefined);
        return this.#if(answer.type === 'held' && there !== undefined && same(there, answer.held));
      }
      case 'list':
        return this.#if(answer.type === 'listed' && this.#isAll(arena, answer.held));
      case 'usage': {
        const own = this.#of(arena);
        const exact = this.#places.get(arena)?.spans !== undefined;
        return this.#if(
          answer.type === 'usage' &&
            (!exact || (answer.allocations === own.length && answer.allocated === sum(own))),
        );
      }
      case 'check':
        return this;
    }
  }

  #afterLost({ arena, call }: Operation): State | undefined {
    // What a lost alloc was given is not known here; see checkHistory.
    if (call.type === 'free') return this.#without(this.#at(arena, call.address));
    if (call.type === 'freeAll') return this.#afterFreeAll(arena, this.#of(arena).length);
    const there = call.type === 'resize' ? this.#at(arena, call.address) : undefined;
    if (there === undefined || call.type !== 'resize') return undefined;
    // Its revision is not known either.
    const { revision: _, ...resized } = { ...there, size: call.size };
    return this.#replaced(arena, there, resized);
  }

  #afterResize(arena: string, call: Range, answer: Answer): State | undefined {
    const there = this.#at(arena, call.address);
    if (there === undefined) return this.#if(answer.type === 'absent');
    if (answer.type === 'refused') {
      const spans = this.#places.get(arena)?.spans;
      if (spans === undefined) return this;
      const more = { address: there.address + there.size, size: call.size - there.size };
      return this.#if(more.size > 0n && !this.#free(arena, spans).some((f) => contains(f, more)));
    }
    if (answer.type !== 'held' || answer.held.size < call.size) return undefined;
    if (answer.held.id !== there.id || answer.held.address !== there.address) return undefined;
    return this.#replaced(arena, there, answer.held);
  }

  #afterFreeAll(arena: string, count: number): State | undefined {
    const own = this.#of(arena);
    if (own.length !== count) return undefined;
    return own.reduce<State>((state, entry) => state.#less(entry), this);
  }

  #replaced(arena: string, there: Entry, held: Held): State | undefined {
    return this.#less(there).#granted(arena, held);
  }

  #granted(arena: string, held: Held): State | undefined {
    const spans = this.#places.get(arena)?.spans;
    if (spans !== undefined && !spans.some((span) => contains(span, held))) return undefined;
    for (const other of this.#held.values()) if (overlap(other, held)) return undefined;
    const entry = { ...held, arena };
    return this.#changed(new Map(this.#held).set(keyOf(entry), entry), entry);
  }

  #without(entry: Entry | undefined): State | undefined {
    return entry === undefined ? undefined : this.#less(entry);
  }

  #less(entry: Entry): State {
    const held = new Map(this.#held);
    held.delete(keyOf(entry));
    return this.#changed(held, entry);
  }

  /** A hash that an entry goes into and out of in the same way. */
  #changed(held: ReadonlyMap<string, Entry>, entry: Entry): State {
    const { arena, address, size, id, revision } = entry;
    const text = `${arena} ${address} ${size} ${id} ${revision}`;
    const low = this.#low ^ hash(text, 0x811c9dc5);
    return new State(this.#places, held, low, this.#high ^ hash(text, 0x2545f491));
  }

  #if(so: boolean): State | undefined {
    return so ? this : undefined;
  }

  #at(arena: string, address: bigint): Entry | undefined {
    return this.#held.get(keyOf({ arena, address }));
  }

  #of(arena: string): Entry[] {
    return [...this.#held.values()].filter((entry) => entry.arena === arena);
  }

  #isAll(arena: string, listed: readonly Held[]): boolean {
    if (listed.length !== this.#of(arena).length) return false;
    return listed.every((held) => {
      const there = this.#at(arena, held.address);
      return there !== undefined && same(there, held);
    });
  }

  #isWanted(call: Operation['call'] & { type: 'alloc' }, held: Held): boolean {
    const { min = held.address, max = held.address + held.size - 1n } = call;
    if (held.address !== (call.address ?? held.address)) return false;
    const inside = held.address >= min && held.address + held.size - 1n <= max;
    return inside && held.id === call.id && held.size >= call.size;
  }

  #mayRefuse(
    arena: string,
    call: Operation['call'] & { type: 'alloc' },
    { free, largestFree }: Answer & { type: 'refused' },
  ): boolean {
    const spans = this.#places.get(arena)?.spans;
    if (spans === undefined) return true;
    const segments = this.#free(arena, spans);
    if (free !== undefined && free !== sum(segments)) return false;
    const largest = segments.reduce((most, { size }) => (size > most ? size : most), 0n);
    if (largestFree !== undefined && largestFree !== largest) return false;
    const { address: exact, min = 0n, max, size: wanted } = call;
    if (exact !== undefined) {
      return !segments.some((segment) => contains(segment, { address: exact, size: wanted }));
    }
    return !segments.some(({ address, size }) => {
      const first = address > min ? address : min;
      const last = address + size - 1n;
      const end = max !== undefined && max < last ? max : last;
      return end - first + 1n >= wanted;
    });
  }

  /** The free segments, spans that touch taken together. */
  #free(arena: string, spans: readonly Range[]): Range[] {
    const own = this.#of(arena).toSorted(byAddress);
    const free: { address: bigint; size: bigint }[] = [];
    for (const span of spans.toSorted(byAddress)) {
      let at = span.address;
      const end = span.address + span.size;
      for (const entry of [...own, { address: end, size: 0n }]) {
        if (entry.address < at || entry.address > end) continue;
        const before = free.at(-1);
        if (before !== undefined && before.address + before.size === at) {
          before.size += entry.address - at;
        } else if (entry.address > at) free.push({ address: at, size: entry.address - at });
        at = entry.address + entry.size;
      }
    }
    return free;
  }
}

/** A revision that one of the two does not know is no difference. */
function same(a: Held, b: Held): boolean {
  const sameRevision =
    a.revision === undefined || b.revision === undefined || a.revision === b.revision;
  return a.address === b.address && a.size === b.size && a.id === b.id && sameRevision;
}

function keyOf({ arena, address }: { arena: string; address: bigint }): string {
  return `${arena} ${address}`;
}

function contains(outer: Range, inner: Range): boolean {
  const end = inner.address + inner.size;
  return inner.address >= outer.address && end <= outer.address + outer.size;
}

function overlap(a: Range, b: Range): boolean {
  return a.address < b.address + b.size && b.address < a.address + a.size;
}

function sum(ranges: readonly Range[]): bigint {
  return ranges.reduce((total, { size }) => total + size, 0n);
}

function byAddress(a: Range, b: Range): number {
  return a.address < b.address ? -1 : a.address > b.address ? 1 : 0;
}

function hash(text: string, seed: number): number {
  let value = seed;
  for (let at = 0; at < text.length; at++) {
    value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
    value ^= value >>> 15;
  }
  return value;
}
