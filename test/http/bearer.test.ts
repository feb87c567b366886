import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { document, Service } from './service.ts';

const tokens = ['0123456789abcdef', 'fedcba9876543210'];
let service: Service;
beforeEach(async () => {
  service = await Service.start({ tokens });
});
afterEach(() => service.stop());

describe('bearer tokens', () => {
  it.each(tokens)('open the API: %s', async (token) => {
    for (const scheme of ['Bearer', 'bearer']) {
      const headers = { authorization: `${scheme} ${token}` };
      expect((await service.call('GET', '/v1/arenas', undefined, headers)).status).toBe(200);
    }
  });

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Bearer 0123456789abcde',
    'Bearer 0123456789abcdef0',
    'Bearer 0123456789abcdef fedcba9876543210',
    'Basic 0123456789abcdef',
    '0123456789abcdef',
  ])('are needed: %s does not do', async (authorization) => {
    const headers = authorization === undefined ? {} : { authorization };
    const reply = await service.refused('unauthorized', 'GET', '/v1/arenas', undefined, headers);
    expect(reply.headers['www-authenticate']).toMatch(/^Bearer /);
    await service.refused('unauthorized', 'POST', '/v1/arenas', { name: 'a' }, headers);
    expect(service.engine.revision).toBe(0);
  });

  it('are needed however the path is written', async () => {
    for (const url of [
      '/%761/arenas',
      '/v1/%61renas',
      '/v1/arenas?x',
      '/v1/arenas/a/allocations/1',
    ]) {
      await service.refused('unauthorized', 'GET', url);
    }
    for (const url of ['/v1//arenas', '/V1/arenas', '/v1%2farenas']) {
      await service.refused('route-not-found', 'GET', url);
    }
  });

  it('are needed before anything of the request is read', async () => {
    await service.refused('unauthorized', 'POST', '/v1/arenas', '{', {});
  });

  it('are needed on every route of the API, for every method it has', async () => {
    const { paths } = await document();
    for (const [path, operations] of Object.entries(paths)) {
      if (!path.startsWith('/v1/')) continue;
      for (const method of [...Object.keys(operations), 'head']) {
        if (method === 'head' && operations['get'] === undefined) continue;
        const url = path.replaceAll(/\{[a-z]+\}/g, 'a');
        const reply = await service.app.inject({ method: method.toUpperCase() as 'GET', url });
        // They have no HEAD, which would make a backup, or begin a stream, for nothing.
        const withoutHead = ['/v1/backup', '/v1/events'].includes(path);
        const status = method === 'head' && withoutHead ? 405 : 401;
        expect({ url, method, status: reply.statusCode }).toEqual({ url, method, status });
      }
    }
  });

  it('are not needed for health and documentation', async () => {
    for (const url of ['/livez', '/readyz', '/openapi.json', '/docs']) {
      expect((await service.call('GET', url)).status).toBe(200);
    }
  });
});
