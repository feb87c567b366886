/**
 * The text of files that come from elsewhere: bytes that should be UTF-8, with or without a byte
 * order mark. They are read as they are, one character a byte, and decoded where they are used, so
 * that what is not UTF-8 spoils its own row alone.
 */
import type { Readable } from 'node:stream';
import { exitCode } from '../exit-code.ts';
import { ToolError } from './tool-error.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lineCharactersMax = 1 << 20;

/** The text that bytes stand for; undefined where they are not UTF-8. */
export function decoded(bytes: string): string | undefined {
  if (!/[\u0080-\u00ff]/.test(bytes)) return bytes;
  try {
    return decoder.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return undefined;
  }
}

/** For a report: what can't be decoded is marked. */
export function shown(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8').trim();
}

/** The bytes of a file without its byte order mark. Rejects with ToolError where it is UTF-16. */
export async function* bytesOf(
  input: Readable,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  let start: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of input as AsyncIterable<Buffer>) {
    onBytes(chunk.length);
    if (start === undefined) {
      yield chunk;
      continue;
    }
    start = Buffer.concat([start, chunk]);
    if (start.length < 3) continue;
    yield withoutMark(start);
    start = undefined;
  }
  if (start !== undefined && start.length > 0) yield withoutMark(start);
}

/** The lines of a file, without their ends, as bytes. Rejects with ToolError where one is too long. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield line.replace(/\r$/, '');
    if (rest.length > lineCharactersMax) {
      throw new ToolError(exitCode.fileRefused, 'A line is longer than any that is meant.');
    }
  }
  if (rest !== '') yield rest;
}

function withoutMark(start: Buffer): Buffer {
  if (start.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf]))) return start.subarray(3);
  const order = start.toString('latin1', 0, 2);
  if (order !== '\u00ff\u00fe' && order !== '\u00fe\u00ff') return start;
  throw new ToolError(exitCode.fileRefused, 'The file is UTF-16. Save it as UTF-8.');
}
