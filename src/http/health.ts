/** Routes for whoever runs the service: liveness and readiness. They need no token. */
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { answer, noQuery, problems, type App } from './contract.ts';
import { problemOf, sendProblem } from './problem.ts';
import type { RouteDependencies } from './route.ts';
import { liveness, readiness } from './wire/health.ts';

const tags = ['Health'];
// Said explicitly, because the document asks for a token elsewhere.
const security: [] = [];

export function healthRoutes(app: App, { sequencer }: RouteDependencies): void {
  let stopping = false;
  app.addHook('preClose', (done) => {
    stopping = true;
    done();
  });
  const liveSchema = {
    operationId: 'livez',
    tags,
    summary: 'Tell whether the process runs',
    description:
      '200 as long as the process can answer; it says nothing of the journal, see readyz.',
    security,
    querystring: noQuery,
    response: { 200: answer('It runs.', liveness), ...problems(400, 500) },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/livez', { schema: liveSchema }, async (_request, reply) =>
    reply.code(200).send({ status: 'ok' }),
  );
  const readySchema = {
    operationId: 'readyz',
    tags,
    summary: 'Tell whether requests are answered',
    description: 'Not while the service stops, nor when the journal has failed.',
    security,
    querystring: noQuery,
    response: { 200: answer('They are.', readiness), ...problems(400, 500, 503) },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/readyz', { schema: readySchema }, async (_request, reply) => {
    if (stopping) return sendProblem(reply, problemOf('not-ready', 'The service is stopping.'));
    if (sequencer.failed) {
      return sendProblem(reply, problemOf('journal-unavailable', 'The journal has failed.'));
    }
    const revision = await sequencer.read((engine) => engine.revision);
    return reply.code(200).send({ status: 'ready', revision });
  });
}
