/** Idempotency keys over real HTTP: what is sent again is answered as before, byte for byte. */
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { document, Service, type Method } from './service.ts';

const tokens = ['0123456789abcdef', 'fedcba9876543210'];

let service: Service;
let port: number;

async function start(options: Parameters<typeof Service.start>[0] = {}): Promise<void> {
  service = await Service.start(options);
  await service.app.listen({ host: '127.0.0.1', port: 0 });
  port = (service.app.server.address() as AddressInfo).port;
}

beforeEach(() => start());
afterEach(() => service.stop());

interface Sent {
  readonly status: number | undefined;
  /** As they came, names and values by turns, but for the date. */
  readonly headers: readonly string[];
  readonly body: string;
}

type Headers = Readonly<Record<string, string | string[]>>;

function open(method: Method, path: string, body?: unknown, headers: Headers = {}) {
  const sent = request({
    host: '127.0.0.1',
    port,
    method,
    path,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
  });
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  return sent;
}

async function send(...args: Parameters<typeof open>): Promise<Sent> {
  const [response] = (await once(open(...args), 'response')) as [IncomingMessage];
  const headers = response.rawHeaders.flatMap((name, index, all) =>
    index % 2 === 0 && name.toLowerCase() !== 'date' ? [name, all[index + 1]!] : [],
  );
  return { status: response.statusCode, headers, body: await text(response) };
}

function codeOf({ status, body }: Sent): [number | undefined, string] {
  return [status, (JSON.parse(body) as { code: string }).code];
}

/** Without the header that an answer has for being given again; there has to be one. */
function replayed({ status, headers, body }: Sent): Sent {
  const at = headers.findIndex((name) => name.toLowerCase() === 'idempotency-replayed');
  expect(headers.slice(at, at + 2)).toEqual(['idempotency-replayed', 'true']);
  return { status, headers: headers.toSpliced(at, 2), body };
}

function key(text: string): Headers {
  return { 'Idempotency-Key': text };
}

/** The operations that take a key, by the document. */
async function mutations(): Promise<string[]> {
  const { paths } = await document();
  return Object.values(paths)
    .flatMap((operations) => Object.values(operations))
    .filter(({ parameters }) => parameters?.some(({ name }) => name === 'idempotency-key'))
    .map(({ operationId }) => operationId);
}

async function operationOf(method: Method, url: string): Promise<string | undefined> {
  const [path = ''] = url.split('?');
  const { paths } = await document();
  const found = Object.entries(paths).find(([pattern]) =>
    new RegExp(`^${pattern.replaceAll(/\{[A-Za-z]+\}/g, '[^/]+')}$`).test(path),
  );
  return found?.[1][method.toLowerCase()]?.operationId;
}

const arenas = '/v1/arenas';
const pods = {
  name: 'pods',
  notation: 'ipv4',
  labels: { z: '1', a: 'ü "\\ 😀' },
  spans: [{ cidr: '10.0.0.0/24' }],
};

