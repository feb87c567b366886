/**
 * The committed document is the generated one, and keeps the promises that generated clients rely
 * on: every reference resolves, every operation is named and tagged once, nothing is a union or
 * null, and examples are what they say.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../src/http/contract.ts';
import { documentedApp, documentText } from '../src/http/document.ts';
import { version } from '../src/version.ts';
import { components } from './http/service.ts';

const committedPath = fileURLToPath(new URL('../openapi/openapi.json', import.meta.url));

let app: App;
let text: string;
let document: any;

beforeAll(async () => {
  app = await documentedApp();
  text = documentText(app);
  document = JSON.parse(text);
});
afterAll(() => app.close());

interface Found {
  readonly path: string;
  readonly key: string;
  readonly value: unknown;
}

/** Every member of every object in the document, examples excluded. */
function* members(value: unknown, path = '#'): Generator<Found> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    if (key === 'examples' || key === 'example') continue;
    yield { path: `${path}/${key}`, key, value: member };
    yield* members(member, `${path}/${key}`);
  }
}

function operations(): [string, string, any][] {
  return Object.entries<Record<string, unknown>>(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]): [string, string, any] => [
      path,
      method,
      operation,
    ]),
  );
}

describe('the committed document', () => {
  it('is the generated one', () => {
    const committed = readFileSync(committedPath, 'utf8');
    const before = Object.keys(JSON.parse(committed).paths);
    const now = Object.keys(document.paths);
    expect(
      {
        added: now.filter((p) => !before.includes(p)),
        removed: before.filter((p) => !now.includes(p)),
      },
      'refresh it with: npm run openapi',
    ).toEqual({ added: [], removed: [] });
    expect(committed === text, 'it differs; refresh it with: npm run openapi').toBe(true);
  });

  it('passes the linter', { timeout: 60_000 }, async () => {
    const cli = fileURLToPath(new URL('../node_modules/@redocly/cli/bin/cli.js', import.meta.url));
    const config = fileURLToPath(new URL('../openapi/redocly.yaml', import.meta.url));
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [cli, 'lint', committedPath, '--config', config, '--format', 'json'],
      {
        env: {
          ...process.env,
          REDOCLY_TELEMETRY: 'off',
          REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true',
        },
        timeout: 50_000,
      },
    ).catch((failed: { stdout: string; stderr: string }) => failed);
    const report = JSON.parse(stdout.slice(stdout.indexOf('{'))) as {
      totals: { errors: number; warnings: number };
      problems: unknown[];
    };
    expect(report.problems, stderr).toEqual([]);
    expect(report.totals).toMatchObject({ errors: 0, warnings: 0 });
  });
});

