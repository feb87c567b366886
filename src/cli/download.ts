/**
 * Downloads a backup from a running service: `GET /v1/backup`, written to a file and compared with
 * the length and the digest that the service announced, so that a transfer that was cut off or
 * altered is never taken for a backup.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { exitCode } from '../exit-code.ts';
import { http } from '../node-http.ts';
import type { Progress } from './progress.ts';
import { messageOf, ToolError } from './tool-error.ts';

export interface DownloadOptions {
  /** The address of the service, `http://127.0.0.1:7070`. */
  readonly url: URL;
  readonly token?: string;
  /** An empty file, open for writing. */
  readonly file: FileHandle;
  readonly progress: Progress;
}

export interface Download {
  readonly revision: number;
  readonly bytes: number;
}

/** The service copies everything before the first byte comes; this long nothing may come at all. */
const idleMsMax = 600_000;
/** The longest text of an error that is read. */
const problemBytesMax = 65_536;

/** Rejects with ToolError where the service or the transfer fails; with the file's own errors. */
export async function download(options: DownloadOptions): Promise<Download> {
  const { url } = options;
  const reply = await ask(options);
  try {
    if (reply.statusCode !== 200) throw await refusalOf(reply, url);
    return await receive(reply, options);
  } catch (error) {
    if (error instanceof ToolError || isFileError(error)) throw error;
    throw failed(`The transfer from ${url.href} broke off: ${messageOf(error)}.`, error);
  } finally {
    reply.destroy();
  }
}

function ask({ url, token }: DownloadOptions): Promise<IncomingMessage> {
  const base = url.href.endsWith('/') ? url.href : `${url.href}/`;
  const send = url.protocol === 'https:' ? requestHttps : http.request;
  return new Promise((resolve, reject) => {
    const request = send(new URL('v1/backup', base), {
      headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      agent: false,
    });
    request.setTimeout(idleMsMax, () => {
      request.destroy(new Error(`nothing came for ${idleMsMax / 1000} seconds`));
    });
    request.once('response', resolve);
    request.once('error', (error) => {
      reject(failed(`${url.href} cannot be reached: ${messageOf(error)}.`, error));
    });
    request.end();
  });
}

async function receive(
  reply: IncomingMessage,
  { url, file, progress }: DownloadOptions,
): Promise<Download> {
  const length = Number(reply.headers['content-length']);
  const digest = /^sha-256=:([A-Za-z0-9+/]{43}=):$/.exec(String(reply.headers['repr-digest']))?.[1];
  const revision = Number(/^vmemd-([0-9]{1,16})\.db$/.exec(fileNameOf(reply))?.[1]);
  if (!Number.isSafeInteger(length) || digest === undefined || !Number.isSafeInteger(revision)) {
    throw failed(`${url.href} answers, but not with a backup of vmemd.`);
  }
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    await file.writeFile(chunk);
    hash.update(chunk);
    bytes += chunk.length;
    progress.update('bytes received', bytes, length);
  }
  if (bytes !== length) {
    throw failed(`The transfer from ${url.href} ended after ${bytes} of ${length} bytes.`);
  }
  if (hash.digest('base64') !== digest) {
    throw failed(`What came from ${url.href} does not match its digest.`);
  }
  return { revision, bytes };
}

async function refusalOf(reply: IncomingMessage, url: URL): Promise<ToolError> {
  const status = reply.statusCode;
  if (status === 401) {
    const message = `${url.href} wants a token. Give it with --token-file or VMEMD_TOKEN.`;
    return new ToolError(exitCode.transferFailed, message);
  }
  let text = '';
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    text += chunk.toString('utf8');
    if (text.length > problemBytesMax) break;
  }
  return failed(`${url.href} answers with ${status}: ${detailOf(text)}`);
}

/** The sentence of a problem; of anything else not a word, because it may be a whole page. */
function detailOf(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    if (typeof detail === 'string') return detail;
  } catch {
    // No problem, and no vmemd.
  }
  return 'it does not say why.';
}

function fileNameOf(reply: IncomingMessage): string {
  const disposition = String(reply.headers['content-disposition']);
  return /^attachment; filename="([^"]*)"$/.exec(disposition)?.[1] ?? '';
}

function failed(what: string, cause?: unknown): ToolError {
  const message = `${what} There is no backup; try again, or look at the log of the service.`;
  return new ToolError(exitCode.transferFailed, message, { cause });
}

function isFileError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall === 'write';
}
