/**
 * The reference: all records that a service wrote, read from its database without any of its own
 * reading and recovering, and what the state has to be at each revision.
 */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Engine } from '../../src/engine/engine.ts';
import { decode } from '../../src/journal/record.ts';
import { fingerprintOf } from './recovered.ts';

const databaseName = 'vmemd.db';

export class Reference {
  readonly #bodies: readonly string[];
  readonly #fingerprints = new Map<number, string>();
  #engine = new Engine();

  /** `bodies[i]` is the record of revision i + 1. */
  constructor(bodies: readonly string[]) {
    this.#bodies = bodies;
  }

  /** Reads the database of a service that was stopped in order; its history has to be whole. */
  static read(directory: string): Reference {
    const db = new Database(join(directory, databaseName), { readonly: true });
    try {
      const rows = db
        .prepare<[], { first: number; body: string }>(
          'select first_revision as first, body from journal_group order by first_revision',
        )
        .all();
      const bodies = rows.flatMap(({ body }) => body.split('\n'));
      if (rows[0] !== undefined && rows[0].first !== 1) throw new Error('the history is trimmed');
      return new Reference(bodies);
    } finally {
      db.close();
    }
  }

  /** The last revision. */
  get revision(): number {
    return this.#bodies.length;
  }

  /** Fingerprint of the state at a revision up to the last; quickest in ascending order. */
  at(revision: number): string {
    const known = this.#fingerprints.get(revision);
    if (known !== undefined) return known;
    if (revision < this.#engine.revision) this.#engine = new Engine();
    for (let next = this.#engine.revision + 1; next <= revision; next++) {
      this.#engine.apply(decode(this.#bodies[next - 1]!), next);
    }
    const fingerprint = fingerprintOf(this.#engine);
    this.#fingerprints.set(revision, fingerprint);
    return fingerprint;
  }
}
