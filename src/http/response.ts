/**
 * The response as it goes to the socket. Text that is ASCII alone, as nearly all answers are, is sent a
 * byte a character: of a long answer that takes half of what UTF-8 does, which makes room for three
 * bytes a character first.
 */
import type { IncomingMessage } from 'node:http';
import { http } from '../node-http.ts';

export class TextResponse<
  T extends IncomingMessage = IncomingMessage,
> extends http.ServerResponse<T> {
  override end(chunk?: unknown, encoding?: unknown, done?: unknown): this {
    const isAscii =
      typeof chunk === 'string' && encoding == null && Buffer.byteLength(chunk) === chunk.length;
    return super.end(chunk, (isAscii ? 'latin1' : encoding) as BufferEncoding, done as () => void);
  }
}
