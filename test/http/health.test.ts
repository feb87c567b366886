import { connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Service } from './service.ts';

let service: Service;
beforeEach(async () => {
  service = await Service.start();
});
afterEach(() => service.stop());

describe('health', () => {
  it('tells that the process runs', async () => {
    expect((await service.call('GET', '/livez')).body).toEqual({ status: 'ok' });
  });

  it('tells that requests are answered, and up to which revision', async () => {
    expect((await service.call('GET', '/readyz')).body).toEqual({ status: 'ready', revision: 0 });
    await service.call('POST', '/v1/arenas', { name: 'a' });
    expect((await service.call('GET', '/readyz')).body).toEqual({ status: 'ready', revision: 1 });
  });

  it('answers what it was asked before it stops, and hangs up', async () => {
    const address = await service.app.listen({ host: '127.0.0.1', port: 0 });
    service.journal.automatic = false;
    const pending = fetch(`${address}/v1/arenas`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'a' }),
    });
    await service.commitUnderWay();
    const closed = service.app.close();
    while (service.app.server.listening) await new Promise(setImmediate);
    service.journal.complete();
    const reply = await pending;
    expect(reply.status).toBe(201);
    expect(reply.headers.get('connection')).toBe('close');
    await closed;
    await expect(fetch(`${address}/livez`)).rejects.toThrow();
  });
});

describe('readiness', () => {
  it('is over when the stop begins, for a request that was on its way', async () => {
    await service.app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = service.app.server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (data: string) => (text += data));
    // A first request makes sure that the server has begun to read the second.
    socket.write('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n');
    await once(socket, 'data');
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    const closed = service.app.close();
    while (service.app.server.listening) await new Promise(setImmediate);
    text = '';
    socket.write('\r\n');
    await once(socket, 'close');
    expect(text).toMatch(/^HTTP\/1\.1 503 /);
    expect(text).toMatch(/"code":"not-ready"/);
    await closed;
  });
});

describe('documentation', () => {
  it('serves the document', async () => {
    const { headers, body } = await service.call('GET', '/openapi.json');
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(body.openapi).toBe('3.1.0');
  });

  it('answers HEAD, conditional requests and mistakes as everywhere', async () => {
    const whole = await service.call('GET', '/openapi.json');
    const head = await service.call('HEAD', '/openapi.json');
    expect({ status: head.status, text: head.text }).toEqual({ status: 200, text: '' });
    expect(head.headers['content-length']).toBe(String(Buffer.byteLength(whole.text)));
    await service.refused('invalid-request', 'GET', '/openapi.json?format=yaml');
    await service.refused('route-not-found', 'GET', '/docs/nope');
    await service.refused('method-not-allowed', 'DELETE', '/docs');
    const styles = '/docs/static/swagger-ui.css';
    const { headers } = await service.call('GET', styles);
    const same = { 'if-none-match': String(headers['etag']) };
    const again = await service.call('GET', styles, undefined, same);
    expect({ status: again.status, text: again.text }).toEqual({ status: 304, text: '' });
  });

  it('shows it on a page that loads nothing from elsewhere', async () => {
    const { text, headers } = await service.call('GET', '/docs');
    expect(headers['content-security-policy']).toMatch(/default-src 'self'/);
    const loaded = [...text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url]) => url ?? '');
    expect(loaded.length).toBeGreaterThan(3);
    for (const url of loaded) {
      expect(url).toMatch(/^\/docs\/static\/[a-z0-9.-]+$/);
      expect((await service.call('GET', url)).status).toBe(200);
    }
    const start = await service.call('GET', '/docs/static/swagger-initializer.js');
    expect(start.text).toMatch(/validatorUrl: null/);
    const styles = await service.call('GET', '/docs/static/swagger-ui.css');
    expect(styles.text).not.toMatch(/@import|url\(["']?https?:/);
  });
});
