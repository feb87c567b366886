/** What survives a crash of the simulated machine: groups of records, and parts of checkpoints. */
import type { JournalRecord, Visitor } from '../../src/journal/journal.ts';
import { visitCheckpoint, type StoredCheckpoint } from '../journal/memory-journal.ts';

export class Disk {
  /** The groups that were stored and not trimmed, in order. */
  readonly groups: (readonly JournalRecord[])[] = [];
  /** The newest complete checkpoint. */
  checkpoint: StoredCheckpoint | undefined;
  /** One that is being made, with the parts stored so far. */
  unfinished: { readonly revision: number; readonly parts: string[] } | undefined;

  /** The last revision that a restart would find. */
  get revision(): number {
    const last = this.groups.at(-1)?.at(-1)?.revision ?? 0;
    return Math.max(last, this.checkpoint?.revision ?? 0);
  }

  get records(): JournalRecord[] {
    return this.groups.flat();
  }

  /** Shows the newest checkpoint and the records after it, up to a revision. */
  visit(visitor: Visitor, upTo = Infinity): void {
    const base = this.checkpoint?.revision ?? 0;
    if (this.checkpoint !== undefined) visitCheckpoint(this.checkpoint, visitor);
    for (const record of this.records) {
      if (record.revision > base && record.revision <= upTo) visitor.record(record);
    }
  }
}
