/**
 * A reply that may be long in coming: its connection may be idle for as long as the request waits,
 * and that the client has lost interest shows by the connection alone.
 */
import type { FastifyReply } from 'fastify';
import type { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { limits } from '../limits.ts';
import type { Patience } from '../waiting-room.ts';

/**
 * Hangs up once the client has sent its last. It may only have said that it asks nothing more, and
 * whoever is answered at once is answered then, too. But one who leaves says the same, and where the
 * answer may take long it is taken for that. Returns what calls it off.
 */
export function hangUpWithClient({ req }: ServerResponse): () => void {
  const { socket } = req;
  const hangUp = (): void => void socket.end();
  socket.once('end', hangUp);
  return () => void socket.off('end', hangUp);
}

export class PatientReply implements Patience {
  readonly seconds: number;
  readonly #raw: FastifyReply['raw'];
  readonly #stay: () => void;
  readonly #gone = new AbortController();
  readonly #onClose = (): void => this.#gone.abort();

  /** Until `end`, the connection may be idle for `seconds` and the usual time. */
  constructor({ raw }: FastifyReply, seconds: number) {
    this.seconds = seconds;
    this.#raw = raw;
    this.#allowIdle(seconds * 1000 + limits.connectionTimeoutMs);
    raw.once('close', this.#onClose);
    this.#stay = hangUpWithClient(raw);
  }

  /** Aborted once the client has gone away. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** The reply is about to be sent, if there still is somebody to read it. */
  end(): void {
    this.#raw.off('close', this.#onClose);
    this.#stay();
    this.#allowIdle(limits.connectionTimeoutMs);
  }

  #allowIdle(milliseconds: number): void {
    // A reply that stands behind another one on its connection gets the connection after that.
    const { socket } = this.#raw;
    if (socket === null || socket instanceof Socket) this.#raw.setTimeout(milliseconds);
  }
}
