/**
 * `vmemd verify`: reads everything that is stored, the history that recovery does not need included,
 * and holds it against itself.
 *
 * 1. The data is loaded as at a start: digests, the head anchor, every record after the checkpoint,
 *    every answer that is kept for an idempotency key, every invariant of every arena.
 * 2. The history is read, with its chain of digests and every record in it.
 * 3. Where none of it was trimmed, the state is made once more from record 1 on. At the checkpoint's
 *    revision it has to have the checkpoint's hash, and at the end that of the first.
 */
import { Engine } from '../engine/engine.ts';
import type { Flags } from '../config.ts';
import { decode, RecordError } from '../journal/record.ts';
import { RecoveryError, restoreBackup } from '../journal/recovery-error.ts';
import { recover } from '../journal/recovery.ts';
import type { Journal, JournalRecord, StateHash } from '../journal/journal.ts';
import { sourceOf, withJournal } from './data-source.ts';
import type { Progress } from './progress.ts';
import { stateHashOf } from './state-hash.ts';
import { print, tableText, type Terminal } from './terminal.ts';

export interface VerifyReport {
  readonly revision: number;
  readonly arenas: number;
  readonly spans: number;
  readonly allocations: number;
  /** Idempotency keys held, each with its answer. */
  readonly keys: number;
  /** Records read, those of the history included. */
  readonly records: number;
  /** The last record that was trimmed; 0: the state was also made from record 1 on. */
  readonly trimmedRevision: number;
  /** The revision of the checkpoint, if there is one. */
  readonly checkpoint?: number;
  readonly stateHash: string;
}

/** Runs the tool. Rejects with InvalidSetting, ToolError or RecoveryError. */
export async function verify(flags: Flags, terminal: Terminal): Promise<void> {
  const { json, ...others } = flags;
  const source = sourceOf(others, terminal.environment);
  const report = await withJournal(source, terminal, verifyJournal);
  const text =
    json === true
      ? `${JSON.stringify({ ok: true, [source.kind]: source.path, ...report })}\n`
      : `${source.path} is whole.\n${tableText(rowsOf(report))}`;
  await print(terminal.output, text);
}

/** Verifies an opened journal that was not loaded yet. Rejects with RecoveryError. */
export async function verifyJournal(
  journal: Pick<Journal, 'load' | 'history' | 'keys' | 'figures'>,
  progress: Progress,
): Promise<VerifyReport> {
  const { revision, records, stateHash, ...counts } = await load(journal, progress);
  // The parts that were loaded have its hash.
  const { checkpoint } = journal.figures;
  const history = new History(journal, revision, progress);
  const { trimmedRevision } = await history.first();
  const whole = trimmedRevision === 0;
  const read = await (whole ? replayAll(history, checkpoint, stateHash) : readAll(history));
  return {
    revision,
    ...counts,
    keys: journal.keys.held,
    records: Math.max(records, read),
    trimmedRevision,
    ...(checkpoint !== undefined && { checkpoint: checkpoint.revision }),
    stateHash,
  };
}

/** Loads as at a start. The engine ends here: the next one would need its memory as well. */
async function load(
  journal: Pick<Journal, 'load'>,
  progress: Progress,
): Promise<Omit<VerifyReport, 'trimmedRevision' | 'keys'>> {
  const engine = new Engine();
  const { revision, records } = await recover(journal, engine, {
    onProgress: (done) => progress.update('records read', done),
  });
  return { revision, records, ...engine.totals(), stateHash: stateHashOf(engine) };
}

/** All stored records, page by page; they have to lead up to `revision`. */
class History {
  readonly #journal: Pick<Journal, 'history'>;
  readonly #revision: number;
  readonly #progress: Progress;

  constructor(journal: Pick<Journal, 'history'>, revision: number, progress: Progress) {
    this.#journal = journal;
    this.#revision = revision;
    this.#progress = progress;
  }

  first(): ReturnType<Journal['history']> {
    return this.#journal.history(0);
  }

  /** Visits all records; resolves with how many there are. */
  async visit(visit: (record: JournalRecord) => void): Promise<number> {
    let page = await this.first();
    const { trimmedRevision } = page;
    let last = trimmedRevision;
    while (page.records.length > 0) {
      for (const record of page.records) {
        visit(record);
        last = record.revision;
      }
      const done = last - trimmedRevision;
      this.#progress.update('records of the history read', done, this.#revision - trimmedRevision);
      page = await this.#journal.history(last);
    }
    if (last === this.#revision) return last - trimmedRevision;
    throw new RecoveryError(
      'record-missing',
      `The history ends at record ${last}, the journal at ${this.#revision}.`,
      restoreBackup,
    );
  }
}

/** Makes the state from record 1 on, and compares it at the checkpoint and at the end. */
async function replayAll(
  history: History,
  checkpoint: StateHash | undefined,
  stateHash: string,
): Promise<number> {
  const engine = new Engine();
  const compare = (what: string, hash: string): void => {
    const replayed = stateHashOf(engine);
    if (replayed === hash) return;
    throw new RecoveryError(
      'checkpoint-damaged',
      `${what} at record ${engine.revision} is ${hash}, but the records 1 to ${engine.revision} ` +
        `make ${replayed}.`,
      `${restoreBackup} Please report it: this is a bug.`,
    );
  };
  const load: Journal['load'] = async (visitor) => {
    await history.visit((record) => {
      visitor.record(record);
      if (record.revision === checkpoint?.revision) compare('The checkpoint', checkpoint.hash);
    });
  };
  const { records } = await recover({ load }, engine);
  compare('The state', stateHash);
  return records;
}

/** Decodes every record of a history whose beginning was trimmed. */
function readAll(history: History): Promise<number> {
  return history.visit(({ revision, body }) => {
    try {
      decode(body);
    } catch (cause) {
      if (!(cause instanceof RecordError)) throw cause;
      throw new RecoveryError(
        'record-undecodable',
        `Record ${revision} cannot be read: ${cause.message}.`,
        restoreBackup,
        { cause },
      );
    }
  });
}

function rowsOf(report: VerifyReport): [string, string | number][] {
  const { revision, records, checkpoint } = report;
  const first = revision - records + 1;
  return [
    ['revision', revision],
    ['arenas', report.arenas],
    ['spans', report.spans],
    ['allocations', report.allocations],
    ['keys', report.keys],
    ['checkpoint', checkpoint === undefined ? 'none' : `at revision ${checkpoint}`],
    ['records', records === 0 ? 'none' : `${records}, from ${first} on`],
    ['state hash', report.stateHash],
  ];
}
