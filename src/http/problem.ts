/**
 * Problems: every error, ours and the framework's, in the form of RFC 9457. One table (in
 * wire/problem.ts) gives the status and title of a code; here each kind of error gets its code.
 *
 * What is unexpected is logged with its cause and answered with "internal" and nothing more,
 * because its message was not written for clients.
 */
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { refuse, type Exhaustion, type NextRest, type Refusal } from '../engine/refusal.ts';
import { HistoryUnavailable } from '../history/history.ts';
import { limits } from '../limits.ts';
import { http } from '../node-http.ts';
import { Busy, JournalUnavailable } from '../sequencer.ts';
import { Abandoned, TooManyWaiters } from '../waiting-room.ts';
import { CursorMismatch } from './cursor.ts';
import { InvalidInput } from './invalid-input.ts';
import { formatAddress } from './notation.ts';
import { problemCodes, type Problem, type ProblemCode } from './wire/problem.ts';

export const problemType = 'application/problem+json';

/** Makes a problem of a code; `detail` is a sentence for a person. */
export function problemOf(
  code: ProblemCode,
  detail: string,
  extra: Partial<Pick<Problem, 'errors' | 'exhaustion' | 'exceeded' | 'operation' | 'status'>> = {},
): Problem {
  const [status, title] = problemCodes[code];
  return { type: `urn:vmemd:problem:${code}`, title, status, detail, code, ...extra };
}

/** Sends a problem. It is written as text here, so that it works without a matched route too. */
export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  return reply.code(problem.status).type(problemType).send(JSON.stringify(problem));
}

/** The engine's name of a field → the pointer to where this request gave it. */
export type FieldPointers = Readonly<Record<string, string>>;

/** How many seconds a rest that has not ended may still take. */
export type SecondsLeft = (rest: NextRest) => number;

/**
 * Sends a refusal. `fields` says where the request gave a field that is not in the body under the
 * engine's own name for it. The engine has no clock: `secondsLeft` has, where that is asked for.
 */
export function sendRefusal(
  reply: FastifyReply,
  refusal: Refusal,
  fields: FieldPointers = {},
  secondsLeft?: SecondsLeft,
): FastifyReply {
  const { refused, addresses, exhaustion, exceeded, operation } = refusal;
  const detail = refusal.detail.replaceAll(/\{(\d)\}/g, (mark, index: string) => {
    const address = addresses?.list[Number(index)];
    return address === undefined ? mark : formatAddress(address, addresses!);
  });
  const at = operation === undefined ? '' : `/operations/${operation}`;
  const pointer = refusal.pointer === undefined ? undefined : at + refusal.pointer;
  const problem = problemOf(refused, detail, {
    ...(pointer !== undefined && { errors: [{ pointer: fields[pointer] ?? pointer, detail }] }),
    ...(operation !== undefined && { operation }),
    ...(exhaustion !== undefined && {
      exhaustion: {
        free: exhaustion.free.toString(),
        largestFree: exhaustion.largestFree.toString(),
        largestFitting: exhaustion.largestFitting.toString(),
        ...remedies(exhaustion, secondsLeft),
        resting: exhaustion.resting.toString(),
      },
    }),
    ...(exceeded !== undefined && {
      exceeded: {
        ...(exceeded.owner !== undefined && { owner: exceeded.owner }),
        limit: exceeded.limit.toString(),
        held: exceeded.held.toString(),
      },
    }),
  });
  return sendProblem(reply, problem);
}

/** What would help, and when there may be more: the first rest or lease that ends, if known. */
export function remedies(
  { limitedBy, deadline, nextRests }: Exhaustion,
  secondsLeft: SecondsLeft | undefined,
): { limitedBy?: string[]; retryAfterSeconds?: number } {
  const known = secondsLeft === undefined ? [] : nextRests.map(secondsLeft);
  if (deadline !== undefined) known.push(secondsUntil(deadline));
  return {
    ...(limitedBy.length > 0 && { limitedBy: [...limitedBy] }),
    ...(known.length > 0 && { retryAfterSeconds: Math.min(...known) }),
  };
}

/** Whole seconds until a deadline of the steady clock, not less than there are. */
function secondsUntil(deadline: number): number {
  return Math.max(0, Math.ceil((deadline - performance.now()) / 1000));
}

