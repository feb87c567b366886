/**
 * Idempotency keys: a mutation that is sent again with the same `Idempotency-Key` is not done
 * again, but answered with the same bytes. The rules are those of the IETF's draft of the header.
 *
 * One hook of every mutation looks the key up before anything else is done with the request: it is
 * answered from what is stored, or refused, or goes on with its key in hand (`request.keyed`), and
 * the way of all mutations (mutation.ts) has the answer stored with the record. From then until it
 * is answered the key is under way, and nobody else gets in. A request that was refused has changed
 * nothing and stored nothing, so its key is as good as new.
 */
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { hash } from 'node:crypto';
import { limits } from '../limits.ts';
import type { Sequencer } from '../sequencer.ts';
import { tokenOf } from './bearer.ts';
import type { App } from './contract.ts';
import { invalidInput } from './invalid-input.ts';
import { sendStored } from './mutation.ts';
import { problemOf, sendProblem } from './problem.ts';

/** Of a request with an idempotency key: the digests of the key and of the request. */
export interface RequestKey {
  readonly key: string;
  readonly request: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    keyed: RequestKey | undefined;
  }
}

const headerName = 'idempotency-key';

export class IdempotencyKeys {
  readonly #sequencer: Pick<Sequencer, 'keyed' | 'keys'>;
  readonly #scoped: boolean;
  /** Digests of the keys of requests that are being served. */
  readonly #underWay = new Set<string>();
  /** How many requests were answered from what is stored, since the start. */
  replays = 0;

  /**
   * Takes keys for all mutations that are added from now on. With `scoped`, a key belongs to the
   * bearer token that it came with.
   */
  constructor(app: App, sequencer: Pick<Sequencer, 'keyed' | 'keys'>, scoped: boolean) {
    this.#sequencer = sequencer;
    this.#scoped = scoped;
    app.decorateRequest('keyed', undefined);
    app.addHook('onRoute', (route) => {
      if (!isMutation(route)) return;
      route.preValidation = [this.#take, ...[route.preValidation ?? []].flat()];
    });
  }

  readonly #take = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const header = request.headers[headerName];
    if (header === undefined) done();
    else void this.#lookUp(request, reply, done).catch((error: unknown) => reply.send(error));
  };

  /** The request is about to be answered. */
  release({ keyed }: FastifyRequest): void {
    if (keyed !== undefined) this.#underWay.delete(keyed.key);
  }

  async #lookUp(request: FastifyRequest, reply: FastifyReply, goOn: () => void): Promise<unknown> {
    const key = this.#digestOf(keyOf(request), request);
    const digest = digestOf(request);
    const used = this.#sequencer.keyed(key);
    const stored = used === undefined ? undefined : await used;
    if (stored?.request === digest) {
      this.replays += 1;
      return sendStored(reply, stored.reply, ['idempotency-replayed', 'true']);
    }
    if (stored !== undefined) return sendProblem(reply, mismatch());
    if (this.#underWay.has(key)) {
      return sendProblem(reply.header('Retry-After', '1'), inProgress());
    }
    const { held, max, oldestLeavesIn } = this.#sequencer.keys;
    if (held + this.#underWay.size >= max) {
      const seconds = Math.max(1, Math.ceil(oldestLeavesIn / 1000));
      return sendProblem(reply.header('Retry-After', String(seconds)), tooMany(max));
    }
    this.#underWay.add(key);
    request.keyed = { key, request: digest };
    return goOn();
  }

  /** Of the key and whose it is. Half of a SHA-256: two keys with the same one can't be found. */
  #digestOf(key: string, request: FastifyRequest): string {
    const token = this.#scoped ? tokenOf(request.headers.authorization) : undefined;
    const scope = token === undefined ? '' : hash('sha256', token);
    return hash('sha256', `${scope} ${key}`).slice(0, 32);
  }
}

/** Whether a route changes something, so that its requests may have keys. */
export function isMutation({ method, url }: Pick<RouteOptions, 'method' | 'url'>): boolean {
  return url.startsWith('/v1/') && [method].flat().some((one) => one !== 'GET' && one !== 'HEAD');
}

/** The key that a request has, without the quotes that it may be in. Throws InvalidInput. */
function keyOf({ raw, headers }: FastifyRequest): string {
  const times = raw.rawHeaders.filter(
    (text, index) => index % 2 === 0 && text.toLowerCase() === headerName,
  ).length;
  const text = String(headers[headerName]);
  const key = times > 1 ? undefined : unquoted(text);
  if (key !== undefined && key !== '' && key.length <= limits.idempotencyKeyCharactersMax) {
    return key;
  }
  throw invalidInput(
    `/headers/${headerName}`,
    `must be given once, as 1 to ${limits.idempotencyKeyCharactersMax} printable ASCII ` +
      'characters; in quotes, with a backslash before each quote and backslash inside, or without',
  );
}

/** A string as in RFC 9651, or one without quotes around it; undefined for anything else. */
function unquoted(text: string): string | undefined {
  if (!/^[ -~]*$/.test(text)) return undefined;
  if (!text.startsWith('"')) return text;
  const inside = /^"((?:[^"\\]|\\["\\])*)"$/.exec(text)?.[1];
  return inside?.replaceAll(/\\(["\\])/g, '$1');
}

/**
 * Digest of what a request asks for. The order of a body's fields and the space between them count
 * for nothing: not every client writes the same object the same way twice.
 */
function digestOf({ method, url, headers, body }: FastifyRequest): string {
  const parts = [method, url, headers['if-match'] ?? '', sorted(body, 0)];
  return hash('sha256', JSON.stringify(parts));
}

/** Deeper than the body of any valid request; what is below is refused later. */
const depthMax = 32;

/** Objects as lists of their fields in the order of names. */
function sorted(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value ?? null;
  if (depth === depthMax) return 'deep';
  if (Array.isArray(value)) return value.map((item) => sorted(item, depth + 1));
  const names = Object.keys(value).toSorted();
  const fields = value as Readonly<Record<string, unknown>>;
  return { fields: names.map((name) => [name, sorted(fields[name], depth + 1)]) };
}

function mismatch() {
  const detail =
    'This idempotency key was used for another request: another method, path, query, If-Match or ' +
    'body. Choose a new key for each request.';
  return problemOf('idempotency-mismatch', detail);
}

function inProgress() {
  const detail = 'A request with this idempotency key is being served; ask again for its answer.';
  return problemOf('idempotency-in-progress', detail);
}

function tooMany(max: number) {
  const detail =
    `${max} idempotency keys are held, and none of them is a day old; nothing was done. ` +
    'Without a key the request is served.';
  return problemOf('too-many-keys', detail);
}
