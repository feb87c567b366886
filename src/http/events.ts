/** The route of events: whatever happens, as it becomes durable, from any revision that is stored. */
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { z } from 'zod';
import type { Feed } from '../feed.ts';
import { limits } from '../limits.ts';
import { problems, type App } from './contract.ts';
import { trimmed, type EventStreams } from './event-stream.ts';
import { invalidInput } from './invalid-input.ts';
import { problemOf, sendProblem } from './problem.ts';
import type { RouteDependencies } from './route.ts';
import { eventStream } from './wire/event.ts';
import { arenaName, revision, revisionText } from './wire/field.ts';

export interface EventDependencies {
  readonly sequencer: RouteDependencies['sequencer'];
  readonly feed: Feed;
  readonly streams: EventStreams;
}

const streamType = 'text/event-stream';

const eventsQuery = z.strictObject({
  after: revision
    .exactOptional()
    .meta({ description: 'Only what happened after this revision; absent: from now on.' }),
  arena: arenaName.exactOptional().meta({
    description: 'Only what touches this arena. It need not exist: it may have, or be created.',
  }),
});

// Loose, because every request has headers that are none of a route's business.
const resumeHeaders = z.looseObject({
  'last-event-id': z
    .string()
    .regex(/^(0|[1-9][0-9]{0,15})$/, revisionText)
    .exactOptional()
    .meta({ description: 'The `id` that was received last; goes before `after`.' }),
});

export function eventRoutes(app: App, { sequencer, feed, streams }: EventDependencies): void {
  app.addHook('preClose', (done) => {
    streams.stop();
    done();
  });
  const schema = {
    operationId: 'watchEvents',
    tags: ['Events'],
    summary: 'Watch what happens',
    description:
      'A stream of server-sent events, in the order of their revisions, without gaps: `id` is the ' +
      'revision, `event` the type, `data` an Event. Only what would survive a crash is sent. A ' +
      'client that resumes with `Last-Event-ID` misses nothing; where what it would miss is no ' +
      'longer stored, it is told so with 410, or, in a stream that is open, by an event `problem` ' +
      'whose data is a Problem, at its end. A block with an `id` alone comes at the beginning and ' +
      `after ${limits.eventHeartbeatMs / 1000} seconds without an event. At most ` +
      `${limits.eventStreamsMax} streams are open at a time.`,
    querystring: eventsQuery,
    headers: resumeHeaders,
    response: {
      200: {
        description: 'The stream; it ends when the service stops.',
        content: { [streamType]: { schema: eventStream } },
      },
      ...problems(400, 401, 410, 429, 500, 503),
    },
  } satisfies FastifyZodOpenApiSchema;
  // Without HEAD: there is nothing that it could tell.
  app.get('/v1/events', { schema, exposeHeadRoute: false }, async (request, reply) => {
    const last = request.headers['last-event-id'];
    const { after: given, arena } = request.query;
    // Also so that nobody waits for events of a journal that has failed.
    const now = await sequencer.read((engine) => engine.revision);
    const after = last === undefined ? (given ?? now) : Number(last);
    if (after > now) {
      const pointer = last === undefined ? '/query/after' : '/headers/last-event-id';
      throw invalidInput(pointer, `is ahead of the last revision, which is ${now}`);
    }
    const page = await feed.read(after);
    if ('trimmedRevision' in page) return sendProblem(reply, trimmed(after, page));
    if (streams.full) {
      reply.header('Retry-After', '10');
      const detail = `${limits.eventStreamsMax} streams of events are open already.`;
      return sendProblem(reply, problemOf('too-many-requests', detail));
    }
    reply.header('Cache-Control', 'no-store').header('Connection', 'close');
    // Proxies that gather replies before they pass them on hold events back; this one can be told.
    reply.header('X-Accel-Buffering', 'no');
    const stream = streams.open(reply.raw, after, page, arena);
    return reply
      .code(200)
      .type(streamType)
      .send(stream as never);
  });
}
