/** The service that a tool talks to: its address and the token that it wants. */
import { readFileSync } from 'node:fs';
import { InvalidSetting, type Environment, type Flags } from '../config.ts';
import { pathOf } from './data-source.ts';

export interface Service {
  /** The address of the service, `http://127.0.0.1:7070`. */
  readonly url: URL;
  readonly token?: string;
}

/** The service that `--url` and `--token-file` name. Throws InvalidSetting. */
export function serviceOf(flags: Flags, environment: Environment): Service {
  const { url, 'token-file': file } = flags;
  if (url === undefined) {
    throw new InvalidSetting('--url is missing: the service, such as http://127.0.0.1:7070.');
  }
  const token = tokenOf(file, environment);
  return { url: urlOf(url), ...(token !== undefined && { token }) };
}

/** Throws InvalidSetting. */
export function urlOf(url: Flags[string]): URL {
  const parsed = typeof url === 'string' ? URL.parse(url) : null;
  if (parsed !== null && /^https?:$/.test(parsed.protocol)) {
    if (parsed.username === '' && parsed.password === '') return parsed;
    throw new InvalidSetting('--url must have no user and password; give --token-file.');
  }
  throw new InvalidSetting(
    `--url must be the address of a service, such as http://127.0.0.1:7070, not "${String(url)}".`,
  );
}

/** The first line of the file that is no comment, or the variable. Throws InvalidSetting. */
export function tokenOf(file: Flags[string], environment: Environment): string | undefined {
  if (file === undefined) return environment['VMEMD_TOKEN'] || undefined;
  const path = pathOf('token-file', file);
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidSetting(`--token-file cannot be read: ${reason}.`, { cause });
  }
  const lines = content.split('\n').map((line) => line.trim());
  const token = lines.find((line) => line !== '' && !line.startsWith('#'));
  if (token !== undefined && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new InvalidSetting(`--token-file: ${path} has no token in it, visible ASCII on one line.`);
}
