/**
 * Whatever is sent: never a 500, and every failure a problem. The harness holds each reply against
 * the document. The requests are made of parts that are nearly right, because what is wholly random
 * gets no further than the first check.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Service, type Method } from './service.ts';

let service: Service;
let address = '';
beforeAll(async () => {
  service = await Service.start();
  await service.call('POST', '/v1/arenas', {
    name: 'v4',
    notation: 'ipv4',
    spans: [{ cidr: '10.0.0.0/24' }],
  });
  await service.call('POST', '/v1/arenas', {
    name: 'v6',
    notation: 'ipv6',
    spans: [{ cidr: '::/0' }],
  });
  await service.call('POST', '/v1/arenas', { name: 'root', spans: [{ base: 0, size: 65_536 }] });
  await service.call('POST', '/v1/arenas', {
    name: 'ids',
    quantum: 16,
    source: 'root',
    quantumCacheMax: 64,
  });
  const { body } = await service.call('POST', '/v1/arenas/v4/alloc', { size: 4 });
  address = body.address;
});
afterAll(() => service.stop());

const integers = fc.oneof(
  fc.constantFrom('0', '1', '16', '255', '256', '0x10', '10.0.0.0', '10.0.0.4', '::', '::1'),
  fc.constantFrom('-1', '1.5', '1e9', '', ' ', '010', '0x', 'NaN', '10.0.0.0/24', '::/64', 'null'),
  fc.bigInt({ min: 0n, max: (1n << 129n) - 1n }).map(String),
  fc.integer({ min: 0, max: 128 }).map((bits) => (1n << BigInt(bits)).toString()),
  fc.string({ maxLength: 50 }),
);

const values = fc.oneof(
  { weight: 4, arbitrary: integers },
  { weight: 2, arbitrary: fc.integer({ min: -2, max: 300 }) },
  { weight: 1, arbitrary: fc.double() },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(true, false, null, {}, [], 2 ** 53, -0) },
);

const names = (
  'name notation width quantum policy source importSize largeImport keepSpans labels spans ' +
  'releaseAfterSeconds quantumCacheMax limit base size end cidr prefixLength owner align phase ' +
  'nocross min max address constructor __proto__ toString x'
).split(' ');

const spans = fc.array(
  fc.dictionary(fc.constantFrom('base', 'size', 'end', 'cidr', 'x'), values, { maxKeys: 3 }),
  { maxLength: 3 },
);

/** A body with a likely subset of a route's own fields, likely of the right kind. */
const likely = fc.record(
  {
    name: fc.constantFrom('v4', 'new', 'New', ''),
    notation: fc.constantFrom('decimal', 'hex', 'ipv4', 'ipv6'),
    width: fc.constantFrom(32, 64, 128),
    quantum: integers,
    policy: fc.constantFrom('instantfit', 'bestfit', 'nextfit', 'randomfit', 'none'),
    source: fc.constantFrom('root', 'v4', 'ids', 'nowhere'),
    spans,
    labels: fc.dictionary(fc.string(), fc.string()),
    limit: integers,
  },
  { requiredKeys: ['name'] },
);
const placement = fc.record(
  {
    size: values,
    prefixLength: fc.integer({ min: -1, max: 130 }),
    align: integers,
    phase: integers,
    nocross: integers,
    min: integers,
    max: integers,
    address: integers,
    policy: fc.constantFrom('bestfit', 'firstfit', 'lastfit', 'nextfit', 'randomfit'),
    owner: fc.string(),
  },
  { requiredKeys: [] },
);

const bodies = fc.oneof(
  { weight: 3, arbitrary: likely.map((value) => JSON.stringify(value)) },
  { weight: 4, arbitrary: placement.map((value) => JSON.stringify(value)) },
  {
    weight: 3,
    arbitrary: fc
      .dictionary(fc.constantFrom(...names), values, { maxKeys: 5 })
      .map((value) => JSON.stringify(value)),
  },
  { weight: 2, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.string() },
);

const queries = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  {
    weight: 3,
    arbitrary: fc
      .array(
        fc.tuple(
          fc.constantFrom(
            'limit',
            'cursor',
            'label',
            'owner',
            'from',
            'to',
            'contains',
            'size',
            'force',
          ),
          fc.oneof(integers, fc.constantFrom('true', 'false', 'a=b', '%', '%zz', '[]')),
          fc.boolean(),
        ),
        { maxLength: 3 },
      )
      .map((pairs) =>
        pairs.map(([key, value, raw]) => `${key}=${raw ? value : encode(value)}`).join('&'),
      )
      .map((text) => `?${text}`),
  },
  { weight: 1, arbitrary: fc.webQueryParameters().map((text) => `?${text}`) },
);