describe('a request that is sent again with its key', () => {
  it('is answered byte for byte as before, and done once, for every mutation', async () => {
    const steps: [Method, string, unknown?, Headers?][] = [
      ['POST', arenas, pods],
      ['PATCH', `${arenas}/pods`, { quarantineSeconds: 60 }, { 'If-Match': '"1"' }],
      ['POST', `${arenas}/pods/spans`, { cidr: '10.1.0.0/24' }],
      ['POST', `${arenas}/pods/alloc`, { size: 4, owner: 'ü', labels: { a: '"' } }],
      ['POST', `${arenas}/pods/xalloc`, { size: 1, address: '10.0.0.77' }],
      ['PATCH', `${arenas}/pods/allocations/10.0.0.77`, { owner: 'b' }, { 'If-Match': '"5"' }],
      ['POST', `${arenas}/pods/allocations/10.0.0.77/resize`, { size: 2 }],
      ['POST', `${arenas}/pods/allocations/10.0.0.77/split`, { size: 1 }],
      ['POST', `${arenas}/pods/allocations/10.0.0.77/merge`, { end: '10.0.0.78' }],
      ['DELETE', `${arenas}/pods/allocations/10.0.0.77?size=2`],
      ['POST', `${arenas}/pods/allocations/10.0.0.77/undelete`, { owner: 'b' }],
      ['DELETE', `${arenas}/pods/spans/10.1.0.0`],
      ['POST', '/v1/batch', { operations: [{ op: 'alloc', arena: 'pods', size: 2 }] }],
      ['DELETE', `${arenas}/pods/allocations`],
      ['DELETE', `${arenas}/pods?force=true`],
      ['POST', '/v1/leases', { ttlSeconds: 60, labels: { z: 'ü' } }],
      ['POST', '/v1/leases/{made}/renew', {}],
      ['POST', '/v1/leases/{made}/renew', { ttlSeconds: 30 }],
      ['DELETE', '/v1/leases/{made}'],
    ];
    const first: Sent[] = [];
    for (const [index, step] of steps.entries()) {
      // The id of the lease that was made before.
      const made = /"id":"([^"]*)"/.exec(first.at(-1)?.body ?? '')?.[1] ?? '';
      step[1] = step[1].replace('{made}', made);
      const [method, path, body, headers] = step;
      const answer = await send(method, path, body, { ...headers, ...key(`step ${index}`) });
      expect(answer.status, answer.body).toBeLessThan(300);
      first.push(answer);
    }
    const { revision } = service.engine;
    expect(revision).toBe(steps.length);
    const names = await mutations();
    expect(names.length).toBeGreaterThan(10);
    const done = await Promise.all(steps.map(([method, path]) => operationOf(method, path)));
    expect(
      names.filter((name) => !done.includes(name)),
      'give each a step',
    ).toEqual([]);
    // The arena is gone: none of these could be done once more.
    for (const [index, [method, path, body, headers]] of steps.entries()) {
      const again = await send(method, path, body, { ...headers, ...key(`step ${index}`) });
      expect(replayed(again)).toEqual(first[index]);
    }
    expect(service.engine.revision).toBe(revision);
    const { text: metrics } = await service.call('GET', '/metrics');
    expect(metrics).toContain(`\nvmemd_idempotency_replays_total ${steps.length}\n`);
    expect(metrics).toContain(`\nvmemd_idempotency_keys ${steps.length}\n`);
  });

  it('is answered as one without a key, but for the key', async () => {
    await send('POST', arenas, pods);
    const request = [`${arenas}/pods/xalloc`, { size: 1, address: '10.0.0.9' }] as const;
    const answer = await send('POST', ...request, key('k'));
    await send('DELETE', `${arenas}/pods/allocations/10.0.0.9`);
    const plain = await send('POST', ...request);
    expect(plain.status).toBe(answer.status);
    const names = ({ headers }: Sent) => headers.filter((_, index) => index % 2 === 0).toSorted();
    expect(names(plain)).toEqual(names(answer));
    const strip = (body: string) => body.replace(/"createdAt":"[^"]+","revision":\d+/, '');
    expect(strip(plain.body)).toBe(strip(answer.body));
  });

  it('is the same request in whatever order its fields come', async () => {
    const first = await send('POST', arenas, pods, key('k'));
    const { name, notation, spans } = pods;
    const reordered = { spans, notation, labels: { a: pods.labels.a, z: '1' }, name };
    const again = await send('POST', arenas, reordered, key('k'));
    expect(replayed(again)).toEqual(first);
  });

  it('may have its key in quotes or not', async () => {
    await send('POST', arenas, pods);
    const body = { size: 1 };
    const pairs = [
      ['4b6f', '"4b6f"'],
      ['a "b" \\c', '"a \\"b\\" \\\\c"'],
      ['x'.repeat(255), `"${'x'.repeat(255)}"`],
      ['~!,;=', '"~!,;="'],
    ] as const;
    for (const [plain, quoted] of pairs) {
      const first = await send('POST', `${arenas}/pods/alloc`, body, key(plain));
      expect(first.status).toBe(201);
      expect(replayed(await send('POST', `${arenas}/pods/alloc`, body, key(quoted)))).toEqual(
        first,
      );
    }
  });

  it('is not answered as before when it is another one', async () => {
    await send('POST', arenas, pods);
    const base = `${arenas}/pods/allocations`;
    await send('POST', `${arenas}/pods/xalloc`, { size: 1, address: '10.0.0.1' });
    const condition = { 'If-Match': '"2"' };
    const done = await send(
      'PATCH',
      `${base}/10.0.0.1`,
      { owner: 'a' },
      { ...condition, ...key('k') },
    );
    expect(done.status).toBe(200);
    const others: Parameters<typeof open>[] = [
      ['POST', `${base}/10.0.0.1/resize`, { owner: 'a' }, condition],
      ['PATCH', `${base}/10.0.0.2`, { owner: 'a' }, condition],
      ['PATCH', `${base}/10.0.0.1?x=1`, { owner: 'a' }, condition],
      ['PATCH', `${base}/10.0.0.1`, { owner: 'b' }, condition],
      ['PATCH', `${base}/10.0.0.1`, { owner: 'a', labels: {} }, condition],
      ['PATCH', `${base}/10.0.0.1`, { owner: 'a' }, { 'If-Match': '"3"' }],
      ['PATCH', `${base}/10.0.0.1`, { owner: 'a' }, {}],
      ['DELETE', `${base}/10.0.0.1`, undefined, condition],
    ];
    for (const [method, path, body, headers] of others) {
      const other = await send(method, path, body, { ...headers, ...key('k') });
      expect(codeOf(other), `${method} ${path}`).toEqual([422, 'idempotency-mismatch']);
    }
    expect(service.engine.revision).toBe(3);
  });

  it('is done where it was refused or invalid before', async () => {
    await send('POST', arenas, { ...pods, spans: [] });
    const request = [`${arenas}/pods/alloc`, { size: 4 }] as const;
    expect(codeOf(await send('POST', ...request, key('k')))).toEqual([422, 'never-fits']);
    const invalid = await send('POST', `${arenas}/pods/alloc`, { size: -1 }, key('k'));
    expect(codeOf(invalid)).toEqual([400, 'invalid-request']);
    const nowhere = await send('POST', `${arenas}/none/alloc`, { size: 1 }, key('k'));
    expect(codeOf(nowhere)).toEqual([404, 'arena-not-found']);
    const preview = { size: 4, validateOnly: true };
    await send('POST', `${arenas}/pods/spans`, { cidr: '10.0.0.0/24' });
    expect((await send('POST', `${arenas}/pods/alloc`, preview, key('k'))).status).toBe(200);
    const done = await send('POST', ...request, key('k'));
    expect(done.status).toBe(201);
    expect(replayed(await send('POST', ...request, key('k')))).toEqual(done);
  });
});

