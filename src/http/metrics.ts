/**
 * Metrics in the text format of Prometheus (0.0.4), read when they are asked for. Names are fixed
 * and no label has a client's own text in it, so that clients cannot make series. It needs no token.
 */
import type { FastifyZodOpenApiSchema } from 'fastify-zod-openapi';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { cpuUsage, memoryUsage } from 'node:process';
import type { Engine } from '../engine/engine.ts';
import type { History } from '../history/history.ts';
import type { Sequencer } from '../sequencer.ts';
import { noQuery, problems, type App } from './contract.ts';
import type { IdempotencyKeys } from './idempotency.ts';
import { metricsText } from './wire/health.ts';

export interface MetricsDependencies {
  readonly sequencer: Pick<
    Sequencer,
    | 'read'
    | 'failed'
    | 'journal'
    | 'keys'
    | 'durableRevision'
    | 'records'
    | 'groups'
    | 'waiting'
    | 'room'
    | 'deadlines'
  >;
  readonly history: Pick<History, 'extent'>;
  readonly streams: { readonly count: number; readonly sent: number };
  readonly version: string;
  readonly answers: AnswerCount;
  readonly keys: Pick<IdempotencyKeys, 'replays'>;
}

const contentType = 'text/plain; version=0.0.4; charset=utf-8';
const resolutionMs = 10;

type DelayHistogram = ReturnType<typeof monitorEventLoopDelay>;

/** Replies by the first digit of their status. */
export class AnswerCount {
  readonly #counts = [0, 0, 0, 0, 0];

  note(status: number): void {
    this.#counts[Math.floor(status / 100) - 1]! += 1;
  }

  /** By class, `2xx`. */
  get byClass(): [string, number][] {
    return this.#counts.map((count, index) => [`${index + 1}xx`, count]);
  }
}

export function metricsRoute(app: App, dependencies: MetricsDependencies): void {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  app.addHook('onClose', async () => {
    delay.disable();
  });
  const schema = {
    operationId: 'metrics',
    tags: ['Health'],
    summary: 'Get metrics in the text format of Prometheus',
    description: 'Of the service, its journal, its history and its process.',
    security: [] as [],
    querystring: noQuery,
    response: {
      200: { description: 'The metrics.', content: { 'text/plain': { schema: metricsText } } },
      ...problems(400, 500),
    },
  } satisfies FastifyZodOpenApiSchema;
  app.get('/metrics', { schema }, async (_request, reply) => {
    const totals = await totalsOf(dependencies);
    const text = [...metrics(dependencies, delay, totals)].map(textOf).join('');
    return reply.code(200).type(contentType).send(text);
  });
}

type Totals = ReturnType<Engine['totals']> & { readonly revision: number };

/** Counts of what is durable; none where the journal answers nobody. */
async function totalsOf({ sequencer }: MetricsDependencies): Promise<Totals | undefined> {
  try {
    return await sequencer.read((engine) => ({ ...engine.totals(), revision: engine.revision }));
  } catch {
    return undefined;
  }
}

interface Metric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  /** By label, `status="2xx"`; the empty string is none. */
  readonly values: Readonly<Record<string, number>>;
}

function* metrics(
  dependencies: MetricsDependencies,
  delay: DelayHistogram,
  totals: Totals | undefined,
): Generator<Metric> {
  const { sequencer, history, streams, version, answers, keys } = dependencies;
  const versioned = { [`version="${version}"`]: 1 };
  yield { name: 'vmemd_info', type: 'gauge', help: 'The version.', values: versioned };
  yield gauge('up', '1 while requests are answered.', sequencer.failed ? 0 : 1);
  if (totals !== undefined) {
    yield gauge('revision', 'The last revision when this was read.', totals.revision);
    yield gauge('arenas', 'Arenas.', totals.arenas);
    yield gauge('spans', 'Spans of all arenas.', totals.spans);
    yield gauge('allocations', 'Allocations of all arenas.', totals.allocations);
    yield gauge('leases', 'Leases.', totals.leases);
    yield gauge('resting_ranges', 'Ranges of all arenas that rest.', totals.resting);
  }
  const { durableRevision, records, groups, waiting } = sequencer;
  yield gauge('durable_revision', 'The last revision that survives a crash.', durableRevision);
  yield counter('records_total', 'Records made durable since the start.', records);
  yield counter('groups_total', 'Commits since the start.', groups);
  yield gauge('waiting', 'Answers that wait for the journal.', waiting);
  yield* waiterMetrics(sequencer.room);
  yield* leaseMetrics(sequencer.deadlines);
  yield* journalMetrics(sequencer.journal);
  yield gauge('idempotency_keys', 'Idempotency keys held.', sequencer.keys.held);
  const replays = 'Requests answered as before because of their key, since the start.';
  yield counter('idempotency_replays_total', replays, keys.replays);
  if (history.extent !== undefined) {
    const help = 'The last revision in the book of history, as of a second ago.';
    yield gauge('history_book_revision', help, history.extent.revision);
  }
  yield gauge('event_streams', 'Streams of events that are open.', streams.count);
  yield counter('events_sent_total', 'Events sent to streams since the start.', streams.sent);
  const byStatus = answers.byClass.map(([name, count]) => [`status="${name}"`, count]);
  yield {
    name: 'vmemd_answers_total',
    type: 'counter',
    help: 'Replies since the start, by class of status.',
    values: Object.fromEntries(byStatus) as Record<string, number>,
  };
  yield* processMetrics(delay);
}

