/**
 * What vmemd is compared with: the same requests and replies, over the same framework, and nothing
 * between them. Bodies are parsed as Fastify parses them, replies written by the serialiser that
 * vmemd's are written by; no validation, no allocator, no disk. It is started as the service is, and
 * takes its flags without looking at them.
 */
import { fastify } from 'fastify';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { z } from 'zod';
import { allocation, type Allocation } from '../src/http/wire/allocation.ts';
import { batchReport } from '../src/http/wire/batch.ts';

const resolutionMs = 10;
const limitBytes = 4 << 20;

const example: Allocation = {
  arena: 'ids',
  address: '1048576',
  end: '1048576',
  size: '1',
  labels: {},
  createdAt: new Date().toISOString(),
  revision: 1_048_576,
};

const location = '/v1/arenas/ids/allocations/1048576';
const etag = '"1048576"';

async function serve(): Promise<void> {
  const app = fastify({ bodyLimit: limitBytes });
  const schemaOf = (schema: z.ZodType) =>
    z.toJSONSchema(schema, { target: 'draft-7', io: 'input' });
  const response = { 200: schemaOf(allocation), 201: schemaOf(allocation) };
  for (const name of ['alloc', 'xalloc']) {
    app.post(`/v1/arenas/:arena/${name}`, { schema: { response } }, async (_request, reply) => {
      return reply.code(201).header('Location', location).header('ETag', etag).send(example);
    });
  }
  const path = '/v1/arenas/:arena/allocations/:address';
  app.get(path, { schema: { response } }, async (_request, reply) => {
    return reply.header('ETag', etag).send(example);
  });
  app.delete(path, async (_request, reply) => reply.code(204).send());
  const report = { response: { 200: schemaOf(batchReport) } };
  const result = { op: 'alloc', ...example };
  app.post('/v1/batch', { schema: report }, async (request, reply) => {
    const { operations } = request.body as { readonly operations: readonly object[] };
    return reply.send({ revision: example.revision, results: operations.map(() => result) });
  });
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  app.get('/metrics', async () => {
    const { user, system } = process.cpuUsage();
    const late = Math.max(0, delay.percentile(99) / 1e6 - resolutionMs) / 1000;
    delay.reset();
    return (
      `process_cpu_seconds_total ${(user + system) / 1e6}\n` +
      `vmemd_event_loop_delay_seconds{quantile="0.99"} ${late}\n` +
      `process_resident_memory_bytes ${process.memoryUsage.rss()}\n`
    );
  });
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  process.stdout.write(`${JSON.stringify({ address, msg: 'listening' })}\n`);
  process.once('SIGTERM', () => process.exit(0));
  process.once('disconnect', () => process.exit(0));
  process.channel?.unref();
}

await serve();
