/**
 * Settings: flags, then environment, then defaults, checked once at the start. A setting that is
 * invalid ends the start with a sentence that names it and the remedy; nothing is guessed.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import {
  checkpointBytesDefault,
  historyBytesDefault,
  historyDaysDefault,
  keysMaxDefault,
} from './journal/retention.ts';
import { limits } from './limits.ts';

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface Settings {
  readonly host: string;
  /** 0 lets the system choose; the log tells which. */
  readonly port: number;
  /** The data directory. */
  readonly data: string;
  readonly logLevel: LogLevel;
  /** Text of records after which a checkpoint is made. */
  readonly checkpointBytes: number;
  /** History younger than this is kept … */
  readonly historyDays: number;
  /** … unless there is more of it than this. */
  readonly historyBytes: number;
  /** How many idempotency keys are held. */
  readonly keysMax: number;
  /** Accepts a journal that ends here although its head anchor says more, or is missing. */
  readonly acceptRevision?: number;
  /** Bearer tokens, any of which opens the API. Absent: it is open to everyone who can connect. */
  readonly tokens?: readonly string[];
}

const mib = 1 << 20;

/** Every setting: its flag, its variable, what is used otherwise, and what it means. */
export const settingNames = {
  host: { flag: 'host', variable: 'VMEMD_HOST', otherwise: '127.0.0.1' },
  port: { flag: 'port', variable: 'VMEMD_PORT', otherwise: '7070' },
  data: { flag: 'data', variable: 'VMEMD_DATA', otherwise: './data' },
  logLevel: { flag: 'log-level', variable: 'VMEMD_LOG_LEVEL', otherwise: 'info' },
  checkpointMib: {
    flag: 'checkpoint-mib',
    variable: 'VMEMD_CHECKPOINT_MIB',
    otherwise: String(checkpointBytesDefault / mib),
  },
  historyDays: {
    flag: 'history-days',
    variable: 'VMEMD_HISTORY_DAYS',
    otherwise: String(historyDaysDefault),
  },
  historyMib: {
    flag: 'history-mib',
    variable: 'VMEMD_HISTORY_MIB',
    otherwise: String(historyBytesDefault / mib),
  },
  idempotencyKeys: {
    flag: 'idempotency-keys',
    variable: 'VMEMD_IDEMPOTENCY_KEYS',
    otherwise: String(keysMaxDefault),
  },
  acceptRevision: { flag: 'accept-revision', variable: 'VMEMD_ACCEPT_REVISION', otherwise: '' },
  tokens: { flag: 'tokens', variable: 'VMEMD_TOKENS', otherwise: '' },
  insecure: { flag: 'insecure', variable: 'VMEMD_INSECURE', otherwise: '0' },
} as const;

type SettingName = keyof typeof settingNames;

/** Flags as given on the command line, by name. */
export type Flags = Readonly<Partial<Record<string, string | boolean>>>;
export type Environment = Readonly<Partial<Record<string, string>>>;

/** A setting is invalid. The message is a sentence for a person. */
export class InvalidSetting extends Error {
  override name = 'InvalidSetting';
}

/**
 * The settings from flags and environment. Reads the file of tokens, if there is one.
 * @throws {InvalidSetting}
 */
export function readSettings(flags: Flags, environment: Environment): Settings {
  const given = (name: SettingName): Given => lookUp(name, flags, environment);
  const tokensFile = given('tokens');
  const tokens = tokensFile.text === '' ? undefined : readTokens(tokensFile);
  const accepted = given('acceptRevision');
  const host = hostOf(given('host'));
  const insecure = switchOf(given('insecure'));
  if (tokens === undefined && !insecure && !isLoopback(host)) {
    throw new InvalidSetting(
      `--host ${host} can be reached from other machines, but there are no tokens. ` +
        'Give --tokens FILE, or --insecure to let everyone in.',
    );
  }
  return Object.freeze({
    host,
    port: countOf(given('port'), limits.portMax),
    data: dataOf(given('data')),
    logLevel: logLevelOf(given('logLevel')),
    checkpointBytes: Math.ceil(amountOf(given('checkpointMib'), limits.checkpointMibMax) * mib),
    historyDays: amountOf(given('historyDays'), limits.historyDaysMax),
    historyBytes: Math.ceil(amountOf(given('historyMib'), limits.historyMibMax) * mib),
    keysMax: countOf(given('idempotencyKeys'), limits.idempotencyKeysMax),
    ...(accepted.text !== '' && { acceptRevision: revisionOf(accepted) }),
    ...(tokens !== undefined && { tokens }),
  });
}

