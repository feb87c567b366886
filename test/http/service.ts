/**
 * A service for the tests: the real edge, sequencer and engine over a journal in memory. Every
 * reply is held against the document: its status has to be one the operation declares, and its
 * body has to be exactly what the declared component allows, field for field.
 */
import { pino } from 'pino';
import { expect } from 'vitest';
import { z } from 'zod';
import { Engine } from '../../src/engine/engine.ts';
import { Feed } from '../../src/feed.ts';
import { buildApp } from '../../src/http/app.ts';
import type { App } from '../../src/http/contract.ts';
import { documentedApp } from '../../src/http/document.ts';
import type { EventStreamsOptions } from '../../src/http/event-stream.ts';
import * as allocationWire from '../../src/http/wire/allocation.ts';
import * as arenaWire from '../../src/http/wire/arena.ts';
import * as batchWire from '../../src/http/wire/batch.ts';
import * as eventWire from '../../src/http/wire/event.ts';
import * as fitsWire from '../../src/http/wire/fits.ts';
import { HistoryUnavailable, type History } from '../../src/history/history.ts';
import * as healthWire from '../../src/http/wire/health.ts';
import * as leaseWire from '../../src/http/wire/lease.ts';
import * as historyWire from '../../src/http/wire/history.ts';
import * as ownerWire from '../../src/http/wire/owner.ts';
import * as problemWire from '../../src/http/wire/problem.ts';
import { problem, problemCodes, type Problem } from '../../src/http/wire/problem.ts';
import * as segmentWire from '../../src/http/wire/segment.ts';
import * as spanWire from '../../src/http/wire/span.ts';
import * as stateWire from '../../src/http/wire/state.ts';
import * as waiterWire from '../../src/http/wire/waiter.ts';
import type { BackupMaker } from '../../src/http/state.ts';
import { StorageFailure, type JournalRecord } from '../../src/journal/journal.ts';
import { recover } from '../../src/journal/recovery.ts';
import { RestTimer } from '../../src/rest-timer.ts';
import { Sequencer } from '../../src/sequencer.ts';
import { MemoryJournal, type StoredCheckpoint } from '../journal/memory-journal.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** The parsed body; undefined where it is empty. */
  readonly body: any;
}

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'PUT' | 'HEAD' | 'OPTIONS';

/** Components by name, as zod schemas. */
export const components: ReadonlyMap<string, z.ZodType> = new Map(
  [
    arenaWire,
    allocationWire,
    waiterWire,
    batchWire,
    spanWire,
    segmentWire,
    eventWire,
    fitsWire,
    leaseWire,
    historyWire,
    ownerWire,
    stateWire,
    healthWire,
    problemWire,
  ]
    .flatMap((module) => Object.values(module) as unknown[])
    .filter((value) => value instanceof z.ZodType)
    .filter((schema) => schema.meta()?.id !== undefined)
    .map((schema) => [String(schema.meta()?.id), schema]),
);

const noBackups: BackupMaker = {
  file: '/nonexistent/backup',
  make: () => Promise.reject(new StorageFailure('No backup is made here.')),
};

const noHistory: History = {
  ask: () => Promise.reject(new HistoryUnavailable('There is no history here.')),
  space: () => Promise.resolve(undefined),
  spaceAt: () => Promise.resolve(undefined),
  extent: undefined,
};

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string }[];
  readonly responses: Record<string, { content?: Record<string, { schema: { $ref: string } }> }>;
}

interface Path {
  readonly pattern: RegExp;
  readonly operations: Record<string, Operation>;
}

/** Made once: all services have the same, and to write it takes longer than to start one. */
let documented: Promise<Document> | undefined;

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** The document of the service. */
export function document(): Promise<Document> {
  return (documented ??= makeDocument());
}

async function makeDocument(): Promise<Document> {
  const app = await documentedApp();
  const made = app.swagger();
  await app.close();
  return made as unknown as Document;
}

async function paths(): Promise<Path[]> {
  const { paths } = await document();
  return Object.entries(paths).map(([path, operations]) => ({
    pattern: new RegExp(`^${path.replaceAll(/\{[a-z]+\}/g, '[^/]+')}$`),
    operations,
  }));
}

export class Service {
  readonly app: App;
  readonly engine: Engine;
  readonly journal: MemoryJournal;
  readonly sequencer: Sequencer;
  /** Looks only when it is told to. */
  readonly restTimer: RestTimer;
  readonly #paths: readonly Path[];

  private constructor(
    app: App,
    engine: Engine,
    journal: MemoryJournal,
    sequencer: Sequencer,
    restTimer: RestTimer,
    paths: readonly Path[],
  ) {
    this.app = app;
    this.engine = engine;
    this.journal = journal;
    this.sequencer = sequencer;
    this.restTimer = restTimer;
    this.#paths = paths;
  }

