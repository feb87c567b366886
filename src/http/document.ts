/**
 * The OpenAPI document: generated from the routes and their schemas, served at /openapi.json and
 * shown at /docs, and committed as openapi/openapi.json so that reviews see what a change does to
 * clients. Run as a program (`npm run openapi`), this file rewrites the committed one.
 *
 * It is made by an application of its own, which has the routes and answers no others: a service is
 * started often and its document seldom read, so nothing of this is loaded before it is (see
 * documentation.ts).
 */
import fastifySwagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import fastifySwaggerUi, { type FastifySwaggerUiOptions } from '@fastify/swagger-ui';
import { fastifyZodOpenApiPlugin, fastifyZodOpenApiTransformers } from 'fastify-zod-openapi';
import { writeFile } from 'node:fs/promises';
import { pino } from 'pino';
import { z } from 'zod';
import { Feed } from '../feed.ts';
import { version } from '../version.ts';
import { buildApp, type AppOptions } from './app.ts';
import { documentCommon } from './common-document.ts';
import { noQuery, type App } from './contract.ts';
import { documentKeys } from './idempotency-document.ts';
import { event } from './wire/event.ts';

const description = `\
\`vmemd\` allocates numeric ranges: IP blocks, ports, VLANs, GPU virtual addresses, plain ids. An
arena is a named set of unsigned integers, made of spans; an allocation is a busy segment of it.

Addresses and sizes are strings, because they can exceed 2^53−1. In requests they are decimal,
\`0x\` hexadecimal or, for addresses, in the arena's notation; a JSON integer up to 2^53−1 is
accepted too. Replies give addresses in the arena's notation and sizes in decimal. Ranges are given with
their \`end\`, inclusive. Absent means unset; there are no nulls. Unknown fields are refused.

Every change has a \`revision\`, its place in the total order of all changes. A reply is sent when
what it shows would survive a crash. Errors are \`application/problem+json\` (RFC 9457).`;

/** How the plugins that make and show the document are set up. */
const documentOptions = {
  components: {
    // No reply has it as its body: it is what the events of a stream have as their data.
    components: { schemas: { Event: event } },
    documentOpts: {
      // A reply may gain fields in a later version; only requests are closed to unknown ones.
      override: ({ zodSchema, jsonSchema }: Parameters<OverrideOption>[0]) => {
        if (zodSchema instanceof z.ZodObject && zodSchema.def.catchall === undefined) {
          delete jsonSchema.additionalProperties;
        }
      },
    },
  },
  swagger: {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'vmemd',
        version,
        description,
        license: { name: 'MIT', identifier: 'MIT' } as never,
      },
      servers: [{ url: '/', description: 'This service.' }],
      tags: [
        { name: 'Arenas', description: 'Named sets of unsigned integers.' },
        { name: 'Spans', description: 'The contiguous ranges an arena consists of.' },
        { name: 'Allocations', description: 'Busy segments and what is known about them.' },
        {
          name: 'Leases',
          description: 'Times for which allocations are held.',
        },
        { name: 'Segments', description: 'The map of an arena.' },
        { name: 'Events', description: 'What happens, as it happens.' },
        { name: 'State', description: 'The state as a whole: its hash, and backups.' },
        { name: 'Health', description: 'For whoever runs the service.' },
      ],
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description: 'Needed where the service was started with tokens.',
          },
        },
      },
      security: [{ bearer: [] }],
    },
    convertConstToEnum: false,
    ...fastifyZodOpenApiTransformers,
    transformObject: (document) =>
      documentCommon(documentKeys(fastifyZodOpenApiTransformers.transformObject(document))),
  } satisfies FastifyDynamicSwaggerOptions,
  /** Nothing on the page comes from elsewhere: the policy forbids it and the badge is off. */
  ui: {
    routePrefix: '/docs',
    staticCSP: true,
    // The page is served over plain HTTP as well, and needs nothing from anywhere else.
    transformStaticCSP: (policy) =>
      policy
        .replace(/upgrade-insecure-requests;?/, '')
        .replaceAll(/ (https:|validator\.swagger\.io)/g, ''),
    uiConfig: { deepLinking: true },
  } satisfies FastifySwaggerUiOptions,
};

type OverrideOption = (context: {
  zodSchema: z.core.$ZodType;
  jsonSchema: Record<string, unknown>;
}) => void;

/** An application that is there for its document: it serves that, and the page that shows it. */
export function documentedApp(): Promise<App> {
  return buildApp({ ...unserved, version, documents: documentsItself });
}

async function documentsItself(app: App): Promise<void> {
  await app.register(fastifyZodOpenApiPlugin, documentOptions.components);
  await app.register(fastifySwagger, documentOptions.swagger);
  await app.register(fastifySwaggerUi, documentOptions.ui);
  let text: string | undefined;
  app.get(
    '/openapi.json',
    { schema: { hide: true, querystring: noQuery } },
    async (_request, reply) => {
      text ??= documentText(app);
      return reply.type('application/json').send(text);
    },
  );
}

/** The document as it is committed: two spaces, a newline at the end. */
export function documentText(app: App): string {
  return `${JSON.stringify(app.swagger(), null, 2)}\n`;
}

/** What an application is built on that is only asked for its document. */
const unserved: Omit<AppOptions, 'version'> = {
  sequencer: {
    failed: false,
    durableRevision: 0,
    records: 0,
    groups: 0,
    waiting: 0,
    execute: unused,
    closeRoom: () => undefined,
    read: unused,
    readNow: unused,
    state: unused,
    keyed: unused,
    get keys() {
      return unused();
    },
    get journal() {
      return unused();
    },
    get room() {
      return unused();
    },
    get deadlines() {
      return unused();
    },
  },
  feed: new Feed({ history: unused }, 0),
  history: { ask: unused, space: unused, spaceAt: unused, extent: undefined },
  backups: { file: '', make: unused },
  logger: pino({ level: 'silent' }),
};

/** Rewrites the committed document. */
async function writeDocument(): Promise<void> {
  const app = await documentedApp();
  await writeFile(new URL('../../openapi/openapi.json', import.meta.url), documentText(app));
  await app.close();
}

function unused(): never {
  throw new Error('nothing else is asked');
}

if (import.meta.main) void writeDocument();
