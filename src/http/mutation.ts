/**
 * Mutations: the one way of a request that changes something, from its command to its answer. A
 * route says what is to be done, what of the state right after it the answer shows, and how that is
 * written; when the answer may go, and what is sent instead of it, is decided here.
 *
 * Where the request has an idempotency key, the answer is written down in the turn in which the
 * command is applied, to be stored with the record; and what is sent is what was written down.
 */
import type { FastifyReply } from 'fastify';
import { assert } from '../engine/assert.ts';
import type { Command } from '../engine/command.ts';
import type { Engine } from '../engine/engine.ts';
import type { Event } from '../engine/event.ts';
import type { Sequencer } from '../sequencer.ts';
import { waitable } from '../waiting-room.ts';
import { PatientReply } from './patient-reply.ts';
import { sendRefusal, type FieldPointers, type SecondsLeft } from './problem.ts';

/** The answer to a mutation that was done. */
export interface Answer {
  readonly status: 200 | 201 | 204;
  /** Relative reference of what was made. */
  readonly location?: string;
  readonly etag?: string;
  /** As the response schema of the status has it; absent with 204. */
  readonly body?: object;
  /** The same as JSON already, in place of it. */
  readonly json?: string | Buffer;
}

export interface Mutation<T> {
  readonly command: Command;
  /** Takes what the answer needs from the state right after the command. */
  readonly read: (engine: Engine, event: Event, revision: number) => T;
  /** Makes the answer of that alone; the state may be another one by then. */
  readonly answer: (value: T, revision: number) => Answer;
  /** Where the request gave the fields that a refusal names, see sendRefusal. */
  readonly fields?: FieldPointers;
  /** For how long the request may wait for room, if there is none; 0 or absent: not at all. */
  readonly waitSeconds?: number;
}

/** Does what a mutation says and sends what came of it. Rejects as `Sequencer.execute` does. */
export type Mutate = <T>(reply: FastifyReply, mutation: Mutation<T>) => Promise<void>;

export function mutator(
  sequencer: Pick<Sequencer, 'execute'>,
  secondsLeft: SecondsLeft | undefined,
): Mutate {
  return <T>(
    reply: FastifyReply,
    { command, read, answer, fields, waitSeconds = 0 }: Mutation<T>,
  ) => {
    const { keyed } = reply.request;
    const patient = waitSeconds === 0 ? undefined : new PatientReply(reply, waitSeconds);
    let stored = '';
    const stores = keyed && {
      ...keyed,
      reply: (value: T, revision: number) => (stored = write(reply, answer(value, revision))),
    };
    const done = sequencer.execute(command, read, stores, patient);
    const ended = patient === undefined ? done : done.finally(() => patient.end());
    return ended.then((outcome) => {
      if ('refused' in outcome) {
        // Whoever waited in vain may come back at once, and waits again, behind the others.
        const again = patient !== undefined && waitable.has(outcome.refused);
        if (again) reply.header('Retry-After', '1');
        sendRefusal(reply, outcome, fields, secondsLeft);
      } else if (keyed !== undefined) sendStored(reply, stored);
      else send(reply, answer(outcome.value, outcome.revision));
    });
  };
}

function send(
  reply: FastifyReply,
  { status, location, etag, body, json }: Answer,
  headers: string[] = [],
): void {
  if (location !== undefined) headers.push('location', location);
  if (etag !== undefined) headers.push('etag', etag);
  const text = json ?? (body === undefined ? undefined : jsonOf(reply, status, body));
  reply.finish(status, headers, text);
}

function jsonOf(reply: FastifyReply, status: number, body: object): string {
  const stringify = reply.getSerializationFunction(String(status), 'application/json');
  assert(stringify !== undefined, `status ${status} has a schema`);
  return stringify(body as Record<string, unknown>);
}

type Head = Omit<Answer, 'body' | 'json'>;

/** An answer as it is stored: one line of JSON with all but the body, then the body as it is sent. */
function write(reply: FastifyReply, { body, json, ...head }: Answer): string {
  if (json !== undefined) return `${JSON.stringify(head)}\n${json.toString()}`;
  if (body === undefined) return JSON.stringify(head);
  return `${JSON.stringify(head)}\n${jsonOf(reply, head.status, body)}`;
}

/** Sends an answer that was written down, byte for byte as the first time, with further headers. */
export function sendStored(reply: FastifyReply, stored: string, headers?: string[]): void {
  const end = stored.indexOf('\n');
  const head = JSON.parse(end === -1 ? stored : stored.slice(0, end)) as Head;
  send(reply, end === -1 ? head : { ...head, json: stored.slice(end + 1) }, headers);
}