export function arenaNotFound(arena: string): Refusal {
  return refuse('arena-not-found', `There is no arena ${arena}.`);
}

/** Answers whatever was thrown on the way: invalid input, a journal that is gone, or a bug. */
export function errorHandler(logger: Pick<FastifyBaseLogger, 'error'>) {
  return (
    error: Error & { code?: string; statusCode?: number },
    request: FastifyRequest,
    reply: FastifyReply,
  ): FastifyReply => {
    const problem = problemOfError(error);
    if (error instanceof Busy || error instanceof TooManyWaiters) reply.header('Retry-After', '1');
    if (error instanceof HistoryUnavailable) reply.header('Retry-After', '10');
    if (problem.code === 'internal') {
      logger.error({ reqId: request.id, err: error }, 'unexpected error');
    }
    return sendProblem(reply, problem);
  };
}

function problemOfError(error: Error & { code?: string; statusCode?: number }): Problem {
  if (error instanceof InvalidInput) {
    const errors = error.errors.map(({ pointer, detail }) => ({ pointer, detail }));
    const code = error instanceof CursorMismatch ? 'cursor-mismatch' : 'invalid-request';
    return problemOf(code, error.message, { errors });
  }
  if (error instanceof Busy || error instanceof JournalUnavailable) {
    return problemOf('journal-unavailable', error.message);
  }
  if (error instanceof TooManyWaiters) return problemOf('too-many-requests', error.message);
  // Nobody reads this one.
  if (error instanceof Abandoned) return problemOf('request-timeout', error.message);
  if (error instanceof HistoryUnavailable) return problemOf('history-unavailable', error.message);
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return problemOf(
        'payload-too-large',
        'The body must be at most 1 MiB, that of a batch 4 MiB.',
      );
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return problemOf(
        'unsupported-media-type',
        'Send the body as application/json, without a Content-Encoding.',
      );
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return ofBody('must not be empty when the content type is application/json');
    case 'FST_ERR_BAD_URL':
      return problemOf('invalid-request', 'The path has a malformed percent-encoding.', {
        errors: [{ pointer: '/path', detail: 'must be valid percent-encoded UTF-8' }],
      });
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return ofBody('must be as long as the Content-Length header says');
    default:
  }
  // The JSON parser's own errors, those about __proto__ keys included, and malformed framing.
  if (error.statusCode === 400) return ofBody('must be valid JSON, without __proto__ keys');
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return problemOf('invalid-request', 'The request is invalid.');
  }
  return problemOf('internal', 'The request failed; the log of the service says why.');
}

function ofBody(detail: string): Problem {
  return problemOf('invalid-request', `The body ${detail}.`, { errors: [{ pointer: '', detail }] });
}

/**
 * Answers what is no HTTP request at all, or never became one, and hangs up. The socket is written
 * to directly, because there is neither a request nor a reply.
 */
export function handleClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  endWithProblem(socket, problemOfClientError(error.code));
}

/** Answers on a connection where there is no reply to answer with, and hangs up. */
function endWithProblem(socket: Duplex, problem: Problem, ...headers: string[]): void {
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${http.STATUS_CODES[problem.status] ?? ''}`,
    `Content-Type: ${problemType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    ...headers,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** What Node would answer by itself, or with nothing at all, is answered with a problem, too. */
export function refuseRarities(server: Server): void {
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    const problem = problemOf('method-not-allowed', 'CONNECT is for proxies, and this is none.');
    endWithProblem(socket, problem, 'Allow: DELETE, GET, HEAD, PATCH, POST');
  });
  server.on('checkExpectation', ({ socket }: IncomingMessage) => {
    const errors = [{ pointer: '/headers/expect', detail: 'must be 100-continue' }];
    const detail = 'Nothing but 100-continue can be expected.';
    endWithProblem(socket, problemOf('invalid-request', detail, { errors }));
  });
}

function problemOfClientError(code: string | undefined): Problem {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return problemOf('headers-too-large', 'The request line and headers must be below 16 KiB.');
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return problemOf(
      'request-timeout',
      `The headers must arrive within ${limits.headersTimeoutMs / 1000} seconds, ` +
        `the whole request within ${limits.requestTimeoutMs / 1000}.`,
    );
  }
  return problemOf('invalid-request', 'This is not a valid HTTP/1.1 request.');
}
