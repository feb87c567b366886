/**
 * The HTTP edge, assembled. `buildApp` never listens and never reads the environment; whoever calls
 * it does. The order of registration matters: what documents collects routes that come after
 * it, and hooks apply to routes that come after them.
 */
import { fastify, type FastifyBaseLogger, type FastifyReply, type FastifyRequest } from 'fastify';
import type { FastifyZodOpenApiTypeProvider } from 'fastify-zod-openapi';
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { Feed } from '../feed.ts';
import type { History } from '../history/history.ts';
import { limits } from '../limits.ts';
import type { Sequencer } from '../sequencer.ts';
import { ArenaSpaces } from './address-space.ts';
import { allocationListRoutes } from './allocation-list.ts';
import { allocationRoutes } from './allocations.ts';
import { arenaRoutes } from './arenas.ts';
import { batchRoute } from './batch.ts';
import { BearerTokens } from './bearer.ts';
import { serializerCompiler, validatorCompiler, type App } from './contract.ts';
import { documentation } from './documentation.ts';
import { EventStreams, type EventStreamsOptions } from './event-stream.ts';
import { EventTexts } from './event-text.ts';
import { eventRoutes } from './events.ts';
import { finishReplies } from './finish.ts';
import { fitsRoute } from './fits.ts';
import { healthRoutes } from './health.ts';
import { historyRoutes } from './history.ts';
import { IdempotencyKeys } from './idempotency.ts';
import { parseJsonAlone } from './json-body.ts';
import { AnswerCount, metricsRoute, type MetricsDependencies } from './metrics.ts';
import { leaseRoutes } from './leases.ts';
import { mutator } from './mutation.ts';
import { ownerRoutes } from './owners.ts';
import {
  errorHandler,
  handleClientError,
  problemOf,
  refuseRarities,
  sendProblem,
} from './problem.ts';
import type { SecondsLeft } from './problem.ts';
import { TakenRequest } from './request.ts';
import { TextResponse } from './response.ts';
import type { RouteDependencies } from './route.ts';
import { segmentRoutes } from './segments.ts';
import { spanRoutes } from './spans.ts';
import { splitRoutes } from './split.ts';
import { stateRoutes, type BackupMaker, type StateDependencies } from './state.ts';
import { waiterRoutes } from './waiters.ts';

export interface AppOptions {
  readonly sequencer: Pick<Sequencer, 'execute' | 'keyed' | 'keys' | 'closeRoom'> &
    RouteDependencies['sequencer'] &
    StateDependencies['sequencer'] &
    MetricsDependencies['sequencer'];
  readonly feed: Feed;
  readonly history: History;
  readonly backups: BackupMaker;
  readonly logger: FastifyBaseLogger;
  /** Bearer tokens, any of which opens /v1. Absent: /v1 is open to everyone. */
  readonly tokens?: readonly string[];
  /** Of the service, for the document. */
  readonly version: string;
  /** For tests that cannot wait. */
  readonly events?: EventStreamsOptions;
  /** Absent: nobody is told when rests end. */
  readonly secondsLeft?: SecondsLeft;
  /** Documents the application, called before it has routes. Absent: another one does it for it. */
  readonly documents?: (app: App) => Promise<void>;
}

/** Builds the service's HTTP application, ready to `inject` or `listen`. */
export async function buildApp(options: AppOptions): Promise<App> {
  const { sequencer, feed, history, backups, logger, tokens, version, events } = options;
  const { secondsLeft } = options;
  const app = newApp(logger);
  app.server.maxConnections = limits.connectionsMax;
  // Node would hang up on a client that sends its last before it is answered, with the request done.
  Object.assign(app.server, { httpAllowHalfOpen: true });
  refuseRarities(app.server);
  app.setErrorHandler(errorHandler(logger));
  parseJsonAlone(app);
  refuseUnknownRoutes(app);
  if (tokens !== undefined) requireToken(app, new BearerTokens(tokens));
  logAnswers(app, logger);
  const answers = new AnswerCount();
  const keys = new IdempotencyKeys(app, sequencer, tokens !== undefined);
  finishReplies(app, answers, keys);
  app.addHook('preClose', async () => sequencer.closeRoom());
  await (options.documents ?? documentation)(app);
  const spaces = new ArenaSpaces(sequencer, feed.revision, history);
  const streams = new EventStreams(feed, new EventTexts(spaces), events);
  const mutate = mutator(sequencer, secondsLeft);
  const dependencies = { sequencer, mutate, spaces, secondsLeft };
  arenaRoutes(app, dependencies);
  spanRoutes(app, dependencies);
  ownerRoutes(app, dependencies);
  allocationRoutes(app, dependencies);
  splitRoutes(app, dependencies);
  allocationListRoutes(app, dependencies);
  waiterRoutes(app, dependencies);
  batchRoute(app, dependencies);
  leaseRoutes(app, dependencies);
  segmentRoutes(app, dependencies);
  historyRoutes(app, { ...dependencies, history });
  eventRoutes(app, { sequencer, feed, streams });
  fitsRoute(app, dependencies);
  stateRoutes(app, { sequencer, backups, logger });
  healthRoutes(app, dependencies);
  metricsRoute(app, { sequencer, streams, history, version, answers, keys });
  await app.ready();
  return app;
}

