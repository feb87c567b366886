/**
 * The document and its page, as the service serves them: what makes them is loaded when they are first
 * asked for, which takes about as long as a start does. Services are restarted more often than they
 * are asked for it.
 */
import type { App } from './contract.ts';

const urls = ['/openapi.json', '/docs', '/docs/*'];
/** Of a request, all that an answer depends on. */
const passedOn = ['if-none-match', 'if-modified-since', 'range'];
/** Of the connection that an answer came by, which is none. */
const ofConnection = ['connection', 'date', 'keep-alive', 'transfer-encoding', 'content-length'];

/** Adds the routes of the document, which pass on what another application answers. */
export async function documentation(app: App): Promise<void> {
  let documented: Promise<App> | undefined;
  for (const url of urls) {
    app.get(url, { schema: { hide: true } }, async (request, reply) => {
      documented ??= import('./document.ts').then(({ documentedApp }) => documentedApp());
      const other = await documented;
      const named = passedOn.flatMap((name) => {
        const value = request.headers[name];
        return value === undefined ? [] : [[name, value] as const];
      });
      const headers = Object.fromEntries(named);
      const answer = await other.inject({ method: 'GET', url: request.url, headers });
      for (const [name, value] of Object.entries(answer.headers)) {
        if (!ofConnection.includes(name)) reply.header(name, value);
      }
      return reply.code(answer.statusCode).send(answer.rawPayload);
    });
  }
  app.addHook('onClose', async () => {
    await (await documented)?.close();
  });
}
