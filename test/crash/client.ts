/**
 * A client that tells two things apart which most clients mix: an answer, whatever its status, and
 * no answer at all because the connection broke. After a broken connection nobody knows whether the
 * request was done; after an answer everybody does. It never repeats a request by itself; with an
 * idempotency key whoever asks may do so.
 */
import { Agent, request, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

export interface Answer {
  readonly status: number;
  /** The body as sent; empty where there is none. */
  readonly text: string;
  readonly location?: string;
  readonly etag?: string;
  /** Whether it was given before, to the same idempotency key. */
  readonly replayed: boolean;
}

/** The connection broke before the whole answer was here. */
export const lost = Symbol('lost');

/** An answer was lost that must not be. The message says which, for a person. */
export class AnswerLost extends Error {
  override name = 'AnswerLost';
}

export type Method = 'GET' | 'POST' | 'DELETE';

export class Client {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(url: string) {
    this.#url = url;
  }

  async ask(
    method: Method,
    path: string,
    body?: unknown,
    key?: string,
  ): Promise<Answer | typeof lost> {
    const asked = request(`${this.#url}${path}`, {
      method,
      agent: this.#agent,
      headers: {
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...(key !== undefined && { 'Idempotency-Key': key }),
      },
    });
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    try {
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      const { location, etag, 'idempotency-replayed': replayed } = response.headers;
      return {
        status: response.statusCode!,
        // Fails where the answer was cut off, so half an answer is none.
        text: await text(response),
        ...(location !== undefined && { location }),
        ...(etag !== undefined && { etag }),
        replayed: replayed === 'true',
      };
    } catch (error) {
      if (isBrokenConnection(error)) return lost;
      throw error;
    }
  }

  /** Asks a server that is meant to stay up; throws where the answer is lost or not a 200. */
  async get(path: string): Promise<string> {
    const answer = await this.ask('GET', path);
    if (answer === lost) throw new AnswerLost(`GET ${path}: the connection broke`);
    if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${answer.text}`);
    return answer.text;
  }

  /** Hangs up. */
  close(): void {
    this.#agent.destroy();
  }
}

function isBrokenConnection(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ECONNRESET' || code === 'ECONNREFUSED' || code === 'EPIPE';
}
