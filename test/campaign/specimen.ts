/**
 * A specimen: the files that a service left when it was killed, which is whole, to be damaged in
 * many ways. What becomes of a damaged one is judged here: recovery may refuse it, by name, or come
 * to a state that the service had and that has everything it is known to need. Nothing else.
 */
import { join } from 'node:path';
import { RecoveryError } from '../../src/journal/recovery-error.ts';
import { Ledger } from '../crash/ledger.ts';
import { Load } from '../crash/load.ts';
import { Server, type Build } from '../crash/server.ts';
import { Random } from '../model/random.ts';
import { readFiles, withFiles, writeFiles, type Files } from './files.ts';
import { must, Violation, type Round } from './part.ts';
import { recovered, type RecoveredKeys } from './recovered.ts';
import { Reference } from './reference.ts';

export const database = 'vmemd.db';
export const log = 'vmemd.db-wal';
export const head = 'vmemd.head';

const answers = { usual: 250, brief: 80 };

export class Specimen {
  /** As the kill left them. */
  readonly files: Files;
  /** The head anchor as it was when the service had just been started. */
  readonly firstHead: Buffer;
  /** The last revision of the whole specimen: everything answered is at or below it. */
  readonly revision: number;
  readonly #reference: Reference;
  readonly #answers: RecoveredKeys['answers'];

  private constructor(
    files: Files,
    firstHead: Buffer,
    reference: Reference,
    answers: RecoveredKeys['answers'],
  ) {
    this.files = files;
    this.firstHead = firstHead;
    this.revision = reference.revision;
    this.#reference = reference;
    this.#answers = answers;
  }

  /** Of another build of the service, where one is given. */
  static async make(round: Round, build: Build = {}): Promise<Specimen> {
    const random = new Random(round.seed, 'specimen');
    const data = join(round.folder, 'data');
    const flags = random.chance(0.5) ? ['--checkpoint-mib', '0.02'] : [];
    const ledger = new Ledger();
    const load = new Load(ledger, random);
    const server = await Server.start({ data, flags, ...build });
    try {
      const firstHead = (await readFiles(data)).get(head);
      must(firstHead !== undefined, 'a service that listens has a head anchor');
      await load.prepare(server.url);
      await load.run(server.url, round.brief ? answers.brief : answers.usual);
      round.count('acknowledged', ledger.answered);
      await server.kill();
      const files = await readFiles(data);
      const [reference, kept] = await withFiles(files, async (directory) => {
        // Folds the log into the database, which the reference reads alone.
        const { answers: found } = await recovered(directory);
        return [Reference.read(directory), found] as const;
      });
      must(kept.size > 0, 'some of what was asked for had a key');
      must(reference.revision === ledger.answered, 'the specimen holds exactly what was answered');
      return new Specimen(files, firstHead, reference, kept);
    } finally {
      if (server.running) await server.kill();
    }
  }

  /**
   * Recovers damaged files; they may refuse, unless `mustRecover`. Returns the revision, undefined
   * for a refusal. Where the state is not what it may be, the files are kept in the round's folder.
   */
  async judge(
    files: Files,
    what: string,
    round: Round,
    { least, mustRecover }: { readonly least: number; readonly mustRecover: boolean },
  ): Promise<number | undefined> {
    try {
      const { revision, fingerprint, answers: found } = await withFiles(files, recovered);
      must(revision >= least, `it came to revision ${revision}, and ${least} was durable`);
      must(revision <= this.revision, `it came to revision ${revision} of ${this.revision}`);
      const same = fingerprint === this.#reference.at(revision);
      must(same, `its state at revision ${revision} is not the one the service had`);
      const kept = [...this.#answers].filter(([of]) => of <= revision);
      const all = JSON.stringify([...found]) === JSON.stringify(kept);
      must(all, `the answers kept for keys at revision ${revision} are not those that were given`);
      return revision;
    } catch (error) {
      if (error instanceof RecoveryError && !mustRecover) {
        round.count('refusals');
        return undefined;
      }
      await writeFiles(join(round.folder, 'damaged'), files);
      throw new Violation(`${what}: ${String(error)}`, { cause: error });
    }
  }
}
