/**
 * Bodies: JSON alone. Of each its bytes are taken whole, looked at for what a parser would pass over in
 * silence, and parsed.
 */
import { errorCodes, type FastifyRequest } from 'fastify';
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { limits } from '../limits.ts';
import type { App } from './contract.ts';
import { keepFractions } from './fractions.ts';
import { invalidInput } from './invalid-input.ts';
import { repeated, repeatsOf } from './repeats.ts';
import { TakenRequest, type Taker } from './request.ts';

/**
 * JSON is the only body. DELETE takes none: an empty one is no error there, because clients often
 * announce JSON with every request, but any other would be ignored in silence.
 */
export function parseJsonAlone(app: App): void {
  app.removeAllContentTypeParsers();
  const parseWarily = app.getDefaultJsonParser('error', 'error');
  const parse = (request: FastifyRequest, bytes: Buffer): unknown => {
    if (request.method === 'DELETE') {
      if (bytes.length === 0) return undefined;
      throw invalidInput('', 'DELETE takes no body');
    }
    const { 'content-encoding': encoding = 'identity' } = request.headers;
    if (encoding !== 'identity') throw new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(encoding);
    // What is none would be replaced in silence, and two different names become the same.
    if (!isUtf8(bytes)) throw invalidInput('', 'the body must be UTF-8');
    const repeats = repeatsOf(bytes);
    const body = keepFractions(repeats?.text ?? bytes.toString());
    let value = mayPoison(body) ? undefined : jsonOf(body);
    if (value !== undefined) return repeats === undefined ? value : repeated(value, repeats.times);
    parseWarily(request, keepFractions(bytes.toString()), (error, parsed) => {
      if (error) throw error;
      value = parsed;
    });
    return value;
  };
  app.addContentTypeParser('application/json', (request, payload, done) => {
    takeBody(request, payload, (body) => {
      let value: unknown;
      try {
        if (body instanceof Error) throw body;
        value = parse(request, body);
      } catch (error) {
        done(error as Error);
        return;
      }
      done(null, value);
    });
  });
}

function takeBody(request: FastifyRequest, payload: IncomingMessage, taker: Taker): void {
  const length = Number(request.headers['content-length']);
  // Every route takes as much as this; what it takes beyond is looked up where it matters.
  const lengthMax = length <= limits.bodyBytesMax ? length : request.routeOptions.bodyLimit;
  if (length > lengthMax) taker(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
  else if (payload instanceof TakenRequest) payload.takeBody(lengthMax, taker);
  // A request that was injected has no connection and no parser.
  else buffer(payload).then(taker, taker);
}

/** Whether the keys that the wary parser refuses may be in there, also spelled with escapes. */
function mayPoison(text: string): boolean {
  return text.includes('__proto__') || text.includes('constructor') || text.includes('\\');
}

/** Undefined where it is not JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
