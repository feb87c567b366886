/**
 * What is known about the busy segments of one arena, apart from where they are: a record a
 * segment, named by a small number that the segment carries. Times and revisions are in typed
 * arrays; labels, owners and holders, which most allocations lack, are kept aside.
 */
import { assert } from './assert.ts';
import type { Labels } from './command.ts';
import { growth } from './growth.ts';

export interface About {
  readonly labels: Labels;
  readonly owner?: string;
  /** The arena that holds the segment as one of its spans. */
  readonly importedBy?: string;
}

const nothing: About = { labels: {} };

export class Allocations {
  #createdAt = new Float64Array(8);
  #revision = new Float64Array(8);
  readonly #about = new Map<number, About>();
  #used = 1;
  readonly #spare: number[] = [];
  count = 0;
  /** Those held by arenas that import. */
  held = 0;

  /** `createdAt` in milliseconds since 1970. */
  create(createdAt: number, revision: number, about: About): number {
    const id = this.#spare.pop() ?? this.#fresh();
    this.#createdAt[id] = createdAt;
    this.#revision[id] = revision;
    this.#set(id, about);
    this.count++;
    if (about.importedBy !== undefined) this.held++;
    return id;
  }

  drop(id: number): void {
    if (this.about(id).importedBy !== undefined) this.held--;
    this.#about.delete(id);
    this.#spare.push(id);
    this.count--;
  }

  update(id: number, revision: number, about: About): void {
    this.#revision[id] = revision;
    this.#set(id, about);
  }

  /**
   * Takes allocations that were saved, in order of address, into a fresh set or behind those taken
   * before; returns the id of the first, which the others' follow one by one.
   */
  load(createdAt: readonly number[], revisions: readonly number[]): number {
    assert(this.#used === this.count + 1, 'saved allocations are taken before there are others');
    const first = this.#used;
    for (let i = 0; i < createdAt.length; i++) {
      const id = this.#fresh();
      this.#createdAt[id] = createdAt[i]!;
      this.#revision[id] = revisions[i]!;
    }
    this.count += createdAt.length;
    return first;
  }

  /** What else is known of a loaded allocation, by its place among them, from 0. */
  describe(ordinal: number, about: About): void {
    const id = ordinal + 1;
    assert(!this.isDescribed(id), 'an allocation is described once');
    this.#set(id, about);
    if (about.importedBy !== undefined) this.held++;
  }

  /** Whether there are labels, an owner or a holder. */
  isDescribed(id: number): boolean {
    return this.#about.has(id);
  }

  /** How many allocations are. */
  get described(): number {
    return this.#about.size;
  }

  about(id: number): About {
    return this.#about.get(id) ?? nothing;
  }

  createdAt(id: number): number {
    return this.#createdAt[id]!;
  }

  revision(id: number): number {
    return this.#revision[id]!;
  }

  #set(id: number, about: About): void {
    const plain =
      about.owner === undefined &&
      about.importedBy === undefined &&
      Object.keys(about.labels).length === 0;
    if (plain) this.#about.delete(id);
    else this.#about.set(id, about);
  }

  #fresh(): number {
    if (this.#used === this.#revision.length) {
      const length = growth(this.#used, 8);
      const createdAt = new Float64Array(length);
      createdAt.set(this.#createdAt);
      this.#createdAt = createdAt;
      const revision = new Float64Array(length);
      revision.set(this.#revision);
      this.#revision = revision;
    }
    return this.#used++;
  }
}
