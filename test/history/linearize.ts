/**
 * Looks for an order of the operations on one tree of arenas that explains every answer and keeps
 * to real time: an operation that ended before another began comes before it. The search is that
 * of Wing and Gong in Lowe's form: it walks through time, and holds every state that the
 * operations so far can have led to, each with the operations under way that it has taken already.
 * An operation is taken as late as possible: only when its answer, or that of another, cannot be
 * explained without.
 *
 *   1. An operation begins: it is under way in every configuration.
 *   2. One ends: a configuration that has not taken it takes it, after any others under way that
 *      have to come first. One that cannot is dropped. None left: there is no such order.
 *   3. One whose answer was lost ends: it may have been taken or not, and can no longer be.
 *
 * Configurations that are alike are one. What changes nothing is taken as soon as it is true,
 * which loses no order. Where answers tell revisions, changes are taken in the order of these
 * alone.
 */
import { changes, revisionOf, show, type Operation, type Place } from './history.ts';
import { State } from './state.ts';

/** A search that finds more states than this at one moment is given up. */
const configurationsMax = 50_000;

interface Configuration {
  readonly state: State;
  /** Operations under way that it has taken, in order of their index. */
  readonly taken: ReadonlySet<number>;
  /** The last revision taken. */
  readonly revision: number;
}

/** What is wrong with the operations on a tree, or undefined where an order was found. */
export function unlinearizable(
  places: readonly Place[],
  operations: readonly Operation[],
): string | undefined {
  return new Search(places, operations).run();
}

class Search {
  readonly #operations: readonly Operation[];
  readonly #revisions: readonly (number | undefined)[];
  readonly #changes: readonly boolean[];
  readonly #underWay = new Set<number>();
  #configurations: Configuration[];

  constructor(places: readonly Place[], operations: readonly Operation[]) {
    this.#operations = operations;
    this.#revisions = operations.map(revisionOf);
    this.#changes = operations.map(changes);
    this.#configurations = [{ state: State.empty(places), taken: new Set(), revision: 0 }];
  }

  run(): string | undefined {
    for (const { index, begins } of momentsOf(this.#operations)) {
      if (begins) this.#begin(index);
      else this.#end(index);
      if (this.#configurations.length === 0) return this.#report(index);
    }
    return undefined;
  }

  #begin(index: number): void {
    this.#underWay.add(index);
    if (!this.#changes[index])
      this.#configurations = this.#configurations.map((c) => this.#look(c));
  }

  #end(index: number): void {
    const lost = this.#operations[index]!.answer === undefined;
    const found = new Map<string, Configuration>();
    for (const after of this.#having(index)) this.#keep(found, after, index);
    if (lost) for (const without of this.#configurations) this.#keep(found, without, index);
    this.#underWay.delete(index);
    this.#configurations = [...found.values()];
  }

  #keep(found: Map<string, Configuration>, configuration: Configuration, index: number): void {
    const taken = new Set(configuration.taken);
    taken.delete(index);
    const ended = { ...configuration, taken };
    found.set(keyOf(ended), ended);
  }

  /** Every configuration that has taken the operation, reached by as few others as it needs. */
  #having(index: number): Configuration[] {
    const having: Configuration[] = [];
    const seen = new Set<string>();
    const open = [...this.#configurations];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (next.taken.has(index)) {
        having.push(next);
        continue;
      }
      for (const after of this.#steps(next)) {
        const key = keyOf(after);
        if (seen.has(key)) continue;
        seen.add(key);
        if (seen.size > configurationsMax) throw new Error('too much is open at one moment');
        open.push(after);
      }
    }
    return having;
  }

  *#steps(configuration: Configuration): Generator<Configuration> {
    const { state, taken, revision } = configuration;
    for (const index of this.#underWay) {
      if (taken.has(index) || !this.#changes[index]) continue;
      const own = this.#revisions[index];
      if (own !== undefined && !this.#isNext(own, configuration)) continue;
      const after = state.after(this.#operations[index]!);
      if (after === undefined) continue;
      const more = new Set(taken).add(index);
      yield this.#look({ state: after, taken: more, revision: own ?? revision });
    }
  }

  /** Whether no other change under way has to come before the one with this revision. */
  #isNext(own: number, { taken, revision }: Configuration): boolean {
    if (own <= revision) return false;
    for (const index of this.#underWay) {
      const other = this.#revisions[index];
      if (other !== undefined && other < own && !taken.has(index)) return false;
    }
    return true;
  }

  /** Takes what changes nothing and is true now. */
  #look(configuration: Configuration): Configuration {
    let taken: Set<number> | undefined;
    for (const index of this.#underWay) {
      if (this.#changes[index] || configuration.taken.has(index)) continue;
      if (configuration.state.after(this.#operations[index]!) === undefined) continue;
      taken ??= new Set(configuration.taken);
      taken.add(index);
    }
    return taken === undefined ? configuration : { ...configuration, taken };
  }

  #report(index: number): string {
    const operation = this.#operations[index]!;
    const others = [...this.#underWay].map((other) => `  ${show(this.#operations[other]!)}`);
    return [`no order explains ${show(operation)}`, 'under way with:', ...others].join('\n');
  }
}

function keyOf({ state, taken, revision }: Configuration): string {
  return `${state.key} ${revision} ${[...taken].toSorted((a, b) => a - b).join()}`;
}

/** Beginnings and ends in the order of time; those at the same time overlap. */
function momentsOf(operations: readonly Operation[]) {
  const moments = operations.flatMap(({ start, end }, index) => [
    { index, begins: true, at: start },
    { index, begins: false, at: end },
  ]);
  return moments.toSorted((a, b) =>
    a.at === b.at ? Number(b.begins) - Number(a.begins) : a.at - b.at,
  );
}
