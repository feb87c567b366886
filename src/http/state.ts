/**
 * Routes of the state as a whole: its hash, and backups. Both are made in another thread, by the
 * journal, while everything else is answered.
 */
import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { createHash } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { Socket } from 'node:net';
import { StorageFailure, type StateHash } from '../journal/journal.ts';
import { RecoveryError } from '../journal/recovery-error.ts';
import { limits } from '../limits.ts';
import { Busy, JournalUnavailable, type Sequencer } from '../sequencer.ts';
import { answer, noQuery, problems, type App } from './contract.ts';
import { problemOf, sendProblem } from './problem.ts';
import { backupFile, state, type State } from './wire/state.ts';

/** Makes backups, one at a time. */
export interface BackupMaker {
  /**
   * Where a backup is written before it is sent, and removed when it is open for that. Nothing else
   * may be there; it is on the disk of the data, which has room for as much again or is too small.
   */
  readonly file: string;
  /** Rejects with RecoveryError or StorageFailure, which leaves nothing behind. */
  make(file: string): Promise<{ readonly revision: number; readonly bytes: number }>;
}

export interface StateDependencies {
  readonly sequencer: Pick<Sequencer, 'state' | 'journal' | 'durableRevision'>;
  readonly backups: BackupMaker;
  readonly logger: Pick<FastifyBaseLogger, 'error'>;
}

const tags = ['State'];
const backupType = 'application/vnd.sqlite3';

export function stateRoutes(app: App, dependencies: StateDependencies): void {
  getStateRoute(app, dependencies);
  backupRoute(app, dependencies);
}

function getStateRoute(app: App, { sequencer }: Pick<StateDependencies, 'sequencer'>): void {
  const hashes = new SharedHash(sequencer);
  const schema = {
    operationId: 'getState',
    tags,
    summary: 'Get the hash of the state',
    description:
      'At a revision that is at least that of all that was answered before. It takes about the ' +
      'time of a start, in another thread; requests that wait share the result.',
    querystring: noQuery,
    response: { 200: answer('The state.', state), ...problems(400, 401, 500, 503) },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/v1/state', { schema }, async (request, reply) => {
    timeOut(request, 0);
    const { revision, hash } = await hashes.next();
    return reply.code(200).send(stateRepresentation(revision, hash, sequencer));
  });
}

function stateRepresentation(
  revision: number,
  hash: string,
  { journal, durableRevision }: Pick<Sequencer, 'journal' | 'durableRevision'>,
): State {
  const { checkpoint, ...figures } = journal;
  return {
    revision,
    hash,
    durableRevision,
    ...(checkpoint !== undefined && {
      checkpoint: {
        revision: checkpoint.revision,
        completedAt: new Date(checkpoint.completedAt).toISOString(),
        bytes: checkpoint.bytes,
        parts: checkpoint.parts,
      },
    }),
    historyBytes: figures.historyBytes,
    trimmedRevision: figures.trimmedRevision,
    recordsSinceCheckpoint: figures.recordsSinceCheckpoint,
    bytesSinceCheckpoint: figures.bytesSinceCheckpoint,
  };
}

/**
 * At most one hash is computed at a time. Who asks meanwhile shares the next one, because the one
 * under way may be of a revision before what they have seen.
 */
class SharedHash {
  readonly #sequencer: Pick<Sequencer, 'state'>;
  #current: Promise<unknown> = Promise.resolve();
  #next: Promise<StateHash> | undefined;

  constructor(sequencer: Pick<Sequencer, 'state'>) {
    this.#sequencer = sequencer;
  }

  next(): Promise<StateHash> {
    this.#next ??= this.#current.then(() => {
      this.#next = undefined;
      const computed = this.#sequencer.state();
      this.#current = computed.catch(() => undefined);
      return computed;
    });
    return this.#next;
  }
}

