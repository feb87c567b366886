/**
 * The thread that writes a backup: a new database file with everything that is stored, the history
 * included, as of one revision. What it copies was verified against its digests on the way, so a
 * backup cannot be a faithful copy of damage.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { assert, AssertionError } from '../engine/assert.ts';
import { JobPort, type JobResult } from './job.ts';
import { StorageFailure } from './journal.ts';
import { NewDatabase, type NewDatabaseOptions } from './new-database.ts';

export interface BackupJob extends NewDatabaseOptions {
  readonly type: 'backup';
  readonly directory: string;
}

async function make(port: JobPort, job: BackupJob): Promise<JobResult> {
  const startedAt = performance.now();
  let database: NewDatabase | undefined;
  try {
    database = new NewDatabase(job);
    for (;;) {
      const page = await port.ask({ type: 'page' });
      if (page.type === 'end') break;
      database.write(page);
    }
    const bytes = database.finish();
    const ms = Math.round(performance.now() - startedAt);
    return { ms, parts: job.checkpoint?.parts ?? 0, bytes, hash: new Uint8Array(32), partsKept: 0 };
  } catch (cause) {
    database?.discard();
    if (!(cause instanceof Error) || cause instanceof AssertionError) throw cause;
    const message = `The backup ${job.file} cannot be written: ${cause.message}.`;
    throw new StorageFailure(message, { cause });
  }
}

assert(parentPort !== null, 'runs as a worker thread');
const job = workerData as BackupJob;
const port = new JobPort(parentPort);
await port.run(() => make(port, job), job.directory);