describe('the document', () => {
  it('is OpenAPI 3.1.0 of this version', () => {
    expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'vmemd', version } });
  });

  it('has every operation, named once', () => {
    const names = operations().map(([, , { operationId }]) => operationId);
    const expected =
      'createArena listArenas getArena updateArena destroyArena checkArena addSpan listSpans ' +
      'removeSpan listOwners alloc xalloc getAllocation updateAllocation free resize undelete split merge ' +
      'listAllocations freeAll searchAllocations batch listWaiters listSegments whatis fits ' +
      'createLease listLeases getLease renewLease revokeLease watchEvents getHistory getState getBackup ' +
      'livez readyz metrics';
    expect(names.toSorted()).toEqual(expected.split(' ').toSorted());
  });

  it('gives every operation one tag that is described, and a summary', () => {
    const described = document.tags.map(({ name }: { name: string }) => name);
    for (const [path, method, operation] of operations()) {
      expect(operation.tags, `${method} ${path}`).toHaveLength(1);
      expect(described).toContain(operation.tags[0]);
      expect(operation.summary, `${method} ${path}`).toMatch(/^[A-Z].*[^.]$/);
    }
  });

  it('declares for every operation its failures, as problems', () => {
    for (const [path, method, { responses, requestBody }] of operations()) {
      const what = `${method} ${path}`;
      const statuses = Object.keys(responses);
      const needed = ['400', '408', '431', '500'];
      if (path.startsWith('/v1/')) needed.push('401', '503');
      if (path.includes('{arena}')) needed.push('404');
      if (requestBody !== undefined || method === 'delete') needed.push('413', '415');
      expect(statuses, what).toEqual(expect.arrayContaining(needed));
      // A generated client has one type for what succeeds, whatever the status.
      const successes = statuses.filter((status) => status.startsWith('2'));
      const bodies = successes.map((status) => JSON.stringify(responses[status].content));
      expect(new Set(bodies).size, what).toBe(1);
      for (const [status, { content }] of Object.entries<any>(responses)) {
        if (Number(status) < 400) continue;
        expect(content, `${what} ${status}`).toEqual({
          'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
        });
      }
    }
  });

  it('declares the headers that failures may have', () => {
    for (const [path, method, { responses }] of operations()) {
      const what = `${method} ${path}`;
      for (const status of ['409', '429', '503'].filter((one) => one in responses)) {
        expect(responses[status].headers, what).toHaveProperty('Retry-After');
      }
      if ('401' in responses) {
        expect(responses['401'].headers, what).toHaveProperty('WWW-Authenticate');
      }
    }
  });

  it('has no defaults among the fields of bodies, which generators take for required', () => {
    for (const [name, schema] of Object.entries<any>(document.components.schemas)) {
      for (const { key, path } of members(schema))
        expect(key, `${name} ${path}`).not.toBe('default');
    }
    const { keepSpans, policy } = document.components.schemas.CreateArenaRequest.properties;
    expect(keepSpans.description).toMatch(/ `0` unless given\.$/);
    expect(policy.description).toMatch(/ `instantfit` unless given\.$/);
  });

  it('names every body', () => {
    for (const [path, method, { responses, requestBody }] of operations()) {
      const what = `${method} ${path}`;
      for (const [status, { content }] of Object.entries<any>(responses)) {
        const [type, body] = Object.entries<any>(content ?? {})[0] ?? [];
        if (status === '204') expect(type, what).toBeUndefined();
        // What is no JSON has no fields, which a name would be for.
        else if (!type?.endsWith('json')) expect(body.schema.type, what).toBe('string');
        else expect(body.schema.$ref, `${what} ${status}`).toBeDefined();
      }
      if (requestBody === undefined) continue;
      // Of these, all that may be said is an exception.
      const omissible = /\/(renew|undelete)$/.test(path);
      expect(requestBody.required, what).toBe(!omissible);
      expect(requestBody.content['application/json'].schema.$ref, what).toBeDefined();
    }
  });

  it('resolves every reference', () => {
    const references = [...members(document)].filter(({ key }) => key === '$ref');
    expect(references.length).toBeGreaterThan(100);
    for (const { value, path } of references) {
      const name = String(value).replace('#/components/schemas/', '');
      expect(document.components.schemas, path).toHaveProperty(name);
    }
  });

  it('has no unions, no nulls, no 64-bit formats, no twins', () => {
    for (const { key, value, path } of members(document)) {
      expect(['oneOf', 'anyOf', 'allOf', 'nullable', 'propertyNames'], path).not.toContain(key);
      // A share of a whole is the one number that is no integer.
      if (key === 'type' && !/\/(properties|fragmentation)\/type$/.test(path)) {
        expect(value, path).toMatch(/^(object|array|string|integer|boolean|http)$/);
      }
      if (key === 'format') expect(value, path).not.toMatch(/int64/);
    }
    for (const name of Object.keys(document.components.schemas)) {
      expect(name).toMatch(/^[A-Z][A-Za-z]*$/);
      expect(name).not.toMatch(/(Input|Output|Dto|Schema)$/);
    }
  });

  it('closes requests to unknown fields, and leaves replies open', () => {
    for (const [name, schema] of Object.entries<any>(document.components.schemas)) {
      const closed = /Request$|^(InitialSpan|Operation)$/.test(name);
      expect(schema.additionalProperties, name).toBe(closed ? false : undefined);
    }
  });

  it('describes every component and field', () => {
    for (const [name, schema] of Object.entries<any>(document.components.schemas)) {
      expect(schema.description, name).toMatch(/\.$/);
      for (const [field, property] of Object.entries<any>(schema.properties)) {
        const described = property.description !== undefined || property.$ref !== undefined;
        expect(described, `${name}.${field}`).toBe(true);
      }
    }
  });

  it('gives every body an example that its schema takes', () => {
    for (const [name, schema] of Object.entries<any>(document.components.schemas)) {
      expect(schema.examples?.length, name).toBeGreaterThan(0);
      const zod = components.get(name);
      expect(zod, name).toBeDefined();
      for (const example of schema.examples) {
        const result = zod?.safeParse(example);
        expect(result?.success, `${name}: ${JSON.stringify(example)}`).toBe(true);
      }
    }
  });
});