/**
 * The framework gets no logger: with one it listens to the end of every reply, though most requests
 * write no line. Those that write one name the request themselves.
 */
function newApp(logger: FastifyBaseLogger): App {
  const handleError = errorHandler(logger);
  const app = fastify({
    bodyLimit: limits.bodyBytesMax,
    connectionTimeout: limits.connectionTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    maxRequestsPerSocket: limits.requestsPerConnectionMax,
    http: {
      headersTimeout: limits.headersTimeoutMs,
      // Node would refuse such a request by itself, but without a problem: a hook does it.
      requireHostHeader: false,
      // The stream of a body that is not there has no events to wait for.
      optimizeEmptyRequests: true,
      connectionsCheckingInterval: limits.connectionsCheckingIntervalMs,
      IncomingMessage: TakenRequest,
      ServerResponse: TextResponse,
    },
    // Parameters have bounds of their own, with better errors than the router's.
    routerOptions: { maxParamLength: 16_384 },
    // While stopping, requests on open connections are still answered; each is then hung up on.
    return503OnClosing: false,
    // Given here, the framework does not load its own. Its types want those.
    schemaController: {
      compilersFactory: {
        buildValidator: () => validatorCompiler as never,
        buildSerializer: () => serializerCompiler as never,
      },
    },
    clientErrorHandler: (error, socket) => handleClientError(error, socket as Socket),
    frameworkErrors: (error, request, reply) => void handleError(error, request, reply),
  });
  return app.withTypeProvider<FastifyZodOpenApiTypeProvider>();
}

/** Answers 404 and 405 before anything of the request is read. */
function refuseUnknownRoutes(app: App): void {
  const routes = new Map<string, { pattern: RegExp; methods: Set<string> }>();
  app.addHook('onRoute', ({ url, method }) => {
    const route = routes.get(url) ?? { pattern: patternOf(url), methods: new Set<string>() };
    for (const one of [method].flat()) route.methods.add(one);
    routes.set(url, route);
  });
  const methodsOf = (request: FastifyRequest): string[] => {
    const path = request.url.split('?', 1)[0] ?? '';
    const methods = [...routes.values()]
      .filter(({ pattern }) => pattern.test(path))
      .flatMap((route) => [...route.methods]);
    return [...new Set(methods)].toSorted();
  };
  const refuseRoute = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const methods = methodsOf(request);
    if (methods.length === 0 || methods.includes(request.method)) {
      const target = request.url.slice(0, limits.echoCharactersMax);
      const detail = `There is no ${request.method} ${target}.`;
      return sendProblem(reply, problemOf('route-not-found', detail));
    }
    reply.header('Allow', methods.join(', '));
    const detail = `${request.method} is not one of ${methods.join(', ')}.`;
    return sendProblem(reply, problemOf('method-not-allowed', detail));
  };
  app.addHook('onRequest', (request, reply, done) => {
    const { headers } = request;
    if (headers.host === undefined && request.raw.httpVersionMinor === 1) {
      const error = { pointer: '/headers/host', detail: 'is missing' };
      const problem = problemOf('invalid-request', 'The Host header is missing.', {
        errors: [error],
      });
      sendProblem(reply, problem);
    } else if (request.is404) refuseRoute(request, reply);
    else {
      // The type of a body that is not there: who reads it would wait for an end that never comes.
      if (headers['content-type'] !== undefined && isBodiless(headers))
        delete headers['content-type'];
      done();
    }
  });
  app.setNotFoundHandler(refuseRoute);
}

function isBodiless(headers: IncomingHttpHeaders): boolean {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = headers;
  return length === '0' && encoding === undefined;
}

function patternOf(url: string): RegExp {
  const source = url
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll(/:[A-Za-z]+/g, '[^/]+')
    .replaceAll('*', '.*');
  return new RegExp(`^${source}$`);
}

function requireToken(app: App, tokens: BearerTokens): void {
  app.addHook('onRequest', (request, reply, done) => {
    // By the matched route, not by the URL: %76 in a path is a "v" to the router.
    const open = request.routeOptions.url?.startsWith('/v1/') !== true;
    if (open || tokens.admits(request.headers.authorization)) done();
    else {
      reply.header('WWW-Authenticate', 'Bearer realm="vmemd"');
      sendProblem(reply, problemOf('unauthorized', 'Send Authorization: Bearer <token>.'));
    }
  });
}

/** One line per request at debug, without bodies and headers. */
function logAnswers(app: App, logger: FastifyBaseLogger): void {
  if (logger.level !== 'debug' && logger.level !== 'trace') return;
  app.addHook('onResponse', (request, reply, done) => {
    logger.debug(
      {
        reqId: request.id,
        method: request.method,
        url: request.url,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 1000) / 1000,
      },
      'answered',
    );
    done();
  });
}
