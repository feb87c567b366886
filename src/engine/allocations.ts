/**
 * What is known about the busy segments of one arena, apart from where they are: a record a
 * segment, named by a small number that the segment carries. Times and revisions are in typed
 * arrays; labels, owners and holders, which most allocations lack, are kept aside.
 */
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