const arenas = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('v4', 'v6', 'ids', 'root') },
  { weight: 1, arbitrary: fc.constantFrom('none', 'constructor', '__proto__', '%', '%ff', 'A') },
  { weight: 1, arbitrary: fc.string().map(encode) },
);

const addresses = fc.oneof(
  { weight: 1, arbitrary: fc.constant('ADDRESS') },
  { weight: 3, arbitrary: integers.map(encode) },
  { weight: 1, arbitrary: fc.constantFrom('%', '%zz', '..', '%2e%2e', '10.0.0.0%00') },
);

const headers = fc.record(
  {
    'content-type': fc.constantFrom('application/json', 'application/json', 'text/plain', 'x'),
    'if-match': fc.oneof(fc.constantFrom('*', '"1"', '"0"', 'W/"1"', ''), header()),
    'idempotency-key': fc.oneof(fc.constantFrom('a', '"a"', 'b', '"'), header()),
    accept: header(),
    authorization: header(),
    'x-request-id': header(),
  },
  { requiredKeys: [] },
);

function header(): fc.Arbitrary<string> {
  return fc.string({ maxLength: 30 }).map((text) => text.replaceAll(/[^\x20-\x7e]/g, '?'));
}

/** Percent-encoding that also takes what is no well-formed text. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

const routes: [Method, string][] = [
  ['POST', '/v1/arenas'],
  ['GET', '/v1/arenas'],
  ['GET', '/v1/arenas/:arena'],
  ['PATCH', '/v1/arenas/:arena'],
  ['GET', '/v1/arenas/:arena/check'],
  ['POST', '/v1/arenas/:arena/spans'],
  ['GET', '/v1/arenas/:arena/spans'],
  ['DELETE', '/v1/arenas/:arena/spans/:address'],
  ['POST', '/v1/arenas/:arena/alloc'],
  ['POST', '/v1/arenas/:arena/xalloc'],
  ['GET', '/v1/arenas/:arena/allocations'],
  ['GET', '/v1/arenas/:arena/allocations/:address'],
  ['PATCH', '/v1/arenas/:arena/allocations/:address'],
  ['DELETE', '/v1/arenas/:arena/allocations/:address'],
  ['POST', '/v1/arenas/:arena/allocations/:address/resize'],
  ['DELETE', '/v1/arenas/:arena/allocations'],
  ['GET', '/v1/arenas/:arena/segments'],
  ['GET', '/v1/arenas/:arena/whatis/:address'],
  ['DELETE', '/v1/arenas/:arena'],
  ['GET', '/livez'],
  ['GET', '/readyz'],
  ['GET', '/openapi.json'],
];

describe('any request', () => {
  it.each(routes)('%s %s is answered by the rules', { timeout: 60_000 }, async (method, route) => {
    let failures = 0;
    await fc.assert(
      fc.asyncProperty(
        arenas,
        addresses,
        queries,
        bodies,
        headers,
        async (arena, somewhere, query, body, more) => {
          const place = somewhere === 'ADDRESS' ? address : somewhere;
          const url = route.replace(':arena', arena).replace(':address', place) + query;
          const sent = method === 'GET' || method === 'DELETE' ? undefined : body;
          const { status, text } = await service.call(method, url, sent, more);
          expect(status, text).toBeLessThan(500);
          if (status >= 400) failures += 1;
        },
      ),
      { numRuns: 120 },
    );
    expect(failures).toBeGreaterThan(0);
  });

  it('leaves every arena sound', async () => {
    const { body } = await service.call('GET', '/v1/arenas?limit=1000');
    for (const { name } of body.items) {
      const report = await service.call('GET', `/v1/arenas/${name}/check`);
      expect(report.body).toMatchObject({ ok: true, problems: [] });
    }
  });

  it('of any method to any path is answered by the rules', async () => {
    const methods = fc.constantFrom<Method[]>('GET', 'POST', 'PATCH', 'DELETE', 'PUT', 'OPTIONS');
    const paths = fc.oneof(
      fc.webPath(),
      fc.string().map((text) => `/${encode(text)}`),
      fc.constantFrom('/v1/%', '/%', '/docs/static/%2e%2e/%2e%2e/x', '/v1/arenas/..'),
    );
    await fc.assert(
      fc.asyncProperty(methods, paths, queries, bodies, async (method, path, query, body) => {
        const { status } = await service.call(method, `/${path}${query}`.replace('//', '/'), body);
        expect(status).toBeLessThan(500);
      }),
      { numRuns: 300 },
    );
  });
});
