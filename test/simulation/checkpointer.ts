/**
 * Makes checkpoints of the simulated disk in steps so small that a crash can come between any two:
 * a part is stored, the checkpoint becomes the newest one, a group that it covers is trimmed. One
 * that a crash has interrupted is taken up again, for the same revision; the parts stored before
 * have to be those that are made now, in another engine, or the state would depend on more than
 * the records.
 */
import { Engine } from '../../src/engine/engine.ts';
import { recover } from '../../src/journal/recovery.ts';
import { encodePart } from '../../src/journal/snapshot-part.ts';
import type { Disk } from './disk.ts';
import { Violation } from './violation.ts';

export class Checkpointer {
  protected readonly disk: Disk;
  /** All parts of the one under way. */
  #parts: readonly string[] | undefined;

  constructor(disk: Disk) {
    this.disk = disk;
  }

  /** Whether the next step is one of a checkpoint under way. */
  get underWay(): boolean {
    return this.#parts !== undefined;
  }

  /** The next step: of the checkpoint under way, or the first of another one. */
  async step(): Promise<void> {
    if (this.#parts === undefined) return this.#begin();
    const { unfinished } = this.disk;
    if (unfinished === undefined) return;
    const next = this.#parts[unfinished.parts.length];
    if (next !== undefined && !this.isComplete(unfinished.parts.length, this.#parts.length)) {
      unfinished.parts.push(next);
      return;
    }
    this.disk.checkpoint = unfinished;
    this.disk.unfinished = undefined;
    this.#parts = undefined;
  }

  /** Trims the oldest group, where the newest checkpoint covers it. */
  trim(): void {
    const last = this.disk.groups[0]?.at(-1)?.revision ?? Infinity;
    if (this.mayTrim(last)) this.disk.groups.shift();
  }

  /** These two apart, so that a checkpointer with a fault can differ. */
  protected isComplete(stored: number, all: number): boolean {
    return stored === all;
  }

  protected mayTrim(last: number): boolean {
    return last <= (this.disk.checkpoint?.revision ?? 0);
  }

  async #begin(): Promise<void> {
    const { disk } = this;
    const revision = disk.unfinished?.revision ?? disk.revision;
    if (revision === (disk.checkpoint?.revision ?? 0)) return;
    const engine = new Engine();
    await recover({ load: async (visitor) => disk.visit(visitor, revision) }, engine);
    if (engine.revision !== revision) throw new Violation(`no checkpoint of ${revision}`);
    this.#parts = [...engine.snapshot()].map(encodePart);
    const stored = disk.unfinished?.parts ?? [];
    if (stored.some((part, index) => part !== this.#parts?.[index])) {
      throw new Violation(`the parts of ${revision} are others than before the crash`);
    }
    disk.unfinished ??= { revision, parts: [] };
  }
}
