/**
 * The thread in which a checkpoint is made, or the hash of a state computed: it replays the newest
 * checkpoint and the records after it into an engine of its own, checks every arena as recovery
 * does, and encodes the state. The engine that serves takes no part in it. The thread ends with the
 * job, and gives its memory back.
 */
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../engine/assert.ts';
import { Engine } from '../engine/engine.ts';
import { partDigest, partsStart } from './checkpoint-table.ts';
import { JobPort, type JobResult } from './job.ts';
import { recover } from './recovery.ts';
import { visitPages } from './replay.ts';
import { encodePart } from './snapshot-part.ts';
import { yieldToOthers } from './thread.ts';

export interface CheckpointJob {
  readonly type: 'checkpoint';
  readonly directory: string;
  /** The revision of which the state is wanted, and the digest of the chain there. */
  readonly revision: number;
  readonly chain: Uint8Array;
  /** Whether the parts are stored, and not only hashed. */
  readonly stored: boolean;
}

async function make(port: JobPort, { revision, chain, stored }: CheckpointJob): Promise<JobResult> {
  const startedAt = performance.now();
  const engine = new Engine();
  const load = visitPages.bind(undefined, () => port.ask({ type: 'page' }));
  await recover({ load }, engine);
  assert(engine.revision === revision, `the state is that of ${revision}`);
  const total = createHash('sha256');
  let digest = partsStart({ revision, chain });
  let [parts, bytes, partsKept] = [0, 0, 0];
  // While one part is stored the next one is encoded.
  let storing = Promise.resolve(false);
  for (const part of engine.snapshot()) {
    const body = encodePart(part);
    total.update(body).update('\n');
    digest = partDigest(digest, body);
    bytes += Buffer.byteLength(body);
    if (await storing) partsKept += 1;
    if (stored) storing = port.ask({ type: 'put', part: parts, body, digest });
    parts += 1;
  }
  if (await storing) partsKept += 1;
  const ms = Math.round(performance.now() - startedAt);
  return { ms, parts, bytes, hash: total.digest(), partsKept };
}

assert(parentPort !== null, 'runs as a worker thread');
yieldToOthers();
const job = workerData as CheckpointJob;
const port = new JobPort(parentPort);
await port.run(() => make(port, job), job.directory);