describe('while the first request is being served', () => {
  it('the second is told so, and gets its answer later', async () => {
    await send('POST', arenas, pods);
    service.journal.automatic = false;
    const request = ['POST', `${arenas}/pods/alloc`, { size: 4 }, key('k')] as const;
    const first = send(...request);
    await service.commitUnderWay();
    const second = await send(...request);
    expect(codeOf(second)).toEqual([409, 'idempotency-in-progress']);
    expect(second.headers).toContain('retry-after');
    const other = await send('POST', `${arenas}/pods/alloc`, { size: 5 }, key('k'));
    expect(codeOf(other)).toEqual([409, 'idempotency-in-progress']);
    service.journal.automatic = true;
    service.journal.complete();
    const answer = await first;
    expect(answer.status).toBe(201);
    expect(replayed(await send(...request))).toEqual(answer);
    expect(service.engine.revision).toBe(2);
  });

  it('its client may go away and ask again', async () => {
    await send('POST', arenas, pods);
    service.journal.automatic = false;
    const request = ['POST', `${arenas}/pods/alloc`, { size: 4 }, key('k')] as const;
    const lost = open(...request).on('error', () => undefined);
    await service.commitUnderWay();
    lost.destroy();
    service.journal.automatic = true;
    service.journal.complete();
    let again = await send(...request);
    while (again.status === 409) again = await send(...request);
    const { body } = replayed(again);
    expect(JSON.parse(body)).toMatchObject({ address: '10.0.0.0', revision: 2 });
    expect(service.engine.revision).toBe(2);
  });

  it('refusals leave nothing under way', async () => {
    await send('POST', arenas, pods);
    service.journal.automatic = false;
    const made = send('POST', `${arenas}/pods/alloc`, { size: 4 });
    await service.commitUnderWay();
    // Waits, like any answer, for what it has seen.
    const refused = send('POST', arenas, pods, key('k'));
    await new Promise(setImmediate);
    while (service.sequencer.waiting < 2) await new Promise(setImmediate);
    expect(codeOf(await send('POST', arenas, pods, key('k')))[1]).toBe('idempotency-in-progress');
    service.journal.automatic = true;
    service.journal.complete();
    expect((await made).status).toBe(201);
    expect(codeOf(await refused)).toEqual([409, 'arena-exists']);
    expect(codeOf(await send('POST', arenas, pods, key('k')))).toEqual([409, 'arena-exists']);
  });
});

