/**
 * Requests to a running service, over a bounded number of connections. What the service was too busy
 * for, or what was lost on the way, is asked for again a few times; so a request has to be one that
 * may be done twice.
 */
import type { Agent as HttpAgent, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { exitCode } from '../exit-code.ts';
import type { Problem } from '../http/wire/problem.ts';
import { http } from '../node-http.ts';
import type { Service } from './service.ts';
import { messageOf, ToolError } from './tool-error.ts';

/** Connections at a time; further requests wait for one. */
const connectionsMax = 16;
/** The service answers any of them within milliseconds, unless its disk is slow or it is busy. */
const idleMsMax = 60_000;
const triesMax = 6;
const firstDelayMs = 200;

export interface Reply {
  readonly status: number;
  /** The parsed body; undefined where it is empty. */
  readonly body: unknown;
}

export class Client {
  readonly #url: URL;
  readonly #token: string | undefined;
  readonly #agent: HttpAgent | HttpsAgent;
  /** Whether it has answered before: then it is there, and what fails may pass. */
  #reached = false;

  constructor({ url, token }: Service) {
    this.#url = new URL(url.href.endsWith('/') ? url.href : `${url.href}/`);
    this.#token = token;
    const options = { keepAlive: true, maxSockets: connectionsMax };
    this.#agent = url.protocol === 'https:' ? new HttpsAgent(options) : new http.Agent(options);
  }

  /**
   * Sends a request; `path` begins with `v1/`. Rejects with ToolError where the service cannot be
   * reached, wants a token, or answers with what no vmemd does.
   */
  async send(method: 'GET' | 'POST', path: string, body?: object): Promise<Reply> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    for (let tried = 1; ; tried++) {
      const last = tried === triesMax || !this.#reached;
      const reply = await this.#try(method, path, text).catch((error: unknown) => {
        if (last) throw this.#failed(`cannot be reached: ${messageOf(error)}.`, error);
        return undefined;
      });
      if (reply !== undefined) this.#reached = true;
      if (reply !== undefined && (reply.status < 500 || last)) return this.#judge(reply);
      await delay(firstDelayMs * 2 ** (tried - 1));
    }
  }

  /** Hangs up. */
  close(): void {
    this.#agent.destroy();
  }

  #try(method: string, path: string, text: string | undefined): Promise<Reply> {
    const send = this.#url.protocol === 'https:' ? requestHttps : http.request;
    return new Promise((resolve, reject) => {
      const request = send(new URL(path, this.#url), {
        method,
        agent: this.#agent,
        headers: {
          ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
          ...(text !== undefined && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(text),
          }),
        },
      });
      request.setTimeout(idleMsMax, () => {
        request.destroy(new Error(`no answer for ${idleMsMax / 1000} seconds`));
      });
      request.once('response', (response) => read(response).then(resolve, reject));
      request.once('error', reject);
      request.end(text);
    });
  }

  #judge(reply: Reply): Reply {
    const { status } = reply;
    if (status === 401) {
      const message = `${this.#url.href} wants a token. Give it with --token-file or VMEMD_TOKEN.`;
      throw new ToolError(exitCode.transferFailed, message);
    }
    if (status < 300 && typeof reply.body === 'object') return reply;
    const problem = problemOf(reply);
    if (problem === undefined) throw this.#failed(`answers with ${status}, but not as vmemd does.`);
    if (status >= 500) throw this.#failed(`answers with ${status}: ${problem.detail}`);
    return reply;
  }

  #failed(what: string, cause?: unknown): ToolError {
    const message = `${this.#url.href} ${what} Look at the log of the service, and try again.`;
    return new ToolError(exitCode.transferFailed, message, { cause });
  }
}

/** The problem that a reply is; undefined where it is none. */
export function problemOf({ body }: Reply): Problem | undefined {
  const isProblem = typeof body === 'object' && body !== null && 'code' in body && 'detail' in body;
  return isProblem ? (body as Problem) : undefined;
}

async function read(response: IncomingMessage): Promise<Reply> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  let body: unknown;
  try {
    if (text !== '') body = JSON.parse(text);
  } catch {
    // No JSON, and no vmemd, which `judge` says where it matters.
  }
  return { status: response.statusCode ?? 0, body };
}