interface Given {
  readonly text: string;
  /** How the one who gave it knows it: `--port` or `VMEMD_PORT`. */
  readonly source: string;
}

function lookUp(name: SettingName, flags: Flags, environment: Environment): Given {
  const { flag, variable, otherwise } = settingNames[name];
  const fromFlag = flags[flag];
  if (fromFlag === true) return { text: '1', source: `--${flag}` };
  if (typeof fromFlag === 'string') return { text: fromFlag, source: `--${flag}` };
  const fromEnvironment = environment[variable];
  // An empty variable is an unset one: that is how container files switch things off.
  if (fromEnvironment !== undefined && fromEnvironment !== '') {
    return { text: fromEnvironment, source: variable };
  }
  return { text: otherwise, source: `--${flag}` };
}

function hostOf({ text, source }: Given): string {
  if (isIP(text) !== 0 || /^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/.test(text)) return text;
  throw new InvalidSetting(`${source} must be an IP address or a host name, not "${text}".`);
}

function countOf({ text, source }: Given, max: number): number {
  const count = /^[0-9]{1,9}$/.test(text) ? Number(text) : Infinity;
  if (count <= max) return count;
  throw new InvalidSetting(`${source} must be a number from 0 to ${max}, not "${text}".`);
}

function dataOf({ text, source }: Given): string {
  if (text !== '' && !text.includes('\0')) return text;
  throw new InvalidSetting(`${source} must be the path of a directory.`);
}

function logLevelOf({ text, source }: Given): LogLevel {
  const level = logLevels.find((known) => known === text);
  if (level !== undefined) return level;
  throw new InvalidSetting(`${source} must be one of ${logLevels.join(', ')}, not "${text}".`);
}

/** A decimal number from 0, for tests and small machines with a fraction. */
function amountOf({ text, source }: Given, max: number): number {
  const amount = /^[0-9]{1,9}(\.[0-9]{1,6})?$/.test(text) ? Number(text) : Infinity;
  if (amount <= max) return amount;
  throw new InvalidSetting(`${source} must be a number from 0 to ${max}, not "${text}".`);
}

function revisionOf({ text, source }: Given): number {
  const revision = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(revision)) return revision;
  throw new InvalidSetting(`${source} must be the revision at which the journal ends.`);
}

function switchOf({ text, source }: Given): boolean {
  if (text === '1' || text === 'true') return true;
  if (text === '0' || text === 'false') return false;
  throw new InvalidSetting(`${source} must be 1 or 0, not "${text}".`);
}

/** Names that resolve to the own machine by standard; every other name may resolve elsewhere. */
function isLoopback(host: string): boolean {
  const version = isIP(host);
  if (version === 4) return host.startsWith('127.');
  if (version === 6) return host === '::1';
  return host.toLowerCase() === 'localhost';
}

/** One token a line; empty lines and lines that begin with # are skipped. */
function readTokens({ text: path, source }: Given): string[] {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidSetting(`${source}: the file of tokens cannot be read: ${reason}.`, { cause });
  }
  const tokens: string[] = [];
  for (const [index, line] of content.split('\n').entries()) {
    const token = line.trim();
    if (token === '' || token.startsWith('#')) continue;
    // The line is named, never the token.
    if (token.length < limits.tokenCharactersMin || !/^[\x21-\x7e]+$/.test(token)) {
      throw new InvalidSetting(
        `${source}: line ${index + 1} of ${path} must be one token of at least ` +
          `${limits.tokenCharactersMin} visible ASCII characters, without spaces.`,
      );
    }
    tokens.push(token);
  }
  if (tokens.length === 0) throw new InvalidSetting(`${source}: ${path} has no token in it.`);
  if (tokens.length > limits.tokensMax) {
    throw new InvalidSetting(`${source}: ${path} has more than ${limits.tokensMax} tokens.`);
  }
  return tokens;
}