describe('the header', () => {
  it.each<[string, string | string[]]>([
    ['empty', ''],
    ['empty in quotes', '""'],
    ['too long', 'x'.repeat(256)],
    ['too long in quotes', `"${'x'.repeat(256)}"`],
    ['not closed', '"abc'],
    ['more than a string', '"abc";a=1'],
    ['a backslash before another character', '"a\\b"'],
    ['not ASCII', 'caf\u00e9'],
    ['a tab', 'a\tb'],
    ['given twice', ['a', 'a']],
  ])('is refused where it is %s', async (_what, value) => {
    const answer = await send('POST', arenas, pods, { 'Idempotency-Key': value });
    expect(codeOf(answer)).toEqual([400, 'invalid-request']);
    const { errors } = JSON.parse(answer.body) as { errors: unknown[] };
    expect(errors).toMatchObject([{ pointer: '/headers/idempotency-key' }]);
    expect(service.engine.revision).toBe(0);
  });

  it('means nothing to what changes nothing', async () => {
    await send('POST', arenas, pods, key('k'));
    for (const path of [arenas, `${arenas}/pods`, '/readyz']) {
      const answer = await send('GET', path, undefined, key('k'));
      expect(answer.status).toBe(200);
      expect((await send('GET', path, undefined, key('"'))).body).toBe(answer.body);
    }
  });

  it('is not needed: without it everything is done again', async () => {
    await send('POST', arenas, pods);
    const one = await send('POST', `${arenas}/pods/alloc`, { size: 1 });
    const two = await send('POST', `${arenas}/pods/alloc`, { size: 1 });
    expect(one.body).not.toBe(two.body);
  });
});

describe('many keys', () => {
  it('beyond what may be held are refused, and those that are held still work', async () => {
    await send('POST', arenas, pods);
    service.journal.keysMax = 2;
    const alloc = (name: string) => send('POST', `${arenas}/pods/alloc`, { size: 1 }, key(name));
    const one = await alloc('one');
    await alloc('two');
    const three = await alloc('three');
    expect(codeOf(three)).toEqual([503, 'too-many-keys']);
    expect(three.headers.join()).toMatch(/retry-after,3600/);
    expect(replayed(await alloc('one'))).toEqual(one);
    service.journal.keysMax = 3;
    expect((await alloc('three')).status).toBe(201);
  });
});

describe('with tokens', () => {
  const as = (index: number, name: string): Headers => ({
    authorization: `Bearer ${tokens[index]}`,
    ...key(name),
  });
  beforeEach(async () => {
    await service.stop();
    await start({ tokens });
  });

  it('a key belongs to the token it came with', async () => {
    const request = (index: number) => send('POST', arenas, pods, as(index, 'k'));
    const mine = await request(0);
    expect(mine.status).toBe(201);
    expect(codeOf(await request(1))).toEqual([409, 'arena-exists']);
    expect(replayed(await request(0))).toEqual(mine);
    const stored = JSON.stringify(service.journal.stored);
    for (const token of tokens) expect(stored).not.toContain(token);
  });

  it('nothing is answered to who has none', async () => {
    await send('POST', arenas, pods, as(0, 'k'));
    expect(codeOf(await send('POST', arenas, pods, key('k')))).toEqual([401, 'unauthorized']);
  });
});
