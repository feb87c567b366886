import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TextResponse } from '../../src/http/response.ts';

const texts = {
  '/ascii': '{"a":"b\\u00e9\u007f"}',
  '/latin1': '{"a":"é"}',
  '/astral': '{"a":"😀"}',
  '/long': 'x'.repeat(300_000),
  '/long-latin1': `${'x'.repeat(300_000)}é`,
  '/empty': '',
};
let server: Server;
let url: string;

beforeAll(async () => {
  server = createServer({ ServerResponse: TextResponse }, (request, response) => {
    const text = texts[request.url as keyof typeof texts];
    response.writeHead(200, { 'content-length': Buffer.byteLength(text) });
    response.end(text);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => server.close());

test.each(Object.entries(texts))('the text of %s arrives as UTF-8', async (path, text) => {
  const bytes = Buffer.from(await (await fetch(url + path)).arrayBuffer());
  expect(bytes.equals(Buffer.from(text))).toBe(true);
});

test('what is no text, or says how it is written, is left alone', async () => {
  const own = createServer({ ServerResponse: TextResponse }, (request, response) => {
    if (request.url === '/bytes') response.end(Buffer.from([0xff, 0x41]));
    else if (request.url === '/hex') response.end('4142', 'hex');
    else response.end(() => undefined);
  });
  await new Promise<void>((resolve) => {
    own.listen(0, '127.0.0.1', resolve);
  });
  const at = `http://127.0.0.1:${(own.address() as AddressInfo).port}`;
  try {
    const got = await Promise.all(
      ['/bytes', '/hex', '/none'].map(async (path) => [
        ...new Uint8Array(await (await fetch(at + path)).arrayBuffer()),
      ]),
    );
    expect(got).toEqual([[0xff, 0x41], [0x41, 0x42], []]);
  } finally {
    own.close();
  }
});
