/** The command line: which command is asked for, with which flags. Values are checked elsewhere. */
import { parseArgs } from 'node:util';
import type { Flags } from '../config.ts';

export type Request =
  | { readonly command: 'serve'; readonly flags: Flags }
  | { readonly command: 'help'; readonly of: 'vmemd' | 'serve' }
  | { readonly command: 'version' }
  /** Not understood, and why, as a sentence. */
  | { readonly command: 'mistake'; readonly message: string };

const flagTypes = {
  host: { type: 'string' },
  port: { type: 'string' },
  data: { type: 'string' },
  'log-level': { type: 'string' },
  tokens: { type: 'string' },
  insecure: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

/** Reads the words after the program's name. Never throws: what is wrong is a `mistake`. */
export function parseArguments(words: readonly string[]): Request {
  let parsed;
  try {
    parsed = parseArgs({ args: [...words], options: flagTypes, allowPositionals: true });
  } catch (error) {
    // parseArgs throws for unknown flags and missing values, with a sentence for a person.
    return mistake(error instanceof Error ? error.message : String(error));
  }
  const { help, version, ...flags } = parsed.values;
  const [command, ...rest] = parsed.positionals;
  if (version === true) return { command: 'version' };
  if (help === true) return { command: 'help', of: command === 'serve' ? 'serve' : 'vmemd' };
  if (command === undefined) return mistake('A command is missing.');
  if (command !== 'serve') return mistake(`There is no command "${command}".`);
  if (rest.length > 0) return mistake(`serve takes flags alone, not "${rest[0]}".`);
  return { command: 'serve', flags };
}

function mistake(message: string): Request {
  return { command: 'mistake', message };
}