function backupRoute(app: App, { backups, logger }: StateDependencies): void {
  const transfer = new BackupTransfer(backups);
  app.addHook('preClose', (done) => {
    transfer.stop();
    done();
  });
  const schema = {
    operationId: 'getBackup',
    tags,
    summary: 'Make and download a backup',
    description:
      'Everything that is stored, history included, as of one revision: `vmemd restore` makes a ' +
      'data directory of it. One at a time. A transfer that breaks off is shorter than its ' +
      '`Content-Length`; `Repr-Digest` (RFC 9530) has the SHA-256 of the whole.',
    querystring: noQuery,
    response: {
      200: {
        description: 'The backup.',
        headers: backupHeaders as never,
        content: { [backupType]: { schema: backupFile } },
      },
      ...problems(400, 401, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  // Without HEAD: it would make a backup for nothing.
  app.get('/v1/backup', { schema, exposeHeadRoute: false }, async (request, reply) => {
    timeOut(request, 0);
    try {
      const { revision, bytes, digest, file } = await transfer.begin();
      timeOut(request, limits.connectionTimeoutMs);
      const stream = transfer.send(file);
      reply.header('Content-Disposition', `attachment; filename="vmemd-${revision}.db"`);
      reply.header('Repr-Digest', `sha-256=:${digest}:`);
      reply.header('Content-Length', bytes).header('Cache-Control', 'no-store');
      return reply
        .code(200)
        .type(backupType)
        .send(stream as never);
    } catch (error) {
      // Both were written for whoever runs the service, and that is who asks for a backup.
      if (!(error instanceof RecoveryError || error instanceof StorageFailure)) throw error;
      logger.error({ reqId: request.id, err: error }, 'backup failed');
      return sendProblem(reply, problemOf('internal', `The backup failed. ${error.message}`));
    }
  });
}

const backupHeaders = {
  'Content-Disposition': {
    type: 'string',
    description: 'A name for the file, with the revision.',
    example: 'attachment; filename="vmemd-120345.db"',
  },
  'Repr-Digest': {
    type: 'string',
    description: 'SHA-256 of the file, base64.',
    example: 'sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:',
  },
};

/**
 * After so long without a byte the connection is closed; 0: never, because a reply that takes long
 * to make must not look like a client that is gone.
 */
function timeOut({ raw }: FastifyRequest, ms: number): void {
  // A request that is injected has a socket of another kind.
  if (raw.socket instanceof Socket) raw.socket.setTimeout(ms);
}

interface MadeBackup {
  readonly revision: number;
  readonly bytes: number;
  /** SHA-256, base64. */
  readonly digest: string;
  /** Open, and without a name: whatever happens now, nothing is left of it. */
  readonly file: FileHandle;
}

/** The backup that is being made or sent: one at a time. */
class BackupTransfer {
  readonly #backups: BackupMaker;
  readonly #stopped: Promise<never>;
  #stop!: (error: Error) => void;
  #making = false;
  #sending: { destroy(error: Error): void } | undefined;

  constructor(backups: BackupMaker) {
    this.#backups = backups;
    this.#stopped = new Promise((_, reject) => {
      this.#stop = reject;
    });
    // Where no backup is being made, nobody waits for it.
    this.#stopped.catch(() => undefined);
  }

  /** Makes a backup. Rejects with Busy, JournalUnavailable, or what the maker rejects with. */
  async begin(): Promise<MadeBackup> {
    if (this.#making || this.#sending !== undefined) {
      throw new Busy('Another backup is being made or sent; nothing was done.');
    }
    this.#making = true;
    try {
      return await Promise.race([this.#make(), this.#stopped]);
    } finally {
      this.#making = false;
    }
  }

  send(file: FileHandle): NodeJS.ReadableStream {
    const stream = file.createReadStream({ start: 0 });
    this.#sending = stream;
    // The end comes when all was read, the close in any case.
    for (const event of ['end', 'close']) {
      stream.once(event, () => {
        if (this.#sending === stream) this.#sending = undefined;
      });
    }
    return stream;
  }

  /** The service stops: a backup can be made again, and nobody waits for this one. */
  stop(): void {
    const error = new JournalUnavailable('The service is stopping; there is no backup.', false);
    this.#stop(error);
    this.#sending?.destroy(error);
  }

  async #make(): Promise<MadeBackup> {
    const { file: path } = this.#backups;
    await rm(path, { force: true });
    const { revision } = await this.#backups.make(path);
    const file = await open(path, 'r');
    try {
      await rm(path);
      const { size: bytes } = await file.stat();
      return { revision, bytes, digest: await digestOf(file), file };
    } catch (error) {
      await file.close();
      throw error;
    }
  }
}

async function digestOf(file: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false })) {
    hash.update(chunk as Buffer);
  }
  return hash.digest('base64');
}