function* waiterMetrics(room: MetricsDependencies['sequencer']['room']): Generator<Metric> {
  const { waiting, granted, timedOut, abandoned, dismissed, seconds, tries } = room.figures;
  yield gauge('waiters', 'Requests that wait for room.', waiting);
  yield {
    name: 'vmemd_waits_total',
    type: 'counter',
    help: 'Requests that have waited for room since the start, by how that ended.',
    values: {
      'outcome="granted"': granted,
      'outcome="timed-out"': timedOut,
      'outcome="abandoned"': abandoned,
      'outcome="dismissed"': dismissed,
    },
  };
  yield counter('wait_seconds_total', 'How long these have waited, all together.', seconds);
  const why = 'How often one who waits was tried for room that had become free, also in vain.';
  yield counter('wait_tries_total', why, tries);
}

function* leaseMetrics({ expired, next }: Sequencer['deadlines']): Generator<Metric> {
  yield counter('leases_expired_total', 'Leases that have run out since the start.', expired);
  if (next === undefined) return;
  const when = 'When the next lease runs out, in seconds from now; negative where one is due.';
  yield gauge('lease_next_expiry_seconds', when, next / 1000);
}

function* journalMetrics(journal: MetricsDependencies['sequencer']['journal']): Generator<Metric> {
  const { checkpoint } = journal;
  if (checkpoint !== undefined) {
    const { revision, completedAt, ms, bytes } = checkpoint;
    yield gauge('checkpoint_revision', 'The last revision in the newest checkpoint.', revision);
    const when = 'When the newest checkpoint was complete, in seconds since 1970.';
    yield gauge('checkpoint_timestamp_seconds', when, completedAt / 1000);
    yield gauge('checkpoint_duration_seconds', 'How long making it took.', ms / 1000);
    yield gauge('checkpoint_bytes', 'Bytes of its text.', bytes);
  }
  const running = journal.checkpointing ? 1 : 0;
  yield gauge('checkpoint_running', '1 while a checkpoint is being made.', running);
  const { recordsSinceCheckpoint, bytesSinceCheckpoint, historyBytes, trimmedRevision } = journal;
  yield gauge('checkpoint_records_since', 'Records after it.', recordsSinceCheckpoint);
  yield gauge('checkpoint_bytes_since', 'Bytes of their text.', bytesSinceCheckpoint);
  yield gauge('history_bytes', 'Bytes of the text of all records stored.', historyBytes);
  yield gauge('history_trimmed_revision', 'The last record that was trimmed.', trimmedRevision);
}

/** The names are those that every exporter uses. The delay is that since it was last asked for. */
function* processMetrics(delay: DelayHistogram): Generator<Metric> {
  const quantiles = [0.5, 0.9, 0.99, 1].map((quantile) => {
    // What is measured is the distance of ticks, which is the resolution where nothing delays them.
    const ms = Math.max(0, delay.percentile(quantile * 100) / 1e6 - resolutionMs);
    return [`quantile="${quantile}"`, ms / 1000];
  });
  delay.reset();
  yield {
    name: 'vmemd_event_loop_delay_seconds',
    type: 'gauge',
    help: 'How much later than due the event loop came round, since these metrics were last read.',
    values: Object.fromEntries(quantiles) as Record<string, number>,
  };
  const { user, system } = cpuUsage();
  yield {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    help: 'Time of processors used.',
    values: { '': (user + system) / 1e6 },
  };
  yield {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    help: 'Memory of the process.',
    values: { '': memoryUsage.rss() },
  };
  const startedAt = performance.timeOrigin / 1000;
  yield {
    name: 'process_start_time_seconds',
    type: 'gauge',
    help: 'When the process was started, in seconds since 1970.',
    values: { '': startedAt },
  };
}

function gauge(name: string, help: string, value: number): Metric {
  return { name: `vmemd_${name}`, type: 'gauge', help, values: { '': value } };
}

function counter(name: string, help: string, value: number): Metric {
  return { name: `vmemd_${name}`, type: 'counter', help, values: { '': value } };
}

function textOf({ name, type, help, values }: Metric): string {
  const lines = Object.entries(values).map(
    ([label, value]) => `${name}${label === '' ? '' : `{${label}}`} ${value}\n`,
  );
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}