  static async start(
    options: {
      tokens?: readonly string[];
      queueMax?: number;
      waitersMax?: number;
      backups?: BackupMaker;
      history?: History;
      events?: EventStreamsOptions;
      /** The steady clock, in milliseconds. */
      now?: () => number;
      /** What an earlier service has left. */
      stored?: readonly JournalRecord[];
      storedCheckpoint?: StoredCheckpoint;
    } = {},
  ): Promise<Service> {
    const {
      tokens,
      queueMax,
      waitersMax,
      backups = noBackups,
      history = noHistory,
      events,
    } = options;
    const engine = new Engine();
    const journal = new MemoryJournal(options.stored, options.storedCheckpoint);
    journal.automatic = true;
    await recover(journal, engine);
    const feed = new Feed(journal, engine.revision);
    const sequencer = new Sequencer(engine, journal, {
      onDurable: (records) => feed.add(records),
      onFailure: () => undefined,
      ...(queueMax !== undefined && { queueMax }),
      ...(waitersMax !== undefined && { waitersMax }),
    });
    const restTimer = new RestTimer(sequencer, options.now);
    const app = await buildApp({
      sequencer,
      feed,
      history,
      backups,
      secondsLeft: (rest) => restTimer.secondsLeft(rest),
      ...(events !== undefined && { events }),
      logger: pino({ level: 'silent' }),
      version: '0.0.0',
      ...(tokens !== undefined && { tokens }),
    });
    return new Service(app, engine, journal, sequencer, restTimer, await paths());
  }

  /** Sends a request; `body` is sent as JSON, or as it is when it is a string. */
  async call(
    method: Method,
    url: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const reply = await this.app.inject({
      method,
      url,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && {
        payload: typeof body === 'string' || body instanceof Buffer ? body : JSON.stringify(body),
      }),
    });
    const answer = {
      status: reply.statusCode,
      headers: reply.headers,
      text: reply.payload,
      body:
        reply.payload !== '' && isJson(reply.headers['content-type'])
          ? JSON.parse(reply.payload)
          : undefined,
    };
    if (method !== 'HEAD') this.#holdAgainstDocument(method, url, answer);
    return answer;
  }

  /** Sends a request that has to fail in this way. */
  async refused(
    code: keyof typeof problemCodes,
    ...request: Parameters<Service['call']>
  ): Promise<Problem & Pick<Answer, 'headers'>> {
    const { status, body, headers, text } = await this.call(...request);
    expect({ status, code: body?.code }, text).toEqual({ status: problemCodes[code][0], code });
    return { ...(body as Problem), headers };
  }

  /** Waits until a commit is under way, which the test then completes. */
  async commitUnderWay(): Promise<void> {
    while (!this.journal.appending) await new Promise(setImmediate);
  }

  async stop(): Promise<void> {
    this.journal.automatic = true;
    if (this.journal.appending) this.journal.complete();
    await this.app.close();
    if (!this.sequencer.failed) await this.sequencer.close();
  }

  #holdAgainstDocument(method: Method, url: string, answer: Answer): void {
    // As inject does: a "." or ".." in a path is resolved before it is sent.
    const path = new URL(`http://localhost${url}`).pathname;
    const found = this.#paths.find(({ pattern }) => pattern.test(path));
    const operation = found?.operations[method.toLowerCase()];
    if (answer.status >= 400) expectProblem(answer);
    if (operation === undefined) return;
    const declared = operation.responses[answer.status];
    const what = `${method} ${url} → ${answer.status} ${answer.text}`;
    expect(declared, `declared: ${what}`).toBeDefined();
    const [type, content] = Object.entries(declared?.content ?? {})[0] ?? [];
    if (type === undefined) {
      expect(answer.text, what).toBe('');
      return;
    }
    expect(String(answer.headers['content-type']).split(';')[0], what).toBe(type);
    if (!type.endsWith('json')) return;
    const name = content?.schema.$ref.split('/').at(-1) ?? '';
    const schema = components.get(name);
    expect(schema, `component ${name}`).toBeDefined();
    // What zod gives back lacks the fields that the component does not have.
    expect(schema?.parse(answer.body), what).toEqual(answer.body);
  }
}

/** Every failure has to be a problem whose parts agree with each other and with the status. */
export function expectProblem(answer: Pick<Answer, 'status' | 'headers' | 'text' | 'body'>): void {
  expect(String(answer.headers['content-type']), answer.text).toMatch(
    /^application\/problem\+json(;|$)/,
  );
  const parsed = problem.parse(answer.body);
  expect(parsed, 'no field beyond those declared').toEqual(answer.body);
  const [status, title] = problemCodes[parsed.code];
  expect(parsed).toMatchObject({ type: `urn:vmemd:problem:${parsed.code}`, status, title });
  expect(answer.status).toBe(status);
  expect(parsed.detail).not.toBe('');
}

function isJson(type: unknown): boolean {
  return /^application\/(problem\+)?json(;|$)/.test(String(type));
}
