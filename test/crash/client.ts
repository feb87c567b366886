/**
 * A client that tells two things apart which most clients mix: an answer, whatever its status, and
 * no answer at all because the connection broke. After a broken connection nobody knows whether the
 * request was done; after an answer everybody does. It never repeats a request by itself.
 */
import { Agent, request } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

export interface Answer {
  readonly status: number;
  /** The body as sent; empty where there is none. */
  readonly text: string;
}

/** The connection broke before the whole answer was here. */
export const lost = Symbol('lost');

export type Method = 'GET' | 'POST' | 'DELETE';

export class Client {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(url: string) {
    this.#url = url;
  }

  async ask(method: Method, path: string, body?: unknown): Promise<Answer | typeof lost> {
    const asked = request(`${this.#url}${path}`, {
      method,
      agent: this.#agent,
      headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
    });
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    try {
      const [response] = await once(asked, 'response');
      // Fails where the answer was cut off, so half an answer is none.
      return { status: response.statusCode, text: await text(response) };
    } catch (error) {
      if (isBrokenConnection(error)) return lost;
      throw error;
    }
  }

  /** Asks a server that is meant to stay up; throws where the answer is lost or not a 200. */
  async get(path: string): Promise<string> {
    const answer = await this.ask('GET', path);
    if (answer === lost) throw new Error(`GET ${path}: the connection broke`);
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
