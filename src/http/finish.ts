/**
 * The end of every reply. Most are sent by the framework, which looks at the headers and the payload of
 * each several times before it hands them to the connection. What is asked for most, an allocation, is
 * handed over here: as one text, with just the headers that it has.
 */
import type { FastifyReply } from 'fastify';
import type { App } from './contract.ts';
import type { IdempotencyKeys } from './idempotency.ts';
import type { AnswerCount } from './metrics.ts';

declare module 'fastify' {
  interface FastifyReply {
    /**
     * Ends the reply with a status, the headers given as name, value, name, value …, and a body of
     * JSON, without one where that is absent. Headers that the reply was given before are not sent.
     */
    finish(status: number, headers: string[], json?: string | Buffer): void;
  }
}

/** All that is done with every reply, in one hook: each one costs every request. */
export function finishReplies(app: App, answers: AnswerCount, keys: IdempotencyKeys): void {
  let stopping = false;
  app.addHook('preClose', (done) => {
    stopping = true;
    done();
  });
  app.addHook('onSend', (request, reply, _payload, done) => {
    answers.note(reply.statusCode);
    keys.release(request);
    // A connection whose request was under way when the stop began would else stay open, idle.
    if (stopping) reply.header('Connection', 'close');
    done();
  });
  app.decorateReply('finish', function finish(this: FastifyReply, status, headers, json) {
    const { raw } = this;
    answers.note(status);
    keys.release(this.request);
    if (stopping) headers.push('connection', 'close');
    if (json === undefined) {
      raw.writeHead(status, headers).end();
      return;
    }
    headers.push('content-type', 'application/json; charset=utf-8');
    headers.push('content-length', String(Buffer.byteLength(json)));
    raw.writeHead(status, headers).end(json);
  });
}
