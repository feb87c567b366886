/**
 * Mutations: the one way of a request that changes something, from its command to its answer. A
 * route says what is to be done, what of the state right after it the answer shows, and how that is
 * written; when the answer may go, and what is sent instead of it, is decided here.
 */
import type { FastifyReply } from 'fastify';
import type { Command } from '../engine/command.ts';
import type { Engine } from '../engine/engine.ts';
import type { Event } from '../engine/event.ts';
import type { Sequencer } from '../sequencer.ts';
import { sendRefusal, type FieldPointers } from './problem.ts';

/** The answer to a mutation that was done. */
export interface Answer {
  readonly status: 200 | 201 | 204;
  /** Relative reference of what was made. */
  readonly location?: string;
  readonly etag?: string;
  /** As the response schema of the status has it; absent with 204. */
  readonly body?: object;
}

export interface Mutation<T> {
  readonly command: Command;
  /** Takes what the answer needs from the state right after the command. */
  readonly read: (engine: Engine, event: Event, revision: number) => T;
  /** Makes the answer of that alone; the state may be another one by then. */
  readonly answer: (value: T, revision: number) => Answer;
  /** Where the request gave the fields that a refusal names, see sendRefusal. */
  readonly fields?: FieldPointers;
}

/** Does what a mutation says and sends what came of it. Rejects as `Sequencer.execute` does. */
export type Mutate = <T>(reply: FastifyReply, mutation: Mutation<T>) => Promise<FastifyReply>;

export function mutator(sequencer: Pick<Sequencer, 'execute'>): Mutate {
  return async (reply, { command, read, answer, fields }) => {
    const outcome = await sequencer.execute(command, read);
    if ('refused' in outcome) return sendRefusal(reply, outcome, fields);
    return send(reply, answer(outcome.value, outcome.revision));
  };
}

function send(reply: FastifyReply, { status, location, etag, body }: Answer): FastifyReply {
  if (location !== undefined) reply.header('Location', location);
  if (etag !== undefined) reply.header('ETag', etag);
  return reply.code(status).send(body);
}
